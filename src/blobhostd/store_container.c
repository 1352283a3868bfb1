/* SPDX-License-Identifier: MIT */
/* Containers: their rows, and removing what was in a deleted one. */
#include "store_internal.h"

#include <errno.h>
#include <string.h>

#define KEY_BYTES 511      /* LMDB's limit; account and container names are far shorter */
#define PURGE_AT_ONCE 1000 /* names per transaction, so that other writers get their turn */

struct container_head {
    uint64_t id;
    uint64_t etag;
    int64_t modified_us;
    char public_access;
    uint8_t has_lease; /* a struct lease comes next, then the metadata */
    char reserved[6];
};

struct container_key {
    char bytes[KEY_BYTES];
    size_t len;
};

static bool key_make(struct container_key *key, const char *account, const char *container)
{
    size_t account_bytes = strlen(account) + 1, container_len = strlen(container);
    if (account_bytes + container_len > KEY_BYTES)
        return false;
    memcpy(key->bytes, account, account_bytes);
    memcpy(key->bytes + account_bytes, container, container_len);
    key->len = account_bytes + container_len;
    return true;
}

static int container_decode(const MDB_val *value, uint64_t *ret_id, struct store_container *ret_container)
{
    struct container_head head;
    if (value->mv_size < sizeof(head))
        return MDB_CORRUPTED;
    memcpy(&head, value->mv_data, sizeof(head));
    char *from = (char *)value->mv_data + sizeof(head);
    size_t left = value->mv_size - sizeof(head), lease_bytes = head.has_lease ? sizeof(struct lease) : 0;
    if (left < lease_bytes)
        return MDB_CORRUPTED;
    *ret_id = head.id;
    *ret_container = (struct store_container){.etag = head.etag,
                                              .modified_us = head.modified_us,
                                              .public_access = head.public_access,
                                              .metadata = {from + lease_bytes, left - lease_bytes}};
    if (lease_bytes)
        memcpy(&ret_container->lease, from, lease_bytes);
    return 0;
}

static enum azure_error container_put(struct store_write *write, const struct container_key *key, uint64_t id,
                                      const struct store_container *container)
{
    size_t lease_bytes = container->lease.kept != LEASE_AVAILABLE ? sizeof(container->lease) : 0;
    struct container_head head = {id, container->etag, container->modified_us, container->public_access, lease_bytes > 0, {0}};
    size_t len = sizeof(head) + lease_bytes + container->metadata.len;
    char *row CLEANUP(cleanup_free) = malloc(len);
    if (!row)
        return store_failed("make the row of a container", -ENOMEM);
    memcpy(row, &head, sizeof(head));
    if (lease_bytes)
        memcpy(row + sizeof(head), &container->lease, lease_bytes);
    if (container->metadata.len)
        memcpy(row + sizeof(head) + lease_bytes, container->metadata.bytes, container->metadata.len);
    return store_row_put(write, STORE_DB_CONTAINERS, key->bytes, key->len, row, len);
}

/* ret_container borrows from the map. */
static enum azure_error container_get(struct store *store, MDB_txn *txn, const struct container_key *key, uint64_t *ret_id,
                                      struct store_container *ret_container)
{
    MDB_val value;
    int r = store_row_get(store, txn, STORE_DB_CONTAINERS, key->bytes, key->len, &value);
    if (r == MDB_NOTFOUND)
        return AZURE_ContainerNotFound;
    if (!r)
        r = container_decode(&value, ret_id, ret_container);
    return r ? store_failed("find a container", r) : AZURE_OK;
}

enum azure_error store_container_find(struct store *store, MDB_txn *txn, const char *account, const char *container,
                                      uint64_t *ret_id)
{
    struct container_key key;
    struct store_container properties;
    if (!key_make(&key, account, container))
        return AZURE_InvalidResourceName;
    return container_get(store, txn, &key, ret_id, &properties);
}

static enum azure_error container_own(const struct store_container *borrowed, struct store_container *ret_container)
{
    struct store_container container = *borrowed;
    int r = store_pairs_own(&borrowed->metadata, &container.metadata);
    if (r)
        return store_failed("copy properties", r);
    *ret_container = container;
    return AZURE_OK;
}

