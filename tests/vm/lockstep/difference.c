/* SPDX-License-Identifier: MIT */
/* The differences as a table with counters. */
#include "difference.h"

#include <stdatomic.h>
#include <stdio.h>

static struct {
    const char *what, *why;
    atomic_ulong count;
} rows[DIFFERENCES] = {
#define DIFFERENCE(name, what, why) {what, why, 0},
#include "difference.def"
#undef DIFFERENCE
};

void difference_count(enum difference difference)
{
    if (difference != DIFFERENCE_NONE)
        atomic_fetch_add(&rows[difference].count, 1);
}

bool difference_report(void)
{
    bool are_all_needed = true;

    puts("Known differences, how often they were met, and why they are right:");
    for (int i = 0; i < DIFFERENCES; i++) {
        printf("%9lu  %s\n           (%s)\n", rows[i].count, rows[i].what, rows[i].why);
        are_all_needed = are_all_needed && rows[i].count > 0;
    }
    return are_all_needed;
}
