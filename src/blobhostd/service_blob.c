/* SPDX-License-Identifier: MIT */
/* Blobs as a whole: putting, changing what describes them, deleting, snapshots. */
#include "service_answer.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_fields.h"
#include "service_operations.h"

#include <string.h>

#define PAGE_BYTES 512u
#define PAGE_BLOB_MAX_BYTES (8ull << 40) /* documented: 8 TiB */

static const struct store_blob no_blob;

/* What a write of a blob's contents needs, gathered from the request. */
struct put {
    struct condition condition;
    struct store_blob properties;
    struct digest digest;
};

static void put_done(struct put *put)
{
    store_blob_done(&put->properties);
}

static enum azure_error put_block_blob_prepare(struct call *call, struct put *put)
{
    struct store_blob *properties = &put->properties;
    enum azure_error error;

    properties->type = STORE_BLOCK_BLOB;
    if (!head_find(call->head, "Content-Length"))
        return AZURE_MissingContentLengthHeader;
    properties->length = call->request->body_bytes;
    error = digest_verify_body(call, call->computes_md5 || properties->has_md5, &put->digest);
    if (error || !put->digest.has_md5)
        return error;
    if (properties->has_md5 && memcmp(properties->md5, put->digest.md5, DIGEST_MD5_BYTES) != 0)
        return call_refuse(call, AZURE_Md5Mismatch, "The field is x-ms-blob-content-md5.");
    properties->has_md5 = true;
    memcpy(properties->md5, put->digest.md5, DIGEST_MD5_BYTES);
    return AZURE_OK;
}

static enum azure_error put_page_blob_prepare(struct call *call, struct put *put)
{
    struct store_blob *properties = &put->properties;
    bool has_length, has_number;
    enum azure_error error = call_number(call, "x-ms-blob-content-length", &has_length, &properties->length);

    properties->type = STORE_PAGE_BLOB;
    if (error == AZURE_OK)
        error = call_number(call, "x-ms-blob-sequence-number", &has_number, &properties->sequence_number);
    if (error)
        return error;
    if (!has_length)
        return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-blob-content-length.");
    if (properties->length % PAGE_BYTES != 0 || properties->length > PAGE_BLOB_MAX_BYTES)
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-blob-content-length is not a multiple of 512 up to 8 TiB.");
    return AZURE_OK;
}

static enum azure_error put_prepare(struct call *call, struct put *put)
{
    enum azure_error error = condition_parse(&put->condition, call, CONDITION_CREATE);

    if (error == AZURE_OK)
        error = fields_blob(call, true, &put->properties);
    if (error)
        return error;
    if (call->operation == OPERATION_PutBlockBlob)
        return put_block_blob_prepare(call, put);
    if (call->request->body_bytes > 0)
        return call_refuse(call, AZURE_InvalidHeaderValue, "Content-Length is 0 when a page or append blob is created.");
    if (call->operation == OPERATION_PutPageBlob)
        return put_page_blob_prepare(call, put);
    put->properties.type = STORE_APPEND_BLOB;
    return AZURE_OK;
}

enum azure_error service_put_blob(struct call *call)
{
    CLEANUP(put_done) struct put put = {.properties = no_blob};
    CLEANUP(store_blob_done) struct store_blob created = no_blob;
    struct store_check check = {.blob = condition_blob_guard, .arg = &put.condition};
    const struct host_request *request = call->request;
    enum azure_error error = put_prepare(call, &put);

    if (error == AZURE_OK)
        error = store_put_blob(call->store, &call->name, &put.properties, request->data, request->data_iov_count,
                               request->body_bytes, &check, &created);
    if (error)
        return error;
    answer_begin(call, 201);
    answer_version(call, created.etag, created.modified_us);
    digest_answer(call, &put.digest);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

/* One change of a blob's properties. */
struct change {
    struct condition condition;
    bool changes_content;
    struct store_blob content; /* content fields to be taken over */
    struct store_pairs metadata;
    char *tier;
    bool has_length, has_number;
    uint64_t length, number;
    struct slice number_action;
};

static void change_done(struct change *change)
{
    store_blob_done(&change->content);
    pairs_free(&change->metadata);
    free(change->tier);
}

static void content_swap(struct store_blob *blob, struct store_blob *content)
{
    char **const mine[] = {&blob->content_type, &blob->content_encoding, &blob->content_language, &blob->content_disposition,
                           &blob->cache_control};
    char **const theirs[] = {&content->content_type, &content->content_encoding, &content->content_language,
                             &content->content_disposition, &content->cache_control};

    for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++) {
        char *old = *mine[i];

        *mine[i] = *theirs[i];
        *theirs[i] = old;
    }
    blob->has_md5 = content->has_md5;
    memcpy(blob->md5, content->md5, sizeof(blob->md5));
}

