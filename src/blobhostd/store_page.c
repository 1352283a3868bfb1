/* SPDX-License-Identifier: MIT */
/* Page blobs: a map from ranges to data. Each write is a new data and replaces what lay in its range, so a reader keeps its
 * version, a write is there as a whole or not at all, and a snapshot shares the map until one of the two is written to. */
#include "store_internal.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define PAGE_BYTES 512u

struct extent_row {
    uint64_t end;
    uint64_t data_id;
    uint64_t data_offset;
};

static int extent_decode(const MDB_val *key, const MDB_val *value, struct store_extent *ret_extent)
{
    struct store_pair_key pair;
    struct extent_row row;
    if (key->mv_size != sizeof(pair) || value->mv_size != sizeof(row))
        return MDB_CORRUPTED;
    memcpy(&pair, key->mv_data, sizeof(pair));
    memcpy(&row, value->mv_data, sizeof(row));
    *ret_extent = (struct store_extent){be64toh(pair.second_be), row.end, row.data_id, row.data_offset};
    return 0;
}

static bool is_in_map(const MDB_val *key, uint64_t map_id)
{
    uint64_t map_be = htobe64(map_id);
    return !memcmp(key->mv_data, &map_be, sizeof(map_be));
}

int store_map_find(MDB_cursor *cursor, uint64_t map_id, uint64_t offset, struct store_extent *ret_extent)
{
    struct store_pair_key wanted = store_pair_key(map_id, offset);
    MDB_val key = store_val(&wanted, sizeof(wanted)), value;
    int r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!r && !memcmp(key.mv_data, &wanted, sizeof(wanted)))
        return extent_decode(&key, &value, ret_extent);
    if (r && r != MDB_NOTFOUND)
        return r;
    /* The one before may reach over the offset. */
    r = mdb_cursor_get(cursor, &key, &value, r ? MDB_LAST : MDB_PREV);
    if (!r && is_in_map(&key, map_id)) {
        r = extent_decode(&key, &value, ret_extent);
        if (r || ret_extent->end > offset)
            return r;
    }
    key = store_val(&wanted, sizeof(wanted));
    r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (r)
        return r;
    return is_in_map(&key, map_id) ? extent_decode(&key, &value, ret_extent) : MDB_NOTFOUND;
}

static enum azure_error extent_put(struct store_write *write, uint64_t map_id, const struct store_extent *extent)
{
    struct store_pair_key key = store_pair_key(map_id, extent->start);
    struct extent_row row = {extent->end, extent->data_id, extent->data_offset};
    return store_row_put(write, STORE_DB_PAGES, &key, sizeof(key), &row, sizeof(row));
}

static int extent_content(const MDB_val *value, struct store_content *ret_content)
{
    struct extent_row row;
    if (value->mv_size != sizeof(row))
        return MDB_CORRUPTED;
    memcpy(&row, value->mv_data, sizeof(row));
    *ret_content = (struct store_content){STORE_CONTENT_DATA, row.data_id};
    return 0;
}

enum azure_error store_map_drop(struct store_write *write, uint64_t map_id)
{
    return store_rows_drop(write, STORE_DB_PAGES, map_id, extent_content);
}

static enum azure_error map_first_from(struct store_write *write, uint64_t map_id, uint64_t offset, bool *ret_is_found,
                                       struct store_extent *ret_extent)
{
    MDB_cursor *cursor;
    int r = mdb_cursor_open(write->txn, write->store->dbi[STORE_DB_PAGES], &cursor);
    if (r)
        return store_failed("open a cursor", r);
    r = store_map_find(cursor, map_id, offset, ret_extent);
    mdb_cursor_close(cursor);
    *ret_is_found = !r;
    return r && r != MDB_NOTFOUND ? store_failed("find pages", r) : AZURE_OK;
}

static enum azure_error map_copy(struct store_write *write, uint64_t from, uint64_t to)
{
    uint64_t offset = 0;
    for (;;) {
        bool is_found = false;
        struct store_extent extent;
        enum azure_error error = map_first_from(write, from, offset, &is_found, &extent);
        if (error || !is_found)
            return error;
        error = extent_put(write, to, &extent);
        if (!error)
            error = store_data_share(write, extent.data_id);
        if (error)
            return error;
        offset = extent.end;
    }
}

enum azure_error store_map_unshare(struct store_write *write, struct store_content *content)
{
    struct store_content old = *content;
    bool is_shared = false;
    int r = old.kind == STORE_CONTENT_MAP ? store_content_is_shared(write->store, write->txn, old.id, &is_shared) : 0;
    if (r)
        return store_failed("find a page map", r);
    if (old.kind == STORE_CONTENT_MAP && !is_shared)
        return AZURE_OK;
    *content = (struct store_content){STORE_CONTENT_MAP, store_new_id(write->store)};
    if (old.kind == STORE_CONTENT_NONE)
        return AZURE_OK;
    enum azure_error error = map_copy(write, old.id, content->id);
    return error ? error : store_content_drop(write, &old);
}

/* What is left of an extent on both sides of [start, end); each remaining part holds a reference. */
static enum azure_error extent_cut(struct store_write *write, uint64_t map_id, const struct store_extent *extent, uint64_t start,
                                   uint64_t end)
{
    struct store_pair_key key = store_pair_key(map_id, extent->start);
    enum azure_error error = store_row_delete(write, STORE_DB_PAGES, &key, sizeof(key));
    bool has_left = extent->start<start, has_right = extent->end> end;
    if (!error && has_left) {
        struct store_extent left = *extent;
        left.end = start;
        error = extent_put(write, map_id, &left);
    }
    if (!error && has_right) {
        struct store_extent right = {end, extent->end, extent->data_id, extent->data_offset + (end - extent->start)};
        error = extent_put(write, map_id, &right);
    }
    if (error)
        return error;
    if (has_left && has_right)
        return store_data_share(write, extent->data_id);
    return has_left || has_right ? AZURE_OK : store_data_drop(write, extent->data_id);
}

