/* SPDX-License-Identifier: MIT */
/* Lease Blob and Lease Container: reading the action, and telling of leases in other answers. */
#include "service_lease.h"

#include "service_answer.h"
#include "service_condition.h"
#include "service_operations.h"

#include <string.h>

enum action { ACTION_ACQUIRE, ACTION_RENEW, ACTION_CHANGE, ACTION_RELEASE, ACTION_BREAK, ACTION_COUNT };

static const struct action_row {
    const char *name;
    unsigned status;
    bool needs_id, answers_id;
} actions[ACTION_COUNT] = {
    [ACTION_ACQUIRE] = {"acquire", 201, false, true}, [ACTION_RENEW] = {"renew", 200, true, true},
    [ACTION_CHANGE] = {"change", 200, true, true},    [ACTION_RELEASE] = {"release", 200, true, false},
    [ACTION_BREAK] = {"break", 202, false, false},
};

struct asked {
    struct condition condition;
    enum action action;
    char id[LEASE_ID_BYTES], proposed_id[LEASE_ID_BYTES];
    int32_t duration_s;
    int64_t period_s;   /* -1: none */
    struct lease lease; /* as it is after the action */
    uint64_t left_s;
};

static enum azure_error parse_id(struct call *call, const char *name, bool is_needed, char *id)
{
    struct slice text;

    if (!call_field(call, name, &text))
        return is_needed ? call_refuse(call, AZURE_MissingRequiredHeader, "The field is %s.", name) : AZURE_OK;
    return lease_id_parse(text, id) ? AZURE_OK : call_refuse(call, AZURE_InvalidHeaderValue, "%s is not a GUID.", name);
}

static enum azure_error parse_action(struct call *call, enum action *ret_action)
{
    struct slice text;

    if (!call_field(call, "x-ms-lease-action", &text))
        return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-lease-action.");
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (slice_equal_nocase(text, slice_of(actions[i].name))) {
            *ret_action = (enum action)i;
            return AZURE_OK;
        }
    }
    return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-lease-action is acquire, renew, change, release or break.");
}

static enum azure_error parse_duration(struct call *call, int32_t *ret_duration_s)
{
    bool has_duration;
    uint64_t duration_s;
    enum azure_error error;

    *ret_duration_s = LEASE_INFINITE;
    if (call_field_is(call, "x-ms-lease-duration", "-1"))
        return AZURE_OK;
    error = call_number(call, "x-ms-lease-duration", &has_duration, &duration_s);
    if (error)
        return error;
    if (!has_duration)
        return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-lease-duration.");
    if (duration_s < LEASE_MIN_S || duration_s > LEASE_MAX_S)
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-lease-duration is -1 or a number from %d to %d.", LEASE_MIN_S,
                           LEASE_MAX_S);
    *ret_duration_s = (int32_t)duration_s;
    return AZURE_OK;
}

static enum azure_error parse_period(struct call *call, int64_t *ret_period_s)
{
    bool has_period;
    uint64_t period_s;
    enum azure_error error = call_number(call, "x-ms-lease-break-period", &has_period, &period_s);

    if (error)
        return error;
    if (has_period && period_s > LEASE_BREAK_MAX_S)
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-lease-break-period is a number up to %d.", LEASE_BREAK_MAX_S);
    *ret_period_s = has_period ? (int64_t)period_s : -1;
    return AZURE_OK;
}

static void make_id(char id[LEASE_ID_BYTES])
{
    uint8_t guid[16];

    azure_guid_random(guid);
    azure_guid_text(guid, id);
}

static enum azure_error asked_parse(struct asked *asked, struct call *call)
{
    enum azure_error error = condition_parse(&asked->condition, call, CONDITION_WRITE);

    condition_ignore_lease(&asked->condition); /* here x-ms-lease-id is an argument */
    if (error == AZURE_OK)
        error = parse_action(call, &asked->action);
    if (error == AZURE_OK)
        error = parse_id(call, "x-ms-lease-id", actions[asked->action].needs_id, asked->id);
    if (error == AZURE_OK)
        error = parse_id(call, "x-ms-proposed-lease-id", asked->action == ACTION_CHANGE, asked->proposed_id);
    if (error)
        return error;
    if (asked->action == ACTION_BREAK)
        return parse_period(call, &asked->period_s);
    if (asked->action != ACTION_ACQUIRE)
        return AZURE_OK;
    if (!asked->proposed_id[0])
        make_id(asked->proposed_id);
    return parse_duration(call, &asked->duration_s);
}

