/* SPDX-License-Identifier: MIT */
/* The process_* metrics, as every Prometheus client library names them, from /proc/self alone. */
#ifndef BLOBPROXYD_METRICS_PROCESS_H
#define BLOBPROXYD_METRICS_PROCESS_H

#include "../lib/buf.h"

struct metrics_process {
    double start_s; /* wall time of the process's start; 0: unknown */
};

void metrics_process_open(struct metrics_process *process);

/* What cannot be read is left out. Failures of text stick in it. */
void metrics_process_write(const struct metrics_process *process, struct buf *text);

#endif
