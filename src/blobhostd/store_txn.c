/* SPDX-License-Identifier: MIT */
/* Write transactions of the store and the rows that they read and write. */
#include "store_internal.h"

#include "../lib/clock.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* Azure's ETags are .NET ticks: 100 ns since the year 1. */
#define TICKS_AT_EPOCH 621355968000000000ull

enum azure_error store_write_begin(struct store *store, struct store_body *body, struct store_blob *ret_blob,
                                   struct store_write *write)
{
    *write = (struct store_write){.store = store, .body = body, .ret_blob = ret_blob};
    int r = mdb_txn_begin(store->env, NULL, 0, &write->txn);
    if (r) {
        write->txn = NULL;
        return store_failed("begin a transaction", r);
    }
    int64_t now_us = clock_wall_us();
    write->now_us = now_us > store->last_us ? now_us : store->last_us;
    uint64_t ticks = TICKS_AT_EPOCH + (uint64_t)write->now_us * 10;
    write->etag = ticks > store->last_etag ? ticks : store->last_etag + 1;
    return AZURE_OK;
}

enum azure_error store_write_make(struct store_write *write, const struct store_blob *blob)
{
    if (!write->ret_blob)
        return AZURE_OK;
    int r = store_blob_own(blob, &write->made);
    return r ? store_failed("copy properties", r) : AZURE_OK;
}

/* The counters are advanced before the commit lets the next writer in. If it fails, numbers were skipped, no more. */
static enum azure_error write_state(struct store_write *write)
{
    struct store *store = write->store;
    store->last_etag = write->etag;
    store->last_us = write->now_us;
    struct store_state_row state = {atomic_load(&store->last_id), write->etag, write->now_us};
    return store_row_put(write, STORE_DB_META, "state", 5, &state, sizeof(state));
}

enum azure_error store_write_commit(struct store_write *write)
{
    enum azure_error error = write_state(write);
    if (error)
        return error;
    int r = store_step(STORE_STEP_COMMIT);
    if (r)
        return store_failed("commit", r);
    r = mdb_txn_commit(TAKE_PTR(write->txn));
    if (r)
        return store_failed("commit", r);
    write->is_committed = true;
    if (write->ret_blob) {
        *write->ret_blob = write->made;
        write->made = (struct store_blob){0};
    }
    return AZURE_OK;
}

void store_write_end(struct store_write *write)
{
    if (write->txn)
        mdb_txn_abort(write->txn);
    if (write->is_committed)
        for (size_t i = 0; i < write->dropped_count; i++)
            store_file_unlink(write->store, write->dropped_files[i]);
    else if (write->body && write->body->is_file)
        store_file_unlink(write->store, write->body->id);
    free(write->dropped_files);
    store_blob_done(&write->made);
    *write = (struct store_write){0};
}

enum azure_error store_write_drop_file(struct store_write *write, uint64_t id)
{
    if (write->dropped_count == write->dropped_cap) {
        size_t cap = write->dropped_cap ? write->dropped_cap * 2 : 16;
        uint64_t *files = reallocarray(write->dropped_files, cap, sizeof(*files));
        if (!files)
            return store_failed("remember a file", -ENOMEM);
        write->dropped_files = files;
        write->dropped_cap = cap;
    }
    write->dropped_files[write->dropped_count++] = id;
    return AZURE_OK;
}

struct store_pair_key store_pair_key(uint64_t id, uint64_t second)
{
    return (struct store_pair_key){htobe64(id), htobe64(second)};
}

int store_row_get(struct store *store, MDB_txn *txn, enum store_db db, const void *key, size_t key_bytes, MDB_val *ret_value)
{
    MDB_val k = store_val(key, key_bytes);
    return mdb_get(txn, store->dbi[db], &k, ret_value);
}

enum azure_error store_row_put(struct store_write *write, enum store_db db, const void *key, size_t key_bytes, const void *bytes,
                               size_t len)
{
    MDB_val k = store_val(key, key_bytes), v = store_val(bytes, len);
    int r = mdb_put(write->txn, write->store->dbi[db], &k, &v, 0);
    return r ? store_failed("write a row", r) : AZURE_OK;
}

enum azure_error store_row_delete(struct store_write *write, enum store_db db, const void *key, size_t key_bytes)
{
    MDB_val k = store_val(key, key_bytes);
    int r = mdb_del(write->txn, write->store->dbi[db], &k, NULL);
    return r ? store_failed("delete a row", r) : AZURE_OK;
}