enum azure_error store_map_clear(struct store_write *write, uint64_t map_id, uint64_t start, uint64_t end)
{
    for (;;) {
        bool is_found = false;
        struct store_extent extent;
        enum azure_error error = map_first_from(write, map_id, start, &is_found, &extent);
        if (error || !is_found || extent.start >= end)
            return error;
        error = extent_cut(write, map_id, &extent, start, end);
        if (error)
            return error;
    }
}

static enum azure_error put_pages_in(struct store_write *write, const struct store_name *name, uint64_t offset, uint64_t length,
                                     const struct store_check *check)
{
    struct store_place place;
    enum azure_error error = store_place_find_base(write->store, write->txn, name, &place);
    if (error)
        return error;
    struct store_version *base = &place.entry.base;
    if (!place.entry.has_blob)
        return AZURE_BlobNotFound;
    if (base->blob.type != STORE_PAGE_BLOB)
        return AZURE_InvalidBlobType;
    error = store_place_check(&place, check);
    if (error)
        return error;
    if (offset > base->blob.length || length > base->blob.length - offset)
        return AZURE_InvalidPageRange;
    base->blob.etag = write->etag;
    base->blob.modified_us = write->now_us;
    error = store_write_make(write, &base->blob);
    /* The map is another row than the name's, so what is borrowed from that one is still there. */
    if (!error)
        error = store_map_unshare(write, &base->content);
    uint64_t map_id = base->content.id;
    if (!error)
        error = store_place_write(write, &place);
    if (!error)
        error = store_map_clear(write, map_id, offset, offset + length);
    if (error || !write->body->id)
        return error;
    struct store_extent extent = {offset, offset + length, write->body->id, 0};
    error = extent_put(write, map_id, &extent);
    return error ? error : store_body_keep(write, write->body);
}

enum azure_error store_put_pages(struct store *store, const struct store_name *name, uint64_t offset, uint64_t length,
                                 const struct iovec *body, int body_iov_count, const struct store_check *check,
                                 struct store_blob *ret_blob)
{
    if (!length || offset % PAGE_BYTES || length % PAGE_BYTES)
        return AZURE_InvalidPageRange;
    struct store_body content = {.from = {body, body_iov_count, 0}, .bytes = body ? length : 0};
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_body_prepare(store, &content);
    if (!error)
        error = store_write_begin(store, &content, ret_blob, &write);
    if (!error)
        error = put_pages_in(&write, name, offset, length, check);
    return error ? error : store_write_commit(&write);
}

/* Ranges that touch become one before they are shown. */
static int visit_merged(MDB_cursor *cursor, uint64_t map_id, uint64_t offset, uint64_t end,
                        bool (*visit)(void *arg, uint64_t start, uint64_t end), void *arg)
{
    struct store_extent extent;
    uint64_t from = 0, to = 0; /* the range that is being merged; empty when equal */
    int r = store_map_find(cursor, map_id, offset, &extent);
    while (!r && extent.start < end) {
        if (extent.start != to || from == to) {
            if (from != to && !visit(arg, from, to - 1))
                return 0;
            from = extent.start > offset ? extent.start : offset;
        }
        to = extent.end;
        r = store_map_find(cursor, map_id, to, &extent);
    }
    if (r && r != MDB_NOTFOUND)
        return r;
    if (from != to)
        (void)visit(arg, from, (to < end ? to : end) - 1);
    return 0;
}

static int visit_pages(struct store_reader *reader, uint64_t offset, uint64_t end,
                       bool (*visit)(void *arg, uint64_t start, uint64_t end), void *arg)
{
    if (reader->version.content.kind != STORE_CONTENT_MAP)
        return 0;
    MDB_cursor *cursor;
    int r = mdb_cursor_open(reader->txn, reader->store->dbi[STORE_DB_PAGES], &cursor);
    if (r)
        return r;
    r = visit_merged(cursor, reader->version.content.id, offset, end, visit, arg);
    mdb_cursor_close(cursor);
    return r;
}

enum azure_error store_list_pages(struct store *store, const struct store_name *name, uint64_t offset, uint64_t length,
                                  bool (*visit)(void *arg, uint64_t start, uint64_t end), void *arg, struct store_blob *ret_blob)
{
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    if (!reader)
        return AZURE_InternalError;
    struct store_place place;
    enum azure_error error = store_place_find(store, reader->txn, name, &place);
    if (!error)
        error = store_place_version(store, reader->txn, &place, &reader->version);
    if (error)
        return error;
    if (reader->version.blob.type != STORE_PAGE_BLOB)
        return AZURE_InvalidBlobType;
    struct store_blob blob CLEANUP(store_blob_done) = {0};
    uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
    int r = ret_blob ? store_blob_own(&reader->version.blob, &blob) : 0;
    if (!r)
        r = visit_pages(reader, offset, end, visit, arg);
    if (r)
        return store_failed("list pages", r);
    if (ret_blob) {
        *ret_blob = blob;
        blob = (struct store_blob){0};
    }
    return AZURE_OK;
}
