/* SPDX-License-Identifier: MIT */
/* The life of an exchange.
 *
 * The good case: begin (guard, target, rights) -> body into a slot -> submit -> the host's answer -> client.
 * - No slot is free: wait in order; after limits.slot_timeout 503.
 * - The ring is full: wait for room in the shard's queue.
 * - The channel is lost before the submit: upstream (exchange_upstream.c), or 503. After it: upstream or sent again if that is
 * safe, else 500, because the outcome is unknown.
 * - The answer does not fit: nothing was executed; ask again with a large slot, in parts (split.c), or upstream.
 * - The client goes away: the slot stays with the host until the completion, and only then becomes free. */
#include "exchange_internal.h"

#include "guard.h"
#include "../lib/clock.h"
#include "../lib/vmbus/vsp_status.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARES_MAX 256u /* finished exchanges kept for the next ones: 18 KiB each */
#define ATTEMPTS_MAX 3u /* transfers for one request that may be sent again */
#define RESPONSE_BYTES_MAX (LIMIT_SLOT_RESPONSE_BYTES + 1)

#define BIT(state) (1u << (state))
static const struct {
    const char *name;
    unsigned allowed;
} states[EX_STATES] = {
    [EX_NEW] = {"new", BIT(EX_BODY) | BIT(EX_DISCARD) | BIT(EX_SLOT) | BIT(EX_HOST) | BIT(EX_UPSTREAM) | BIT(EX_READY)},
    [EX_BODY] = {"body", BIT(EX_DISCARD) | BIT(EX_SLOT) | BIT(EX_HOST) | BIT(EX_UPSTREAM) | BIT(EX_READY) | BIT(EX_STREAM)},
    [EX_DISCARD] = {"discard", BIT(EX_READY) | BIT(EX_STREAM)},
    [EX_SLOT] = {"slot", BIT(EX_BODY) | BIT(EX_DISCARD) | BIT(EX_HOST) | BIT(EX_UPSTREAM) | BIT(EX_READY)},
    [EX_HOST] = {"host", BIT(EX_HOST) | BIT(EX_SLOT) | BIT(EX_UPSTREAM) | BIT(EX_READY) | BIT(EX_STREAM)},
    [EX_UPSTREAM] = {"upstream", BIT(EX_READY) | BIT(EX_STREAM)},
    [EX_READY] = {"ready", 0},
    [EX_STREAM] = {"stream", 0},
};

void exchange_move(struct exchange *x, enum exchange_state state)
{
    bool is_legal = (states[x->state].allowed & BIT(state)) != 0;

    if (!is_legal)
        log_error("exchange-state", "illegal step from %s to %s", states[x->state].name, states[state].name);
    assert(is_legal);
    exchange_leave_stage(x, clock_mono_us());
    x->state = state;
}

const char *exchange_state_name(const struct exchange *x)
{
    return states[x->state].name;
}

void exchange_wake(struct exchange *x)
{
    if (!x->is_waiting)
        return;
    x->is_waiting = false;
    x->env->wake(x->client);
}

static enum exchange_next wait_for_wake(struct exchange *x)
{
    x->is_waiting = true;
    return EXCHANGE_WAIT;
}

struct exchange *exchange_new(struct exchange_env *env, const char *raw_target, size_t len, void *client)
{
    struct exchange *x = env->spare;
    char *target = malloc(len + 1);

    if (x) {
        env->spare = x->next_spare;
        env->spares--;
    } else if ((x = calloc(1, sizeof(*x)))) {
        buf_init(&x->response_bytes, RESPONSE_BYTES_MAX);
    }
    if (!x || !target) {
        if (x)
            buf_free(&x->response_bytes);
        free(x);
        free(target);
        return NULL;
    }
    memcpy(target, raw_target, len);
    target[len] = '\0';
    x->env = env;
    x->client = client;
    x->state = EX_NEW;
    x->raw_target = target;
    x->raw_target_bytes = len;
    x->request.target = (struct slice){target, len};
    x->request.field_count = 0;
    x->response.field_count = 0;
    x->response.status = 0;
    x->operation = OPERATION_Unknown;
    x->route = METRIC_ROUTE_CHANNEL;
    TAILQ_INSERT_TAIL(&env->live, x, live_link);
    x->begun_us = x->stage_begun_us = clock_mono_us();
    metrics_set(env->metrics, METRIC_EXCHANGES, ++env->exchanges);
    return x;
}

struct head *exchange_request(struct exchange *x)
{
    return &x->request;
}

/* ---- sending ---- */

static void exchange_completed(struct transfer *transfer, int result);

