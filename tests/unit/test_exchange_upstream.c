/* SPDX-License-Identifier: MIT */
/* Exchanges that the channel does not carry: what the endpoint gets, what the client gets, what is never done twice. */
#include "exchange_fixture.h"
#include "httpclient_fixture.h"

#include "../../src/blobproxyd/upstream.h"
#include "../../src/lib/clock.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TARGET "/devstoreaccount1/cont/blob"
#define NOBODY "http://127.0.0.1:1" /* refuses connections */
#define OK_HELLO                                                                                                                 \
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x-hop, keep-alive\r\nx-hop: 1\r\nx-ms-Meta-A: b\r\nETag:\r\n\r\nhello"

static const char *const plain[] = {"Host: 127.0.0.1:10000", "x-ms-version: 2021-12-02", NULL};
static struct fixture *fixture;
static struct peer peer;
static char big[400000]; /* larger than a slot of the fixture */

static void set_up(void)
{
    fixture = fixture_new(4, 2);
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 >> 3);
}

static void tear_down(void)
{
    if (peer.listener)
        peer_join(&peer);
    route_free(fixture->env.route);
    fixture->env.route = NULL;
    fixture_free(fixture);
}

TestSuite(exchange_upstream, .init = set_up, .fini = tear_down, .timeout = 30);

static void open_route(const char *url, unsigned seats)
{
    struct err err = {""};

    free(fixture->conf->upstream_url);
    fixture->conf->upstream_url = strdup(url);
    cr_assert_eq(route_new(fixture->base, fixture->conf, seats, fixture->env.metrics, &fixture->env.route, &err), 0, "%s",
                 err.text);
}

static void open_peer(void (*play)(struct peer *peer))
{
    peer_start(&peer, play);
    open_route(peer.origin, 4);
}

static void channel_goes(void)
{
    fixture->channel.state = CHANNEL_DOWN;
    exchange_env_channel_down(&fixture->env);
}

/* Runs the loop until the exchange can go on. */
static enum exchange_next wait_and_go_on(struct exchange *x)
{
    for (unsigned wakes = fixture->wakes; fixture->wakes == wakes;)
        event_base_loop(fixture->base, EVLOOP_ONCE);
    return exchange_continue(x);
}

static enum exchange_next until_answer(struct exchange *x, enum exchange_next next)
{
    while (next == EXCHANGE_WAIT)
        next = wait_and_go_on(x);
    return next;
}

static size_t read_all(struct exchange *x, char *bytes, size_t max, ssize_t *ret_end)
{
    size_t have = 0;

    for (;;) {
        ssize_t n = have < max ? exchange_read(x, bytes + have, max - have) : -ENODATA;

        if (n < 0) {
            *ret_end = n;
            return have;
        }
        have += (size_t)n;
        if (n == 0)
            for (unsigned wakes = fixture->wakes; fixture->wakes == wakes;)
                event_base_loop(fixture->base, EVLOOP_ONCE);
    }
}

static void expect_answer(struct exchange *x, unsigned status, const char *code)
{
    struct answer answer;

    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, status, "status %u", answer.status);
    if (code)
        cr_expect(slice_equal(head_value(answer.head, "x-ms-error-code"), slice_of(code)));
}

static void expect_nothing_used(void)
{
    struct slots_figures figures = slots_figures(fixture->env.slots);
    struct buf text CLEANUP(buf_free);

    cr_expect_eq(figures.used[SLOT_SMALL] + figures.used[SLOT_LARGE], 0);
    buf_init(&text, 1 << 20);
    cr_assert_eq(metrics_write(fixture->metrics, &text), 0);
    cr_expect_not_null(strstr(text.bytes, "\nblobproxy_upstream_exchanges_in_flight 0\n"));
}

static void end(struct exchange *x)
{
    exchange_end(x, true);
    expect_nothing_used();
}

/* ---- the whole request ---- */

static void play_hello(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
}

