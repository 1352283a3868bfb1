/* SPDX-License-Identifier: MIT */
/* The HTTP client: pauses, early ends, failures, and what callbacks may do. */
#include "../../src/lib/clock.h"
#include "httpclient_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define GET "GET /c/b HTTP/1.1\r\nHost: h\r\n\r\n"
#define DELETE "DELETE /c/b HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define LARGE_BYTES (64u * 1024 * 1024)
#define LARGE_PUT "PUT /c/b HTTP/1.1\r\nHost: h\r\nContent-Length: 67108864\r\n\r\n"

/* What may be under way when the client takes nothing: the buffers of two sockets and libcurl's. */
#define LEAD_BYTES_MAX (16u * 1024 * 1024)

static struct httpclient_options options;
static struct event_base *base;
static struct httpclient *client;
static struct peer peer;
static struct call call, other;

static void make_client(void)
{
    struct err err = {""};

    client = httpclient_free(client);
    cr_assert_eq(httpclient_new(base, &options, &client, &err), 0, "%s", err.text);
    call.client = other.client = client;
}

static void set_up(void)
{
    options = (struct httpclient_options){.connect_timeout_ms = 5000, .stall_timeout_ms = 20000, .connections_max = 4};
    base = event_base_new();
    peer.is_joined = true; /* until it starts */
    call_init(&call, base, NULL);
    call_init(&other, base, NULL);
    make_client();
}

/* The connections end first, so that a script which waits for that ends, too. */
static void tear_down(void)
{
    client = httpclient_free(client);
    peer_join(&peer);
    call_clean(&call);
    call_clean(&other);
    event_base_free(base);
}

TestSuite(httpclient_flow, .init = set_up, .fini = tear_down, .timeout = 60);

static void run_loop(void)
{
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
}

static void on_time_up(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

/* Lets the loop run on for a while: what must not happen has its chance. */
static void run_loop_for(unsigned ms)
{
    const struct timeval timeout = {0, (suseconds_t)ms * 1000};

    cr_assert_eq(event_base_once(base, -1, EV_TIMEOUT, on_time_up, base, &timeout), 0);
    run_loop();
}

static void play_hello_twice(struct peer *self)
{
    peer_accept(self);
    for (int i = 0; i < 2; i++) {
        peer_read_head(self);
        peer_send(self, OK_HELLO);
    }
}

Test(httpclient_flow, connection_is_kept_for_the_next_request)
{
    peer_start(&peer, play_hello_twice);
    call_run(&call, peer.origin, GET);
    call_run(&other, peer.origin, GET);
    peer_join(&peer);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_eq(peer.accepted, 1);
}

/* A peer that takes the second request on the kept connection and ends without a word; a new connection would be answered. */
static void play_kept_connection_dies(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
    peer_read_head(self);
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
}

Test(httpclient_flow, request_that_may_have_run_is_not_sent_again)
{
    peer_start(&peer, play_kept_connection_dies);
    call_run(&call, peer.origin, GET);
    call_run(&other, peer.origin, DELETE);
    cr_assert_eq(other.result.result, -EPROTO);
    cr_assert(other.result.may_have_run);
    cr_assert_eq(other.heads, 0);
    client = httpclient_free(client);
    peer_join(&peer);
    cr_assert_str_eq(peer.heard, GET DELETE);
}

Test(httpclient_flow, read_is_sent_again_when_the_kept_connection_was_dead)
{
    peer_start(&peer, play_kept_connection_dies);
    call_run(&call, peer.origin, GET);
    call_run(&other, peer.origin, GET);
    peer_join(&peer);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_eq(other.heads, 1);
    cr_assert_eq(other.taken_len, 5);
    cr_assert_eq(peer.accepted, 2);
}

static void play_early_answer(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, 1000);
    peer_send(self, "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nwhy");
    while (!peer_read_eof(self))
        ;
}

Test(httpclient_flow, early_answer_ends_the_body)
{
    peer_start(&peer, play_early_answer);
    call.body_bytes = LARGE_BYTES;
    call.read_max = 1000;
    call_run(&call, peer.origin, LARGE_PUT);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(call.status, 403);
    cr_assert_eq(call.taken_len, 3);
    cr_assert_lt(call.body_given, LARGE_BYTES);
}

