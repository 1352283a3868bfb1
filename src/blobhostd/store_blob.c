/* SPDX-License-Identifier: MIT */
/* Whole blobs: putting, changing properties, deleting, snapshots, copies. */
#include "store_internal.h"

#include "../lib/clock.h"

#include <string.h>

static enum azure_error put_in(struct store_write *write, const struct store_name *name, const struct store_blob *properties,
                               const struct store_check *check)
{
    struct store_place place;
    enum azure_error error = store_place_find_base(write->store, write->txn, name, &place);
    if (!error)
        error = store_place_check(&place, check);
    if (error)
        return error;
    struct store_version version = {.blob = *properties};
    version.blob.created_us = 0;
    version.blob.block_count = 0;
    version.blob.is_sealed = false;
    version.blob.copy_id = version.blob.copy_source = NULL;
    version.blob.copy_completed_us = 0;
    if (properties->type != STORE_PAGE_BLOB)
        version.blob.length = write->body->bytes;
    if (write->body->id)
        version.content = (struct store_content){STORE_CONTENT_DATA, write->body->id};
    struct store_replaced old;
    error = store_place_replace(write, &place, &version, &old);
    if (!error)
        error = store_body_keep(write, write->body);
    return error ? error : store_replaced_drop(write, &place, &old);
}

enum azure_error store_put_blob(struct store *store, const struct store_name *name, const struct store_blob *properties,
                                const struct iovec *body, int body_iov_count, uint64_t body_bytes,
                                const struct store_check *check, struct store_blob *ret_blob)
{
    struct store_body content = {.from = {body, body_iov_count, 0},
                                 .bytes = properties->type == STORE_BLOCK_BLOB ? body_bytes : 0};
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_body_prepare(store, &content);
    if (!error)
        error = store_write_begin(store, &content, ret_blob, &write);
    if (!error)
        error = put_in(&write, name, properties, check);
    return error ? error : store_write_commit(&write);
}

/* Pages behind the new end are gone, also when the blob grows again. */
static enum azure_error resize(struct store_write *write, struct store_content *content, uint64_t old_length, uint64_t length)
{
    if (length >= old_length || content->kind != STORE_CONTENT_MAP)
        return AZURE_OK;
    enum azure_error error = store_map_unshare(write, content);
    return error ? error : store_map_clear(write, content->id, length, old_length);
}

static enum azure_error snapshot_put(struct store_write *write, uint64_t name_id, int64_t snapshot_us,
                                     const struct store_version *version)
{
    struct store_row row CLEANUP(store_row_done) = {0};
    int r = store_version_encode(version, &row);
    if (r)
        return store_failed("make the row of a snapshot", r);
    struct store_pair_key key = store_pair_key(name_id, (uint64_t)snapshot_us);
    return store_row_put(write, STORE_DB_SNAPSHOTS, &key, sizeof(key), row.bytes, row.len);
}

static enum azure_error updated_write(struct store_write *write, struct store_place *place, const struct store_version *version)
{
    enum azure_error error = store_write_make(write, &version->blob);
    if (error)
        return error;
    if (place->is_snapshot)
        return snapshot_put(write, place->entry.name_id, place->snapshot_us, version);
    place->entry.base = *version;
    return store_place_write(write, place);
}

/* version.blob is owned here; the fields that only the store sets are put back after the callback. */
static enum azure_error update_version(struct store_write *write, struct store_place *place, struct store_version *version,
                                       bool changes_etag, enum azure_error (*update)(void *arg, struct store_blob *blob),
                                       void *arg)
{
    struct store_blob before = version->blob; /* for its numbers only */
    struct store_blob *blob = &version->blob;
    enum azure_error error = update(arg, blob);
    if (error)
        return error;
    blob->type = before.type;
    blob->created_us = before.created_us;
    blob->etag = changes_etag ? write->etag : before.etag;
    blob->modified_us = changes_etag ? write->now_us : before.modified_us;
    if (blob->type != STORE_PAGE_BLOB || place->is_snapshot)
        blob->length = before.length;
    error = resize(write, &version->content, before.length, blob->length);
    return error ? error : updated_write(write, place, version);
}