Test(exchange_upstream, a_read_without_a_channel_keeps_its_target_and_fields)
{
    static const char *const fields[] = {
        "Host: 127.0.0.1:10000", "Connection: keep-alive, TE", "TE: trailers", "Accept: a", "x-ms-meta-empty: ", NULL};
    char expected[512], got[16];
    struct answer answer;
    ssize_t how;

    open_peer(play_hello);
    channel_goes();
    struct exchange *x = fixture_request(fixture, "GET", "/devstoreaccount1/cont/a%2Fb//../c?x=%41&y=", fields);

    cr_assert_eq(until_answer(x, exchange_begin(x, false)), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 200);
    cr_expect(answer.is_stream);
    cr_expect_eq(answer.body_bytes, 5);
    cr_expect_eq(answer.head->field_count, 3, "hop-by-hop fields stay out");
    cr_expect(slice_equal(answer.head->fields[1].name, SLICE("x-ms-Meta-A")));
    cr_expect_eq(head_value(answer.head, "ETag").len, 0);
    cr_expect_eq(read_all(x, got, 5, &how), 5);
    cr_expect_arr_eq(got, "hello", 5);
    end(x);
    peer_join(&peer);
    snprintf(expected, sizeof(expected),
             "GET /cont/a%%2Fb//../c?x=%%41&y= HTTP/1.1\r\nHost: %s\r\nAccept: a\r\nx-ms-meta-empty:\r\n\r\n",
             strstr(peer.origin, "://") + 3);
    cr_expect_str_eq(peer.heard, expected);
}

static void play_head(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nETag: \"1\"\r\n\r\n");
}