/* Gives 1,000 bytes and then nothing more: only the answer can end it. */
static ssize_t read_thousand(void *owner, char *bytes, size_t max)
{
    struct call *self = owner;

    if (self->body_given > 0)
        return 0;
    cr_assert_geq(max, 1000);
    memset(bytes, 'u', 1000);
    self->body_given = 1000;
    return 1000;
}

static int ignore_head(void *owner, const struct head *head)
{
    ((struct call *)owner)->status = head->status;
    return 0;
}

static int ignore_body(void *owner, const char *bytes, size_t len)
{
    (void)bytes;
    ((struct call *)owner)->taken_len += len;
    return 0;
}

static void tell_done(void *owner, const struct httpresult *result)
{
    struct call *self = owner;

    self->result = *result;
    self->dones++;
    event_base_loopbreak(self->base);
}

Test(httpclient_flow, early_answer_arrives_while_the_body_is_paused)
{
    const struct httprequest_hooks hooks = {read_thousand, ignore_head, ignore_body, tell_done, &call};
    struct head head;

    peer_start(&peer, play_early_answer);
    cr_assert_eq(head_parse_request(LARGE_PUT, strlen(LARGE_PUT), &head), 0);
    cr_assert_eq(httpclient_start(client, peer.origin, &head, LARGE_BYTES, 0, &hooks, &call.request), 0);
    run_loop();
    cr_assert_eq(call.result.result, 0);
    cr_assert_eq(call.status, 403);
    cr_assert_eq(call.taken_len, 3);
}

static void play_cut_while_reading(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, 1000);
}

Test(httpclient_flow, connection_lost_in_the_body_may_have_run)
{
    peer_start(&peer, play_cut_while_reading);
    call.body_bytes = LARGE_BYTES;
    call_run(&call, peer.origin, LARGE_PUT);
    cr_assert_eq(call.result.result, -EPROTO);
    cr_assert(call.result.may_have_run);
    cr_assert_eq(peer.accepted, 1);
}

static void play_large(struct peer *self)
{
    static char piece[65537];

    memset(piece, 'd', sizeof(piece) - 1);
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
    for (unsigned i = 0; i < LARGE_BYTES / 65536; i++)
        peer_send(self, piece);
}

Test(httpclient_flow, slow_taker_holds_the_peer_back)
{
    peer_start(&peer, play_large);
    call.watched = &peer;
    call.take_pauses = 1;
    call.is_pause_every = true;
    call_run(&call, peer.origin, GET);
    peer_join(&peer);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(call.taken_len, LARGE_BYTES);
    cr_assert_lt(call.lead_max, LEAD_BYTES_MAX);
    for (size_t i = 0; i < sizeof(call.taken); i++)
        cr_assert_eq(call.taken[i], 'd');
}

static void play_take_large(struct peer *self)
{
    static char piece[65536];
    size_t taken = 0;

    peer_accept(self);
    peer_read_head(self);
    for (ssize_t n = 1; n > 0 && taken < LARGE_BYTES; taken += (size_t)n) {
        n = recv(self->fd, piece, sizeof(piece), 0);
        if (n <= 0 || piece[0] != 'u')
            return;
    }
    peer_send(self, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

Test(httpclient_flow, body_may_come_in_pieces_with_pauses)
{
    peer_start(&peer, play_take_large);
    call.body_bytes = LARGE_BYTES;
    call.read_pauses = 1000;
    call_run(&call, peer.origin, LARGE_PUT);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(call.status, 201);
    cr_assert_eq(call.read_pauses, 0);
    cr_assert_eq(call.body_given, LARGE_BYTES);
}

static uint64_t thread_cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

Test(httpclient_flow, paused_request_costs_nothing)
{
    peer_start(&peer, play_large);
    call.take_pauses = 1;
    call.keeps_paused = true;
    call_start(&call, peer.origin, GET);
    run_loop_for(100);
    const uint64_t before = thread_cpu_us();
    run_loop_for(300);
    cr_assert_lt(thread_cpu_us() - before, 100000);
    cr_assert_eq(call.taken_len, 0);
    httprequest_resume(call.request);
    run_loop();
    cr_assert_eq(call.taken_len, LARGE_BYTES);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
}

Test(httpclient_flow, refused_connection_has_surely_not_run)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char origin[64];
    const int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound and not listening: nobody else gets the port */

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(origin, sizeof(origin), "http://127.0.0.1:%u", ntohs(address.sin_port));
    call_run(&call, origin, DELETE);
    cr_assert_eq(call.result.result, -ECONNREFUSED);
    cr_assert_not(call.result.may_have_run);
    cr_assert_gt(strlen(call.reason), 0);
    close(fd);
}

Test(httpclient_flow, connection_that_nobody_takes_is_given_up)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char origin[64];
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    int waiting[2];

    options.connect_timeout_ms = 50;
    make_client();
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 0), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < 2; i++) { /* fills the queue of the listener */
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    snprintf(origin, sizeof(origin), "http://127.0.0.1:%u", ntohs(address.sin_port));
    call_run(&call, origin, DELETE);
    cr_assert_eq(call.result.result, -ECONNREFUSED, "%s", call.reason);
    cr_assert_not(call.result.may_have_run);
    close(waiting[0]);
    close(waiting[1]);
    close(fd);
}

