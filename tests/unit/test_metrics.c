/* SPDX-License-Identifier: MIT */
/* The exposition, read back as a scraper reads it. */
#include "../../src/blobproxyd/metrics.h"
#include "../../src/blobproxyd/metrics_process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
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

/* Every line that is no comment. */
static unsigned count_series(void)
{
    unsigned count = 0;

    for (const char *line = text.bytes; line && *line; line = strchr(line, '\n') + 1)
        count += *line != '#';
    return count;
}

/* The exposition without its values. */
static void copy_names(struct buf *names)
{
    buf_clear(names);
    for (const char *line = text.bytes; line && *line; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n'), *value = memrchr(line, ' ', (size_t)(end - line));

        cr_assert_eq(buf_append(names, line, (size_t)((*line == '#' ? end : value) - line)), 0);
        cr_assert_eq(buf_puts(names, "\n"), 0);
    }
}

static void expect_zero(const char *name, const char *labels)
{
    char series[256];

    snprintf(series, sizeof(series), *labels ? "%s{%s}" : "%s%s", name, labels);
    cr_expect_eq(value_of(series), 0.0, "%s", series);
}

Test(metrics, every_row_is_there_at_zero_from_the_start)
{
    static const struct row {
        const char *family, *value_labels, *histogram_labels;
    } rows[] = {
#define FAMILY(exposed, type, help) {exposed, NULL, NULL},
#define VALUE(name, labels, note) {NULL, labels, NULL},
#define BUCKETS(name, labels, note) {NULL, NULL, labels},
#include "../../src/blobproxyd/metrics.def"
    };
    char name[80] = "";

    scrape();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].family)
            snprintf(name, sizeof(name), "%s", rows[i].family);
        else if (rows[i].histogram_labels)
            strcat(name, "_count");
        if (!rows[i].family && strcmp(name, "blobproxy_shards") != 0 && strcmp(name, "blobproxy_loop_silence_seconds") != 0)
            expect_zero(name, rows[i].value_labels ? rows[i].value_labels : rows[i].histogram_labels);
        if (rows[i].histogram_labels)
            name[strlen(name) - strlen("_count")] = '\0';
    }
}

Test(metrics, every_operation_and_every_known_status_are_there_at_zero_from_the_start)
{
    static const char *const codes[] = {"2xx", "3xx", "4xx", "5xx"};
    char labels[96];

    scrape();
    for (unsigned i = 0; i < OPERATION_COUNT * 4; i++) {
        snprintf(labels, sizeof(labels), "operation=\"%s\",code=\"%s\"", operation_row(i / 4)->label, codes[i % 4]);
        expect_zero("blobproxy_requests_total", labels);
    }
    expect_zero("blobproxy_responses_total", "code=\"206\"");
    expect_zero("blobproxy_responses_total", "code=\"other\"");
}

Test(metrics, no_operation_and_no_status_adds_a_series_and_the_budget_holds)
{
    struct buf before, after;

    buf_init(&before, TEXT_MAX_BYTES);
    buf_init(&after, TEXT_MAX_BYTES);
    scrape();
    copy_names(&before);
    for (unsigned status = 0; status < 2000; status++)
        for (enum operation operation = 0; operation < OPERATION_COUNT; operation++) {
            metrics_answer(metrics_shard(metrics, status % 3), operation, status);
            metrics_request(metrics_shard(metrics, status % 3), operation, status % 2, (uint64_t)status << 40);
        }
    scrape();
    copy_names(&after);
    cr_expect_str_eq(after.bytes, before.bytes);
    cr_expect_leq(count_series(), METRICS_SERIES_MAX);
    /* Room for values of ten digits more in each line. */
    cr_expect_leq(before.len + 12 * count_series(), METRICS_TEXT_MAX_BYTES);
    buf_free(&before);
    buf_free(&after);
}

Test(metrics, help_and_type_stand_once_before_all_samples_of_their_name)
{
    char seen[200][80];
    char current[80] = "";
    size_t seen_count = 0;

    scrape();
    for (char *line = strtok(text.bytes, "\n"); line; line = strtok(NULL, "\n")) {
        char name[80];
        if (sscanf(line, "# HELP %79s", name) == 1) {
            for (size_t i = 0; i < seen_count; i++)
                cr_expect_str_neq(seen[i], name, "%s has two HELP lines", name);
            strcpy(seen[seen_count++], name);
            strcpy(current, name);
            cr_expect_eq(line[strlen(line) - 1], '.', "%s has no sentence as help", name);
        } else if (sscanf(line, "# TYPE %79s", name) == 1) {
            cr_expect_str_eq(name, current);
        } else {
            cr_expect_eq(strncmp(line, current, strlen(current)), 0, "%s does not stand with %s", line, current);
        }
    }
    cr_expect_gt(seen_count, 40u);
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

Test(metrics, an_answer_counts_by_operation_and_class_and_by_status)
{
    metrics_answer(metrics_shard(metrics, 0), OPERATION_GetBlob, 206);
    metrics_answer(metrics_shard(metrics, 1), OPERATION_GetBlob, 206);
    metrics_answer(metrics_shard(metrics, 1), OPERATION_GetBlob, 304);
    metrics_answer(metrics_shard(metrics, 1), OPERATION_PutBlock, 206);
    scrape();
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"GetBlob\",code=\"2xx\"}"), 2.0);
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"GetBlob\",code=\"3xx\"}"), 1.0);
    cr_expect_eq(value_of("blobproxy_responses_total{code=\"206\"}"), 3.0);
    cr_expect_eq(value_of("blobproxy_responses_total{code=\"304\"}"), 1.0);
}

