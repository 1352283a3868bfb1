/* SPDX-License-Identifier: MIT */
/* A check: a process of its own that ends with 0, or says what is wrong and ends otherwise. */
#ifndef CHECKS_CHECKS_H
#define CHECKS_CHECKS_H

#include <stdint.h>

struct check {
    const char *name;
    void (*run)(void);
};

/* Each ends with an entry without a name. */
extern const struct check argument_checks[], capacity_checks[], credential_checks[], page_checks[], removal_checks[],
    waiting_checks[];

/* Ends the process when they differ. want and got may be a negative errno each. */
void must_be(const char *what, int64_t got, int64_t want);

/* Runs it in a child; returns its exit status. */
int in_child(void (*run)(void *), void *what);

/* What the program does instead of all checks when it is executed with a descriptor to inherit. */
int inherited_main(int fd);

#endif
