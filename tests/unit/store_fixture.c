/* SPDX-License-Identifier: MIT */
/* A store in a directory of its own, and short calls for the tests of the store. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

struct store *store;
char store_directory[256];

static int remove_item(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_remove_directory(void)
{
    (void)nftw(store_directory, remove_item, 16, FTW_DEPTH | FTW_PHYS);
}

void fixture_open_with(const struct store_options *options)
{
    struct err err = {0};
    store = store_close(store);
    cr_assert_eq(store_open(store_directory, options, &store, &err), 0, "%s", err.text);
}

void fixture_reopen(void)
{
    fixture_open_with(NULL);
}

void fixture_setup(void)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(store_directory, sizeof(store_directory), "%s/store-test-XXXXXX", base ? base : "/tmp");
    cr_assert(mkdtemp(store_directory));
    fixture_reopen();
    struct store_name name = {.account = "acc", .container = "c"};
    struct store_container properties = {0};
    cr_assert_eq(store_create_container(store, &name, &properties, NULL), AZURE_OK);
}

void fixture_teardown(void)
{
    unsigned problems = store ? audit(store) : 0;
    store = store_close(store);
    fixture_remove_directory();
    cr_assert_eq(problems, 0);
}

struct store_name blob_named(const char *blob)
{
    return (struct store_name){.account = "acc", .container = "c", .blob = blob};
}

struct store_name snapshot_named(const char *blob, const char *snapshot_time)
{
    return (struct store_name){.account = "acc", .container = "c", .blob = blob, .snapshot = snapshot_time};
}

void fill(char *bytes, size_t len, unsigned seed)
{
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (char)(state >> 24);
    }
}

static char *filled(unsigned seed, size_t len)
{
    char *bytes = malloc(len + 1);
    cr_assert(bytes);
    fill(bytes, len, seed);
    return bytes;
}

enum azure_error put(const char *blob, unsigned seed, size_t len)
{
    char *bytes CLEANUP(cleanup_free) = filled(seed, len);
    struct store_name name = blob_named(blob);
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    return store_put_blob(store, &name, &properties, &(struct iovec){bytes, len}, 1, len, NULL, NULL);
}

enum azure_error put_type(const char *blob, enum store_blob_type type, uint64_t length)
{
    struct store_name name = blob_named(blob);
    struct store_blob properties = {.type = type, .length = length};
    return store_put_blob(store, &name, &properties, NULL, 0, 0, NULL, NULL);
}

enum azure_error append(const char *blob, unsigned seed, size_t len)
{
    char *bytes CLEANUP(cleanup_free) = filled(seed, len);
    struct store_name name = blob_named(blob);
    uint64_t offset;
    return store_append_block(store, &name, &(struct iovec){bytes, len}, 1, len, NULL, &offset, NULL);
}

enum azure_error put_pages(const char *blob, uint64_t offset, uint64_t length, unsigned seed)
{
    char *bytes CLEANUP(cleanup_free) = filled(seed, length);
    struct store_name name = blob_named(blob);
    return store_put_pages(store, &name, offset, length, &(struct iovec){bytes, length}, 1, NULL, NULL);
}

enum azure_error clear_pages(const char *blob, uint64_t offset, uint64_t length)
{
    struct store_name name = blob_named(blob);
    return store_put_pages(store, &name, offset, length, NULL, 0, NULL, NULL);
}

static struct store_block_id block_id(const char *text, size_t len)
{
    struct store_block_id id = {.len = len};
    memcpy(id.bytes, text, len);
    return id;
}

enum azure_error put_block(const char *blob, const char *id, unsigned seed, size_t len)
{
    char *bytes CLEANUP(cleanup_free) = filled(seed, len);
    struct store_name name = blob_named(blob);
    struct store_block_id block = block_id(id, strlen(id));
    return store_put_block(store, &name, &block, &(struct iovec){bytes, len}, 1, len, NULL);
}

enum azure_error commit_blocks(const char *blob, const char *ids, enum store_block_list from)
{
    struct store_block_ref refs[64];
    size_t count = 0;
    for (const char *at = ids; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        cr_assert_lt(count, 64);
        refs[count++] = (struct store_block_ref){block_id(at, len), from};
        at += len;
    }
    struct store_name name = blob_named(blob);
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    return store_put_block_list(store, &name, refs, count, &properties, NULL, NULL);
}

enum azure_error copy(const char *from, const char *snapshot_time, const char *to)
{
    struct store_name source = snapshot_named(from, snapshot_time), name = blob_named(to);
    char copy_id[] = "copy-1", copy_source[] = "http://host/c/from";
    struct store_blob properties = {.copy_id = copy_id, .copy_source = copy_source};
    struct store_copy how = {.source = &source, .properties = &properties};
    return store_copy_blob(store, &name, &how, NULL, NULL);
}

void snapshot(const char *blob, char time[static 29])
{
    struct store_name name = blob_named(blob);
    cr_assert_eq(store_snapshot(store, &name, NULL, NULL, time, NULL), AZURE_OK);
}

enum azure_error delete_blob(const char *blob)
{
    struct store_name name = blob_named(blob);
    return store_delete_blob(store, &name, STORE_DELETE_ALONE, NULL);
}

char *get(const struct store_name *name, size_t *ret_len)
{
    *ret_len = 0;
    struct store_reader *reader CLEANUP(store_reader_cleanup) = NULL;
    if (store_open_reader(store, name, &reader))
        return NULL;
    size_t len = store_reader_blob(reader)->length;
    char *bytes = malloc(len + 1);
    cr_assert(bytes);
    if (store_reader_read(reader, 0, len, &(struct iovec){bytes, len}, 1)) {
        free(bytes);
        return NULL;
    }
    *ret_len = len;
    return bytes;
}

bool holds(const struct store_name *name, const struct body *bodies)
{
    size_t len, at = 0;
    char *bytes CLEANUP(cleanup_free) = get(name, &len);
    if (!bytes)
        return false;
    for (; bodies->len; at += bodies->len, bodies++) {
        char *wanted CLEANUP(cleanup_free) = filled(bodies->seed, bodies->len);
        if (at + bodies->len > len || memcmp(bytes + at, wanted, bodies->len))
            return false;
    }
    return at == len;
}

static int count_file(void *arg, uint64_t id)
{
    (void)id;
    ++*(unsigned *)arg;
    return 0;
}

unsigned files_on_disk(void)
{
    unsigned count = 0;
    cr_assert_eq(store_file_visit(store->data_fd, count_file, &count), 0);
    return count;
}
