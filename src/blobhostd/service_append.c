/* SPDX-License-Identifier: MIT */
/* Append blobs: appending a block, sealing. */
#include "service_answer.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_operations.h"

#define APPEND_BLOCK_MAX_BYTES (100u << 20) /* documented, since version 2022-11-02 */

static const struct store_blob no_blob;

struct append {
    struct condition condition;
    bool has_position, has_max;
    uint64_t position, max_bytes;
    uint64_t body_bytes;
    struct digest digest;
};

static enum azure_error append_guard(void *arg, const struct store_blob *current)
{
    struct append *append = arg;
    enum azure_error error = condition_check_blob(&append->condition, current);

    if (error || !current || current->type != STORE_APPEND_BLOB)
        return error; /* the store refuses what is no append blob */
    if (append->has_position && append->position != current->length)
        return AZURE_AppendPositionConditionNotMet;
    if (append->has_max && (current->length > append->max_bytes || append->body_bytes > append->max_bytes - current->length))
        return AZURE_MaxBlobSizeConditionNotMet;
    return AZURE_OK;
}

static enum azure_error append_prepare(struct call *call, struct append *append)
{
    enum azure_error error = condition_parse(&append->condition, call, CONDITION_WRITE);

    append->body_bytes = call->request->body_bytes;
    if (error == AZURE_OK)
        error = call_number(call, "x-ms-blob-condition-appendpos", &append->has_position, &append->position);
    if (error == AZURE_OK)
        error = call_number(call, "x-ms-blob-condition-maxsize", &append->has_max, &append->max_bytes);
    if (error)
        return error;
    if (!head_find(call->head, "Content-Length"))
        return AZURE_MissingContentLengthHeader;
    if (append->body_bytes == 0)
        return call_refuse(call, AZURE_InvalidHeaderValue, "A block has at least one byte.");
    if (append->body_bytes > APPEND_BLOCK_MAX_BYTES)
        return AZURE_RequestBodyTooLarge;
    return digest_verify_body(call, false, &append->digest);
}

enum azure_error service_append_block(struct call *call)
{
    const struct host_request *request = call->request;
    CLEANUP(store_blob_done) struct store_blob changed = no_blob;
    struct append append = {.has_position = false};
    struct store_check check = {.blob = append_guard, .arg = &append};
    uint64_t offset = 0;
    enum azure_error error = append_prepare(call, &append);

    if (error == AZURE_OK)
        error = store_append_block(call->store, &call->name, request->data, request->data_iov_count, request->body_bytes, &check,
                                   &offset, &changed);
    if (error == AZURE_BlockCountExceedsLimit)
        error = AZURE_AppendBlockCountExceedsLimit;
    if (error)
        return error;
    answer_begin(call, 201);
    answer_version(call, changed.etag, changed.modified_us);
    digest_answer(call, &append.digest);
    answer_number(call, "x-ms-blob-append-offset", offset);
    answer_number(call, "x-ms-blob-committed-block-count", changed.block_count);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

static enum azure_error seal_update(void *arg, struct store_blob *blob)
{
    const struct append *append = arg;
    enum azure_error error = condition_check_blob(&append->condition, blob);

    if (error)
        return error;
    if (blob->type != STORE_APPEND_BLOB)
        return AZURE_InvalidBlobType;
    if (append->has_position && append->position != blob->length)
        return AZURE_AppendPositionConditionNotMet;
    blob->is_sealed = true;
    return AZURE_OK;
}

enum azure_error service_seal_blob(struct call *call)
{
    CLEANUP(store_blob_done) struct store_blob changed = no_blob;
    struct append append = {.has_position = false};
    enum azure_error error = condition_parse(&append.condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = call_number(call, "x-ms-blob-condition-appendpos", &append.has_position, &append.position);
    if (error == AZURE_OK)
        error = store_update_blob(call->store, &call->name, true, seal_update, &append, &changed);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_version(call, changed.etag, changed.modified_us);
    answer_line(call, "x-ms-blob-sealed: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}
