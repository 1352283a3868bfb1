/* SPDX-License-Identifier: MIT */
/* The circuit breaker: each state, each outcome, and the time in between. */
#include "../../src/blobproxyd/breaker.h"

#include <criterion/criterion.h>

#define OPEN_US 1000u

static const struct breaker_limits limits = {.failures = 3, .open_us = OPEN_US};

static void fail_times(struct breaker *breaker, unsigned times, uint64_t now_us)
{
    while (times-- > 0)
        breaker_report(breaker, &limits, BREAKER_FAILURE, now_us);
}

Test(breaker, opens_only_after_failures_in_a_row)
{
    struct breaker breaker = {0};

    fail_times(&breaker, 2, 10);
    breaker_report(&breaker, &limits, BREAKER_SUCCESS, 10);
    fail_times(&breaker, 2, 10);
    breaker_report(&breaker, &limits, BREAKER_ABANDONED, 10);
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
    cr_expect(breaker_admit(&breaker, &limits, 10));
    fail_times(&breaker, 1, 10);
    cr_expect_eq(breaker.state, BREAKER_OPEN, "what was given up does not end the row");
    cr_expect_not(breaker_admit(&breaker, &limits, 10));
}

Test(breaker, lets_one_probe_through_when_the_time_is_over)
{
    struct breaker breaker = {0};

    fail_times(&breaker, 3, 10);
    cr_expect_not(breaker_admit(&breaker, &limits, 10 + OPEN_US - 1));
    cr_expect(breaker_would_admit(&breaker, 10 + OPEN_US));
    cr_expect_eq(breaker.state, BREAKER_OPEN, "asking changes nothing");
    cr_expect(breaker_admit(&breaker, &limits, 10 + OPEN_US));
    cr_expect_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_expect_not(breaker_admit(&breaker, &limits, 10 + 2 * OPEN_US - 1), "a second probe");
}

Test(breaker, waits_for_a_probe_no_longer_than_it_was_open)
{
    struct breaker breaker = {0};

    fail_times(&breaker, 3, 0);
    cr_assert(breaker_admit(&breaker, &limits, OPEN_US));
    cr_expect(breaker_admit(&breaker, &limits, 2 * OPEN_US), "the first probe has said nothing");
    cr_expect_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_expect_not(breaker_admit(&breaker, &limits, 3 * OPEN_US - 1));
    breaker_report(&breaker, &limits, BREAKER_SUCCESS, 3 * OPEN_US);
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
}

/* state before, outcome, state after, and whether an attempt is admitted at once */
static const struct {
    enum breaker_state before;
    enum breaker_outcome outcome;
    enum breaker_state after;
    bool is_admitted;
} table[] = {
    {BREAKER_CLOSED, BREAKER_SUCCESS, BREAKER_CLOSED, true},    {BREAKER_CLOSED, BREAKER_FAILURE, BREAKER_CLOSED, true},
    {BREAKER_CLOSED, BREAKER_ABANDONED, BREAKER_CLOSED, true},  {BREAKER_OPEN, BREAKER_SUCCESS, BREAKER_CLOSED, true},
    {BREAKER_OPEN, BREAKER_FAILURE, BREAKER_OPEN, false},       {BREAKER_OPEN, BREAKER_ABANDONED, BREAKER_OPEN, false},
    {BREAKER_HALF_OPEN, BREAKER_SUCCESS, BREAKER_CLOSED, true}, {BREAKER_HALF_OPEN, BREAKER_FAILURE, BREAKER_OPEN, false},
    {BREAKER_HALF_OPEN, BREAKER_ABANDONED, BREAKER_OPEN, true},
};

Test(breaker, follows_its_table)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct breaker breaker = {.state = table[i].before, .probe_at_us = 500};

        breaker_report(&breaker, &limits, table[i].outcome, 100);
        cr_expect_eq(breaker.state, table[i].after, "row %zu: %s", i, breaker_state_name(breaker.state));
        cr_expect_eq(breaker_admit(&breaker, &limits, 100), table[i].is_admitted, "row %zu", i);
    }
}

Test(breaker, a_failed_probe_begins_the_time_anew_and_a_late_failure_does_not)
{
    struct breaker breaker = {0};

    fail_times(&breaker, 3, 0);
    fail_times(&breaker, 5, OPEN_US - 1);
    cr_assert(breaker_admit(&breaker, &limits, OPEN_US));
    fail_times(&breaker, 1, OPEN_US + 7);
    cr_expect_not(breaker_would_admit(&breaker, 2 * OPEN_US + 6));
    cr_expect(breaker_would_admit(&breaker, 2 * OPEN_US + 7));
}

Test(breaker, counts_anew_after_it_closed)
{
    struct breaker breaker = {0};

    fail_times(&breaker, 3, 0);
    cr_assert(breaker_admit(&breaker, &limits, OPEN_US));
    breaker_report(&breaker, &limits, BREAKER_SUCCESS, OPEN_US);
    fail_times(&breaker, 2, OPEN_US);
    cr_expect_eq(breaker.state, BREAKER_CLOSED);
}
