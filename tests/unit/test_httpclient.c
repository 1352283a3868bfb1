/* SPDX-License-Identifier: MIT */
/* The HTTP client: what it sends and what it understands, byte for byte. */
#include "httpclient_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct httpclient_options options = {.connect_timeout_ms = 5000, .stall_timeout_ms = 20000, .connections_max = 4};
static struct event_base *base;
static struct httpclient *client;
static struct peer peer;
static struct call call;
static const char *answer; /* of the peer's script */

static void set_up(void)
{
    struct err err = {""};

    base = event_base_new();
    cr_assert_eq(httpclient_new(base, &options, &client, &err), 0, "%s", err.text);
    call_init(&call, base, client);
}

static void tear_down(void)
{
    peer_join(&peer);
    call_clean(&call);
    client = httpclient_free(client);
    event_base_free(base);
}

TestSuite(httpclient, .init = set_up, .fini = tear_down, .timeout = 30);

static void play_answer(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, answer);
}

/* Runs one request against a peer that says only this. */
static void ask(const char *head, const char *text)
{
    answer = text;
    peer_start(&peer, play_answer);
    call_run(&call, peer.origin, head);
    peer_join(&peer);
}

#define GET "GET /c/b HTTP/1.1\r\nHost: acct.blob.localhost\r\n\r\n"

