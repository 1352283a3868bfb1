/* SPDX-License-Identifier: MIT */
/* A read that is larger than a slot: fetched in parts pinned by ETag, several in flight, handed on in order.
 *
 * - One part at least is always under way or waiting for a slot; more are begun only while slots are free and nobody waits.
 * - The window of parts grows while the client waits for the host and shrinks while the host waits for the client: a fast reader
 * gets as many parts side by side as it can use, a slow one holds two slots.
 * - Anything but exactly the bytes asked for (the blob has changed, the host failed) ends the stream: the connection is cut, the
 *   body is never mixed and never ended cleanly short.
 * - A part lost with its channel is asked for again: reads are safe to repeat. Where there is a way past the channel that can be
 * gone at once, all that is not there yet comes as one answer from upstream, pinned and checked like a part. */
#include "exchange_internal.h"

#include "../lib/vmbus/vsp_status.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_ATTEMPTS_MAX 5u

/* Of a slot this much is used for one part: with longer ones the first bytes come later and the last ones alone, with shorter
 * ones a host's latency counts for more. */
#define PART_BYTES_MAX (4u * 1024 * 1024)

#define WINDOW_FIRST 4u
#define WINDOW_LEAST 2u /* one at the client, one at the host */

enum part_state { PART_UNUSED, PART_SLOT, PART_HOST, PART_READY };

struct part {
    struct split *split;
    enum part_state state;
    unsigned attempts;
    uint64_t first, bytes; /* first: in the blob */
    uint64_t taken;        /* handed on */
    struct slot *slot;
    struct slot_waiter waiter;
    struct submission submission;
};

struct split {
    struct exchange *x;
    char *etag;               /* owned */
    uint64_t next_first, end; /* in the blob: next byte to ask for, and the byte behind the last */
    uint32_t part_bytes;
    unsigned oldest, count; /* parts[] is a ring */
    unsigned window;        /* parts that there may be now */
    unsigned parts_max;     /* slots.read_window */
    bool has_begun;         /* a first part has been handed on */
    bool is_awaited;        /* the client has seen that the oldest part is not there */
    bool has_asked;         /* a part was begun since the window last shrank */
    bool is_broken;
    struct channel_watch watch;
    struct route_seat seat;
    struct upstream *upstream; /* has all behind the parts */
    uint64_t upstream_left;
    struct buf head_bytes;
    struct head head;
    struct part parts[];
};

static void part_send(struct part *part);

static void split_break(struct split *split, enum metric kind, const char *why)
{
    char guid[AZURE_REQUEST_ID_BYTES], client_request_id[ACCESS_ID_BYTES];

    if (split->is_broken)
        return;
    split->is_broken = true;
    azure_guid_text(split->x->guid, guid);
    exchange_client_request_id(split->x, client_request_id);
    struct log_field fields[] = {{"transfer", guid}, {"client_request_id", client_request_id}};

    log_event(LOG_LEVEL_WARNING, "stream-broken", fields, sizeof(fields) / sizeof(fields[0]), "%s", why);
    exchange_blame(split->x, why);
    metrics_add(split->x->env->metrics, kind, 1);
    exchange_wake(split->x);
}

static void part_slot_ready(struct slot_waiter *waiter, struct slot *slot)
{
    struct part *part = waiter->owner;

    part->slot = slot;
    part_send(part);
}

/* ---- upstream ---- */

/* Does the head announce exactly these bytes of the blob? */
static bool is_range(const struct head *head, uint64_t range_first, uint64_t bytes)
{
    struct slice range = head_value(head, "Content-Range");
    unsigned long long first, last;

    return head->status == 206 && range.bytes && sscanf(range.bytes, "bytes %llu-%llu/", &first, &last) == 2 &&
           first == range_first && last == range_first + bytes - 1;
}

