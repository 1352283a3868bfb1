/* SPDX-License-Identifier: MIT */
/* Blocks: putting them, committing a list, listing them. */
#include "service_answer.h"
#include "service_blocklist.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_fields.h"
#include "service_operations.h"

#include <errno.h>
#include <string.h>

#define BLOCK_ID_QUERY_BYTES 128u
#define BLOCK_LIST_XML_BYTES (64u << 20) /* 150,000 blocks of about 160 bytes are 24 MiB */

static const struct store_blob no_blob;

static enum azure_error parse_block_id(struct call *call, struct store_block_id *ret_id)
{
    struct slice raw = target_query(call->target.query, "blockid");
    char text[BLOCK_ID_QUERY_BYTES];
    ssize_t len;

    if (raw.len == 0)
        return call_refuse(call, AZURE_MissingRequiredQueryParameter, "The parameter is blockid.");
    len = target_decode(raw, text, sizeof(text));
    if (len > 0)
        len = digest_base64_decode((struct slice){text, (size_t)len}, ret_id->bytes, sizeof(ret_id->bytes));
    if (len <= 0)
        return len == -ENOBUFS ? call_refuse(call, AZURE_InvalidBlockId, "It has more than 64 bytes.") : AZURE_InvalidBlockId;
    ret_id->len = (size_t)len;
    return AZURE_OK;
}

enum azure_error service_put_block(struct call *call)
{
    const struct host_request *request = call->request;
    struct condition condition; /* the operation has none but the lease */
    struct store_check check = {.blob = condition_blob_guard, .arg = &condition};
    struct store_block_id id;
    struct digest digest;
    enum azure_error error = condition_parse(&condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = parse_block_id(call, &id);
    if (error == AZURE_OK && !head_find(call->head, "Content-Length"))
        error = AZURE_MissingContentLengthHeader;
    if (error == AZURE_OK && request->body_bytes == 0)
        error = call_refuse(call, AZURE_InvalidHeaderValue, "A block has at least one byte.");
    if (error == AZURE_OK)
        error = digest_verify_body(call, false, &digest);
    if (error == AZURE_OK)
        error =
            store_put_block(call->store, &call->name, &id, request->data, request->data_iov_count, request->body_bytes, &check);
    if (error)
        return error;
    answer_begin(call, 201);
    digest_answer(call, &digest);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

struct commit {
    struct condition condition;
    struct digest digest;
    struct store_blob properties;
    struct store_block_ref *blocks;
    size_t block_count;
};

static void commit_done(struct commit *commit)
{
    store_blob_done(&commit->properties);
    free(commit->blocks);
}

static enum azure_error commit_prepare(struct call *call, struct commit *commit)
{
    const struct host_request *request = call->request;
    enum azure_error error = condition_parse(&commit->condition, call, CONDITION_CREATE);

    commit->properties.type = STORE_BLOCK_BLOB;
    if (error == AZURE_OK && !head_find(call->head, "Content-Length"))
        error = AZURE_MissingContentLengthHeader;
    if (error == AZURE_OK)
        error = fields_blob(call, false, &commit->properties);
    if (error == AZURE_OK)
        error = digest_verify_body(call, false, &commit->digest);
    if (error == AZURE_OK)
        error =
            blocklist_parse(request->data, request->data_iov_count, request->body_bytes, &commit->blocks, &commit->block_count);
    return error;
}

enum azure_error service_put_block_list(struct call *call)
{
    CLEANUP(commit_done) struct commit commit = {.properties = no_blob};
    CLEANUP(store_blob_done) struct store_blob created = no_blob;
    struct store_check check = {.blob = condition_blob_guard, .arg = &commit.condition};
    enum azure_error error = commit_prepare(call, &commit);

    if (error == AZURE_OK)
        error = store_put_block_list(call->store, &call->name, commit.blocks, commit.block_count, &commit.properties, &check,
                                     &created);
    if (error)
        return error;
    answer_begin(call, 201);
    answer_version(call, created.etag, created.modified_us);
    digest_answer(call, &commit.digest);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

/* A block list being written. */
struct block_listing {
    struct buf xml;
    bool with_committed, with_uncommitted;
    bool is_in_uncommitted; /* the committed ones are all written */
};

static void listing_end_committed(struct block_listing *listing)
{
    if (listing->is_in_uncommitted)
        return;
    listing->is_in_uncommitted = true;
    if (listing->with_committed)
        (void)buf_puts(&listing->xml, "</CommittedBlocks>");
    if (listing->with_uncommitted)
        (void)buf_puts(&listing->xml, "<UncommittedBlocks>");
}

static bool listing_visit(void *arg, const struct store_block_id *id, uint64_t length, bool is_committed)
{
    struct block_listing *listing = arg;
    char text[DIGEST_BASE64_BYTES(LIMIT_BLOCK_ID_BYTES)];

    if (!is_committed)
        listing_end_committed(listing);
    if (is_committed ? listing->with_committed : listing->with_uncommitted) {
        (void)digest_base64_encode(id->bytes, id->len, text);
        (void)buf_printf(&listing->xml, "<Block><Name>%s</Name><Size>%llu</Size></Block>", text, (unsigned long long)length);
    }
    return listing->xml.failed == 0;
}

static enum azure_error listing_prepare(struct call *call, struct block_listing *listing)
{
    struct slice type = target_query(call->target.query, "blocklisttype");
    bool is_all = slice_equal_nocase(type, SLICE("all"));

    listing->with_committed = is_all || type.len == 0 || slice_equal_nocase(type, SLICE("committed"));
    listing->with_uncommitted = is_all || slice_equal_nocase(type, SLICE("uncommitted"));
    if (!listing->with_committed && !listing->with_uncommitted)
        return call_refuse(call, AZURE_InvalidQueryParameterValue, "blocklisttype is committed, uncommitted or all.");
    (void)buf_puts(&listing->xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    if (listing->with_committed)
        (void)buf_puts(&listing->xml, "<CommittedBlocks>");
    return AZURE_OK;
}

static void listing_free(struct block_listing *listing)
{
    buf_free(&listing->xml);
}

enum azure_error service_get_block_list(struct call *call)
{
    CLEANUP(listing_free) struct block_listing listing = {.xml = {.max_bytes = BLOCK_LIST_XML_BYTES}};
    CLEANUP(store_blob_done) struct store_blob blob = no_blob;
    struct condition condition;
    enum azure_error error = condition_parse(&condition, call, CONDITION_READ);

    if (error == AZURE_OK)
        error = listing_prepare(call, &listing);
    if (error == AZURE_OK)
        error = store_list_blocks(call->store, &call->name, listing_visit, &listing, &blob);
    if (error == AZURE_OK)
        error = condition_check_blob(&condition, blob.type ? &blob : NULL);
    if (error)
        return error;
    listing_end_committed(&listing);
    if (listing.with_uncommitted)
        (void)buf_puts(&listing.xml, "</UncommittedBlocks>");
    (void)buf_puts(&listing.xml, "</BlockList>");
    answer_begin(call, 200);
    if (blob.type)
        answer_version(call, blob.etag, blob.modified_us);
    answer_number(call, "x-ms-blob-content-length", blob.length);
    return answer_xml(call, &listing.xml);
}
