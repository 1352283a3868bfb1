/* SPDX-License-Identifier: MIT */
/* The process_* metrics, as every Prometheus client library names them, from /proc/self alone. */
#ifndef BLOBPROXYD_METRICS_PROCESS_H
#define BLOBPROXYD_METRICS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum metrics_process_value {
#define PROCESS(name) PROCESS_##name,
#include "metrics.def"
    PROCESS_COUNT
};

struct metrics_process {
    double start_s; /* wall time of the process's start; NaN: unknown */
};

void metrics_process_open(struct metrics_process *process);

/* NaN for what cannot be read. Called on the main loop: 0.1 ms, and before Linux 6.2 up to 5 ms with 10,000 descriptors. */
void metrics_process_read(const struct metrics_process *process, double ret_values[PROCESS_COUNT]);

/* Open descriptors below that number, one by one: the way that works with every kernel. */
uint64_t metrics_process_count_fds(int end);

#endif
