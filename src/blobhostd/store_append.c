/* SPDX-License-Identifier: MIT */
/* Append blobs: one file that grows.
 *
 * The bytes are written behind the file's committed length, outside the write transaction, then the transaction makes them count.
 * What a failed or refused append wrote is behind that length and is overwritten by the next one. Snapshots and copies share the
 * file and see their own length of it. Only a blob that ends where the file's committed length ends may grow in place, and one
 * thread at a time (a lock per file); a blob that was overtaken by another that shares its file gets a copy of its part first. */
#include "store_internal.h"

#include "../lib/limits.h"

#include <errno.h>
#include <fcntl.h>

#define MISSING_FILE_TRIES 16 /* a file may vanish between reading its row and opening it; more often than this it is damage */

struct append {
    struct store *store;
    const struct store_name *name;
    const struct store_check *check;
    struct store_body body; /* is_file and id: a new file was made, which the transaction keeps or the end removes */
    uint64_t offset;
    uint64_t old_id; /* the file that the blob had when the bytes were written; 0: none */
    pthread_mutex_t *lock;
};

static void append_unlock(struct append *append)
{
    if (append->lock)
        (void)pthread_mutex_unlock(append->lock);
    append->lock = NULL;
}

static enum azure_error append_find(struct store *store, MDB_txn *txn, const struct store_name *name, struct store_place *place)
{
    enum azure_error error = store_place_find_base(store, txn, name, place);
    if (error)
        return error;
    if (!place->entry.has_blob)
        return AZURE_BlobNotFound;
    return place->entry.base.blob.type == STORE_APPEND_BLOB ? AZURE_OK : AZURE_InvalidBlobType;
}

/* Where the blob ends and whether its file ends there, too. */
static enum azure_error append_look(struct append *append, bool *ret_is_last)
{
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(append->store);
    if (!reader)
        return AZURE_InternalError;
    struct store_place place;
    enum azure_error error = append_find(append->store, reader->txn, append->name, &place);
    if (error)
        return error;
    append->offset = place.entry.base.blob.length;
    append->old_id = place.entry.base.content.id;
    *ret_is_last = false;
    if (!append->old_id)
        return AZURE_OK;
    struct store_data data;
    int r = store_data_get(append->store, reader->txn, append->old_id, &data);
    if (r)
        return store_failed("find an append blob's data", r);
    *ret_is_last = data.length == append->offset;
    return AZURE_OK;
}

/* Looks until what was seen is also what stands there under the file's lock. */
static enum azure_error append_lock(struct append *append, bool *ret_is_last)
{
    enum azure_error error = append_look(append, ret_is_last);
    while (!error && *ret_is_last) {
        uint64_t id = append->old_id;
        append->lock = &append->store->growing[id % STORE_LOCK_STRIPES];
        (void)pthread_mutex_lock(append->lock);
        error = append_look(append, ret_is_last);
        if (!error && *ret_is_last && append->old_id == id)
            return AZURE_OK;
        append_unlock(append);
    }
    return error;
}

static int grow_file(struct append *append)
{
    int fd CLEANUP(cleanup_fd) = -1;
    int r = store_file_open(append->store, append->old_id, O_WRONLY, &fd);
    if (r)
        return r;
    struct store_cursor from = append->body.from;
    r = store_file_write(fd, append->offset, &from, append->body.bytes);
    return r ? r : store_file_sync(append->store, append->old_id, fd, false);
}

static int copy_start(struct append *append, int to)
{
    if (!append->old_id)
        return 0;
    int from CLEANUP(cleanup_fd) = -1;
    int r = store_file_open(append->store, append->old_id, O_RDONLY, &from);
    return r ? r : store_file_copy(from, to, append->offset);
}

static int make_file(struct append *append)
{
    int fd CLEANUP(cleanup_fd) = -1;
    append->body.id = store_new_id(append->store);
    int r = store_file_create(append->store, append->body.id, &fd);
    if (r)
        return r;
    append->body.is_file = true;
    struct store_cursor from = append->body.from;
    r = copy_start(append, fd);
    if (!r)
        r = store_file_write(fd, append->offset, &from, append->body.bytes);
    if (!r)
        r = store_file_sync(append->store, append->body.id, fd, true);
    if (!r)
        return 0;
    store_file_unlink(append->store, append->body.id);
    append->body.is_file = false;
    return r;
}

static enum azure_error append_refusal(const struct store_place *place, const struct store_check *check)
{
    enum azure_error error = store_place_check(place, check);
    if (error)
        return error;
    if (place->entry.base.blob.is_sealed)
        return AZURE_BlobIsSealed;
    return place->entry.base.blob.block_count >= LIMIT_APPEND_BLOCKS ? AZURE_AppendBlockCountExceedsLimit : AZURE_OK;
}

static enum azure_error append_in(struct append *append, struct store_write *write, bool *ret_is_stale)
{
    struct store_place place;
    enum azure_error error = append_find(append->store, write->txn, append->name, &place);
    if (!error)
        error = append_refusal(&place, append->check);
    if (error)
        return error;
    struct store_blob *blob = &place.entry.base.blob;
    struct store_content old = place.entry.base.content;
    *ret_is_stale = blob->length != append->offset || old.id != append->old_id;
    if (*ret_is_stale)
        return AZURE_OK;
    blob->length += append->body.bytes;
    blob->block_count++;
    blob->etag = write->etag;
    blob->modified_us = write->now_us;
    uint64_t id = append->body.is_file ? append->body.id : old.id;
    if (id)
        place.entry.base.content = (struct store_content){STORE_CONTENT_DATA, id};
    uint64_t length = blob->length;
    error = store_write_make(write, blob);
    if (!error)
        error = store_place_write(write, &place);
    if (!error && id)
        error = store_data_put_file(write, id, length);
    return error || !append->body.is_file ? error : store_content_drop(write, &old);
}

static enum azure_error append_commit(struct append *append, struct store_blob *ret_blob, bool *ret_is_stale)
{
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_write_begin(append->store, &append->body, ret_blob, &write);
    if (!error)
        error = append_in(append, &write, ret_is_stale);
    return error || *ret_is_stale ? error : store_write_commit(&write);
}

static enum azure_error append_once(struct append *append, struct store_blob *ret_blob, int *missing, bool *ret_is_stale)
{
    bool is_last = false;
    enum azure_error error = append_lock(append, &is_last);
    if (error)
        return error;
    int r = is_last ? grow_file(append) : append->body.bytes ? make_file(append) : 0;
    if (r == -ENOENT && ++*missing < MISSING_FILE_TRIES) {
        *ret_is_stale = true;
        return AZURE_OK;
    }
    return r ? store_failed("append", r) : append_commit(append, ret_blob, ret_is_stale);
}

/* An append that finds the blob changed between its bytes and its transaction starts anew: somebody else got on. */
enum azure_error store_append_block(struct store *store, const struct store_name *name, const struct iovec *body,
                                    int body_iov_count, uint64_t body_bytes, const struct store_check *check,
                                    uint64_t *ret_offset, struct store_blob *ret_blob)
{
    int missing = 0;
    for (;;) {
        struct append append CLEANUP(append_unlock) = {
            .store = store, .name = name, .check = check, .body = {.from = {body, body_iov_count, 0}, .bytes = body_bytes}};
        bool is_stale = false;
        enum azure_error error = append_once(&append, ret_blob, &missing, &is_stale);
        if (error)
            return error;
        if (!is_stale) {
            *ret_offset = append.offset;
            return AZURE_OK;
        }
    }
}
