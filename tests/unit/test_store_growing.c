/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/limits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(store_append, .init = fixture_setup, .fini = fixture_teardown);
TestSuite(store_pages, .init = fixture_setup, .fini = fixture_teardown);

static enum azure_error refuse(void *arg, const struct store_blob *current)
{
    *(uint64_t *)arg = current->length;
    return AZURE_AppendPositionConditionNotMet;
}

Test(store_append, appends_follow_each_other_in_one_file)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(append("x", 2, LARGE), AZURE_OK);
    cr_assert_eq(append("x", 3, 5), AZURE_OK);
    cr_assert(HOLDS(name, {1, SMALL}, {2, LARGE}, {3, 5}));
    cr_assert_eq(files_on_disk(), 1);
}

Test(store_append, an_append_tells_its_offset_and_counts)
{
    char body[] = "abc";
    uint64_t offset = 99;
    struct store_blob blob;
    struct store_name name = blob_named("x");
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_append_block(store, &name, &(struct iovec){body, 3}, 1, 3, NULL, &offset, &blob), AZURE_OK);
    cr_assert_eq(offset, SMALL);
    cr_assert_eq(blob.length, SMALL + 3);
    cr_assert_eq(blob.block_count, 2);
}

Test(store_append, a_refused_append_is_overwritten_by_the_next)
{
    char body[100] = "not to be seen";
    uint64_t seen = 0, offset;
    struct store_check check = {.blob = refuse, .arg = &seen};
    struct store_name name = blob_named("x");
    struct iovec iov = {body, sizeof(body)};
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_append_block(store, &name, &iov, 1, sizeof(body), &check, &offset, NULL),
                 AZURE_AppendPositionConditionNotMet);
    cr_assert_eq(seen, SMALL);
    cr_assert_eq(append("x", 2, 10), AZURE_OK);
    cr_assert(HOLDS(name, {1, SMALL}, {2, 10}));
}

Test(store_append, appending_to_another_type_is_refused)
{
    cr_assert_eq(put("x", 1, 1), AZURE_OK);
    cr_assert_eq(append("x", 1, 1), AZURE_InvalidBlobType);
}

static enum azure_error seal(void *arg, struct store_blob *blob)
{
    (void)arg;
    blob->is_sealed = true;
    return AZURE_OK;
}

Test(store_append, a_sealed_blob_takes_no_more)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, true, seal, NULL, NULL), AZURE_OK);
    cr_assert_eq(append("x", 1, 1), AZURE_BlobIsSealed);
    cr_assert(HOLDS(name, {1, SMALL}));
}

static enum azure_error fill_up(void *arg, struct store_blob *blob)
{
    (void)arg;
    blob->block_count = LIMIT_APPEND_BLOCKS;
    return AZURE_OK;
}

Test(store_append, a_blob_of_the_largest_count_takes_no_more)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, true, fill_up, NULL, NULL), AZURE_OK);
    cr_assert_eq(append("x", 1, 1), AZURE_AppendBlockCountExceedsLimit);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_append, a_snapshot_shares_the_file_and_keeps_its_length)
{
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(append("x", 2, SMALL), AZURE_OK);
    struct store_name old = snapshot_named("x", time), now = blob_named("x");
    cr_assert(HOLDS(old, {1, SMALL}));
    cr_assert(HOLDS(now, {1, SMALL}, {2, SMALL}));
    cr_assert_eq(files_on_disk(), 1);
}

Test(store_append, a_copy_and_its_source_grow_apart)
{
    struct store_name x = blob_named("x"), y = blob_named("y");
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(copy("x", NULL, "y"), AZURE_OK);
    cr_assert_eq(append("x", 2, SMALL), AZURE_OK);
    cr_assert_eq(append("y", 3, SMALL), AZURE_OK);
    cr_assert_eq(append("x", 4, SMALL), AZURE_OK);
    cr_assert_eq(append("y", 5, SMALL), AZURE_OK);
    cr_assert(HOLDS(x, {1, SMALL}, {2, SMALL}, {4, SMALL}));
    cr_assert(HOLDS(y, {1, SMALL}, {3, SMALL}, {5, SMALL}));
    cr_assert_eq(files_on_disk(), 2);
}

Test(store_append, a_reader_keeps_its_length_while_the_blob_grows)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    char bytes[SMALL];
    cr_assert_eq(put_type("x", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(append("x", 2, SMALL), AZURE_OK);
    cr_assert_eq(store_reader_blob(reader)->length, SMALL);
    cr_assert_neq(store_reader_read(reader, SMALL, 1, &(struct iovec){bytes, 1}, 1), 0);
    reader = store_reader_close(reader);
}

struct ranges {
    char text[512];
};

static bool note(void *arg, uint64_t start, uint64_t end)
{
    char *text = ((struct ranges *)arg)->text;
    (void)sprintf(text + strlen(text), "%llu-%llu ", (unsigned long long)start, (unsigned long long)end);
    return true;
}

static struct ranges ranges(const char *blob, uint64_t offset, uint64_t length)
{
    struct ranges seen = {""};
    struct store_name name = blob_named(blob);
    cr_assert_eq(store_list_pages(store, &name, offset, length, note, &seen, NULL), AZURE_OK);
    return seen;
}

Test(store_pages, a_new_page_blob_is_all_zeros_and_has_no_ranges)
{
    struct store_name name = blob_named("x");
    size_t len;
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, 4096), AZURE_OK);
    char zeros[4096] = {0}, *bytes CLEANUP(cleanup_free) = get(&name, &len);
    cr_assert_eq(len, 4096);
    cr_assert_arr_eq(bytes, zeros, 4096);
    cr_assert_str_eq(ranges("x", 0, 4096).text, "");
}

