/* SPDX-License-Identifier: MIT */
/* The channel over /dev/azure_blob: an ioctl that blocks until the host has answered, so a thread for each transfer at the host.
 *
 * The good case: submit -> a worker's ioctl -> its result through an eventfd -> done, on the loop.
 * - The ring or the driver's table is full (EAGAIN), or pages could not be pinned (ENOMEM): the host never had the transfer; it
 * is tried again, after a completion or a growing delay, until its timeout has passed. Meanwhile nothing new is taken.
 * - The device is removed (ENODEV), or the descriptor is another process's (EACCES): the channel goes down and the device is
 *   opened again as soon as it is there. What the kernel still has comes back by itself.
 * - Anything else that a driver may answer ends the one transfer; the listener is told once.
 * - Nothing can be called back from the kernel: memory and descriptor outlive the channel until it has let go of them. */
#include "channel.h"

#include "../clock.h"
#include "../vmbus/vsp_status.h"
#include "device_memory.h"
#include "device_trouble.h"
#include "device_watch.h"
#include "device_workers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PAGE_BYTES 4096u
#define RESULTS_AT_A_TIME 64u
#define RETRY_MIN_MS 1u
#define RETRY_MAX_MS 64u

enum device_phase { DEVICE_WAITING, DEVICE_UP, DEVICE_CLOSING };

enum place_state { PLACE_FREE, PLACE_AT_WORKER, PLACE_RETRY };

/* A transfer in flight. */
struct place {
    enum place_state state;
    struct transfer *transfer;
    uint64_t deadline_us;
    uint64_t retry_us; /* of PLACE_RETRY */
    uint32_t delay_ms; /* before the next retry */
    uint32_t next_free;
    TAILQ_ENTRY(place) link; /* of the retries, oldest first */
};

struct device {
    struct channel channel; /* first: channel_ops get a pointer to it */
    struct event_base *base;
    struct slots *slots;
    struct slot_geometry geometry;
    const struct device_calls *calls;
    char *path;
    uint32_t reopen_min_ms, reopen_max_ms;

    enum device_phase phase;
    uint32_t delay_ms; /* before the next attempt */
    uint64_t up_since_us;
    bool is_removed; /* and that has been told */
    struct event *open_timer, *retry_timer, *results_event;
    struct device_watch *watch; /* NULL: none */
    struct err reason;          /* the last one told since it was up */
    struct device_troubles troubles;

    struct device_opening *opening; /* NULL: down */
    enum device_command command;
    struct workers *workers;
    uint32_t depth, first_free;
    struct place *places;
    TAILQ_HEAD(, place) retries;
};

_Static_assert(offsetof(struct device, channel) == 0, "the ops cast");

static struct slot *slot_of(struct transfer *transfer)
{
    return (struct slot *)(void *)((char *)transfer - offsetof(struct slot, transfer));
}

static void arm_us(struct event *event, uint64_t delay_us)
{
    struct timeval delay = {(time_t)(delay_us / 1000000), (suseconds_t)(delay_us % 1000000)};

    if (event_add(event, &delay) < 0)
        event_active(event, EV_TIMEOUT, 0);
}

/* ---- what the listener hears ---- */

static void tell_state(struct device *device, const char *reason)
{
    device->channel.listener.changed(device->channel.listener.owner, device->channel.state, reason);
}

static void tell_trouble(struct device *device, enum device_trouble trouble, const char *text)
{
    struct err message;

    if (device_trouble_is_due(&device->troubles, trouble, device->path, text, &message) && device->channel.listener.trouble)
        device->channel.listener.trouble(device->channel.listener.owner, message.text);
}

/* ---- transfers ---- */

static struct place *place_take(struct device *device, struct transfer *transfer)
{
    struct place *place = &device->places[device->first_free];

    device->first_free = place->next_free;
    place->transfer = transfer;
    place->delay_ms = RETRY_MIN_MS;
    transfer->transaction_id = (uint64_t)(place - device->places) + 1;
    transfer->submitted_us = clock_mono_us();
    place->deadline_us = transfer->submitted_us + transfer->timeout_ms * (uint64_t)1000;
    device->channel.counters.submitted++;
    device->channel.counters.in_flight++;
    return place;
}

