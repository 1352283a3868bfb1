/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

TestSuite(store_threads, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

#define WRITERS 3u
#define READERS 3u
#define TURNS 150u
#define NAMES 4u
#define RECORD 200u

static _Atomic unsigned bad;

/* Lets another thread run where it hurts most: between the steps of a write. */
static int yield_at_step(enum store_step step)
{
    (void)step;
    (void)sched_yield();
    return 0;
}

static void blob_name(char text[static 8], unsigned number)
{
    (void)snprintf(text, 8, "n%u", number % NAMES);
}

/* The seed of a body travels in the properties, so a reader can tell whether both belong together. */
static void *write_bodies(void *arg)
{
    unsigned writer = (unsigned)(uintptr_t)arg;
    static const size_t lengths[] = {10, SMALL, LARGE};
    char *body = malloc(LARGE);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned seed = writer * TURNS + turn;
        size_t len = lengths[seed % 3];
        char text[8];
        blob_name(text, seed / 2);
        struct store_name name = blob_named(text);
        struct store_blob properties = {.type = STORE_BLOCK_BLOB, .has_md5 = true};
        memcpy(properties.md5, &seed, sizeof(seed));
        fill(body, len, seed);
        if (seed % 7 == 6)
            (void)store_delete_blob(store, &name, STORE_DELETE_INCLUDE, NULL);
        else if (store_put_blob(store, &name, &properties, &(struct iovec){body, len}, 1, len, NULL, NULL))
            bad++;
    }
    free(body);
    return NULL;
}

static void *read_bodies(void *arg)
{
    unsigned turn = (unsigned)(uintptr_t)arg;
    char *seen = malloc(LARGE), *wanted = malloc(LARGE);
    for (unsigned end = turn + TURNS * 2; turn < end; turn++) {
        struct store_reader *reader;
        char text[8];
        blob_name(text, turn);
        struct store_name name = blob_named(text);
        enum azure_error error = store_open_reader(store, &name, &reader);
        if (error) {
            bad += error != AZURE_BlobNotFound;
            continue;
        }
        unsigned seed;
        size_t len = store_reader_blob(reader)->length;
        memcpy(&seed, store_reader_blob(reader)->md5, sizeof(seed));
        fill(wanted, len, seed);
        bool is_good = !store_reader_read(reader, 0, len, &(struct iovec){seen, len}, 1) && !memcmp(seen, wanted, len);
        bad += !is_good;
        reader = store_reader_close(reader);
    }
    free(seen);
    free(wanted);
    return NULL;
}

Test(store_threads, readers_see_whole_versions_while_writers_overwrite_and_delete)
{
    pthread_t threads[WRITERS + READERS];
    store_step_hook = yield_at_step;
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, i < WRITERS ? write_bodies : read_bodies, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < WRITERS + READERS; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_eq(bad, 0);
}

/* Each record is RECORD bytes of one seed, the seed in its first bytes. */
static void *append_records(void *arg)
{
    unsigned writer = (unsigned)(uintptr_t)arg;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        char record[RECORD];
        unsigned seed = writer * TURNS + turn;
        uint64_t offset;
        struct store_name name = blob_named(turn % 2 ? "log" : "twin");
        fill(record, RECORD, seed);
        memcpy(record, &seed, sizeof(seed));
        if (store_append_block(store, &name, &(struct iovec){record, RECORD}, 1, RECORD, NULL, &offset, NULL) || offset % RECORD)
            bad++;
    }
    return NULL;
}

/* Makes the two logs share their file again and again: whoever appends next has to part them. */
static void *copy_log(void *arg)
{
    (void)arg;
    for (unsigned turn = 0; turn < TURNS / 3; turn++)
        bad += copy("log", NULL, "twin") != AZURE_OK;
    return NULL;
}

static size_t count_good_records(const char *blob)
{
    size_t len, count = 0;
    struct store_name name = blob_named(blob);
    char *bytes CLEANUP(cleanup_free) = get(&name, &len);
    for (size_t at = 0; bytes && at < len; at += RECORD) {
        char wanted[RECORD];
        unsigned seed;
        memcpy(&seed, bytes + at, sizeof(seed));
        fill(wanted, RECORD, seed);
        memcpy(wanted, &seed, sizeof(seed));
        count += !memcmp(bytes + at, wanted, RECORD);
    }
    cr_assert_eq(count * RECORD, len);
    return count;
}

Test(store_threads, appends_of_many_threads_to_blobs_that_share_a_file_are_all_there_and_whole)
{
    pthread_t threads[WRITERS + 1];
    store_step_hook = yield_at_step;
    cr_assert_eq(put_type("log", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(put_type("twin", STORE_APPEND_BLOB, 0), AZURE_OK);
    for (unsigned i = 0; i <= WRITERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, i < WRITERS ? append_records : copy_log, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i <= WRITERS; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_eq(bad, 0);
    cr_assert_eq(count_good_records("log"), WRITERS * TURNS / 2);
    (void)count_good_records("twin");
}

static unsigned writes_seen;

static int append_between(enum store_step step)
{
    if (step == STORE_STEP_WRITE && !writes_seen++)
        bad += append("log", 2, SMALL) != AZURE_OK;
    return 0;
}

Test(store_threads, an_append_that_was_overtaken_between_its_bytes_and_its_commit_starts_anew)
{
    struct store_name name = blob_named("log");
    cr_assert_eq(put_type("log", STORE_APPEND_BLOB, 0), AZURE_OK);
    store_step_hook = append_between;
    cr_assert_eq(append("log", 1, SMALL), AZURE_OK);
    store_step_hook = NULL;
    cr_assert_eq(bad, 0);
    cr_assert(HOLDS(name, {2, SMALL}, {1, SMALL}));
    cr_assert_eq(files_on_disk(), 1);
}

static uint64_t growing_id;

static int expect_lock(enum store_step step)
{
    pthread_mutex_t *lock = &store->growing[growing_id % STORE_LOCK_STRIPES];
    if (step != STORE_STEP_WRITE && step != STORE_STEP_COMMIT)
        return 0;
    writes_seen++;
    bad += pthread_mutex_trylock(lock) != EBUSY;
    return 0;
}

Test(store_threads, a_file_grows_under_its_lock_until_the_commit)
{
    struct store_name name = blob_named("log");
    struct store_reader *reader;
    cr_assert_eq(put_type("log", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("log", 1, SMALL), AZURE_OK);
    cr_assert_eq(store_open_reader(store, &name, &reader), AZURE_OK);
    growing_id = reader->version.content.id;
    reader = store_reader_close(reader);
    store_step_hook = expect_lock;
    cr_assert_eq(append("log", 2, SMALL), AZURE_OK);
    store_step_hook = NULL;
    cr_assert_eq(bad, 0);
    cr_assert_eq(writes_seen, 2);
}

static int overwrite_between(enum store_step step)
{
    if (step == STORE_STEP_WRITE && !writes_seen++)
        bad += put_type("log", STORE_APPEND_BLOB, 0) != AZURE_OK;
    return 0;
}

Test(store_threads, an_append_to_a_blob_that_is_made_anew_meanwhile_goes_to_the_new_one)
{
    struct store_name name = blob_named("log");
    cr_assert_eq(put_type("log", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("log", 1, SMALL), AZURE_OK);
    store_step_hook = overwrite_between;
    cr_assert_eq(append("log", 2, SMALL), AZURE_OK);
    store_step_hook = NULL;
    cr_assert_eq(bad, 0);
    cr_assert(HOLDS(name, {2, SMALL}));
}
