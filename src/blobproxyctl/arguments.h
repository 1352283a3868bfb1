/* SPDX-License-Identifier: MIT */
/* Reads what stands behind a verb. */
#ifndef BLOBPROXYCTL_ARGUMENTS_H
#define BLOBPROXYCTL_ARGUMENTS_H

#include "verb.h"

#define ARGUMENTS_OPTIONS_MAX 8

/* One option of a verb; exactly one of the pointers is set. What is not given is left as it was. */
struct argument {
    const char *name; /* without "--"; NULL ends the list */
    bool *flag;       /* takes no value */
    const char **text;
    double *seconds; /* a decimal number from min to max */
    unsigned *count; /* a whole number from min to max */
    double min, max;
};

/* Reads --json and --socket into ctl, the verb's own options where they belong, and one word into word, if there is one; word may
 * be NULL when the verb takes none. The texts stay argv's. CTL_EXIT_OK, or CTL_EXIT_USAGE after saying why. */
enum ctl_exit arguments_read(struct ctl *ctl, int argc, char **argv, const struct argument *arguments, const char **word);

#endif