/* Writes the container, commits, and hands it to ret_container (may be NULL). */
static enum azure_error container_commit(struct store_write *write, const struct container_key *key, uint64_t id,
                                         struct store_container *container, struct store_container *ret_container)
{
    enum azure_error error = container_put(write, key, id, container);
    if (!error)
        error = store_write_commit(write);
    if (!error && ret_container) {
        *ret_container = *container;
        *container = (struct store_container){0};
    }
    return error;
}

static void container_stamp(const struct store_write *write, struct store_container *container)
{
    container->etag = write->etag;
    container->modified_us = write->now_us;
}

enum azure_error store_create_container(struct store *store, const struct store_name *name,
                                        const struct store_container *properties, struct store_container *ret_container)
{
    struct container_key key;
    if (!*name->container || !key_make(&key, name->account, name->container))
        return AZURE_InvalidResourceName;
    struct store_container container CLEANUP(store_container_done) = {0};
    enum azure_error error = container_own(properties, &container);
    struct store_write write CLEANUP(store_write_end) = {0};
    if (!error)
        error = store_write_begin(store, NULL, NULL, &write);
    if (error)
        return error;
    MDB_val value;
    int r = store_row_get(store, write.txn, STORE_DB_CONTAINERS, key.bytes, key.len, &value);
    if (r != MDB_NOTFOUND)
        return r ? store_failed("find a container", r) : AZURE_ContainerAlreadyExists;
    container_stamp(&write, &container);
    return container_commit(&write, &key, store_new_id(store), &container, ret_container);
}

enum azure_error store_get_container(struct store *store, const struct store_name *name, struct store_container *ret_container)
{
    struct container_key key;
    if (!key_make(&key, name->account, name->container))
        return AZURE_InvalidResourceName;
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    if (!reader)
        return AZURE_InternalError;
    uint64_t id;
    struct store_container borrowed;
    enum azure_error error = container_get(store, reader->txn, &key, &id, &borrowed);
    return error ? error : container_own(&borrowed, ret_container);
}

enum azure_error store_update_container(struct store *store, const struct store_name *name, bool changes_etag,
                                        enum azure_error (*update)(void *arg, struct store_container *container), void *arg,
                                        struct store_container *ret_container)
{
    struct container_key key;
    if (!key_make(&key, name->account, name->container))
        return AZURE_InvalidResourceName;
    struct store_container container CLEANUP(store_container_done) = {0}, borrowed;
    struct store_write write CLEANUP(store_write_end) = {0};
    uint64_t id = 0;
    enum azure_error error = store_write_begin(store, NULL, NULL, &write);
    if (!error)
        error = container_get(store, write.txn, &key, &id, &borrowed);
    if (!error)
        error = container_own(&borrowed, &container);
    if (!error)
        error = update(arg, &container);
    if (changes_etag)
        container_stamp(&write, &container);
    return error ? error : container_commit(&write, &key, id, &container, ret_container);
}

/* Removes up to PURGE_AT_ONCE names of a container that is in the trash, and the container when that was all. */
static enum azure_error purge_some(struct store *store, uint64_t id, struct store_walk *walk, bool *ret_is_done)
{
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_write_begin(store, NULL, NULL, &write);
    int r = 0;
    for (int i = 0; !error && i < PURGE_AT_ONCE; i++) {
        struct store_place place = {.container_id = id, .name = walk->name};
        r = store_walk_open(store, write.txn, id, walk);
        if (!r)
            r = store_walk_seek(walk, "", 0);
        if (!r)
            r = store_entry_decode(walk->value.mv_data, walk->value.mv_size, &place.entry);
        store_walk_close(walk);
        if (r)
            break;
        place.name_len = walk->len;
        error = store_place_remove(&write, &place);
    }
    if (!error && r && r != MDB_NOTFOUND)
        error = store_failed("find a name", r);
    *ret_is_done = r == MDB_NOTFOUND;
    if (!error && *ret_is_done)
        error = store_row_delete(&write, STORE_DB_TRASH, &id, sizeof(id));
    return error ? error : store_write_commit(&write);
}

