/* SPDX-License-Identifier: MIT */
/* The life of a request: RING -> HOST -> (WITHHELD | DELAYED) -> told. Whatever becomes of its caller, it goes that way. */
#include "pending.h"

#include "../../src/lib/vmbus/vsp_status.h"
#include "pages.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#define SCRIBBLE_BYTES 65536u

struct request {
    struct hostlink_job job;
    struct pending *pending;
    struct azblob_request arguments;
    uint64_t call_id;
    pid_t tid;
    uint64_t address; /* of the caller's struct */
    uint32_t packet_bytes;
    struct azblob_reply reply;
    struct event *timer; /* of its delay; NULL: none */
    TAILQ_ENTRY(request) link;
};

TAILQ_HEAD(request_list, request);

struct pending {
    struct pending_config config;
    struct hostlink *link;
    int listener;
    uint32_t ring_used;
    bool is_removed;
    bool waits_for_slot; /* the first one in the ring */
    struct request_list ring, host, withheld, delayed;
    uint8_t scribble[SCRIBBLE_BYTES];
};

static struct request *request_of(struct hostlink_job *job)
{
    return (struct request *)(void *)((char *)job - offsetof(struct request, job));
}

static bool is_waiting(const struct request *request)
{
    return trap_is_waiting(request->pending->listener, request->call_id);
}

/* Ends the call, which is on none of the lists any more. */
static void request_end(struct request *request, int result)
{
    struct pending *pending = request->pending;
    struct counters *counters = pending->config.counters;

    hostlink_put(&request->job);
    counters->in_flight--;
    if (trap_answer(pending->listener, request->call_id, result) < 0)
        counters->vanished++;
    else if (result == 0)
        counters->completed++;
    if (request->timer)
        event_free(request->timer);
    free(request);
    if (result == 0)
        pending->config.completed(pending->config.owner);
}

static void request_fail(struct request *request, enum fault_error error)
{
    request->pending->config.counters->ioctl_errors[error]++;
    request_end(request, fault_error_number(error));
}

static bool falsify(const struct request *request, struct azblob_reply *reply)
{
    struct faults *faults = request->pending->config.faults;

    if (faults_strike(faults, &faults->replies[FAULT_REPLY_UNWRITTEN]))
        return false;
    if (faults_strike(faults, &faults->replies[FAULT_REPLY_ZERO]))
        reply->response_len = 0;
    if (faults_strike(faults, &faults->replies[FAULT_REPLY_LONG]))
        reply->response_len = request->arguments.response_len + 1;
    if (faults_strike(faults, &faults->replies[FAULT_REPLY_SHORT]) && reply->response_len > 0)
        reply->response_len--;
    return true;
}

/* Tells the caller. */
static void request_complete(struct request *request)
{
    struct faults *faults = request->pending->config.faults;
    struct azblob_reply reply = request->reply;
    uint64_t address = request->address + sizeof(request->arguments);

    if (faults_strike(faults, &faults->ioctls[FAULT_EINTR]))
        request_fail(request, FAULT_EINTR);
    else if (falsify(request, &reply) && is_waiting(request) && trap_write(request->tid, address, &reply, sizeof(reply)) < 0)
        request_fail(request, FAULT_EFAULT);
    else
        request_end(request, 0);
}

static void on_delay_end(evutil_socket_t fd, short what, void *arg)
{
    struct request *request = arg;

    (void)fd;
    (void)what;
    TAILQ_REMOVE(&request->pending->delayed, request, link);
    request_complete(request);
}

static bool request_delay(struct request *request)
{
    struct pending *pending = request->pending;
    struct faults *faults = pending->config.faults;
    uint32_t span = faults->delay_max_ms - faults->delay_min_ms + 1;
    uint32_t delay_ms = faults->delay_min_ms + (span > 1 ? faults_random(faults, span) : 0);
    struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};

    if (delay_ms == 0)
        return false;
    request->timer = evtimer_new(pending->config.base, on_delay_end, request);
    if (!request->timer || event_add(request->timer, &delay) < 0)
        return false;
    TAILQ_INSERT_TAIL(&pending->delayed, request, link);
    return true;
}