Test(exchange_upstream, a_head_names_the_length_and_has_no_body)
{
    struct answer answer;

    open_peer(play_head);
    channel_goes();
    struct exchange *x = fixture_request(fixture, "HEAD", TARGET, plain);

    cr_assert_eq(until_answer(x, exchange_begin(x, false)), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_not(answer.is_stream);
    cr_expect_eq(answer.body_bytes, 123456);
    end(x);
}

/* ---- bodies ---- */

static size_t counted;

static void count_body(struct peer *self, size_t bytes)
{
    static char piece[65536];

    for (counted = 0; counted < bytes;) {
        ssize_t n = recv(self->fd, piece, bytes - counted < sizeof(piece) ? bytes - counted : sizeof(piece), 0);

        if (n <= 0)
            return;
        if (memcmp(piece, big + counted, (size_t)n) != 0)
            return;
        counted += (size_t)n;
    }
}

static void play_big_put(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    count_body(self, sizeof(big));
    peer_send(self, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

static const char *const structured[] = {"Host: 127.0.0.1", "Content-Length: 400000", "x-ms-blob-type: BlockBlob",
                                         "x-ms-structured-body: X", NULL};

/* Hands over the body as a client would; EXCHANGE_ANSWER or EXCHANGE_WAIT behind its end. */
static enum exchange_next send_body(struct exchange *x, const char *bytes, size_t len)
{
    size_t sent = 0, taken;

    while (sent < len) {
        enum exchange_next next = exchange_body(x, bytes + sent, len - sent, &taken);

        sent += taken;
        if (next == EXCHANGE_WAIT)
            next = wait_and_go_on(x);
        cr_assert_eq(next, EXCHANGE_BODY);
    }
    return exchange_continue(x);
}

Test(exchange_upstream, a_body_that_no_slot_takes_streams_through_a_small_buffer)
{
    size_t taken;

    open_peer(play_big_put);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, structured);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_expect_eq(exchange_body(x, big, 100, &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, 0, "a body that only drips gets no seat");
    cr_expect_eq(exchange_body(x, big, sizeof(big), &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, UPSTREAM_BUFFER_BYTES, "no more than the buffer before anything was sent");
    cr_assert_eq(until_answer(x, send_body(x, big + taken, sizeof(big) - taken)), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    end(x);
    peer_join(&peer);
    cr_expect_eq(counted, sizeof(big));
}

#define BATCH(target) "--b\r\n\r\nDELETE " target " HTTP/1.1\r\nContent-Length: 0\r\n\r\n\r\n--b--\r\n"

static void play_batch(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, sizeof(BATCH("/c/b")) - 1);
    peer_send(self, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
}

Test(exchange_upstream, a_batch_in_path_style_is_gathered_and_rewritten)
{
    static const char body[] = BATCH("/devstoreaccount1/c/b");
    static const char *const expectations[] = {"x-none: 1", "Expect: 100-continue"};
    char length[64], expected[64];

    snprintf(length, sizeof(length), "Content-Length: %zu", sizeof(body) - 1);
    snprintf(expected, sizeof(expected), "\r\nContent-Length: %zu\r\n", sizeof(BATCH("/c/b")) - 1);
    for (size_t i = 0; i < 2; i++) {
        const char *const fields[] = {"Host: 127.0.0.1", "Content-Type: multipart/mixed; boundary=b", length, expectations[i],
                                      NULL};

        open_peer(play_batch);
        channel_goes();
        struct exchange *x = fixture_request(fixture, "POST", "/devstoreaccount1?comp=batch&sv=1&sig=a", fields);

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
        cr_assert_eq(until_answer(x, send_body(x, body, sizeof(body) - 1)), EXCHANGE_ANSWER);
        expect_answer(x, 202, NULL);
        end(x);
        peer_join(&peer);
        cr_expect_not_null(strstr(peer.heard, BATCH("/c/b")));
        cr_expect_not_null(strstr(peer.heard, expected));
        route_free(fixture->env.route);
        fixture->env.route = NULL;
        peer = (struct peer){.listener = 0};
    }
}

static void play_early_refusal(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\nx-ms-error-code: AuthorizationFailure\r\n\r\ndenied");
    count_body(self, sizeof(big)); /* a close with bytes unread would reset the connection, and the answer might be lost */
}

Test(exchange_upstream, an_answer_before_the_end_of_the_body_waits_until_that_was_read_away)
{
    size_t sent = 0, taken;
    char got[8];
    ssize_t how;

    open_peer(play_early_refusal);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, structured);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    while (sent < sizeof(big)) {
        size_t len = sizeof(big) - sent < 30000 ? sizeof(big) - sent : 30000;
        enum exchange_next next = exchange_body(x, big + sent, len, &taken);

        sent += taken;
        if (next == EXCHANGE_WAIT)
            next = wait_and_go_on(x);
        cr_assert_eq(next, EXCHANGE_BODY);
        event_base_loop(fixture->base, EVLOOP_NONBLOCK);
    }
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 403, "AuthorizationFailure");
    cr_expect_eq(read_all(x, got, 6, &how), 6);
    cr_expect_arr_eq(got, "denied", 6);
    end(x);
}

static const char *const put_big[] = {"Host: 127.0.0.1", "Content-Length: 400000", "x-ms-blob-type: BlockBlob",
                                      "x-ms-meta-color: blue", NULL};

/* An upload whose first block, the probe, is at the host. *ret_sent: what was taken. */
static struct exchange *begin_probe(size_t *ret_sent)
{
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, put_big);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, big, sizeof(big), ret_sent), EXCHANGE_BODY);
    cr_assert_eq(fixture->in_flight, 1);
    cr_expect_eq(fixture->submitted[0]->data_valid_bytes, *ret_sent);
    cr_expect_lt(*ret_sent, FIXTURE_LARGE_BYTES);
    cr_assert_eq(exchange_body(x, big + *ret_sent, sizeof(big) - *ret_sent, &taken), EXCHANGE_WAIT);
    cr_expect_eq(taken, 0);
    return x;
}

Test(exchange_upstream, a_put_blob_whose_blocks_are_refused_goes_whole)
{
    size_t sent;

    open_peer(play_big_put);
    struct exchange *x = begin_probe(&sent);

    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 409 C\r\nContent-Length: 0\r\nx-ms-error-code: InvalidBlobType\r\n",
                   "garbage", 7);
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY);
    cr_assert_eq(until_answer(x, send_body(x, big + sent, sizeof(big) - sent)), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    end(x);
    peer_join(&peer);
    cr_expect_eq(counted, sizeof(big));
    cr_expect_not_null(strstr(peer.heard, "\r\nx-ms-meta-color: blue\r\n"));
    cr_expect_not_null(strstr(peer.heard, "\r\nx-ms-blob-type: BlockBlob\r\n"));
}