/* Nothing of the exchange is at the host. */
static void channel_is_down(struct exchange *x)
{
    if (!exchange_fall_back(x, METRIC_ROUTE_CHANNEL_DOWN))
        exchange_refuse(x, AZURE_ServerBusy, METRIC_ERROR_CHANNEL_DOWN, "The channel to the host is down; it is being reopened.");
}

static void exchange_channel_lost(struct channel_watch *watch)
{
    channel_is_down(watch->owner);
}

void exchange_watch_channel(struct exchange *x)
{
    if (!x->env->route || x->watch.is_listed)
        return;
    x->watch = (struct channel_watch){.lost = exchange_channel_lost, .owner = x};
    exchange_env_watch(x->env, &x->watch);
}

static void exchange_submit_failed(struct submission *submission)
{
    struct exchange *x = (struct exchange *)((char *)submission - offsetof(struct exchange, submission));

    channel_is_down(x);
}

static void exchange_slot_ready(struct slot_waiter *waiter, struct slot *slot);

/* Takes a slot now (0) or joins the queue (-EAGAIN, the state is then EX_SLOT). */
static int acquire_slot(struct exchange *x, enum slot_class class)
{
    x->slot = slots_take(x->env->slots, class);
    if (x->slot)
        return 0;
    metrics_add(x->env->metrics, METRIC_SLOT_WAITS, 1);
    exchange_move(x, EX_SLOT);
    x->waiter.class = class;
    x->waiter.ready = exchange_slot_ready;
    x->waiter.owner = x;
    slots_wait(x->env->slots, &x->waiter);
    exchange_watch_channel(x);
    return -EAGAIN;
}

/* 0 or -EIO after a refusal. */
static int move_body(struct exchange *x)
{
    if (!x->old_slot)
        return 0;
    memcpy(x->slot->data, x->old_slot->data, x->body_received);
    bool is_whole = body_mark_stands(&x->mark, x->old_slot->data) && body_mark_stands(&x->mark, x->slot->data);

    slots_put(x->old_slot, x->env->slots);
    x->old_slot = NULL;
    if (!is_whole)
        exchange_refuse_overwritten(x);
    return is_whole ? 0 : -EIO;
}

/* The request is complete and has its slot. Ends in EX_HOST, in EX_SLOT (the slot's memory has gone with its channel), or
 * refused. */
static void send_request(struct exchange *x)
{
    if (x->env->channel->state != CHANNEL_UP && exchange_fall_back(x, METRIC_ROUTE_CHANNEL_DOWN))
        return;
    if (!x->slot->region->is_current) {
        enum slot_class class = x->slot->class;

        x->old_slot = x->slot;
        x->slot = NULL;
        if (acquire_slot(x, class) < 0)
            return;
    }
    if (move_body(x) < 0 || exchange_rewrite_body(x, (char *)x->slot->data, x->slot->data_capacity) < 0)
        return;
    if (exchange_compose(x, x->slot, &(struct exchange_shape){.kind = SHAPE_WHOLE}) < 0) {
        exchange_refuse(x, AZURE_RequestHeadersTooLarge, METRIC_ERROR_TOO_LARGE, "The request's head does not fit a transfer.");
        return;
    }
    memcpy(x->guid, x->slot->transfer.guid, sizeof(x->guid));
    x->slot->transfer.done = exchange_completed;
    x->slot->transfer.owner = x;
    x->submission.transfer = &x->slot->transfer;
    x->submission.failed = exchange_submit_failed;
    body_mark_set(&x->mark, x->slot->data, x->body_bytes);
    exchange_move(x, EX_HOST);
    x->attempts++;
    if (exchange_env_submit(x->env, &x->submission) < 0)
        exchange_submit_failed(&x->submission);
}

static void exchange_slot_ready(struct slot_waiter *waiter, struct slot *slot)
{
    struct exchange *x = waiter->owner;

    exchange_env_unwatch(x->env, &x->watch);
    x->slot = slot;
    if (exchange_has_whole_body(x)) {
        send_request(x);
        return;
    }
    exchange_move(x, EX_BODY);
    exchange_wake(x);
}

/* Gives the present slot back and goes on with one of that class; a body is carried over. */
static void send_again(struct exchange *x, enum slot_class class)
{
    if (x->body_bytes > 0) {
        x->old_slot = x->slot;
    } else {
        slots_put(x->slot, x->env->slots);
    }
    x->slot = NULL;
    if (acquire_slot(x, class) == 0)
        send_request(x);
}

/* ---- completions ---- */

/* A host that answers with a code of its own, or what nobody can read, may be one that does not know this payload; whether it has
 * executed the request all the same is not known. */