/* The host is done with it, and it is on no list. */
static void request_finish(struct request *request, uint32_t status, uint32_t response_bytes)
{
    struct pending *pending = request->pending;

    hostlink_put(&request->job);
    request->reply = (struct azblob_reply){status, response_bytes};
    if (!pending->is_removed && faults_lose(pending->config.faults)) {
        pending->config.counters->lost++;
        pending->config.counters->withheld++;
        TAILQ_INSERT_TAIL(&pending->withheld, request, link);
    } else if (!request_delay(request)) {
        request_complete(request);
    }
}

static void request_abort(struct request *request)
{
    request->pending->config.counters->aborted++;
    request_finish(request, HOSTLINK_STATUS_ABORTED, 0);
}

/* What the host has written, it has written into the caller's buffers. */
static void copy_out(struct request *request, uint32_t status, uint32_t response_bytes)
{
    const struct azblob_request *arguments = &request->arguments;
    const struct slot *slot = request->job.slot;
    uint32_t body_bytes = hostlink_body_bytes(&request->job, status, response_bytes);

    if (!is_waiting(request))
        return;
    if (trap_write(request->tid, arguments->response_buffer, slot->response, response_bytes) == 0 &&
        trap_write(request->tid, arguments->data_buffer, slot->data, body_bytes) == 0)
        return;
    if (!is_waiting(request)) /* it died meanwhile */
        return;
    request->pending->config.counters->violations++;
    (void)fprintf(stderr, "blobdevsim: violation: thread %d: a buffer was taken away while the host had it\n", (int)request->tid);
}

static void on_done(struct hostlink_job *job, int result, uint32_t status, uint32_t response_bytes)
{
    struct request *request = request_of(job);

    TAILQ_REMOVE(&request->pending->host, request, link);
    if (result < 0) {
        request_abort(request);
    } else {
        copy_out(request, status, response_bytes);
        request_finish(request, status, response_bytes);
    }
}

static void scribble_over(struct request *request, uint64_t address, uint32_t bytes)
{
    while (bytes > 0) {
        uint32_t part = bytes < SCRIBBLE_BYTES ? bytes : SCRIBBLE_BYTES;
        if (trap_write(request->tid, address, request->pending->scribble, part) < 0)
            return;
        address += part;
        bytes -= part;
    }
}

static void scribble(struct request *request)
{
    const struct azblob_request *arguments = &request->arguments;

    if (!is_waiting(request))
        return;
    scribble_over(request, arguments->response_buffer, arguments->response_len);
    scribble_over(request, arguments->data_buffer, arguments->data_len);
}

/* 0; 1: nothing the host would execute; -EFAULT: the caller has died or taken its pages away (pinned ones it could not). */
static int copy_in(struct request *request)
{
    const struct azblob_request *arguments = &request->arguments;
    const struct slot *slot = request->job.slot;

    if (arguments->request_len > slot->request_capacity || arguments->data_valid > arguments->data_len)
        return 1;
    int r = trap_read(request->tid, arguments->request_buffer, slot->request, arguments->request_len);
    if (r == 0)
        r = trap_read(request->tid, arguments->data_buffer, slot->data, arguments->data_valid);
    return r < 0 || !is_waiting(request) ? -EFAULT : 0;
}

/* The host takes it out of the ring; it has a slot. */
static void request_start(struct request *request)
{
    struct pending *pending = request->pending;
    int r = copy_in(request);

    if (r < 0) {
        request_fail(request, FAULT_EFAULT);
    } else if (r > 0) {
        request_finish(request, VSP_STATUS_INVALID_PARAMETER, 0);
    } else if (hostlink_submit(&request->job) < 0) {
        request_abort(request);
    } else {
        TAILQ_INSERT_TAIL(&pending->host, request, link);
        if (pending->config.faults->scribbles)
            scribble(request);
    }
}

static void leave_ring(struct request *request)
{
    struct pending *pending = request->pending;

    TAILQ_REMOVE(&pending->ring, request, link);
    pending->ring_used -= request->packet_bytes;
    pending->config.counters->in_ring--;
}

static void on_ready(struct hostlink_job *job, int result)
{
    struct request *request = request_of(job);
    struct pending *pending = request->pending;

    pending->waits_for_slot = false;
    leave_ring(request);
    if (result < 0)
        request_abort(request);
    else
        request_start(request);
    pending_dispatch(pending);
}

