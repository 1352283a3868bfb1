/* SPDX-License-Identifier: MIT */
/* Listing blobs: names in order, their snapshots, and common prefixes, which are jumped over instead of walked through. */
#include "store_internal.h"

#include "../lib/clock.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

struct list {
    struct store_reader *reader;
    const struct store_listing *listing;
    size_t prefix_len;
    size_t delimiter_len;
    int64_t from_snapshot_us; /* for the name listing->from only; 0: all */
    bool (*visit)(void *arg, const char *name, const char *snapshot, const struct store_blob *blob);
    void *arg;
    bool is_stopped;
    struct store_walk walk;
};

static void list_free(struct list **list)
{
    if (*list)
        store_walk_close(&(*list)->walk);
    free(*list);
}

static int visit_snapshot(struct list *list, const MDB_val *key, const MDB_val *value)
{
    struct store_pair_key pair;
    struct store_version version;
    if (key->mv_size != sizeof(pair) || store_version_decode(value->mv_data, value->mv_size, &version))
        return MDB_CORRUPTED;
    memcpy(&pair, key->mv_data, sizeof(pair));
    char time[CLOCK_ISO_BYTES];
    clock_format_iso((int64_t)be64toh(pair.second_be), time);
    list->is_stopped = !list->visit(list->arg, list->walk.name, time, &version.blob);
    return 0;
}

static int visit_snapshots(struct list *list, uint64_t name_id)
{
    bool is_from = list->from_snapshot_us && list->listing->from && !strcmp(list->walk.name, list->listing->from);
    struct store_pair_key first = store_pair_key(name_id, is_from ? (uint64_t)list->from_snapshot_us : 0);
    MDB_cursor *cursor;
    int r = mdb_cursor_open(list->reader->txn, list->reader->store->dbi[STORE_DB_SNAPSHOTS], &cursor);
    if (r)
        return r;
    MDB_val key = store_val(&first, sizeof(first)), value;
    r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (!r && !memcmp(key.mv_data, &first.id_be, sizeof(first.id_be)) && !list->is_stopped) {
        r = visit_snapshot(list, &key, &value);
        if (!r)
            r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return r == MDB_NOTFOUND ? 0 : r;
}

static int visit_name(struct list *list, const struct store_entry *entry)
{
    if (list->listing->with_snapshots && entry->snapshot_count) {
        int r = visit_snapshots(list, entry->name_id);
        if (r || list->is_stopped)
            return r;
    }
    struct store_blob uncommitted = {.type = STORE_BLOCK_BLOB, .is_uncommitted = true};
    const struct store_blob *blob = entry->has_blob ? &entry->base.blob : &uncommitted;
    list->is_stopped = !list->visit(list->arg, list->walk.name, NULL, blob);
    return 0;
}

/* Length of the name's part up to and with the first delimiter behind the prefix; 0: none. */
static size_t common_prefix_len(const struct list *list)
{
    const char *name = list->walk.name;
    if (!list->delimiter_len)
        return 0;
    const char *found = strstr(name + list->prefix_len, list->listing->delimiter);
    return found ? (size_t)(found - name) + list->delimiter_len : 0;
}

/* Shows name[0..len) as a common prefix and goes to the first name that does not begin with it. */
static int visit_prefix(struct list *list, size_t len)
{
    char *name = list->walk.name;
    name[len] = '\0';
    list->is_stopped = !list->visit(list->arg, name, NULL, NULL);
    while (len && (unsigned char)name[len - 1] == 0xff)
        len--;
    if (!len)
        return MDB_NOTFOUND;
    char after[STORE_NAME_BYTES];
    memcpy(after, name, len);
    after[len - 1]++;
    return store_walk_seek(&list->walk, after, len);
}

static int list_step(struct list *list)
{
    struct store_entry entry;
    if (store_entry_decode(list->walk.value.mv_data, list->walk.value.mv_size, &entry))
        return MDB_CORRUPTED;
    if (!entry.has_blob && !list->listing->with_uncommitted)
        return store_walk_next(&list->walk);
    size_t common = common_prefix_len(list);
    if (common)
        return visit_prefix(list, common);
    int r = visit_name(list, &entry);
    return r || list->is_stopped ? r : store_walk_next(&list->walk);
}

static int list_walk(struct list *list, uint64_t container_id)
{
    const char *prefix = list->listing->prefix, *from = list->listing->from;
    if (!from || strcmp(from, prefix) < 0)
        from = prefix;
    int r = store_walk_open(list->reader->store, list->reader->txn, container_id, &list->walk);
    if (!r)
        r = store_walk_seek(&list->walk, from, strlen(from));
    while (!r && !list->is_stopped && !strncmp(list->walk.name, prefix, list->prefix_len))
        r = list_step(list);
    return r == MDB_NOTFOUND ? 0 : r;
}

enum azure_error store_list_blobs(struct store *store, const char *account, const char *container,
                                  const struct store_listing *listing,
                                  bool (*visit)(void *arg, const char *name, const char *snapshot, const struct store_blob *blob),
                                  void *arg)
{
    struct store_reader *reader CLEANUP(store_reader_cleanup) = store_reader_take(store);
    if (!reader)
        return AZURE_InternalError;
    uint64_t container_id;
    enum azure_error error = store_container_find(store, reader->txn, account, container, &container_id);
    if (error)
        return error;
    struct list *list CLEANUP(list_free) = calloc(1, sizeof(*list));
    if (!list)
        return store_failed("list blobs", -ENOMEM);
    list->reader = reader;
    list->listing = listing;
    list->prefix_len = strlen(listing->prefix);
    list->delimiter_len = strlen(listing->delimiter);
    list->visit = visit;
    list->arg = arg;
    if (listing->from_snapshot &&
        clock_parse_iso(listing->from_snapshot, strlen(listing->from_snapshot), &list->from_snapshot_us))
        return AZURE_InvalidQueryParameterValue;
    int r = list_walk(list, container_id);
    return r ? store_failed("list blobs", r) : AZURE_OK;
}
