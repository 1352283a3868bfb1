/* SPDX-License-Identifier: MIT */
/* What of a request names this proxy, or was signed for it, in places where the host would read it: URLs of copy sources, and the
 * requests inside a batch. */
#include "exchange_internal.h"

#include "batch.h"
#include "copysource.h"
#include "../lib/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- URLs ---- */

static bool holds_url(struct slice name)
{
    return slice_equal_nocase(name, SLICE("x-ms-copy-source")) || slice_equal_nocase(name, SLICE("x-ms-previous-snapshot-url"));
}

/* A header field could carry it, a request line could not. */
static bool is_url(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.bytes[i] <= 0x20 || value.bytes[i] == 0x7f)
            return false;
    return true;
}

/* Where the service finds the account: accounts.endpoint, or the name that transfers carry. */
static int write_url(struct exchange *x, const struct target *source, struct buf *url)
{
    const struct conf *conf = x->conf;
    char endpoint[sizeof("https://{account}.") + 256];

    if (*conf->accounts_endpoint)
        return copysource_write(source, conf->accounts_endpoint, url);
    snprintf(endpoint, sizeof(endpoint), "https://{account}.%s", conf->channel_suffix);
    return copysource_write(source, endpoint, url);
}

static int rewrite_url(struct exchange *x, struct head_field *field, const struct target *source, char **ret_url)
{
    struct buf url CLEANUP(buf_free);

    buf_init(&url, LIMIT_HEAD_BYTES);
    if (exchange_allow_account(x, source->account) < 0)
        return -EACCES;
    if (!exchange_may_change(x)) {
        exchange_refuse(x, AZURE_AuthenticationFailed, METRIC_ERROR_AUTHORIZATION,
                        "%.*s names this proxy, where the service cannot fetch it, and the signature of the request forbids to "
                        "change it. Name the account's own endpoint, or configure the account's key (accounts.file).",
                        (int)field->name.len, field->name.bytes);
        return -EACCES;
    }
    if (write_url(x, source, &url) < 0) {
        exchange_refuse(x, AZURE_InvalidHeaderValue, METRIC_ERROR_TOO_LARGE, "The URL of the copy source is too long.");
        return -EACCES;
    }
    *ret_url = TAKE_PTR(url.bytes);
    field->value = slice_of(*ret_url);
    return 0;
}

int exchange_rewrite_urls(struct exchange *x)
{
    const struct copysource_self self = {
        .hosts = &x->env->hosts,
        .listeners = (const char *const *)x->conf->listen_tcp.items,
        .tls_listeners = (const char *const *)x->conf->listen_tls.items,
        .request_host = head_value(&x->request, "Host"),
    };
    unsigned count = 0;

    for (unsigned i = 0; i < x->request.field_count; i++) {
        struct head_field *field = &x->request.fields[i];
        struct target source;

        if (!holds_url(field->name))
            continue;
        if (!is_url(field->value)) {
            exchange_refuse(x, AZURE_InvalidHeaderValue, METRIC_ERROR_GUARD, "%.*s is no URL: it has a blank.",
                            (int)field->name.len, field->name.bytes);
            return -EINVAL;
        }
        if (!copysource_is_own(field->value, &self, &source))
            continue;
        if (count == OWN_URLS_MAX) {
            exchange_refuse(x, AZURE_InvalidHeaderValue, METRIC_ERROR_AUTHORIZATION, "There is more than one copy source.");
            return -EACCES;
        }
        if (rewrite_url(x, field, &source, &x->own_urls[count]) < 0)
            return -EACCES;
        count++;
    }
    return 0;
}

void exchange_rewrite_done(struct exchange *x)
{
    for (unsigned i = 0; i < OWN_URLS_MAX; i++) {
        free(x->own_urls[i]);
        x->own_urls[i] = NULL;
    }
}

/* ---- batches ---- */

bool exchange_is_path_style_batch(const struct exchange *x)
{
    return (x->operation == OPERATION_SubmitBatch || x->operation == OPERATION_SubmitBatchContainer) &&
           x->target.style == TARGET_PATH_STYLE;
}

static int refuse_batch(struct exchange *x, enum azure_error error, const char *detail)
{
    exchange_refuse(x, error, METRIC_ERROR_AUTHORIZATION, "%s", detail);
    return -EBADMSG;
}

/* The new body goes where the old one stood, and Content-Length follows. */
static int replace_body(struct exchange *x, char *bytes, size_t capacity, const struct buf *body)
{
    if (body->len == x->body_bytes && memcmp(body->bytes, bytes, body->len) == 0)
        return 0;
    if (head_find(&x->request, "Content-MD5") || head_find(&x->request, "x-ms-content-crc64"))
        return refuse_batch(x, AZURE_UnsupportedHeader,
                            "A batch in path style is rewritten, so its body cannot have a digest. Use host style.");
    if (body->len > capacity)
        return refuse_batch(x, AZURE_RequestBodyTooLarge, "The rewritten batch does not fit a transfer.");
    memcpy(bytes, body->bytes, body->len);
    x->body_bytes = x->body_received = body->len;
    snprintf(x->length_text, sizeof(x->length_text), "%" PRIu64, x->body_bytes);
    for (unsigned i = 0; i < x->request.field_count; i++)
        if (slice_equal_nocase(x->request.fields[i].name, SLICE("Content-Length")))
            x->request.fields[i].value = slice_of(x->length_text);
    return 0;
}

int exchange_rewrite_body(struct exchange *x, char *bytes, size_t capacity)
{
    struct slice old = {bytes, (size_t)x->body_bytes};
    struct batch batch = {
        .content_type = head_value(&x->request, "Content-Type"),
        .account = x->target.account,
        .keys = x->account,
        .scratch = &x->env->composed,
        .sign_text = &x->env->sign_text,
        .wall_us = clock_wall_us(),
    };
    struct buf body CLEANUP(buf_free);

    buf_init(&body, 2 * BATCH_BYTES_MAX);
    if (x->is_body_rewritten || x->body_bytes == 0 || !exchange_is_path_style_batch(x))
        return 0;
    x->is_body_rewritten = true;
    switch (batch_rewrite(old, &batch, &body)) {
    case 0:
        return replace_body(x, bytes, capacity, &body);
    case -E2BIG:
        return refuse_batch(x, AZURE_InvalidInput, "A batch may have 256 requests.");
    case -EBADMSG:
        return refuse_batch(
            x, AZURE_InvalidInput,
            "The batch cannot be read: it must be multipart/mixed with a valid boundary, and each part an HTTP/1.1 "
            "request for a path.");
    default:
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_INTERNAL, "Out of memory.");
        return -EBADMSG;
    }
}