/* Says a little and waits until the client has gone. */
static void play_stall(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab");
    while (!peer_read_eof(self))
        ;
}

static void play_silence(struct peer *self)
{
    peer_accept(self);
    while (!peer_read_eof(self))
        ;
}

Test(httpclient_flow, stalled_answer_is_given_up)
{
    options.stall_timeout_ms = 50;
    make_client();
    peer_start(&peer, play_stall);
    call_run(&call, peer.origin, GET);
    cr_assert_eq(call.result.result, -ETIMEDOUT);
    cr_assert(call.result.may_have_run);
    cr_assert_eq(call.taken_len, 2);
}

Test(httpclient_flow, stalled_body_is_given_up)
{
    options.stall_timeout_ms = 50;
    make_client();
    peer_start(&peer, play_stall);
    call.body_bytes = LARGE_BYTES;
    call_run(&call, peer.origin, LARGE_PUT);
    cr_assert_eq(call.result.result, -ETIMEDOUT, "%s", call.reason);
}

Test(httpclient_flow, no_stall_while_paused)
{
    options.stall_timeout_ms = 50;
    make_client();
    peer_start(&peer, play_large);
    call.take_pauses = 1;
    call.keeps_paused = true;
    call_start(&call, peer.origin, GET);
    run_loop_for(250);
    cr_assert_eq(call.dones, 0);
    httprequest_resume(call.request);
    run_loop();
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
}

Test(httpclient_flow, deadline_ends_it)
{
    peer_start(&peer, play_silence);
    call.deadline_us = clock_mono_us() + 50000;
    call_run(&call, peer.origin, GET);
    cr_assert_eq(call.result.result, -ETIMEDOUT);
    cr_assert(call.result.may_have_run);
    cr_assert_geq(clock_mono_us(), call.deadline_us);
}

Test(httpclient_flow, deadline_that_has_passed_sends_nothing)
{
    peer_start(&peer, play_silence);
    call.deadline_us = 1;
    call_run(&call, peer.origin, GET);
    cr_assert_eq(call.result.result, -ETIMEDOUT);
    cr_assert_not(call.result.may_have_run);
    /* Ends the script, which still waits for a connection. */
    call_clean(&call);
    call_init(&call, base, client);
    call_start(&call, peer.origin, GET);
    run_loop_for(50);
}

static void play_one_after_the_other(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
}

Test(httpclient_flow, requests_wait_for_a_connection)
{
    options.connections_max = 1;
    make_client();
    peer_start(&peer, play_one_after_the_other);
    call.ends_loop = false;
    call_start(&call, peer.origin, GET);
    call_run(&other, peer.origin, DELETE);
    peer_join(&peer);
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_str_eq(peer.heard, GET DELETE);
    cr_assert_eq(peer.accepted, 1);
}

