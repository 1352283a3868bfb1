/* SPDX-License-Identifier: MIT */
/* Reading blobs: contents straight from the store into the data buffer, properties, metadata. */
#include "../lib/log.h"
#include "service_answer.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_fields.h"
#include "service_operations.h"
#include "service_range.h"

#include <errno.h>
#include <string.h>

#define RANGE_DIGEST_MAX_BYTES (4u << 20) /* documented: hashes of ranges up to 4 MiB */
#define STALE_TRIES 16 /* a version may be deleted between opening and reading; so often in a row, something else is wrong */

static void reader_close(struct store_reader **reader)
{
    *reader = store_reader_close(*reader);
}

/* What of the blob is wanted, and which digests of it. */
struct wanted {
    struct condition condition;
    struct range range;
    bool is_partial, with_md5, with_crc64;
};

static enum azure_error wanted_parse(struct call *call, struct wanted *wanted)
{
    enum azure_error error = condition_parse(&wanted->condition, call, CONDITION_READ);

    if (error)
        return error;
    wanted->is_partial = range_parse(call, &wanted->range);
    wanted->with_md5 = call_field_is(call, "x-ms-range-get-content-md5", "true");
    wanted->with_crc64 = call_field_is(call, "x-ms-range-get-content-crc64", "true");
    if (wanted->with_md5 && wanted->with_crc64)
        return call_refuse(call, AZURE_InvalidInput, "Only one of the digests of a range can be asked for.");
    if ((wanted->with_md5 || wanted->with_crc64) && !wanted->is_partial)
        return call_refuse(call, AZURE_InvalidHeaderValue, "A digest of a range is asked for without a range.");
    return AZURE_OK;
}

/* Where the answer's bytes lie in the blob. */
static enum azure_error wanted_locate(struct call *call, const struct wanted *wanted, uint64_t blob_bytes, uint64_t *ret_offset,
                                      uint64_t *ret_bytes)
{
    uint64_t last;

    *ret_offset = 0;
    *ret_bytes = blob_bytes;
    if (!wanted->is_partial)
        return AZURE_OK;
    if (wanted->range.first >= blob_bytes)
        return AZURE_InvalidRange;
    last = wanted->range.last < blob_bytes ? wanted->range.last : blob_bytes - 1;
    *ret_offset = wanted->range.first;
    *ret_bytes = last - wanted->range.first + 1;
    if ((wanted->with_md5 || wanted->with_crc64) && *ret_bytes > RANGE_DIGEST_MAX_BYTES)
        return call_refuse(call, AZURE_OutOfRangeInput, "A digest is given of ranges up to 4 MiB.");
    return AZURE_OK;
}

static void answer_range_digest(struct call *call, const struct wanted *wanted, uint64_t bytes)
{
    uint8_t md5[DIGEST_MD5_BYTES];

    if (wanted->with_md5) {
        digest_md5(call, bytes, md5);
        digest_answer_md5(call, "Content-MD5", md5);
    }
    if (wanted->with_crc64)
        digest_answer_crc64(call, digest_crc64(call, bytes));
}

static void answer_content_range(struct call *call, uint64_t offset, uint64_t bytes, uint64_t blob_bytes)
{
    (void)buf_printf(&call->response->head, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)offset,
                     (unsigned long long)(offset + bytes - 1), (unsigned long long)blob_bytes);
}

static void answer_blob(struct call *call, const struct wanted *wanted, const struct store_blob *blob, uint64_t offset,
                        uint64_t bytes)
{
    bool fits = bytes <= call->request->data_capacity;

    answer_begin(call, wanted->is_partial ? 206 : 200);
    answer_blob_fields(call, blob);
    if (wanted->is_partial)
        answer_content_range(call, offset, bytes, blob->length);
    if (blob->has_md5)
        digest_answer_md5(call, wanted->is_partial ? "x-ms-blob-content-md5" : "Content-MD5", blob->md5);
    if (!fits) {
        answer_end_too_small(call, bytes);
        return;
    }
    answer_range_digest(call, wanted, bytes);
    answer_end(call, bytes);
}

/* AZURE_OK with *ret_is_stale set: the version is gone, look again. */
static enum azure_error get_once(struct call *call, const struct wanted *wanted, bool *ret_is_stale)
{
    CLEANUP(reader_close) struct store_reader *reader = NULL;
    const struct store_blob *blob;
    uint64_t offset, bytes;
    enum azure_error error = store_open_reader(call->store, &call->name, &reader);
    int r = 0;

    if (error)
        return error;
    blob = store_reader_blob(reader);
    error = condition_check_blob(&wanted->condition, blob);
    if (error == AZURE_OK)
        error = wanted_locate(call, wanted, blob->length, &offset, &bytes);
    if (error)
        return error;
    if (bytes > 0 && bytes <= call->request->data_capacity)
        r = store_reader_read(reader, offset, bytes, call->request->data, call->request->data_iov_count);
    *ret_is_stale = r == -ESTALE;
    if (*ret_is_stale)
        return AZURE_OK;
    if (r < 0) {
        char client_request_id[CALL_CLIENT_ID_BYTES];

        call_client_request_id(call, client_request_id);
        const struct log_field fields[] = {{"request_id", call->request_id}, {"client_request_id", client_request_id}};

        log_event(LOG_LEVEL_ERROR, "blob-unreadable", fields, 2, "the store cannot read what it keeps: %s", strerror(-r));
        return AZURE_InternalError;
    }
    answer_blob(call, wanted, blob, offset, bytes);
    return AZURE_OK;
}

enum azure_error service_get_blob(struct call *call)
{
    struct wanted wanted = {.is_partial = false};
    enum azure_error error = wanted_parse(call, &wanted);
    bool is_stale = true;

    for (int i = 0; error == AZURE_OK && is_stale && i < STALE_TRIES; i++)
        error = get_once(call, &wanted, &is_stale);
    return error == AZURE_OK && is_stale ? AZURE_InternalError : error;
}

/* Opens the blob and judges the conditions. */
static enum azure_error open_for_reading(struct call *call, struct store_reader **ret_reader)
{
    struct condition condition;
    enum azure_error error = condition_parse(&condition, call, CONDITION_READ);

    if (error == AZURE_OK)
        error = store_open_reader(call->store, &call->name, ret_reader);
    if (error == AZURE_OK)
        error = condition_check_blob(&condition, store_reader_blob(*ret_reader));
    return error;
}

enum azure_error service_get_blob_properties(struct call *call)
{
    CLEANUP(reader_close) struct store_reader *reader = NULL;
    const struct store_blob *blob;
    enum azure_error error = open_for_reading(call, &reader);

    if (error)
        return error;
    blob = store_reader_blob(reader);
    answer_begin(call, 200);
    answer_blob_fields(call, blob);
    if (blob->has_md5)
        digest_answer_md5(call, "Content-MD5", blob->md5);
    answer_end(call, blob->length);
    return AZURE_OK;
}

enum azure_error service_get_blob_metadata(struct call *call)
{
    CLEANUP(reader_close) struct store_reader *reader = NULL;
    const struct store_blob *blob;
    enum azure_error error = open_for_reading(call, &reader);

    if (error)
        return error;
    blob = store_reader_blob(reader);
    answer_begin(call, 200);
    answer_version(call, blob->etag, blob->modified_us);
    answer_metadata(call, &blob->metadata);
    answer_end_empty(call);
    return AZURE_OK;
}