static enum azure_error change_sequence_number(const struct change *change, struct store_blob *blob)
{
    if (slice_equal_nocase(change->number_action, SLICE("increment"))) {
        if (blob->sequence_number == INT64_MAX)
            return AZURE_SequenceNumberIncrementTooLarge;
        blob->sequence_number++;
    } else if (slice_equal_nocase(change->number_action, SLICE("update")) || change->number > blob->sequence_number) {
        blob->sequence_number = change->number;
    }
    return AZURE_OK;
}

static enum azure_error properties_update(void *arg, struct store_blob *blob)
{
    struct change *change = arg;
    bool is_for_pages = change->has_length || change->number_action.bytes;
    enum azure_error error = condition_check_blob(&change->condition, blob);

    if (error)
        return error;
    if (is_for_pages && blob->type != STORE_PAGE_BLOB)
        return AZURE_InvalidBlobType;
    if (change->changes_content)
        content_swap(blob, &change->content);
    if (change->has_length)
        blob->length = change->length;
    return change->number_action.bytes ? change_sequence_number(change, blob) : AZURE_OK;
}

static enum azure_error parse_sequence_number(struct call *call, struct change *change)
{
    bool is_increment;
    enum azure_error error = call_number(call, "x-ms-blob-sequence-number", &change->has_number, &change->number);

    if (error)
        return error;
    if (!call_field(call, "x-ms-sequence-number-action", &change->number_action)) {
        if (change->has_number)
            return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-sequence-number-action.");
        return AZURE_OK;
    }
    is_increment = slice_equal_nocase(change->number_action, SLICE("increment"));
    if (!is_increment && !slice_equal_nocase(change->number_action, SLICE("max")) &&
        !slice_equal_nocase(change->number_action, SLICE("update")))
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-sequence-number-action is max, update or increment.");
    if (is_increment == change->has_number)
        return call_refuse(call, AZURE_InvalidHeaderValue,
                           "x-ms-blob-sequence-number goes with the actions max and update, and not with increment.");
    return AZURE_OK;
}

