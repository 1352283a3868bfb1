/* SPDX-License-Identifier: MIT */
/* An exchange that the channel does not carry: the same request, signed anew where that is due, to the account's own endpoint.
 *
 * - It needs a seat: only who has one holds buffers. A body shows its first bytes before it gets one, as for a slot; who asked
 *   whether to send it is told to when there is a seat.
 * - What had been received of the body is sent from where it stands, the rest as it comes from the client.
 * - No answer: 503 when the endpoint surely did not execute the request or may execute it twice, else 500. A request whose whole
 *   body stands here and that is safe to repeat is sent a second time first: a kept connection may have died of age.
 * - An answer without a body is handed on when it is complete, one with a body as it comes. Answers of the endpoint pass as they
 * are, its 500 and 503, too. */
#include "exchange_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_LABEL_BYTES (TARGET_ACCOUNT_BYTES + sizeof("-secondary"))

static void start(struct exchange *x);

/* The account as it stands in the endpoint's name. */
static const char *account_label(const struct exchange *x, char text[ACCOUNT_LABEL_BYTES])
{
    snprintf(text, ACCOUNT_LABEL_BYTES, "%s%s", x->target.account, x->target.is_secondary ? "-secondary" : "");
    return text;
}

static void refuse_open(struct exchange *x)
{
    exchange_refuse(x, AZURE_ServerBusy, METRIC_ERROR_UPSTREAM_OPEN,
                    "The channel does not carry this request, and the account's endpoint could not be reached lately; it will be "
                    "tried again.");
}

void exchange_leave_upstream(struct exchange *x)
{
    x->upstream = upstream_free(x->upstream);
    if (x->env->route)
        route_leave_seat(x->env->route, &x->seat);
}

/* ---- what comes back ---- */

static void take_fields(struct exchange *x, const struct head *head)
{
    x->response.status = head->status;
    x->response.reason = head->reason;
    x->response.field_count = head->field_count;
    memcpy(x->response.fields, head->fields, head->field_count * sizeof(head->fields[0]));
}

static void release_kept(struct exchange *x)
{
    if (upstream_needs_kept(x->upstream))
        return;
    if (x->slot)
        slots_put(x->slot, x->env->slots);
    if (x->old_slot)
        slots_put(x->old_slot, x->env->slots);
    x->slot = x->old_slot = NULL;
}

static void answered(void *owner)
{
    struct exchange *x = owner;
    uint64_t length = 0;

    take_fields(x, upstream_head(x->upstream));
    int r = head_content_length(&x->response, &length);

    if (r == -EBADMSG) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_UPSTREAM, "The endpoint's answer could not be read.");
        return;
    }
    release_kept(x);
    x->answer_body = NULL;
    x->answer_bytes = x->response.status == 204 || x->response.status == 304 ? 0 : length;
    /* Where no body follows, the library would end one of unknown length all the same: with a last chunk that nobody expects. */
    x->is_length_unknown = r == -ENOENT && !exchange_answers_no_body(x);
    x->has_stream = x->is_length_unknown || (length > 0 && !exchange_answers_no_body(x));
    if (x->has_stream)
        exchange_answered(x);
}

static void moved(void *owner)
{
    struct exchange *x = owner;
    bool is_asking = x->state == EX_BODY || x->state == EX_UPSTREAM;

    if (is_asking && upstream_head(x->upstream) && upstream_is_over(x->upstream))
        exchange_answered(x);
    exchange_wake(x);
}

static void failed(void *owner, bool may_have_run, const char *reason)
{
    struct exchange *x = owner;
    bool may_repeat = !may_have_run || operation_may_resend(x->operation, &x->request);
    bool has_all = upstream_has_all(x->upstream);

    x->upstream = upstream_free(x->upstream);
    if (may_have_run && may_repeat && has_all && x->state == EX_UPSTREAM && !x->is_second_try) {
        x->is_second_try = true;
        start(x);
    } else if (may_repeat) {
        exchange_refuse(x, AZURE_ServerBusy, METRIC_ERROR_UPSTREAM, "The account's endpoint did not answer: %s.", reason);
    } else {
        exchange_refuse(x, AZURE_OperationTimedOut, METRIC_ERROR_UPSTREAM,
                        "The account's endpoint did not answer; what became of the request is unknown: %s.", reason);
    }
}

/* ---- what goes out ---- */

int exchange_admit_upstream(struct exchange *x, const struct exchange_shape *shape, struct composed_text *ret_text,
                            struct route_endpoint **ret_endpoint)
{
    struct route *route = x->env->route;
    char label[ACCOUNT_LABEL_BYTES];
    struct route_endpoint *endpoint;
    int r = route_admit(route, account_label(x, label), &endpoint);

    if (r < 0)
        return r;
    r = exchange_compose_head(x, shape, route_authority(endpoint), ret_text);
    if (r < 0) {
        route_report(route, endpoint, BREAKER_ABANDONED);
        return r;
    }
    *ret_endpoint = endpoint;
    return 0;
}

static const char *kept_body(const struct exchange *x)
{
    const struct slot *slot = x->old_slot ? x->old_slot : x->slot;

    return slot ? (const char *)slot->data : x->kept;
}

