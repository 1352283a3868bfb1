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

void exchange_tell_end(struct exchange *x, bool is_delivered)
{
    uint64_t duration_us = clock_mono_us() - x->begun_us;
    bool has_answer = x->state == EX_READY || x->state == EX_STREAM;

    metrics_add(x->env->metrics, METRIC_BYTES_IN, x->body_received);
    if (has_answer && is_delivered)
        metrics_add(x->env->metrics, METRIC_BYTES_OUT, slice_equal(x->request.method, SLICE("HEAD")) ? 0 : x->answer_bytes);
    if (has_answer)
        metrics_add(x->env->metrics, x->route, 1);
    if (has_answer)
        metrics_exchange(x->env->metrics, x->operation, x->response.status, duration_us);
    log_end(x, is_delivered, duration_us);
}
