/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

TestSuite(store, .init = fixture_setup, .fini = fixture_teardown);

static const struct store_name container = {.account = "acc", .container = "c"};

static enum azure_error refuse(void *arg, const struct store_blob *current)
{
    *(int *)arg = current ? (int)current->length : -1;
    return AZURE_ConditionNotMet;
}

Test(store, a_second_open_of_the_same_directory_is_busy)
{
    struct store *second;
    struct err err = {0};
    cr_assert_eq(store_open(store_directory, NULL, &second, &err), -EBUSY);
    cr_assert(strstr(err.text, "another blobhostd"));
}

Test(store, a_store_of_another_format_is_refused)
{
    uint32_t format = STORE_FORMAT + 1;
    {
        struct store_write write CLEANUP(store_write_end) = {0};
        cr_assert_eq(store_write_begin(store, NULL, NULL, &write), AZURE_OK);
        cr_assert_eq(store_row_put(&write, STORE_DB_META, "format", 6, &format, sizeof(format)), AZURE_OK);
        cr_assert_eq(store_write_commit(&write), AZURE_OK);
    }
    store = store_close(store);
    struct err err = {0};
    cr_assert_eq(store_open(store_directory, NULL, &store, &err), -EPROTO);
    cr_assert(strstr(err.text, "format 2"), "%s", err.text);
}

Test(store, a_directory_that_cannot_be_made_is_an_error_with_its_name)
{
    struct store *none;
    struct err err = {0};
    cr_assert_eq(store_open("/proc/no/such/place", NULL, &none, &err), -ENOENT);
    cr_assert(strstr(err.text, "/proc/no/such/place"));
}

Test(store, a_container_that_exists_is_not_created_again)
{
    struct store_container properties = {0};
    cr_assert_eq(store_create_container(store, &container, &properties, NULL), AZURE_ContainerAlreadyExists);
}

Test(store, a_container_keeps_its_properties_across_reopening)
{
    char metadata[] = "k\0v";
    struct store_name name = {.account = "acc", .container = "d"};
    struct store_container properties = {.public_access = 'b', .metadata = {metadata, sizeof(metadata)}}, made, found;
    cr_assert_eq(store_create_container(store, &name, &properties, &made), AZURE_OK);
    fixture_reopen();
    cr_assert_eq(store_get_container(store, &name, &found), AZURE_OK);
    cr_assert_eq(found.etag, made.etag);
    cr_assert_eq(found.modified_us, made.modified_us);
    cr_assert_eq(found.public_access, 'b');
    cr_assert_eq(found.metadata.len, 4);
    cr_assert_arr_eq(found.metadata.bytes, metadata, 4);
    store_container_done(&found);
    store_container_done(&made);
}

static enum azure_error make_public(void *arg, struct store_container *changed)
{
    changed->public_access = 'c';
    return *(enum azure_error *)arg;
}

Test(store, an_updated_container_has_a_new_etag)
{
    struct store_container before, after;
    enum azure_error answer = AZURE_OK;
    cr_assert_eq(store_get_container(store, &container, &before), AZURE_OK);
    cr_assert_eq(store_update_container(store, &container, true, make_public, &answer, &after), AZURE_OK);
    cr_assert_eq(after.public_access, 'c');
    cr_assert_gt(after.etag, before.etag);
}

Test(store, a_refused_update_of_a_container_changes_nothing)
{
    struct store_container after;
    enum azure_error answer = AZURE_ConditionNotMet;
    cr_assert_eq(store_update_container(store, &container, true, make_public, &answer, &after), AZURE_ConditionNotMet);
    cr_assert_eq(store_get_container(store, &container, &after), AZURE_OK);
    cr_assert_eq(after.public_access, 0);
}

Test(store, a_deleted_container_takes_its_blobs_along)
{
    char time[CLOCK_ISO_BYTES];
    cr_assert_eq(put("small", 1, SMALL), AZURE_OK);
    cr_assert_eq(put("large", 2, LARGE), AZURE_OK);
    cr_assert_eq(put_block("pending", "a", 3, LARGE), AZURE_OK);
    snapshot("large", time);
    cr_assert_eq(store_delete_container(store, &container, NULL), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
    struct store_name name = blob_named("small");
    struct store_reader *reader;
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_ContainerNotFound);
    struct store_container properties = {0};
    cr_assert_eq(store_create_container(store, &container, &properties, NULL), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_BlobNotFound);
}