/* Nobody has written over what stands in a slot that the host had. */
static bool is_body_whole(void *owner)
{
    const struct exchange *x = owner;

    return !kept_body(x) || body_mark_stands(&x->mark, kept_body(x));
}

static int start_request(struct exchange *x)
{
    struct exchange_shape shape = {.kind = SHAPE_WHOLE};
    struct upstream_hooks hooks = {answered, failed, moved, is_body_whole, x};
    struct composed_text text;
    struct upstream_request request = {
        .head = &x->env->composed, .body_bytes = x->body_bytes, .kept = kept_body(x), .kept_bytes = x->body_received};
    int r = exchange_admit_upstream(x, &shape, &text, &request.endpoint);

    return r < 0 ? r : upstream_start(x->env->route, &request, &hooks, &x->upstream);
}

/* The body of a batch that is rewritten is gathered first, at most 4 MiB for each seat. */
static void start_gathering(struct exchange *x)
{
    x->kept = malloc(x->body_bytes);
    if (!x->kept) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_INTERNAL, "Out of memory.");
        return;
    }
    if (x->state != EX_BODY)
        exchange_move(x, EX_BODY);
    exchange_wake(x);
}

/* It has a seat. */
static void start(struct exchange *x)
{
    if (exchange_is_path_style_batch(x) && !exchange_has_whole_body(x)) {
        start_gathering(x);
        return;
    }
    if (!is_body_whole(x)) {
        exchange_refuse_overwritten(x);
        return;
    }
    if (exchange_rewrite_body(x, (char *)(uintptr_t)kept_body(x), (size_t)x->body_bytes) < 0)
        return;
    int r = start_request(x);

    if (r == -EBUSY) {
        refuse_open(x);
    } else if (r < 0) {
        exchange_refuse(x, AZURE_InternalError, METRIC_ERROR_INTERNAL,
                        "The request cannot be sent to the account's endpoint: %s.", strerror(-r));
    } else {
        enum exchange_state next = exchange_has_whole_body(x) ? EX_UPSTREAM : EX_BODY;

        if (x->state != next)
            exchange_move(x, next);
        exchange_wake(x);
    }
}

static void seat_ready(struct route_seat *seat)
{
    start(seat->owner);
}

static void sit_down(struct exchange *x)
{
    x->seat.ready = seat_ready;
    x->seat.owner = x;
    if (route_take_seat(x->env->route, &x->seat)) {
        start(x);
        return;
    }
    if (x->state != EX_SLOT)
        exchange_move(x, EX_SLOT);
    route_wait_seat(x->env->route, &x->seat);
}

bool exchange_fall_back(struct exchange *x, enum metric why)
{
    char label[ACCOUNT_LABEL_BYTES];

    if (!x->env->route)
        return false;
    x->route = why;
    slots_cancel(x->env->slots, &x->waiter);
    exchange_env_unwatch(x->env, &x->watch);
    exchange_env_cancel(x->env, &x->submission);
    if (x->body_received == 0)
        x->upload = upload_free(x->upload);
    if (x->slot && x->body_received == 0) {
        slots_put(x->slot, x->env->slots);
        x->slot = NULL;
    }
    if (!route_would_admit(x->env->route, account_label(x, label)))
        refuse_open(x);
    else if (x->state == EX_NEW && x->body_bytes > 0 && !x->expects_continue)
        exchange_move(x, EX_BODY);
    else
        sit_down(x);
    return true;
}

void exchange_leave_lost_channel(struct exchange *x)
{
    if (x->route == METRIC_ROUTE_CHANNEL && x->body_received == 0 && x->env->channel->state != CHANNEL_UP)
        (void)!exchange_fall_back(x, METRIC_ROUTE_CHANNEL_DOWN);
}

enum exchange_next exchange_upstream_body(struct exchange *x, const char *bytes, size_t len, size_t *taken)
{
    bool is_gathering = x->kept && exchange_is_path_style_batch(x);

    if (!x->upstream && !is_gathering)
        sit_down(x);
    if (x->state == EX_BODY && x->kept && !x->upstream) {
        memcpy(x->kept + x->body_received, bytes, len);
        *taken = len;
    } else if (x->state == EX_BODY) {
        *taken = upstream_write(x->upstream, bytes, len);
        if (*taken == 0) {
            x->is_waiting = true;
            return EXCHANGE_WAIT;
        }
    } else if (x->state == EX_DISCARD) { /* refused just now: the body is read away */
        *taken = len;
    }
    x->body_received += *taken;
    return exchange_next_step(x);
}

void exchange_upstream_finish(struct exchange *x)
{
    if (x->upstream)
        exchange_move(x, EX_UPSTREAM);
    else
        start(x);
}

ssize_t exchange_upstream_read(struct exchange *x, char *bytes, size_t max)
{
    ssize_t n = upstream_read(x->upstream, bytes, max);

    if (n > 0 && x->is_length_unknown)
        x->answer_bytes += (uint64_t)n;
    return n == -ENODATA && !x->is_length_unknown ? -EIO : n;
}

void exchange_upstream_expire(struct exchange *x)
{
    upstream_blame(x->upstream);
    exchange_refuse(x, AZURE_OperationTimedOut, METRIC_ERROR_EXCHANGE_DEADLINE, "The account's endpoint did not answer in time.");
}
