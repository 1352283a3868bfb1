/* SPDX-License-Identifier: MIT */
/* Differences of counters and histograms. */
#include "figures.h"

#include <math.h>
#include <string.h>

#define BUCKETS_MAX 64
#define REQUESTS "blobproxy_requests_total"
#define ERRORS "blobproxy_errors_total"
#define ROUTES "blobproxy_routed_exchanges_total"
#define BYTES "blobproxy_body_bytes_total"
#define DURATION "blobproxy_request_duration_seconds_bucket"
#define TRANSFER "blobproxy_transfer_duration_seconds_bucket"

struct span {
    const struct exposition *before; /* NULL: from the start, where all was 0 */
    const struct exposition *now;
    double seconds;
};

static double per_second(const struct span *span, const char *name, const char *label, const char *value)
{
    double now = exposition_sum(span->now, name, label, value);
    double before = span->before ? exposition_sum(span->before, name, label, value) : 0;

    return (now >= before ? now - before : now) / span->seconds;
}

/* By how much this counter has grown. */
static double growth(const struct span *span, const struct sample *sample)
{
    for (size_t i = 0; span->before && i < span->before->count; i++) {
        const struct sample *old = &span->before->samples[i];

        if (strcmp(old->name, sample->name) == 0 && strcmp(old->labels, sample->labels) == 0)
            return old->value <= sample->value ? sample->value - old->value : sample->value;
    }
    return sample->value;
}

/* ---- operations ---- */

/* The operation's row, a new one if need be; NULL: the table is full. */
static struct figures_operation *operation_row(struct figures *figures, const char *name)
{
    for (unsigned i = 0; i < figures->operation_count; i++)
        if (strcmp(figures->operations[i].name, name) == 0)
            return &figures->operations[i];
    if (figures->operation_count == FIGURES_OPERATIONS_MAX)
        return NULL;
    struct figures_operation *row = &figures->operations[figures->operation_count++];

    memcpy(row->name, name, strlen(name) + 1);
    return row;
}

static void add_request(struct figures *figures, const struct span *span, const struct sample *sample)
{
    char name[EXPOSITION_LABEL_BYTES], code[EXPOSITION_LABEL_BYTES] = "";
    double rate = growth(span, sample) / span->seconds;
    struct figures_operation *row;

    if (sample->value <= 0 || !exposition_label(sample, "operation", name))
        return;
    row = operation_row(figures, name);
    if (!row)
        return;
    (void)exposition_label(sample, "code", code);
    row->requests += rate;
    row->client_errors += code[0] == '4' ? rate : 0;
    row->server_errors += code[0] == '5' ? rate : 0;
    row->total += sample->value;
}

static int compare(double a_rate, double b_rate, double a_total, double b_total, const char *a_name, const char *b_name)
{
    if (a_rate < b_rate || a_rate > b_rate)
        return a_rate < b_rate ? 1 : -1;
    if (a_total < b_total || a_total > b_total)
        return a_total < b_total ? 1 : -1;
    return strcmp(a_name, b_name);
}

static int compare_operations(const void *a, const void *b)
{
    const struct figures_operation *left = a, *right = b;

    return compare(left->requests, right->requests, left->total, right->total, left->name, right->name);
}

static int compare_errors(const void *a, const void *b)
{
    const struct figures_error *left = a, *right = b;

    return compare(left->errors, right->errors, left->total, right->total, left->kind, right->kind);
}

static void add_error(struct figures *figures, const struct span *span, const struct sample *sample)
{
    struct figures_error *row = &figures->error_kinds[figures->error_count];

    if (sample->value <= 0 || figures->error_count == FIGURES_ERRORS_MAX || !exposition_label(sample, "kind", row->kind))
        return;
    row->errors = growth(span, sample) / span->seconds;
    row->total = sample->value;
    figures->error_count++;
}

static void add_rows(struct figures *figures, const struct span *span)
{
    for (size_t i = 0; i < span->now->count; i++) {
        const struct sample *sample = &span->now->samples[i];

        if (strcmp(sample->name, REQUESTS) == 0)
            add_request(figures, span, sample);
        else if (strcmp(sample->name, ERRORS) == 0)
            add_error(figures, span, sample);
    }
    qsort(figures->operations, figures->operation_count, sizeof(figures->operations[0]), compare_operations);
    qsort(figures->error_kinds, figures->error_count, sizeof(figures->error_kinds[0]), compare_errors);
}

/* ---- latencies ---- */

struct buckets {
    unsigned count;
    double bounds[BUCKETS_MAX]; /* ascending, the last one infinite */
    double counts[BUCKETS_MAX]; /* what grew up to the bound */
};

/* The place of the bound, made if need be. */
static unsigned bucket_place(struct buckets *buckets, double bound)
{
    unsigned place = 0;

    while (place < buckets->count && buckets->bounds[place] < bound)
        place++;
    if ((place < buckets->count && buckets->bounds[place] <= bound) || buckets->count == BUCKETS_MAX)
        return place < BUCKETS_MAX ? place : BUCKETS_MAX - 1;
    unsigned after = buckets->count++ - place;

    memmove(&buckets->bounds[place + 1], &buckets->bounds[place], after * sizeof(buckets->bounds[0]));
    memmove(&buckets->counts[place + 1], &buckets->counts[place], after * sizeof(buckets->counts[0]));
    buckets->bounds[place] = bound;
    buckets->counts[place] = 0;
    return place;
}