static enum azure_error purge(struct store *store, uint64_t id)
{
    struct store_walk *walk CLEANUP(cleanup_free) = malloc(sizeof(*walk));
    if (!walk)
        return store_failed("remove a container", -ENOMEM);
    bool is_done = false;
    enum azure_error error = AZURE_OK;
    while (!error && !is_done)
        error = purge_some(store, id, walk, &is_done);
    return error;
}

/* The first container in the trash; false: none, or it cannot be read. */
static bool trash_first(struct store *store, uint64_t *ret_id)
{
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    MDB_cursor *cursor;
    if (!reader || mdb_cursor_open(reader->txn, store->dbi[STORE_DB_TRASH], &cursor))
        return false;
    MDB_val key, value;
    bool is_found = !mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    if (is_found)
        memcpy(ret_id, key.mv_data, sizeof(*ret_id));
    mdb_cursor_close(cursor);
    return is_found;
}

enum azure_error store_container_purge_trash(struct store *store)
{
    uint64_t id = 0;
    enum azure_error error = AZURE_OK;
    while (!error && trash_first(store, &id))
        error = purge(store, id);
    return error;
}

static enum azure_error move_to_trash(struct store_write *write, const struct container_key *key, const struct store_check *check,
                                      uint64_t *ret_id)
{
    struct store_container container;
    enum azure_error error = container_get(write->store, write->txn, key, ret_id, &container);
    if (!error && check && check->container)
        error = check->container(check->arg, &container);
    if (!error)
        error = store_row_delete(write, STORE_DB_CONTAINERS, key->bytes, key->len);
    if (!error)
        error = store_row_put(write, STORE_DB_TRASH, ret_id, sizeof(*ret_id), "", 0);
    return error ? error : store_write_commit(write);
}

enum azure_error store_delete_container(struct store *store, const struct store_name *name, const struct store_check *check)
{
    struct container_key key;
    if (!key_make(&key, name->account, name->container))
        return AZURE_InvalidResourceName;
    uint64_t id = 0;
    {
        struct store_write write CLEANUP(store_write_end) = {0};
        enum azure_error error = store_write_begin(store, NULL, NULL, &write);
        if (!error)
            error = move_to_trash(&write, &key, check, &id);
        if (error)
            return error;
    }
    /* From here on the container is deleted; what cannot be removed now stays in the trash until the next store_open(). */
    (void)purge(store, id);
    return AZURE_OK;
}

enum azure_error store_list_containers(struct store *store, const char *account, const char *prefix, const char *from,
                                       bool (*visit)(void *arg, const char *name, const struct store_container *container),
                                       void *arg)
{
    struct container_key first;
    prefix = prefix ? prefix : "";
    if (!key_make(&first, account, from && strcmp(from, prefix) > 0 ? from : prefix))
        return AZURE_InvalidResourceName;
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    MDB_cursor *cursor;
    int r = reader ? mdb_cursor_open(reader->txn, store->dbi[STORE_DB_CONTAINERS], &cursor) : -EIO;
    if (r)
        return store_failed("open a cursor", r);
    size_t account_bytes = strlen(account) + 1, prefix_len = strlen(prefix);
    MDB_val key = store_val(first.bytes, first.len), value;
    r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; !r; r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        const char *found = key.mv_data;
        if (key.mv_size < account_bytes + prefix_len || memcmp(found, account, account_bytes) ||
            memcmp(found + account_bytes, prefix, prefix_len))
            break;
        char name[KEY_BYTES + 1];
        memcpy(name, found + account_bytes, key.mv_size - account_bytes);
        name[key.mv_size - account_bytes] = '\0';
        uint64_t id;
        struct store_container container;
        r = container_decode(&value, &id, &container);
        if (r || !visit(arg, name, &container))
            break;
    }
    mdb_cursor_close(cursor);
    return r && r != MDB_NOTFOUND ? store_failed("list containers", r) : AZURE_OK;
}
