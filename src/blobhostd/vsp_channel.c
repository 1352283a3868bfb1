/* SPDX-License-Identifier: MIT */
/* One guest's channel at the host's end: its thread and its life. */
#include "vsp_channel.h"

#include "../lib/limits.h"
#include "../lib/log.h"
#include "../lib/vmbus/vsp_status.h"
#include "vsp_queue.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

/* Turns of the queue in a row before the socket and the stop signal get theirs. */
#define TURNS_IN_A_ROW 16

enum channel_state { CHANNEL_OFFERED, CHANNEL_OPEN, CHANNEL_CLOSING };

struct vsp_channel {
    struct vsp_channel_config config;
    pthread_t thread;
    atomic_bool is_finished;
    enum channel_state state;
    struct event_base *base;
    struct event *on_socket;
    struct event *on_stop;
    struct event *on_deadline; /* of the guest's open */
    struct event *on_signal;   /* the guest's eventfd; NULL before the open */
    struct event *on_turn;     /* goes on pumping in the next turn of the loop */
    struct bus_memory memory;
    struct vsp_queue *queue; /* NULL before the open */
};

static _Thread_local struct event_base *thread_base;

struct event_base *vsp_channel_thread_base(void)
{
    return thread_base;
}

/* Ends the loop once nothing holds the guest's memory any more. */
static void channel_end_when_idle(struct vsp_channel *channel)
{
    if (!channel->queue || vsp_queue_is_idle(channel->queue))
        event_base_loopbreak(channel->base);
}

/* Rescinds: the guest sees its socket close at once, whatever is still executing. */
static void channel_rescind(struct vsp_channel *channel)
{
    struct event *const events[] = {channel->on_socket, channel->on_stop, channel->on_deadline, channel->on_signal,
                                    channel->on_turn};

    if (channel->state == CHANNEL_CLOSING)
        return;
    channel->state = CHANNEL_CLOSING;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_del(events[i]);
    }
    close(channel->config.socket);
    channel->config.socket = -1;
    if (channel->queue)
        vsp_queue_close(channel->queue);
    channel_end_when_idle(channel);
}

static void channel_refuse(struct vsp_channel *channel, const char *why)
{
    log_warning("guest-refused", "channel %u closed: %s", channel->config.number, why);
    channel_rescind(channel);
}

static const char *channel_garbage_text(int rc)
{
    switch (rc) {
    case -EFAULT:
        return "the guest named a page that its memory does not have";
    case -ENOMEM:
        return "out of memory";
    default:
        return "the guest wrote garbage into its ring";
    }
}

/* Not event_active(): what is activated by hand runs before the loop looks at its descriptors, so a busy guest would keep it from
 * seeing a rescind or the stop. */
static void channel_pump_next_turn(struct vsp_channel *channel)
{
    const struct timeval at_once = {0, 0};

    event_add(channel->on_turn, &at_once);
}

static void channel_pump(struct vsp_channel *channel)
{
    int rc = 1;

    for (int turns = 0; rc == 1 && turns < TURNS_IN_A_ROW; turns++)
        rc = vsp_queue_pump(channel->queue);
    if (rc < 0)
        channel_refuse(channel, channel_garbage_text(rc));
    else if (rc == 1)
        channel_pump_next_turn(channel);
}

static void channel_on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    channel_pump(arg);
}

static void channel_on_signal(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;

    (void)what;
    /* Cleared before the ring is looked at. */
    (void)!read(fd, &count, sizeof(count));
    channel_pump(arg);
}

static void channel_wake(void *arg)
{
    struct vsp_channel *channel = arg;

    if (channel->state == CHANNEL_CLOSING)
        channel_end_when_idle(channel);
    else
        channel_pump_next_turn(channel);
}

/* Maps what the guest handed over, and starts listening to its signals. */
static int channel_attach(struct vsp_channel *channel, struct err *err)
{
    const struct vsp_queue_owner owner = {channel_wake, channel};
    int rc = vsp_queue_new(&channel->memory, channel->config.executor, &owner, &channel->queue, err);

    close(TAKE_FD(channel->memory.memfd));
    if (rc < 0)
        return rc;
    channel->on_signal = event_new(channel->base, channel->memory.signal_host, EV_READ | EV_PERSIST, channel_on_signal, channel);
    channel->on_turn = evtimer_new(channel->base, channel_on_turn, channel);
    if (!channel->on_turn || !channel->on_signal || event_add(channel->on_signal, NULL) < 0)
        return err_set(err, -EINVAL, "the guest's signal is not a descriptor that can be waited for");
    return 0;
}

