/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/limits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(store_blocks, .init = fixture_setup, .fini = fixture_teardown);

/* "id:length" for committed, "(id:length)" for uncommitted ones. */
static bool note(void *arg, const struct store_block_id *id, uint64_t length, bool is_committed)
{
    char *text = arg;
    (void)sprintf(text + strlen(text), is_committed ? "%.*s:%llu " : "(%.*s:%llu) ", (int)id->len, (const char *)id->bytes,
                  (unsigned long long)length);
    return true;
}

static const char *blocks(const char *blob)
{
    static char text[4096];
    struct store_name name = blob_named(blob);
    text[0] = '\0';
    enum azure_error error = store_list_blocks(store, &name, note, text, NULL);
    return error == AZURE_OK ? text : error == AZURE_BlobNotFound ? "not found" : "error";
}

Test(store_blocks, committed_blocks_read_as_one_body_in_the_order_of_the_list)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_block("x", "aa", 1, SMALL), AZURE_OK);
    cr_assert_eq(put_block("x", "bb", 2, LARGE), AZURE_OK);
    cr_assert_eq(put_block("x", "cc", 3, 1), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "bb cc aa", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert(HOLDS(name, {2, LARGE}, {3, 1}, {1, SMALL}));
    cr_assert_str_eq(blocks("x"), "bb:100000 cc:1 aa:1000 ");
}

Test(store_blocks, a_range_across_blocks_is_read)
{
    static char wanted[2 * LARGE], seen[2 * LARGE];
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    fill(wanted, LARGE, 1);
    fill(wanted + LARGE, LARGE, 2);
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_block("x", "b", 2, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a b", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, LARGE - 7, 20, &(struct iovec){seen, 20}, 1), 0);
    cr_assert_arr_eq(seen, wanted + LARGE - 7, 20);
    cr_assert_eq(store_reader_read(reader, 2 * LARGE - 1, 1, &(struct iovec){seen, 1}, 1), 0);
    cr_assert_eq(seen[0], wanted[2 * LARGE - 1]);
    reader = store_reader_close(reader);
}

Test(store_blocks, committing_writes_no_file)
{
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_block("x", "b", 2, LARGE), AZURE_OK);
    uint64_t last = atomic_load(&store->last_id);
    cr_assert_eq(commit_blocks("x", "a b", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(files_on_disk(), 2);
    cr_assert_eq(atomic_load(&store->last_id), last + 1); /* the list */
}

Test(store_blocks, uncommitted_blocks_are_listed_in_order_of_id)
{
    cr_assert_eq(put_block("x", "b", 1, 10), AZURE_OK);
    cr_assert_eq(put_block("x", "a", 2, 20), AZURE_OK);
    cr_assert_str_eq(blocks("x"), "(a:20) (b:10) ");
}

Test(store_blocks, a_blob_with_uncommitted_blocks_only_is_not_found)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    cr_assert_eq(put_block("x", "a", 1, 10), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_BlobNotFound);
    cr_assert_eq(delete_blob("x"), AZURE_BlobNotFound);
    cr_assert_str_eq(blocks("y"), "not found");
}

Test(store_blocks, a_block_put_again_replaces_the_first)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_block("x", "a", 2, LARGE + 1), AZURE_OK);
    cr_assert_eq(files_on_disk(), 1);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert(HOLDS(name, {2, LARGE + 1}));
}

Test(store_blocks, blocks_not_named_are_dropped)
{
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_block("x", "b", 2, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_str_eq(blocks("x"), "a:100000 ");
    cr_assert_eq(files_on_disk(), 1);
}

Test(store_blocks, a_block_named_twice_is_there_twice)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a a a", STORE_BLOCK_UNCOMMITTED), AZURE_OK);
    cr_assert(HOLDS(name, {1, LARGE}, {1, LARGE}, {1, LARGE}));
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_COMMITTED), AZURE_OK);
    cr_assert(HOLDS(name, {1, LARGE}));
    cr_assert_eq(delete_blob("x"), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_blocks, committed_blocks_are_reordered_and_extended)
{
    struct store_name name = blob_named("x");
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(put_block("x", (const char *[]){"a", "b", "c", "d", "e"}[i], i, 100 + i), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a b c d e", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(put_block("x", "f", 9, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "e a f c", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert(HOLDS(name, {4, 104}, {0, 100}, {9, LARGE}, {2, 102}));
}

Test(store_blocks, latest_prefers_the_uncommitted_block)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_block("x", "a", 1, 10), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(put_block("x", "a", 2, 20), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert(HOLDS(name, {2, 20}));
}

Test(store_blocks, committed_prefers_the_committed_block_and_drops_the_other)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_block("x", "a", 1, 10), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(put_block("x", "a", 2, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_COMMITTED), AZURE_OK);
    cr_assert(HOLDS(name, {1, 10}));
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_blocks, a_block_that_is_not_where_it_is_looked_for_refuses_the_list_and_changes_nothing)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_block("x", "a", 1, 10), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_COMMITTED), AZURE_InvalidBlockList);
    cr_assert_eq(commit_blocks("x", "a b", STORE_BLOCK_LATEST), AZURE_InvalidBlockList);
    cr_assert_str_eq(blocks("x"), "(a:10) ");
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_UNCOMMITTED), AZURE_InvalidBlockList);
    cr_assert_eq(commit_blocks("x", "z", STORE_BLOCK_COMMITTED), AZURE_InvalidBlockList);
    cr_assert(HOLDS(name, {1, 10}));
    cr_assert_eq(commit_blocks("y", "a", STORE_BLOCK_LATEST), AZURE_InvalidBlockList);
}

