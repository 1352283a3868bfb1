/* SPDX-License-Identifier: MIT */
/* Opening and closing the store: its directory, lock, databases, counters, and what a crash left over. */
#include "store_internal.h"

#include "../lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static const struct {
    const char *name;
    unsigned flags;
} databases[STORE_DB_COUNT] = {
    [STORE_DB_META] = {"meta", 0},
    [STORE_DB_CONTAINERS] = {"containers", 0},
    [STORE_DB_NAMES] = {"names", 0},
    [STORE_DB_SNAPSHOTS] = {"snapshots", 0},
    [STORE_DB_BLOCKS] = {"blocks", 0},
    [STORE_DB_DATA] = {"data", MDB_INTEGERKEY},
    [STORE_DB_LISTS] = {"lists", MDB_INTEGERKEY},
    [STORE_DB_PAGES] = {"pages", 0},
    [STORE_DB_SHARES] = {"shares", MDB_INTEGERKEY},
    [STORE_DB_TRASH] = {"trash", MDB_INTEGERKEY},
};

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "LMDB's integer keys are size_t");

enum azure_error store_failed(const char *what, int code)
{
    /* LMDB's own codes lie below every negative errno; its others are positive errnos. */
    log_error("store-failed", "%s: %s", what, mdb_strerror(code < 0 && code > -4096 ? -code : code));
    return AZURE_InternalError;
}

static int open_failed(struct err *err, const char *what, int code)
{
    int error = code > 0 ? -code : code > -4096 ? code : code == MDB_VERSION_MISMATCH || code == MDB_INVALID ? -EPROTO : -EIO;
    return err_set(err, error, "%s: %s", what, mdb_strerror(code < 0 && code > -4096 ? -code : code));
}

uint64_t store_new_id(struct store *store)
{
    return atomic_fetch_add(&store->last_id, 1) + 1;
}

static int open_directory(struct store *store, const char *directory, struct err *err)
{
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return open_failed(err, "create", -errno);
    int dir_fd CLEANUP(cleanup_fd) = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return open_failed(err, "open", -errno);
    store->lock_fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return open_failed(err, "open the lock", -errno);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? err_set(err, -EBUSY, "another blobhostd has it open") : open_failed(err, "lock", -errno);
    if (mkdirat(dir_fd, "data", 0700) < 0 && errno != EEXIST)
        return open_failed(err, "create data", -errno);
    store->data_fd = openat(dir_fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->data_fd < 0)
        return open_failed(err, "open data", -errno);
    int r = store_file_make_folders(store->data_fd);
    return r ? open_failed(err, "create folders", r) : 0;
}

static int open_environment(struct store *store, const char *directory, uint64_t map_bytes, struct err *err)
{
    char *path CLEANUP(cleanup_free) = NULL;
    if (asprintf(&path, "%s/index", directory) < 0) {
        path = NULL;
        return open_failed(err, "index", -ENOMEM);
    }
    int r = mdb_env_create(&store->env);
    if (!r)
        r = mdb_env_set_maxdbs(store->env, STORE_DB_COUNT);
    if (!r)
        r = mdb_env_set_maxreaders(store->env, STORE_READERS);
    if (!r)
        r = mdb_env_set_mapsize(store->env, map_bytes ? map_bytes : STORE_MAP_BYTES);
    /* Without MDB_NOSYNC a power cut may cost everything, a killed process nothing: what LMDB wrote is in the page cache. */
    if (!r)
        r = mdb_env_open(store->env, path, MDB_NOSUBDIR | MDB_NOTLS | (store->is_syncing ? 0u : MDB_NOSYNC), 0600);
    return r ? open_failed(err, "open the index", r) : 0;
}

/* A new store gets its format written, a store of another format is refused. */
static int check_format(struct store *store, MDB_txn *txn, struct err *err)
{
    MDB_val key = store_val("format", 6), value;
    uint32_t format = STORE_FORMAT;
    int r = mdb_get(txn, store->dbi[STORE_DB_META], &key, &value);
    if (r == MDB_NOTFOUND) {
        value = store_val(&format, sizeof(format));
        r = mdb_put(txn, store->dbi[STORE_DB_META], &key, &value, 0);
        return r ? open_failed(err, "write the format", r) : 0;
    }
    if (r)
        return open_failed(err, "read the format", r);
    if (value.mv_size == sizeof(format))
        memcpy(&format, value.mv_data, sizeof(format));
    if (value.mv_size != sizeof(format) || format != STORE_FORMAT)
        return err_set(err, -EPROTO, "the store has format %u, this program reads %u", format, STORE_FORMAT);
    return 0;
}

