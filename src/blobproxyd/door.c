/* SPDX-License-Identifier: MIT */
/* New connections, until their first head is whole: the bytes are only looked at (MSG_PEEK), so the parser behind reads them
 * again. */
#include "door.h"

#include "guard.h"

#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define PEEK_BYTES (LIMIT_FIRST_HEAD_BYTES + 1024u)
#define ANSWER_BYTES_MAX 8192u
#define LINGER_US 1000000u /* a refused client may read its answer this long before the socket goes */

struct visitor {
    struct door *door;
    int socket;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct event *event;
    uint64_t deadline_us;
    bool is_tls;
    bool has_begun;  /* its first byte is there */
    bool is_refused; /* answered; waits for the client to read and close */
    TAILQ_ENTRY(visitor) link;
};

struct door {
    struct event_base *base;
    struct exchange_env *env;
    struct door_hooks hooks;
    TAILQ_HEAD(, visitor) visitors;
    unsigned visitor_count;
    char *bytes;       /* PEEK_BYTES, scratch */
    struct head *head; /* scratch */
};

static void visitor_forget(struct visitor *visitor)
{
    TAILQ_REMOVE(&visitor->door->visitors, visitor, link);
    visitor->door->visitor_count--;
    event_free(visitor->event);
    free(visitor);
}

static void visitor_close(struct visitor *visitor)
{
    struct door *door = visitor->door;

    (void)close(visitor->socket);
    visitor_forget(visitor);
    door->hooks.closed(door->hooks.arg);
}

static void visitor_enter(struct visitor *visitor)
{
    struct door *door = visitor->door;
    struct visitor who = *visitor;

    visitor_forget(visitor);
    door->hooks.enter(door->hooks.arg, who.socket, who.is_tls, (struct sockaddr *)&who.address, who.address_len);
}

/* Reads away what the client has sent, so that closing does not reset the connection under the answer. */
static bool visitor_drain(struct visitor *visitor)
{
    ssize_t n;

    do
        n = recv(visitor->socket, visitor->door->bytes, PEEK_BYTES, MSG_DONTWAIT);
    while (n > 0);
    return n < 0 && errno == EAGAIN;
}

/* What the head said cannot be relied on. */
static void tell_refused(const struct visitor *visitor, struct guard_verdict verdict, const char *request_id)
{
    struct log_field fields[] = {{"code", azure_error_code(verdict.error)}, {"request_id", request_id}};
    struct access access;

    if (visitor->door->env->conf->log_access == CONF_ACCESS_NONE) /* the access log says the same */
        log_event(LOG_LEVEL_INFO, "request-refused", fields, sizeof(fields) / sizeof(fields[0]), "%s", verdict.detail);
    access_init(&access);
    access.ended_us = clock_wall_us();
    access.operation = OPERATION_Unknown;
    access.status = azure_error_status(verdict.error);
    access.is_delivered = true;
    access.caller = visitor->is_tls ? (struct caller){.kind = CALLER_TLS} : caller_of(visitor->socket);
    access_set(access.code, slice_of(azure_error_code(verdict.error)));
    access_set(access.request_id, slice_of(request_id));
    access_set(access.problem, slice_of(verdict.detail));
    exchange_tell_refused(visitor->door->env, &access);
}

