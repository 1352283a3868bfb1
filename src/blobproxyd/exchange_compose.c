/* SPDX-License-Identifier: MIT */
/* From a client's request to the bytes of a transfer, and from the host's bytes to a response. */
#include "exchange_internal.h"

#include "../lib/clock.h"
#include "../lib/envelope.h"
#include "../lib/sign/sharedkey.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Room for the body of an error, also where the operation itself answers none. */
#define ERROR_BODY_BYTES 8192u

/* Of requests of trusted callers that name none: a signature needs one, and the service's own default is too old for it. */
#define VERSION_WHEN_NONE "2021-12-02"

static bool is_one_of(struct slice name, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == name.len && strncasecmp(*names, name.bytes, name.len) == 0)
            return true;
    return false;
}

/* Host is written anew, and who expects 100 Continue expects it of us. */
static bool is_answered_here(struct slice name)
{
    static const char *const names[] = {"Expect", "Host", NULL};

    return is_one_of(name, names);
}

/* What a part of a read says anew or must not say: the first answer has met the client's conditions. */
static bool is_replaced_in_range(struct slice name)
{
    static const char *const names[] = {"Range",
                                        "x-ms-range",
                                        "If-Match",
                                        "If-None-Match",
                                        "If-Modified-Since",
                                        "If-Unmodified-Since",
                                        "x-ms-range-get-content-md5",
                                        "x-ms-range-get-content-crc64",
                                        NULL};

    return is_one_of(name, names);
}

/* A block is stored under the request's lease and keys; everything else is said when the list is committed. */
static bool is_kept_in_block(struct slice name)
{
    static const char *const names[] = {"Authorization",
                                        "Date",
                                        "User-Agent",
                                        "x-ms-date",
                                        "x-ms-version",
                                        "x-ms-client-request-id",
                                        "x-ms-lease-id",
                                        "x-ms-encryption-key",
                                        "x-ms-encryption-key-sha256",
                                        "x-ms-encryption-algorithm",
                                        "x-ms-encryption-scope",
                                        NULL};

    return is_one_of(name, names);
}

static bool is_replaced_in_list(struct slice name)
{
    static const char *const names[] = {"Content-Length", "Content-MD5",           "x-ms-content-crc64",
                                        "x-ms-blob-type", "x-ms-blob-content-md5", NULL};

    return is_one_of(name, names);
}

/* Put Blob takes a blob's properties also from the plain fields; Put Block List takes them only from these. */
static struct slice name_in_list(const struct head *request, struct slice name)
{
    static const char *const names[][2] = {{"Content-Type", "x-ms-blob-content-type"},
                                           {"Content-Encoding", "x-ms-blob-content-encoding"},
                                           {"Content-Language", "x-ms-blob-content-language"},
                                           {"Cache-Control", "x-ms-blob-cache-control"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_equal_nocase(name, slice_of(names[i][0])))
            return head_find(request, names[i][1]) ? (struct slice){NULL, 0} : slice_of(names[i][1]);
    return name;
}

/* The name under which a field goes along; bytes == NULL: not at all. */
static struct slice shaped_name(const struct exchange *x, enum exchange_shape_kind kind, struct slice name)
{
    bool is_dropped = false;