enum azure_error store_update_blob(struct store *store, const struct store_name *name, bool changes_etag,
                                   enum azure_error (*update)(void *arg, struct store_blob *blob), void *arg,
                                   struct store_blob *ret_blob)
{
    struct store_write write CLEANUP(store_write_end) = {0};
    struct store_place place;
    struct store_version found;
    enum azure_error error = store_write_begin(store, NULL, ret_blob, &write);
    if (!error)
        error = store_place_find(store, write.txn, name, &place);
    if (!error)
        error = store_place_version(store, write.txn, &place, &found);
    if (error)
        return error;
    struct store_blob owned CLEANUP(store_blob_done) = {0};
    int r = store_blob_own(&found.blob, &owned);
    if (r)
        return store_failed("copy properties", r);
    struct store_version version = {owned, found.content};
    error = update_version(&write, &place, &version, changes_etag, update, arg);
    owned = version.blob; /* the callback may have replaced strings */
    return error ? error : store_write_commit(&write);
}

static enum azure_error delete_snapshot(struct store_write *write, struct store_place *place, const struct store_check *check)
{
    struct store_version version;
    enum azure_error error = store_place_version(write->store, write->txn, place, &version);
    if (!error && check && check->blob)
        error = check->blob(check->arg, &version.blob);
    if (error)
        return error;
    place->entry.snapshot_count--;
    struct store_pair_key key = store_pair_key(place->entry.name_id, (uint64_t)place->snapshot_us);
    error = store_place_write(write, place);
    if (!error)
        error = store_row_delete(write, STORE_DB_SNAPSHOTS, &key, sizeof(key));
    return error ? error : store_content_drop(write, &version.content);
}

static enum azure_error delete_base(struct store_write *write, struct store_place *place, enum store_delete what,
                                    const struct store_check *check)
{
    if (!place->entry.has_blob)
        return AZURE_BlobNotFound;
    enum azure_error error = store_place_check(place, check);
    if (error)
        return error;
    if (what == STORE_DELETE_ALONE && place->entry.snapshot_count)
        return AZURE_SnapshotsPresent;
    if (what != STORE_DELETE_ONLY_SNAPSHOTS)
        return store_place_remove(write, place);
    place->entry.snapshot_count = 0;
    error = store_place_write(write, place);
    return error ? error : store_snapshots_drop(write, place->entry.name_id);
}

enum azure_error store_delete_blob(struct store *store, const struct store_name *name, enum store_delete what,
                                   const struct store_check *check)
{
    struct store_write write CLEANUP(store_write_end) = {0};
    struct store_place place;
    enum azure_error error = store_write_begin(store, NULL, NULL, &write);
    if (!error)
        error = store_place_find(store, write.txn, name, &place);
    if (!error)
        error = place.is_snapshot ? delete_snapshot(&write, &place, check) : delete_base(&write, &place, what, check);
    return error ? error : store_write_commit(&write);
}

/* A snapshot is the version as it is, ETag included; one with metadata of its own is a version of its own. */
static void snapshot_make(const struct store_write *write, const struct store_version *base, const struct store_pairs *metadata,
                          struct store_version *ret_version)
{
    *ret_version = *base;
    if (!metadata)
        return;
    ret_version->blob.metadata = *metadata;
    ret_version->blob.etag = write->etag;
    ret_version->blob.modified_us = write->now_us;
}