static void visitor_refuse(struct visitor *visitor, struct guard_verdict verdict)
{
    struct door *door = visitor->door;
    struct buf text CLEANUP(buf_free);
    char request_id[AZURE_REQUEST_ID_BYTES] = "";

    buf_init(&text, ANSWER_BYTES_MAX);
    metrics_add(door->env->metrics, METRIC_ERROR_GUARD, 1);
    metrics_answer(door->env->metrics, OPERATION_Unknown, azure_error_status(verdict.error));
    if (exchange_error_text(&text, verdict.error, verdict.detail, request_id) == 0)
        (void)send(visitor->socket, text.bytes, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    tell_refused(visitor, verdict, request_id);
    (void)shutdown(visitor->socket, SHUT_WR);
    visitor->is_refused = true;
    visitor->deadline_us = clock_mono_us() + LINGER_US;
    if (!visitor_drain(visitor))
        visitor_close(visitor);
}

static void visitor_look(struct visitor *visitor)
{
    struct door *door = visitor->door;
    struct guard_verdict verdict;
    ssize_t n = recv(visitor->socket, door->bytes, PEEK_BYTES, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        visitor_close(visitor);
        return;
    }
    if (!visitor->has_begun) {
        visitor->has_begun = true;
        visitor->deadline_us = clock_mono_us() + door->env->conf->limits_header_timeout_ms * 1000;
    }
    switch (guard_scan(door->bytes, (size_t)n, door->head, &verdict)) {
    case GUARD_INCOMPLETE:
        return;
    case GUARD_COMPLETE:
        visitor_enter(visitor);
        return;
    case GUARD_REFUSED:
        visitor_refuse(visitor, verdict);
        return;
    }
}

static void visitor_event(evutil_socket_t fd, short what, void *arg)
{
    struct visitor *visitor = arg;

    (void)fd;
    (void)what;
    if (!visitor->is_refused)
        visitor_look(visitor);
    else if (!visitor_drain(visitor))
        visitor_close(visitor);
}

int door_new(struct event_base *base, struct exchange_env *env, const struct door_hooks *hooks, struct door **ret_door)
{
    struct door *door = calloc(1, sizeof(*door));

    if (!door)
        return -ENOMEM;
    door->bytes = malloc(PEEK_BYTES);
    door->head = malloc(sizeof(*door->head));
    TAILQ_INIT(&door->visitors);
    door->base = base;
    door->env = env;
    door->hooks = *hooks;
    if (!door->bytes || !door->head) {
        door_free(door);
        return -ENOMEM;
    }
    *ret_door = door;
    return 0;
}

struct door *door_free(struct door *door)
{
    if (!door)
        return NULL;
    while (!TAILQ_EMPTY(&door->visitors))
        visitor_close(TAILQ_FIRST(&door->visitors));
    free(door->bytes);
    free(door->head);
    free(door);
    return NULL;
}

int door_add(struct door *door, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len)
{
    struct visitor *visitor = calloc(1, sizeof(*visitor));

    if (!visitor)
        return -ENOMEM;
    visitor->event = event_new(door->base, socket, EV_READ | EV_PERSIST | EV_ET, visitor_event, visitor);
    if (!visitor->event || event_add(visitor->event, NULL) < 0) {
        if (visitor->event)
            event_free(visitor->event);
        free(visitor);
        return -ENOMEM;
    }
    visitor->door = door;
    visitor->socket = socket;
    visitor->is_tls = is_tls;
    memcpy(&visitor->address, address, address_len < sizeof(visitor->address) ? address_len : sizeof(visitor->address));
    visitor->address_len = address_len;
    visitor->deadline_us = clock_mono_us() + door->env->conf->limits_keepalive_timeout_ms * 1000;
    TAILQ_INSERT_TAIL(&door->visitors, visitor, link);
    door->visitor_count++;
    visitor_look(visitor);
    return 0;
}

void door_sweep(struct door *door, uint64_t now_us)
{
    struct visitor *visitor, *next;

    for (visitor = TAILQ_FIRST(&door->visitors); visitor; visitor = next) {
        next = TAILQ_NEXT(visitor, link);
        if (now_us < visitor->deadline_us)
            continue;
        if (visitor->has_begun && !visitor->is_refused)
            metrics_add(door->env->metrics, METRIC_ERROR_HEADER_DEADLINE, 1);
        visitor_close(visitor);
    }
}

void door_drain(struct door *door)
{
    struct visitor *visitor, *next;

    for (visitor = TAILQ_FIRST(&door->visitors); visitor; visitor = next) {
        next = TAILQ_NEXT(visitor, link);
        if (!visitor->has_begun)
            visitor_close(visitor);
    }
}

unsigned door_connections(const struct door *door)
{
    return door->visitor_count;
}
