/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(store_versions, .init = fixture_setup, .fini = fixture_teardown);

static enum azure_error refuse(void *arg, const struct store_blob *current)
{
    *(int *)arg = current ? (int)current->length : -1;
    return AZURE_ConditionNotMet;
}

static struct store_blob full_properties(void)
{
    static char metadata[] = "one\0"
                             "1\0two\0",
                tags[] = "t\0v";
    static char type[] = "text/plain", encoding[] = "gzip", language[] = "de", disposition[] = "inline", cache[] = "no-cache",
                tier[] = "Hot";
    return (struct store_blob){.type = STORE_BLOCK_BLOB,
                               .content_type = type,
                               .content_encoding = encoding,
                               .content_language = language,
                               .content_disposition = disposition,
                               .cache_control = cache,
                               .tier = tier,
                               .has_md5 = true,
                               .md5 = {1, 2, 3},
                               .metadata = {metadata, sizeof(metadata)},
                               .tags = {tags, sizeof(tags)}};
}

static void assert_full_properties(const struct store_blob *blob)
{
    struct store_blob wanted = full_properties();
    cr_assert_str_eq(blob->content_type, wanted.content_type);
    cr_assert_str_eq(blob->content_encoding, wanted.content_encoding);
    cr_assert_str_eq(blob->content_language, wanted.content_language);
    cr_assert_str_eq(blob->content_disposition, wanted.content_disposition);
    cr_assert_str_eq(blob->cache_control, wanted.cache_control);
    cr_assert_str_eq(blob->tier, wanted.tier);
    cr_assert(blob->has_md5);
    cr_assert_arr_eq(blob->md5, wanted.md5, 16);
    cr_assert_eq(blob->metadata.len, wanted.metadata.len);
    cr_assert_arr_eq(blob->metadata.bytes, wanted.metadata.bytes, wanted.metadata.len);
    cr_assert_eq(blob->tags.len, wanted.tags.len);
}

static enum azure_error put_full(const char *blob, struct store_blob *ret_blob)
{
    struct store_name name = blob_named(blob);
    struct store_blob properties = full_properties();
    char body[] = "hello";
    return store_put_blob(store, &name, &properties, &(struct iovec){body, 5}, 1, 5, NULL, ret_blob);
}

static struct store_blob head(const char *blob)
{
    struct store_name name = blob_named(blob);
    struct store_reader *reader CLEANUP(store_reader_cleanup) = NULL;
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    struct store_blob found = *store_reader_blob(reader);
    return found; /* numbers only: the strings belong to the reader */
}

Test(store_versions, all_properties_of_a_blob_come_back)
{
    struct store_blob made;
    cr_assert_eq(put_full("x", &made), AZURE_OK);
    assert_full_properties(&made);
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    const struct store_blob *found = store_reader_blob(reader);
    assert_full_properties(found);
    cr_assert_eq(found->length, 5);
    cr_assert_eq(found->etag, made.etag);
    cr_assert_eq(found->created_us, made.modified_us);
    cr_assert_null(found->copy_id);
    reader = store_reader_close(reader);
    store_blob_done(&made);
    cr_assert_null(made.content_type);
}

Test(store_versions, pairs_are_iterated_in_their_order)
{
    struct store_blob blob = full_properties();
    size_t position = 0;
    const char *name, *value;
    cr_assert(store_pairs_next(&blob.metadata, &position, &name, &value));
    cr_assert_str_eq(name, "one");
    cr_assert_str_eq(value, "1");
    cr_assert(store_pairs_next(&blob.metadata, &position, &name, &value));
    cr_assert_str_eq(name, "two");
    cr_assert_str_eq(value, "");
    cr_assert_not(store_pairs_next(&blob.metadata, &position, &name, &value));
}

Test(store_versions, pairs_that_are_cut_off_are_not_read_beyond)
{
    char bytes[] = {'a', 0, 'b'};
    struct store_pairs pairs = {bytes, sizeof(bytes)};
    size_t position = 0;
    const char *name, *value;
    cr_assert_not(store_pairs_next(&pairs, &position, &name, &value));
}

static enum azure_error set_type(void *arg, struct store_blob *blob)
{
    free(blob->content_type);
    blob->content_type = strdup("image/png");
    blob->length = 77;
    return *(enum azure_error *)arg;
}

Test(store_versions, an_update_replaces_strings_and_gives_a_new_etag_but_no_length)
{
    struct store_blob made, changed;
    struct store_name name = blob_named("x");
    enum azure_error answer = AZURE_OK;
    cr_assert_eq(put_full("x", &made), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, true, set_type, &answer, &changed), AZURE_OK);
    cr_assert_str_eq(changed.content_type, "image/png");
    cr_assert_str_eq(changed.cache_control, "no-cache");
    cr_assert_gt(changed.etag, made.etag);
    cr_assert_eq(changed.length, 5);
    cr_assert_eq(head("x").etag, changed.etag);
    store_blob_done(&changed);
    store_blob_done(&made);
}