Test(store_pages, written_ranges_are_merged_and_cut_to_what_is_asked_for)
{
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, 1u << 20), AZURE_OK);
    cr_assert_eq(put_pages("x", 1024, 512, 1), AZURE_OK);
    cr_assert_eq(put_pages("x", 512, 512, 2), AZURE_OK);
    cr_assert_eq(put_pages("x", 4096, 1024, 3), AZURE_OK);
    cr_assert_str_eq(ranges("x", 0, 1u << 20).text, "512-1535 4096-5119 ");
    cr_assert_str_eq(ranges("x", 1024, 3584).text, "1024-1535 4096-4607 ");
    cr_assert_str_eq(ranges("x", 1536, 2560).text, "");
}

Test(store_pages, clearing_the_middle_splits_a_range)
{
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, 1u << 20), AZURE_OK);
    cr_assert_eq(put_pages("x", 0, 1u << 19, 1), AZURE_OK);
    cr_assert_eq(clear_pages("x", 512, 512), AZURE_OK);
    cr_assert_str_eq(ranges("x", 0, 1u << 20).text, "0-511 1024-524287 ");
    cr_assert_eq(clear_pages("x", 0, 1u << 20), AZURE_OK);
    cr_assert_str_eq(ranges("x", 0, 1u << 20).text, "");
    cr_assert_eq(files_on_disk(), 0);
}

/* The same writes to the blob and to plain memory: they never differ. */
Test(store_pages, random_writes_and_clears_read_like_plain_memory)
{
    enum { BYTES = 64 * 1024, PAGES = BYTES / 512 };
    static char model[BYTES];
    struct store_name name = blob_named("x");
    uint32_t state = 12345;
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, BYTES), AZURE_OK);
    for (unsigned i = 0; i < 300; i++) {
        state = state * 1664525u + 1013904223u;
        uint32_t first = (state >> 8) % PAGES, count = 1 + (state >> 20) % (i % 10 ? 8 : PAGES);
        count = count < PAGES - first ? count : PAGES - first;
        if (state >> 30) {
            cr_assert_eq(put_pages("x", first * 512, count * 512, i), AZURE_OK);
            fill(model + first * 512, count * 512, i);
        } else {
            cr_assert_eq(clear_pages("x", first * 512, count * 512), AZURE_OK);
            memset(model + first * 512, 0, count * 512);
        }
        size_t len;
        char *bytes CLEANUP(cleanup_free) = get(&name, &len);
        cr_assert_eq(len, BYTES);
        cr_assert_arr_eq(bytes, model, BYTES);
    }
    cr_assert_eq(audit(store), 0);
}

Test(store_pages, ranges_beyond_the_end_or_not_aligned_are_refused)
{
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, 1024), AZURE_OK);
    cr_assert_eq(put_pages("x", 1024, 512, 1), AZURE_InvalidPageRange);
    cr_assert_eq(put_pages("x", 512, 1024, 1), AZURE_InvalidPageRange);
    cr_assert_eq(put_pages("x", 100, 512, 1), AZURE_InvalidPageRange);
    cr_assert_eq(put_pages("x", 0, 100, 1), AZURE_InvalidPageRange);
}

Test(store_pages, pages_are_refused_on_other_types)
{
    cr_assert_eq(put("x", 1, 1024), AZURE_OK);
    cr_assert_eq(put_pages("x", 0, 512, 1), AZURE_InvalidBlobType);
}

Test(store_pages, a_snapshot_keeps_its_pages)
{
    enum { BYTES = 128 * 1024 };
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, BYTES), AZURE_OK);
    cr_assert_eq(put_pages("x", 0, BYTES, 1), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(put_pages("x", 0, BYTES, 2), AZURE_OK);
    cr_assert_eq(clear_pages("x", 0, 512), AZURE_OK);
    struct store_name old = snapshot_named("x", time), name = blob_named("x");
    cr_assert(HOLDS(old, {1, BYTES}));
    cr_assert_eq(store_delete_blob(store, &name, STORE_DELETE_INCLUDE, NULL), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_pages, a_reader_keeps_its_pages_while_they_are_overwritten)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    char before[512], seen[512];
    fill(before, 512, 1);
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, 512), AZURE_OK);
    cr_assert_eq(put_pages("x", 0, 512, 1), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(put_pages("x", 0, 512, 2), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, 0, 512, &(struct iovec){seen, 512}, 1), 0);
    cr_assert_arr_eq(seen, before, 512);
    reader = store_reader_close(reader);
}

static enum azure_error resize(void *arg, struct store_blob *blob)
{
    blob->length = *(uint64_t *)arg;
    blob->sequence_number++;
    return AZURE_OK;
}

Test(store_pages, what_was_cut_off_does_not_come_back_when_the_blob_grows)
{
    struct store_name name = blob_named("x");
    struct store_blob blob;
    cr_assert_eq(put_type("x", STORE_PAGE_BLOB, 4096), AZURE_OK);
    cr_assert_eq(put_pages("x", 0, 4096, 1), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, true, resize, &(uint64_t){1024}, NULL), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, true, resize, &(uint64_t){4096}, &blob), AZURE_OK);
    cr_assert_eq(blob.length, 4096);
    cr_assert_eq(blob.sequence_number, 2);
    cr_assert_str_eq(ranges("x", 0, 4096).text, "0-1023 ");
}