static void channel_open(struct vsp_channel *channel)
{
    struct err err = {""};
    int rc = bus_receive_open(channel->config.socket, &channel->memory, &err);

    if (rc == -EAGAIN)
        return;
    if (rc == -EPIPE) {
        channel_rescind(channel);
        return;
    }
    if (rc == 0)
        rc = channel_attach(channel, &err);
    const int sent =
        bus_send_opened(channel->config.socket, rc < 0 ? VSP_STATUS_INVALID_PARAMETER : VSP_STATUS_OK, rc < 0 ? NULL : &err);
    if (rc < 0 || sent < 0) {
        channel_refuse(channel, err.text);
        return;
    }
    event_del(channel->on_deadline);
    channel->state = CHANNEL_OPEN;
    log_info("guest-opened", "channel %u open: %llu bytes of memory, rings of %u bytes", channel->config.number,
             (unsigned long long)channel->memory.memory_bytes, channel->memory.ring_bytes);
    channel_pump(channel);
}

static void channel_on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct vsp_channel *channel = arg;
    char byte;

    (void)what;
    if (channel->state == CHANNEL_OFFERED) {
        channel_open(channel);
        return;
    }
    const ssize_t n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);
    if (n > 0) {
        channel_refuse(channel, "the guest sent a message on an open channel");
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        log_info("guest-closed", "channel %u closed by the guest", channel->config.number);
        channel_rescind(channel);
    }
}

static void channel_on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    channel_refuse(arg, "the guest did not open it in time");
}

static void channel_on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    channel_rescind(arg);
}

static int channel_listen(struct vsp_channel *channel)
{
    const unsigned timeout_ms = channel->config.open_timeout_ms;
    const struct timeval timeout = {(time_t)(timeout_ms / 1000), (suseconds_t)(timeout_ms % 1000) * 1000};

    channel->on_socket = event_new(channel->base, channel->config.socket, EV_READ | EV_PERSIST, channel_on_socket, channel);
    channel->on_stop = event_new(channel->base, channel->config.stop_fd, EV_READ, channel_on_stop, channel);
    channel->on_deadline = evtimer_new(channel->base, channel_on_deadline, channel);
    if (!channel->on_socket || !channel->on_stop || !channel->on_deadline)
        return -ENOMEM;
    if (event_add(channel->on_socket, NULL) < 0 || event_add(channel->on_stop, NULL) < 0 ||
        event_add(channel->on_deadline, &timeout) < 0)
        return -ENOMEM;
    return 0;
}

static void channel_offer(struct vsp_channel *channel)
{
    uint8_t instance[16];
    struct err err = {""};

    if (getrandom(instance, sizeof(instance), 0) != (ssize_t)sizeof(instance)) {
        channel_refuse(channel, "no random numbers for an instance GUID");
        return;
    }
    instance[7] = (uint8_t)((instance[7] & 0x0f) | 0x40); /* version 4; byte 7 in the mixed-endian form */
    instance[8] = (uint8_t)((instance[8] & 0x3f) | 0x80);
    const int rc = bus_send_offer(channel->config.socket, instance, LIMIT_TRANSFER_PAGES, &err);
    if (rc == -EPIPE) /* somebody only wanted to know whether anybody listens */
        channel_rescind(channel);
    else if (rc < 0)
        channel_refuse(channel, err.text);
}

static void *channel_run(void *arg)
{
    struct vsp_channel *channel = arg;
    const uint64_t one = 1;

    thread_base = channel->base;
    channel_offer(channel);
    if (channel->state != CHANNEL_CLOSING)
        event_base_loop(channel->base, EVLOOP_NO_EXIT_ON_EMPTY);
    assert(channel->state == CHANNEL_CLOSING);
    channel->queue = vsp_queue_free(channel->queue);
    if (channel->config.executor->thread_end)
        channel->config.executor->thread_end(channel->config.executor);
    atomic_store(&channel->is_finished, true);
    (void)!write(channel->config.finished_fd, &one, sizeof(one));
    return NULL;
}

static void channel_free(struct vsp_channel *channel)
{
    struct event *const events[] = {channel->on_socket, channel->on_stop, channel->on_deadline, channel->on_signal,
                                    channel->on_turn};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_free(events[i]);
    }
    if (channel->base)
        event_base_free(channel->base);
    cleanup_fd(&channel->memory.memfd);
    cleanup_fd(&channel->memory.signal_host);
    cleanup_fd(&channel->memory.signal_guest);
    free(channel);
}

int vsp_channel_start(const struct vsp_channel_config *config, struct vsp_channel **ret_channel)
{
    struct vsp_channel *channel = calloc(1, sizeof(*channel));
    int rc = -ENOMEM;

    if (!channel)
        return -ENOMEM;
    channel->config = *config;
    channel->memory = (struct bus_memory){.memfd = -1, .signal_host = -1, .signal_guest = -1};
    channel->base = event_base_new();
    if (channel->base)
        rc = channel_listen(channel);
    if (rc == 0)
        rc = -pthread_create(&channel->thread, NULL, channel_run, channel);
    if (rc < 0) {
        channel_free(channel);
        return rc;
    }
    *ret_channel = channel;
    return 0;
}

bool vsp_channel_is_finished(const struct vsp_channel *channel)
{
    return atomic_load(&channel->is_finished);
}

struct vsp_channel *vsp_channel_join(struct vsp_channel *channel)
{
    (void)pthread_join(channel->thread, NULL);
    channel_free(channel);
    return NULL;
}
