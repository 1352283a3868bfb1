/* SPDX-License-Identifier: MIT */
/* Copies inside the store. */
#include "service_answer.h"
#include "service_auth.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_fields.h"
#include "service_operations.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COPY_SOURCE_BYTES (LIMIT_TARGET_BYTES)

static const struct store_blob no_blob;

/* The blob that x-ms-copy-source names. */
struct source {
    struct target target;
    char suffix[CALL_HOST_BYTES];
    char container[CALL_CONTAINER_BYTES];
    char blob[CALL_BLOB_BYTES];
    char snapshot[CLOCK_ISO_BYTES];
    struct store_name name; /* points into the above */
};

struct copy {
    struct source source;
    struct condition condition, source_condition;
    struct store_blob properties;
    bool has_md5;
    uint8_t md5[DIGEST_MD5_BYTES]; /* x-ms-source-content-md5 */
};

static void copy_done(struct copy *copy)
{
    store_blob_done(&copy->properties);
}

static enum azure_error invalid_source(struct call *call)
{
    return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-copy-source is not the URL of a blob.");
}

/* "http://host/path?query" to host and path?query. */
static bool url_split(struct slice url, struct slice *ret_host, struct slice *ret_target)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    const char *slash;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t skip = schemes[i].len;

        if (url.len <= skip || strncasecmp(url.bytes, schemes[i].bytes, skip) != 0)
            continue;
        url = (struct slice){url.bytes + skip, url.len - skip};
        slash = memchr(url.bytes, '/', url.len);
        if (!slash)
            return false;
        *ret_host = (struct slice){url.bytes, (size_t)(slash - url.bytes)};
        *ret_target = (struct slice){slash, (size_t)(url.bytes + url.len - slash)};
        return true;
    }
    return false;
}

/* Any "ACCOUNT.something" is taken for host style: whether it is ours, the list of accounts says. */
static const char *suffix_of(struct slice host, char *suffix)
{
    const char *dot = memchr(host.bytes, '.', host.len);
    const char *end = host.bytes + host.len;
    const char *colon = memchr(host.bytes, ':', host.len);
    size_t len;

    if (colon)
        end = colon;
    if (!dot || dot >= end)
        return NULL;
    len = (size_t)(end - dot - 1);
    if (len == 0 || len >= CALL_HOST_BYTES)
        return NULL;
    memcpy(suffix, dot + 1, len);
    suffix[len] = '\0';
    return suffix;
}

static enum azure_error source_decode(struct call *call, struct source *source)
{
    struct slice container = source->target.container, blob = source->target.blob;
    struct slice snapshot = target_query(source->target.query, "snapshot");

    if (blob.len == 0) {
        blob = container;
        container = SLICE("$root");
    }
    if (target_decode(container, source->container, sizeof(source->container)) < 1 ||
        target_decode(blob, source->blob, sizeof(source->blob)) < 1 || !container_name_is_valid(source->container) ||
        !blob_name_is_valid(source->blob))
        return invalid_source(call);
    source->name = (struct store_name){source->target.account, source->container, source->blob, NULL};
    if (!snapshot.bytes)
        return AZURE_OK;
    if (target_decode(snapshot, source->snapshot, sizeof(source->snapshot)) != CLOCK_ISO_BYTES - 1)
        return call_refuse(call, AZURE_InvalidHeaderValue, "The snapshot of x-ms-copy-source is not a time.");
    source->name.snapshot = source->snapshot;
    return AZURE_OK;
}

static enum azure_error source_parse(struct call *call, struct source *source)
{
    const char *suffixes[] = {NULL, NULL};
    const struct target_hosts hosts = {.account_suffixes = suffixes};
    struct slice url = head_value(call->head, "x-ms-copy-source"), host, raw_target;
    int r;

    if (!url_split(url, &host, &raw_target))
        return invalid_source(call);
    suffixes[0] = suffix_of(host, source->suffix);
    r = target_parse(host, raw_target, &hosts, &source->target);
    /* -EINVAL: the host's first label, say of an address, is no account's name */
    if (r == -EHOSTUNREACH || r == -EINVAL || (r == 0 && !accounts_find(call->accounts, source->target.account)))
        return call_refuse(call, AZURE_CopySourceTooFar, "%s carries such copies with blobhostd --backend URL.",
                           operation_row(call->operation)->title);
    return r < 0 ? invalid_source(call) : source_decode(call, source);
}