Test(store_blocks, an_empty_list_makes_an_empty_blob)
{
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_str_eq(blocks("x"), "");
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_blocks, ids_of_another_length_are_refused_while_some_are_uncommitted)
{
    cr_assert_eq(put_block("x", "a", 1, 10), AZURE_OK);
    cr_assert_eq(put_block("x", "bb", 1, 10), AZURE_InvalidBlobOrBlock);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(put_block("x", "bb", 1, 10), AZURE_OK);
}

Test(store_blocks, blocks_are_refused_on_other_types)
{
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(put_block("x", "a", 1, 10), AZURE_InvalidBlobType);
    cr_assert_eq(commit_blocks("x", "", STORE_BLOCK_LATEST), AZURE_InvalidBlobType);
}

Test(store_blocks, putting_the_whole_blob_drops_uncommitted_blocks)
{
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put("x", 2, SMALL), AZURE_OK);
    cr_assert_str_eq(blocks("x"), "");
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_blocks, blocks_put_beside_a_committed_blob_leave_it_alone)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(put_block("x", "a", 2, LARGE), AZURE_OK);
    cr_assert(HOLDS(name, {1, SMALL}));
    cr_assert_str_eq(blocks("x"), "(a:100000) ");
}

Test(store_blocks, a_snapshot_keeps_its_blocks)
{
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_block("x", "b", 2, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a b", STORE_BLOCK_LATEST), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(commit_blocks("x", "b", STORE_BLOCK_LATEST), AZURE_OK);
    struct store_name old = snapshot_named("x", time), now = blob_named("x");
    cr_assert(HOLDS(old, {1, LARGE}, {2, LARGE}));
    cr_assert(HOLDS(now, {2, LARGE}));
    cr_assert_eq(store_delete_blob(store, &old, STORE_DELETE_ALONE, NULL), AZURE_OK);
    cr_assert_eq(files_on_disk(), 1);
}

Test(store_blocks, committing_again_keeps_the_time_of_creation)
{
    struct store_name name = blob_named("x");
    struct store_blob properties = {.type = STORE_BLOCK_BLOB}, first, second;
    clock_fake(1, 4000000000000000);
    cr_assert_eq(store_put_block_list(store, &name, NULL, 0, &properties, NULL, &first), AZURE_OK);
    clock_fake(1, 4000000001000000);
    cr_assert_eq(store_put_block_list(store, &name, NULL, 0, &properties, NULL, &second), AZURE_OK);
    cr_assert_eq(second.created_us, first.created_us);
    cr_assert_eq(second.modified_us, 4000000001000000);
}

Test(store_blocks, lists_of_the_largest_size_are_committed_and_read)
{
    struct store_name name = blob_named("x");
    struct store_blob properties = {.type = STORE_BLOCK_BLOB}, made;
    size_t count = LIMIT_BLOCKS_COMMITTED;
    struct store_block_ref *refs CLEANUP(cleanup_free) = calloc(count + 1, sizeof(*refs));
    cr_assert_eq(put_block("x", "a", 1, 3), AZURE_OK);
    for (size_t i = 0; i <= count; i++)
        refs[i] = (struct store_block_ref){.id = {"a", 1}, .from = STORE_BLOCK_LATEST};
    cr_assert_eq(store_put_block_list(store, &name, refs, count + 1, &properties, NULL, NULL), AZURE_BlockListTooLong);
    cr_assert_eq(store_put_block_list(store, &name, refs, count, &properties, NULL, &made), AZURE_OK);
    cr_assert_eq(made.length, 3 * count);
    size_t len;
    char wanted[3], *bytes CLEANUP(cleanup_free) = get(&name, &len);
    fill(wanted, 3, 1);
    cr_assert_eq(len, 3 * count);
    cr_assert_arr_eq(bytes + len - 3, wanted, 3);
}