Test(store_versions, an_update_that_changes_no_etag_keeps_time_and_etag)
{
    struct store_blob made, changed;
    struct store_name name = blob_named("x");
    enum azure_error answer = AZURE_OK;
    cr_assert_eq(put_full("x", &made), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, false, set_type, &answer, &changed), AZURE_OK);
    cr_assert_eq(changed.etag, made.etag);
    cr_assert_eq(changed.modified_us, made.modified_us);
    store_blob_done(&changed);
    store_blob_done(&made);
}

Test(store_versions, a_refused_update_changes_nothing)
{
    struct store_blob made;
    struct store_name name = blob_named("x");
    enum azure_error answer = AZURE_ConditionNotMet;
    cr_assert_eq(put_full("x", &made), AZURE_OK);
    cr_assert_eq(store_update_blob(store, &name, true, set_type, &answer, NULL), AZURE_ConditionNotMet);
    cr_assert_eq(head("x").etag, made.etag);
    store_blob_done(&made);
}

Test(store_versions, what_is_not_there_is_not_found)
{
    struct store_name name = blob_named("x"), odd = snapshot_named("x", "yesterday");
    enum azure_error answer = AZURE_OK;
    char time[CLOCK_ISO_BYTES];
    uint64_t offset;
    struct store_reader *reader;
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_BlobNotFound);
    cr_assert_eq(store_open_reader(store, &odd, &reader), AZURE_BlobNotFound);
    cr_assert_eq(store_update_blob(store, &name, true, set_type, &answer, NULL), AZURE_BlobNotFound);
    cr_assert_eq(delete_blob("x"), AZURE_BlobNotFound);
    cr_assert_eq(store_snapshot(store, &name, NULL, NULL, time, NULL), AZURE_BlobNotFound);
    cr_assert_eq(store_append_block(store, &name, NULL, 0, 0, NULL, &offset, NULL), AZURE_BlobNotFound);
    cr_assert_eq(clear_pages("x", 0, 512), AZURE_BlobNotFound);
    cr_assert_eq(copy("x", NULL, "y"), AZURE_BlobNotFound);
}

Test(store_versions, a_deleted_blob_is_gone_with_its_file)
{
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(delete_blob("x"), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
    cr_assert_eq(delete_blob("x"), AZURE_BlobNotFound);
}

Test(store_versions, a_refused_deletion_changes_nothing)
{
    struct store_name name = blob_named("x");
    int seen = 0;
    struct store_check check = {.blob = refuse, .arg = &seen};
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_delete_blob(store, &name, STORE_DELETE_INCLUDE, &check), AZURE_ConditionNotMet);
    cr_assert(HOLDS(name, {1, SMALL}));
}

Test(store_versions, a_snapshot_keeps_what_is_overwritten_later)
{
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(files_on_disk(), 1);
    cr_assert_eq(put("x", 2, LARGE), AZURE_OK);
    struct store_name old = snapshot_named("x", time), now = blob_named("x");
    cr_assert(HOLDS(old, {1, LARGE}));
    cr_assert(HOLDS(now, {2, LARGE}));
}

Test(store_versions, snapshots_of_one_moment_have_different_times)
{
    char first[CLOCK_ISO_BYTES], second[CLOCK_ISO_BYTES];
    clock_fake(1, 4000000000000000);
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    snapshot("x", first);
    snapshot("x", second);
    cr_assert_lt(strcmp(first, second), 0);
}

Test(store_versions, a_snapshot_is_the_version_it_was_taken_from)
{
    struct store_blob made, taken;
    struct store_name name = blob_named("x");
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put_full("x", &made), AZURE_OK);
    cr_assert_eq(store_snapshot(store, &name, NULL, NULL, time, &taken), AZURE_OK);
    assert_full_properties(&taken);
    cr_assert_eq(taken.etag, made.etag);
    cr_assert_eq(taken.modified_us, made.modified_us);
    cr_assert_eq(head("x").etag, made.etag);
    store_blob_done(&made);
    store_blob_done(&taken);
}

Test(store_versions, a_snapshot_with_metadata_of_its_own_is_a_new_version)
{
    char own[] = "own\0"
                 "1";
    struct store_pairs metadata = {own, sizeof(own)};
    struct store_blob made, taken;
    struct store_name name = blob_named("x");
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put_full("x", &made), AZURE_OK);
    cr_assert_eq(store_snapshot(store, &name, &metadata, NULL, time, &taken), AZURE_OK);
    cr_assert_str_eq(taken.metadata.bytes, "own");
    cr_assert_gt(taken.etag, made.etag);
    cr_assert_eq(head("x").etag, made.etag);
    store_blob_done(&made);
    store_blob_done(&taken);
}

Test(store_versions, a_blob_with_snapshots_is_not_deleted_alone)
{
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(delete_blob("x"), AZURE_SnapshotsPresent);
}

Test(store_versions, deleting_only_snapshots_keeps_the_blob)
{
    char time[CLOCK_ISO_BYTES];
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    snapshot("x", time);
    snapshot("x", time);
    cr_assert_eq(store_delete_blob(store, &name, STORE_DELETE_ONLY_SNAPSHOTS, NULL), AZURE_OK);
    struct store_name old = snapshot_named("x", time);
    struct store_reader *reader;
    cr_assert_eq(store_open_reader(store, &old, &reader), AZURE_BlobNotFound);
    cr_assert(HOLDS(name, {1, LARGE}));
    cr_assert_eq(delete_blob("x"), AZURE_OK);
}

