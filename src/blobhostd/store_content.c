/* SPDX-License-Identifier: MIT */
/* Contents and their references: data rows (inline or a file), and the count of those who share a data, list or map. */
#include "store_internal.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct data_head {
    uint64_t length;
    uint32_t is_file;
    uint32_t reserved;
};

static enum azure_error body_write_file(struct store *store, struct store_body *body)
{
    int fd CLEANUP(cleanup_fd) = -1;
    int r = store_file_create(store, body->id, &fd);
    if (r)
        return store_failed("create a data file", r);
    body->is_file = true;
    struct store_cursor from = body->from;
    r = store_file_write(fd, 0, &from, body->bytes);
    if (!r)
        r = store_file_sync(store, body->id, fd, true);
    if (!r)
        return AZURE_OK;
    store_file_unlink(store, body->id);
    body->is_file = false;
    return store_failed("write a data file", r);
}

enum azure_error store_body_prepare(struct store *store, struct store_body *body)
{
    if (!body->bytes)
        return AZURE_OK;
    body->id = store_new_id(store);
    return body->bytes > store->inline_bytes ? body_write_file(store, body) : AZURE_OK;
}

static enum azure_error body_keep_inline(struct store_write *write, struct store_body *body)
{
    struct data_head head = {.length = body->bytes};
    MDB_val key = store_val(&body->id, sizeof(body->id)), value = {.mv_size = sizeof(head) + (size_t)body->bytes};
    int r = mdb_put(write->txn, write->store->dbi[STORE_DB_DATA], &key, &value, MDB_RESERVE);
    if (r)
        return store_failed("write data", r);
    memcpy(value.mv_data, &head, sizeof(head));
    struct store_cursor from = body->from;
    r = store_cursor_drain(&from, (char *)value.mv_data + sizeof(head), body->bytes);
    return r ? store_failed("read a body", r) : AZURE_OK;
}

enum azure_error store_body_keep(struct store_write *write, struct store_body *body)
{
    if (!body->id)
        return AZURE_OK;
    return body->is_file ? store_data_put_file(write, body->id, body->bytes) : body_keep_inline(write, body);
}

enum azure_error store_data_put_file(struct store_write *write, uint64_t id, uint64_t length)
{
    struct data_head head = {.length = length, .is_file = 1};
    return store_row_put(write, STORE_DB_DATA, &id, sizeof(id), &head, sizeof(head));
}

int store_data_get(struct store *store, MDB_txn *txn, uint64_t id, struct store_data *ret_data)
{
    MDB_val value;
    int r = store_row_get(store, txn, STORE_DB_DATA, &id, sizeof(id), &value);
    if (r)
        return r;
    struct data_head head;
    if (value.mv_size < sizeof(head))
        return MDB_CORRUPTED;
    memcpy(&head, value.mv_data, sizeof(head));
    if (!head.is_file && value.mv_size != sizeof(head) + head.length)
        return MDB_CORRUPTED;
    const char *bytes = head.is_file ? NULL : (const char *)value.mv_data + sizeof(head);
    *ret_data = (struct store_data){head.is_file, head.length, bytes};
    return 0;
}

static int shares_get(struct store *store, MDB_txn *txn, uint64_t id, uint32_t *ret_extra)
{
    MDB_val value;
    int r = store_row_get(store, txn, STORE_DB_SHARES, &id, sizeof(id), &value);
    *ret_extra = 0;
    if (r)
        return r == MDB_NOTFOUND ? 0 : r;
    if (value.mv_size != sizeof(*ret_extra))
        return MDB_CORRUPTED;
    memcpy(ret_extra, value.mv_data, sizeof(*ret_extra));
    return 0;
}

int store_content_is_shared(struct store *store, MDB_txn *txn, uint64_t id, bool *ret_is_shared)
{
    uint32_t extra;
    int r = shares_get(store, txn, id, &extra);
    *ret_is_shared = extra;
    return r;
}