Test(store, a_container_of_more_names_than_one_purge_takes_is_deleted_completely)
{
    for (unsigned i = 0; i < 2100; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "n%u", i);
        cr_assert_eq(put(name, i, 10), AZURE_OK);
    }
    cr_assert_eq(store_delete_container(store, &container, NULL), AZURE_OK);
    cr_assert_eq(audit(store), 0);
}

static enum azure_error refuse_container(void *arg, const struct store_container *current)
{
    *(bool *)arg = current;
    return AZURE_ConditionNotMet;
}

Test(store, a_refused_deletion_of_a_container_changes_nothing)
{
    bool was_seen = false;
    struct store_check check = {.container = refuse_container, .arg = &was_seen};
    cr_assert_eq(store_delete_container(store, &container, &check), AZURE_ConditionNotMet);
    cr_assert(was_seen);
    struct store_container found;
    cr_assert_eq(store_get_container(store, &container, &found), AZURE_OK);
}

struct names {
    char text[256];
    unsigned left;
};

static bool collect_container(void *arg, const char *name, const struct store_container *found)
{
    struct names *names = arg;
    cr_assert_neq(found->etag, 0);
    (void)strcat(strcat(names->text, name), " ");
    return --names->left;
}

Test(store, containers_are_listed_by_name_from_a_marker_within_account_and_prefix)
{
    const char *made[][2] = {{"acc", "b2"}, {"acc", "b1"}, {"acc", "b3"}, {"other", "b0"}, {"ac", "b9"}};
    struct store_container properties = {0};
    for (size_t i = 0; i < 5; i++) {
        struct store_name name = {.account = made[i][0], .container = made[i][1]};
        cr_assert_eq(store_create_container(store, &name, &properties, NULL), AZURE_OK);
    }
    struct names all = {.left = 99}, some = {.left = 99}, one = {.left = 1};
    cr_assert_eq(store_list_containers(store, "acc", "", NULL, collect_container, &all), AZURE_OK);
    cr_assert_str_eq(all.text, "b1 b2 b3 c ");
    cr_assert_eq(store_list_containers(store, "acc", "b", "b2", collect_container, &some), AZURE_OK);
    cr_assert_str_eq(some.text, "b2 b3 ");
    cr_assert_eq(store_list_containers(store, "acc", "b", NULL, collect_container, &one), AZURE_OK);
    cr_assert_str_eq(one.text, "b1 ");
}

Test(store, a_small_blob_is_read_back_and_needs_no_file)
{
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    struct store_name name = blob_named("x");
    cr_assert(HOLDS(name, {1, SMALL}));
    cr_assert_eq(files_on_disk(), 0);
}

Test(store, a_large_blob_is_read_back_from_one_file)
{
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    struct store_name name = blob_named("x");
    cr_assert(HOLDS(name, {1, LARGE}));
    cr_assert_eq(files_on_disk(), 1);
}

Test(store, a_blob_is_there_after_reopening)
{
    cr_assert_eq(put("small", 1, SMALL), AZURE_OK);
    cr_assert_eq(put("large", 2, LARGE), AZURE_OK);
    fixture_reopen();
    struct store_name small = blob_named("small"), large = blob_named("large");
    cr_assert(HOLDS(small, {1, SMALL}));
    cr_assert(HOLDS(large, {2, LARGE}));
}

Test(store, a_synced_store_keeps_blobs_as_well)
{
    fixture_open_with(&(struct store_options){.sync = true});
    cr_assert_eq(put("large", 2, LARGE), AZURE_OK);
    fixture_reopen();
    struct store_name large = blob_named("large");
    cr_assert(HOLDS(large, {2, LARGE}));
}

Test(store, an_empty_blob_has_length_zero)
{
    cr_assert_eq(put("x", 1, 0), AZURE_OK);
    struct store_name name = blob_named("x");
    size_t len;
    char *bytes CLEANUP(cleanup_free) = get(&name, &len);
    cr_assert(bytes);
    cr_assert_eq(len, 0);
}

