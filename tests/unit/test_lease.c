/* SPDX-License-Identifier: MIT */
/* What each action does in each state of a lease, and how the ids of readers and writers go with it. */
#include "../../src/blobhostd/lease.h"

#include <criterion/criterion.h>
#include <string.h>

#define S 1000000ll
#define NOW (1000 * S)
#define A "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
#define B "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"

TestSuite(lease, .timeout = 60);

/* A lease of A that is in this state at NOW. */
static struct lease in_state(enum lease_state state)
{
    struct lease lease = {.kept = LEASE_AVAILABLE};
    uint64_t left_s;

    if (state == LEASE_AVAILABLE)
        return lease;
    cr_assert_eq(lease_acquire(&lease, state == LEASE_EXPIRED ? NOW - 15 * S : NOW - 5 * S, A, 15), AZURE_OK);
    if (state == LEASE_BREAKING)
        cr_assert_eq(lease_break(&lease, NOW, -1, &left_s), AZURE_OK);
    else if (state == LEASE_BROKEN)
        cr_assert_eq(lease_break(&lease, NOW, 0, &left_s), AZURE_OK);
    cr_assert_eq(lease_state(&lease, NOW), state);
    return lease;
}

enum act { ACQUIRE_A, ACQUIRE_B, RENEW_A, RENEW_B, CHANGE_A_B, CHANGE_B_A, CHANGE_B_B, RELEASE_A, RELEASE_B, BREAK, ACT_COUNT };

static enum azure_error act(struct lease *lease, enum act what)
{
    uint64_t left_s;

    switch (what) {
    case ACQUIRE_A:
    case ACQUIRE_B:
        return lease_acquire(lease, NOW, what == ACQUIRE_A ? A : B, 30);
    case RENEW_A:
    case RENEW_B:
        return lease_renew(lease, NOW, what == RENEW_A ? A : B);
    case CHANGE_A_B:
        return lease_change(lease, NOW, A, B);
    case CHANGE_B_A:
        return lease_change(lease, NOW, B, A);
    case CHANGE_B_B:
        return lease_change(lease, NOW, B, B);
    case RELEASE_A:
    case RELEASE_B:
        return lease_release(lease, NOW, what == RELEASE_A ? A : B);
    default:
        return lease_break(lease, NOW, -1, &left_s);
    }
}

#define OK AZURE_OK
#define PRESENT AZURE_LeaseAlreadyPresent
#define MISMATCH AZURE_LeaseIdMismatchWithLeaseOperation
#define ABSENT AZURE_LeaseNotPresentWithLeaseOperation
#define NO_ACQUIRE AZURE_LeaseIsBreakingAndCannotBeAcquired
#define NO_RENEW AZURE_LeaseIsBrokenAndCannotBeRenewed
#define NO_CHANGE AZURE_LeaseIsBreakingAndCannotBeChanged

/* As in the documentation's table: available, leased, breaking, broken, expired. */
static const enum azure_error outcomes[ACT_COUNT][5] = {
    [ACQUIRE_A] = {OK, OK, NO_ACQUIRE, OK, OK},
    [ACQUIRE_B] = {OK, PRESENT, PRESENT, OK, OK},
    [RENEW_A] = {MISMATCH, OK, NO_RENEW, NO_RENEW, OK},
    [RENEW_B] = {MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH},
    [CHANGE_A_B] = {ABSENT, OK, NO_CHANGE, ABSENT, ABSENT},
    [CHANGE_B_A] = {ABSENT, OK, NO_CHANGE, ABSENT, ABSENT},
    [CHANGE_B_B] = {ABSENT, MISMATCH, MISMATCH, ABSENT, ABSENT},
    [RELEASE_A] = {MISMATCH, OK, OK, OK, OK},
    [RELEASE_B] = {MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH},
    [BREAK] = {ABSENT, OK, OK, OK, OK},
};