static enum azure_error shares_put(struct store_write *write, uint64_t id, uint32_t extra)
{
    if (!extra)
        return store_row_delete(write, STORE_DB_SHARES, &id, sizeof(id));
    return store_row_put(write, STORE_DB_SHARES, &id, sizeof(id), &extra, sizeof(extra));
}

static enum azure_error share(struct store_write *write, uint64_t id)
{
    uint32_t extra;
    int r = shares_get(write->store, write->txn, id, &extra);
    if (!r && extra == UINT32_MAX)
        r = -EOVERFLOW;
    return r ? store_failed("share a content", r) : shares_put(write, id, extra + 1);
}

/* Gives back one reference; *ret_was_last: the caller removes the content itself. */
static enum azure_error give_back(struct store_write *write, uint64_t id, bool *ret_was_last)
{
    uint32_t extra;
    int r = shares_get(write->store, write->txn, id, &extra);
    if (r)
        return store_failed("drop a content", r);
    *ret_was_last = !extra;
    return extra ? shares_put(write, id, extra - 1) : AZURE_OK;
}

enum azure_error store_content_share(struct store_write *write, const struct store_content *content)
{
    return content->kind == STORE_CONTENT_NONE ? AZURE_OK : share(write, content->id);
}

enum azure_error store_data_share(struct store_write *write, uint64_t data_id)
{
    return share(write, data_id);
}

static enum azure_error data_remove(struct store_write *write, uint64_t id)
{
    struct store_data data;
    int r = store_data_get(write->store, write->txn, id, &data);
    if (r)
        return store_failed("find data", r);
    enum azure_error error = data.is_file ? store_write_drop_file(write, id) : AZURE_OK;
    return error ? error : store_row_delete(write, STORE_DB_DATA, &id, sizeof(id));
}

enum azure_error store_data_drop(struct store_write *write, uint64_t data_id)
{
    bool was_last = false;
    enum azure_error error = give_back(write, data_id, &was_last);
    return error || !was_last ? error : data_remove(write, data_id);
}

enum azure_error store_content_drop(struct store_write *write, const struct store_content *content)
{
    if (content->kind == STORE_CONTENT_NONE)
        return AZURE_OK;
    bool was_last = false;
    enum azure_error error = give_back(write, content->id, &was_last);
    if (error || !was_last)
        return error;
    switch (content->kind) {
    case STORE_CONTENT_DATA:
        return data_remove(write, content->id);
    case STORE_CONTENT_LIST:
        return store_list_drop(write, content->id);
    case STORE_CONTENT_MAP:
        return store_map_drop(write, content->id);
    case STORE_CONTENT_NONE:
        break;
    }
    return AZURE_OK;
}

/* The key and value are read before the deletion, which may move them. */
static enum azure_error row_drop(struct store_write *write, MDB_cursor *cursor, const MDB_val *value,
                                 int (*content)(const MDB_val *value, struct store_content *ret_content))
{
    struct store_content dropped;
    int r = content(value, &dropped);
    if (!r)
        r = mdb_cursor_del(cursor, 0);
    return r ? store_failed("delete a row", r) : store_content_drop(write, &dropped);
}

enum azure_error store_rows_drop(struct store_write *write, enum store_db db, uint64_t id,
                                 int (*content)(const MDB_val *value, struct store_content *ret_content))
{
    MDB_cursor *cursor;
    int r = mdb_cursor_open(write->txn, write->store->dbi[db], &cursor);
    if (r)
        return store_failed("open a cursor", r);
    uint64_t prefix = htobe64(id);
    enum azure_error error = AZURE_OK;
    while (!error) {
        MDB_val key = store_val(&prefix, sizeof(prefix)), value;
        r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (r || memcmp(key.mv_data, &prefix, sizeof(prefix)))
            break;
        error = row_drop(write, cursor, &value, content);
    }
    mdb_cursor_close(cursor);
    return error ? error : r && r != MDB_NOTFOUND ? store_failed("find a row", r) : AZURE_OK;
}