static void upstream_answered(void *owner)
{
    struct split *split = owner;
    const struct head *head = upstream_head(split->upstream);

    if (!is_range(head, split->end - split->upstream_left, split->upstream_left))
        split_break(split, METRIC_ERROR_BLOB_CHANGED,
                    "the rest of a download is not what was asked of upstream: the blob has changed or the endpoint failed");
}

static void upstream_failed(void *owner, bool may_have_run, const char *reason)
{
    (void)may_have_run;
    (void)reason;
    split_break(owner, METRIC_ERROR_UPSTREAM, "the channel was lost during a download and the endpoint did not answer");
}

static void upstream_moved(void *owner)
{
    exchange_wake(((struct split *)owner)->x);
}

static int ask_upstream(struct split *split, uint64_t first)
{
    struct exchange *x = split->x;
    struct exchange_shape shape = {.kind = SHAPE_RANGE, .first = first, .last = split->end - 1, .etag = slice_of(split->etag)};
    struct upstream_hooks hooks = {upstream_answered, upstream_failed, upstream_moved, NULL, split};
    struct upstream_request request = {.head = &x->env->composed};
    struct composed_text text;
    int r = exchange_admit_upstream(x, &shape, &text, &request.endpoint);

    return r < 0 ? r : upstream_start(x->env->route, &request, &hooks, &split->upstream);
}

/* The parts in the order of the blob. */
static struct part *part_at(struct split *split, unsigned i)
{
    return &split->parts[(split->oldest + i) % split->parts_max];
}

static void part_release(struct part *part)
{
    struct exchange_env *env = part->split->x->env;

    slots_cancel(env->slots, &part->waiter);
    exchange_env_cancel(env, &part->submission);
    if (part->slot)
        slots_abandon(part->slot, env->slots);
    part->slot = NULL;
    part->state = PART_UNUSED;
}

/* The channel is down: everything behind the parts that are there comes from upstream. false: it cannot be asked now, nothing has
 * changed. */
static bool split_fall_back(struct split *split)
{
    struct exchange_env *env = split->x->env;
    unsigned ready = 0;

    if (!env->route || env->channel->state == CHANNEL_UP || split->upstream || split->is_broken)
        return split->upstream != NULL;
    while (ready < split->count && part_at(split, ready)->state == PART_READY)
        ready++;
    uint64_t first = ready < split->count ? part_at(split, ready)->first : split->next_first;

    if (first == split->end || !route_take_seat(env->route, &split->seat))
        return false;
    if (ask_upstream(split, first) < 0) {
        route_leave_seat(env->route, &split->seat);
        return false;
    }
    while (split->count > ready)
        part_release(part_at(split, --split->count));
    split->next_first = split->end;
    split->upstream_left = split->end - first;
    split->x->route = METRIC_ROUTE_CHANNEL_LOST;
    return true;
}

static void split_channel_lost(struct channel_watch *watch)
{
    (void)split_fall_back(watch->owner);
}

static ssize_t read_upstream(struct split *split, char *bytes, size_t max)
{
    if (!upstream_head(split->upstream))
        return 0;
    ssize_t n = upstream_read(split->upstream, bytes, max);

    if (n < 0 || (uint64_t)n > split->upstream_left) {
        split_break(split, METRIC_ERROR_UPSTREAM, "the rest of a download was cut on its way from upstream");
        return -EIO;
    }
    split->upstream_left -= (uint64_t)n;
    return n;
}

/* ---- parts ---- */

static void part_wait(struct part *part)
{
    struct split *split = part->split;

    if (split->x->env->route && !split->watch.is_listed) {
        split->watch = (struct channel_watch){.lost = split_channel_lost, .owner = split};
        exchange_env_watch(split->x->env, &split->watch);
    }
    part->state = PART_SLOT;
    part->waiter.class = SLOT_LARGE;
    part->waiter.ready = part_slot_ready;
    part->waiter.owner = part;
    slots_wait(part->split->x->env->slots, &part->waiter);
}

