/* SPDX-License-Identifier: MIT */
/* Rates and quantiles out of two expositions. */
#include "../../src/blobproxyctl/figures.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#define NEAR 1e-9

static struct exposition before, now;
static struct figures figures;

static void read_into(struct exposition *exposition, const char *text)
{
    struct err err = {0};

    exposition_free(exposition);
    cr_assert_eq(exposition_read(text, strlen(text), exposition, &err), 0, "%s", err.text);
}

static void end(void)
{
    exposition_free(&before);
    exposition_free(&now);
}

static void make(const char *old_text, const char *new_text, double seconds)
{
    read_into(&before, old_text);
    read_into(&now, new_text);
    figures_make(&before, &now, seconds, 1000, &figures);
}

static const struct figures_latency *latency(const char *name)
{
    for (unsigned i = 0; i < figures.latency_count; i++)
        if (strcmp(figures.latencies[i].name, name) == 0)
            return &figures.latencies[i];
    cr_assert_fail("no row %s", name);
    return NULL;
}

TestSuite(figures, .fini = end);

Test(figures, rates_are_differences_over_the_time_between)
{
    make("blobproxy_body_bytes_total{direction=\"in\"} 100\nblobproxy_body_bytes_total{direction=\"out\"} 7\n"
         "process_cpu_seconds_total 1.5\n",
         "blobproxy_body_bytes_total{direction=\"in\"} 300\nblobproxy_body_bytes_total{direction=\"out\"} 7\n"
         "process_cpu_seconds_total 2.5\n",
         2);
    cr_expect_not(figures.is_from_start);
    cr_expect_float_eq(figures.in_bytes, 100, NEAR);
    cr_expect_float_eq(figures.out_bytes, 0, NEAR);
    cr_expect_float_eq(figures.cpu_seconds, 0.5, NEAR);
    cr_expect_float_eq(figures.seconds, 2, NEAR);
}

Test(figures, without_a_reading_before_rates_are_since_the_start)
{
    read_into(&now, "blobproxy_errors_total{kind=\"guard\"} 50\n");
    figures_make(NULL, &now, 0, 10, &figures);
    cr_expect(figures.is_from_start);
    cr_expect_float_eq(figures.errors, 5, NEAR);
    cr_expect_float_eq(figures.seconds, 10, NEAR);
}

Test(figures, a_daemon_started_anew_begins_at_nothing)
{
    make("process_start_time_seconds 1000\nblobproxy_errors_total{kind=\"guard\"} 40\n",
         "process_start_time_seconds 2000\nblobproxy_errors_total{kind=\"guard\"} 50\n", 1);
    cr_expect(figures.is_from_start);
    cr_expect_float_eq(figures.errors, 0.05, NEAR); /* 50 in 1000 s of uptime, not 10 in one */
}

Test(figures, gauges_are_as_they_are_now)
{
    make("blobproxy_connections 9\n",
         "blobproxy_connections 3\nblobproxy_slots{class=\"small\"} 256\nblobproxy_slots{class=\"large\"} 24\n"
         "blobproxy_slots_used{class=\"small\"} 5\nblobproxy_slots_used{class=\"large\"} 6\nblobproxy_slot_waiters 7\n"
         "blobproxy_slots_quarantined 8\nblobproxy_exchanges_in_flight 1\nblobproxy_transfers_in_flight 2\n"
         "blobproxy_channels_up 4\n",
         1);
    cr_expect_eq(figures.connections, 3.0);
    cr_expect_eq(figures.small.total, 256.0);
    cr_expect_eq(figures.small.used, 5.0);
    cr_expect_eq(figures.large.total, 24.0);
    cr_expect_eq(figures.large.used, 6.0);
    cr_expect_eq(figures.waiting, 7.0);
    cr_expect_eq(figures.quarantined, 8.0);
    cr_expect_eq(figures.exchanges, 1.0);
    cr_expect_eq(figures.transfers_in_flight, 2.0);
    cr_expect_eq(figures.channels_up, 4.0);
}

Test(figures, operations_are_those_ever_asked_for_with_the_busiest_first)
{
    make("blobproxy_requests_total{operation=\"GetBlob\",code=\"2xx\"} 10\n",
         "blobproxy_requests_total{operation=\"PutBlock\",code=\"2xx\"} 1\n"
         "blobproxy_requests_total{operation=\"GetBlob\",code=\"2xx\"} 20\n"
         "blobproxy_requests_total{operation=\"GetBlob\",code=\"4xx\"} 5\n"
         "blobproxy_requests_total{operation=\"GetBlob\",code=\"5xx\"} 3\n"
         "blobproxy_requests_total{operation=\"ListBlobs\",code=\"2xx\"} 0\n",
         1);
    cr_assert_eq(figures.operation_count, 2u);
    const struct figures_operation *first = &figures.operations[0], *second = &figures.operations[1];

    cr_expect_str_eq(first->name, "GetBlob");
    cr_expect_float_eq(first->requests, 18, NEAR);
    cr_expect_float_eq(first->client_errors, 5, NEAR);
    cr_expect_float_eq(first->server_errors, 3, NEAR);
    cr_expect_float_eq(first->total, 28, NEAR);
    cr_expect_str_eq(second->name, "PutBlock");
    cr_expect_float_eq(figures.requests, 19, NEAR);
}