static bool is_passed_by(struct exchange *x)
{
    return !x->upload && operation_may_resend(x->operation, &x->request) && exchange_fall_back(x, METRIC_ROUTE_HOST_REFUSED);
}

void exchange_take_answer(struct exchange *x, struct slot *slot)
{
    uint64_t body_bytes;

    x->slot = slot;
    if (exchange_open_response(slot, &x->response_bytes, &x->response, &body_bytes) < 0) {
        if (is_passed_by(x))
            return;
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_HOST_ANSWER, "The host's answer could not be read.");
        return;
    }
    if (!exchange_answers_no_body(x) && body_bytes > slot->transfer.data_bytes) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_HOST_ANSWER,
                        "The host's answer names more bytes than it was given room for.");
        return;
    }
    exchange_learn_size(x, body_bytes);
    x->answer_body = slot->data;
    x->answer_bytes = x->response.status == 304 || x->response.status == 204 ? 0 : body_bytes;
    exchange_answered(x);
}

static void begin_split(struct exchange *x, uint64_t body_bytes)
{
    slots_put(x->slot, x->env->slots);
    x->slot = NULL;
    int r = split_begin(x, body_bytes);

    if (r < 0) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_HOST_ANSWER, "The blob cannot be read in parts.");
        return;
    }
    exchange_move(x, EX_STREAM);
    exchange_wake(x);
}

/* The answer does not fit; x->response holds its head. */
static void grow(struct exchange *x)
{
    const struct operation_row *row = operation_row(x->operation);
    uint32_t large = x->conf->slots_large_bytes;
    uint64_t body_bytes;

    if (exchange_open_response(x->slot, &x->response_bytes, &x->response, &body_bytes) < 0) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_HOST_ANSWER, "The host's answer could not be read.");
        return;
    }
    bool may_split = row->split == SPLIT_GET_RANGES && !head_find(&x->request, "x-ms-structured-body") && split_is_possible(x);

    exchange_learn_size(x, body_bytes);
    if (body_bytes <= large && x->slot->class != SLOT_LARGE)
        send_again(x, SLOT_LARGE);
    else if (may_split && exchange_may_change(x))
        begin_split(x, body_bytes);
    else if (!exchange_fall_back(x, METRIC_ROUTE_ANSWER_SIZE))
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_TOO_LARGE,
                        "The answer has %" PRIu64 " bytes and a slot %" PRIu32
                        "; raise slots.large_bytes, ask for a range, configure "
                        "the account's key (accounts.file) so that the read can be split, or set upstream.fallback.",
                        body_bytes, large);
}

static void lost(struct exchange *x)
{
    bool may_resend = operation_may_resend(x->operation, &x->request);
    bool is_down = x->env->channel->state != CHANNEL_UP || x->attempts >= ATTEMPTS_MAX;

    if (may_resend && is_down && exchange_fall_back(x, METRIC_ROUTE_CHANNEL_LOST))
        return;
    if (may_resend && x->attempts < ATTEMPTS_MAX) {
        send_again(x, x->slot->class);
        return;
    }
    exchange_refuse(x, AZURE_OperationTimedOut, METRIC_ERROR_CHANNEL_LOST,
                    "The channel to the host was lost after the request had been handed over; its outcome is unknown.");
}

static void take_completion(struct exchange *x, const struct transfer *transfer)
{
    switch (transfer->status) {
    case VSP_STATUS_OK:
        exchange_take_answer(x, x->slot);
        return;
    case VSP_STATUS_INSUFFICIENT_BUFFER:
        if (transfer->response_bytes > 0) {
            grow(x);
            return;
        }
        /* A write has been executed, and its body been written over. */
        if (exchange_only_reads(x) && exchange_fall_back(x, METRIC_ROUTE_ANSWER_SIZE))
            return;
        break;
    case VSP_STATUS_TIMEOUT:
        exchange_refuse(x, AZURE_OperationTimedOut, METRIC_ERROR_HOST_STATUS, "The host did not answer the request in time.");
        return;
    case VSP_STATUS_NOT_READY: /* nothing was executed */
        if (exchange_fall_back(x, METRIC_ROUTE_HOST_NOT_READY))
            return;
        exchange_refuse(x, AZURE_ServerBusy, METRIC_ERROR_HOST_STATUS, "The host cannot reach its storage.");
        return;
    default:
        if (is_passed_by(x))
            return;
        break;
    }
    exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_HOST_STATUS, "The host answered status 0x%08" PRIx32 ".",
                    transfer->status);
}