Test(lease, every_action_has_its_documented_outcome_in_every_state)
{
    for (unsigned what = 0; what < ACT_COUNT; what++)
        for (unsigned state = 0; state < 5; state++) {
            struct lease lease = in_state((enum lease_state)state), before = lease;
            enum azure_error error = act(&lease, (enum act)what);

            cr_expect_eq(error, outcomes[what][state], "action %u in state %s: %d", what,
                         lease_state_text((enum lease_state)state), error);
            cr_expect(error == OK || memcmp(&lease, &before, sizeof(lease)) == 0, "action %u in state %u changed it", what,
                      state);
        }
}

Test(lease, acquired_lasts_its_time_and_renewed_as_long_again)
{
    struct lease lease = in_state(LEASE_AVAILABLE);

    cr_assert_eq(lease_acquire(&lease, NOW, A, 15), AZURE_OK);
    cr_expect_eq(lease_state(&lease, NOW + 15 * S - 1), LEASE_LEASED);
    cr_expect_eq(lease_state(&lease, NOW + 15 * S), LEASE_EXPIRED);
    cr_assert_eq(lease_renew(&lease, NOW + 20 * S, A), AZURE_OK);
    cr_expect_str_eq(lease.id, A);
    cr_expect_eq(lease_state(&lease, NOW + 35 * S - 1), LEASE_LEASED);
    cr_expect_eq(lease_state(&lease, NOW + 35 * S), LEASE_EXPIRED);
    cr_assert_eq(lease_acquire(&lease, NOW + 40 * S, B, LEASE_INFINITE), AZURE_OK);
    cr_expect_eq(lease_state(&lease, INT64_MAX), LEASE_LEASED);
}

struct breaking {
    int32_t duration_s;
    int64_t period_s;
    uint64_t left_s;
};

/* 5 seconds after it was acquired. */
static const struct breaking breakings[] = {
    {15, -1, 10}, {15, 3, 3}, {15, 30, 10}, {15, 0, 0}, {LEASE_INFINITE, -1, 0}, {LEASE_INFINITE, 0, 0}, {LEASE_INFINITE, 60, 60},
};

Test(lease, breaking_takes_the_period_but_never_longer_than_the_lease)
{
    for (size_t i = 0; i < sizeof(breakings) / sizeof(breakings[0]); i++) {
        const struct breaking *row = &breakings[i];
        struct lease lease = {.kept = LEASE_AVAILABLE};
        uint64_t left_s;

        cr_assert_eq(lease_acquire(&lease, NOW - 5 * S, A, row->duration_s), AZURE_OK);
        cr_assert_eq(lease_break(&lease, NOW, row->period_s, &left_s), AZURE_OK);
        cr_expect_eq(left_s, row->left_s, "row %zu: %llu", i, (unsigned long long)left_s);
        cr_expect_eq(lease_state(&lease, NOW + (int64_t)left_s * S), LEASE_BROKEN);
        if (left_s > 0)
            cr_expect_eq(lease_state(&lease, NOW + (int64_t)left_s * S - 1), LEASE_BREAKING);
    }
}

Test(lease, breaking_again_can_only_make_it_shorter)
{
    struct lease lease = in_state(LEASE_BREAKING);
    uint64_t left_s;

    cr_assert_eq(lease_break(&lease, NOW, 60, &left_s), AZURE_OK);
    cr_expect_eq(left_s, 10);
    cr_assert_eq(lease_break(&lease, NOW, 4, &left_s), AZURE_OK);
    cr_expect_eq(left_s, 4);
    cr_assert_eq(lease_break(&lease, NOW + S, -1, &left_s), AZURE_OK);
    cr_expect_eq(left_s, 3);
}

