/* SPDX-License-Identifier: MIT */
/* Blocks of figures with one writer each, and the text that sums them. */
#include "metrics.h"
#include "metrics_process.h"
#include "version.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define CACHE_LINE_BYTES 64

/* Upper bounds of the buckets; a small answer takes 0.1 ms, the longest timeouts are a minute. */
static const struct bucket {
    uint64_t bound_us;
    const char *label;
} buckets[] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"},   {5000, "0.005"},
    {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},    {250000, "0.25"},   {500000, "0.5"},
    {1000000, "1.0"}, {2500000, "2.5"}, {5000000, "5.0"}, {10000000, "10.0"}, {30000000, "30.0"}, {60000000, "60.0"},
};
#define BUCKET_COUNT (sizeof(buckets) / sizeof(buckets[0]))

/* The statuses that the service and the proxy answer with; every other one is "other", so clients cannot make series. */
static const uint16_t codes[] = {200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 409, 411,
                                 412, 413, 414, 415, 416, 429, 431, 500, 501, 502, 503, 504};
#define CODE_COUNT (sizeof(codes) / sizeof(codes[0]))
#define CODE_OTHER CODE_COUNT
#define STATUS_MAX 600

enum class { CLASS_READ, CLASS_WRITE, CLASS_LIST, CLASS_OTHER, CLASS_COUNT };
static const char *const class_names[CLASS_COUNT] = {"read", "write", "list", "other"};

struct histogram {
    _Atomic uint64_t counts[BUCKET_COUNT + 1]; /* not cumulative; the last is what exceeds every bound */
    _Atomic uint64_t sum_us;
};

struct metrics_shard {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t values[METRIC_COUNT];
    struct histogram transfers;
    struct histogram exchanges[CLASS_COUNT];
    _Atomic uint64_t requests[OPERATION_COUNT][CODE_COUNT + 1];
    const struct metrics *metrics;
};

struct metrics {
    unsigned shard_count; /* the main thread's included */
    struct metrics_shard *shards;
    struct metrics_process process;
    uint8_t code_of_status[STATUS_MAX];
    uint8_t class_of_operation[OPERATION_COUNT];
};