/* The host never had it, and its time is over or the channel down. */
static void never_taken(struct exchange *x)
{
    if (x->env->channel->state != CHANNEL_UP)
        channel_is_down(x);
    else if (!exchange_fall_back(x, METRIC_ROUTE_CHANNEL_FULL))
        exchange_refuse(x, AZURE_ServerBusy, METRIC_ERROR_CHANNEL_FULL, "The host took no further request in time.");
}

static void not_wanted(struct exchange *x)
{
    if (!exchange_fall_back(x, METRIC_ROUTE_CHANNEL_REFUSED))
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_CHANNEL_REFUSED,
                        "The device's driver refused the request; the log of blobproxyd says why.");
}

static void exchange_completed(struct transfer *transfer, int result)
{
    struct exchange *x = transfer->owner;
    struct exchange_env *env = x->env;

    exchange_transfer_ended(env, transfer, result);
    if (result == -ECANCELED)
        never_taken(x);
    else if (result == -EINVAL)
        not_wanted(x);
    else if (result < 0)
        lost(x);
    else
        take_completion(x, transfer);
    exchange_env_pump(env);
}

/* ---- the client's side ---- */

/* May a body that is larger than a slot go in blocks? */
static bool can_upload(struct exchange *x)
{
    return operation_row(x->operation)->split == SPLIT_PUT_BLOCKS &&
           upload_list_fits(x->body_bytes, x->conf->slots_large_bytes) && !head_find(&x->request, "x-ms-structured-body") &&
           exchange_may_change(x);
}

static int check_room(struct exchange *x)
{
    bool is_large = x->body_bytes > x->conf->slots_large_bytes;

    bool is_up = x->env->channel->state == CHANNEL_UP;

    if (!is_up && exchange_fall_back(x, METRIC_ROUTE_CHANNEL_DOWN))
        return -ENODEV;
    if (is_large && !can_upload(x)) {
        if (exchange_fall_back(x, METRIC_ROUTE_BODY_SIZE))
            return -EFBIG;
        exchange_refuse(
            x, AZURE_RequestBodyTooLarge, METRIC_ERROR_TOO_LARGE,
            "The body has %" PRIu64 " bytes and a transfer takes %" PRIu32
            ": upload in smaller blocks, raise slots.large_bytes, set upstream.fallback, or, for a Put Blob, configure "
            "the account's key (accounts.file).",
            x->body_bytes, x->conf->slots_large_bytes);
        return -EFBIG;
    }
    if (!is_up) {
        channel_is_down(x);
        return -ENODEV;
    }
    if (is_large && upload_begin(x) < 0) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_INTERNAL, "Out of memory.");
        return -ENOMEM;
    }
    return 0;
}

enum exchange_next exchange_next_step(struct exchange *x)
{
    switch (x->state) {
    case EX_READY:
    case EX_STREAM:
        return EXCHANGE_ANSWER;
    case EX_BODY:
    case EX_DISCARD:
        return EXCHANGE_BODY;
    default:
        return wait_for_wake(x);
    }
}

static void begin_body(struct exchange *x)
{
    bool may_send = true;

    /* Who asks whether to send its body waits for the slot before it is told to. */
    if (x->expects_continue)
        may_send = x->upload ? upload_take_first(x->upload) : acquire_slot(x, exchange_first_class(x)) == 0;
    if (may_send)
        exchange_move(x, EX_BODY);
}

/* Without a body. A read that may well need a large slot takes one that is free: asking twice costs more. */
static int acquire_first_slot(struct exchange *x)
{
    if (exchange_wants_large(x))
        x->slot = slots_take(x->env->slots, SLOT_LARGE);
    return x->slot ? 0 : acquire_slot(x, exchange_first_class(x));
}

enum exchange_next exchange_begin(struct exchange *x, bool has_more_fields)
{
    struct guard_verdict verdict = guard_check(&x->request);

    x->conf = conf_ref(x->env->conf);
    if (has_more_fields)
        verdict = (struct guard_verdict){.error = AZURE_RequestHeadersTooLarge, .detail = "A request may have 256 header fields."};
    azure_guid_random(x->guid);
    if (verdict.error != AZURE_OK) {
        x->must_close = true;
        exchange_refuse(x, verdict.error, METRIC_ERROR_GUARD, "%s", verdict.detail);
        return exchange_next_step(x);
    }
    if (exchange_find_body_length(x) < 0 || exchange_find_target(x) < 0)
        return exchange_next_step(x);
    x->operation = operation_of(&x->target, &x->request);
    if (exchange_authorize(x) < 0 || check_room(x) < 0)
        return exchange_next_step(x);
    if (x->body_bytes > 0)
        begin_body(x);
    else if (acquire_first_slot(x) == 0)
        send_request(x);
    return exchange_next_step(x);
}

