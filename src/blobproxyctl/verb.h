/* SPDX-License-Identifier: MIT */
/* What a verb of blobproxyctl is and is given. The table of verbs stands in main.c. */
#ifndef BLOBPROXYCTL_VERB_H
#define BLOBPROXYCTL_VERB_H

#include <stdbool.h>
#include <stdio.h>

enum ctl_exit { CTL_EXIT_OK, CTL_EXIT_FAILED, CTL_EXIT_USAGE };

struct ctl {
    bool is_json; /* --json stood in front of the verb; a verb takes it behind its name, too */
    FILE *out;    /* results */
    FILE *err;    /* one line when something is wrong */
};

struct verb {
    const char *name;
    const char *arguments; /* as --help shows them: "[--json] [--device PATH]" */
    const char *help;      /* one line */
    /* argv[0] is the verb's name. Writes its result to ctl->out, which the caller flushes. */
    enum ctl_exit (*run)(const struct ctl *ctl, int argc, char **argv);
};

/* Says "blobproxyctl: MESSAGE: see blobproxyctl --help". Returns CTL_EXIT_USAGE. */
enum ctl_exit ctl_refuse(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For what getopt_long() has just answered to '?' or ':' with. Returns CTL_EXIT_USAGE. */
enum ctl_exit ctl_refuse_option(const struct ctl *ctl, int code, char **argv);

enum ctl_exit verb_probe(const struct ctl *ctl, int argc, char **argv);

#endif
