/* SPDX-License-Identifier: MIT */
/* Blocks: uncommitted ones and the committed lists made of them. Committing moves references, never data. */
#include "store_internal.h"

#include "../lib/limits.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct block_key {
    uint8_t bytes[8 + LIMIT_BLOCK_ID_BYTES];
    size_t len;
};

struct block_row {
    uint64_t data_id; /* 0: an empty block */
    uint64_t length;
    uint64_t is_used; /* while a list is committed: the list has taken over the reference */
};

struct list_head {
    uint32_t count;
    uint32_t reserved;
    uint64_t ids_bytes;
};

static void key_make(struct block_key *key, uint64_t name_id, const struct store_block_id *id)
{
    uint64_t name_be = htobe64(name_id);
    memcpy(key->bytes, &name_be, 8);
    memcpy(key->bytes + 8, id->bytes, id->len);
    key->len = 8 + id->len;
}

static int block_decode(const MDB_val *value, struct block_row *ret_row)
{
    if (value->mv_size != sizeof(*ret_row))
        return MDB_CORRUPTED;
    memcpy(ret_row, value->mv_data, sizeof(*ret_row));
    return 0;
}

static enum azure_error block_get(struct store_write *write, const struct block_key *key, bool *ret_is_found,
                                  struct block_row *ret_row)
{
    MDB_val value;
    int r = store_row_get(write->store, write->txn, STORE_DB_BLOCKS, key->bytes, key->len, &value);
    *ret_is_found = !r;
    if (!r)
        r = block_decode(&value, ret_row);
    return r && r != MDB_NOTFOUND ? store_failed("find a block", r) : AZURE_OK;
}

static int block_content(const MDB_val *value, struct store_content *ret_content)
{
    struct block_row row;
    int r = block_decode(value, &row);
    bool is_owned = !r && row.data_id && !row.is_used;
    *ret_content = is_owned ? (struct store_content){STORE_CONTENT_DATA, row.data_id} : (struct store_content){0};
    return r;
}

enum azure_error store_blocks_drop(struct store_write *write, uint64_t name_id)
{
    return store_rows_drop(write, STORE_DB_BLOCKS, name_id, block_content);
}

static enum azure_error find_for_blocks(struct store_write *write, const struct store_name *name, const struct store_check *check,
                                        struct store_place *place)
{
    enum azure_error error = store_place_find_base(write->store, write->txn, name, place);
    if (error)
        return error;
    if (place->entry.has_blob && place->entry.base.blob.type != STORE_BLOCK_BLOB)
        return AZURE_InvalidBlobType;
    return store_place_check(place, check);
}

/* The name's row counts the block, unless it replaces one. */
static enum azure_error count_block(struct store_write *write, struct store_place *place, const struct store_block_id *id)
{
    struct store_entry *entry = &place->entry;
    if (entry->uncommitted_count >= LIMIT_BLOCKS_UNCOMMITTED)
        return AZURE_BlockCountExceedsLimit;
    entry->uncommitted_count++;
    entry->block_id_bytes = (uint8_t)id->len;
    return store_place_write(write, place);
}

static enum azure_error put_block_in(struct store_write *write, const struct store_name *name, const struct store_block_id *id,
                                     const struct store_check *check)
{
    struct store_place place;
    enum azure_error error = find_for_blocks(write, name, check, &place);
    if (error)
        return error;
    if (place.entry.uncommitted_count && place.entry.block_id_bytes != id->len)
        return AZURE_InvalidBlobOrBlock;
    struct block_key key;
    key_make(&key, place.entry.name_id, id);
    bool is_found = false;
    struct block_row old = {0};
    error = block_get(write, &key, &is_found, &old);
    if (!error && !is_found)
        error = count_block(write, &place, id);
    if (error)
        return error;
    key_make(&key, place.entry.name_id, id);
    struct block_row row = {write->body->id, write->body->bytes, 0};
    error = store_row_put(write, STORE_DB_BLOCKS, key.bytes, key.len, &row, sizeof(row));
    if (!error)
        error = store_body_keep(write, write->body);
    return error || !old.data_id ? error : store_data_drop(write, old.data_id);
}

enum azure_error store_put_block(struct store *store, const struct store_name *name, const struct store_block_id *id,
                                 const struct iovec *body, int body_iov_count, uint64_t body_bytes,
                                 const struct store_check *check)
{
    if (!id->len || id->len > LIMIT_BLOCK_ID_BYTES)
        return AZURE_InvalidBlockId;
    struct store_body content = {.from = {body, body_iov_count, 0}, .bytes = body_bytes};
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_body_prepare(store, &content);
    if (!error)
        error = store_write_begin(store, &content, NULL, &write);
    if (!error)
        error = put_block_in(&write, name, id, check);
    return error ? error : store_write_commit(&write);
}