Test(store, bodies_of_many_pieces_are_stored_and_read_in_order)
{
    enum { PIECES = 3000, BYTES = 100 };
    static char body[PIECES * BYTES], back[PIECES * BYTES];
    static struct iovec from[PIECES], to[PIECES];
    fill(body, sizeof(body), 7);
    for (int i = 0; i < PIECES; i++) {
        from[i] = (struct iovec){body + i * BYTES, BYTES};
        to[i] = (struct iovec){back + i * BYTES, BYTES};
    }
    struct store_name name = blob_named("x");
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    cr_assert_eq(store_put_blob(store, &name, &properties, from, PIECES, sizeof(body), NULL, NULL), AZURE_OK);
    struct store_reader *reader;
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, 50, sizeof(body) - 50, to, PIECES), 0);
    cr_assert_arr_eq(back, body + 50, sizeof(body) - 50);
    reader = store_reader_close(reader);
}

Test(store, a_body_shorter_than_announced_is_not_stored)
{
    struct store_name name = blob_named("x");
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    struct iovec body = {store_directory, 10};
    struct store_reader *reader;
    cr_assert_eq(store_put_blob(store, &name, &properties, &body, 1, SMALL, NULL, NULL), AZURE_InternalError);
    cr_assert_eq(store_put_blob(store, &name, &properties, &body, 1, LARGE, NULL, NULL), AZURE_InternalError);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_BlobNotFound);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store, reading_beyond_the_end_is_refused)
{
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    char bytes[10];
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, SMALL - 9, 10, &(struct iovec){bytes, 10}, 1), -EINVAL);
    cr_assert_eq(store_reader_read(reader, UINT64_MAX, 10, &(struct iovec){bytes, 10}, 1), -EINVAL);
    reader = store_reader_close(reader);
}

Test(store, an_overwritten_blob_leaves_no_file_behind)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(put("x", 2, LARGE), AZURE_OK);
    cr_assert_eq(files_on_disk(), 1);
    cr_assert(HOLDS(name, {2, LARGE}));
    cr_assert_eq(put("x", 3, SMALL), AZURE_OK);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store, a_reader_keeps_its_version_of_a_file_while_it_is_overwritten)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    static char before[LARGE], seen[LARGE];
    fill(before, LARGE, 1);
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(put("x", 2, LARGE), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, 0, LARGE, &(struct iovec){seen, LARGE}, 1), 0);
    cr_assert_arr_eq(seen, before, LARGE);
    reader = store_reader_close(reader);
}

Test(store, a_reader_keeps_its_version_of_a_small_blob_while_it_is_overwritten)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    char before[SMALL], seen[SMALL];
    fill(before, SMALL, 1);
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(put("x", 2 + i, SMALL), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, 0, SMALL, &(struct iovec){seen, SMALL}, 1), 0);
    cr_assert_arr_eq(seen, before, SMALL);
    reader = store_reader_close(reader);
}