static void place_leave_retries(struct device *device, struct place *place)
{
    if (place->state == PLACE_RETRY)
        TAILQ_REMOVE(&device->retries, place, link);
    place->state = PLACE_FREE;
}

/* The place is free before done runs, so that done may submit again. */
static void place_end(struct device *device, struct place *place, int result)
{
    struct transfer *transfer = place->transfer;

    place_leave_retries(device, place);
    place->transfer = NULL;
    place->next_free = device->first_free;
    device->first_free = (uint32_t)(place - device->places);
    transfer->transaction_id = 0;
    transfer->completed_us = clock_mono_us();
    device->channel.counters.in_flight--;
    if (result == 0)
        device->channel.counters.completed++;
    else
        device->channel.counters.lost++;
    transfer->done(transfer, result);
}

static struct device_request request_of(struct transfer *transfer, uint64_t deadline_us)
{
    struct slot *slot = slot_of(transfer);
    uint64_t now_us = clock_mono_us();
    struct device_request request = {
        .timeout_ms = deadline_us > now_us + 1000 ? (uint32_t)((deadline_us - now_us) / 1000) : 1,
        .request = slot->request,
        .request_bytes = transfer->request_bytes,
        .response = slot->response,
        .response_bytes = slot->response_capacity,
        .data = transfer->data_bytes > 0 ? slot->data : NULL,
        .data_bytes = transfer->data_bytes,
        .data_valid_bytes = transfer->data_valid_bytes,
    };

    memcpy(request.guid, transfer->guid, sizeof(request.guid));
    return request;
}

/* 0 or -EAGAIN: no thread can be had. */
static int hand_over(struct device *device, struct place *place)
{
    struct worker_job job = {
        .tag = (uint32_t)(place - device->places),
        .opening = device->opening,
        .request = request_of(place->transfer, place->deadline_us),
    };
    int cause;
    int r = workers_submit(device->workers, &job, &cause);

    if (r == 0)
        place->state = PLACE_AT_WORKER;
    else
        tell_trouble(device, TROUBLE_NO_THREAD, "no thread can be made to wait for the host: raise TasksMax");
    return r;
}

/* The earliest of the retries; they are few, and this is after a refusal. */
static void arm_retry(struct device *device)
{
    struct place *place = TAILQ_FIRST(&device->retries), *next;
    uint64_t now_us = clock_mono_us();

    if (!place)
        return;
    TAILQ_FOREACH(next, &device->retries, link)
    if (next->retry_us < place->retry_us)
        place = next;
    arm_us(device->retry_timer, place->retry_us > now_us ? place->retry_us - now_us : 0);
}

/* The host never had it: again later, unless its time is over. */
static void place_retry_later(struct device *device, struct place *place)
{
    uint64_t now_us = clock_mono_us();
    uint64_t delay_us = place->delay_ms * (uint64_t)1000;

    if (now_us >= place->deadline_us || device->phase != DEVICE_UP) {
        place_end(device, place, -ECANCELED);
        return;
    }
    if (now_us + delay_us > place->deadline_us)
        delay_us = place->deadline_us - now_us;
    place->delay_ms = place->delay_ms * 2 < RETRY_MAX_MS ? place->delay_ms * 2 : RETRY_MAX_MS;
    place->state = PLACE_RETRY;
    place->retry_us = now_us + delay_us;
    device->channel.counters.ring_full++;
    TAILQ_INSERT_TAIL(&device->retries, place, link);
    arm_retry(device);
}

static void place_retry_now(struct device *device, struct place *place)
{
    place_leave_retries(device, place);
    if (clock_mono_us() >= place->deadline_us)
        place_end(device, place, -ECANCELED);
    else if (hand_over(device, place) < 0)
        place_retry_later(device, place);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct device *device = arg;
    struct place *place, *next;
    uint64_t now_us = clock_mono_us();

    (void)fd;
    (void)what;
    for (place = TAILQ_FIRST(&device->retries); place; place = next) {
        next = TAILQ_NEXT(place, link);
        if (place->retry_us <= now_us) {
            place_retry_now(device, place);
            next = TAILQ_FIRST(&device->retries); /* done may have done anything; what waits again is not due */
        }
    }
    arm_retry(device);
}

/* ---- down ---- */