Test(httpclient, sends_what_it_was_given_and_nothing_else)
{
    const char *const text = "GET /c//a/../%2f%C3%a4/b.?comp=x&&a=%2B+&empty= HTTP/1.1\r\n"
                             "Host: acct.blob.localhost\r\n"
                             "x-ms-Version: 2099-01-01\r\n"
                             "X-Empty:\r\n"
                             "x-ms-meta-a: one\r\n"
                             "Authorization: SharedKey acct:c2ln\r\n"
                             "x-ms-meta-a: two;  three\r\n"
                             "Range: bytes=5-\r\n"
                             "Cookie: a=b\r\n\r\n";

    ask(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    cr_assert_str_eq(peer.heard, text);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(call.dones, 1);
}

Test(httpclient, fields_that_the_library_would_set_pass_as_given)
{
    const char *const text = "PUT /c/b HTTP/1.1\r\nHost: h:1\r\nUser-Agent: mine\r\nAccept: application/xml\r\n"
                             "Accept-Encoding: gzip\r\nContent-Type: text/x\r\nContent-Length: 0\r\n\r\n";

    ask(text, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    cr_assert_str_eq(peer.heard, text);
    cr_assert_eq(call.status, 201);
}

Test(httpclient, proxy_variables_mean_nothing)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    ask(GET, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_str_eq(peer.heard, GET);
}

static void play_put(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, 11);
    peer_send(self, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

Test(httpclient, body_follows_the_head)
{
    const char *const text = "PUT /c/b HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nx-ms-blob-type: BlockBlob\r\n\r\n";
    char expected[256];

    peer_start(&peer, play_put);
    call.body = "hello world";
    call.read_max = 4;
    call.read_pauses = 2;
    call_run(&call, peer.origin, text);
    peer_join(&peer);
    snprintf(expected, sizeof(expected), "%shello world", text);
    cr_assert_str_eq(peer.heard, expected);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
}

Test(httpclient, body_follows_any_method)
{
    const char *const text = "POST /?comp=batch HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n";
    char expected[256];

    peer_start(&peer, play_put);
    call.body = "hello world";
    call_run(&call, peer.origin, text);
    peer_join(&peer);
    snprintf(expected, sizeof(expected), "%shello world", text);
    cr_assert_str_eq(peer.heard, expected);
}

static void play_continue(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_read(self, 11);
    peer_send(self,
              "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n");
}

Test(httpclient, interim_answers_are_skipped)
{
    peer_start(&peer, play_continue);
    call.body = "hello world";
    call_run(&call, peer.origin, "PUT /c/b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(call.heads, 1);
    cr_assert_eq(call.status, 201);
    cr_assert_str_eq(call.head, "ETag: \"1\"\nContent-Length: 0\n");
}

Test(httpclient, answers_pass_as_they_came)
{
    ask(GET,
        "HTTP/1.1 302 Found\r\nServer: X/1\r\nETag: \"a\"\r\nX-Empty:\r\nLocation: http://127.0.0.1:1/\r\nSet-Cookie: a=1\r\n"
        "Set-Cookie: b=2\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: 4\r\n\r\nzip!");
    cr_assert_eq(call.status, 302);
    cr_assert_str_eq(call.head, "Server: X/1\nETag: \"a\"\nX-Empty: \nLocation: http://127.0.0.1:1/\nSet-Cookie: a=1\n"
                                "Set-Cookie: b=2\nContent-Encoding: gzip\nConnection: close\nContent-Length: 4\n");
    cr_assert_eq(call.taken_len, 4);
    cr_assert_arr_eq(call.taken, "zip!", 4);
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
}

Test(httpclient, chunks_are_joined_and_trailers_dropped)
{
    ask(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n");
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_str_eq(call.head, "Transfer-Encoding: chunked\n");
    cr_assert_eq(call.taken_len, 11);
    cr_assert_arr_eq(call.taken, "hello world", 11);
}

Test(httpclient, body_may_end_with_the_connection)
{
    ask(GET, "HTTP/1.0 200\r\nX: 1\r\n\r\nuntil the end");
    cr_assert_eq(call.result.result, 0, "%s", call.reason);
    cr_assert_eq(call.status, 200);
    cr_assert_eq(call.taken_len, 13);
}

Test(httpclient, answers_without_body_say_its_length)
{
    static const struct {
        const char *request, *answer;
        unsigned status;
    } cases[] = {
        {"HEAD /c/b HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 200},
        {"HEAD /c/b HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 Nope\r\nTransfer-Encoding: chunked\r\n\r\n", 404},
        {GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 12345\r\n\r\n", 304},
        {"DELETE /c/b HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", 204},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call_clean(&call);
        call_init(&call, base, client);
        ask(cases[i].request, cases[i].answer);
        cr_assert_eq(call.result.result, 0, "%zu: %s", i, call.reason);
        cr_assert_eq(call.status, cases[i].status);
        cr_assert_eq(call.taken_len, 0);
        cr_assert_str_eq(peer.heard, cases[i].request);
    }
}

Test(httpclient, bad_answers_are_an_error_and_may_have_run)
{
    static const char *const answers[] = {
        "",                                                                    /* nothing at all */
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",                  /* cut */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", /* cut between chunks */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",        /* no chunk */
        "HTTP/1.1 200 OK\r\nETag: 1\r\n",                                      /* cut in the head */
        "SSH-2.0-OpenSSH\r\n\r\n",                                             /* something else */
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",                                 /* no field */
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",              /* not asked for */
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        call_clean(&call);
        call_init(&call, base, client);
        ask("PUT /c/b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", answers[i]);
        cr_assert_eq(call.result.result, -EPROTO, "%zu: %d %s", i, call.result.result, call.reason);
        cr_assert(call.result.may_have_run, "%zu", i);
        cr_assert_eq(call.dones, 1);
        cr_assert_gt(strlen(call.reason), 0);
    }
}

Test(httpclient, head_has_limits)
{
    static char text[LIMIT_HEAD_BYTES + 4096];
    size_t len = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");

    for (unsigned i = 0; i <= LIMIT_HEAD_FIELDS; i++)
        len += (size_t)sprintf(text + len, "X: %u\r\n", i);
    strcpy(text + len, "\r\n");
    ask(GET, text);
    cr_assert_eq(call.result.result, -EPROTO);
    cr_assert_str_eq(call.reason, "the answer has too many fields");

    call_clean(&call);
    call_init(&call, base, client);
    len = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + len, 'x', LIMIT_HEAD_BYTES);
    strcpy(text + len + LIMIT_HEAD_BYTES, "\r\n\r\n");
    ask(GET, text);
    cr_assert_eq(call.result.result, -EPROTO);
    cr_assert_str_eq(call.reason, "the answer's head is too long");
}

Test(httpclient_refusals, origins)
{
    static const struct {
        const char *origin;
        int result;
    } cases[] = {
        {"http://127.0.0.1:10000", 0},
        {"https://acct.blob.core.windows.net", 0},
        {"http://[::1]:80", 0},
        {"http://h/path", -EINVAL},
        {"http://h/", -EINVAL},
        {"http://u:p@h", -EINVAL},
        {"http://u@h", -EINVAL},
        {"ftp://h", -EINVAL},
        {"file:///etc/passwd", -EINVAL},
        {"h:80", -EINVAL},
        {"", -EINVAL},
        {"http://", -EINVAL},
        {"http://h?q", -EINVAL},
        {"http://h#f", -EINVAL},
        {"http://h:99999", -EINVAL},
        {"http://h h", -EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(httpclient_check_origin(cases[i].origin), cases[i].result, "%s", cases[i].origin);
}

static void set_up_alone(void)
{
    set_up();
    peer.is_joined = true;
}

TestSuite(httpclient_alone, .init = set_up_alone, .fini = tear_down, .timeout = 30);

Test(httpclient_alone, heads_that_would_break_the_framing_are_refused)
{
    static const struct {
        const char *text;
        size_t body_bytes;
    } cases[] = {
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 4},
        {"PUT / HTTP/1.1\r\nHost: h\r\n\r\n", 4},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n", 4},
        {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
        {"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", 4},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call.body_bytes = cases[i].body_bytes;
        cr_assert_eq(call_try(&call, "http://127.0.0.1:9", cases[i].text), -EINVAL, "%s", cases[i].text);
    }
    cr_assert_eq(call.dones, 0);
}