Test(store, a_reader_of_a_vanished_block_is_told_to_open_a_new_one)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    static char bytes[LARGE];
    cr_assert_eq(put_block("x", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(commit_blocks("x", "a", STORE_BLOCK_LATEST), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    cr_assert_eq(delete_blob("x"), AZURE_OK);
    cr_assert_eq(store_reader_read(reader, 0, LARGE, &(struct iovec){bytes, LARGE}, 1), -ESTALE);
    reader = store_reader_close(reader);
}

Test(store, the_check_sees_no_blob_where_none_is)
{
    struct store_name name = blob_named("x");
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    int seen = 0;
    struct store_check check = {.blob = refuse, .arg = &seen};
    cr_assert_eq(store_put_blob(store, &name, &properties, NULL, 0, 0, &check, NULL), AZURE_ConditionNotMet);
    cr_assert_eq(seen, -1);
}

Test(store, a_refused_put_leaves_the_old_blob_and_no_file)
{
    static char body[LARGE];
    struct store_name name = blob_named("x");
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    int seen = 0;
    struct store_check check = {.blob = refuse, .arg = &seen};
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    struct iovec iov = {body, LARGE};
    cr_assert_eq(store_put_blob(store, &name, &properties, &iov, 1, LARGE, &check, NULL), AZURE_ConditionNotMet);
    cr_assert_eq(seen, SMALL);
    cr_assert(HOLDS(name, {1, SMALL}));
    cr_assert_eq(files_on_disk(), 0);
}

Test(store, a_put_into_no_container_leaves_no_file)
{
    static char body[LARGE];
    struct store_name name = {.account = "acc", .container = "none", .blob = "x"};
    struct store_blob properties = {.type = STORE_BLOCK_BLOB};
    struct iovec iov = {body, LARGE};
    cr_assert_eq(store_put_blob(store, &name, &properties, &iov, 1, LARGE, NULL, NULL), AZURE_ContainerNotFound);
    cr_assert_eq(files_on_disk(), 0);
}

Test(store, names_that_are_empty_or_too_long_are_refused)
{
    char name[STORE_NAME_BYTES + 2];
    memset(name, 'n', sizeof(name));
    name[STORE_NAME_BYTES + 1] = '\0';
    cr_assert_eq(put("", 1, 1), AZURE_InvalidResourceName);
    cr_assert_eq(put(name, 1, 1), AZURE_InvalidResourceName);
    name[STORE_NAME_BYTES] = '\0';
    cr_assert_eq(put(name, 1, 1), AZURE_OK);
}

static struct store_blob head(const char *blob)
{
    struct store_name name = blob_named(blob);
    struct store_reader *reader CLEANUP(store_reader_cleanup) = NULL;
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    struct store_blob found = *store_reader_blob(reader);
    return found; /* numbers only: the strings belong to the reader */
}

Test(store, etags_grow_even_when_the_clock_stands_still_or_goes_back)
{
    clock_fake(1, 4000000000000000);
    cr_assert_eq(put("x", 1, 1), AZURE_OK);
    uint64_t first = head("x").etag;
    cr_assert_eq(put("x", 1, 1), AZURE_OK);
    uint64_t second = head("x").etag;
    clock_fake(1, 3900000000000000);
    fixture_reopen();
    cr_assert_eq(put("x", 1, 1), AZURE_OK);
    cr_assert_gt(second, first);
    cr_assert_gt(head("x").etag, second);
    cr_assert_eq(first, 621355968000000000 + 40000000000000000);
}

Test(store, a_later_change_is_never_dated_before_an_earlier_one)
{
    clock_fake(1, 4000000000000000);
    cr_assert_eq(put("x", 1, 1), AZURE_OK);
    clock_fake(1, 3900000000000000);
    fixture_reopen();
    cr_assert_eq(put("x", 1, 1), AZURE_OK);
    cr_assert_eq(head("x").modified_us, 4000000000000000);
}

Test(store, files_without_a_row_are_removed_when_the_store_opens)
{
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    int fd;
    cr_assert_eq(store_file_create(store, 0xabcdef, &fd), 0);
    (void)close(fd);
    cr_assert_eq(files_on_disk(), 2);
    fixture_reopen();
    cr_assert_eq(files_on_disk(), 1);
    struct store_name name = blob_named("x");
    cr_assert(HOLDS(name, {1, LARGE}));
}

Test(store, a_blob_whose_file_is_lost_is_an_internal_error)
{
    struct store_name name = blob_named("x");
    struct store_reader *reader;
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    uint64_t id = reader->version.content.id;
    reader = store_reader_close(reader);
    store_file_unlink(store, id);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_InternalError);
    cr_assert_eq(delete_blob("x"), AZURE_OK);
}

Test(store, a_full_index_refuses_writes_and_recovers_when_room_is_made)
{
    fixture_open_with(&(struct store_options){.map_bytes = 1u << 20});
    struct store_name name = blob_named("n0");
    unsigned count = 0;
    enum azure_error error;
    char text[16];
    do {
        (void)snprintf(text, sizeof(text), "n%u", count);
        error = put(text, count++, 8000);
    } while (!error && count < 1000);
    cr_assert_eq(error, AZURE_InternalError);
    cr_assert_gt(count, 20);
    cr_assert(HOLDS(name, {0, 8000}));
    for (unsigned i = 1; i < count - 1; i++) {
        (void)snprintf(text, sizeof(text), "n%u", i);
        cr_assert_eq(delete_blob(text), AZURE_OK);
    }
    cr_assert_eq(put("again", 5, 8000), AZURE_OK);
}