Test(exchange_upstream, a_stored_probe_is_followed_by_whole_blocks)
{
    size_t sent, taken;

    open_route(NOBODY, 4);
    struct exchange *x = begin_probe(&sent);

    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 201 C\r\nContent-Length: 0\r\n", NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, big + sent, sizeof(big) - sent, &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, FIXTURE_LARGE_BYTES);
    exchange_end(x, false);
}

Test(exchange_upstream, another_refusal_of_a_block_is_the_answer)
{
    size_t sent, taken;

    open_route(NOBODY, 4);
    struct exchange *x = begin_probe(&sent);

    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 404 N\r\nContent-Length: 0\r\nx-ms-error-code: ContainerNotFound\r\n", NULL,
                   0);
    for (; sent < sizeof(big); sent += taken)
        cr_assert_eq(exchange_body(x, big + sent, sizeof(big) - sent, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    expect_answer(x, 404, "ContainerNotFound");
    end(x);
}

/* ---- answers ---- */

static void play_put(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, 4);
    peer_send(self, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
}

static const char *const put_fields[] = {"Host: 127.0.0.1", "Content-Length: 4", "x-ms-blob-type: BlockBlob", NULL};

static struct exchange *put_at_host(const char *target)
{
    struct exchange *x = fixture_request(fixture, "PUT", target, put_fields);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "body", 4, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_WAIT);
    cr_assert_eq(fixture->in_flight, 1);
    return x;
}

static void play_chunked(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, 5);
    peer_send(self, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n");
}

static const char *const query[] = {"Host: 127.0.0.1", "Content-Length: 5", NULL};

Test(exchange_upstream, an_answer_that_no_slot_takes_comes_from_upstream_with_the_body_from_the_slot)
{
    struct answer answer;
    char got[16];
    ssize_t how;
    size_t taken;

    open_peer(play_chunked);
    struct exchange *x = fixture_request(fixture, "POST", TARGET "?comp=query", query);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "<q />", 5, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n", NULL, 0);
    cr_expect_eq(fixture->in_flight, 0);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect(answer.is_stream);
    cr_expect_eq(answer.body_bytes, ANSWER_BYTES_UNKNOWN);
    cr_expect_eq(read_all(x, got, sizeof(got), &how), 7);
    cr_expect_eq(how, -ENODATA);
    cr_expect_arr_eq(got, "abcdefg", 7);
    end(x);
    peer_join(&peer);
    cr_expect_not_null(strstr(peer.heard, "\r\n\r\n<q />"));
}

Test(exchange_upstream, an_answer_whose_size_the_host_cannot_tell_comes_from_upstream)
{
    size_t taken;

    open_peer(play_chunked);
    struct exchange *x = fixture_request(fixture, "POST", TARGET "?comp=query", query);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "<q />", 5, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, "", NULL, 0);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 200, NULL);
    end(x);
}

Test(exchange_upstream, a_write_whose_answer_did_not_fit_is_not_repeated)
{
    open_route(NOBODY, 4);
    struct exchange *x = put_at_host(TARGET "?comp=block&blockid=AAAA");

    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, "", "<err", 4);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    expect_answer(x, 500, NULL);
    end(x);
}

static void play_two_lengths(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
}

Test(exchange_upstream, a_length_beside_chunks_means_nothing)
{
    struct answer answer;
    char got[16];
    ssize_t how;

    open_peer(play_two_lengths);
    channel_goes();
    struct exchange *x = fixture_request(fixture, "GET", TARGET, plain);

    cr_assert_eq(until_answer(x, exchange_begin(x, false)), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.body_bytes, ANSWER_BYTES_UNKNOWN);
    cr_expect_null(head_find(answer.head, "Content-Length"));
    cr_expect_eq(read_all(x, got, sizeof(got), &how), 5);
    cr_expect_eq(how, -ENODATA);
    end(x);
}

static void play_short(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
}