static enum azure_error snapshot_in(struct store_write *write, struct store_place *place, const struct store_pairs *metadata)
{
    /* Rows are made from what is borrowed before the first of them is written. */
    struct store_version version;
    snapshot_make(write, &place->entry.base, metadata, &version);
    struct store_row row CLEANUP(store_row_done) = {0};
    int r = store_version_encode(&version, &row);
    if (r)
        return store_failed("make the row of a snapshot", r);
    enum azure_error error = store_write_make(write, &version.blob);
    place->entry.snapshot_count++;
    if (!error)
        error = store_place_write(write, place);
    struct store_pair_key key = store_pair_key(place->entry.name_id, (uint64_t)write->now_us);
    if (!error)
        error = store_row_put(write, STORE_DB_SNAPSHOTS, &key, sizeof(key), row.bytes, row.len);
    return error ? error : store_content_share(write, &version.content);
}

enum azure_error store_snapshot(struct store *store, const struct store_name *name, const struct store_pairs *metadata,
                                const struct store_check *check, char *snapshot_time, struct store_blob *ret_blob)
{
    struct store_write write CLEANUP(store_write_end) = {0};
    struct store_place place;
    enum azure_error error = store_write_begin(store, NULL, ret_blob, &write);
    if (!error)
        error = store_place_find_base(store, write.txn, name, &place);
    if (!error && !place.entry.has_blob)
        error = AZURE_BlobNotFound;
    if (!error)
        error = store_place_check(&place, check);
    if (error)
        return error;
    /* The time names the snapshot: no two are alike, not even after a deletion. */
    if (write.now_us <= store->last_us)
        write.now_us = store->last_us + 1;
    int64_t snapshot_us = write.now_us;
    error = snapshot_in(&write, &place, metadata);
    if (!error)
        error = store_write_commit(&write);
    if (!error)
        clock_format_iso(snapshot_us, snapshot_time);
    return error;
}

static enum azure_error copy_source(struct store_write *write, const struct store_copy *copy, struct store_version *ret_version)
{
    struct store_place place;
    enum azure_error error = store_place_find(write->store, write->txn, copy->source, &place);
    if (!error)
        error = store_place_version(write->store, write->txn, &place, ret_version);
    bool is_missing = error == AZURE_BlobNotFound || error == AZURE_ContainerNotFound;
    if (error && !is_missing)
        return error;
    if (copy->source_check && copy->source_check->blob)
        error = copy->source_check->blob(copy->source_check->arg, is_missing ? NULL : &ret_version->blob);
    return !error && is_missing ? AZURE_BlobNotFound : error;
}

static void copy_make(const struct store_write *write, const struct store_copy *copy, struct store_version *version)
{
    const struct store_blob *properties = copy->properties;
    struct store_blob *blob = &version->blob;
    blob->created_us = 0;
    blob->copy_id = properties->copy_id;
    blob->copy_source = properties->copy_source;
    blob->copy_completed_us = write->now_us;
    if (copy->has_metadata)
        blob->metadata = properties->metadata;
    if (copy->has_tags)
        blob->tags = properties->tags;
    if (copy->has_tier)
        blob->tier = properties->tier;
}

static enum azure_error copy_in(struct store_write *write, const struct store_name *name, const struct store_copy *copy,
                                const struct store_check *check)
{
    struct store_place place;
    struct store_version version;
    enum azure_error error = store_place_find_base(write->store, write->txn, name, &place);
    if (!error)
        error = copy_source(write, copy, &version);
    if (!error)
        error = store_place_check(&place, check);
    if (error)
        return error;
    copy_make(write, copy, &version);
    struct store_replaced old;
    error = store_place_replace(write, &place, &version, &old);
    if (!error)
        error = store_content_share(write, &version.content);
    return error ? error : store_replaced_drop(write, &place, &old);
}

enum azure_error store_copy_blob(struct store *store, const struct store_name *name, const struct store_copy *copy,
                                 const struct store_check *check, struct store_blob *ret_blob)
{
    struct store_write write CLEANUP(store_write_end) = {0};
    enum azure_error error = store_write_begin(store, NULL, ret_blob, &write);
    if (!error)
        error = copy_in(&write, name, copy, check);
    return error ? error : store_write_commit(&write);
}
