/* SPDX-License-Identifier: MIT */
/* Counters, gauges and histograms, written without locks by one shard each, summed when somebody scrapes. The series are those of
 * metrics.def and tables over enums: all of them exist from the start, and no client can make one. */
#ifndef BLOBPROXYD_METRICS_H
#define BLOBPROXYD_METRICS_H

#include "../lib/azure/operation.h"
#include "../lib/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum metric {
#define VALUE(name, labels, note) METRIC_##name,
#include "metrics.def"
    METRIC_COUNT
};

enum metric_histogram {
#define BUCKETS(name, labels, note) HISTOGRAM_##name,
#include "metrics.def"
    HISTOGRAM_COUNT
};

/* What an exposition may have: 64 KiB are read and parsed within a millisecond, and a thousand scraped daemons stay below what
 * one Prometheus keeps with ease. Series are lines that are no comment. */
#define METRICS_SERIES_MAX 700u
#define METRICS_TEXT_MAX_BYTES 65536u

struct metrics;
struct metrics_shard;

int metrics_new(unsigned shards, struct metrics **ret_metrics) MUST_CHECK;
struct metrics *metrics_free(struct metrics *metrics);

/* The part of one writer. Number `shards` is the main thread's. */
struct metrics_shard *metrics_shard(struct metrics *metrics, unsigned shard);

/* Each only on the thread that owns the shard. */
void metrics_add(struct metrics_shard *shard, enum metric metric, uint64_t amount);
void metrics_set(struct metrics_shard *shard, enum metric metric, uint64_t value);
void metrics_observe(struct metrics_shard *shard, enum metric_histogram histogram, uint64_t duration_us);

/* A request was answered with that status, whoever answered. */
void metrics_answer(struct metrics_shard *shard, enum operation operation, unsigned status);

/* One that went a way has ended, after that long. */
void metrics_request(struct metrics_shard *shard, enum operation operation, bool is_upstream, uint64_t duration_us);

/* Prometheus text format 0.0.4 with process_* and build info. Any thread. 0, -ENOBUFS, -ENOMEM. */
int metrics_write(const struct metrics *metrics, struct buf *text) MUST_CHECK;

#endif
