/* SPDX-License-Identifier: MIT */
/* In what the two rings may differ, why that is right, and how often a run came across it. */
#ifndef BLOBPROXY_LOCKSTEP_DIFFERENCE_H
#define BLOBPROXY_LOCKSTEP_DIFFERENCE_H

#include <stdbool.h>

enum difference {
#define DIFFERENCE(name, what, why) DIFFERENCE_##name,
#include "difference.def"
#undef DIFFERENCE
    DIFFERENCES,
    DIFFERENCE_NONE = DIFFERENCES
};

/* Any thread. */
void difference_count(enum difference difference);

/* Prints the table; false: a row was never needed. */
bool difference_report(void);

#endif