/* Between half the delay and all of it, so that the shards do not come back all at once. */
static uint64_t next_delay_us(struct device *device)
{
    uint32_t delay_ms = device->delay_ms;
    uint32_t random = 0;

    device->delay_ms = delay_ms > device->reopen_max_ms / 2 ? device->reopen_max_ms : delay_ms * 2;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return (delay_ms - random % (delay_ms / 2 + 1)) * (uint64_t)1000;
}

static void end_retries(struct device *device, int result)
{
    struct place *place;

    while ((place = TAILQ_FIRST(&device->retries)))
        place_end(device, place, result);
}

/* The only way down but for closing; plans the next attempt. */
static void device_fail(struct device *device, int error, const struct err *reason)
{
    bool was_up = device->channel.state == CHANNEL_UP;
    bool is_still_gone = device->is_removed && error == -ENOENT;
    bool is_news = was_up || (!is_still_gone && strcmp(reason->text, device->reason.text) != 0);

    if (was_up && clock_mono_us() - device->up_since_us >= device->reopen_max_ms * (uint64_t)1000)
        device->delay_ms = device->reopen_min_ms;
    device->channel.state = CHANNEL_DOWN;
    device->phase = DEVICE_WAITING;
    device->reason = *reason;
    device->is_removed = is_still_gone || error == -ENODEV;
    device->opening = device_opening_unref(device->opening);
    if (was_up)
        slots_detach(device->slots);
    event_del(device->retry_timer);
    arm_us(device->open_timer, next_delay_us(device));
    if (is_news)
        tell_state(device, device->reason.text);
    end_retries(device, -ECANCELED);
}

/* ---- results ---- */

static void fail_for(struct device *device, int error)
{
    struct err reason;

    if (device->phase != DEVICE_UP)
        return;
    if (error == -ENODEV)
        err_set(&reason, error, "%s: the device has been removed", device->path);
    else
        err_set(&reason, error, "%s: %s: the descriptor no longer belongs to this process", device->path, strerror(-error));
    device_fail(device, error, &reason);
}

static void take_refusal(struct device *device, struct place *place, int error)
{
    struct device_request request;
    char text[160];

    switch (error) {
    case -ENOMEM:
        tell_trouble(device, TROUBLE_NO_MEMORY, "the kernel has no memory to pin a transfer's pages; trying again");
        place_retry_later(device, place);
        return;
    case -EAGAIN:
        place_retry_later(device, place);
        return;
    case -ENODEV:
    case -EACCES:
        /* Before done, which shall find the channel down. */
        fail_for(device, error);
        place_end(device, place, -ECANCELED);
        return;
    case -EINTR:
        device->channel.counters.protocol_errors++;
        tell_trouble(device, TROUBLE_INTERRUPTED, "a transfer was interrupted, its outcome is unknown");
        place_end(device, place, -EINTR);
        return;
    default:
        request = request_of(place->transfer, 0);
        device->channel.counters.refused++;
        snprintf(text, sizeof(text), "the driver refuses a transfer of %u pages: %s", device_request_pages(&request),
                 strerror(-error));
        tell_trouble(device, TROUBLE_REFUSED, text);
        place_end(device, place, -EINVAL);
    }
}

/* A reply that cannot be: whatever the host did, nobody knows. */
static bool is_garbage(struct device *device, const struct place *place, const struct device_reply *reply)
{
    uint32_t capacity = slot_of(place->transfer)->response_capacity;
    char text[160];

    if (reply->is_unset) {
        tell_trouble(device, TROUBLE_UNSET, "the driver answered without a status");
    } else if (reply->response_bytes > capacity) {
        snprintf(text, sizeof(text), "the host claims %u response bytes in a buffer of %u", reply->response_bytes, capacity);
        tell_trouble(device, TROUBLE_TOO_LONG, text);
    } else if (reply->status == VSP_STATUS_OK && reply->response_bytes == 0) {
        tell_trouble(device, TROUBLE_EMPTY, "the host answered success with an empty response");
    } else {
        return false;
    }
    device->channel.counters.protocol_errors++;
    return true;
}

