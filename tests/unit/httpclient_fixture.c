/* SPDX-License-Identifier: MIT */
/* A scripted peer and a request that writes down what happens. */
#include "httpclient_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void *peer_run(void *arg)
{
    struct peer *peer = arg;

    peer->play(peer);
    peer_close(peer);
    close(peer->listener);
    return NULL;
}

void peer_start(struct peer *peer, void (*play)(struct peer *peer))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    memset(peer, 0, sizeof(*peer));
    peer->play = play;
    peer->fd = -1;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(peer->listener, 16), 0);
    cr_assert_eq(getsockname(peer->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(peer->origin, sizeof(peer->origin), "http://127.0.0.1:%u", ntohs(address.sin_port));
    cr_assert_eq(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

void peer_join(struct peer *peer)
{
    if (!peer->is_joined)
        cr_assert_eq(pthread_join(peer->thread, NULL), 0);
    peer->is_joined = true;
}

void peer_accept(struct peer *peer)
{
    peer_close(peer);
    peer->fd = accept(peer->listener, NULL, NULL);
    peer->accepted++;
}

static ssize_t peer_hear(struct peer *peer, size_t max)
{
    const size_t room = sizeof(peer->heard) - 1 - peer->heard_len;
    const ssize_t n = recv(peer->fd, peer->heard + peer->heard_len, max < room ? max : room, 0);

    if (n > 0)
        peer->heard_len += (size_t)n;
    return n;
}

void peer_read_head(struct peer *peer)
{
    const size_t start = peer->heard_len;

    while (peer->heard_len < start + 4 || memcmp(peer->heard + peer->heard_len - 4, "\r\n\r\n", 4) != 0)
        if (peer_hear(peer, 1) <= 0)
            return;
}

void peer_read(struct peer *peer, size_t len)
{
    ssize_t n = 1;

    while (len > 0 && n > 0) {
        n = peer_hear(peer, len);
        if (n > 0)
            len -= (size_t)n;
    }
}

bool peer_read_eof(struct peer *peer)
{
    char byte;

    return recv(peer->fd, &byte, 1, 0) <= 0;
}

void peer_send(struct peer *peer, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        const ssize_t n = send(peer->fd, text, left, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        text += n;
        left -= (size_t)n;
        atomic_fetch_add(&peer->sent, (size_t)n);
    }
}

void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static void call_resume_later(struct call *call)
{
    const struct timeval at_once = {0, 0};

    if (!call->keeps_paused)
        evtimer_add(call->on_resume, &at_once);
}

static void call_on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct call *call = arg;

    (void)fd;
    (void)what;
    if (call->request)
        httprequest_resume(call->request);
}

static void call_cancel(struct call *call)
{
    httprequest_cancel(call->request);
    call->request = NULL;
    if (call->ends_loop)
        event_base_loopbreak(call->base);
}

static ssize_t call_read_body(void *owner, char *bytes, size_t max)
{
    struct call *call = owner;

    if (call->behaviour == CALL_FAILS_IN_READ)
        return -EIO;
    if (call->behaviour == CALL_CANCELS_IN_READ) {
        call_cancel(call);
        return 0;
    }
    if (call->read_pauses > 0) {
        call->read_pauses--;
        call_resume_later(call);
        return 0;
    }
    if (call->read_max > 0 && max > call->read_max)
        max = call->read_max;
    if (max > call->body_bytes - call->body_given)
        max = call->body_bytes - call->body_given;
    cr_assert_gt(max, 0, "asked for more than the body has");
    if (call->body)
        memcpy(bytes, call->body + call->body_given, max);
    else
        memset(bytes, 'u', max);
    call->body_given += max;
    return (ssize_t)max;
}

static int call_take_head(void *owner, const struct head *head)
{
    struct call *call = owner;
    size_t len = 0;

    call->heads++;
    call->status = head->status;
    call->head[0] = '\0';
    for (size_t i = 0; i < head->field_count; i++)
        len += (size_t)snprintf(call->head + len, sizeof(call->head) - len, "%.*s: %.*s\n", (int)head->fields[i].name.len,
                                head->fields[i].name.bytes, (int)head->fields[i].value.len, head->fields[i].value.bytes);
    if (call->in_head)
        call->in_head(call);
    if (call->behaviour == CALL_CANCELS_IN_HEAD)
        call_cancel(call);
    return call->behaviour == CALL_FAILS_IN_HEAD ? -EIO : 0;
}

static void call_keep(struct call *call, const char *bytes, size_t len)
{
    const size_t room = call->taken_len < sizeof(call->taken) ? sizeof(call->taken) - call->taken_len : 0;

    if (room > 0)
        memcpy(call->taken + call->taken_len, bytes, len < room ? len : room);
    call->taken_len += len;
}

static int call_take_body(void *owner, const char *bytes, size_t len)
{
    struct call *call = owner;

    if (call->in_body)
        call->in_body(call);
    if (call->behaviour == CALL_CANCELS_IN_BODY)
        call_cancel(call);
    if (call->behaviour == CALL_FAILS_IN_BODY)
        return -EIO;
    if (call->watched && atomic_load(&call->watched->sent) > call->taken_len + call->lead_max)
        call->lead_max = atomic_load(&call->watched->sent) - call->taken_len;
    if (call->take_pauses > 0) {
        call->take_pauses--;
        call_resume_later(call);
        return -EAGAIN;
    }
    if (call->is_pause_every)
        call->take_pauses = 1;
    call_keep(call, bytes, len);
    return 0;
}

static void call_done(void *owner, const struct httpresult *result)
{
    struct call *call = owner;

    call->dones++;
    call->result = *result;
    snprintf(call->reason, sizeof(call->reason), "%s", result->reason);
    if (call->in_done)
        call->in_done(call);
    if (call->behaviour == CALL_CANCELS_IN_DONE)
        httprequest_cancel(call->request);
    call->request = NULL;
    if (call->ends_loop)
        event_base_loopbreak(call->base);
}

void call_init(struct call *call, struct event_base *base, struct httpclient *client)
{
    memset(call, 0, sizeof(*call));
    call->base = base;
    call->client = client;
    call->on_resume = evtimer_new(base, call_on_resume, call);
    call->ends_loop = true;
}

int call_try(struct call *call, const char *origin, const char *text)
{
    const struct httprequest_hooks hooks = {call_read_body, call_take_head, call_take_body, call_done, call};
    struct head head;

    cr_assert_eq(head_parse_request(text, strlen(text), &head), 0, "%s", text);
    if (call->body && call->body_bytes == 0)
        call->body_bytes = strlen(call->body);
    return httpclient_start(call->client, origin, &head, call->body_bytes, call->deadline_us, &hooks, &call->request);
}

void call_start(struct call *call, const char *origin, const char *text)
{
    cr_assert_eq(call_try(call, origin, text), 0);
    cr_assert_eq(call->dones + call->heads, 0, "a callback came from inside the start");
}

void call_run(struct call *call, const char *origin, const char *text)
{
    call_start(call, origin, text);
    cr_assert_geq(event_base_loop(call->base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
}

void call_clean(struct call *call)
{
    event_free(call->on_resume);
    call->on_resume = NULL;
}
