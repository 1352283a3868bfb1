/* SPDX-License-Identifier: MIT */
/* Deadlines of clients: how long each phase may last, and the sweep that keeps to it. */
#include "front_internal.h"

#include "../lib/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void client_enter(struct client *client, enum client_phase phase, uint64_t allowance_ms)
{
    client->phase = phase;
    client->deadline_us = clock_mono_us() + allowance_ms * 1000;
}

/* Time that moving bytes takes at limits.body_rate. */
static uint64_t time_for_us(const struct client *client, uint64_t bytes)
{
    return bytes * 1000000 / client_conf(client)->limits_body_rate;
}

void client_enter_moving(struct client *client, enum client_phase phase, uint64_t credit_bytes)
{
    client_enter(client, phase, client_conf(client)->limits_body_grace_ms);
    client->credit_until_us = client->deadline_us + time_for_us(client, credit_bytes);
    client->unsent_bytes = -1;
}

void client_moved(struct client *client, uint64_t bytes)
{
    uint64_t stalled_us = clock_mono_us() + client_conf(client)->limits_body_grace_ms * 1000;

    client->credit_until_us += time_for_us(client, bytes);
    client->deadline_us = stalled_us < client->credit_until_us ? stalled_us : client->credit_until_us;
}

void client_begin_wait(struct client *client)
{
    client->wait_phase = exchange_phase(client->exchange);
    if (client->wait_phase == EXCHANGE_IN_SLOT_QUEUE)
        client_enter(client, CLIENT_WAITING, client_conf(client)->limits_slot_timeout_ms);
    else if (client->wait_phase == EXCHANGE_AT_HOST)
        client_enter(client, CLIENT_WAITING, client_conf(client)->limits_exchange_timeout_ms);
    else
        client_enter(client, CLIENT_WAITING,
                     client_conf(client)->limits_body_grace_ms + client_conf(client)->limits_exchange_timeout_ms);
}

void client_reset(const struct client *client)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    if (client->is_tls)
        client->front->hooks.broken(client->front->hooks.arg, client->fd);
    else /* for TCP a reset at once: the library says FIN before it closes, and no linger option undoes that */
        (void)connect(client->fd, &nobody, sizeof(nobody));
}

static bool client_is_answered(const struct client *client)
{
    return client->phase == CLIENT_SENDING ||
           (client->phase == CLIENT_WAITING && exchange_phase(client->exchange) == EXCHANGE_IN_ANSWER);
}

static const char *reason_of(enum metric kind)
{
    switch (kind) {
    case METRIC_ERROR_HEADER_DEADLINE:
        return "cut off: the head of the request came too slowly";
    case METRIC_ERROR_BODY_DEADLINE:
        return "cut off: the body of the request came too slowly";
    case METRIC_ERROR_SEND_DEADLINE:
        return "cut off: the client took its answer too slowly";
    case METRIC_ERROR_DRAIN_CUT:
        return "cut off at the end of limits.drain_timeout";
    default:
        return "the client has left";
    }
}

void client_cut(struct client *client, enum metric kind)
{
    if (client->is_cut)
        return;
    if (client->exchange)
        exchange_blame(client->exchange, reason_of(kind));
    if (client_is_answered(client))
        client_reset(client);
    client->is_cut = true;
    client->must_abort = true;
    metrics_add(client->front->env->metrics, kind, 1);
    (void)shutdown(client->fd, SHUT_RDWR);
    client_resume(client);
}

/* ---- the sweep ---- */

/* Has the client closed, with nothing left to read? libmicrohttpd reads on edges only: an end of stream that came together with
 * the last bytes is never looked at again. */
static bool client_has_left(const struct client *client)
{
    char byte;
    ssize_t n = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Of a suspended client, whose next request may lie unread in the socket. A half-closed connection counts as gone. */
static bool client_has_hung_up(const struct client *client)
{
    struct pollfd state = {.fd = client->fd, .events = POLLRDHUP};

    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* A change of what the socket still has to send is all that shows how far an answer is. */
static void client_look_at_sending(struct client *client)
{
    int unsent = 0;

    if (ioctl(client->fd, SIOCOUTQ, &unsent) == 0 && unsent != client->unsent_bytes) {
        client->unsent_bytes = unsent;
        client_moved(client, 0);
    }
}

static void client_expire(struct client *client)
{
    switch (client->phase) {
    case CLIENT_HEADER:
        client_cut(client, METRIC_ERROR_HEADER_DEADLINE);
        break;
    case CLIENT_IDLE:
        break;
    case CLIENT_BODY:
        client_cut(client, METRIC_ERROR_BODY_DEADLINE);
        break;
    case CLIENT_SENDING:
        client_cut(client, METRIC_ERROR_SEND_DEADLINE);
        break;
    case CLIENT_WAITING:
        if (exchange_phase(client->exchange) == EXCHANGE_IN_ANSWER)
            client_cut(client, METRIC_ERROR_SEND_DEADLINE);
        else
            exchange_expire(client->exchange);
        break;
    }
}

static void client_sweep(struct client *client, uint64_t now_us)
{
    switch (client->phase) {
    case CLIENT_WAITING:
        if (client->is_suspended && exchange_phase(client->exchange) != client->wait_phase)
            client_begin_wait(client);
        if (client->is_suspended && client_has_hung_up(client))
            client_cut(client, METRIC_ERROR_CLIENT_GONE);
        break;
    case CLIENT_IDLE:
        return;
    case CLIENT_SENDING:
        client_look_at_sending(client);
        break;
    case CLIENT_BODY:
    case CLIENT_HEADER:
        if (client_has_left(client))
            client_cut(client, METRIC_ERROR_CLIENT_GONE);
        break;
    }
    if (!client->is_cut && now_us >= client->deadline_us)
        client_expire(client);
}

void front_sweep(struct front *front, uint64_t now_us)
{
    struct client *client, *next;

    for (client = TAILQ_FIRST(&front->clients); client; client = next) {
        next = TAILQ_NEXT(client, link);
        if (!client->is_cut)
            client_sweep(client, now_us);
    }
}

void front_drain(struct front *front)
{
    front->env->is_draining = true;
}
