/* SPDX-License-Identifier: MIT */
/* Readers: a read transaction, the version it sees, and the file that was read last. Readers are pooled: a get allocates nothing.
 */
#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>

#define MISSING_FILE_TRIES 16 /* overwritten that often between two lines of this file: rather damage */

static struct store_reader *take_idle(struct store *store)
{
    (void)pthread_mutex_lock(&store->idle_lock);
    struct store_reader *reader = store->idle;
    if (reader)
        store->idle = reader->next;
    (void)pthread_mutex_unlock(&store->idle_lock);
    return reader;
}

struct store_reader *store_reader_take(struct store *store)
{
    struct store_reader *reader = take_idle(store);
    int r;
    if (reader) {
        r = mdb_txn_renew(reader->txn);
    } else {
        reader = calloc(1, sizeof(*reader));
        if (!reader) {
            (void)store_failed("begin to read", -ENOMEM);
            return NULL;
        }
        r = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &reader->txn);
    }
    if (r) {
        (void)store_failed("begin to read", r);
        if (reader->txn)
            mdb_txn_abort(reader->txn);
        free(reader);
        return NULL;
    }
    reader->store = store;
    reader->version = (struct store_version){0};
    reader->inline_bytes = NULL;
    reader->file_id = 0;
    reader->fd = -1;
    return reader;
}

struct store_reader *store_reader_close(struct store_reader *reader)
{
    if (!reader)
        return NULL;
    struct store *store = reader->store;
    cleanup_fd(&reader->fd);
    mdb_txn_reset(reader->txn);
    (void)pthread_mutex_lock(&store->idle_lock);
    reader->next = store->idle;
    store->idle = reader;
    (void)pthread_mutex_unlock(&store->idle_lock);
    return NULL;
}

static int use_file(struct store_reader *reader, uint64_t id)
{
    if (reader->file_id == id)
        return 0;
    int fd = -1;
    int r = store_file_open(reader->store, id, O_RDONLY, &fd);
    if (r)
        return r;
    cleanup_fd(&reader->fd);
    reader->fd = fd;
    reader->file_id = id;
    return 0;
}

/* One data that is the whole content is made ready at once: an open file outlives its unlinking. 0, -ENOENT, LMDB code. */
static int prepare(struct store_reader *reader)
{
    if (reader->version.content.kind != STORE_CONTENT_DATA)
        return 0;
    struct store_data data;
    int r = store_data_get(reader->store, reader->txn, reader->version.content.id, &data);
    if (r)
        return r;
    if (data.is_file)
        return use_file(reader, reader->version.content.id);
    reader->inline_bytes = data.bytes;
    return 0;
}

static enum azure_error find(struct store_reader *reader, const struct store_name *name)
{
    struct store_place place;
    enum azure_error error = store_place_find(reader->store, reader->txn, name, &place);
    return error ? error : store_place_version(reader->store, reader->txn, &place, &reader->version);
}

enum azure_error store_open_reader(struct store *store, const struct store_name *name, struct store_reader **ret_reader)
{
    int r = 0;
    for (int i = 0; i < MISSING_FILE_TRIES; i++) {
        struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
        enum azure_error error = reader ? find(reader, name) : AZURE_InternalError;
        if (error)
            return error;
        r = prepare(reader);
        if (!r) {
            *ret_reader = TAKE_PTR(reader);
            return AZURE_OK;
        }
        if (r != -ENOENT)
            break;
    }
    return store_failed("open a blob", r);
}

const struct store_blob *store_reader_blob(const struct store_reader *reader)
{
    return &reader->version.blob;
}

static int read_data(struct store_reader *reader, uint64_t id, uint64_t offset, uint64_t length, struct store_cursor *to)
{
    struct store_data data;
    int r = store_data_get(reader->store, reader->txn, id, &data);
    if (r || offset > data.length || length > data.length - offset)
        return -EIO;
    if (!data.is_file)
        return store_cursor_fill(to, (const uint8_t *)data.bytes + offset, length);
    r = use_file(reader, id);
    if (r)
        return r == -ENOENT ? -ESTALE : r;
    return store_file_read(reader->fd, offset, to, length);
}

static int read_list(struct store_reader *reader, uint64_t offset, uint64_t length, struct store_cursor *to)
{
    struct store_list list;
    if (store_list_get(reader->store, reader->txn, reader->version.content.id, &list))
        return -EIO;
    uint32_t index = store_list_find(&list, offset);
    uint64_t start = index ? store_list_item(&list, index - 1).end : 0;
    int r = 0;
    for (; !r && length && index < list.count; index++) {
        struct store_list_item item = store_list_item(&list, index);
        uint64_t part = item.end - offset < length ? item.end - offset : length;
        if (part)
            r = read_data(reader, item.data_id, offset - start, part, to);
        offset += part;
        length -= part;
        start = item.end;
    }
    return r ? r : length ? -EIO : 0;
}

static int read_map(struct store_reader *reader, MDB_cursor *cursor, uint64_t offset, uint64_t length, struct store_cursor *to)
{
    while (length) {
        struct store_extent extent;
        int r = store_map_find(cursor, reader->version.content.id, offset, &extent);
        if (r && r != MDB_NOTFOUND)
            return -EIO;
        uint64_t part = length;
        if (!r && extent.start > offset) {
            part = extent.start - offset < length ? extent.start - offset : length;
            r = MDB_NOTFOUND;
        } else if (!r) {
            part = extent.end - offset < length ? extent.end - offset : length;
        }
        r = r ? store_cursor_fill(to, NULL, part)
              : read_data(reader, extent.data_id, extent.data_offset + (offset - extent.start), part, to);
        if (r)
            return r;
        offset += part;
        length -= part;
    }
    return 0;
}

static int read_pages(struct store_reader *reader, uint64_t offset, uint64_t length, struct store_cursor *to)
{
    MDB_cursor *cursor;
    int r = mdb_cursor_open(reader->txn, reader->store->dbi[STORE_DB_PAGES], &cursor);
    if (r)
        return -EIO;
    r = read_map(reader, cursor, offset, length, to);
    mdb_cursor_close(cursor);
    return r;
}

int store_reader_read(struct store_reader *reader, uint64_t offset, uint64_t length, const struct iovec *iov, int iov_count)
{
    uint64_t end = reader->version.blob.length;
    if (offset > end || length > end - offset)
        return -EINVAL;
    struct store_cursor to = {iov, iov_count, 0};
    if (!length)
        return 0;
    switch (reader->version.content.kind) {
    case STORE_CONTENT_DATA:
        return reader->inline_bytes ? store_cursor_fill(&to, reader->inline_bytes + offset, length)
                                    : store_file_read(reader->fd, offset, &to, length);
    case STORE_CONTENT_LIST:
        return read_list(reader, offset, length, &to);
    case STORE_CONTENT_MAP:
        return read_pages(reader, offset, length, &to);
    case STORE_CONTENT_NONE:
        break;
    }
    return store_cursor_fill(&to, NULL, length);
}