static void add_buckets(struct buckets *buckets, const struct span *span, const char *name, const char *class)
{
    char has[EXPOSITION_LABEL_BYTES], bound[EXPOSITION_LABEL_BYTES];

    for (size_t i = 0; i < span->now->count; i++) {
        const struct sample *sample = &span->now->samples[i];

        if (strcmp(sample->name, name) != 0 || !exposition_label(sample, "le", bound))
            continue;
        if (class && (!exposition_label(sample, "class", has) || strcmp(has, class) != 0))
            continue;
        buckets->counts[bucket_place(buckets, strtod(bound, NULL))] += growth(span, sample);
    }
}

static double quantile(const struct buckets *buckets, double part)
{
    unsigned last = buckets->count - 1, place = 0;
    double rank = part * buckets->counts[last];

    while (place < last && buckets->counts[place] < rank)
        place++;
    if (place == last && last > 0)
        return buckets->bounds[last - 1];
    double from = place > 0 ? buckets->bounds[place - 1] : 0, under = place > 0 ? buckets->counts[place - 1] : 0;

    return from + (buckets->bounds[place] - from) * (rank - under) / (buckets->counts[place] - under);
}

static void add_latency(struct figures *figures, const struct span *span, const char *metric, const char *class, const char *name)
{
    struct figures_latency *row = &figures->latencies[figures->latency_count++];
    struct buckets buckets = {0};

    (void)snprintf(row->name, sizeof(row->name), "%s", name);
    add_buckets(&buckets, span, metric, class);
    double count = buckets.count > 0 ? buckets.counts[buckets.count - 1] : 0;
    bool is_known = count > 0 && buckets.count > 1;

    row->requests = count / span->seconds;
    row->p50 = is_known ? quantile(&buckets, 0.5) : (double)NAN;
    row->p95 = is_known ? quantile(&buckets, 0.95) : (double)NAN;
    row->p99 = is_known ? quantile(&buckets, 0.99) : (double)NAN;
}

/* ---- all together ---- */

static void add_gauges(struct figures *figures, const struct exposition *now)
{
    figures->connections = exposition_sum(now, "blobproxy_connections", NULL, NULL);
    figures->exchanges = exposition_sum(now, "blobproxy_exchanges_in_flight", NULL, NULL);
    figures->transfers_in_flight = exposition_sum(now, "blobproxy_transfers_in_flight", NULL, NULL);
    figures->upstream_in_flight = exposition_sum(now, "blobproxy_upstream_exchanges_in_flight", NULL, NULL);
    figures->channels_up = exposition_sum(now, "blobproxy_channels_up", NULL, NULL);
    figures->memory = exposition_sum(now, "process_resident_memory_bytes", NULL, NULL);
    figures->waiting = exposition_sum(now, "blobproxy_slot_waiters", NULL, NULL);
    figures->quarantined = exposition_sum(now, "blobproxy_slots_quarantined", NULL, NULL);
    figures->small.total = exposition_sum(now, "blobproxy_slots", "class", "small");
    figures->small.used = exposition_sum(now, "blobproxy_slots_used", "class", "small");
    figures->large.total = exposition_sum(now, "blobproxy_slots", "class", "large");
    figures->large.used = exposition_sum(now, "blobproxy_slots_used", "class", "large");
}

static void add_rates(struct figures *figures, const struct span *span)
{
    figures->requests = per_second(span, REQUESTS, NULL, NULL);
    figures->errors = per_second(span, ERRORS, NULL, NULL);
    figures->in_bytes = per_second(span, BYTES, "direction", "in");
    figures->out_bytes = per_second(span, BYTES, "direction", "out");
    figures->transfers = per_second(span, "blobproxy_transfers_total", NULL, NULL);
    figures->upstream = per_second(span, ROUTES, "route", "upstream");
    figures->cpu_seconds = per_second(span, "process_cpu_seconds_total", NULL, NULL);
}

static bool is_same_process(const struct exposition *before, const struct exposition *now)
{
    static const char start[] = "process_start_time_seconds";

    return fabs(exposition_sum(before, start, NULL, NULL) - exposition_sum(now, start, NULL, NULL)) < 0.5;
}

void figures_make(const struct exposition *before, const struct exposition *now, double seconds, double uptime,
                  struct figures *ret_figures)
{
    static const char *const classes[] = {"read", "write", "list", "other"};
    bool is_from_start = !before || !is_same_process(before, now);
    const struct span span = {is_from_start ? NULL : before, now, is_from_start ? uptime : seconds};

    memset(ret_figures, 0, sizeof(*ret_figures));
    ret_figures->seconds = span.seconds;
    ret_figures->is_from_start = is_from_start;
    add_rates(ret_figures, &span);
    add_gauges(ret_figures, now);
    add_rows(ret_figures, &span);
    add_latency(ret_figures, &span, DURATION, NULL, "all");
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        add_latency(ret_figures, &span, DURATION, classes[i], classes[i]);
    add_latency(ret_figures, &span, TRANSFER, NULL, "transfer");
}
