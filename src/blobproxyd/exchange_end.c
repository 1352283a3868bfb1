/* SPDX-License-Identifier: MIT */
/* What is logged and counted when an exchange is over. */
#include "exchange_internal.h"

#include "../lib/clock.h"

#include <inttypes.h>
#include <stdio.h>

static void log_end(const struct exchange *x, bool is_delivered, uint64_t duration_us)
{
    char target[512], guid[AZURE_REQUEST_ID_BYTES], status[8], duration[24];
    struct slice request_id = head_value(&x->response, "x-ms-request-id");

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_redact_target(x->raw_target, x->raw_target_bytes, target, sizeof(target));
    azure_guid_text(x->guid, guid);
    snprintf(status, sizeof(status), "%u", x->response.status);
    snprintf(duration, sizeof(duration), "%" PRIu64, duration_us);
    struct log_field fields[] = {{"operation", operation_row(x->operation)->label},
                                 {"status", status},
                                 {"duration_us", duration},
                                 {"transfer", guid},
                                 {"route", x->route == METRIC_ROUTE_CHANNEL ? "channel" : "upstream"},
                                 {"request_id", request_id.bytes ? request_id.bytes : ""},
                                 {"target", target}};

    log_event(LOG_LEVEL_INFO, is_delivered ? "exchange" : "exchange-cut", fields, sizeof(fields) / sizeof(fields[0]), "%s",
              is_delivered ? "done" : "the client did not get the whole answer");
}

void exchange_leave_stage(struct exchange *x, uint64_t now_us)
{
    static const enum exchange_stage stages[EX_STATES] = {
        [EX_NEW] = STAGE_COUNT,           [EX_BODY] = STAGE_REQUEST_BODY,   [EX_DISCARD] = STAGE_REQUEST_BODY,
        [EX_SLOT] = STAGE_QUEUE,          [EX_HOST] = STAGE_HOST,           [EX_UPSTREAM] = STAGE_HOST,
        [EX_READY] = STAGE_RESPONSE_BODY, [EX_STREAM] = STAGE_RESPONSE_BODY};
    enum exchange_stage stage = stages[x->state];

    if (stage != STAGE_COUNT) {
        x->was_in_stage[stage] = true;
        x->stage_us[stage] += now_us - x->stage_begun_us;
    }
    x->stage_begun_us = now_us;
}

/* Not refused at sight. */
static bool went_a_way(const struct exchange *x)
{
    return x->was_in_stage[STAGE_HOST] || x->was_in_stage[STAGE_QUEUE] || x->upload || x->route != METRIC_ROUTE_CHANNEL;
}

static void count_answer(const struct exchange *x, uint64_t duration_us)
{
    struct metrics_shard *metrics = x->env->metrics;

    metrics_answer(metrics, x->operation, x->response.status);
    metrics_add(metrics, went_a_way(x) ? x->route : METRIC_ROUTE_NONE, 1);
    if (went_a_way(x))
        metrics_request(metrics, x->operation, x->route != METRIC_ROUTE_CHANNEL, duration_us);
    for (enum exchange_stage stage = 0; stage < STAGE_COUNT; stage++)
        if (x->was_in_stage[stage])
            metrics_observe(metrics, HISTOGRAM_STAGE_REQUEST_BODY + (enum metric_histogram)stage, x->stage_us[stage]);
}

void exchange_tell_end(struct exchange *x, bool is_delivered)
{
    uint64_t now_us = clock_mono_us();
    bool has_answer = x->state == EX_READY || x->state == EX_STREAM;

    exchange_leave_stage(x, now_us);
    metrics_add(x->env->metrics, METRIC_BYTES_IN, x->body_received);
    if (has_answer && is_delivered)
        metrics_add(x->env->metrics, METRIC_BYTES_OUT, slice_equal(x->request.method, SLICE("HEAD")) ? 0 : x->answer_bytes);
    if (has_answer)
        count_answer(x, now_us - x->begun_us);
    log_end(x, is_delivered, now_us - x->begun_us);
}