Test(figures, errors_are_those_that_ever_happened)
{
    make("blobproxy_errors_total{kind=\"old\"} 9\n",
         "blobproxy_errors_total{kind=\"never\"} 0\nblobproxy_errors_total{kind=\"old\"} 9\n"
         "blobproxy_errors_total{kind=\"new\"} 2\n",
         1);
    cr_assert_eq(figures.error_count, 2u);
    cr_expect_str_eq(figures.error_kinds[0].kind, "new");
    cr_expect_float_eq(figures.error_kinds[0].errors, 2, NEAR);
    cr_expect_str_eq(figures.error_kinds[1].kind, "old");
    cr_expect_float_eq(figures.error_kinds[1].errors, 0, NEAR);
}

/* Cumulative counts at 1 ms, 10 ms, 100 ms and without a bound. */
static const char *buckets(char text[1024], const char *class, const char *route, int a, int b, int c, int d)
{
    static const char name[] = "blobproxy_request_duration_seconds_bucket";

    (void)snprintf(text, 1024,
                   "%s{class=\"%s\",route=\"%s\",le=\"0.001\"} %d\n%s{class=\"%s\",route=\"%s\",le=\"0.01\"} %d\n"
                   "%s{class=\"%s\",route=\"%s\",le=\"0.1\"} %d\n%s{class=\"%s\",route=\"%s\",le=\"+Inf\"} %d\n",
                   name, class, route, a, name, class, route, b, name, class, route, c, name, class, route, d);
    return text;
}

Test(figures, quantiles_are_interpolated_inside_of_a_bucket)
{
    char text[1024];

    make("", buckets(text, "read", "channel", 0, 100, 100, 100), 1);
    cr_expect_float_eq(latency("read")->requests, 100, NEAR);
    cr_expect_float_eq(latency("read")->p50, 0.001 + 0.5 * 0.009, NEAR);
    cr_expect_float_eq(latency("read")->p99, 0.001 + 0.99 * 0.009, NEAR);
    cr_expect_float_eq(latency("all")->p50, latency("read")->p50, NEAR);
    cr_expect(isnan(latency("write")->p50));
}

Test(figures, quantiles_are_of_what_came_since_then)
{
    char old_text[1024], new_text[1024];

    make(buckets(old_text, "read", "channel", 1000, 1000, 1000, 1000),
         buckets(new_text, "read", "channel", 1000, 1000, 1010, 1010), 1);
    cr_expect_float_eq(latency("read")->requests, 10, NEAR);
    cr_expect_float_eq(latency("read")->p50, 0.01 + 0.5 * 0.09, NEAR);
}

Test(figures, beyond_the_last_bound_is_at_the_last_bound)
{
    char text[1024];

    make("", buckets(text, "write", "channel", 0, 0, 0, 10), 1);
    cr_expect_float_eq(latency("write")->p50, 0.1, NEAR);
}

Test(figures, ways_and_classes_are_added_up)
{
    char channel[1024], upstream[1024], both[2048];

    (void)snprintf(both, sizeof(both), "%s%s", buckets(channel, "read", "channel", 90, 90, 90, 90),
                   buckets(upstream, "read", "upstream", 0, 0, 10, 10));
    make("", both, 1);
    cr_expect_float_eq(latency("read")->requests, 100, NEAR);
    cr_expect_float_eq(latency("read")->p50, 0.001 * 50 / 90, NEAR);
    cr_expect_float_eq(latency("read")->p95, 0.01 + 0.09 * 5 / 10, NEAR);
}

Test(figures, a_label_for_every_operation_there_could_be_does_no_harm)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (int i = 0; i < 3 * FIGURES_OPERATIONS_MAX; i++)
        (void)fprintf(out,
                      "blobproxy_requests_total{operation=\"%080d\",code=\"2xx\"} 1\nblobproxy_errors_total{kind=\"%d\"} 1\n"
                      "blobproxy_transfer_duration_seconds_bucket{le=\"%d\"} %d\n",
                      i, i, i, i);
    cr_assert_eq(fclose(out), 0);
    make("", text, 1);
    free(text);
    cr_expect_leq(figures.operation_count, (unsigned)FIGURES_OPERATIONS_MAX);
    cr_expect_eq(figures.error_count, (unsigned)FIGURES_ERRORS_MAX);
}

Test(figures, json_has_null_where_nothing_happened)
{
    char text[1024];

    make("", buckets(text, "read", "channel", 0, 100, 100, 100), 1);
    json_auto_t *object = figures_json(&figures);
    const json_t *latencies = json_object_get(object, "latency");

    cr_assert_not_null(object);
    cr_expect_float_eq(json_real_value(json_object_get(json_object_get(latencies, "read"), "p50_seconds")), 0.0055, NEAR);
    cr_expect(json_is_null(json_object_get(json_object_get(latencies, "list"), "p99_seconds")));
}
