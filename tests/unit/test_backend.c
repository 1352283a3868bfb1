/* SPDX-License-Identifier: MIT */
/* Transfers against an endpoint that plays a script, and the limits put before them. */
#include "../../src/blobhostd/backend.h"
#include "../../src/blobhostd/backend_url.h"
#include "../../src/blobhostd/limiter.h"
#include "../../src/lib/clock.h"
#include "../../src/lib/log.h"
#include "../../src/lib/vmbus/vsp_status.h"
#include "httpclient_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOST "Host: acct.blob.localhost\r\n"
#define GET "GET /c/b HTTP/1.1\r\n" HOST "\r\n"

static struct event_base *base;
static struct backend *backend;
static struct peer peer;
static const char *answer; /* of the peer */
static size_t body_bytes;  /* that the peer waits for */
static struct err err;

/* The guest's data buffer: three ranges that are not neighbours. */
static char pages[3][64];
static const struct iovec data[3] = {{pages[0], 5}, {pages[1], 1}, {pages[2], 34}};
static struct head head;
static struct host_request request;
static struct host_response response;
static uint32_t status;
static unsigned answers;

static struct event_base *the_base(void)
{
    return base;
}

static void set_up(void)
{
    log_open("test", LOG_LEVEL_ERROR);
    base = event_base_new();
    peer.is_joined = true;
    request = (struct host_request){.head = &head, .data = data, .data_iov_count = 3, .data_capacity = 40};
    buf_init(&response.head, LIMIT_HEAD_BYTES);
}

static void tear_down(void)
{
    if (backend)
        backend_executor(backend)->thread_end(backend_executor(backend));
    backend = backend_free(backend);
    peer_join(&peer);
    buf_free(&response.head);
    event_base_free(base);
}

TestSuite(backend, .init = set_up, .fini = tear_down, .timeout = 30);

static void open_backend(const char *url)
{
    const struct backend_options options = {.url = url, .thread_base = the_base};

    cr_assert_eq(backend_new(&options, &backend, &err), 0, "%s", err.text);
}

static void play_answer(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, body_bytes);
    peer_send(self, answer);
}

static void take_answer(void *arg, uint32_t given)
{
    cr_assert_eq(arg, &request);
    status = given;
    answers++;
    event_base_loopbreak(base);
}

static void execute(struct executor *executor, const char *text)
{
    cr_assert_eq(head_parse_request(text, strlen(text), &head), 0, "%s", text);
    executor->execute(executor, &request, &response, take_answer, &request);
    if (answers == 0)
        cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    cr_assert_eq(answers, 1);
}

/* One transfer to a peer that gives that answer. */
static void ask(const char *text, const char *given)
{
    answer = given;
    body_bytes = (size_t)request.body_bytes;
    peer_start(&peer, play_answer);
    open_backend(peer.origin);
    execute(backend_executor(backend), text);
}

static void put_data(const char *text)
{
    request.body_bytes = strlen(text);
    memcpy(pages[0], text, 5);
    memcpy(pages[1], text + 5, 1);
    memcpy(pages[2], text + 6, strlen(text) - 6);
}

static void expect_data(const char *text)
{
    cr_assert_arr_eq(pages[0], text, 5);
    cr_assert_arr_eq(pages[1], text + 5, 1);
    cr_assert_arr_eq(pages[2], text + 6, strlen(text) - 6);
}

static void expect_head(const char *text)
{
    cr_assert_str_eq(response.head.bytes, text);
}