static void part_again(struct part *part)
{
    struct exchange_env *env = part->split->x->env;

    if (split_fall_back(part->split))
        return;
    slots_put(part->slot, env->slots);
    part->slot = NULL;
    if (part->attempts >= PART_ATTEMPTS_MAX)
        split_break(part->split, METRIC_ERROR_CHANNEL_LOST, "the channel was lost too often during one download");
    else
        part_wait(part);
}

/* Is the answer exactly the part that was asked for? */
static bool part_is_right(struct part *part)
{
    struct split *split = part->split;
    uint64_t body_bytes;

    if (exchange_open_response(part->slot, &split->head_bytes, &split->head, &body_bytes) < 0)
        return false;
    return body_bytes == part->bytes && is_range(&split->head, part->first, part->bytes);
}

static void take_completion(struct part *part, const struct transfer *transfer)
{
    struct split *split = part->split;

    part->state = PART_READY;
    if (transfer->status != VSP_STATUS_OK || !part_is_right(part)) {
        split_break(split, METRIC_ERROR_BLOB_CHANGED,
                    "a part of a download is not what was asked for: the blob has changed or the host failed");
        return;
    }
    if (part == &split->parts[split->oldest])
        exchange_wake(split->x);
}

static void part_completed(struct transfer *transfer, int result)
{
    struct part *part = transfer->owner;
    struct exchange_env *env = part->split->x->env;

    exchange_transfer_ended(env, transfer, result);
    if (result < 0)
        part_again(part);
    else
        take_completion(part, transfer);
    exchange_env_pump(env);
}

static void part_submit_failed(struct submission *submission)
{
    struct part *part = (struct part *)((char *)submission - offsetof(struct part, submission));

    part_again(part);
}

static void part_send(struct part *part)
{
    struct exchange *x = part->split->x;
    struct exchange_shape shape = {
        .kind = SHAPE_RANGE, .first = part->first, .last = part->first + part->bytes - 1, .etag = slice_of(part->split->etag)};

    part->state = PART_HOST;
    part->attempts++;
    if (exchange_compose(x, part->slot, &shape) < 0) {
        split_break(part->split, METRIC_ERROR_INTERNAL, "the head of a part does not fit a transfer");
        return;
    }
    part->slot->transfer.done = part_completed;
    part->slot->transfer.owner = part;
    part->submission.transfer = &part->slot->transfer;
    part->submission.failed = part_submit_failed;
    if (exchange_env_submit(x->env, &part->submission) < 0)
        part_again(part);
}

/* Begins parts as far as the window, the blob and the free slots allow. */
static void split_fill(struct split *split)
{
    if (split_fall_back(split))
        return;
    while (split->count < split->window && split->next_first < split->end && !split->is_broken) {
        struct slot *slot = slots_take(split->x->env->slots, SLOT_LARGE);

        if (!slot && split->count > 0)
            return;
        struct part *part = &split->parts[(split->oldest + split->count) % split->parts_max];
        uint64_t left = split->end - split->next_first;

        memset(part, 0, sizeof(*part));
        part->split = split;
        part->slot = slot;
        part->first = split->next_first;
        part->bytes = left < split->part_bytes ? left : split->part_bytes;
        split->next_first += part->bytes;
        split->count++;
        split->has_asked = true;
        if (slot)
            part_send(part);
        else
            part_wait(part);
    }
}

/* Where in the blob the answer's body begins: a 206 says so in its Content-Range. */
static int body_first(const struct head *response, uint64_t *ret_first)
{
    struct slice range = head_value(response, "Content-Range");
    unsigned long long first;

    if (response->status == 200) {
        *ret_first = 0;
        return 0;
    }
    if (response->status != 206 || !range.bytes || sscanf(range.bytes, "bytes %llu-", &first) != 1)
        return -EBADMSG;
    *ret_first = first;
    return 0;
}

/* A digest of the whole range cannot be had from the parts. */
static bool lacks_digest(const struct exchange *x, const char *wanted, const char *given)
{
    return slice_equal_nocase(head_value(&x->request, wanted), SLICE("true")) && !head_find(&x->response, given);
}