static enum azure_error asked_apply(struct asked *asked, struct lease *lease)
{
    int64_t now_us = asked->condition.call->now_us;
    enum azure_error error = AZURE_OK;

    switch (asked->action) {
    case ACTION_ACQUIRE:
        error = lease_acquire(lease, now_us, asked->proposed_id, asked->duration_s);
        break;
    case ACTION_RENEW:
        error = lease_renew(lease, now_us, asked->id);
        break;
    case ACTION_CHANGE:
        error = lease_change(lease, now_us, asked->id, asked->proposed_id);
        break;
    case ACTION_RELEASE:
        error = lease_release(lease, now_us, asked->id);
        break;
    case ACTION_BREAK:
        error = lease_break(lease, now_us, asked->period_s, &asked->left_s);
        break;
    case ACTION_COUNT:
        break;
    }
    asked->lease = *lease;
    return error;
}

static enum azure_error blob_update(void *arg, struct store_blob *blob)
{
    struct asked *asked = arg;
    enum azure_error error = condition_check_blob(&asked->condition, blob);

    return error ? error : asked_apply(asked, &blob->lease);
}

static enum azure_error container_update(void *arg, struct store_container *container)
{
    struct asked *asked = arg;
    enum azure_error error = condition_check_container(&asked->condition, container);

    return error ? error : asked_apply(asked, &container->lease);
}

static void asked_answer(struct call *call, const struct asked *asked, uint64_t etag, int64_t modified_us)
{
    answer_begin(call, actions[asked->action].status);
    answer_version(call, etag, modified_us);
    if (actions[asked->action].answers_id)
        answer_text(call, "x-ms-lease-id", asked->lease.id);
    if (asked->action == ACTION_BREAK)
        answer_number(call, "x-ms-lease-time", asked->left_s);
    answer_end_empty(call);
}

enum azure_error service_lease_blob(struct call *call)
{
    CLEANUP(store_blob_done) struct store_blob blob = {.etag = 0};
    struct asked asked = {.action = ACTION_COUNT};
    enum azure_error error = asked_parse(&asked, call);

    if (error == AZURE_OK)
        error = store_update_blob(call->store, &call->name, false, blob_update, &asked, &blob);
    if (error)
        return error;
    asked_answer(call, &asked, blob.etag, blob.modified_us);
    return AZURE_OK;
}

enum azure_error service_lease_container(struct call *call)
{
    CLEANUP(store_container_done) struct store_container container = {.etag = 0};
    struct asked asked = {.action = ACTION_COUNT};
    enum azure_error error = asked_parse(&asked, call);

    if (error == AZURE_OK)
        error = store_update_container(call->store, &call->name, false, container_update, &asked, &container);
    if (error)
        return error;
    asked_answer(call, &asked, container.etag, container.modified_us);
    return AZURE_OK;
}

void answer_lease(struct call *call, const struct lease *lease)
{
    enum lease_state state = lease_state(lease, call->now_us);

    answer_text(call, "x-ms-lease-status", lease_is_active(lease, call->now_us) ? "locked" : "unlocked");
    answer_text(call, "x-ms-lease-state", lease_state_text(state));
    if (state == LEASE_LEASED)
        answer_text(call, "x-ms-lease-duration", lease->duration_s == LEASE_INFINITE ? "infinite" : "fixed");
}

void list_put_lease(struct list *list, const struct lease *lease)
{
    int64_t now_us = list->call->now_us;
    enum lease_state state = lease_state(lease, now_us);

    list_put(list, "LeaseStatus", lease_is_active(lease, now_us) ? "locked" : "unlocked");
    list_put(list, "LeaseState", lease_state_text(state));
    if (state == LEASE_LEASED)
        list_put(list, "LeaseDuration", lease->duration_s == LEASE_INFINITE ? "infinite" : "fixed");
}
