/* SPDX-License-Identifier: MIT */
/* Counts all references in a store anew and compares them with what the store believes. */
#include "store_fixture.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct reference {
    uint64_t id;
    enum store_content_kind kind;
};

struct books {
    struct store *store;
    MDB_txn *txn;
    struct reference *references;
    size_t count, cap;
    size_t names, snapshots, uncommitted; /* as the names' rows say */
    unsigned problems;
};

static void problem(struct books *books, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void problem(struct books *books, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)fputs("audit: ", stderr);
    (void)vfprintf(stderr, format, list);
    (void)fputc('\n', stderr);
    va_end(list);
    books->problems++;
}

static void refer(struct books *books, enum store_content_kind kind, uint64_t id)
{
    if (kind == STORE_CONTENT_NONE || !id)
        return;
    if (books->count == books->cap) {
        books->cap = books->cap ? books->cap * 2 : 64;
        books->references = reallocarray(books->references, books->cap, sizeof(*books->references));
    }
    books->references[books->count++] = (struct reference){id, kind};
}

static void each_row(struct books *books, enum store_db db, void (*visit)(struct books *, const MDB_val *, const MDB_val *))
{
    MDB_cursor *cursor;
    MDB_val key, value;
    if (mdb_cursor_open(books->txn, books->store->dbi[db], &cursor)) {
        problem(books, "no cursor");
        return;
    }
    while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
        visit(books, &key, &value);
    mdb_cursor_close(cursor);
}

static void see_name(struct books *books, const struct store_walk *walk)
{
    struct store_entry entry;
    books->names++;
    if (store_entry_decode(walk->value.mv_data, walk->value.mv_size, &entry)) {
        problem(books, "bad row of %s", walk->name);
        return;
    }
    books->snapshots += entry.snapshot_count;
    books->uncommitted += entry.uncommitted_count;
    if (!entry.has_blob && (!entry.uncommitted_count || entry.snapshot_count))
        problem(books, "nothing left of %s", walk->name);
    refer(books, entry.base.content.kind, entry.base.content.id);
}

static void see_container(struct books *books, const MDB_val *key, const MDB_val *value)
{
    static struct store_walk walk;
    uint64_t id;
    (void)key;
    memcpy(&id, value->mv_data, sizeof(id));
    int r = store_walk_open(books->store, books->txn, id, &walk);
    if (!r)
        r = store_walk_seek(&walk, "", 0);
    for (; !r; r = store_walk_next(&walk))
        see_name(books, &walk);
    store_walk_close(&walk);
    if (r != MDB_NOTFOUND)
        problem(books, "names: %s", mdb_strerror(r));
}

static void see_snapshot(struct books *books, const MDB_val *key, const MDB_val *value)
{
    struct store_version version;
    (void)key;
    if (store_version_decode(value->mv_data, value->mv_size, &version))
        problem(books, "bad row of a snapshot");
    else
        refer(books, version.content.kind, version.content.id);
    books->snapshots--;
}

static void see_block(struct books *books, const MDB_val *key, const MDB_val *value)
{
    uint64_t data_id;
    (void)key;
    memcpy(&data_id, value->mv_data, sizeof(data_id));
    refer(books, STORE_CONTENT_DATA, data_id);
    books->uncommitted--;
}

static void see_list(struct books *books, const MDB_val *key, const MDB_val *value)
{
    struct store_list list;
    uint64_t id;
    (void)value;
    memcpy(&id, key->mv_data, sizeof(id));
    if (store_list_get(books->store, books->txn, id, &list))
        problem(books, "bad list %llu", (unsigned long long)id);
    else
        for (uint32_t i = 0; i < list.count; i++)
            refer(books, STORE_CONTENT_DATA, store_list_item(&list, i).data_id);
}

static void see_extent(struct books *books, const MDB_val *key, const MDB_val *value)
{
    uint64_t row[3], start_be;
    memcpy(row, value->mv_data, sizeof(row));
    memcpy(&start_be, (const char *)key->mv_data + 8, sizeof(start_be));
    if (be64toh(start_be) >= row[0])
        problem(books, "empty extent");
    refer(books, STORE_CONTENT_DATA, row[1]);
}