/* The source as it is told later: without its SAS. */
static enum azure_error source_describe(struct call *call, const struct source *source, struct store_blob *properties)
{
    struct slice url = head_value(call->head, "x-ms-copy-source");
    const char *query = memchr(url.bytes, '?', url.len);
    int len = query ? (int)(query - url.bytes) : (int)url.len;
    int r = source->name.snapshot ? asprintf(&properties->copy_source, "%.*s?snapshot=%s", len, url.bytes, source->name.snapshot)
                                  : asprintf(&properties->copy_source, "%.*s", len, url.bytes);
    uint8_t guid[16];

    if (r < 0) {
        properties->copy_source = NULL;
        return AZURE_InternalError;
    }
    properties->copy_id = malloc(AZURE_REQUEST_ID_BYTES);
    if (!properties->copy_id)
        return AZURE_InternalError;
    azure_guid_random(guid);
    azure_guid_text(guid, properties->copy_id);
    properties->copy_completed_us = call->now_us;
    return AZURE_OK;
}

static enum azure_error source_guard(void *arg, const struct store_blob *current)
{
    struct copy *copy = arg;
    struct call *call = copy->source_condition.call;
    enum azure_error error = condition_check_blob(&copy->source_condition, current);

    if (error || !copy->has_md5 || !current)
        return error;
    if (!current->has_md5)
        return call_refuse(call, AZURE_NotImplemented, "The embedded store keeps no MD5 of the source to compare with.");
    return memcmp(copy->md5, current->md5, sizeof(copy->md5)) == 0 ? AZURE_OK : AZURE_Md5Mismatch;
}

static enum azure_error copy_prepare(struct call *call, struct copy *copy)
{
    enum azure_error error = condition_parse(&copy->condition, call, CONDITION_TARGET);

    if (error == AZURE_OK)
        error = condition_parse(&copy->source_condition, call, CONDITION_SOURCE);
    if (error == AZURE_OK)
        error = source_parse(call, &copy->source);
    if (error == AZURE_OK)
        error = auth_check_source(call, &copy->source.name, copy->source.target.query);
    if (error == AZURE_OK)
        error = digest_parse_md5(call, "x-ms-source-content-md5", &copy->has_md5, copy->md5);
    if (error == AZURE_OK)
        error = fields_metadata(call, &copy->properties.metadata);
    if (error == AZURE_OK)
        error = fields_tags(call, &copy->properties.tags);
    if (error == AZURE_OK)
        error = fields_tier(call, &copy->properties.tier);
    return error ? error : source_describe(call, &copy->source, &copy->properties);
}

enum azure_error service_copy_blob(struct call *call)
{
    CLEANUP(copy_done) struct copy copy = {.properties = no_blob};
    CLEANUP(store_blob_done) struct store_blob created = no_blob;
    struct store_check check = {.blob = condition_blob_guard, .arg = &copy.condition};
    struct store_check source_check = {.blob = source_guard, .arg = &copy};
    struct store_copy order = {.source = &copy.source.name, .properties = &copy.properties, .source_check = &source_check};
    enum azure_error error = copy_prepare(call, &copy);

    order.has_metadata = copy.properties.metadata.len > 0;
    order.has_tags = !call_field_is(call, "x-ms-copy-source-tag-option", "COPY");
    order.has_tier = copy.properties.tier != NULL;
    if (error == AZURE_OK)
        error = store_copy_blob(call->store, &call->name, &order, &check, &created);
    if (error)
        return error;
    answer_begin(call, 202);
    answer_version(call, created.etag, created.modified_us);
    answer_text(call, "x-ms-copy-id", copy.properties.copy_id);
    answer_line(call, "x-ms-copy-status: success\r\n");
    if (call->operation == OPERATION_CopyBlobFromUrl && created.has_md5)
        digest_answer_md5(call, "Content-MD5", created.md5);
    answer_end_empty(call);
    return AZURE_OK;
}