    switch (kind) {
    case SHAPE_WHOLE:
        break;
    case SHAPE_RANGE:
        is_dropped = is_replaced_in_range(name);
        break;
    case SHAPE_BLOCK:
        is_dropped = !is_kept_in_block(name);
        break;
    case SHAPE_BLOCK_LIST:
        is_dropped = is_replaced_in_list(name);
        if (!is_dropped)
            name = name_in_list(&x->request, name);
        break;
    }
    return is_dropped ? (struct slice){NULL, 0} : name;
}

static bool is_date(struct slice name)
{
    static const char *const names[] = {"Date", "x-ms-date", NULL};

    return is_one_of(name, names);
}

static int copy_fields(struct exchange *x, enum exchange_shape_kind kind, struct head *composed)
{
    bool is_signed = x->rights == RIGHTS_SIGN;

    for (unsigned i = 0; i < x->request.field_count; i++) {
        const struct head_field *field = &x->request.fields[i];

        if (is_answered_here(field->name) || head_is_hop_by_hop(&x->request, field->name))
            continue;
        if (is_signed &&
            (slice_equal_nocase(field->name, SLICE("Authorization")) || (kind != SHAPE_WHOLE && is_date(field->name))))
            continue;
        struct slice name = shaped_name(x, kind, field->name);
        int r = name.bytes ? head_add(composed, name, field->value) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int add_range_fields(const struct exchange_shape *shape, struct composed_text *text, struct head *composed)
{
    snprintf(text->range, sizeof(text->range), "bytes=%" PRIu64 "-%" PRIu64, shape->first, shape->last);
    int r = head_add(composed, SLICE("x-ms-range"), slice_of(text->range));

    return r == 0 ? head_add(composed, SLICE("If-Match"), shape->etag) : r;
}

static int add_block_fields(const struct exchange_shape *shape, struct composed_text *text, struct head *composed)
{
    snprintf(text->length, sizeof(text->length), "%" PRIu64, shape->body_bytes);
    int r = head_add(composed, SLICE("Content-Length"), slice_of(text->length));

    if (r == 0 && shape->kind == SHAPE_BLOCK_LIST)
        r = head_add(composed, SLICE("x-ms-blob-content-md5"), slice_of(shape->md5));
    return r;
}

static int add_shape_fields(struct exchange *x, const struct exchange_shape *shape, struct composed_text *text,
                            struct head *composed)
{
    int r = 0;

    if (shape->kind == SHAPE_WHOLE)
        return 0;
    r = shape->kind == SHAPE_RANGE ? add_range_fields(shape, text, composed) : add_block_fields(shape, text, composed);
    if (r == 0 && x->rights == RIGHTS_SIGN) {
        clock_format_http(clock_wall_us(), text->date);
        r = head_add(composed, SLICE("x-ms-date"), slice_of(text->date));
    }
    return r;
}

/* A trusted caller may leave out what a signature needs; a client that signed has sent both. */
static int add_signed_fields(struct composed_text *text, struct head *composed)
{
    int r = 0;

    if (!head_find(composed, "x-ms-date") && !head_find(composed, "Date")) {
        clock_format_http(clock_wall_us(), text->date);
        r = head_add(composed, SLICE("x-ms-date"), slice_of(text->date));
    }
    if (r == 0 && !head_find(composed, "x-ms-version"))
        r = head_add(composed, SLICE("x-ms-version"), SLICE(VERSION_WHEN_NONE));
    return r;
}

static int add_authorization(struct exchange *x, struct slice query, struct composed_text *text, struct head *composed)
{
    struct sharedkey_request signing = {composed, x->target.account, x->target.path, query};
    char signature[SHAREDKEY_SIGNATURE_BYTES];
    struct buf *to_sign = &x->env->sign_text;
    int r = add_signed_fields(text, composed);

    if (r == 0)
        r = sharedkey_string_to_sign(&signing, SHAREDKEY_ORDER_CULTURE, to_sign);
    if (r < 0)
        return r;
    sharedkey_sign(&x->account->keys[0], to_sign->bytes, to_sign->len, signature);
    snprintf(text->authorization, sizeof(text->authorization), "SharedKey %s:%s", x->target.account, signature);
    return head_add(composed, SLICE("Authorization"), slice_of(text->authorization));
}

/* The target in host style, raw as the client sent it, with what the shape adds to the query. */
static int compose_target(struct exchange *x, const struct exchange_shape *shape, struct slice *ret_target,
                          struct slice *ret_query)
{
    struct buf *text = &x->env->target_text;

    buf_clear(text);
    buf_append(text, x->target.path.bytes, x->target.path.len);
    if (memchr(x->raw_target, '?', x->raw_target_bytes) || shape->query)
        buf_puts(text, "?");
    size_t query_at = text->len;

    if (x->target.query.len > 0)
        buf_append(text, x->target.query.bytes, x->target.query.len);
    if (shape->query && x->target.query.len > 0)
        buf_puts(text, "&");
    if (shape->query)
        buf_puts(text, shape->query);
    if (text->failed)
        return text->failed;
    *ret_target = (struct slice){text->bytes, text->len};
    *ret_query = (struct slice){text->bytes + query_at, text->len - query_at};
    return 0;
}

int exchange_compose_head(struct exchange *x, const struct exchange_shape *shape, const char *authority,
                          struct composed_text *values)
{
    struct head *composed = &x->env->composed;
    struct slice query;

    composed->method = x->request.method;
    composed->field_count = 0;
    int r = compose_target(x, shape, &composed->target, &query);

    if (r == 0)
        r = head_add(composed, SLICE("Host"), slice_of(authority));
    if (r == 0)
        r = copy_fields(x, shape->kind, composed);
    if (r == 0)
        r = add_shape_fields(x, shape, values, composed);
    if (r == 0 && x->rights == RIGHTS_SIGN)
        r = add_authorization(x, query, values, composed);
    return r;
}

/* The head of a transfer as bytes. */
static int write_head(struct exchange *x, const struct exchange_shape *shape, struct buf *text)
{
    const struct head *composed = &x->env->composed;
    struct composed_text values;
    char host[EXCHANGE_HOST_BYTES];

    snprintf(host, sizeof(host), "%s%s.%s", x->target.account, x->target.is_secondary ? "-secondary" : "",
             x->conf->channel_suffix);
    int r = exchange_compose_head(x, shape, host, &values);

    if (r < 0)
        return r;
    buf_clear(text);
    head_write_request_line(text, composed->method, composed->target);
    for (unsigned i = 0; i < composed->field_count; i++)
        head_write_field(text, composed->fields[i].name, composed->fields[i].value);
    head_write_end(text);
    return text->failed;
}

static uint64_t body_bytes_of(const struct exchange *x, const struct exchange_shape *shape)
{
    switch (shape->kind) {
    case SHAPE_WHOLE:
        return x->body_bytes;
    case SHAPE_RANGE:
        return 0;
    default:
        return shape->body_bytes;
    }
}

static uint32_t round_to_pages(uint64_t bytes, uint32_t capacity)
{
    uint64_t rounded = (bytes + 4095) & ~4095ull;

    return rounded < capacity ? (uint32_t)rounded : capacity;
}

/* How much of the slot's data buffer goes along; all of it where the answer is large, or did not fit the first time. */
static uint32_t data_bytes(const struct exchange *x, const struct slot *slot, const struct exchange_shape *shape)
{
    enum operation_answer answer = operation_row(x->operation)->answer;
    uint64_t need = body_bytes_of(x, shape);

    if (shape->kind == SHAPE_RANGE)
        need = shape->last - shape->first + 1;
    else if (shape->kind == SHAPE_WHOLE && (answer == ANSWER_DATA || answer == ANSWER_LISTING || x->attempts > 0))
        need = slot->data_capacity;
    return round_to_pages(need > ERROR_BODY_BYTES ? need : ERROR_BODY_BYTES, slot->data_capacity);
}

int exchange_compose(struct exchange *x, struct slot *slot, const struct exchange_shape *shape)
{
    struct transfer *transfer = &slot->transfer;
    struct buf *text = &x->env->head_text;
    int r = write_head(x, shape, text);

    if (r < 0)
        return r;
    if (ENVELOPE_HEADER_BYTES + text->len > slot->request_capacity)
        return -ENOBUFS;
    memcpy(slot->request + ENVELOPE_HEADER_BYTES, text->bytes, text->len);
    envelope_seal(ENVELOPE_REQUEST, ENVELOPE_FORMAT_HTTP, 0, slot->request, text->len);
    azure_guid_random(transfer->guid);
    transfer->timeout_ms = (uint32_t)x->conf->channel_timeout_ms;
    transfer->request_bytes = (uint32_t)(ENVELOPE_HEADER_BYTES + text->len);
    transfer->data_bytes = data_bytes(x, slot, shape);
    transfer->data_valid_bytes = (uint32_t)body_bytes_of(x, shape);
    return 0;
}

/* Ends every slice with a NUL, in place: what followed it in the head has been looked at. */
static void terminate_slices(struct buf *bytes, struct head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        struct head_field *field = &head->fields[i];

        bytes->bytes[field->name.bytes - bytes->bytes + (ptrdiff_t)field->name.len] = '\0';
        bytes->bytes[field->value.bytes - bytes->bytes + (ptrdiff_t)field->value.len] = '\0';
    }
}

int exchange_open_response(struct slot *slot, struct buf *bytes, struct head *ret_head, uint64_t *ret_body_bytes)
{
    struct envelope envelope;
    uint64_t body_bytes = 0;

    buf_clear(bytes);
    if (buf_append(bytes, slot->response, slot->transfer.response_bytes) < 0)
        return -ENOMEM;
    if (envelope_open(ENVELOPE_RESPONSE, bytes->bytes, bytes->len, &envelope) < 0 || envelope.format != ENVELOPE_FORMAT_HTTP)
        return -EBADMSG;
    if (head_parse_response(envelope.payload, envelope.payload_bytes, ret_head) < 0)
        return -EBADMSG;
    int r = head_content_length(ret_head, &body_bytes);

    if (r < 0 && r != -ENOENT)
        return -EBADMSG;
    if (head_find(ret_head, "Transfer-Encoding") || ret_head->status < 200)
        return -EBADMSG;
    head_drop_hop_by_hop(ret_head);
    terminate_slices(bytes, ret_head);
    *ret_body_bytes = body_bytes;
    return 0;
}
