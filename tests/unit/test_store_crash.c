/* SPDX-License-Identifier: MIT */
/* A writer is killed at random moments, and steps are made to fail: what was acknowledged is there, what was not is there as a
 * whole or not at all, and nothing is left over. */
#include "store_fixture.h"

#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

TestSuite(store_crash, .init = fixture_setup, .fini = fixture_teardown);
TestSuite(store_fault, .init = fixture_setup, .fini = fixture_teardown);

#define NAMES 6u
#define BLOCKS 4u
#define BODIES 24u
#define ROUNDS 30

/* What one name should hold. Both processes derive the same operations from a step number and this model. */
struct model_blob {
    struct body bodies[BODIES + 1];
    unsigned body_count;
    bool exists;
    struct body pending[BLOCKS];
};

struct model {
    struct model_blob blobs[NAMES];
    unsigned step;
};

enum action { ACT_PUT, ACT_BLOCK, ACT_COMMIT, ACT_DELETE, ACT_APPEND, ACT_CREATE };

struct operation {
    enum action action;
    unsigned name;
    unsigned block;
    struct body body;
};

static const char *const block_names[BLOCKS] = {"a", "b", "c", "d"};

static uint32_t random_of(unsigned step, unsigned salt)
{
    uint64_t state = (step * 8ull + salt + 1) * 0x9e3779b97f4a7c15ull;
    state ^= state >> 29;
    state *= 0xbf58476d1ce4e5b9ull;
    return (uint32_t)(state >> 32);
}

/* Names below NAMES / 2 are block blobs, the others append blobs. */
static struct operation choose(const struct model *model)
{
    unsigned step = model->step;
    struct operation operation = {.name = random_of(step, 0) % NAMES, .block = random_of(step, 1) % BLOCKS};
    const struct model_blob *blob = &model->blobs[operation.name];
    operation.body =
        (struct body){step, random_of(step, 2) % 3 ? 1 + random_of(step, 3) % 3000 : 20000 + random_of(step, 3) % 200000};
    unsigned dice = random_of(step, 4) % 10;
    if (operation.name >= NAMES / 2)
        operation.action = !blob->exists ? ACT_CREATE : blob->body_count == BODIES || !dice ? ACT_DELETE : ACT_APPEND;
    else if (dice < 4)
        operation.action = ACT_BLOCK;
    else if (dice < 6)
        operation.action = ACT_COMMIT;
    else
        operation.action = dice == 6 && blob->exists ? ACT_DELETE : ACT_PUT;
    return operation;
}

static void pending_ids(const struct model_blob *blob, char ids[static 2 * BLOCKS + 1])
{
    ids[0] = '\0';
    for (unsigned i = 0; i < BLOCKS; i++)
        if (blob->pending[i].len)
            (void)strcat(strcat(ids, block_names[i]), " ");
}

static void note_operation(struct model *model, const struct operation *operation)
{
    struct model_blob *blob = &model->blobs[operation->name];
    struct model_blob next = {.exists = operation->action != ACT_DELETE};
    switch (operation->action) {
    case ACT_BLOCK:
        blob->pending[operation->block] = operation->body;
        break;
    case ACT_APPEND:
        blob->bodies[blob->body_count++] = operation->body;
        break;
    case ACT_COMMIT:
        for (unsigned i = 0; i < BLOCKS; i++)
            if (blob->pending[i].len)
                next.bodies[next.body_count++] = blob->pending[i];
        *blob = next;
        break;
    case ACT_PUT:
        next.bodies[next.body_count++] = operation->body;
        *blob = next;
        break;
    case ACT_DELETE:
    case ACT_CREATE:
        *blob = next;
        break;
    }
    model->step++;
}