Test(exchange_upstream, an_answer_that_breaks_off_cuts_the_connection)
{
    char got[16];
    ssize_t how;

    open_peer(play_short);
    channel_goes();
    struct exchange *x = fixture_request(fixture, "GET", TARGET, plain);

    cr_assert_eq(until_answer(x, exchange_begin(x, false)), EXCHANGE_ANSWER);
    cr_expect_eq(read_all(x, got, 10, &how), 3);
    cr_expect_eq(how, -EIO);
    end(x);
}

/* What the host answers to a read: it is asked for elsewhere. */
static void expect_passed_by(uint32_t status, const char *head)
{
    open_peer(play_hello);
    struct exchange *x = fixture_request(fixture, "GET", TARGET, plain);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, status, head, NULL, 0);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 200, NULL);
    end(x);
}

Test(exchange_upstream, a_host_without_its_storage_is_passed_by)
{
    expect_passed_by(VSP_STATUS_NOT_READY, "");
}

Test(exchange_upstream, a_host_that_does_not_understand_is_passed_by)
{
    expect_passed_by(0x80004005u, "");
}

Test(exchange_upstream, an_answer_that_nobody_can_read_is_asked_for_elsewhere)
{
    expect_passed_by(VSP_STATUS_OK, "{\"schemaVersion\":1}");
}

Test(exchange_upstream, what_may_not_run_twice_stays_with_a_host_that_does_not_understand)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 0", "x-ms-blob-type: AppendBlob", NULL};

    open_route(NOBODY, 4);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET "?comp=appendblock", fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, 0x80004005u, "", NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    expect_answer(x, 500, "InternalError");
    end(x);
}

/* ---- losses ---- */

Test(exchange_upstream, a_body_lost_with_its_channel_goes_from_the_slot_when_that_is_safe)
{
    open_peer(play_put);
    struct exchange *x = put_at_host(TARGET);

    channel_goes();
    fixture_lose(fixture);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    end(x);
    peer_join(&peer);
    cr_expect_not_null(strstr(peer.heard, "\r\n\r\nbody"));
}

static void play_nothing(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read_eof(self);
}

/* The host of a lost channel may still write its answer over the body that it had been given. */
static struct slot *lose_put(struct exchange **ret_x, bool is_written_over)
{
    *ret_x = put_at_host(TARGET);
    struct slot *slot = (struct slot *)((char *)fixture->submitted[0] - offsetof(struct slot, transfer));

    channel_goes();
    if (is_written_over)
        slot->data[0] = '<';
    fixture_lose(fixture);
    return slot;
}

Test(exchange_upstream, a_body_that_the_host_has_written_over_goes_nowhere)
{
    struct exchange *x;

    open_route(NOBODY, 4);
    lose_put(&x, true);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER, "no attempt is made");
    expect_answer(x, 500, "OperationTimedOut");
    end(x);
}

Test(exchange_upstream, a_body_that_the_host_writes_over_meanwhile_is_not_completed)
{
    struct exchange *x;

    open_peer(play_nothing);
    lose_put(&x, false)->data[0] = '<';
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 500, "OperationTimedOut");
    end(x);
    peer_join(&peer);
    cr_expect_null(strstr(peer.heard, "<ody"));
}

Test(exchange_upstream, a_body_that_begins_after_the_channel_went_goes_upstream)
{
    size_t taken;

    open_peer(play_put);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET "?comp=appendblock", put_fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    channel_goes();
    slots_detach(fixture->env.slots);
    cr_assert_eq(exchange_body(x, "body", 4, &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, 4);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    end(x);
}

Test(exchange_upstream, an_upload_that_begins_after_the_channel_went_goes_upstream_whole)
{
    open_peer(play_big_put);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, put_big);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    channel_goes();
    slots_detach(fixture->env.slots);
    cr_assert_eq(until_answer(x, send_body(x, big, sizeof(big))), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    end(x);
    peer_join(&peer);
    cr_expect_eq(counted, sizeof(big));
}

Test(exchange_upstream, what_is_not_safe_to_repeat_is_never_sent_again)
{
    open_route(NOBODY, 4);
    struct exchange *x = put_at_host(TARGET "?comp=appendblock");

    channel_goes();
    fixture_lose(fixture);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    expect_answer(x, 500, "OperationTimedOut");
    end(x);
}

Test(exchange_upstream, what_was_never_submitted_may_go_whatever_it_is)
{
    open_peer(play_put);
    fixture->ring_room = 0;
    struct exchange *x = fixture_request(fixture, "PUT", TARGET "?comp=appendblock", put_fields);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "body", 4, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_WAIT);
    cr_assert_eq(fixture->in_flight, 0, "it waits for room in the ring");
    channel_goes();
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    end(x);
}

