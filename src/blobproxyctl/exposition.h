/* SPDX-License-Identifier: MIT */
/* Reads metrics in Prometheus' text format 0.0.4, as far as blobproxyd writes it: no time stamps. Pure. */
#ifndef BLOBPROXYCTL_EXPOSITION_H
#define BLOBPROXYCTL_EXPOSITION_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <stdbool.h>
#include <stddef.h>

struct sample {
    const char *name;
    const char *labels; /* what stands between the braces; "" for none */
    double value;
};

struct exposition {
    char *text; /* what the samples point into; owned, like them */
    struct sample *samples;
    size_t count;
};

/* 0, -ENOMEM, or -EINVAL with the line in err; exposition is then empty. */
int exposition_read(const char *text, size_t len, struct exposition *ret_exposition, struct err *err) MUST_CHECK;
void exposition_free(struct exposition *exposition);

#define EXPOSITION_LABEL_BYTES 64
/* The label's value, unescaped and cut; false: the sample has no such label. */
bool exposition_label(const struct sample *sample, const char *label, char value[EXPOSITION_LABEL_BYTES]);

/* All samples of the name added up, those with label="value" only unless label is NULL. 0 when there is none. */
double exposition_sum(const struct exposition *exposition, const char *name, const char *label, const char *value);

#endif