static enum azure_error perform(const struct model *model, const struct operation *operation)
{
    char name[2] = {(char)('m' + operation->name), 0}, ids[2 * BLOCKS + 1];
    switch (operation->action) {
    case ACT_PUT:
        return put(name, operation->body.seed, operation->body.len);
    case ACT_BLOCK:
        return put_block(name, block_names[operation->block], operation->body.seed, operation->body.len);
    case ACT_COMMIT:
        pending_ids(&model->blobs[operation->name], ids);
        return commit_blocks(name, ids, STORE_BLOCK_UNCOMMITTED);
    case ACT_DELETE:
        return delete_blob(name);
    case ACT_CREATE:
        return put_type(name, STORE_APPEND_BLOB, 0);
    case ACT_APPEND:
        return append(name, operation->body.seed, operation->body.len);
    }
    return AZURE_InternalError;
}

static void write_until_killed(struct model *model, int acknowledged)
{
    struct err err = {0};
    store = NULL;
    if (store_open(store_directory, NULL, &store, &err))
        _exit(1);
    for (;;) {
        struct operation operation = choose(model);
        if (perform(model, &operation) || write(acknowledged, "+", 1) != 1)
            _exit(2);
        note_operation(model, &operation);
    }
}

static unsigned acknowledged_count(int from, unsigned at_most)
{
    char bytes[64];
    unsigned count = 0;
    while (count < at_most) {
        ssize_t got = read(from, bytes, at_most - count < sizeof(bytes) ? at_most - count : sizeof(bytes));
        if (got <= 0)
            break;
        count += (unsigned)got;
    }
    return count;
}

/* Runs a writer and kills it some operations later; returns how many it acknowledged. */
static unsigned run_and_kill(struct model *model, unsigned round)
{
    int ends[2], status;
    cr_assert_eq(pipe(ends), 0);
    pid_t writer = fork();
    cr_assert_geq(writer, 0);
    if (!writer)
        write_until_killed(model, ends[1]);
    (void)close(ends[1]);
    unsigned count = acknowledged_count(ends[0], 1 + random_of(round, 6) % 60);
    for (volatile unsigned spin = random_of(round, 7) % 200000; spin; spin--)
        ;
    (void)kill(writer, SIGKILL);
    cr_assert_eq(waitpid(writer, &status, 0), writer);
    cr_assert(WIFSIGNALED(status), "the writer failed with %d", WEXITSTATUS(status));
    count += acknowledged_count(ends[0], UINT32_MAX);
    (void)close(ends[0]);
    return count;
}

static bool note_pending(void *arg, const struct store_block_id *id, uint64_t length, bool is_committed)
{
    struct body *pending = arg;
    if (!is_committed)
        pending[id->bytes[0] - 'a'].len = length;
    return true;
}

static bool blob_matches(unsigned index, const struct model_blob *wanted)
{
    char text[2] = {(char)('m' + index), 0};
    struct store_name name = blob_named(text);
    struct store_reader *reader CLEANUP(store_reader_cleanup) = NULL;
    bool exists = !store_open_reader(store, &name, &reader);
    if (exists != wanted->exists || (exists && !holds(&name, wanted->bodies)))
        return false;
    if (index >= NAMES / 2)
        return true;
    struct body pending[BLOCKS] = {0};
    (void)store_list_blocks(store, &name, note_pending, pending, NULL);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (pending[i].len != wanted->pending[i].len)
            return false;
    return true;
}

static bool store_matches(const struct model *model)
{
    for (unsigned i = 0; i < NAMES; i++)
        if (!blob_matches(i, &model->blobs[i]))
            return false;
    return true;
}

Test(store_crash, a_killed_writer_loses_nothing_that_it_acknowledged_and_leaves_nothing_over, .timeout = 120)
{
    static struct model model;
    for (unsigned round = 0; round < ROUNDS; round++) {
        store = store_close(store);
        unsigned count = run_and_kill(&model, round);
        fixture_reopen();
        for (unsigned i = 0; i < count; i++) {
            struct operation operation = choose(&model);
            note_operation(&model, &operation);
        }
        if (!store_matches(&model)) {
            /* The one that was under way may have been committed without being acknowledged. */
            struct operation operation = choose(&model);
            note_operation(&model, &operation);
            cr_assert(store_matches(&model), "round %u, step %u", round, model.step);
        }
        cr_assert_eq(audit(store), 0, "round %u", round);
    }
    cr_assert_gt(model.step, ROUNDS);
}

