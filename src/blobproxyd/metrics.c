/* SPDX-License-Identifier: MIT */
/* Blocks of figures with one writer each. */
#include "metrics_internal.h"

#include <errno.h>
#include <string.h>

enum class { CLASS_READ, CLASS_WRITE, CLASS_LIST, CLASS_OTHER, CLASS_COUNT };

static const enum metric_histogram durations[CLASS_COUNT][2] = {
    [CLASS_READ] = {HISTOGRAM_REQUEST_READ_CHANNEL, HISTOGRAM_REQUEST_READ_UPSTREAM},
    [CLASS_WRITE] = {HISTOGRAM_REQUEST_WRITE_CHANNEL, HISTOGRAM_REQUEST_WRITE_UPSTREAM},
    [CLASS_LIST] = {HISTOGRAM_REQUEST_LIST_CHANNEL, HISTOGRAM_REQUEST_LIST_UPSTREAM},
    [CLASS_OTHER] = {HISTOGRAM_REQUEST_OTHER_CHANNEL, HISTOGRAM_REQUEST_OTHER_UPSTREAM},
};

static bool label_begins(const char *label, const char *word)
{
    return strncmp(label, word, strlen(word)) == 0;
}

static enum class class_of(enum operation operation) {
    const char *label = operation_row(operation)->label;

    if (label_begins(label, "List") || label_begins(label, "Find")) return CLASS_LIST;
    if (label_begins(label, "Get") || label_begins(label, "Query")) return CLASS_READ;
    if (label_begins(label, "Unknown") || label_begins(label, "Preflight") ||
        label_begins(label, "SubmitBatch")) return CLASS_OTHER;
    return CLASS_WRITE;
}

static void fill_tables(struct metrics *metrics)
{
    static const uint16_t statuses[] = {METRICS_STATUSES};

    memset(metrics->place_of_status, METRICS_STATUS_COUNT, sizeof(metrics->place_of_status));
    for (size_t i = 0; i < METRICS_STATUS_COUNT; i++)
        metrics->place_of_status[statuses[i]] = (uint8_t)i;
    for (size_t i = 0; i < OPERATION_COUNT; i++)
        metrics->class_of_operation[i] = (uint8_t)class_of((enum operation)i);
}

int metrics_new(unsigned shards, struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    size_t bytes = ((size_t)shards + 1) * sizeof(struct metrics_shard);

    if (!metrics)
        return -ENOMEM;
    metrics->shard_count = shards + 1;
    metrics->shards = aligned_alloc(METRICS_CACHE_LINE_BYTES, bytes);
    if (!metrics->shards) {
        metrics_free(metrics);
        return -ENOMEM;
    }
    memset(metrics->shards, 0, bytes);
    for (unsigned i = 0; i < metrics->shard_count; i++)
        metrics->shards[i].metrics = metrics;
    fill_tables(metrics);
    metrics_process_open(&metrics->process);
    metrics_set(metrics_shard(metrics, shards), METRIC_SHARDS, shards);
    *ret_metrics = metrics;
    return 0;
}

struct metrics *metrics_free(struct metrics *metrics)
{
    if (metrics)
        free(metrics->shards);
    free(metrics);
    return NULL;
}

struct metrics_shard *metrics_shard(struct metrics *metrics, unsigned shard)
{
    return &metrics->shards[shard];
}

/* One writer: no read-modify-write instruction is needed. */
static inline void figure_add(_Atomic uint64_t *figure, uint64_t amount)
{
    atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + amount, memory_order_relaxed);
}

void metrics_add(struct metrics_shard *shard, enum metric metric, uint64_t amount)
{
    figure_add(&shard->values[metric], amount);
}

void metrics_set(struct metrics_shard *shard, enum metric metric, uint64_t value)
{
    atomic_store_explicit(&shard->values[metric], value, memory_order_relaxed);
}

void metrics_observe(struct metrics_shard *shard, enum metric_histogram histogram, uint64_t duration_us)
{
#define BOUND(bound_us, label) bound_us,
    static const uint32_t bounds[] = {METRICS_BUCKETS(BOUND)};
#undef BOUND
    struct metrics_histogram *figures = &shard->histograms[histogram];
    size_t bucket = 0;

    while (bucket < METRICS_BUCKET_COUNT && duration_us > bounds[bucket])
        bucket++;
    figure_add(&figures->counts[bucket], 1);
    figure_add(&figures->sum_us, duration_us);
}

/* What is no final status of HTTP cannot have been the service's doing: it counts as a failure. */
static enum metrics_code_class class_of_code(unsigned status)
{
    return status < 200 || status >= METRICS_STATUS_END ? METRICS_5XX : (enum metrics_code_class)(status / 100 - 2);
}

void metrics_answer(struct metrics_shard *shard, enum operation operation, unsigned status)
{
    size_t place = status < METRICS_STATUS_END ? shard->metrics->place_of_status[status] : METRICS_STATUS_COUNT;

    figure_add(&shard->requests[operation][class_of_code(status)], 1);
    figure_add(&shard->responses[place], 1);
}

void metrics_request(struct metrics_shard *shard, enum operation operation, bool is_upstream, uint64_t duration_us)
{
    metrics_observe(shard, durations[shard->metrics->class_of_operation[operation]][is_upstream], duration_us);
}