static int read_state(struct store *store, MDB_txn *txn, struct err *err)
{
    MDB_val value;
    struct store_state_row state = {0};
    int r = store_row_get(store, txn, STORE_DB_META, "state", 5, &value);
    if (r && r != MDB_NOTFOUND)
        return open_failed(err, "read the state", r);
    if (!r && value.mv_size != sizeof(state))
        return open_failed(err, "read the state", -EBADMSG);
    if (!r)
        memcpy(&state, value.mv_data, sizeof(state));
    atomic_store(&store->last_id, state.last_id);
    store->last_etag = state.last_etag;
    store->last_us = state.last_us;
    return 0;
}

static int open_databases(struct store *store, struct err *err)
{
    MDB_txn *txn;
    int r = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (r)
        return open_failed(err, "begin a transaction", r);
    for (size_t i = 0; !r && i < STORE_DB_COUNT; i++)
        r = mdb_dbi_open(txn, databases[i].name, databases[i].flags | MDB_CREATE, &store->dbi[i]);
    if (r) {
        mdb_txn_abort(txn);
        return open_failed(err, "open the databases", r);
    }
    r = check_format(store, txn, err);
    if (!r)
        r = read_state(store, txn, err);
    if (r) {
        mdb_txn_abort(txn);
        return r;
    }
    r = mdb_txn_commit(txn);
    return r ? open_failed(err, "commit", r) : 0;
}

/* A file without a row was being written, or to be removed, when the process ended. */
static int remove_unreferenced(void *arg, uint64_t id)
{
    struct store_reader *reader = arg;
    struct store_data data;
    int r = store_data_get(reader->store, reader->txn, id, &data);
    if (r == MDB_NOTFOUND || (!r && !data.is_file)) {
        store_file_unlink(reader->store, id);
        return 0;
    }
    return r;
}

static int remove_leftovers(struct store *store, struct err *err)
{
    if (store_container_purge_trash(store))
        return err_set(err, -EIO, "deleted containers could not be removed");
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    if (!reader)
        return err_set(err, -EIO, "the index cannot be read");
    int r = store_file_visit(store->data_fd, remove_unreferenced, reader);
    return r ? open_failed(err, "look for leftovers", r) : 0;
}

static int open_all(struct store *store, const char *directory, const struct store_options *options, struct err *err)
{
    int r = open_directory(store, directory, err);
    if (!r)
        r = open_environment(store, directory, options ? options->map_bytes : 0, err);
    if (!r)
        r = open_databases(store, err);
    if (!r)
        r = remove_leftovers(store, err);
    return r;
}

int store_open(const char *directory, const struct store_options *options, struct store **ret_store, struct err *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return err_set(err, -ENOMEM, "store %s: out of memory", directory);
    store->lock_fd = store->data_fd = -1;
    store->is_syncing = options && options->sync;
    store->inline_bytes = options && options->inline_bytes ? options->inline_bytes : STORE_INLINE_BYTES;
    (void)pthread_mutex_init(&store->idle_lock, NULL);
    for (size_t i = 0; i < STORE_LOCK_STRIPES; i++)
        (void)pthread_mutex_init(&store->growing[i], NULL);
    int r = open_all(store, directory, options, err);
    if (r) {
        store_close(store);
        return err_wrap(err, r, "store %s", directory);
    }
    *ret_store = store;
    return 0;
}

struct store *store_close(struct store *store)
{
    if (!store)
        return NULL;
    while (store->idle) {
        struct store_reader *reader = store->idle;
        store->idle = reader->next;
        mdb_txn_abort(reader->txn);
        free(reader);
    }
    if (store->env) {
        (void)mdb_env_sync(store->env, 1);
        mdb_env_close(store->env);
    }
    for (size_t i = 0; i < STORE_LOCK_STRIPES; i++)
        (void)pthread_mutex_destroy(&store->growing[i]);
    (void)pthread_mutex_destroy(&store->idle_lock);
    cleanup_fd(&store->data_fd);
    cleanup_fd(&store->lock_fd);
    free(store);
    return NULL;
}