Test(backend, head_goes_on_but_for_this_hop)
{
    ask("GET /c/b?x=%2f HTTP/1.1\r\n" HOST "Connection: close, X-Mine\r\nX-Mine: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\n"
        "x-ms-Meta-A:\r\nx-ms-date: now\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer_join(&peer);
    cr_assert_str_eq(peer.heard, "GET /c/b?x=%2f HTTP/1.1\r\n" HOST "x-ms-Meta-A:\r\nx-ms-date: now\r\n\r\n");
    cr_assert_eq(status, VSP_STATUS_OK);
}

Test(backend, body_comes_from_the_pages)
{
    const char *const text = "PUT /c/b HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n";
    char expected[256];

    put_data("hello world");
    ask(text, "HTTP/1.1 201 Created\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n");
    peer_join(&peer);
    snprintf(expected, sizeof(expected), "%shello world", text);
    cr_assert_str_eq(peer.heard, expected);
    cr_assert_eq(status, VSP_STATUS_OK);
    expect_head("HTTP/1.1 201 Created\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n");
    cr_assert_eq(response.body_bytes, 0);
}

Test(backend, answer_goes_into_the_pages)
{
    ask(GET, "HTTP/1.1 206 Some\r\neTAG: \"1\"\r\nX: 1\r\nX:\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
             "Content-Length: 11\r\n\r\nhello world");
    cr_assert_eq(status, VSP_STATUS_OK);
    expect_head("HTTP/1.1 206 Some\r\neTAG: \"1\"\r\nX: 1\r\nX: \r\nContent-Length: 11\r\n\r\n");
    cr_assert_eq(response.body_bytes, 11);
    expect_data("hello world");
    cr_assert_not(response.is_too_small);
}

Test(backend, chunks_get_a_length)
{
    ask(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    cr_assert_eq(status, VSP_STATUS_OK);
    expect_head("HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 11\r\n\r\n");
    expect_data("hello world");
}

Test(backend, answers_without_body)
{
    static const struct {
        const char *request, *given, *wanted;
    } cases[] = {
        {"HEAD /c/b HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"},
        {"HEAD /c/b HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 404 No\r\n\r\n"},
        {GET, "HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n"},
        {"DELETE /c/b HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answers = 0;
        buf_clear(&response.head);
        ask(cases[i].request, cases[i].given);
        cr_assert_eq(status, VSP_STATUS_OK);
        expect_head(cases[i].wanted);
        cr_assert_eq(response.body_bytes, 0);
        peer_join(&peer);
        backend_executor(backend)->thread_end(backend_executor(backend));
        backend = backend_free(backend);
    }
}

Test(backend, read_that_does_not_fit_is_told_the_size)
{
    memset(pages, 'p', sizeof(pages));
    ask(GET, "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 41\r\n\r\n12345678901234567890123456789012345678901");
    cr_assert_eq(status, VSP_STATUS_OK);
    cr_assert(response.is_too_small);
    cr_assert_eq(response.body_bytes, 0);
    expect_head("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 41\r\n\r\n");
    expect_data("pppppppppppppppppppppppppppppppppppppppp");
}

Test(backend, chunked_read_that_does_not_fit_is_counted)
{
    ask(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
             "chunked\r\n\r\n28\r\n1234567890123456789012345678901234567890\r\n5\r\nhello\r\n0\r\n\r\n");
    cr_assert_eq(status, VSP_STATUS_OK);
    cr_assert(response.is_too_small);
    cr_assert_eq(response.body_bytes, 0);
    expect_head("HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n");
}

Test(backend, body_of_a_read_survives_an_answer_that_does_not_fit)
{
    put_data("<QueryRequest/>");
    ask("POST /c/b?comp=query HTTP/1.1\r\n" HOST "Content-Length: 15\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n12345678901234567890123456789012345678901\r\n0\r\n\r\n");
    cr_assert_eq(status, VSP_STATUS_OK);
    cr_assert(response.is_too_small);
    expect_data("<QueryRequest/>");
}

Test(backend, write_whose_answer_does_not_fit_has_been_executed)
{
    ask("DELETE /c/b HTTP/1.1\r\n" HOST "\r\n",
        "HTTP/1.1 400 Bad\r\nContent-Length: 41\r\n\r\n12345678901234567890123456789012345678901");
    cr_assert_eq(status, VSP_STATUS_INSUFFICIENT_BUFFER);
    cr_assert_not(response.is_too_small);
}

Test(backend, chunked_write_whose_answer_does_not_fit_has_been_executed)
{
    ask("POST /?comp=batch HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        "HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n12345678901234567890123456789012345678901\r\n0\r\n\r\n");
    cr_assert_eq(status, VSP_STATUS_INSUFFICIENT_BUFFER);
    cr_assert_not(response.is_too_small);
}

Test(backend, bad_answers_leave_the_outcome_unknown)
{
    static const char *const given[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    };

    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        answers = 0;
        buf_clear(&response.head);
        ask("DELETE /c/b HTTP/1.1\r\n" HOST "\r\n", given[i]);
        cr_assert_eq(status, VSP_STATUS_INTERNAL, "%zu: %x", i, status);
        peer_join(&peer);
        backend_executor(backend)->thread_end(backend_executor(backend));
        backend = backend_free(backend);
    }
}

/* The first connection ends without an answer. */
static void play_second_chance(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, body_bytes);
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, body_bytes);
    peer_send(self, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

Test(backend, what_is_safe_to_repeat_is_sent_once_more)
{
    const char *const text = "PUT /c/b?comp=block&blockid=AAAA HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n";
    char expected[512];

    put_data("hello world");
    body_bytes = 11;
    peer_start(&peer, play_second_chance);
    open_backend(peer.origin);
    execute(backend_executor(backend), text);
    peer_join(&peer);
    snprintf(expected, sizeof(expected), "%shello world%shello world", text, text);
    cr_assert_str_eq(peer.heard, expected);
    cr_assert_eq(status, VSP_STATUS_OK);
}

static void play_nothing(struct peer *self)
{
    (void)self;
}

Test(backend, endpoint_that_is_not_there_is_not_ready)
{
    peer_start(&peer, play_nothing);
    peer_join(&peer); /* nobody listens any more */
    open_backend(peer.origin);
    execute(backend_executor(backend), GET);
    cr_assert_eq(status, VSP_STATUS_NOT_READY);
}

static void play_silence(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    while (!peer_read_eof(self))
        ;
}

Test(backend, deadline_is_kept)
{
    peer_start(&peer, play_silence);
    open_backend(peer.origin);
    request.deadline_us = clock_mono_us() + 50000;
    execute(backend_executor(backend), "DELETE /c/b HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_eq(status, VSP_STATUS_TIMEOUT);
    cr_assert_geq(clock_mono_us(), request.deadline_us);
}

Test(backend, framing_that_contradicts_the_body_is_refused)
{
    put_data("hello world");
    open_backend("http://127.0.0.1:9");
    execute(backend_executor(backend), "PUT /c/b HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n");
    cr_assert_eq(status, VSP_STATUS_INVALID_DATA);
}

Test(backend, account_is_put_into_the_url)
{
    static const struct {
        const char *url, *host, *origin, *sent;
    } cases[] = {
        {"http://127.0.0.1:10000", "acct.blob.localhost", "http://127.0.0.1:10000", "acct.blob.localhost"},
        {"https://{account}.blob.core.windows.net", "acct.blob.localhost", "https://acct.blob.core.windows.net",
         "acct.blob.core.windows.net"},
        {"http://{account}.b.local:81", "acct123.x", "http://acct123.b.local:81", "acct123.b.local:81"},
        {"https://{account}.b.local", "acct-secondary.x", "https://acct-secondary.b.local", "acct-secondary.b.local"},
        {"https://{account}.b.local", "acct", NULL, NULL},
        {"https://{account}.b.local", "ac.x", NULL, NULL},
        {"https://{account}.b.local", "evil/../x.y", NULL, NULL},
        {"https://{account}.b.local", "u@h.y", NULL, NULL},
        {"https://{account}.b.local", "ACCT.y", NULL, NULL},
        {"https://{account}.b.local", ".y", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct backend_place place;
        char text[256];

        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
        cr_assert_eq(head_parse_request(text, strlen(text), &head), 0);
        const int rc = backend_url_resolve(cases[i].url, &head, &place);
        cr_assert_eq(rc, cases[i].origin ? 0 : -EINVAL, "%zu", i);
        if (rc < 0)
            continue;
        cr_assert_str_eq(place.origin, cases[i].origin);
        cr_assert(slice_equal(place.host, slice_of(cases[i].sent)), "%zu", i);
    }
}

Test(backend, urls)
{
    static const struct {
        const char *url;
        const char *word; /* in the complaint; NULL: fine */
    } cases[] = {
        {"http://127.0.0.1:10000", NULL},
        {"http://[::1]:10000", NULL},
        {"https://{account}.blob.core.windows.net", NULL},
        {"https://{account}.blob.core.windows.net/", "paths"},
        {"http://127.0.0.1:10000/devstoreaccount1", "paths"},
        {"http://h?x", "paths"},
        {"127.0.0.1:10000", "http://"},
        {"ftp://h", "http://"},
        {"http://x.{account}.y", "{account}"},
        {"http://{account}", "{account}"},
        {"http://{acount}.y", "no URL"},
        {"http://u:p@h", "no URL"},
        {"http://", "no URL"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(backend_check_url(cases[i].url, &err), cases[i].word ? -EINVAL : 0, "%s", cases[i].url);
        if (cases[i].word)
            cr_assert_not_null(strstr(err.text, cases[i].word), "%s: %s", cases[i].url, err.text);
    }
}

/* ---- the limiter ---- */

static unsigned thread_ends;

static void answer_at_once(struct executor *self, const struct host_request *asked, struct host_response *given,
                           void (*done)(void *arg, uint32_t status), void *done_arg)
{
    (void)self;
    (void)asked;
    given->body_bytes = 600;
    done(done_arg, VSP_STATUS_INTERNAL);
}

static void count_thread_end(struct executor *self)
{
    (void)self;
    thread_ends++;
}

static uint64_t limited_us(uint64_t rate, unsigned latency_ms)
{
    const struct limiter_options options = {rate, latency_ms, the_base};
    struct executor inner = {answer_at_once, count_thread_end};
    struct limiter *limiter = NULL;
    const uint64_t begun = clock_mono_us();

    cr_assert_eq(limiter_new(&inner, &options, &limiter), 0);
    request.body_bytes = 400;
    answers = 0;
    cr_assert_eq(head_parse_request(GET, strlen(GET), &head), 0);
    limiter_executor(limiter)->execute(limiter_executor(limiter), &request, &response, take_answer, &request);
    cr_assert_eq(answers, 0, "the answer came inside the call");
    cr_assert_geq(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    limiter_executor(limiter)->thread_end(limiter_executor(limiter));
    limiter_free(limiter);
    cr_assert_eq(answers, 1);
    cr_assert_eq(status, VSP_STATUS_INTERNAL);
    return clock_mono_us() - begun;
}

Test(backend, limits_hold_answers_back)
{
    cr_assert_geq(limited_us(0, 30), 30000);
    cr_assert_geq(limited_us(10000, 0), 100000); /* 1,000 bytes both ways at 10,000 a second */
    cr_assert_geq(limited_us(10000, 30), 130000);
    cr_assert_eq(thread_ends, 3);
}