int store_list_get(struct store *store, MDB_txn *txn, uint64_t id, struct store_list *ret_list)
{
    MDB_val value;
    int r = store_row_get(store, txn, STORE_DB_LISTS, &id, sizeof(id), &value);
    if (r)
        return r;
    struct list_head head;
    if (value.mv_size < sizeof(head))
        return MDB_CORRUPTED;
    memcpy(&head, value.mv_data, sizeof(head));
    size_t items_bytes = (size_t)head.count * sizeof(struct store_list_item);
    if (value.mv_size != sizeof(head) + items_bytes + head.ids_bytes)
        return MDB_CORRUPTED;
    const uint8_t *items = (const uint8_t *)value.mv_data + sizeof(head);
    *ret_list = (struct store_list){items, items + items_bytes, head.ids_bytes, head.count};
    return 0;
}

/* Rows are not aligned. */
struct store_list_item store_list_item(const struct store_list *list, uint32_t index)
{
    struct store_list_item item;
    memcpy(&item, list->items + (size_t)index * sizeof(item), sizeof(item));
    return item;
}

uint32_t store_list_find(const struct store_list *list, uint64_t offset)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (store_list_item(list, middle).end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t list_start(const struct store_list *list, uint32_t index)
{
    return index ? store_list_item(list, index - 1).end : 0;
}

/* The row was written by an earlier transaction, so it stays in the map while this one changes other rows. */
enum azure_error store_list_drop(struct store_write *write, uint64_t id)
{
    struct store_list list;
    int r = store_list_get(write->store, write->txn, id, &list);
    if (r)
        return store_failed("find a block list", r);
    enum azure_error error = AZURE_OK;
    for (uint32_t i = 0; !error && i < list.count; i++) {
        uint64_t data_id = store_list_item(&list, i).data_id;
        error = data_id ? store_data_drop(write, data_id) : AZURE_OK;
    }
    return error ? error : store_row_delete(write, STORE_DB_LISTS, &id, sizeof(id));
}

/* Finds committed blocks by id. Lists mostly name blocks in the order they have already, so the one behind the last is tried
 * first; the sorted index is made when that fails. */
struct committed {
    struct store_list list;
    uint32_t next;
    size_t next_at; /* its id's place in the list's ids */
    struct committed_id {
        const uint8_t *id; /* length byte and bytes */
        uint32_t index;
    } * sorted;
};

static void committed_done(struct committed *committed)
{
    free(committed->sorted);
}

static int id_compare(const void *left, const void *right)
{
    const uint8_t *a = ((const struct committed_id *)left)->id, *b = ((const struct committed_id *)right)->id;
    return *a != *b ? (int)*a - (int)*b : memcmp(a + 1, b + 1, *a);
}

static int committed_sort(struct committed *committed)
{
    const struct store_list *list = &committed->list;
    committed->sorted = calloc(list->count, sizeof(*committed->sorted));
    if (!committed->sorted)
        return -ENOMEM;
    const uint8_t *id = list->ids;
    for (uint32_t i = 0; i < list->count; i++, id += 1 + *id)
        committed->sorted[i] = (struct committed_id){id, i};
    qsort(committed->sorted, list->count, sizeof(*committed->sorted), id_compare);
    return 0;
}

static bool id_equal(const uint8_t *packed, const struct store_block_id *id)
{
    return *packed == id->len && !memcmp(packed + 1, id->bytes, id->len);
}

static int committed_find(struct committed *committed, const struct store_block_id *id, bool *ret_is_found,
                          struct block_row *ret_row)
{
    const struct store_list *list = &committed->list;
    uint32_t index = committed->next;
    *ret_is_found = index < list->count && id_equal(list->ids + committed->next_at, id);
    if (*ret_is_found) {
        committed->next++;
        committed->next_at += 1 + id->len;
    } else if (list->count) {
        uint8_t packed[1 + LIMIT_BLOCK_ID_BYTES] = {(uint8_t)id->len};
        memcpy(packed + 1, id->bytes, id->len);
        int r = committed->sorted ? 0 : committed_sort(committed);
        if (r)
            return r;
        struct committed_id wanted = {packed, 0};
        struct committed_id *found = bsearch(&wanted, committed->sorted, list->count, sizeof(wanted), id_compare);
        *ret_is_found = found;
        index = found ? found->index : 0;
    }
    if (*ret_is_found) {
        struct store_list_item item = store_list_item(list, index);
        *ret_row = (struct block_row){item.data_id, item.end - list_start(list, index), 0};
    }
    return 0;
}

/* The list that is being made: a row of the right size, filled from two ends. */
struct new_list {
    uint8_t *row; /* owned */
    size_t row_bytes;
    uint8_t *item;
    uint8_t *id;
    uint64_t end;
};

static void new_list_done(struct new_list *list)
{
    free(list->row);
}

static int new_list_start(struct new_list *list, const struct store_block_ref *blocks, size_t block_count)
{
    struct list_head head = {.count = (uint32_t)block_count, .ids_bytes = block_count};
    for (size_t i = 0; i < block_count; i++)
        head.ids_bytes += blocks[i].id.len;
    list->row_bytes = sizeof(head) + block_count * sizeof(struct store_list_item) + head.ids_bytes;
    list->row = malloc(list->row_bytes);
    if (!list->row)
        return -ENOMEM;
    memcpy(list->row, &head, sizeof(head));
    list->item = list->row + sizeof(head);
    list->id = list->item + block_count * sizeof(struct store_list_item);
    return 0;
}

static void new_list_add(struct new_list *list, const struct store_block_id *id, const struct block_row *block)
{
    list->end += block->length;
    struct store_list_item item = {block->data_id, list->end};
    memcpy(list->item, &item, sizeof(item));
    list->item += sizeof(item);
    *list->id++ = (uint8_t)id->len;
    memcpy(list->id, id->bytes, id->len);
    list->id += id->len;
}

/* The first use of an uncommitted block takes over its reference; every other use of a block is one more. */
static enum azure_error take_uncommitted(struct store_write *write, const struct block_key *key, struct block_row *row)
{
    if (!row->data_id)
        return AZURE_OK;
    if (row->is_used)
        return store_data_share(write, row->data_id);
    row->is_used = true;
    return store_row_put(write, STORE_DB_BLOCKS, key->bytes, key->len, row, sizeof(*row));
}

static enum azure_error add_block(struct store_write *write, uint64_t name_id, const struct store_block_ref *ref,
                                  struct committed *committed, struct new_list *list)
{
    bool is_found = false;
    struct block_row row = {0};
    struct block_key key;
    if (!ref->id.len || ref->id.len > LIMIT_BLOCK_ID_BYTES)
        return AZURE_InvalidBlockList;
    if (ref->from != STORE_BLOCK_COMMITTED) {
        key_make(&key, name_id, &ref->id);
        enum azure_error error = block_get(write, &key, &is_found, &row);
        if (!error && is_found)
            error = take_uncommitted(write, &key, &row);
        if (error)
            return error;
    }
    if (!is_found && ref->from != STORE_BLOCK_UNCOMMITTED) {
        int r = committed_find(committed, &ref->id, &is_found, &row);
        if (r)
            return store_failed("find a committed block", r);
        enum azure_error error = is_found && row.data_id ? store_data_share(write, row.data_id) : AZURE_OK;
        if (error)
            return error;
    }
    if (!is_found)
        return AZURE_InvalidBlockList;
    new_list_add(list, &ref->id, &row);
    return AZURE_OK;
}

static enum azure_error make_list(struct store_write *write, const struct store_place *place,
                                  const struct store_block_ref *blocks, size_t block_count, struct store_version *version)
{
    struct committed committed CLEANUP(committed_done) = {0};
    struct new_list list CLEANUP(new_list_done) = {0};
    int r = new_list_start(&list, blocks, block_count);
    if (!r && place->entry.base.content.kind == STORE_CONTENT_LIST)
        r = store_list_get(write->store, write->txn, place->entry.base.content.id, &committed.list);
    if (r)
        return store_failed("make a block list", r);
    enum azure_error error = AZURE_OK;
    for (size_t i = 0; !error && i < block_count; i++)
        error = add_block(write, place->entry.name_id, &blocks[i], &committed, &list);
    if (error)
        return error;
    version->content = (struct store_content){STORE_CONTENT_LIST, store_new_id(write->store)};
    version->blob.length = list.end;
    return store_row_put(write, STORE_DB_LISTS, &version->content.id, sizeof(version->content.id), list.row, list.row_bytes);
}

static enum azure_error put_block_list_in(struct store_write *write, const struct store_name *name,
                                          const struct store_block_ref *blocks, size_t block_count,
                                          const struct store_blob *properties, const struct store_check *check)
{
    struct store_place place;
    enum azure_error error = find_for_blocks(write, name, check, &place);
    if (error)
        return error;
    /* Of the old blob only numbers are used from here on: rows are written before the name's. */
    struct store_version version = {.blob = *properties};
    version.blob.type = STORE_BLOCK_BLOB;
    version.blob.length = 0;
    version.blob.created_us = place.entry.has_blob ? place.entry.base.blob.created_us : 0;
    version.blob.copy_id = version.blob.copy_source = NULL;
    version.blob.copy_completed_us = 0;
    if (block_count)
        error = make_list(write, &place, blocks, block_count, &version);
    struct store_replaced old;
    if (!error)
        error = store_place_replace(write, &place, &version, &old);
    return error ? error : store_replaced_drop(write, &place, &old);
}

enum azure_error store_put_block_list(struct store *store, const struct store_name *name, const struct store_block_ref *blocks,
                                      size_t block_count, const struct store_blob *properties, const struct store_check *check,
                                      struct store_blob *ret_blob)
{
    if (block_count > LIMIT_BLOCKS_COMMITTED)
        return AZURE_BlockListTooLong;
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_write_begin(store, NULL, ret_blob, &write);
    if (!error)
        error = put_block_list_in(&write, name, blocks, block_count, properties, check);
    return error ? error : store_write_commit(&write);
}

struct block_visit {
    bool (*visit)(void *arg, const struct store_block_id *id, uint64_t length, bool is_committed);
    void *arg;
    bool is_stopped;
};

static int visit_committed(struct store_reader *reader, uint64_t list_id, struct block_visit *to)
{
    struct store_list list;
    int r = store_list_get(reader->store, reader->txn, list_id, &list);
    if (r)
        return r == MDB_NOTFOUND ? MDB_CORRUPTED : r;
    const uint8_t *packed = list.ids;
    for (uint32_t i = 0; i < list.count && !to->is_stopped; i++, packed += 1 + *packed) {
        struct store_block_id id = {.len = *packed};
        memcpy(id.bytes, packed + 1, id.len);
        uint64_t length = store_list_item(&list, i).end - list_start(&list, i);
        to->is_stopped = !to->visit(to->arg, &id, length, true);
    }
    return 0;
}

static int visit_uncommitted(struct store_reader *reader, uint64_t name_id, struct block_visit *to)
{
    MDB_cursor *cursor;
    int r = mdb_cursor_open(reader->txn, reader->store->dbi[STORE_DB_BLOCKS], &cursor);
    if (r)
        return r;
    uint64_t name_be = htobe64(name_id);
    MDB_val key = store_val(&name_be, sizeof(name_be)), value;
    r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; !r && !to->is_stopped; r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (memcmp(key.mv_data, &name_be, sizeof(name_be)))
            break;
        struct store_block_id id = {.len = key.mv_size - 8};
        memcpy(id.bytes, (const uint8_t *)key.mv_data + 8, id.len);
        struct block_row row;
        r = block_decode(&value, &row);
        if (r)
            break;
        to->is_stopped = !to->visit(to->arg, &id, row.length, false);
    }
    mdb_cursor_close(cursor);
    return r == MDB_NOTFOUND ? 0 : r;
}