Test(exchange_upstream, who_waits_for_a_slot_goes_upstream_when_the_channel_goes)
{
    static const char *const large[] = {"Host: 127.0.0.1", "Range: bytes=0-199999", NULL};
    struct exchange *holders[2];

    open_peer(play_hello);
    for (unsigned i = 0; i < 2; i++) {
        holders[i] = fixture_request(fixture, "GET", TARGET, large);
        cr_assert_eq(exchange_begin(holders[i], false), EXCHANGE_WAIT);
    }
    struct exchange *x = fixture_request(fixture, "GET", TARGET, large);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_assert_eq(exchange_phase(x), EXCHANGE_IN_SLOT_QUEUE);
    for (unsigned i = 0; i < 2; i++)
        exchange_end(holders[i], false);
    cr_assert_eq(fixture->in_flight, 2, "the host has their slots");
    channel_goes();
    cr_expect_eq(exchange_phase(x), EXCHANGE_AT_HOST);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 200, NULL);
    exchange_end(x, true);
}

Test(exchange_upstream, an_upload_that_waits_for_its_first_slot_does_so_too)
{
    struct slot *slots[2];
    size_t taken;

    open_peer(play_big_put);
    for (unsigned i = 0; i < 2; i++)
        slots[i] = slots_take(fixture->env.slots, SLOT_LARGE);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, put_big);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, big, sizeof(big), &taken), EXCHANGE_WAIT);
    channel_goes();
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY);
    cr_assert_eq(until_answer(x, send_body(x, big, sizeof(big))), EXCHANGE_ANSWER);
    expect_answer(x, 201, NULL);
    for (unsigned i = 0; i < 2; i++)
        slots_put(slots[i], fixture->env.slots);
    end(x);
    peer_join(&peer);
    cr_expect_eq(counted, sizeof(big));
}

static void play_dies_then_answers(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, OK_HELLO);
}

Test(exchange_upstream, a_read_without_an_answer_is_asked_once_more)
{
    open_peer(play_dies_then_answers);
    channel_goes();
    struct exchange *x = fixture_request(fixture, "GET", TARGET, plain);

    cr_assert_eq(until_answer(x, exchange_begin(x, false)), EXCHANGE_ANSWER);
    expect_answer(x, 200, NULL);
    end(x);
    peer_join(&peer);
    cr_expect_eq(peer.accepted, 2);
}

static void play_dies(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read(self, 4);
}

Test(exchange_upstream, an_append_without_an_answer_is_not)
{
    size_t taken;

    open_peer(play_dies);
    channel_goes();
    struct exchange *x = fixture_request(fixture, "PUT", TARGET "?comp=appendblock", put_fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "body", 4, &taken), EXCHANGE_BODY);
    cr_assert_eq(taken, 4);
    cr_assert_eq(until_answer(x, exchange_continue(x)), EXCHANGE_ANSWER);
    expect_answer(x, 500, "OperationTimedOut");
    end(x);
    peer_join(&peer);
    cr_expect_eq(peer.accepted, 1);
}

/* ---- the breaker and the seats ---- */

static enum exchange_next ask(struct exchange **ret_x)
{
    *ret_x = fixture_request(fixture, "GET", TARGET, plain);
    return exchange_begin(*ret_x, false);
}

