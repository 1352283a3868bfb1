/* SPDX-License-Identifier: MIT */
/* What a verb of blobproxyctl is and is given. The table of verbs stands in main.c. */
#ifndef BLOBPROXYCTL_VERB_H
#define BLOBPROXYCTL_VERB_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum ctl_exit { CTL_EXIT_OK, CTL_EXIT_FAILED, CTL_EXIT_USAGE };

struct ctl {
    bool is_json;       /* --json; in front of the verb or behind it */
    const char *socket; /* --socket, likewise; NULL: wherever it is found */
    FILE *out;          /* results */
    FILE *err;          /* one line when something is wrong */
};

struct verb {
    const char *name;
    const char *arguments; /* as --help shows them: "[--json] [--device PATH]" */
    const char *help;      /* one line */
    /* argv[0] is the verb's name. Writes its result to ctl->out, which the caller flushes. */
    enum ctl_exit (*run)(struct ctl *ctl, int argc, char **argv);
};

/* Says "blobproxyctl: MESSAGE: see blobproxyctl --help". Returns CTL_EXIT_USAGE. */
enum ctl_exit ctl_refuse(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For what getopt_long() has just answered to '?' or ':' with. Returns CTL_EXIT_USAGE. */
enum ctl_exit ctl_refuse_option(const struct ctl *ctl, int code, char **argv);

/* Says "blobproxyctl: MESSAGE", control bytes escaped. Returns CTL_EXIT_FAILED. */
enum ctl_exit ctl_fail(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same line, for a note beside a result. */
void ctl_note(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the daemon answers to a GET of target, a JSON object, which the caller gets; otherwise says why not. */
enum ctl_exit ctl_get(const struct ctl *ctl, const char *target, json_t **ret_value);

/* Writes the value to ctl->out, indented or as one line, all ASCII, and a newline. NULL, as jansson answers when there was no
 * memory, is a failure. Takes the value over. */
enum ctl_exit ctl_print_json(const struct ctl *ctl, json_t *value);
enum ctl_exit ctl_print_json_line(const struct ctl *ctl, json_t *value);

enum ctl_exit verb_channels(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_connection_string(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_drain(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_errors(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_exchanges(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_log_level(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_probe(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_reload(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_stats(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_status(struct ctl *ctl, int argc, char **argv);
enum ctl_exit verb_wait_ready(struct ctl *ctl, int argc, char **argv);

#endif