Test(lease, an_infinite_one_that_breaks_does_not_become_infinite_again)
{
    struct lease lease = {.kept = LEASE_AVAILABLE};
    uint64_t left_s;

    cr_assert_eq(lease_acquire(&lease, NOW, A, LEASE_INFINITE), AZURE_OK);
    cr_assert_eq(lease_break(&lease, NOW, 10, &left_s), AZURE_OK);
    cr_expect_eq(lease_state(&lease, NOW + 10 * S), LEASE_BROKEN);
    cr_assert_eq(lease_break(&lease, NOW + 20 * S, -1, &left_s), AZURE_OK);
    cr_expect_eq(left_s, 0);
}

struct judging {
    enum lease_state state;
    const char *id;
    enum lease_verdict reader, writer;
};

static const struct judging judgings[] = {
    {LEASE_AVAILABLE, NULL, LEASE_FITS, LEASE_FITS},    {LEASE_AVAILABLE, A, LEASE_IS_NONE, LEASE_IS_NONE},
    {LEASE_LEASED, NULL, LEASE_FITS, LEASE_IS_MISSING}, {LEASE_LEASED, A, LEASE_FITS, LEASE_FITS},
    {LEASE_LEASED, B, LEASE_IS_OTHER, LEASE_IS_OTHER},  {LEASE_BREAKING, NULL, LEASE_FITS, LEASE_IS_MISSING},
    {LEASE_BREAKING, A, LEASE_FITS, LEASE_FITS},        {LEASE_BROKEN, NULL, LEASE_FITS, LEASE_FITS},
    {LEASE_BROKEN, A, LEASE_IS_LOST, LEASE_IS_LOST},    {LEASE_BROKEN, B, LEASE_IS_OTHER, LEASE_IS_OTHER},
    {LEASE_EXPIRED, NULL, LEASE_FITS, LEASE_FITS},      {LEASE_EXPIRED, A, LEASE_IS_LOST, LEASE_IS_LOST},
};

Test(lease, readers_and_writers_are_judged_by_the_id_they_name)
{
    for (size_t i = 0; i < sizeof(judgings) / sizeof(judgings[0]); i++) {
        struct lease lease = in_state(judgings[i].state);

        cr_expect_eq(lease_judge(&lease, NOW, judgings[i].id, false), judgings[i].reader, "row %zu", i);
        cr_expect_eq(lease_judge(&lease, NOW, judgings[i].id, true), judgings[i].writer, "row %zu", i);
    }
}

Test(lease, a_write_forgets_a_lease_that_is_over_and_no_other)
{
    for (unsigned state = 0; state < 5; state++) {
        struct lease lease = in_state((enum lease_state)state);
        bool was_active = lease_is_active(&lease, NOW);

        lease_settle(&lease, NOW);
        cr_expect_eq(lease_state(&lease, NOW), was_active ? (enum lease_state)state : LEASE_AVAILABLE);
    }
}

struct spelling {
    const char *text;
    bool is_id;
};

static const struct spelling spellings[] = {
    {"0123abcd-4567-89ab-cdef-0123456789ab", true},   {"0123ABCD-4567-89AB-CDEF-0123456789AB", true},
    {"0123abcd456789abcdef0123456789ab", true},       {"{0123abcd-4567-89ab-cdef-0123456789ab}", true},
    {"(0123abcd-4567-89ab-cdef-0123456789ab)", true}, {"{0123abcd-4567-89ab-cdef-0123456789ab)", false},
    {"0123abcd-4567-89ab-cdef-0123456789a", false},   {"0123abcd-4567-89ab-cdef-0123456789abc", false},
    {"0123abcd+4567-89ab-cdef-0123456789ab", false},  {"0123abcd-4567-89ab-cdef-0123456789ag", false},
    {"0123abcd--4567-89ab-cdef-12345678 ab", false},  {"", false},
};

Test(lease, ids_are_guids_in_any_usual_form)
{
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        char id[LEASE_ID_BYTES] = "";

        cr_expect_eq(lease_id_parse(slice_of(spellings[i].text), id), spellings[i].is_id, "%s", spellings[i].text);
        if (spellings[i].is_id)
            cr_expect_str_eq(id, "0123abcd-4567-89ab-cdef-0123456789ab");
    }
}