enum exchange_next exchange_body(struct exchange *x, const char *bytes, size_t len, size_t *taken)
{
    uint64_t left = exchange_body_left(x);
    uint64_t proof = left < LIMIT_BODY_PROOF_BYTES ? left : LIMIT_BODY_PROOF_BYTES;

    *taken = 0;
    if (x->state == EX_BODY && !x->slot) {
        if (len < proof)
            return EXCHANGE_BODY;
        exchange_leave_lost_channel(x);
    }
    if (x->state == EX_BODY && !x->slot) {
        if (x->route != METRIC_ROUTE_CHANNEL)
            return exchange_upstream_body(x, bytes, len > left ? (size_t)left : len, taken);
        if (x->upload)
            return upload_body(x->upload, bytes, len > left ? (size_t)left : len, taken);
        if (acquire_slot(x, exchange_first_class(x)) < 0)
            return wait_for_wake(x);
    }
    if (x->state != EX_BODY && x->state != EX_DISCARD)
        return exchange_next_step(x);
    if (len > left)
        len = (size_t)left;
    if (x->state == EX_BODY)
        memcpy(x->slot->data + x->body_received, bytes, len);
    x->body_received += len;
    *taken = len;
    return EXCHANGE_BODY;
}

uint64_t exchange_body_left(const struct exchange *x)
{
    return x->body_bytes - x->body_received;
}

enum exchange_next exchange_continue(struct exchange *x)
{
    if (x->state == EX_BODY && exchange_has_whole_body(x) && x->upload)
        upload_finish(x->upload);
    else if (x->state == EX_BODY && exchange_has_whole_body(x) && x->route != METRIC_ROUTE_CHANNEL)
        exchange_upstream_finish(x);
    else if (x->state == EX_BODY && exchange_has_whole_body(x))
        send_request(x);
    else if (x->state == EX_DISCARD && exchange_has_whole_body(x))
        exchange_move(x, x->has_stream ? EX_STREAM : EX_READY);
    return exchange_next_step(x);
}

void exchange_answer(struct exchange *x, struct answer *ret_answer)
{
    ret_answer->status = x->response.status;
    ret_answer->head = &x->response;
    ret_answer->body = x->answer_body;
    ret_answer->body_bytes = x->is_length_unknown ? ANSWER_BYTES_UNKNOWN : x->answer_bytes;
    ret_answer->is_stream = x->state == EX_STREAM;
    ret_answer->must_close = x->must_close || x->env->is_draining;
}

ssize_t exchange_read(struct exchange *x, char *bytes, size_t max)
{
    ssize_t n = x->split ? split_read(x->split, bytes, max) : exchange_upstream_read(x, bytes, max);

    x->is_waiting = n == 0;
    x->bytes_read += n > 0 ? (uint64_t)n : 0;
    return n;
}

/* All but the two heads, which are large and need no zeroing. */
static void exchange_reset(struct exchange *x)
{
    memset(x, 0, offsetof(struct exchange, request));
    memset(&x->target, 0, offsetof(struct exchange, response) - offsetof(struct exchange, target));
    memset(&x->own_values, 0, sizeof(*x) - offsetof(struct exchange, own_values));
}

void exchange_end(struct exchange *x, bool is_delivered)
{
    struct exchange_env *env = x->env;
    struct buf kept = x->response_bytes;

    exchange_tell_end(x, is_delivered);
    TAILQ_REMOVE(&env->live, x, live_link);
    exchange_env_unwatch(env, &x->watch);
    slots_cancel(env->slots, &x->waiter);
    exchange_env_cancel(env, &x->submission);
    exchange_leave_upstream(x); /* first: it may read from what follows */
    x->split = split_free(x->split);
    x->upload = upload_free(x->upload);
    if (x->slot)
        slots_abandon(x->slot, env->slots);
    if (x->old_slot)
        slots_abandon(x->old_slot, env->slots);
    exchange_rewrite_done(x);
    free(x->kept);
    free(x->raw_target);
    conf_free(x->conf);
    metrics_set(env->metrics, METRIC_EXCHANGES, --env->exchanges);
    env->exchanges_ended++;
    if (env->spares >= SPARES_MAX) {
        buf_free(&x->response_bytes);
        free(x);
        return;
    }
    exchange_reset(x);
    x->response_bytes = kept;
    x->next_spare = env->spare;
    env->spare = x;
    env->spares++;
}