Test(store_versions, deleting_a_blob_with_its_snapshots_removes_all_files)
{
    char time[CLOCK_ISO_BYTES];
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(put("x", 2, LARGE), AZURE_OK);
    cr_assert_eq(store_delete_blob(store, &name, STORE_DELETE_INCLUDE, NULL), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_versions, one_snapshot_is_deleted_by_its_time)
{
    char first[CLOCK_ISO_BYTES], second[CLOCK_ISO_BYTES];
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    snapshot("x", first);
    snapshot("x", second);
    struct store_name gone = snapshot_named("x", first), kept = snapshot_named("x", second);
    cr_assert_eq(store_delete_blob(store, &gone, STORE_DELETE_ALONE, NULL), AZURE_OK);
    cr_assert_eq(store_delete_blob(store, &gone, STORE_DELETE_ALONE, NULL), AZURE_BlobNotFound);
    cr_assert(HOLDS(kept, {1, SMALL}));
}

Test(store_versions, a_snapshot_is_updated_but_not_overwritten)
{
    char time[CLOCK_ISO_BYTES];
    enum azure_error answer = AZURE_OK;
    struct store_blob changed, properties = {.type = STORE_BLOCK_BLOB};
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    snapshot("x", time);
    struct store_name name = snapshot_named("x", time);
    cr_assert_eq(store_update_blob(store, &name, false, set_type, &answer, &changed), AZURE_OK);
    cr_assert_str_eq(changed.content_type, "image/png");
    cr_assert_null(head("x").content_type);
    cr_assert_eq(store_put_blob(store, &name, &properties, NULL, 0, 0, NULL, NULL), AZURE_InvalidInput);
    store_blob_done(&changed);
}

Test(store_versions, a_copy_shares_the_file_and_outlives_its_source)
{
    struct store_name name = blob_named("y");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(copy("x", NULL, "y"), AZURE_OK);
    cr_assert_eq(files_on_disk(), 1);
    cr_assert_eq(delete_blob("x"), AZURE_OK);
    cr_assert(HOLDS(name, {1, LARGE}));
    cr_assert_eq(delete_blob("y"), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store_versions, a_snapshot_is_copied_onto_its_own_blob)
{
    char time[CLOCK_ISO_BYTES];
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    snapshot("x", time);
    cr_assert_eq(put("x", 2, LARGE), AZURE_OK);
    cr_assert_eq(copy("x", time, "x"), AZURE_OK);
    cr_assert(HOLDS(name, {1, LARGE}));
    cr_assert_eq(files_on_disk(), 1);
}

Test(store_versions, a_blob_copied_onto_itself_stays)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(copy("x", NULL, "x"), AZURE_OK);
    cr_assert(HOLDS(name, {1, LARGE}));
}

Test(store_versions, a_copy_takes_the_properties_of_its_source_and_records_where_from)
{
    struct store_blob copied;
    char copy_id[] = "id-1", copy_source[] = "http://host/c/x", tier[] = "Cool";
    struct store_blob properties = {.copy_id = copy_id, .copy_source = copy_source, .tier = tier};
    struct store_name source = blob_named("x"), name = blob_named("y");
    struct store_copy how = {.source = &source, .properties = &properties, .has_tags = true};
    cr_assert_eq(put_full("x", NULL), AZURE_OK);
    cr_assert_eq(store_copy_blob(store, &name, &how, NULL, &copied), AZURE_OK);
    cr_assert_str_eq(copied.content_type, "text/plain");
    cr_assert_str_eq(copied.tier, "Hot");
    cr_assert_eq(copied.tags.len, 0);
    cr_assert_gt(copied.metadata.len, 0);
    cr_assert_str_eq(copied.copy_id, "id-1");
    cr_assert_str_eq(copied.copy_source, "http://host/c/x");
    cr_assert_eq(copied.copy_completed_us, copied.modified_us);
    store_blob_done(&copied);
}

Test(store_versions, both_ends_of_a_copy_are_checked)
{
    int seen_source = 0, seen_destination = 0;
    struct store_check on_source = {.blob = refuse, .arg = &seen_source},
                       on_destination = {.blob = refuse, .arg = &seen_destination};
    struct store_blob properties = {0};
    struct store_name source = blob_named("x"), name = blob_named("y");
    struct store_copy how = {.source = &source, .properties = &properties};
    cr_assert_eq(put("x", 1, 11), AZURE_OK);
    cr_assert_eq(put("y", 1, 22), AZURE_OK);
    cr_assert_eq(store_copy_blob(store, &name, &how, &on_destination, NULL), AZURE_ConditionNotMet);
    how.source_check = &on_source;
    cr_assert_eq(store_copy_blob(store, &name, &how, NULL, NULL), AZURE_ConditionNotMet);
    cr_assert_eq(seen_source, 11);
    cr_assert_eq(seen_destination, 22);
    cr_assert(HOLDS(name, {1, 22}));
}