Test(exchange_upstream, an_endpoint_that_cannot_be_reached_is_left_alone_and_tried_again)
{
    uint64_t now_us = clock_mono_us();
    struct exchange *x;

    fixture->conf->upstream_breaker_failures = 3;
    open_route(NOBODY, 4);
    channel_goes();
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(ask(&x), EXCHANGE_WAIT, "attempt %u is made", i);
        cr_assert_eq(until_answer(x, EXCHANGE_WAIT), EXCHANGE_ANSWER);
        expect_answer(x, 503, "ServerBusy");
        end(x);
    }
    cr_assert_eq(ask(&x), EXCHANGE_ANSWER, "no attempt is made");
    expect_answer(x, 503, "ServerBusy");
    end(x);
    clock_fake(now_us + fixture->conf->upstream_breaker_time_ms * 1000 + 10000000, clock_wall_us());
    cr_assert_eq(ask(&x), EXCHANGE_WAIT, "the probe");
    struct exchange *other;

    cr_assert_eq(ask(&other), EXCHANGE_ANSWER, "one probe only");
    exchange_end(other, true);
    exchange_end(x, false);
    cr_assert_eq(ask(&x), EXCHANGE_WAIT, "a probe that was given up leaves room for the next");
    exchange_end(x, false);
    clock_real();
}

Test(exchange_upstream, an_unknown_account_shuts_out_no_other)
{
    static const char *const other[] = {"Host: other.blob.localhost", NULL};
    struct exchange *x;

    fixture->conf->upstream_breaker_failures = 1;
    open_route("http://{account}.localhost:1", 4);
    channel_goes();
    cr_assert_eq(ask(&x), EXCHANGE_WAIT);
    cr_assert_eq(until_answer(x, EXCHANGE_WAIT), EXCHANGE_ANSWER);
    end(x);
    cr_assert_eq(ask(&x), EXCHANGE_ANSWER);
    end(x);
    x = fixture_request(fixture, "GET", "/cont/blob", other);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT, "its own endpoint is tried");
    exchange_end(x, false);
}

Test(exchange_upstream, endpoints_that_are_forgotten_count_no_more)
{
    struct route_endpoint *endpoint;
    struct buf text CLEANUP(buf_free);
    char account[16];
    unsigned open = 0;

    fixture->conf->upstream_breaker_failures = 1;
    open_route("http://{account}.localhost:1", 4);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(account, sizeof(account), "account%03u", i);
        cr_assert_eq(route_admit(fixture->env.route, account, &endpoint), 0);
        route_report(fixture->env.route, endpoint, BREAKER_FAILURE);
    }
    buf_init(&text, 1 << 20);
    cr_assert_eq(metrics_write(fixture->metrics, &text), 0);
    const char *gauge = strstr(text.bytes, "\nblobproxy_breakers{state=\"open\"} ");

    cr_assert_not_null(gauge);
    cr_assert_eq(sscanf(gauge, "\nblobproxy_breakers{state=\"open\"} %u", &open), 1);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(account, sizeof(account), "account%03u", i);
        open -= !route_would_admit(fixture->env.route, account);
    }
    cr_expect_eq(open, 0);
}

Test(exchange_upstream, who_finds_no_seat_waits_in_order_and_then_gets_503)
{
    struct exchange *first, *second, *third;

    peer_start(&peer, play_hello);
    open_route(peer.origin, 1);
    channel_goes();
    cr_assert_eq(ask(&first), EXCHANGE_WAIT);
    cr_assert_eq(ask(&second), EXCHANGE_WAIT);
    cr_assert_eq(ask(&third), EXCHANGE_WAIT);
    cr_expect_eq(exchange_phase(first), EXCHANGE_AT_HOST);
    cr_expect_eq(exchange_phase(second), EXCHANGE_IN_SLOT_QUEUE);
    exchange_expire(third);
    cr_assert_eq(exchange_continue(third), EXCHANGE_ANSWER);
    expect_answer(third, 503, "ServerBusy");
    exchange_end(third, true);
    exchange_end(first, false);
    cr_assert_eq(until_answer(second, EXCHANGE_WAIT), EXCHANGE_ANSWER);
    expect_answer(second, 200, NULL);
    end(second);
}

static void play_silence(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_read_eof(self);
}