static void take_result(struct device *device, const struct worker_result *result)
{
    struct place *place = &device->places[result->tag];
    struct transfer *transfer = place->transfer;

    if (result->error < 0) {
        take_refusal(device, place, result->error);
        return;
    }
    if (is_garbage(device, place, &result->reply)) {
        place_end(device, place, -EPROTO);
        return;
    }
    transfer->status = result->reply.status;
    transfer->response_bytes = result->reply.response_bytes;
    place_end(device, place, 0);
}

static void on_results(evutil_socket_t fd, short what, void *arg)
{
    struct device *device = arg;
    struct worker_result results[RESULTS_AT_A_TIME];
    bool has_room = false;

    (void)fd;
    (void)what;
    unsigned count = workers_collect(device->workers, results, RESULTS_AT_A_TIME);
    for (unsigned i = 0; i < count; i++) {
        has_room = has_room || results[i].error == 0;
        take_result(device, &results[i]);
    }
    if (has_room && device->phase == DEVICE_UP && !TAILQ_EMPTY(&device->retries))
        place_retry_now(device, TAILQ_FIRST(&device->retries));
}

/* ---- up ---- */

int channel_device_check(const char *path, uint32_t *ret_command, struct err *err)
{
    enum device_command command;
    int fd = device_open_known(&device_calls_system, path, &command, err);

    if (fd < 0)
        return fd;
    (void)close(fd);
    if (ret_command)
        *ret_command = device_command_number(command);
    return 0;
}

/* Memory of its own for each opening, as if the device were another one: what the kernel still has of the one before stays there.
 */
static int take_memory(struct device *device, int fd, struct err *err)
{
    CLEANUP(device_memory_drop) struct device_memory *memory = NULL;
    int r = device_memory_new(slots_region_bytes(&device->geometry), &memory);

    if (r < 0) {
        (void)device->calls->close(fd);
        return err_set(err, r, "memory of the slots: %s", strerror(-r));
    }
    device->opening = device_opening_new(device->calls, fd, device->command, memory);
    r = device->opening ? slots_attach(device->slots, device_memory_region(memory)) : -ENOMEM;
    if (r < 0)
        return err_set(err, r, "slots: %s", strerror(-r));
    (void)TAKE_PTR(memory); /* the slots' now */
    return 0;
}

static int device_open_now(struct device *device, struct err *err)
{
    int fd = device_open_known(device->calls, device->path, &device->command, err);

    return fd < 0 ? fd : take_memory(device, fd, err);
}

static void on_open_timer(evutil_socket_t fd, short what, void *arg)
{
    struct device *device = arg;
    struct err err = {0};

    (void)fd;
    (void)what;
    if (device->phase != DEVICE_WAITING)
        return;
    int r = device_open_now(device, &err);
    if (r < 0) {
        device_fail(device, r, &err);
        return;
    }
    event_del(device->open_timer);
    device->phase = DEVICE_UP;
    device->up_since_us = clock_mono_us();
    device->channel.state = CHANNEL_UP;
    device->channel.counters.opens++;
    device->channel.command = device_command_number(device->command);
    device->reason = (struct err){0};
    err_set(&err, 0, "opened %s, ioctl 0x%08x", device->path, device->channel.command);
    tell_state(device, err.text);
}

/* A driver takes its node away when its device goes: then nothing shall be sent there only to be refused. */
static void on_node_changed(void *arg, bool has_gone)
{
    struct device *device = arg;

    if (has_gone)
        fail_for(device, -ENODEV);
    if (device->phase == DEVICE_WAITING)
        arm_us(device->open_timer, 0);
}

/* ---- the channel's operations ---- */

static int device_submit(struct channel *channel, struct transfer *transfer)
{
    struct device *device = (struct device *)(void *)channel;
    const struct slot *slot = slot_of(transfer);

    if (device->phase != DEVICE_UP)
        return -ENODEV;
    if (transfer->transaction_id != 0 || transfer->request_bytes == 0 || transfer->request_bytes > slot->request_capacity ||
        transfer->data_bytes > slot->data_capacity || transfer->data_valid_bytes > transfer->data_bytes)
        return -EINVAL;
    struct device_request request = request_of(transfer, 0);
    if (device_request_pages(&request) > LIMIT_TRANSFER_PAGES)
        return -EINVAL;
    /* Behind those that wait for room in the ring. */
    if (channel->counters.in_flight == device->depth || !TAILQ_EMPTY(&device->retries)) {
        channel->counters.ring_full++;
        return -EAGAIN;
    }
    struct place *place = place_take(device, transfer);

    if (hand_over(device, place) < 0)
        place_retry_later(device, place);
    return 0;
}