Test(httpclient_flow, owner_may_give_up_in_each_callback)
{
    static const enum call_behaviour behaviours[] = {CALL_FAILS_IN_READ, CALL_FAILS_IN_HEAD, CALL_FAILS_IN_BODY};

    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        call_clean(&call);
        call_init(&call, base, client);
        call.behaviour = behaviours[i];
        peer_start(&peer, i == 0 ? play_silence : play_stall);
        call.body_bytes = i == 0 ? 5 : 0;
        call_run(&call, peer.origin, i == 0 ? "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n" : GET);
        peer_join(&peer);
        cr_assert_eq(call.dones, 1);
        cr_assert_eq(call.result.result, -ECANCELED);
        cr_assert(call.result.may_have_run);
    }
}

Test(httpclient_flow, owner_may_cancel_in_each_callback)
{
    static const enum call_behaviour behaviours[] = {CALL_CANCELS_IN_READ, CALL_CANCELS_IN_HEAD, CALL_CANCELS_IN_BODY};

    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        call_clean(&call);
        call_init(&call, base, client);
        call.behaviour = behaviours[i];
        peer_start(&peer, i == 0 ? play_silence : play_stall);
        call.body_bytes = i == 0 ? 5 : 0;
        call_run(&call, peer.origin, i == 0 ? "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n" : GET);
        cr_assert_null(call.request);
        call.behaviour = CALL_WORKS;
        run_loop_for(20);
        peer_join(&peer); /* its connection has been closed */
        cr_assert_eq(call.dones, 0);
    }
}

Test(httpclient_flow, cancel_in_done_means_nothing)
{
    peer_start(&peer, play_hello_twice);
    call.behaviour = CALL_CANCELS_IN_DONE;
    call_run(&call, peer.origin, GET);
    call_run(&other, peer.origin, GET);
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
}

Test(httpclient_flow, cancel_at_every_stage_outside)
{
    peer_start(&peer, play_stall);
    call_start(&call, peer.origin, GET);
    httprequest_cancel(call.request); /* before it has begun */
    call.ends_loop = false;
    call_start(&call, peer.origin, GET);
    run_loop_for(50); /* its head is there and a part of its body */
    cr_assert_eq(call.taken_len, 2);
    httprequest_cancel(call.request);
    httprequest_cancel(NULL);
    peer_join(&peer);
    run_loop_for(20);
    cr_assert_eq(call.dones, 0);
}

static void cancel_other(struct call *self)
{
    httprequest_cancel(self->other->request);
    self->other->request = NULL;
}

static void play_two_stalls(struct peer *self)
{
    int first;

    peer_accept(self);
    peer_read_head(self);
    first = self->fd;
    self->fd = -1;
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
    while (!peer_read_eof(self))
        ;
    close(first);
}

Test(httpclient_flow, callback_may_cancel_another_request)
{
    peer_start(&peer, play_two_stalls);
    other.other = &call;
    other.in_head = cancel_other;
    call.ends_loop = false;
    call_start(&call, peer.origin, GET);
    call_run(&other, peer.origin, GET);
    run_loop_for(20);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_eq(call.dones, 0);
    cr_assert_null(call.request);
}

static void start_other(struct call *self)
{
    call_start(self->other, peer.origin, GET);
}

static void play_two_connections(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
}

Test(httpclient_flow, callbacks_may_start_requests)
{
    peer_start(&peer, play_two_connections);
    call.other = &other;
    call.in_body = start_other;
    call.ends_loop = false;
    call_start(&call, peer.origin, GET);
    run_loop();
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
}

Test(httpclient_flow, done_may_start_a_request)
{
    peer_start(&peer, play_hello_twice);
    call.other = &other;
    call.in_done = start_other;
    call.ends_loop = false;
    call_start(&call, peer.origin, GET);
    run_loop();
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
}

Test(httpclient_flow, free_ends_what_is_under_way)
{
    peer_start(&peer, play_stall);
    call_start(&call, peer.origin, GET);
    run_loop_for(50);
    cr_assert_eq(call.taken_len, 2);
    call_start(&other, peer.origin, GET);
    client = httpclient_free(client);
    peer_join(&peer);
    cr_assert_eq(call.dones, 0);
    cr_assert_eq(other.dones, 0);
}
