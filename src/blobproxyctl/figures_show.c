/* SPDX-License-Identifier: MIT */
/* The figures as tables for people and as JSON for programs. */
#include "figures.h"
#include "table.h"

#include <errno.h>
#include <math.h>

#define MIB (1024.0 * 1024.0)

#define NO_COUNT (-1.0)

static void count(struct table *table, double value)
{
    if (value < 0)
        table_cell(table, TABLE_BLANK);
    else
        table_cell(table, "%.0f", value);
}

static int print_overview(const struct figures *figures, FILE *out)
{
    static const char *const headings[] = {"<PER SECOND", ">", "<NOW", ">", "<SLOTS", ">USED", ">TOTAL", ""};
    const struct {
        const char *rate, *now, *slots;
        double rate_value, now_value, used, total;
    } rows[] = {
        {"requests", "connections", "small", figures->requests, figures->connections, figures->small.used, figures->small.total},
        {"errors", "exchanges", "large", figures->errors, figures->exchanges, figures->large.used, figures->large.total},
        {"MiB in", "transfers", "waiting", figures->in_bytes / MIB, figures->transfers_in_flight, figures->waiting, NO_COUNT},
        {"MiB out", "upstream", "quarantined", figures->out_bytes / MIB, figures->upstream_in_flight, figures->quarantined,
         NO_COUNT},
        {"transfers", "channels up", TABLE_BLANK, figures->transfers, figures->channels_up, NO_COUNT, NO_COUNT},
        {"upstream", "memory MiB", TABLE_BLANK, figures->upstream, figures->memory / MIB, NO_COUNT, NO_COUNT},
        {"CPU seconds", TABLE_BLANK, TABLE_BLANK, figures->cpu_seconds, NO_COUNT, NO_COUNT, NO_COUNT},
    };
    CLEANUP(table_free) struct table table;

    table_init(&table, headings);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        table_cell(&table, "%s", rows[i].rate);
        table_cell(&table, "%.2f", rows[i].rate_value);
        table_cell(&table, "%s", rows[i].now);
        count(&table, rows[i].now_value);
        table_cell(&table, "%s", rows[i].slots);
        count(&table, rows[i].used);
        count(&table, rows[i].total);
    }
    return table_print(&table, out);
}

static void milliseconds(struct table *table, double seconds)
{
    if (isnan(seconds))
        table_cell(table, "-");
    else
        table_cell(table, "%.2f", 1000 * seconds);
}

static int print_latencies(const struct figures *figures, FILE *out)
{
    static const char *const headings[] = {"<LATENCY", ">PER SECOND", ">P50 MS", ">P95 MS", ">P99 MS", ""};
    CLEANUP(table_free) struct table table;

    table_init(&table, headings);
    for (unsigned i = 0; i < figures->latency_count; i++) {
        const struct figures_latency *row = &figures->latencies[i];

        table_cell(&table, "%s", row->name);
        table_cell(&table, "%.1f", row->requests);
        milliseconds(&table, row->p50);
        milliseconds(&table, row->p95);
        milliseconds(&table, row->p99);
    }
    return table_print(&table, out);
}

static int print_operations(const struct figures *figures, FILE *out)
{
    static const char *const headings[] = {"<OPERATION", ">PER SECOND", ">4XX PER SECOND", ">5XX PER SECOND", ">TOTAL", ""};
    CLEANUP(table_free) struct table table;

    table_init(&table, headings);
    for (unsigned i = 0; i < figures->operation_count; i++) {
        const struct figures_operation *row = &figures->operations[i];

        table_cell(&table, "%s", row->name);
        table_cell(&table, "%.1f", row->requests);
        table_cell(&table, "%.1f", row->client_errors);
        table_cell(&table, "%.1f", row->server_errors);
        table_cell(&table, "%.0f", row->total);
    }
    return table_print(&table, out);
}