Test(exchange_upstream, the_deadline_ends_the_request_and_counts_as_a_failure)
{
    struct exchange *x;

    fixture->conf->upstream_breaker_failures = 1;
    open_peer(play_silence);
    channel_goes();
    cr_assert_eq(ask(&x), EXCHANGE_WAIT);
    event_base_loop(fixture->base, EVLOOP_ONCE);
    exchange_expire(x);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    expect_answer(x, 500, "OperationTimedOut");
    end(x);
    cr_assert_eq(ask(&x), EXCHANGE_ANSWER, "the breaker is open");
    end(x);
    if (peer.accepted == 0) { /* the deadline came before the connection */
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);

        cr_assert_eq(getsockname(peer.listener, (struct sockaddr *)&address, &len), 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&address, len), 0);
        close(fd);
    }
}

/* ---- downloads in parts ---- */

#define BIG_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\nETag: \"v1\"\r\n"

static struct exchange *begin_split_read(void)
{
    struct exchange *x = fixture_request(fixture, "GET", TARGET, plain);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, BIG_HEAD, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_assert_eq(fixture->in_flight, 2);
    return x;
}

static const char *rest_head;

static void play_rest(struct peer *self)
{
    peer_accept(self);
    peer_read_head(self);
    peer_send(self, rest_head);
    for (size_t sent = FIXTURE_LARGE_BYTES; sent < sizeof(big);) {
        ssize_t n = send(self->fd, big + sent, sizeof(big) - sent, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

#define REST_HEAD "HTTP/1.1 206 P\r\nContent-Length: 137856\r\nContent-Range: bytes 262144-399999/400000\r\n\r\n"

/* The first part is there, the second is lost with the channel. */
static struct exchange *lose_second_part(void)
{
    struct exchange *x = begin_split_read();

    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 206 P\r\nContent-Length: 262144\r\nContent-Range: bytes 0-262143/400000\r\n",
                   big, FIXTURE_LARGE_BYTES);
    channel_goes();
    fixture_lose(fixture);
    return x;
}

Test(exchange_upstream, the_rest_of_a_download_comes_as_one_pinned_range)
{
    char *got CLEANUP(cleanup_free) = malloc(sizeof(big));
    ssize_t how;

    rest_head = REST_HEAD;
    open_peer(play_rest);
    struct exchange *x = lose_second_part();

    cr_expect_eq(read_all(x, got, sizeof(big), &how), sizeof(big));
    cr_expect_arr_eq(got, big, sizeof(big));
    end(x);
    peer_join(&peer);
    cr_expect_not_null(strstr(peer.heard, "\r\nx-ms-range: bytes=262144-399999\r\n"));
    cr_expect_not_null(strstr(peer.heard, "\r\nIf-Match: \"v1\"\r\n"));
}

static void expect_cut_after_first_part(const char *head)
{
    char *got CLEANUP(cleanup_free) = malloc(sizeof(big));
    ssize_t how;

    rest_head = head;
    open_peer(play_rest);
    struct exchange *x = lose_second_part();

    cr_expect_eq(read_all(x, got, sizeof(big), &how), FIXTURE_LARGE_BYTES);
    cr_expect_eq(how, -EIO);
    exchange_end(x, false);
    expect_nothing_used();
}

Test(exchange_upstream, a_blob_that_has_changed_meanwhile_cuts_the_download)
{
    expect_cut_after_first_part("HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

Test(exchange_upstream, another_range_than_the_rest_cuts_the_download)
{
    expect_cut_after_first_part("HTTP/1.1 206 P\r\nContent-Length: 137856\r\nContent-Range: bytes 0-137855/400000\r\n\r\n");
}

Test(exchange_upstream, a_download_waits_for_the_channel_when_upstream_cannot_be_asked)
{
    char *got CLEANUP(cleanup_free) = malloc(sizeof(big));
    struct exchange *x, *sitter;

    open_route(NOBODY, 1);
    x = begin_split_read();
    fixture->channel.state = CHANNEL_DOWN;
    cr_assert_eq(ask(&sitter), EXCHANGE_WAIT, "it takes the only seat");
    fixture_lose(fixture);
    fixture_lose(fixture);
    cr_expect_eq(exchange_read(x, got, 100), 0);
    exchange_end(sitter, false);
    fixture->channel.state = CHANNEL_UP;
    fixture_turn(fixture);
    cr_assert_eq(fixture->in_flight, 2, "the parts are asked for again");
    exchange_end(x, false);
}
