/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(store_list, .init = fixture_setup, .fini = fixture_teardown);

struct seen {
    char text[4096];
    unsigned left; /* visits until the listing is stopped */
};

/* "name ", "name@ " for a snapshot, "prefix* " for a common prefix, "name? " for uncommitted ones. */
static bool note(void *arg, const char *name, const char *snapshot_time, const struct store_blob *blob)
{
    struct seen *seen = arg;
    (void)strcat(seen->text, name);
    (void)strcat(seen->text, !blob ? "* " : snapshot_time ? "@ " : blob->is_uncommitted ? "? " : " ");
    return --seen->left;
}

static const char *list(struct store_listing listing, unsigned visits)
{
    static struct seen seen;
    seen = (struct seen){.left = visits};
    listing.prefix = listing.prefix ? listing.prefix : "";
    listing.delimiter = listing.delimiter ? listing.delimiter : "";
    cr_assert_eq(store_list_blobs(store, "acc", "c", &listing, note, &seen), AZURE_OK);
    return seen.text;
}
#define LIST(...) list((struct store_listing){__VA_ARGS__}, 999)

static void put_all(const char *names)
{
    char name[64];
    for (int used = 0; sscanf(names, "%63s%n", name, &used) == 1; names += used)
        cr_assert_eq(put(name, 1, 1), AZURE_OK);
}

Test(store_list, an_empty_container_lists_nothing)
{
    cr_assert_str_eq(LIST(.prefix = ""), "");
}

Test(store_list, a_container_that_is_not_there_is_told)
{
    struct store_listing listing = {.prefix = "", .delimiter = ""};
    struct seen seen = {.left = 9};
    cr_assert_eq(store_list_blobs(store, "acc", "none", &listing, note, &seen), AZURE_ContainerNotFound);
}

Test(store_list, names_come_in_bytewise_order)
{
    put_all("b a A ab \xc3\xa4 a/b Z a.b aa");
    cr_assert_str_eq(LIST(.prefix = ""), "A Z a a.b a/b aa ab b \xc3\xa4 ");
}

Test(store_list, blobs_of_other_containers_are_not_listed)
{
    struct store_container properties = {0};
    struct store_name other = {.account = "acc", .container = "d", .blob = "other"};
    struct store_blob blob = {.type = STORE_BLOCK_BLOB};
    cr_assert_eq(store_create_container(store, &other, &properties, NULL), AZURE_OK);
    cr_assert_eq(store_put_blob(store, &other, &blob, NULL, 0, 0, NULL, NULL), AZURE_OK);
    put_all("x");
    cr_assert_str_eq(LIST(.prefix = ""), "x ");
}

Test(store_list, a_prefix_limits_the_names)
{
    put_all("a ab abc abd ac b");
    cr_assert_str_eq(LIST(.prefix = "ab"), "ab abc abd ");
}

Test(store_list, a_marker_starts_at_the_first_name_from_it_on)
{
    put_all("a b c d");
    cr_assert_str_eq(LIST(.from = "b"), "b c d ");
    cr_assert_str_eq(LIST(.from = "bb"), "c d ");
    cr_assert_str_eq(LIST(.prefix = "c", .from = "a"), "c ");
    cr_assert_str_eq(LIST(.prefix = "a", .from = "b"), "");
}

Test(store_list, the_visitor_stops_the_listing)
{
    put_all("a b c d");
    cr_assert_str_eq(list((struct store_listing){0}, 2), "a b ");
}

Test(store_list, common_prefixes_are_shown_once_between_the_names)
{
    put_all("a a/1 a/2 a0 b/x/1 b/y c");
    cr_assert_str_eq(LIST(.delimiter = "/"), "a a/* a0 b/* c ");
    cr_assert_str_eq(LIST(.delimiter = "/", .prefix = "b/"), "b/x/* b/y ");
    cr_assert_str_eq(LIST(.delimiter = "/", .from = "a/"), "a/* a0 b/* c ");
}

Test(store_list, a_delimiter_of_several_bytes_is_found)
{
    put_all("a--1 a--2 a-3");
    cr_assert_str_eq(LIST(.delimiter = "--"), "a--* a-3 ");
}

Test(store_list, a_delimiter_of_the_highest_byte_does_not_loop)
{
    put_all("a\xff"
            "1 a\xff"
            "2 b");
    cr_assert_str_eq(LIST(.delimiter = "\xff"), "a\xff* b ");
}

Test(store_list, snapshots_come_by_time_before_their_blob)
{
    struct seen seen = {.left = 99};
    char first[CLOCK_ISO_BYTES], second[CLOCK_ISO_BYTES];
    put_all("a b");
    snapshot("a", first);
    snapshot("a", second);
    cr_assert_str_eq(LIST(.with_snapshots = true), "a@ a@ a b ");
    cr_assert_str_eq(LIST(.with_snapshots = false), "a b ");
    struct store_listing from_second = {
        .prefix = "", .delimiter = "", .from = "a", .from_snapshot = second, .with_snapshots = true};
    cr_assert_eq(store_list_blobs(store, "acc", "c", &from_second, note, &seen), AZURE_OK);
    cr_assert_str_eq(seen.text, "a@ a b ");
}

Test(store_list, a_snapshot_marker_is_for_its_own_name_only)
{
    char time[CLOCK_ISO_BYTES];
    put_all("a b");
    snapshot("b", time);
    snapshot("a", time);
    cr_assert_str_eq(LIST(.from = "a", .from_snapshot = time, .with_snapshots = true), "a@ a b@ b ");
}