Test(metrics, statuses_that_nobody_knows_share_one_series_and_those_that_are_none_are_failures)
{
    static const unsigned statuses[] = {0, 99, 299, 418, 599, 600, 999, 4000000000u};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        metrics_answer(metrics_shard(metrics, 0), OPERATION_PutBlockBlob, statuses[i]);
    scrape();
    cr_expect_eq(value_of("blobproxy_responses_total{code=\"other\"}"), 8.0);
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"PutBlockBlob\",code=\"2xx\"}"), 1.0);
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"PutBlockBlob\",code=\"4xx\"}"), 1.0);
    cr_expect_eq(value_of("blobproxy_requests_total{operation=\"PutBlockBlob\",code=\"5xx\"}"), 6.0);
}

Test(metrics, requests_fall_into_their_class_and_route)
{
    static const enum operation operations[] = {OPERATION_GetBlob,    OPERATION_GetBlobProperties, OPERATION_PutBlockBlob,
                                                OPERATION_DeleteBlob, OPERATION_LeaseBlob,         OPERATION_ListBlobs};
    struct metrics_shard *shard = metrics_shard(metrics, 0);

    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        metrics_request(shard, operations[i], false, 10);
    metrics_request(shard, OPERATION_Unknown, true, 10);
    metrics_request(shard, OPERATION_GetBlob, true, 2000000);
    scrape();
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_count{class=\"read\",route=\"channel\"}"), 2.0);
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_count{class=\"write\",route=\"channel\"}"), 3.0);
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_count{class=\"list\",route=\"channel\"}"), 1.0);
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_count{class=\"other\",route=\"channel\"}"), 0.0);
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_count{class=\"other\",route=\"upstream\"}"), 1.0);
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_sum{class=\"read\",route=\"upstream\"}"), 2.0);
}

Test(metrics, a_figure_kept_in_microseconds_is_told_in_seconds)
{
    metrics_set(metrics_shard(metrics, 2), METRIC_LOOP_SILENCE, 1250001);
    scrape();
    cr_expect_float_eq(value_of("blobproxy_loop_silence_seconds"), 1.250001, 1e-9);
}

Test(metrics, the_shards_are_told)
{
    scrape();
    cr_expect_eq(value_of("blobproxy_shards"), 2.0);
}

Test(metrics, buckets_are_cumulative_and_a_bound_belongs_to_its_bucket)
{
    struct metrics_shard *shard = metrics_shard(metrics, 0);
    metrics_observe(shard, HISTOGRAM_TRANSFER, 0);
    metrics_observe(shard, HISTOGRAM_TRANSFER, 100);      /* exactly 0.0001 */
    metrics_observe(shard, HISTOGRAM_TRANSFER, 101);      /* the next one */
    metrics_observe(shard, HISTOGRAM_TRANSFER, 60000000); /* exactly the last bound */
    metrics_observe(shard, HISTOGRAM_TRANSFER, 60000001); /* beyond every bound */
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
        metrics_request(metrics_shard(metrics, 1), OPERATION_ListBlobs, false, us);
    scrape();
    for (char *line = strtok(text.bytes, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "blobproxy_request_duration_seconds_bucket{class=\"list\",route=\"channel\",le=\"%lf\"} %lf", &bound,
                   &count) != 2)
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

Test(metrics, descriptors_counted_one_by_one_are_as_many_as_the_kernel_says)
{
    int high = fcntl(1, F_DUPFD, 200);
    scrape();
    cr_expect_eq((double)metrics_process_count_fds(256), value_of("process_open_fds"));
    cr_expect_eq(metrics_process_count_fds(201), metrics_process_count_fds(200) + 1);
    close(high);
}

Test(metrics, the_build_is_named)
{
    scrape();
    cr_expect_not_null(strstr(text.bytes, "blobproxy_build_info{version=\""));
    static const char *const labels[] = {"revision", "libmicrohttpd", "libevent", "libcurl", "gnutls"};
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        char begin[32];
        snprintf(begin, sizeof(begin), ",%s=\"", labels[i]);
        const char *found = strstr(text.bytes, begin);
        cr_assert_not_null(found, "no %s", labels[i]);
        cr_expect_neq(found[strlen(begin)], '"', "%s is empty", labels[i]);
    }
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
        metrics_add(shard, METRIC_CONNECTIONS_TCP, 1);
        metrics_request(shard, OPERATION_GetBlob, false, i);
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
    cr_expect_eq(value_of("blobproxy_connections_accepted_total{listener=\"tcp\"}"), 2.0 * WRITES);
    cr_expect_eq(value_of("blobproxy_request_duration_seconds_count{class=\"read\",route=\"channel\"}"), 2.0 * WRITES);
}
