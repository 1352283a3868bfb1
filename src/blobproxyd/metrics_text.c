/* SPDX-License-Identifier: MIT */
/* The exposition: metrics.def row by row, each figure summed over the shards. */
#include "metrics_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

enum line_kind { LINE_FAMILY, LINE_VALUE, LINE_MICROS, LINE_BUCKETS, LINE_PROCESS, LINE_BUILD, LINE_REQUESTS, LINE_RESPONSES };

static const struct line {
    enum line_kind kind;
    unsigned place;          /* of the figure in the array of its kind */
    const char *text;        /* the family's exposed name, else the labels */
    const char *type, *help; /* of a family */
} lines[] = {
#define FAMILY(exposed, type, help) {LINE_FAMILY, 0, exposed, #type, help},
#define VALUE(name, labels, note) {LINE_VALUE, METRIC_##name, labels, NULL, NULL},
#define MICROS(name, labels, note) {LINE_MICROS, METRIC_##name, labels, NULL, NULL},
#define BUCKETS(name, labels, note) {LINE_BUCKETS, HISTOGRAM_##name, labels, NULL, NULL},
#define PROCESS(name) {LINE_PROCESS, PROCESS_##name, "", NULL, NULL},
#define TABLE(name, labels) {LINE_##name, 0, labels, NULL, NULL},
#include "metrics.def"
};

struct writer {
    const struct metrics *metrics;
    struct buf *text;
    const struct line *family;
    bool is_headed; /* its HELP and TYPE are written: only once it has a sample */
    double process[PROCESS_COUNT];
};

/* The figure at the same place of every shard, summed. */
static uint64_t sum(const struct writer *writer, const _Atomic uint64_t *of_first_shard)
{
    const struct metrics *metrics = writer->metrics;
    ptrdiff_t offset = (const char *)of_first_shard - (const char *)&metrics->shards[0];
    uint64_t total = 0;

    for (unsigned i = 0; i < metrics->shard_count; i++) {
        const _Atomic uint64_t *figure = (const _Atomic uint64_t *)(const void *)((const char *)&metrics->shards[i] + offset);

        total += atomic_load_explicit(figure, memory_order_relaxed);
    }
    return total;
}

/* Begins a line: the family's name, the suffix and the labels, up to the blank before the value. Either label may be "". */
static void begin_sample(struct writer *writer, const char *suffix, const char *labels, const char *more_labels)
{
    const struct line *family = writer->family;
    bool has_labels = *labels || *more_labels;

    if (!writer->is_headed)
        buf_printf(writer->text, "# HELP %s %s\n# TYPE %s %s\n", family->text, family->help, family->text, family->type);
    writer->is_headed = true;
    buf_printf(writer->text, "%s%s%s%s%s%s%s ", family->text, suffix, has_labels ? "{" : "", labels,
               *labels && *more_labels ? "," : "", more_labels, has_labels ? "}" : "");
}

static void write_count(struct writer *writer, const char *suffix, const char *labels, const char *more_labels, uint64_t value)
{
    begin_sample(writer, suffix, labels, more_labels);
    buf_printf(writer->text, "%" PRIu64 "\n", value);
}

static void write_micros(struct writer *writer, const char *suffix, const char *labels, uint64_t value_us)
{
    begin_sample(writer, suffix, labels, "");
    buf_printf(writer->text, "%" PRIu64 ".%06" PRIu64 "\n", value_us / 1000000, value_us % 1000000);
}

static void write_buckets(struct writer *writer, const struct line *line)
{
#define LABEL(bound_us, label) "le=\"" label "\"",
    static const char *const labels[] = {METRICS_BUCKETS(LABEL) "le=\"+Inf\""};
#undef LABEL
    const struct metrics_histogram *figures = &writer->metrics->shards[0].histograms[line->place];
    uint64_t sum_us = sum(writer, &figures->sum_us);
    uint64_t count = 0;

    for (size_t i = 0; i <= METRICS_BUCKET_COUNT; i++) {
        count += sum(writer, &figures->counts[i]);
        write_count(writer, "_bucket", line->text, labels[i], count);
    }
    write_micros(writer, "_sum", line->text, sum_us);
    write_count(writer, "_count", line->text, "", count);
}

static void write_build(struct writer *writer)
{
    char labels[METRICS_BUILD_BYTES];

    metrics_build_labels(labels);
    write_count(writer, "", labels, "", 1);
}

static void write_requests(struct writer *writer)
{
    static const char *const codes[METRICS_CODE_CLASSES] = {"2xx", "3xx", "4xx", "5xx"};

    for (size_t operation = 0; operation < OPERATION_COUNT; operation++) {
        for (size_t code = 0; code < METRICS_CODE_CLASSES; code++) {
            char labels[96];

            snprintf(labels, sizeof(labels), "operation=\"%s\",code=\"%s\"", operation_row((enum operation)operation)->label,
                     codes[code]);
            write_count(writer, "", labels, "", sum(writer, &writer->metrics->shards[0].requests[operation][code]));
        }
    }
}

static void write_responses(struct writer *writer)
{
    static const uint16_t statuses[] = {METRICS_STATUSES};
    const _Atomic uint64_t *figures = writer->metrics->shards[0].responses;
    char label[16];

    for (size_t i = 0; i < METRICS_STATUS_COUNT; i++) {
        snprintf(label, sizeof(label), "code=\"%u\"", statuses[i]);
        write_count(writer, "", label, "", sum(writer, &figures[i]));
    }
    write_count(writer, "", "code=\"other\"", "", sum(writer, &figures[METRICS_STATUS_COUNT]));
}

static void write_process(struct writer *writer, double value)
{
    if (isnan(value))
        return;
    begin_sample(writer, "", "", "");
    buf_printf(writer->text, "%.*f\n", value > (double)(uint64_t)value ? 6 : 0, value);
}

static void write_line(struct writer *writer, const struct line *line)
{
    const struct metrics_shard *first = &writer->metrics->shards[0];

    switch (line->kind) {
    case LINE_FAMILY:
        writer->family = line;
        writer->is_headed = false;
        break;
    case LINE_VALUE:
        write_count(writer, "", line->text, "", sum(writer, &first->values[line->place]));
        break;
    case LINE_MICROS:
        write_micros(writer, "", line->text, sum(writer, &first->values[line->place]));
        break;
    case LINE_BUCKETS:
        write_buckets(writer, line);
        break;
    case LINE_PROCESS:
        write_process(writer, writer->process[line->place]);
        break;
    case LINE_BUILD:
        write_build(writer);
        break;
    case LINE_REQUESTS:
        write_requests(writer);
        break;
    case LINE_RESPONSES:
        write_responses(writer);
        break;
    }
}

int metrics_write(const struct metrics *metrics, struct buf *text)
{
    struct writer writer = {.metrics = metrics, .text = text};

    metrics_process_read(&metrics->process, writer.process);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        write_line(&writer, &lines[i]);
    return text->failed;
}