static size_t count_references(const struct books *books, uint64_t id)
{
    size_t count = 0;
    size_t low = 0, high = books->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (books->references[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < books->count && books->references[low].id == id; low++)
        count++;
    return count;
}

static void check_referenced(struct books *books, const MDB_val *key, const MDB_val *value)
{
    uint64_t id;
    (void)value;
    memcpy(&id, key->mv_data, sizeof(id));
    if (!count_references(books, id))
        problem(books, "nobody refers to %llu", (unsigned long long)id);
}

static void check_map(struct books *books, const MDB_val *key, const MDB_val *value)
{
    uint64_t id_be;
    (void)value;
    memcpy(&id_be, key->mv_data, sizeof(id_be));
    if (!count_references(books, be64toh(id_be)))
        problem(books, "nobody refers to map %llu", (unsigned long long)be64toh(id_be));
}

static void check_share(struct books *books, const MDB_val *key, const MDB_val *value)
{
    uint64_t id;
    uint32_t extra;
    memcpy(&id, key->mv_data, sizeof(id));
    memcpy(&extra, value->mv_data, sizeof(extra));
    if (count_references(books, id) != (size_t)extra + 1)
        problem(books, "%llu has %zu references, not %u", (unsigned long long)id, count_references(books, id), extra + 1);
}

static void check_data(struct books *books, uint64_t id)
{
    struct store_data data;
    if (store_data_get(books->store, books->txn, id, &data)) {
        problem(books, "no data %llu", (unsigned long long)id);
        return;
    }
    int fd CLEANUP(cleanup_fd) = -1;
    struct stat status;
    if (data.is_file &&
        (store_file_open(books->store, id, 0, &fd) || fstat(fd, &status) || (uint64_t)status.st_size < data.length))
        problem(books, "no or too short a file of %llu", (unsigned long long)id);
}

static void check_reference(struct books *books, const struct reference *reference)
{
    MDB_val value;
    uint64_t id = reference->id;
    bool is_shared = !store_row_get(books->store, books->txn, STORE_DB_SHARES, &id, sizeof(id), &value);
    if (!is_shared && count_references(books, id) != 1)
        problem(books, "%llu has %zu references, not one", (unsigned long long)id, count_references(books, id));
    if (reference->kind == STORE_CONTENT_DATA)
        check_data(books, id);
    if (reference->kind == STORE_CONTENT_LIST && store_row_get(books->store, books->txn, STORE_DB_LISTS, &id, sizeof(id), &value))
        problem(books, "no list %llu", (unsigned long long)id);
}

static int check_file(void *arg, uint64_t id)
{
    struct books *books = arg;
    struct store_data data;
    if (store_data_get(books->store, books->txn, id, &data) || !data.is_file)
        problem(books, "file %llu has no row", (unsigned long long)id);
    return 0;
}

/* Leaves have a row of more than the eight bytes that a node has. */
static void count_leaf(struct books *books, const MDB_val *key, const MDB_val *value)
{
    (void)key;
    books->names -= value->mv_size != 8;
}

static void see_trash(struct books *books, const MDB_val *key, const MDB_val *value)
{
    (void)key;
    (void)value;
    problem(books, "trash");
}

static int by_id(const void *left, const void *right)
{
    uint64_t a = ((const struct reference *)left)->id, b = ((const struct reference *)right)->id;
    return (a > b) - (a < b);
}

unsigned audit(struct store *audited)
{
    struct books books = {.store = audited};
    if (mdb_txn_begin(audited->env, NULL, MDB_RDONLY, &books.txn))
        return 1;
    each_row(&books, STORE_DB_CONTAINERS, see_container);
    each_row(&books, STORE_DB_SNAPSHOTS, see_snapshot);
    each_row(&books, STORE_DB_BLOCKS, see_block);
    each_row(&books, STORE_DB_LISTS, see_list);
    each_row(&books, STORE_DB_PAGES, see_extent);
    each_row(&books, STORE_DB_TRASH, see_trash);
    each_row(&books, STORE_DB_NAMES, count_leaf);
    if (books.names || books.snapshots || books.uncommitted)
        problem(&books, "counts differ: names %zd snapshots %zd uncommitted %zd", (ssize_t)books.names, (ssize_t)books.snapshots,
                (ssize_t)books.uncommitted);
    if (books.count)
        qsort(books.references, books.count, sizeof(*books.references), by_id);
    each_row(&books, STORE_DB_DATA, check_referenced);
    each_row(&books, STORE_DB_LISTS, check_referenced);
    each_row(&books, STORE_DB_PAGES, check_map);
    each_row(&books, STORE_DB_SHARES, check_share);
    for (size_t i = 0; i < books.count; i++)
        check_reference(&books, &books.references[i]);
    if (store_file_visit(audited->data_fd, check_file, &books))
        problem(&books, "the files cannot be listed");
    mdb_txn_abort(books.txn);
    free(books.references);
    return books.problems;
}