void pending_dispatch(struct pending *pending)
{
    struct request *request;

    while (!pending->waits_for_slot && !pending->config.faults->is_stalled && (request = TAILQ_FIRST(&pending->ring))) {
        int r = hostlink_take(pending->link, &request->job);
        if (r == -EAGAIN) {
            pending->waits_for_slot = true;
            return;
        }
        leave_ring(request);
        if (r == 0)
            request_start(request);
        else if (r == -EMSGSIZE)
            request_finish(request, VSP_STATUS_OUT_OF_MEMORY, 0);
        else
            request_abort(request);
    }
}

static uint32_t packet_bytes(const struct azblob_request *request)
{
    return AZBLOB_PACKET_BYTES(pages_count(request->request_buffer, request->request_len) +
                               pages_count(request->response_buffer, request->response_len) +
                               pages_count(request->data_buffer, request->data_len));
}

static bool ring_has_room(const struct pending *pending, uint32_t bytes)
{
    return pending->config.ring_bytes - AZBLOB_PAGE_BYTES - pending->ring_used > bytes;
}

int pending_add(struct pending *pending, const struct trap_call *call, const struct azblob_request *arguments)
{
    uint32_t bytes = packet_bytes(arguments);

    if (!ring_has_room(pending, bytes))
        return -EAGAIN;
    struct request *request = calloc(1, sizeof(*request));
    if (!request)
        return -ENOMEM;
    *request = (struct request){
        .pending = pending,
        .arguments = *arguments,
        .call_id = call->id,
        .tid = call->tid,
        .address = call->ioctl.argument,
        .packet_bytes = bytes,
        .job = {.data_bytes = arguments->data_len,
                .ready = on_ready,
                .timeout_ms = arguments->timeout_ms,
                .request_bytes = arguments->request_len,
                .data_valid_bytes = arguments->data_valid,
                .response_capacity = arguments->response_len,
                .done = on_done},
    };
    memcpy(request->job.guid, arguments->guid, sizeof(request->job.guid));
    TAILQ_INSERT_TAIL(&pending->ring, request, link);
    pending->ring_used += bytes;
    pending->config.counters->in_ring++;
    pending->config.counters->in_flight++;
    pending_dispatch(pending);
    return 0;
}

void pending_release(struct pending *pending)
{
    struct request *request;

    while ((request = TAILQ_FIRST(&pending->withheld))) {
        TAILQ_REMOVE(&pending->withheld, request, link);
        pending->config.counters->withheld--;
        request_complete(request);
    }
}

void pending_set_removed(struct pending *pending, bool is_removed)
{
    pending->is_removed = is_removed;
    if (is_removed)
        pending_release(pending);
}

static void on_host_changed(void *owner, bool is_up, const char *reason)
{
    struct pending *pending = owner;

    pending->config.host_changed(pending->config.owner, is_up, reason);
}

int pending_new(const struct pending_config *config, struct pending **ret_pending)
{
    struct pending *pending = calloc(1, sizeof(*pending));

    if (!pending)
        return -ENOMEM;
    pending->config = *config;
    pending->listener = -1;
    TAILQ_INIT(&pending->ring);
    TAILQ_INIT(&pending->host);
    TAILQ_INIT(&pending->withheld);
    TAILQ_INIT(&pending->delayed);
    for (uint32_t i = 0; i < SCRIBBLE_BYTES; i++)
        pending->scribble[i] = (uint8_t)faults_random(config->faults, 256);
    pending->config.link.changed = on_host_changed;
    pending->config.link.owner = pending;
    int r = hostlink_open(config->base, &pending->config.link, &pending->link);
    if (r < 0) {
        free(pending);
        return r;
    }
    *ret_pending = pending;
    return 0;
}

void pending_set_listener(struct pending *pending, int listener)
{
    pending->listener = listener;
}

struct pending *pending_free(struct pending *pending)
{
    struct request *request;

    if (!pending)
        return NULL;
    *pending->config.faults = (struct faults){.random = 1};
    pending_set_removed(pending, true);
    pending_dispatch(pending);
    hostlink_close(pending->link);
    while ((request = TAILQ_FIRST(&pending->delayed))) {
        TAILQ_REMOVE(&pending->delayed, request, link);
        request_complete(request);
    }
    free(pending);
    return NULL;
}