Test(store_crash, a_container_whose_removal_was_interrupted_is_removed_when_the_store_opens)
{
    struct store_name name = {.account = "acc", .container = "c"};
    uint64_t id = 0;
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    {
        struct store_write write CLEANUP(store_write_end) = {0};
        cr_assert_eq(store_write_begin(store, NULL, NULL, &write), AZURE_OK);
        cr_assert_eq(store_container_find(store, write.txn, "acc", "c", &id), AZURE_OK);
        cr_assert_eq(store_row_delete(&write, STORE_DB_CONTAINERS, "acc\0c", 5), AZURE_OK);
        cr_assert_eq(store_row_put(&write, STORE_DB_TRASH, &id, sizeof(id), "", 0), AZURE_OK);
        cr_assert_eq(store_write_commit(&write), AZURE_OK);
    }
    fixture_reopen();
    struct store_container found;
    cr_assert_eq(store_get_container(store, &name, &found), AZURE_ContainerNotFound);
    cr_assert_eq(files_on_disk(), 0);
}

/* Steps that are left until one fails; it is never UNLINK, which has a test of its own. */
static int steps_left;
static bool has_failed;

static int fail_later(enum store_step step)
{
    if (step == STORE_STEP_UNLINK || has_failed || steps_left-- > 0)
        return 0;
    has_failed = true;
    return -ENOSPC;
}

static enum azure_error put_over(void)
{
    return put("x", 2, LARGE);
}
static enum azure_error append_more(void)
{
    return append("log", 2, SMALL);
}
static enum azure_error append_to_overtaken(void)
{
    return append("old", 2, SMALL);
}
static enum azure_error put_one_block(void)
{
    return put_block("x", "b", 2, LARGE);
}
static enum azure_error commit_list(void)
{
    return commit_blocks("pending", "a", STORE_BLOCK_LATEST);
}
static enum azure_error write_pages(void)
{
    return put_pages("pages", 512, 65536, 2);
}
static enum azure_error copy_blob(void)
{
    return copy("log", NULL, "x");
}
static enum azure_error delete_one(void)
{
    return delete_blob("x");
}
static enum azure_error take_snapshot(void)
{
    char time[CLOCK_ISO_BYTES];
    struct store_name name = blob_named("x");
    return store_snapshot(store, &name, NULL, NULL, time, NULL);
}
static enum azure_error delete_all(void)
{
    struct store_name name = {.account = "acc", .container = "c"};
    return store_delete_container(store, &name, NULL);
}

static void assert_unchanged(void)
{
    struct store_name x = blob_named("x"), log = blob_named("log"), old = blob_named("old"), pages = blob_named("pages"),
                      pending = blob_named("pending");
    cr_assert(HOLDS(x, {1, LARGE}));
    cr_assert(HOLDS(log, {1, SMALL}, {3, SMALL}));
    cr_assert(HOLDS(old, {1, SMALL}));
    cr_assert(HOLDS(pages, {1, 131072}));
    struct store_reader *reader;
    cr_assert_eq(store_open_reader(store, &pending, &reader), AZURE_BlobNotFound);
    cr_assert_eq(audit(store), 0);
}

static void fill_store(void)
{
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_block("pending", "a", 1, LARGE), AZURE_OK);
    cr_assert_eq(put_type("log", STORE_APPEND_BLOB, 0), AZURE_OK);
    cr_assert_eq(append("log", 1, SMALL), AZURE_OK);
    cr_assert_eq(copy("log", NULL, "old"), AZURE_OK);
    cr_assert_eq(append("log", 3, SMALL), AZURE_OK);
    cr_assert_eq(put_type("pages", STORE_PAGE_BLOB, 131072), AZURE_OK);
    cr_assert_eq(put_pages("pages", 0, 131072, 1), AZURE_OK);
}

