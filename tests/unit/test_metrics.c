/* SPDX-License-Identifier: MIT */
/* The exposition, read back as a scraper reads it. */
#include "../../src/blobproxyd/metrics.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX_BYTES (1u << 20)

static struct metrics *metrics;
static struct buf text;

static void make_metrics(void)
{
    cr_assert_eq(metrics_new(2, &metrics), 0);
    buf_init(&text, TEXT_MAX_BYTES);
}

static void free_metrics(void)
{
    metrics = metrics_free(metrics);
    buf_free(&text);
}

static void scrape(void)
{
    buf_clear(&text);
    cr_assert_eq(metrics_write(metrics, &text), 0);
}

/* The value of a series named exactly so, or -1. */
static double value_of(const char *series)
{
    size_t len = strlen(series);

    for (const char *line = text.bytes; line && *line; line = strchr(line, '\n') + 1) {
        double value;
        if (strncmp(line, series, len) == 0 && line[len] == ' ' && sscanf(line + len, "%lf", &value) == 1)
            return value;
    }
    return -1;
}

TestSuite(metrics, .init = make_metrics, .fini = free_metrics);

Test(metrics, every_row_is_there_at_zero_from_the_start)
{
    static const struct {
        const char *exposed, *labels;
    } rows[] = {
#define COUNTER(name, exposed, labels, help) {exposed, labels},
#define GAUGE(name, exposed, labels, help) {exposed, labels},
#include "../../src/blobproxyd/metrics.def"
#undef COUNTER
#undef GAUGE
    };
    scrape();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char series[256];
        bool has_labels = *rows[i].labels != '\0';
        snprintf(series, sizeof(series), "%s%s%s%s", rows[i].exposed, has_labels ? "{" : "", rows[i].labels,
                 has_labels ? "}" : "");
        cr_expect_eq(value_of(series), 0.0, "%s", series);
    }
}

Test(metrics, help_and_type_stand_once_before_all_samples_of_their_name)
{
    char seen[200][80];
    char current[80] = "";
    size_t seen_count = 0;

    metrics_exchange(metrics_shard(metrics, 0), OPERATION_GetBlob, 200, 1);
    metrics_exchange(metrics_shard(metrics, 0), OPERATION_ListBlobs, 404, 1);
    scrape();
    for (char *line = strtok(text.bytes, "\n"); line; line = strtok(NULL, "\n")) {
        char name[80];
        if (sscanf(line, "# HELP %79s", name) == 1) {
            for (size_t i = 0; i < seen_count; i++)
                cr_expect_str_neq(seen[i], name, "%s has two HELP lines", name);
            strcpy(seen[seen_count++], name);
            strcpy(current, name);
            cr_expect(strlen(line) > strlen("# HELP ") + strlen(name) + 1, "%s has no help", name);
        } else if (sscanf(line, "# TYPE %79s", name) == 1) {
            cr_expect_str_eq(name, current);
        } else {
            cr_expect_eq(strncmp(line, current, strlen(current)), 0, "%s does not stand with %s", line, current);
        }
    }
    cr_expect_gt(seen_count, 20u);
}

Test(metrics, shards_are_summed)
{
    metrics_add(metrics_shard(metrics, 0), METRIC_BYTES_IN, 3);
    metrics_add(metrics_shard(metrics, 1), METRIC_BYTES_IN, 4);
    metrics_add(metrics_shard(metrics, 2), METRIC_BYTES_IN, 5); /* the main thread's */
    metrics_set(metrics_shard(metrics, 0), METRIC_CHANNEL_UP, 7);
    metrics_set(metrics_shard(metrics, 0), METRIC_CHANNEL_UP, 1);
    metrics_set(metrics_shard(metrics, 1), METRIC_CHANNEL_UP, 1);
    scrape();
    cr_expect_eq(value_of("blobproxy_body_bytes_total{direction=\"in\"}"), 12.0);
    cr_expect_eq(value_of("blobproxy_body_bytes_total{direction=\"out\"}"), 0.0);
    cr_expect_eq(value_of("blobproxy_channels_up"), 2.0);
}

Test(metrics, a_gauge_goes_down_again)
{
    struct metrics_shard *shard = metrics_shard(metrics, 0);
    metrics_add(shard, METRIC_EXCHANGES, 3);
    metrics_add(shard, METRIC_EXCHANGES, (uint64_t)-1);
    scrape();
    cr_expect_eq(value_of("blobproxy_exchanges_in_flight"), 2.0);
}

Test(metrics, requests_appear_with_their_first_exchange)
{
    scrape();
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"GetBlob\",code=\"206\"}"), -1.0);
    metrics_exchange(metrics_shard(metrics, 0), OPERATION_GetBlob, 206, 10);
    metrics_exchange(metrics_shard(metrics, 1), OPERATION_GetBlob, 206, 10);
    scrape();
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"GetBlob\",code=\"206\"}"), 2.0);
}

Test(metrics, statuses_that_nobody_knows_share_one_series)
{
    static const unsigned statuses[] = {0, 99, 299, 418, 599, 600, 999, 4000000000u};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        metrics_exchange(metrics_shard(metrics, 0), OPERATION_PutBlockBlob, statuses[i], 10);
    scrape();
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"PutBlockBlob\",code=\"other\"}"), 8.0);
}