static int print_errors(const struct figures *figures, FILE *out)
{
    static const char *const headings[] = {"<ERROR", ">PER SECOND", ">TOTAL", ""};
    CLEANUP(table_free) struct table table;

    table_init(&table, headings);
    for (unsigned i = 0; i < figures->error_count; i++) {
        table_cell(&table, "%s", figures->error_kinds[i].kind);
        table_cell(&table, "%.1f", figures->error_kinds[i].errors);
        table_cell(&table, "%.0f", figures->error_kinds[i].total);
    }
    return table_print(&table, out);
}

int figures_print(const struct figures *figures, FILE *out)
{
    int (*const tables[])(const struct figures *, FILE *) = {print_overview, print_latencies, print_operations, print_errors};
    size_t count = figures->error_count ? 4 : 3;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)fputc('\n', out);
        if (tables[i](figures, out) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- JSON: a failed allocation makes a value NULL, and whatever it is put into ---- */

static json_t *quantile_of(double seconds)
{
    return isnan(seconds) ? json_null() : json_real(seconds);
}

static json_t *slots_of(const struct figures_slots *slots)
{
    return json_pack("{s:I, s:I}", "total", (json_int_t)slots->total, "used", (json_int_t)slots->used);
}

static json_t *latencies_of(const struct figures *figures)
{
    json_t *rows = json_object();

    for (unsigned i = 0; i < figures->latency_count; i++) {
        const struct figures_latency *row = &figures->latencies[i];
        json_t *item = json_pack("{s:f, s:o, s:o, s:o}", "per_second", row->requests, "p50_seconds", quantile_of(row->p50),
                                 "p95_seconds", quantile_of(row->p95), "p99_seconds", quantile_of(row->p99));

        if (json_object_set_new(rows, row->name, item) < 0)
            return NULL;
    }
    return rows;
}

static json_t *operations_of(const struct figures *figures)
{
    json_t *rows = json_object();

    for (unsigned i = 0; i < figures->operation_count; i++) {
        const struct figures_operation *row = &figures->operations[i];
        json_t *item = json_pack("{s:f, s:f, s:f, s:I}", "per_second", row->requests, "status_4xx_per_second", row->client_errors,
                                 "status_5xx_per_second", row->server_errors, "total", (json_int_t)row->total);

        if (json_object_set_new(rows, row->name, item) < 0)
            return NULL;
    }
    return rows;
}

static json_t *errors_of(const struct figures *figures)
{
    json_t *rows = json_object();

    for (unsigned i = 0; i < figures->error_count; i++) {
        const struct figures_error *row = &figures->error_kinds[i];

        if (json_object_set_new(rows, row->kind,
                                json_pack("{s:f, s:I}", "per_second", row->errors, "total", (json_int_t)row->total)) < 0)
            return NULL;
    }
    return rows;
}

static json_t *rates_of(const struct figures *figures)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "requests", figures->requests, "errors", figures->errors,
                     "body_bytes_in", figures->in_bytes, "body_bytes_out", figures->out_bytes, "transfers", figures->transfers,
                     "upstream", figures->upstream, "cpu_seconds", figures->cpu_seconds);
}

static json_t *gauges_of(const struct figures *figures)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "connections", (json_int_t)figures->connections, "exchanges",
                     (json_int_t)figures->exchanges, "transfers", (json_int_t)figures->transfers_in_flight, "upstream",
                     (json_int_t)figures->upstream_in_flight, "channels_up", (json_int_t)figures->channels_up, "memory_bytes",
                     (json_int_t)figures->memory);
}

json_t *figures_json(const struct figures *figures)
{
    return json_pack("{s:f, s:b, s:o, s:o, s:{s:o, s:o, s:I, s:I}, s:o, s:o, s:o}", "seconds", figures->seconds, "from_start",
                     figures->is_from_start, "per_second", rates_of(figures), "now", gauges_of(figures), "slots", "small",
                     slots_of(&figures->small), "large", slots_of(&figures->large), "waiting", (json_int_t)figures->waiting,
                     "quarantined", (json_int_t)figures->quarantined, "latency", latencies_of(figures), "operations",
                     operations_of(figures), "errors", errors_of(figures));
}