/* Lets the first, second, ... step of the operation fail until it gets through. */
static void assert_every_failure_is_clean(enum azure_error (*operate)(void))
{
    int failures = 0;
    fixture_open_with(&(struct store_options){.sync = true});
    fill_store();
    for (;; failures++) {
        steps_left = failures;
        has_failed = false;
        store_step_hook = fail_later;
        enum azure_error error = operate();
        store_step_hook = NULL;
        if (!has_failed) {
            cr_assert_eq(error, AZURE_OK);
            break;
        }
        cr_assert_eq(error, AZURE_InternalError);
        assert_unchanged();
    }
    cr_assert_gt(failures, 0);
}

Test(store_fault, a_failing_put_changes_nothing)
{
    assert_every_failure_is_clean(put_over);
}
Test(store_fault, a_failing_append_changes_nothing)
{
    assert_every_failure_is_clean(append_more);
}
Test(store_fault, a_failing_append_to_an_overtaken_copy_changes_nothing)
{
    assert_every_failure_is_clean(append_to_overtaken);
}
Test(store_fault, a_failing_put_block_changes_nothing)
{
    assert_every_failure_is_clean(put_one_block);
}
Test(store_fault, a_failing_block_list_changes_nothing)
{
    assert_every_failure_is_clean(commit_list);
}
Test(store_fault, a_failing_page_write_changes_nothing)
{
    assert_every_failure_is_clean(write_pages);
}
Test(store_fault, a_failing_copy_changes_nothing)
{
    assert_every_failure_is_clean(copy_blob);
}
Test(store_fault, a_failing_deletion_changes_nothing)
{
    assert_every_failure_is_clean(delete_one);
}
Test(store_fault, a_failing_snapshot_changes_nothing)
{
    assert_every_failure_is_clean(take_snapshot);
}

Test(store_fault, a_container_is_deleted_even_if_its_blobs_cannot_be_removed_yet)
{
    fill_store();
    steps_left = 1; /* the commit that deletes passes, the first that removes blobs fails */
    has_failed = false;
    store_step_hook = fail_later;
    cr_assert_eq(delete_all(), AZURE_OK);
    store_step_hook = NULL;
    cr_assert(has_failed);
    cr_assert_gt(files_on_disk(), 0);
    fixture_reopen();
    cr_assert_eq(files_on_disk(), 0);
}

static int fail_unlink(enum store_step step)
{
    return step == STORE_STEP_UNLINK ? -EIO : 0;
}

Test(store_fault, a_file_that_could_not_be_unlinked_is_removed_when_the_store_opens)
{
    struct store_name name = blob_named("x");
    cr_assert_eq(put("x", 1, LARGE), AZURE_OK);
    store_step_hook = fail_unlink;
    cr_assert_eq(put("x", 2, LARGE), AZURE_OK);
    store_step_hook = NULL;
    cr_assert_eq(files_on_disk(), 2);
    fixture_reopen();
    cr_assert_eq(files_on_disk(), 1);
    cr_assert(HOLDS(name, {2, LARGE}));
}

Test(store_fault, a_file_that_grows_too_large_for_the_system_leaves_nothing)
{
    struct store_name name = blob_named("x");
    struct rlimit before, limit;
    cr_assert_eq(put("x", 1, SMALL), AZURE_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){2u << 20, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(put("x", 2, 4u << 20), AZURE_InternalError);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    cr_assert(HOLDS(name, {1, SMALL}));
    cr_assert_eq(files_on_disk(), 0);
    cr_assert_eq(put("x", 2, 4u << 20), AZURE_OK);
}