bool split_is_possible(const struct exchange *x)
{
    uint64_t first;

    return head_value(&x->response, "ETag").len > 0 && body_first(&x->response, &first) == 0 &&
           !lacks_digest(x, "x-ms-range-get-content-md5", "Content-MD5") &&
           !lacks_digest(x, "x-ms-range-get-content-crc64", "x-ms-content-crc64");
}

int split_begin(struct exchange *x, uint64_t body_bytes)
{
    struct slice etag = head_value(&x->response, "ETag");
    uint64_t first;

    if (!split_is_possible(x) || body_first(&x->response, &first) < 0)
        return -EBADMSG;
    const unsigned parts_max = x->conf->slots_read_window;
    struct split *split = calloc(1, sizeof(*split) + parts_max * sizeof(split->parts[0]));

    if (!split)
        return -ENOMEM;
    buf_init(&split->head_bytes, LIMIT_SLOT_RESPONSE_BYTES + 1);
    split->etag = strndup(etag.bytes, etag.len);
    if (!split->etag) {
        free(split);
        return -ENOMEM;
    }
    split->x = x;
    split->next_first = first;
    split->end = first + body_bytes;
    split->part_bytes = x->conf->slots_large_bytes < PART_BYTES_MAX ? x->conf->slots_large_bytes : PART_BYTES_MAX;
    split->parts_max = parts_max;
    split->window = parts_max < WINDOW_FIRST ? parts_max : WINDOW_FIRST;
    x->split = split;
    x->answer_bytes = body_bytes;
    x->answer_body = NULL;
    split_fill(split);
    return 0;
}

/* The client has to wait for the host; for the first part everybody does. */
static void split_grow(struct split *split)
{
    if (!split->has_begun || split->is_awaited)
        return;
    split->is_awaited = true;
    split->window = split->window * 2 < split->parts_max ? split->window * 2 : split->parts_max;
    split_fill(split);
}

/* A part was handed on, and everything asked for behind it is there already: the host waits for the client. Parts that come all
 * at once look like that, too: so what was asked for when the one before was handed on must have come meanwhile. */
static void split_shrink(struct split *split)
{
    if (!split->has_asked)
        return;
    for (unsigned i = 0; i < split->count; i++)
        if (split->parts[(split->oldest + i) % split->parts_max].state != PART_READY)
            return;
    if (split->count > 0 && split->window > WINDOW_LEAST) {
        split->window--;
        split->has_asked = false;
    }
}

ssize_t split_read(struct split *split, char *bytes, size_t max)
{
    struct part *part = &split->parts[split->oldest];

    if (split->is_broken)
        return -EIO;
    if (split->count == 0 && split->upstream)
        return read_upstream(split, bytes, max);
    if (split->count == 0 || part->state != PART_READY) {
        split_grow(split);
        return 0;
    }
    uint64_t left = part->bytes - part->taken;
    size_t n = left < max ? (size_t)left : max;

    memcpy(bytes, part->slot->data + part->taken, n);
    part->taken += n;
    if (part->taken == part->bytes) {
        slots_put(part->slot, split->x->env->slots);
        part->slot = NULL;
        part->state = PART_UNUSED;
        split->oldest = (split->oldest + 1) % split->parts_max;
        split->count--;
        split->has_begun = true;
        split->is_awaited = false;
        split_shrink(split);
        split_fill(split);
    }
    return (ssize_t)n;
}

struct split *split_free(struct split *split)
{
    if (!split)
        return NULL;
    struct exchange_env *env = split->x->env;

    upstream_free(split->upstream);
    if (env->route)
        route_leave_seat(env->route, &split->seat);
    exchange_env_unwatch(env, &split->watch);
    for (unsigned i = 0; i < split->count; i++)
        part_release(part_at(split, i));
    buf_free(&split->head_bytes);
    free(split->etag);
    free(split);
    return NULL;
}
