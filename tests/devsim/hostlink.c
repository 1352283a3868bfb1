/* SPDX-License-Identifier: MIT */
/* Transfers to a blobhostd over the emulated channel. */
#include "hostlink.h"

#include "../../src/lib/channel/channel.h"
#include "../../src/lib/envelope.h"
#include "../../src/lib/head.h"
#include "../../src/lib/vmbus/packet.h"
#include "../../src/lib/vmbus/ring.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#define RECONNECT_MIN_MS 10u
#define RECONNECT_MAX_MS 500u

TAILQ_HEAD(job_list, hostlink_job);

struct hostlink {
    struct channel *channel;
    struct slots *slots;
    struct slot_geometry geometry;
    struct job_list waiting;
    void (*changed)(void *owner, bool is_up, const char *reason);
    void *owner;
};

/* A ring that the requests of all slots fit, so that it is never full. */
static uint32_t ring_bytes(const struct slot_geometry *geometry)
{
    uint64_t needed = RING_HEADER_BYTES;
    uint32_t bytes = RING_BYTES_MIN;

    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        uint32_t pages = (LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES + geometry->data_bytes[class]) / PACKET_PAGE_BYTES;
        needed += geometry->count[class] * ((uint64_t)PACKET_REQUEST_BYTES(pages) + PACKET_FOOTER_BYTES);
    }
    while (bytes <= needed && bytes < RING_BYTES_MAX)
        bytes *= 2;
    return bytes > needed ? bytes : 0;
}

static void end_waiting(struct hostlink *link)
{
    struct hostlink_job *job;

    while ((job = TAILQ_FIRST(&link->waiting))) {
        hostlink_put(job);
        job->ready(job, -ENODEV);
    }
}

static void on_changed(void *owner, enum channel_state state, const char *reason)
{
    struct hostlink *link = owner;

    if (link->changed)
        link->changed(link->owner, state == CHANNEL_UP, reason);
    if (state == CHANNEL_DOWN)
        end_waiting(link);
}

static bool is_valid(const struct hostlink_config *config)
{
    return config->slots_small + (uint64_t)config->slots_large > 0 && config->small_bytes <= HOSTLINK_DATA_BYTES_MAX &&
           config->large_bytes <= HOSTLINK_DATA_BYTES_MAX;
}

static int open_channel(struct hostlink *link, struct event_base *base, const struct hostlink_config *config)
{
    struct channel_emulated_config channel = {
        .socket_path = config->bus_socket,
        .ring_bytes = ring_bytes(&link->geometry),
        .geometry = link->geometry,
        .reconnect_min_ms = RECONNECT_MIN_MS,
        .reconnect_max_ms = RECONNECT_MAX_MS,
    };
    int r = slots_new(base, &link->geometry, &link->slots);

    return r < 0 ? r
                 : channel_emulated_open(base, &channel, link->slots,
                                         &(struct channel_listener){.changed = on_changed, .owner = link}, &link->channel);
}

int hostlink_open(struct event_base *base, const struct hostlink_config *config, struct hostlink **ret_link)
{
    if (!is_valid(config))
        return -EINVAL;
    struct hostlink *link = calloc(1, sizeof(*link));
    if (!link)
        return -ENOMEM;
    link->geometry =
        (struct slot_geometry){{config->slots_small, config->slots_large}, {config->small_bytes, config->large_bytes}};
    link->changed = config->changed;
    link->owner = config->owner;
    TAILQ_INIT(&link->waiting);
    int r = open_channel(link, base, config);
    if (r < 0) {
        hostlink_close(link);
        return r;
    }
    *ret_link = link;
    return 0;
}

struct hostlink *hostlink_close(struct hostlink *link)
{
    if (!link)
        return NULL;
    channel_close(TAKE_PTR(link->channel));
    end_waiting(link);
    slots_free(link->slots);
    free(link);
    return NULL;
}

bool hostlink_is_up(const struct hostlink *link)
{
    return link->channel && link->channel->state == CHANNEL_UP;
}

