/* SPDX-License-Identifier: MIT */
/* What a run has come across. For one thread. */
#ifndef BLOBPROXY_LOCKSTEP_COVERAGE_H
#define BLOBPROXY_LOCKSTEP_COVERAGE_H

#include <stdbool.h>

#define COVERAGE_COLUMNS 6u

enum coverage {
#define COVERAGE(name, what) COVERAGE_##name,
#include "coverage.def"
#undef COVERAGE
    COVERAGES
};

void coverage_count(enum coverage coverage, bool happened);

/* Begins a column of the table: of rings of that size. At most COVERAGE_COLUMNS. */
void coverage_begin(unsigned ring_bytes);

/* Prints the table, one column for each size; false: something never happened with one of them
 * that had to. */
bool coverage_report(void);

#endif
