/* SPDX-License-Identifier: MIT */
/* What changed between two readings of the metrics, as rates and quantiles. Pure. */
#ifndef BLOBPROXYCTL_FIGURES_H
#define BLOBPROXYCTL_FIGURES_H

#include "exposition.h"

#include <jansson.h>
#include <stdio.h>

#define FIGURES_OPERATIONS_MAX 128 /* the Blob service has half as many */
#define FIGURES_ERRORS_MAX 48
#define FIGURES_LATENCIES_MAX 8

struct figures_operation {
    char name[EXPOSITION_LABEL_BYTES];
    double requests, client_errors, server_errors; /* a second; answered with any status, 4xx, 5xx */
    double total;                                  /* requests since the daemon's start */
};

struct figures_error {
    char kind[EXPOSITION_LABEL_BYTES];
    double errors; /* a second */
    double total;
};

/* Quantiles in seconds, interpolated inside of a bucket as Prometheus does; NAN when nothing happened. What exceeds the last
 * bound counts as being there. */
struct figures_latency {
    char name[EXPOSITION_LABEL_BYTES]; /* "all", a class of operations, or "transfer": the channel and the host alone */
    double requests;                   /* a second */
    double p50, p95, p99;
};

struct figures_slots {
    double total, used;
};

struct figures {
    double seconds;     /* what the rates are of */
    bool is_from_start; /* of the daemon; there was no reading before, or another daemon gave it */
    double requests, errors, in_bytes, out_bytes, transfers, upstream, cpu_seconds;              /* a second */
    double connections, exchanges, transfers_in_flight, upstream_in_flight, channels_up, memory; /* now; memory in bytes */
    double waiting, quarantined;
    struct figures_slots small, large;
    unsigned operation_count, error_count, latency_count;
    struct figures_operation operations[FIGURES_OPERATIONS_MAX]; /* that were ever asked for, the busiest first */
    struct figures_error error_kinds[FIGURES_ERRORS_MAX];        /* that ever happened, the most frequent first */
    struct figures_latency latencies[FIGURES_LATENCIES_MAX];     /* "all" first, "transfer" last */
};

/* before may be NULL; it is not used either when it is of a daemon that has been started anew. seconds: between the two, uptime:
 * of the daemon, more than 0 each. */
void figures_make(const struct exposition *before, const struct exposition *now, double seconds, double uptime,
                  struct figures *ret_figures);

/* Three tables. 0 or -ENOMEM. */
int figures_print(const struct figures *figures, FILE *out) MUST_CHECK;
/* NULL: no memory. */
json_t *figures_json(const struct figures *figures);

#endif