static void device_free(struct device *device)
{
    struct event *events[] = {device->open_timer, device->retry_timer, device->results_event};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    device_watch_free(device->watch);
    free(device->places);
    free(device->path);
    free(device);
}

static void end_all(struct device *device)
{
    for (uint32_t i = 0; i < device->depth; i++)
        if (device->places[i].transfer)
            place_end(device, &device->places[i], -ENODEV);
}

static void device_close(struct channel *channel)
{
    struct device *device = (struct device *)(void *)channel;

    channel->state = CHANNEL_DOWN;
    device->phase = DEVICE_CLOSING;
    event_free(device->results_event);
    device->results_event = NULL;
    (void)workers_close(device->workers);
    if (device->opening)
        slots_detach(device->slots);
    device->opening = device_opening_unref(device->opening);
    end_all(device);
    device_free(device);
}

static uint32_t device_threads(const struct channel *channel)
{
    return workers_threads(((const struct device *)(const void *)channel)->workers);
}

static const struct channel_ops device_ops = {
    .name = "device", .is_uninterruptible = true, .submit = device_submit, .threads = device_threads, .close = device_close};

/* ---- making one ---- */

static int make_places(struct device *device)
{
    device->places = calloc(device->depth, sizeof(*device->places));
    if (!device->places)
        return -ENOMEM;
    for (uint32_t i = 0; i < device->depth; i++)
        device->places[i].next_free = i + 1;
    TAILQ_INIT(&device->retries);
    return 0;
}

static int make_events(struct device *device)
{
    device->open_timer = evtimer_new(device->base, on_open_timer, device);
    device->retry_timer = evtimer_new(device->base, on_retry, device);
    device->results_event = event_new(device->base, workers_fd(device->workers), EV_READ | EV_PERSIST, on_results, device);
    return device->open_timer && device->retry_timer && device->results_event && event_add(device->results_event, NULL) == 0
               ? 0
               : -ENOMEM;
}

static bool is_valid(const struct channel_device_config *config)
{
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        uint64_t bytes = (uint64_t)LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES + config->geometry.data_bytes[class];
        if (config->geometry.count[class] > 0 &&
            (bytes / PAGE_BYTES > LIMIT_TRANSFER_PAGES || config->geometry.data_bytes[class] > DEVICE_BUFFER_BYTES_MAX))
            return false;
    }
    return config->depth > 0 && config->depth <= DEVICE_DEPTH_MAX;
}

int channel_device_open(struct event_base *base, const struct channel_device_config *config, struct slots *slots,
                        const struct channel_listener *listener, struct channel **ret_channel)
{
    if (!is_valid(config))
        return -EINVAL;
    struct device *device = calloc(1, sizeof(*device));
    if (!device)
        return -ENOMEM;
    *device = (struct device){
        .channel = {.ops = &device_ops, .state = CHANNEL_DOWN, .listener = *listener},
        .base = base,
        .slots = slots,
        .geometry = config->geometry,
        .calls = config->calls ? config->calls : &device_calls_system,
        .path = strdup(config->path),
        .reopen_min_ms = config->reopen_min_ms ? config->reopen_min_ms : 1,
        .reopen_max_ms = config->reopen_max_ms,
        .depth = config->depth,
    };
    if (device->reopen_max_ms < device->reopen_min_ms)
        device->reopen_max_ms = device->reopen_min_ms;
    device->delay_ms = device->reopen_min_ms;
    int r = device->path ? make_places(device) : -ENOMEM;

    if (r == 0)
        r = workers_new(device->depth, &device->workers);
    if (r == 0 && (r = make_events(device)) < 0)
        (void)workers_close(device->workers);
    if (r < 0) {
        device_free(device);
        return r;
    }
    /* A help, not a need: without it the device is looked for at intervals. */
    if (device_watch_new(base, device->path, on_node_changed, device, &device->watch) < 0)
        device->watch = NULL;
    arm_us(device->open_timer, 0);
    *ret_channel = &device->channel;
    return 0;
}
