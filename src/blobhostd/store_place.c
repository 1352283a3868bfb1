/* SPDX-License-Identifier: MIT */
/* From the name of a blob to its row and versions, and the changes of a row that all writes have in common. */
#include "store_internal.h"

#include "../lib/clock.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* Only the text that store_snapshot() gave names a snapshot: any other spelling of the time names none. */
static bool snapshot_time(const char *text, int64_t *ret_us)
{
    char again[CLOCK_ISO_BYTES];
    if (clock_parse_iso(text, strlen(text), ret_us))
        return false;
    clock_format_iso(*ret_us, again);
    return !strcmp(text, again);
}

enum azure_error store_place_find(struct store *store, MDB_txn *txn, const struct store_name *name, struct store_place *ret_place)
{
    struct store_place *place = ret_place;
    *place = (struct store_place){.name = name->blob, .name_len = strlen(name->blob), .is_snapshot = name->snapshot};
    if (!place->name_len || place->name_len > STORE_NAME_BYTES)
        return AZURE_InvalidResourceName;
    enum azure_error error = store_container_find(store, txn, name->account, name->container, &place->container_id);
    if (error)
        return error;
    if (name->snapshot && !snapshot_time(name->snapshot, &place->snapshot_us))
        return AZURE_BlobNotFound;
    MDB_val value;
    int r = store_name_get(store, txn, place->container_id, place->name, place->name_len, &value);
    if (r)
        return r == MDB_NOTFOUND ? AZURE_OK : store_failed("find a name", r);
    r = store_entry_decode(value.mv_data, value.mv_size, &place->entry);
    return r ? store_failed("read the row of a name", r) : AZURE_OK;
}

enum azure_error store_place_find_base(struct store *store, MDB_txn *txn, const struct store_name *name,
                                       struct store_place *ret_place)
{
    return name->snapshot ? AZURE_InvalidInput : store_place_find(store, txn, name, ret_place);
}

enum azure_error store_place_version(struct store *store, MDB_txn *txn, const struct store_place *place,
                                     struct store_version *ret_version)
{
    if (!place->entry.has_blob)
        return AZURE_BlobNotFound;
    if (!place->is_snapshot) {
        *ret_version = place->entry.base;
        return AZURE_OK;
    }
    struct store_pair_key key = store_pair_key(place->entry.name_id, (uint64_t)place->snapshot_us);
    MDB_val value;
    int r = store_row_get(store, txn, STORE_DB_SNAPSHOTS, &key, sizeof(key), &value);
    if (r)
        return r == MDB_NOTFOUND ? AZURE_BlobNotFound : store_failed("find a snapshot", r);
    r = store_version_decode(value.mv_data, value.mv_size, ret_version);
    return r ? store_failed("read the row of a snapshot", r) : AZURE_OK;
}

enum azure_error store_place_check(const struct store_place *place, const struct store_check *check)
{
    if (!check || !check->blob)
        return AZURE_OK;
    return check->blob(check->arg, place->entry.has_blob ? &place->entry.base.blob : NULL);
}

enum azure_error store_place_write(struct store_write *write, struct store_place *place)
{
    struct store_entry *entry = &place->entry;
    if (!entry->has_blob && !entry->uncommitted_count)
        return entry->name_id ? store_name_delete(write, place->container_id, place->name, place->name_len) : AZURE_OK;
    if (!entry->name_id)
        entry->name_id = store_new_id(write->store);
    if (entry->base.blob.etag == write->etag) /* it is being written to */
        lease_settle(&entry->base.blob.lease, write->now_us);
    struct store_row row CLEANUP(store_row_done) = {0};
    int r = store_entry_encode(entry, &row);
    if (r)
        return store_failed("make the row of a name", r);
    return store_name_put(write, place->container_id, place->name, place->name_len, &row);
}

enum azure_error store_place_replace(struct store_write *write, struct store_place *place, const struct store_version *version,
                                     struct store_replaced *ret_old)
{
    struct store_entry *entry = &place->entry;
    *ret_old = (struct store_replaced){entry->base.content, entry->uncommitted_count};
    struct lease lease = entry->has_blob ? entry->base.blob.lease : (struct lease){.kept = LEASE_AVAILABLE};
    entry->has_blob = true;
    entry->uncommitted_count = 0;
    entry->block_id_bytes = 0;
    entry->base = *version;
    entry->base.blob.lease = lease;
    entry->base.blob.etag = write->etag;
    entry->base.blob.modified_us = write->now_us;
    entry->base.blob.is_uncommitted = false;
    if (!entry->base.blob.created_us)
        entry->base.blob.created_us = write->now_us;
    enum azure_error error = store_write_make(write, &entry->base.blob);
    return error ? error : store_place_write(write, place);
}

enum azure_error store_replaced_drop(struct store_write *write, const struct store_place *place, const struct store_replaced *old)
{
    enum azure_error error = old->uncommitted_count ? store_blocks_drop(write, place->entry.name_id) : AZURE_OK;
    return error ? error : store_content_drop(write, &old->content);
}

static int snapshot_content(const MDB_val *value, struct store_content *ret_content)
{
    struct store_version version;
    int r = store_version_decode(value->mv_data, value->mv_size, &version);
    if (!r)
        *ret_content = version.content;
    return r;
}

enum azure_error store_snapshots_drop(struct store_write *write, uint64_t name_id)
{
    return store_rows_drop(write, STORE_DB_SNAPSHOTS, name_id, snapshot_content);
}

enum azure_error store_place_remove(struct store_write *write, struct store_place *place)
{
    struct store_entry entry = place->entry;
    enum azure_error error = store_name_delete(write, place->container_id, place->name, place->name_len);
    if (!error && entry.snapshot_count)
        error = store_snapshots_drop(write, entry.name_id);
    if (!error && entry.uncommitted_count)
        error = store_blocks_drop(write, entry.name_id);
    if (!error && entry.has_blob)
        error = store_content_drop(write, &entry.base.content);
    return error;
}