Test(store_list, uncommitted_blobs_are_shown_when_asked_for)
{
    put_all("b");
    cr_assert_eq(put_block("a", "1", 1, 1), AZURE_OK);
    cr_assert_str_eq(LIST(.prefix = ""), "b ");
    cr_assert_str_eq(LIST(.with_uncommitted = true), "a? b ");
}

Test(store_list, a_prefix_with_nothing_visible_in_it_is_not_shown)
{
    put_all("b");
    cr_assert_eq(put_block("a/1", "1", 1, 1), AZURE_OK);
    cr_assert_str_eq(LIST(.delimiter = "/"), "b ");
}

/* Long names: groups that share prefixes of lengths around the places where names are cut into segments. */
#define SEGMENT 480u
#define GROUPS 12u
#define EACH 6u

static void long_name(char *name, unsigned group, unsigned item)
{
    static const unsigned lengths[GROUPS] = {1, 478, 479, 480, 481, 482, 959, 960, 961, 1440, 3840, 4090};
    static const char *const ends[EACH] = {"", "\x01", "a", "ab", "b", "\xff"};
    memset(name, 'p', lengths[group]);
    (void)strcpy(name + lengths[group], ends[item]);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

struct walk_check {
    char **names;
    unsigned next, count;
};

static bool expect_next(void *arg, const char *name, const char *snapshot_time, const struct store_blob *blob)
{
    struct walk_check *check = arg;
    (void)snapshot_time;
    cr_assert_lt(check->next, check->count);
    cr_assert_str_eq(name, check->names[check->next]);
    cr_assert_eq(blob->length, 1);
    check->next++;
    return true;
}

static void long_names_make(char **names)
{
    for (unsigned i = 0; i < GROUPS * EACH; i++) {
        names[i] = malloc(STORE_NAME_BYTES + 1);
        /* Not in order: 5 and 72 have no common divisor. */
        unsigned at = i * 5 % (GROUPS * EACH);
        long_name(names[i], at / EACH, at % EACH);
        cr_assert_eq(put(names[i], 1, 1), AZURE_OK);
    }
    qsort(names, GROUPS * EACH, sizeof(*names), compare_names);
}

static void long_names_free(char **names)
{
    for (unsigned i = 0; i < GROUPS * EACH; i++)
        free(names[i]);
}

Test(store_list, names_of_all_lengths_with_common_beginnings_come_in_bytewise_order)
{
    char *names[GROUPS * EACH];
    long_names_make(names);
    struct store_listing listing = {.prefix = "", .delimiter = ""};
    struct walk_check check = {names, 0, GROUPS * EACH};
    cr_assert_eq(store_list_blobs(store, "acc", "c", &listing, expect_next, &check), AZURE_OK);
    cr_assert_eq(check.next, check.count);
    long_names_free(names);
}

Test(store_list, a_listing_starts_at_any_long_name)
{
    char *names[GROUPS * EACH];
    long_names_make(names);
    for (unsigned i = 0; i < GROUPS * EACH; i++) {
        struct store_listing listing = {.prefix = "", .delimiter = "", .from = names[i]};
        struct walk_check check = {names, i, GROUPS * EACH};
        cr_assert_eq(store_list_blobs(store, "acc", "c", &listing, expect_next, &check), AZURE_OK);
        cr_assert_eq(check.next, check.count);
    }
    long_names_free(names);
}

Test(store_list, a_listing_starts_behind_a_long_name_that_is_not_there)
{
    char *names[GROUPS * EACH], from[STORE_NAME_BYTES + 8];
    long_names_make(names);
    for (unsigned i = 0; i < GROUPS * EACH; i++) {
        (void)snprintf(from, sizeof(from), "%s\x01\x01", names[i]);
        unsigned next = 0;
        while (next < GROUPS * EACH && strcmp(names[next], from) < 0)
            next++;
        struct store_listing listing = {.prefix = "", .delimiter = "", .from = from};
        struct walk_check check = {names, next, GROUPS * EACH};
        cr_assert_eq(store_list_blobs(store, "acc", "c", &listing, expect_next, &check), AZURE_OK);
        cr_assert_eq(check.next, check.count);
    }
    long_names_free(names);
}

Test(store_list, deleted_long_names_leave_nothing_behind)
{
    char *names[GROUPS * EACH];
    long_names_make(names);
    for (unsigned i = 0; i < GROUPS * EACH; i++)
        cr_assert_eq(delete_blob(names[i * 7 % (GROUPS * EACH)]), AZURE_OK);
    cr_assert_str_eq(LIST(.prefix = ""), "");
    struct store_write write CLEANUP(store_write_end) = {0};
    MDB_stat stat;
    cr_assert_eq(store_write_begin(store, NULL, NULL, &write), AZURE_OK);
    cr_assert_eq(mdb_stat(write.txn, store->dbi[STORE_DB_NAMES], &stat), 0);
    cr_assert_eq(stat.ms_entries, 0);
    long_names_free(names);
}

Test(store_list, a_long_common_prefix_is_jumped_over)
{
    char name[1100], wanted[1200];
    memset(name, 'd', 1000);
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(name + 1000, 100, "/%u", i);
        cr_assert_eq(put(name, 1, 1), AZURE_OK);
    }
    put_all("z");
    (void)snprintf(wanted, sizeof(wanted), "%.1001s* z ", name);
    cr_assert_str_eq(LIST(.delimiter = "/"), wanted);
}