static void on_slot(struct slot_waiter *waiter, struct slot *slot)
{
    struct hostlink_job *job = waiter->owner;

    TAILQ_REMOVE(&job->link->waiting, job, wait_link);
    job->slot = slot;
    job->ready(job, 0);
}

static int pick_class(const struct slot_geometry *geometry, uint32_t data_bytes, enum slot_class *ret_class)
{
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        if (geometry->count[class] > 0 && data_bytes <= geometry->data_bytes[class]) {
            *ret_class = class;
            return 0;
        }
    }
    return -EMSGSIZE;
}

int hostlink_take(struct hostlink *link, struct hostlink_job *job)
{
    enum slot_class class;
    int r = pick_class(&link->geometry, job->data_bytes, &class);

    assert(!job->slot && !job->waiter.is_queued);
    if (r < 0)
        return r;
    if (!hostlink_is_up(link))
        return -ENODEV;
    job->link = link;
    job->slot = slots_take(link->slots, class);
    if (job->slot)
        return 0;
    job->waiter = (struct slot_waiter){.class = class, .ready = on_slot, .owner = job};
    TAILQ_INSERT_TAIL(&link->waiting, job, wait_link);
    slots_wait(link->slots, &job->waiter);
    return -EAGAIN;
}

static void on_done(struct transfer *transfer, int result)
{
    struct hostlink_job *job = transfer->owner;

    if (result < 0)
        job->done(job, -ENODEV, HOSTLINK_STATUS_ABORTED, 0);
    else if (transfer->response_bytes > job->response_capacity)
        job->done(job, 0, VSP_STATUS_INSUFFICIENT_BUFFER, 0);
    else
        job->done(job, 0, transfer->status, transfer->response_bytes);
}

int hostlink_submit(struct hostlink_job *job)
{
    struct transfer *transfer = &job->slot->transfer;

    if (job->response_capacity == 0)
        return -EINVAL;
    memcpy(transfer->guid, job->guid, sizeof(transfer->guid));
    transfer->timeout_ms = job->timeout_ms;
    transfer->request_bytes = job->request_bytes;
    transfer->data_bytes = job->data_bytes;
    transfer->data_valid_bytes = job->data_valid_bytes;
    transfer->done = on_done;
    transfer->owner = job;
    int r = channel_submit(job->link->channel, transfer);
    assert(r != -EAGAIN); /* see ring_bytes() */
    return r;
}

/* 0; -ENOENT: not an envelope of HTTP. */
static int open_head(enum envelope_kind kind, const uint8_t *message, uint32_t bytes, struct head *ret_head)
{
    struct envelope envelope;

    if (envelope_open(kind, message, bytes, &envelope) < 0 || envelope.format != ENVELOPE_FORMAT_HTTP)
        return -ENOENT;
    int r = kind == ENVELOPE_REQUEST ? head_parse_request(envelope.payload, envelope.payload_bytes, ret_head)
                                     : head_parse_response(envelope.payload, envelope.payload_bytes, ret_head);
    return r < 0 ? -ENOENT : 0;
}

uint32_t hostlink_body_bytes(const struct hostlink_job *job, uint32_t status, uint32_t response_bytes)
{
    struct head request, response;
    uint64_t body_bytes;

    if (status != VSP_STATUS_OK)
        return 0;
    if (open_head(ENVELOPE_REQUEST, job->slot->request, job->request_bytes, &request) < 0 ||
        open_head(ENVELOPE_RESPONSE, job->slot->response, response_bytes, &response) < 0)
        return job->data_bytes;
    if (slice_equal(request.method, SLICE("HEAD")) || response.status == 204 || response.status == 304 ||
        head_content_length(&response, &body_bytes) < 0)
        return 0;
    return body_bytes < job->data_bytes ? (uint32_t)body_bytes : job->data_bytes;
}

void hostlink_put(struct hostlink_job *job)
{
    if (job->waiter.is_queued) {
        slots_cancel(job->link->slots, &job->waiter);
        TAILQ_REMOVE(&job->link->waiting, job, wait_link);
    } else if (job->slot) {
        slots_put(TAKE_PTR(job->slot), job->link->slots);
    }
}
