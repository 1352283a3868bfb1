/* SPDX-License-Identifier: MIT */
/* Prints as JSON what counting costs: nanoseconds of CPU that one exchange spends on metrics, and microseconds of one exposition.
 */
#include "../src/blobproxyd/metrics.h"
#include "../src/lib/clock.h"

#include <stdio.h>
#include <time.h>

#define EXCHANGES 5000000u
#define EXPOSITIONS 1000u
#define CLOCK_READS 2u /* those of an exchange that only its stages need */
#define TEXT_MAX_BYTES (1u << 20)

static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* What a small read over the channel counts, from its beginning to its end. */
static void count_exchange(struct metrics_shard *shard, unsigned number)
{
    uint64_t duration_us = 80 + number % 64;
    volatile uint64_t now_us;

    for (unsigned i = 0; i < CLOCK_READS; i++)
        now_us = clock_mono_us();
    (void)now_us;
    metrics_set(shard, METRIC_EXCHANGES, 1);
    metrics_add(shard, METRIC_TRANSFERS_SUBMITTED, 1);
    metrics_observe(shard, HISTOGRAM_TRANSFER, duration_us / 2);
    metrics_add(shard, METRIC_BYTES_IN, 0);
    metrics_add(shard, METRIC_BYTES_OUT, 1024);
    metrics_answer(shard, OPERATION_GetBlob, 200);
    metrics_add(shard, METRIC_ROUTE_CHANNEL, 1);
    metrics_request(shard, OPERATION_GetBlob, false, duration_us);
    metrics_observe(shard, HISTOGRAM_STAGE_HOST, duration_us / 2);
    metrics_observe(shard, HISTOGRAM_STAGE_RESPONSE_BODY, duration_us / 3);
    metrics_set(shard, METRIC_EXCHANGES, 0);
}

int main(void)
{
    struct metrics *metrics;
    struct buf text;

    if (metrics_new(2, &metrics) < 0)
        return 1;
    double begin_ns = cpu_ns();

    for (unsigned i = 0; i < EXCHANGES; i++)
        count_exchange(metrics_shard(metrics, 0), i);
    double exchange_ns = (cpu_ns() - begin_ns) / EXCHANGES;

    buf_init(&text, TEXT_MAX_BYTES);
    begin_ns = cpu_ns();
    for (unsigned i = 0; i < EXPOSITIONS; i++) {
        buf_clear(&text);
        if (metrics_write(metrics, &text) < 0)
            return 1;
    }
    printf("{\"exchange_ns\": %.1f, \"exposition_us\": %.1f, \"exposition_bytes\": %zu}\n", exchange_ns,
           (cpu_ns() - begin_ns) / EXPOSITIONS / 1000, text.len);
    buf_free(&text);
    metrics_free(metrics);
    return 0;
}
