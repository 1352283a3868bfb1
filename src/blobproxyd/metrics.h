/* SPDX-License-Identifier: MIT */
/* Counters, gauges and histograms, written without locks by one shard each, summed when somebody scrapes. */
#ifndef BLOBPROXYD_METRICS_H
#define BLOBPROXYD_METRICS_H

#include "../lib/azure/operation.h"
#include "../lib/buf.h"

#include <stdint.h>

/* The rows stand in metrics.def: COUNTER(NAME, "exposed_name", "label=\"value\"" or "", "help") and GAUGE(...) alike. Rows of one
 * exposed name stand together and share their help. */
enum metric {
#define COUNTER(name, exposed, labels, help) METRIC_##name,
#define GAUGE(name, exposed, labels, help) METRIC_##name,
#include "metrics.def"
#undef COUNTER
#undef GAUGE
    METRIC_COUNT
};

struct metrics;
struct metrics_shard;

int metrics_new(unsigned shards, struct metrics **ret_metrics) MUST_CHECK;
struct metrics *metrics_free(struct metrics *metrics);

/* The part of one writer. Number `shards` is the main thread's. */
struct metrics_shard *metrics_shard(struct metrics *metrics, unsigned shard);

/* Each only on the thread that owns the shard. */
void metrics_add(struct metrics_shard *shard, enum metric metric, uint64_t amount);
void metrics_set(struct metrics_shard *shard, enum metric metric, uint64_t value);
void metrics_exchange(struct metrics_shard *shard, enum operation operation, unsigned status, uint64_t duration_us);
void metrics_transfer(struct metrics_shard *shard, uint64_t duration_us);

/* Prometheus text format 0.0.4 with process_* and build info. Any thread. 0, -ENOBUFS, -ENOMEM. */
int metrics_write(const struct metrics *metrics, struct buf *text) MUST_CHECK;

#endif