Test(metrics, operations_fall_into_their_class)
{
    struct metrics_shard *shard = metrics_shard(metrics, 0);
    metrics_exchange(shard, OPERATION_GetBlob, 200, 10);
    metrics_exchange(shard, OPERATION_GetBlobProperties, 200, 10);
    metrics_exchange(shard, OPERATION_PutBlockBlob, 201, 10);
    metrics_exchange(shard, OPERATION_DeleteBlob, 202, 10);
    metrics_exchange(shard, OPERATION_LeaseBlob, 200, 10);
    metrics_exchange(shard, OPERATION_ListBlobs, 200, 10);
    metrics_exchange(shard, OPERATION_Unknown, 400, 10);
    scrape();
    cr_expect_eq(value_of("blobproxy_exchange_duration_seconds_count{class=\"read\"}"), 2.0);
    cr_expect_eq(value_of("blobproxy_exchange_duration_seconds_count{class=\"write\"}"), 3.0);
    cr_expect_eq(value_of("blobproxy_exchange_duration_seconds_count{class=\"list\"}"), 1.0);
    cr_expect_eq(value_of("blobproxy_exchange_duration_seconds_count{class=\"other\"}"), 1.0);
}

Test(metrics, buckets_are_cumulative_and_a_bound_belongs_to_its_bucket)
{
    struct metrics_shard *shard = metrics_shard(metrics, 0);
    metrics_transfer(shard, 0);
    metrics_transfer(shard, 100);      /* exactly 0.0001 */
    metrics_transfer(shard, 101);      /* the next one */
    metrics_transfer(shard, 60000000); /* exactly the last bound */
    metrics_transfer(shard, 60000001); /* beyond every bound */
    scrape();
    cr_expect_eq(value_of("blobproxy_transfer_duration_seconds_bucket{le=\"0.0001\"}"), 2.0);
    cr_expect_eq(value_of("blobproxy_transfer_duration_seconds_bucket{le=\"0.00025\"}"), 3.0);
    cr_expect_eq(value_of("blobproxy_transfer_duration_seconds_bucket{le=\"30.0\"}"), 3.0);
    cr_expect_eq(value_of("blobproxy_transfer_duration_seconds_bucket{le=\"60.0\"}"), 4.0);
    cr_expect_eq(value_of("blobproxy_transfer_duration_seconds_bucket{le=\"+Inf\"}"), 5.0);
    cr_expect_eq(value_of("blobproxy_transfer_duration_seconds_count"), 5.0);
    cr_expect_float_eq(value_of("blobproxy_transfer_duration_seconds_sum"), 120.000202, 1e-9);
}

Test(metrics, bucket_counts_and_bounds_never_decrease)
{
    double last = -1, last_bound = 0, bound, count;
    unsigned lines = 0;

    for (uint64_t us = 1; us < 100000000; us *= 3)
        metrics_exchange(metrics_shard(metrics, 1), OPERATION_ListBlobs, 200, us);
    scrape();
    for (char *line = strtok(text.bytes, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "blobproxy_exchange_duration_seconds_bucket{class=\"list\",le=\"%lf\"} %lf", &bound, &count) != 2)
            continue;
        cr_expect_geq(count, last, "%s", line);
        cr_expect_gt(bound, last_bound, "%s", line);
        last = count;
        last_bound = bound;
        lines++;
    }
    cr_expect_eq(lines, 19u);
    cr_expect_eq(last, 17.0);
}

Test(metrics, the_process_tells_of_itself)
{
    double now = (double)time(NULL);

    scrape();
    cr_expect_geq(value_of("process_threads"), 1.0);
    cr_expect_geq(value_of("process_open_fds"), 3.0);
    cr_expect_gt(value_of("process_max_fds"), value_of("process_open_fds"));
    cr_expect_gt(value_of("process_resident_memory_bytes"), 100000.0);
    cr_expect_gt(value_of("process_virtual_memory_bytes"), value_of("process_resident_memory_bytes"));
    cr_expect_gt(value_of("process_cpu_seconds_total"), 0.0);
    cr_expect_leq(value_of("process_start_time_seconds"), now + 1);
    cr_expect_gt(value_of("process_start_time_seconds"), now - 3600);
}

Test(metrics, an_open_file_counts)
{
    scrape();
    double before = value_of("process_open_fds");
    int fd = dup(1);
    scrape();
    cr_expect_eq(value_of("process_open_fds"), before + 1);
    close(fd);
}

Test(metrics, the_build_is_named)
{
    scrape();
    cr_expect_not_null(strstr(text.bytes, "blobproxy_build_info{version=\""));
    cr_expect_not_null(strstr(text.bytes, ",libmicrohttpd=\""));
    cr_expect_not_null(strstr(text.bytes, ",libevent=\""));
}

Test(metrics, a_text_that_does_not_fit_is_an_error)
{
    struct buf small;
    buf_init(&small, 100);
    cr_expect_eq(metrics_write(metrics, &small), -ENOBUFS);
    buf_free(&small);
}

#define WRITES 100000u

static void *count_up(void *shard)
{
    for (unsigned i = 0; i < WRITES; i++) {
        metrics_add(shard, METRIC_CONNECTIONS, 1);
        metrics_exchange(shard, OPERATION_GetBlob, 200, i);
    }
    return NULL;
}

Test(metrics, writers_on_their_own_threads_lose_nothing_while_somebody_scrapes)
{
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count_up, metrics_shard(metrics, i)), 0);
    for (int i = 0; i < 20; i++)
        scrape();
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    scrape();
    cr_expect_eq(value_of("blobproxy_connections_accepted_total"), 2.0 * WRITES);
    cr_expect_eq(value_of("blobproxy_exchange_duration_seconds_count{class=\"read\"}"), 2.0 * WRITES);
}
