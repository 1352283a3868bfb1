/* SPDX-License-Identifier: MIT */
/* What is logged and counted when an exchange is over. */
#include "exchange_internal.h"

#include "../lib/clock.h"

#include <stdio.h>

void exchange_client_request_id(const struct exchange *x, char text[ACCESS_ID_BYTES])
{
    access_copy(head_value(&x->request, "x-ms-client-request-id"), text, ACCESS_ID_BYTES);
}

void exchange_blame(struct exchange *x, const char *why)
{
    if (!x->blame)
        x->blame = why;
}

/* ---- the access log ---- */

static bool is_own_answer(const struct exchange *x)
{
    return x->own_values.detail[0] != '\0';
}

/* Not refused at sight. */
static bool went_a_way(const struct exchange *x)
{
    return x->was_in_stage[STAGE_HOST] || x->was_in_stage[STAGE_QUEUE] || x->upload || x->route != METRIC_ROUTE_CHANNEL;
}

static void describe_route(const struct exchange *x, struct access *access)
{
    static const char *const reasons[METRIC_COUNT] = {
        [METRIC_ROUTE_CHANNEL_DOWN] = "channel_down",
        [METRIC_ROUTE_CHANNEL_LOST] = "channel_lost",
        [METRIC_ROUTE_HOST_NOT_READY] = "host_not_ready",
        [METRIC_ROUTE_CHANNEL_FULL] = "channel_full",
        [METRIC_ROUTE_CHANNEL_REFUSED] = "channel_refused",
        [METRIC_ROUTE_HOST_REFUSED] = "host_refused",
        [METRIC_ROUTE_BODY_SIZE] = "body_size",
        [METRIC_ROUTE_BLOCKS_REFUSED] = "blocks_refused",
        [METRIC_ROUTE_ANSWER_SIZE] = "answer_size",
    };

    if (x->route != METRIC_ROUTE_CHANNEL) {
        access->route = ACCESS_ROUTE_UPSTREAM;
        access->route_reason = reasons[x->route] ? reasons[x->route] : "";
    } else if (went_a_way(x)) {
        access->route = ACCESS_ROUTE_CHANNEL;
    }
}

static void describe_problem(const struct exchange *x, struct access *access)
{
    const char *why = is_own_answer(x) ? x->own_values.detail : "";

    if (!access->is_delivered && x->blame)
        why = x->blame;
    else if (!access->is_delivered && !x->conf)
        why = "the head of the request was refused or did not become whole";
    else if (!access->is_delivered && !*why)
        why = "the client has left";
    access_set(access->problem, slice_of(why));
}

static uint64_t answered_bytes(const struct exchange *x, bool is_delivered)
{
    if (!is_delivered || x->state != EX_READY)
        return x->bytes_read;
    return exchange_answers_no_body(x) ? 0 : x->answer_bytes;
}

/* Only what began has a request that was parsed. */
static void describe_request(const struct exchange *x, struct access *access)
{
    access->operation = x->operation;
    access->caller = x->caller;
    access->bytes_in = x->body_received;
    access_set(access->target, ((struct slice){x->raw_target, x->raw_target_bytes}));
    if (!x->conf) {
        access->operation = OPERATION_Unknown;
        return;
    }
    access_set(access->method, x->request.method);
    access_set(access->account, slice_of(x->target.account));
    access_set(access->container, x->target.container);
    access_set(access->user_agent, head_value(&x->request, "User-Agent"));
    exchange_client_request_id(x, access->client_request_id);
}

static void describe_answer(const struct exchange *x, struct access *access)
{
    describe_route(x, access);
    if (access->route == ACCESS_ROUTE_CHANNEL && x->was_in_stage[STAGE_HOST])
        azure_guid_text(x->guid, access->transfer);
    if (x->response.status == 0)
        return;
    access->status = x->response.status;
    access->bytes_out = answered_bytes(x, access->is_delivered);
    access_set(access->code, head_value(&x->response, "x-ms-error-code"));
    access_set(access->request_id, head_value(&x->response, "x-ms-request-id"));
}

static bool wants_line(struct exchange_env *env, const struct conf *conf, bool is_failure)
{
    if (log_enabled(LOG_LEVEL_DEBUG))
        return true;
    if (conf->log_access == CONF_ACCESS_NONE || is_failure)
        return conf->log_access != CONF_ACCESS_NONE;
    if (conf->log_access == CONF_ACCESS_ERRORS || ++env->successes_unwritten < conf->log_access_sample)
        return false;
    env->successes_unwritten = 0;
    return true;
}

/* The service's own trouble is worth a line also where nobody wants an access log; that of the proxy has had its own. */
static void log_failed(const struct exchange *x, const struct access *access)
{
    char status[12];

    if (x->conf->log_access != CONF_ACCESS_NONE || is_own_answer(x) || access->status < 500)
        return;
    snprintf(status, sizeof(status), "%u", access->status);
    struct log_field fields[] = {{"operation", operation_row(access->operation)->label},
                                 {"status", status},
                                 {"code", access->code},
                                 {"transfer", access->transfer},
                                 {"request_id", access->request_id},
                                 {"client_request_id", access->client_request_id},
                                 {"target", access->target}};

    log_event(LOG_LEVEL_WARNING, "exchange-failed", fields, sizeof(fields) / sizeof(fields[0]), "the %s answered %s %s",
              access->route == ACCESS_ROUTE_UPSTREAM ? "endpoint" : "host", status, access->code);
}

static void tell_access(struct exchange *x, bool is_delivered, uint64_t duration_us)
{
    const struct conf *conf = x->conf ? x->conf : x->env->conf;
    bool is_failure = !is_delivered || x->response.status >= 400;
    bool is_written = wants_line(x->env, conf, is_failure);
    struct access access;

    if (!is_failure && !is_written)
        return;
    access_init(&access);
    access.ended_us = clock_wall_us();
    access.duration_us = duration_us;
    access.is_delivered = is_delivered;
    access.sample = is_failure || log_enabled(LOG_LEVEL_DEBUG) ? 1 : conf->log_access_sample;
    describe_request(x, &access);
    describe_answer(x, &access);
    describe_problem(x, &access);
    if (is_failure)
        failures_add(x->env->failures, &access);
    if (is_written)
        access_write(&access);
    else if (x->conf)
        log_failed(x, &access);
}

void exchange_tell_refused(struct exchange_env *env, const struct access *access)
{
    failures_add(env->failures, access);
    if (wants_line(env, env->conf, true))
        access_write(access);
}

/* ---- counters ---- */

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
    tell_access(x, is_delivered, now_us - x->begun_us);
}