static const struct metric_row {
    const char *exposed, *labels, *type, *help;
} rows[METRIC_COUNT] = {
#define COUNTER(name, exposed, labels, help) {exposed, labels, "counter", help},
#define GAUGE(name, exposed, labels, help) {exposed, labels, "gauge", help},
#include "metrics.def"
#undef COUNTER
#undef GAUGE
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

int metrics_new(unsigned shards, struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    size_t bytes = ((size_t)shards + 1) * sizeof(struct metrics_shard);

    if (!metrics)
        return -ENOMEM;
    metrics->shard_count = shards + 1;
    metrics->shards = aligned_alloc(CACHE_LINE_BYTES, bytes);
    if (!metrics->shards) {
        metrics_free(metrics);
        return -ENOMEM;
    }
    memset(metrics->shards, 0, bytes);
    for (unsigned i = 0; i < metrics->shard_count; i++)
        metrics->shards[i].metrics = metrics;
    memset(metrics->code_of_status, CODE_OTHER, sizeof(metrics->code_of_status));
    for (size_t i = 0; i < CODE_COUNT; i++)
        metrics->code_of_status[codes[i]] = (uint8_t)i;
    for (size_t i = 0; i < OPERATION_COUNT; i++)
        metrics->class_of_operation[i] = (uint8_t)class_of((enum operation)i);
    metrics_process_open(&metrics->process);
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

static inline uint64_t figure_get(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

void metrics_add(struct metrics_shard *shard, enum metric metric, uint64_t amount)
{
    figure_add(&shard->values[metric], amount);
}

void metrics_set(struct metrics_shard *shard, enum metric metric, uint64_t value)
{
    atomic_store_explicit(&shard->values[metric], value, memory_order_relaxed);
}

static void histogram_add(struct histogram *histogram, uint64_t duration_us)
{
    size_t bucket = 0;

    while (bucket < BUCKET_COUNT && duration_us > buckets[bucket].bound_us)
        bucket++;
    figure_add(&histogram->counts[bucket], 1);
    figure_add(&histogram->sum_us, duration_us);
}

void metrics_exchange(struct metrics_shard *shard, enum operation operation, unsigned status, uint64_t duration_us)
{
    const struct metrics *metrics = shard->metrics;
    size_t code = status < STATUS_MAX ? metrics->code_of_status[status] : CODE_OTHER;

    figure_add(&shard->requests[operation][code], 1);
    histogram_add(&shard->exchanges[metrics->class_of_operation[operation]], duration_us);
}

void metrics_transfer(struct metrics_shard *shard, uint64_t duration_us)
{
    histogram_add(&shard->transfers, duration_us);
}

/* The figure at the same place of every shard, summed; offset is that of the figure in struct metrics_shard. */
static uint64_t metrics_sum(const struct metrics *metrics, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < metrics->shard_count; i++)
        sum += figure_get((const _Atomic uint64_t *)((const char *)&metrics->shards[i] + offset));
    return sum;
}

static void write_head(struct buf *text, const char *name, const char *type, const char *help)
{
    buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_rows(const struct metrics *metrics, struct buf *text)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &rows[i];
        size_t offset = offsetof(struct metrics_shard, values) + i * sizeof(uint64_t);
        const char *open = *row->labels ? "{" : "", *close = *row->labels ? "}" : "";

        if (i == 0 || strcmp(row->exposed, rows[i - 1].exposed) != 0)
            write_head(text, row->exposed, row->type, row->help);
        buf_printf(text, "%s%s%s%s %" PRIu64 "\n", row->exposed, open, row->labels, close, metrics_sum(metrics, offset));
    }
}

static void write_request(struct buf *text, size_t operation, size_t code, uint64_t count)
{
    char name[8] = "other";

    if (code < CODE_COUNT)
        snprintf(name, sizeof(name), "%u", codes[code]);
    buf_printf(text, "blobproxy_requests_total{operation=\"%s\",code=\"%s\"} %" PRIu64 "\n",
               operation_row((enum operation)operation)->label, name, count);
}

static void write_requests(const struct metrics *metrics, struct buf *text)
{
    write_head(text, "blobproxy_requests_total", "counter", "Exchanges ended, by operation and status.");
    for (size_t operation = 0; operation < OPERATION_COUNT; operation++) {
        for (size_t code = 0; code <= CODE_COUNT; code++) {
            size_t place = operation * (CODE_COUNT + 1) + code;
            uint64_t count = metrics_sum(metrics, offsetof(struct metrics_shard, requests) + place * sizeof(uint64_t));
            if (count > 0)
                write_request(text, operation, code, count);
        }
    }
}

/* label is "" or "class=\"read\"". */
static void write_histogram(const struct metrics *metrics, struct buf *text, const char *name, const char *label, size_t offset)
{
    const char *comma = *label ? "," : "", *open = *label ? "{" : "", *close = *label ? "}" : "";
    uint64_t sum_us = metrics_sum(metrics, offset + offsetof(struct histogram, sum_us));
    uint64_t count = 0;

    for (size_t i = 0; i <= BUCKET_COUNT; i++) {
        count += metrics_sum(metrics, offset + i * sizeof(uint64_t));
        buf_printf(text, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, label, comma,
                   i < BUCKET_COUNT ? buckets[i].label : "+Inf", count);
    }
    buf_printf(text, "%s_sum%s%s%s %" PRIu64 ".%06" PRIu64 "\n", name, open, label, close, sum_us / 1000000, sum_us % 1000000);
    buf_printf(text, "%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, count);
}

static void write_histograms(const struct metrics *metrics, struct buf *text)
{
    static const char exchange[] = "blobproxy_exchange_duration_seconds";
    static const char transfer[] = "blobproxy_transfer_duration_seconds";

    write_head(text, exchange, "histogram", "From the end of a request's head to the end of its answer, by kind of operation.");
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        char label[32];
        snprintf(label, sizeof(label), "class=\"%s\"", class_names[i]);
        write_histogram(metrics, text, exchange, label, offsetof(struct metrics_shard, exchanges) + i * sizeof(struct histogram));
    }
    write_head(text, transfer, "histogram", "From submitting a transfer to its completion: the channel and the host alone.");
    write_histogram(metrics, text, transfer, "", offsetof(struct metrics_shard, transfers));
}

int metrics_write(const struct metrics *metrics, struct buf *text)
{
    write_head(text, "blobproxy_build_info", "gauge", "Versions of the program and of the libraries it runs with.");
    buf_printf(text, "blobproxy_build_info{version=\"%s\",libmicrohttpd=\"%s\",libevent=\"%s\"} 1\n", PACKAGE_VERSION,
               MHD_get_version(), event_get_version());
    write_rows(metrics, text);
    write_requests(metrics, text);
    write_histograms(metrics, text);
    metrics_process_write(&metrics->process, text);
    return text->failed;
}
