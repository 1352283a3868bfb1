/* SPDX-License-Identifier: MIT */
/* The HTTP client: a name whose lookup takes long holds nothing up. */
#include "../../src/lib/clock.h"
#include "httpclient_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define GET "GET /c/b HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define SLOW_ORIGIN "http://slow.test"

static struct httpclient_options options;
static struct event_base *base;
static struct httpclient *client;
static struct event *on_begin;
static struct peer peer;
static struct call call, other;
static int begun = -1; /* an eventfd: readable when a lookup of slow.test has begun */
static sem_t may_end, has_ended;
static atomic_uint ended;

static int find_loopback(const char *port, struct addrinfo **ret_list)
{
    struct {
        struct addrinfo info;
        struct sockaddr_in address;
    } *found = calloc(1, sizeof(*found)); /* one piece, as freeaddrinfo() expects */

    cr_assert_not_null(found);
    found->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    found->address.sin_port = htons((uint16_t)atoi(port));
    found->info = (struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    found->info.ai_addr = (struct sockaddr *)&found->address;
    found->info.ai_addrlen = sizeof(found->address);
    *ret_list = &found->info;
    return 0;
}

/* In place of the C library's, for libcurl: found.test is this machine, slow.test takes until the test is done and is unknown
 * then; other tests look no names up. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret_list)
{
    (void)hints;
    if (name && strcmp(name, "found.test") == 0)
        return find_loopback(service, ret_list);
    if (name && strcmp(name, "slow.test") == 0) {
        (void)eventfd_write(begun, 1);
        while (sem_wait(&may_end) < 0)
            ;
        atomic_fetch_add(&ended, 1);
        (void)sem_post(&has_ended);
    }
    return EAI_NONAME;
}

static void on_lookup_begun(evutil_socket_t fd, short what, void *arg)
{
    eventfd_t count;

    (void)what;
    (void)eventfd_read(fd, &count);
    event_base_loopbreak(arg);
}

static void make_client(void)
{
    struct err err = {""};

    client = httpclient_free(client);
    cr_assert_eq(httpclient_new(base, &options, &client, &err), 0, "%s", err.text);
    call.client = other.client = client;
}

static void set_up(void)
{
    options = (struct httpclient_options){.connect_timeout_ms = 20000, .stall_timeout_ms = 20000, .connections_max = 4};
    cr_assert_eq(sem_init(&may_end, 0, 0), 0);
    cr_assert_eq(sem_init(&has_ended, 0, 0), 0);
    atomic_store(&ended, 0);
    base = event_base_new();
    begun = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    on_begin = event_new(base, begun, EV_READ | EV_PERSIST, on_lookup_begun, base);
    cr_assert_eq(event_add(on_begin, NULL), 0);
    peer.is_joined = true; /* until it starts */
    call_init(&call, base, NULL);
    call_init(&other, base, NULL);
    make_client();
}

static void end_lookup(void)
{
    sem_post(&may_end);
    while (sem_wait(&has_ended) < 0)
        ;
}

static void tear_down(void)
{
    client = httpclient_free(client);
    peer_join(&peer);
    call_clean(&call);
    call_clean(&other);
    event_free(on_begin);
    event_base_free(base);
    close(begun);
}

TestSuite(httpclient_lookup, .init = set_up, .fini = tear_down, .timeout = 30);

static void start_lookup(void)
{
    call_start(&call, SLOW_ORIGIN, GET);
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_eq(call.dones, 0, "%s", call.reason);
}

static void play_hello_twice(struct peer *self)
{
    peer_accept(self);
    for (int i = 0; i < 2; i++) {
        peer_read_head(self);
        peer_send(self, OK_HELLO);
    }
}

Test(httpclient_lookup, freeing_does_not_wait_for_it)
{
    start_lookup();
    client = httpclient_free(client);
    cr_assert_eq(atomic_load(&ended), 0);
    cr_assert_eq(call.dones, 0);
    end_lookup();
}

Test(httpclient_lookup, cancelling_does_not_wait_for_it)
{
    start_lookup();
    httprequest_cancel(call.request);
    peer_start(&peer, play_hello_twice);
    call_run(&other, peer.origin, GET);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_eq(atomic_load(&ended), 0);
    end_lookup();
    call_clean(&other);
    call_init(&other, base, client);
    call_run(&other, peer.origin, GET);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_eq(call.dones, 0);
}

Test(httpclient_lookup, freeing_after_a_cancel_does_not_wait_for_it)
{
    start_lookup();
    httprequest_cancel(call.request);
    client = httpclient_free(client);
    cr_assert_eq(atomic_load(&ended), 0);
    end_lookup();
}

static void run_slow_call(void)
{
    call_start(&call, SLOW_ORIGIN, GET);
    while (call.dones == 0)
        cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
}

static void expect_end(int result)
{
    run_slow_call();
    cr_assert_eq(call.dones, 1);
    cr_assert_eq(call.result.result, result, "%s", call.reason);
    cr_assert_not(call.result.may_have_run);
    cr_assert_eq(atomic_load(&ended), 0);
    end_lookup();
}

Test(httpclient_lookup, connect_timeout_ends_it)
{
    options.connect_timeout_ms = 50;
    make_client();
    expect_end(-ECONNREFUSED);
}

Test(httpclient_lookup, deadline_ends_it)
{
    call.deadline_us = clock_mono_us() + 50000;
    expect_end(-ETIMEDOUT);
}

Test(httpclient_lookup, unknown_name_has_surely_not_run)
{
    sem_post(&may_end);
    run_slow_call();
    cr_assert_eq(call.result.result, -ECONNREFUSED, "%s", call.reason);
    cr_assert_not(call.result.may_have_run);
}

Test(httpclient_lookup, name_is_connected_to)
{
    char origin[64];

    peer_start(&peer, play_hello_twice);
    snprintf(origin, sizeof(origin), "http://found.test%s", strrchr(peer.origin, ':'));
    call_run(&call, origin, GET);
    call_run(&other, origin, GET);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(other.result.result, 0, "%s", other.reason);
    cr_assert_eq(peer.accepted, 1);
}

static void play_silence(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    while (!peer_read_eof(self))
        ;
}

Test(httpclient_lookup, connect_timeout_ends_with_the_connection)
{
    char origin[64];

    options.connect_timeout_ms = 50;
    options.stall_timeout_ms = 200;
    make_client();
    peer_start(&peer, play_silence);
    snprintf(origin, sizeof(origin), "http://found.test%s", strrchr(peer.origin, ':'));
    call_run(&call, origin, GET);
    cr_assert_eq(call.result.result, -ETIMEDOUT, "%s", call.reason);
    cr_assert(call.result.may_have_run);
}
