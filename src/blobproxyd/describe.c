/* SPDX-License-Identifier: MIT */
/* What a shard tells of itself on the control socket. */
#include "describe.h"

#include "exchange_internal.h"

#include <stdio.h>
#include <string.h>

#define TARGET_BYTES 512

static json_t *describe_slots(const struct slots_figures *figures, enum slot_class class)
{
    return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)figures->total[class], "used", (json_int_t)figures->used[class],
                     "waiting", (json_int_t)figures->waiting[class]);
}

static json_t *describe_all_slots(const struct exchange_env *env)
{
    struct slots_figures figures = slots_figures(env->slots);

    return json_pack("{s:o, s:o, s:I}", "small", describe_slots(&figures, SLOT_SMALL), "large",
                     describe_slots(&figures, SLOT_LARGE), "quarantined", (json_int_t)figures.quarantined);
}

static json_t *describe_command(uint32_t command)
{
    char text[16];

    snprintf(text, sizeof(text), "0x%08x", command);
    return command ? json_string(text) : json_null();
}

json_t *describe_channel(unsigned shard, const struct exchange_env *env, const char *reason, uint64_t since_us)
{
    const struct channel *channel = env->channel;
    const struct channel_counters *counters = &channel->counters;
    double since_s = since_us ? (double)(clock_mono_us() - since_us) / 1e6 : 0;

    return json_pack("{s:i, s:s, s:s, s:o, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "shard", (int)shard,
                     "type", channel->ops->name, "state", channel->state == CHANNEL_UP ? "up" : "down", "ioctl",
                     describe_command(channel->command), "reason", reason, "since_seconds", since_s, "in_flight",
                     (json_int_t)counters->in_flight, "submitted", (json_int_t)counters->submitted, "completed",
                     (json_int_t)counters->completed, "lost", (json_int_t)counters->lost, "full", (json_int_t)counters->ring_full,
                     "refused", (json_int_t)counters->refused, "protocol_errors", (json_int_t)counters->protocol_errors, "opens",
                     (json_int_t)counters->opens, "threads", (json_int_t)channel_threads(channel), "slots",
                     describe_all_slots(env));
}

/* Bytes that are no UTF-8 become '?': the value must not be lost over them. */
static json_t *text_of(const char *bytes, size_t len)
{
    char text[TARGET_BYTES];

    snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), bytes);
    json_t *value = json_string(text);
    for (char *c = text; !value && *c; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    return value ? value : json_string(text);
}

static json_t *describe_one(unsigned shard, const struct exchange *x, uint64_t now_us)
{
    char target[TARGET_BYTES], guid[AZURE_REQUEST_ID_BYTES];
    struct slice id = head_value(&x->request, "x-ms-client-request-id");

    log_redact_target(x->raw_target, x->raw_target_bytes, target, sizeof(target));
    azure_guid_text(x->guid, guid);
    return json_pack(
        "{s:i, s:s, s:s, s:o, s:o, s:I, s:s, s:s, s:I, s:I, s:o}", "shard", (int)shard, "state", exchange_state_name(x),
        "operation", operation_row(x->operation)->label, "method", text_of(x->request.method.bytes, x->request.method.len),
        "target", text_of(target, strlen(target)), "age_ms", (json_int_t)((now_us - x->begun_us) / 1000), "transfer", guid,
        "route", x->route == METRIC_ROUTE_CHANNEL ? "channel" : "upstream", "body_bytes", (json_int_t)x->body_bytes,
        "body_received", (json_int_t)x->body_received, "client_request_id", id.len > 0 ? text_of(id.bytes, id.len) : json_null());
}

json_t *describe_exchanges(unsigned shard, const struct exchange_env *env)
{
    const struct exchange *x;
    json_t *list = json_array();
    uint64_t now_us = clock_mono_us();

    TAILQ_FOREACH(x, &env->live, live_link)
    (void)json_array_append_new(list, describe_one(shard, x, now_us));
    return list;
}
