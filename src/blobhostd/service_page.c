/* SPDX-License-Identifier: MIT */
/* Page blobs: writing and clearing pages, listing the written ranges. */
#include "service_answer.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_operations.h"
#include "service_range.h"

#include <string.h>

#define PAGE_BYTES 512u
#define PAGE_LIST_XML_BYTES (256u << 20)

static const struct store_blob no_blob;

struct page_write {
    struct condition condition;
    struct range range;
    bool has_le, has_lt, has_eq;
    uint64_t le, lt, eq;
    struct digest digest;
};

static enum azure_error page_guard(void *arg, const struct store_blob *current)
{
    struct page_write *write = arg;
    enum azure_error error = condition_check_blob(&write->condition, current);

    if (error || !current)
        return error;
    if ((write->has_le && current->sequence_number > write->le) || (write->has_lt && current->sequence_number >= write->lt) ||
        (write->has_eq && current->sequence_number != write->eq))
        return AZURE_SequenceNumberConditionNotMet;
    return AZURE_OK;
}

static enum azure_error parse_sequence_conditions(struct call *call, struct page_write *write)
{
    enum azure_error error = call_number(call, "x-ms-if-sequence-number-le", &write->has_le, &write->le);

    if (error == AZURE_OK)
        error = call_number(call, "x-ms-if-sequence-number-lt", &write->has_lt, &write->lt);
    if (error == AZURE_OK)
        error = call_number(call, "x-ms-if-sequence-number-eq", &write->has_eq, &write->eq);
    return error;
}

static enum azure_error check_range_and_body(struct call *call, const struct page_write *write)
{
    uint64_t bytes = write->range.last - write->range.first + 1;
    bool is_clear = call->operation == OPERATION_ClearPages;

    if (write->range.first % PAGE_BYTES != 0 || write->range.last == UINT64_MAX || bytes % PAGE_BYTES != 0)
        return call_refuse(call, AZURE_InvalidPageRange, "It begins and ends on multiples of 512.");
    if (is_clear)
        return call->request->body_bytes == 0 ? AZURE_OK : call_refuse(call, AZURE_InvalidHeaderValue, "Clearing takes no body.");
    if (!head_find(call->head, "Content-Length"))
        return AZURE_MissingContentLengthHeader;
    if (bytes > LIMIT_PUT_PAGE_BYTES)
        return AZURE_RequestBodyTooLarge;
    if (bytes != call->request->body_bytes)
        return call_refuse(call, AZURE_InvalidHeaderValue, "Content-Length is not the length of the range.");
    return AZURE_OK;
}

static enum azure_error page_prepare(struct call *call, struct page_write *write)
{
    enum azure_error error = condition_parse(&write->condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = parse_sequence_conditions(call, write);
    if (error)
        return error;
    if (!range_parse(call, &write->range))
        return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-range or Range, as bytes=first-last.");
    error = check_range_and_body(call, write);
    return error ? error : digest_verify_body(call, false, &write->digest);
}

enum azure_error service_put_page(struct call *call)
{
    const struct host_request *request = call->request;
    CLEANUP(store_blob_done) struct store_blob changed = no_blob;
    struct page_write write = {.has_le = false};
    struct store_check check = {.blob = page_guard, .arg = &write};
    bool is_clear = call->operation == OPERATION_ClearPages;
    enum azure_error error = page_prepare(call, &write);

    if (error == AZURE_OK)
        error = store_put_pages(call->store, &call->name, write.range.first, write.range.last - write.range.first + 1,
                                is_clear ? NULL : request->data, is_clear ? 0 : request->data_iov_count, &check, &changed);
    if (error)
        return error;
    answer_begin(call, 201);
    answer_version(call, changed.etag, changed.modified_us);
    digest_answer(call, &write.digest);
    answer_number(call, "x-ms-blob-sequence-number", changed.sequence_number);
    answer_line(call, "x-ms-request-server-encrypted: true\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

/* Written ranges being listed; the marker of a page of them is the offset of the first one left out. */
struct page_listing {
    struct buf xml;
    bool has_max;
    uint64_t max_results, count;
    uint64_t first, last; /* what the caller asked about */
    bool has_next;
    uint64_t next;
};

static void page_listing_free(struct page_listing *listing)
{
    buf_free(&listing->xml);
}

static bool page_visit(void *arg, uint64_t start, uint64_t end)
{
    struct page_listing *listing = arg;
    uint64_t first = start < listing->first ? listing->first : start;
    uint64_t last = end > listing->last ? listing->last : end;

    if (listing->has_max && listing->count == listing->max_results) {
        listing->has_next = true;
        listing->next = first;
        return false;
    }
    listing->count++;
    (void)buf_printf(&listing->xml, "<PageRange><Start>%llu</Start><End>%llu</End></PageRange>", (unsigned long long)first,
                     (unsigned long long)last);
    return listing->xml.failed == 0;
}

static enum azure_error page_listing_prepare(struct call *call, struct page_listing *listing)
{
    struct slice max_results = target_query(call->target.query, "maxresults");
    struct slice marker = target_query(call->target.query, "marker");
    struct range range = {.last = INT64_MAX};
    uint64_t from;

    if (target_query(call->target.query, "prevsnapshot").bytes || head_find(call->head, "x-ms-previous-snapshot-url"))
        return call_refuse(call, AZURE_NotImplemented,
                           "Get Page Ranges against a previous snapshot is not in the embedded store; blobhostd --backend URL "
                           "carries it.");
    (void)range_parse(call, &range);
    listing->first = range.first / PAGE_BYTES * PAGE_BYTES;
    listing->last = range.last > INT64_MAX ? INT64_MAX : range.last | (PAGE_BYTES - 1);
    listing->has_max = max_results.len > 0;
    if (listing->has_max && (!slice_to_number(max_results, &listing->max_results) || listing->max_results == 0))
        return call_refuse(call, AZURE_InvalidQueryParameterValue, "The parameter is maxresults.");
    if (marker.len > 0) {
        if (!slice_to_number(marker, &from))
            return call_refuse(call, AZURE_InvalidQueryParameterValue, "The parameter is marker.");
        listing->first = from > listing->first ? from : listing->first;
    }
    (void)buf_puts(&listing->xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?><PageList>");
    return AZURE_OK;
}

enum azure_error service_get_page_ranges(struct call *call)
{
    CLEANUP(page_listing_free) struct page_listing listing = {.xml = {.max_bytes = PAGE_LIST_XML_BYTES}};
    CLEANUP(store_blob_done) struct store_blob blob = no_blob;
    struct condition condition;
    enum azure_error error = condition_parse(&condition, call, CONDITION_READ);

    if (error == AZURE_OK)
        error = page_listing_prepare(call, &listing);
    if (error == AZURE_OK && listing.last >= listing.first)
        error = store_list_pages(call->store, &call->name, listing.first, listing.last - listing.first + 1, page_visit, &listing,
                                 &blob);
    if (error == AZURE_OK)
        error = condition_check_blob(&condition, &blob);
    if (error)
        return error;
    if (listing.has_next)
        (void)buf_printf(&listing.xml, "<NextMarker>%llu</NextMarker>", (unsigned long long)listing.next);
    (void)buf_puts(&listing.xml, "</PageList>");
    answer_begin(call, 200);
    answer_version(call, blob.etag, blob.modified_us);
    answer_number(call, "x-ms-blob-content-length", blob.length);
    return answer_xml(call, &listing.xml);
}