static enum azure_error find_for_listing(struct store_reader *reader, const struct store_name *name, struct store_place *place)
{
    enum azure_error error = store_place_find(reader->store, reader->txn, name, place);
    if (error)
        return error;
    if (!place->entry.name_id)
        return AZURE_BlobNotFound;
    if (place->is_snapshot || place->entry.has_blob)
        error = store_place_version(reader->store, reader->txn, place, &reader->version);
    bool is_other_type = !error && reader->version.blob.type && reader->version.blob.type != STORE_BLOCK_BLOB;
    return is_other_type ? AZURE_InvalidBlobType : error;
}

enum azure_error store_list_blocks(struct store *store, const struct store_name *name,
                                   bool (*visit)(void *arg, const struct store_block_id *id, uint64_t length, bool is_committed),
                                   void *arg, struct store_blob *ret_blob)
{
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    if (!reader)
        return AZURE_InternalError;
    struct store_place place;
    enum azure_error error = find_for_listing(reader, name, &place);
    if (error)
        return error;
    struct store_blob blob CLEANUP(store_blob_done) = {0};
    struct block_visit to = {visit, arg, false};
    int r = ret_blob ? store_blob_own(&reader->version.blob, &blob) : 0;
    if (!r && reader->version.content.kind == STORE_CONTENT_LIST)
        r = visit_committed(reader, reader->version.content.id, &to);
    if (!r && !place.is_snapshot)
        r = visit_uncommitted(reader, place.entry.name_id, &to);
    if (r)
        return store_failed("list blocks", r);
    if (ret_blob) {
        *ret_blob = blob;
        blob = (struct store_blob){0};
    }
    return AZURE_OK;
}
