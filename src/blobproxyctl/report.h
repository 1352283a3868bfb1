/* SPDX-License-Identifier: MIT */
/* What the facts mean for blobproxyd, for people and for programs. Pure: facts in, rows and a verdict out. */
#ifndef BLOBPROXYCTL_REPORT_H
#define BLOBPROXYCTL_REPORT_H

#include "probe.h"

#include <stdio.h>

#define REPORT_ROWS_MAX 64
#define REPORT_TEXT_BYTES 256

/* Fine; stands in the way; wants a look; says nothing by itself. */
enum report_mark { REPORT_GOOD, REPORT_BAD, REPORT_LOOK, REPORT_FACT };

struct report_row {
    enum report_mark mark;
    char name[64];
    char value[REPORT_TEXT_BYTES];
    char meaning[REPORT_TEXT_BYTES];
};

struct report_verdict {
    bool is_usable;               /* the device, by this user, now */
    const char *channel;          /* "device", "upstream" or "emulated": what blobproxyd can use on this machine */
    char why[REPORT_TEXT_BYTES];  /* one sentence without its full stop */
    char next[REPORT_TEXT_BYTES]; /* the command to try, and what for */
};

struct report {
    unsigned row_count;
    struct report_row rows[REPORT_ROWS_MAX];
    struct report_verdict verdict;
};

void report_make(const struct probe_facts *facts, struct report *ret_report);

/* The parts of it. */
void report_system(const struct probe_facts *facts, struct report *report);
void report_bus(const struct probe_facts *facts, struct report *report);
void report_nodes(const struct probe_facts *facts, struct report *report);
void report_limits(const struct probe_facts *facts, struct report *report);
struct report_verdict report_verdict(const struct probe_facts *facts);

/* The row that is added; the last one is used again when there is no room for more. value is a printf format. */
struct report_row *report_add(struct report *report, enum report_mark mark, const char *name, const char *meaning,
                              const char *value, ...) __attribute__((format(printf, 5, 6)));

const char *report_mark_name(enum report_mark mark); /* "good", "bad", "look", "fact" */

void report_print(const struct report *report, FILE *out);
/* 0 or -ENOMEM. */
int report_print_json(const struct probe_facts *facts, const struct report *report, FILE *out) MUST_CHECK;

#endif
