/* SPDX-License-Identifier: MIT */
/* What the figures and their exposition share: how a shard's block is laid out, and the fixed lists of buckets and statuses. */
#ifndef BLOBPROXYD_METRICS_INTERNAL_H
#define BLOBPROXYD_METRICS_INTERNAL_H

#include "metrics.h"
#include "metrics_process.h"

#include <stdatomic.h>

#define METRICS_CACHE_LINE_BYTES 64

/* X(upper bound in microseconds, "in seconds"): a small answer takes 0.1 ms, the longest timeouts are a minute. */
#define METRICS_BUCKETS(X)                                                                                                       \
    X(100, "0.0001")                                                                                                             \
    X(250, "0.00025")                                                                                                            \
    X(500, "0.0005")                                                                                                             \
    X(1000, "0.001")                                                                                                             \
    X(2500, "0.0025")                                                                                                            \
    X(5000, "0.005")                                                                                                             \
    X(10000, "0.01")                                                                                                             \
    X(25000, "0.025")                                                                                                            \
    X(50000, "0.05")                                                                                                             \
    X(100000, "0.1")                                                                                                             \
    X(250000, "0.25")                                                                                                            \
    X(500000, "0.5")                                                                                                             \
    X(1000000, "1.0")                                                                                                            \
    X(2500000, "2.5")                                                                                                            \
    X(5000000, "5.0")                                                                                                            \
    X(10000000, "10.0")                                                                                                          \
    X(30000000, "30.0")                                                                                                          \
    X(60000000, "60.0")

#define METRICS_ONE_MORE(bound_us, label) +1
#define METRICS_BUCKET_COUNT (METRICS_BUCKETS(METRICS_ONE_MORE))

/* The statuses that the service and the proxy answer with; what is none of them is counted behind the last. */
#define METRICS_STATUSES                                                                                                         \
    200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 409, 411, 412, 413, 414, 415, 416, 429, 431, 500, 501, 502, 503, 504
#define METRICS_STATUS_COUNT (sizeof((const uint16_t[]){METRICS_STATUSES}) / sizeof(uint16_t))
#define METRICS_STATUS_END 600u

enum metrics_code_class { METRICS_2XX, METRICS_3XX, METRICS_4XX, METRICS_5XX, METRICS_CODE_CLASSES };

struct metrics_histogram {
    _Atomic uint64_t counts[METRICS_BUCKET_COUNT + 1]; /* not cumulative; the last is what exceeds every bound */
    _Atomic uint64_t sum_us;
};

struct metrics_shard {
    _Alignas(METRICS_CACHE_LINE_BYTES) _Atomic uint64_t values[METRIC_COUNT];
    struct metrics_histogram histograms[HISTOGRAM_COUNT];
    _Atomic uint64_t requests[OPERATION_COUNT][METRICS_CODE_CLASSES];
    _Atomic uint64_t responses[METRICS_STATUS_COUNT + 1];
    const struct metrics *metrics;
};

struct metrics {
    unsigned shard_count; /* the main thread's included */
    struct metrics_shard *shards;
    struct metrics_process process;
    uint8_t place_of_status[METRICS_STATUS_END];
    uint8_t class_of_operation[OPERATION_COUNT];
};

/* The labels of blobproxy_build_info. */
#define METRICS_BUILD_BYTES 256
void metrics_build_labels(char labels[METRICS_BUILD_BYTES]);

#endif