/* One content field in the request sets, or clears, all of them. */
static bool names_content(const struct call *call)
{
    static const char *const names[] = {"x-ms-blob-content-type",  "x-ms-blob-content-encoding",    "x-ms-blob-content-language",
                                        "x-ms-blob-cache-control", "x-ms-blob-content-disposition", "x-ms-blob-content-md5"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (head_find(call->head, names[i]))
            return true;
    return false;
}

static enum azure_error properties_prepare(struct call *call, struct change *change)
{
    enum azure_error error = condition_parse(&change->condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = call_number(call, "x-ms-blob-content-length", &change->has_length, &change->length);
    if (error == AZURE_OK)
        error = parse_sequence_number(call, change);
    if (error)
        return error;
    if (change->has_length && (change->length % PAGE_BYTES != 0 || change->length > PAGE_BLOB_MAX_BYTES))
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-blob-content-length is not a multiple of 512 up to 8 TiB.");
    change->changes_content = names_content(call) || (!change->has_length && !change->number_action.bytes);
    return change->changes_content ? fields_content(call, false, &change->content) : AZURE_OK;
}

enum azure_error service_set_blob_properties(struct call *call)
{
    CLEANUP(change_done) struct change change = {.content = no_blob};
    CLEANUP(store_blob_done) struct store_blob changed = no_blob;
    enum azure_error error = properties_prepare(call, &change);

    if (error == AZURE_OK)
        error = store_update_blob(call->store, &call->name, true, properties_update, &change, &changed);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_version(call, changed.etag, changed.modified_us);
    if (changed.type == STORE_PAGE_BLOB)
        answer_number(call, "x-ms-blob-sequence-number", changed.sequence_number);
    answer_end_empty(call);
    return AZURE_OK;
}

static enum azure_error metadata_update(void *arg, struct store_blob *blob)
{
    struct change *change = arg;
    struct store_pairs old = blob->metadata;
    enum azure_error error = condition_check_blob(&change->condition, blob);

    if (error)
        return error;
    blob->metadata = change->metadata;
    change->metadata = old;
    return AZURE_OK;
}

enum azure_error service_set_blob_metadata(struct call *call)
{
    CLEANUP(change_done) struct change change = {.content = no_blob};
    CLEANUP(store_blob_done) struct store_blob changed = no_blob;
    enum azure_error error = condition_parse(&change.condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = fields_metadata(call, &change.metadata);
    if (error == AZURE_OK)
        error = store_update_blob(call->store, &call->name, true, metadata_update, &change, &changed);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_version(call, changed.etag, changed.modified_us);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

static enum azure_error tier_update(void *arg, struct store_blob *blob)
{
    struct change *change = arg;
    enum azure_error error = condition_check_blob(&change->condition, blob);

    if (error)
        return error;
    if (blob->type == STORE_APPEND_BLOB)
        return AZURE_InvalidBlobType;
    free(blob->tier);
    blob->tier = TAKE_PTR(change->tier);
    return AZURE_OK;
}

enum azure_error service_set_blob_tier(struct call *call)
{
    CLEANUP(change_done) struct change change = {.content = no_blob};
    CLEANUP(store_blob_done) struct store_blob changed = no_blob;
    enum azure_error error = condition_parse(&change.condition, call, CONDITION_WRITE);

    condition_waive_lease(&change.condition);
    if (error == AZURE_OK)
        error = fields_tier(call, &change.tier);
    if (error == AZURE_OK && !change.tier)
        error = call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-access-tier.");
    if (error == AZURE_OK)
        error = store_update_blob(call->store, &call->name, false, tier_update, &change, &changed);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_end_empty(call);
    return AZURE_OK;
}

static enum azure_error parse_delete(struct call *call, enum store_delete *ret_what)
{
    struct slice value;

    *ret_what = STORE_DELETE_ALONE;
    if (!call_field(call, "x-ms-delete-snapshots", &value))
        return AZURE_OK;
    if (call->name.snapshot)
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-delete-snapshots goes with base blobs only.");
    if (slice_equal_nocase(value, SLICE("include")))
        *ret_what = STORE_DELETE_INCLUDE;
    else if (slice_equal_nocase(value, SLICE("only")))
        *ret_what = STORE_DELETE_ONLY_SNAPSHOTS;
    else
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-delete-snapshots is \"include\" or \"only\".");
    return AZURE_OK;
}

enum azure_error service_delete_blob(struct call *call)
{
    struct condition condition;
    struct store_check check = {.blob = condition_blob_guard, .arg = &condition};
    enum store_delete what;
    enum azure_error error = condition_parse(&condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = parse_delete(call, &what);
    if (error == AZURE_OK)
        error = store_delete_blob(call->store, &call->name, what, &check);
    if (error)
        return error;
    answer_begin(call, 202);
    answer_line(call, "x-ms-delete-type-permanent: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

enum azure_error service_snapshot_blob(struct call *call)
{
    CLEANUP(store_blob_done) struct store_blob snapshot = no_blob;
    CLEANUP(pairs_free) struct store_pairs metadata = {NULL, 0};
    struct condition condition;
    struct store_check check = {.blob = condition_blob_guard, .arg = &condition};
    char time_text[CLOCK_ISO_BYTES];
    enum azure_error error = condition_parse(&condition, call, CONDITION_WRITE);

    condition_waive_lease(&condition);
    if (error == AZURE_OK)
        error = fields_metadata(call, &metadata);
    if (error == AZURE_OK)
        error = store_snapshot(call->store, &call->name, metadata.len > 0 ? &metadata : NULL, &check, time_text, &snapshot);
    if (error)
        return error;
    answer_begin(call, 201);
    answer_version(call, snapshot.etag, snapshot.modified_us);
    answer_text(call, "x-ms-snapshot", time_text);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}
