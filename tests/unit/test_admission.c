/* SPDX-License-Identifier: MIT */
/* Admission: the HTTP library, played by the test, gets to read a request only when its head is whole and valid. */
#include "../../src/blobproxyd/admission.h"
#include "../../src/lib/clock.h"
#include "exchange_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define A "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define B "PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"

struct stage {
    struct fixture *fixture;
    struct admission *admission;
    struct connection *connection; /* once open */
    int client, server;
    unsigned opened, proceeded, ended, closed;
    bool cannot_open;
};

static void on_open(void *front, struct connection *connection, void **ret_client)
{
    struct stage *stage = front;

    if (stage->cannot_open) {
        connection_forget(connection);
        (void)close(stage->server);
        stage->closed++;
        return;
    }
    stage->opened++;
    stage->connection = connection;
    *ret_client = stage;
}

static void on_proceed(void *client)
{
    ((struct stage *)client)->proceeded++;
}

static void on_end(void *client)
{
    ((struct stage *)client)->ended++;
}

static void on_closed(void *arg)
{
    ((struct stage *)arg)->closed++;
}

static void begin(struct stage *stage)
{
    struct admission_hooks hooks = {on_open, on_proceed, on_end, on_closed, stage, stage};
    struct sockaddr address = {.sa_family = AF_UNIX};
    int ends[2];

    memset(stage, 0, sizeof(*stage));
    stage->fixture = fixture_new(1, 1);
    cr_assert_eq(admission_new(stage->fixture->base, &stage->fixture->env, &hooks, &stage->admission), 0);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    stage->client = ends[0];
    stage->server = ends[1];
    cr_assert_eq(admission_add(stage->admission, stage->server, false, &address, sizeof(address)), 0);
}

/* What the library does when its socket goes. */
static void end(struct stage *stage)
{
    if (stage->connection) {
        connection_forget(stage->connection);
        (void)close(stage->server);
    }
    admission_free(stage->admission);
    (void)close(stage->client);
    fixture_free(stage->fixture);
}

static void say(struct stage *stage, const char *text)
{
    cr_assert_eq(write(stage->client, text, strlen(text)), (ssize_t)strlen(text));
    fixture_turn(stage->fixture);
}

/* The library reads all that is there and answers so many requests. */
static void serve(struct stage *stage, unsigned requests)
{
    char bytes[65536];

    while (read(stage->server, bytes, sizeof(bytes)) > 0)
        ;
    for (unsigned i = 0; i < requests; i++)
        connection_begin_request(stage->connection);
    cr_assert(connection_end_request(stage->connection));
    connection_wait(stage->connection, 1000);
}

static bool has_metric(const struct stage *stage, const char *line)
{
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 1 << 20);
    cr_assert_eq(metrics_write(stage->fixture->metrics, &text), 0);
    buf_append(&text, "", 1);
    return strstr(text.bytes, line) != NULL;
}

static const char *heard(struct stage *stage)
{
    static char text[8192];
    ssize_t n = read(stage->client, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

Test(admission, opens_a_connection_with_its_first_whole_head)
{
    struct stage stage;

    begin(&stage);
    say(&stage, "GET /a HTTP/1.1\r\nHost: loc");
    cr_expect_eq(stage.opened, 0);
    say(&stage, "alhost\r\n\r\n");
    cr_expect_eq(stage.opened, 1);
    end(&stage);
}

Test(admission, looks_at_every_later_head)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A);
    serve(&stage, 1);
    say(&stage, "GET /a HT");
    cr_expect_eq(stage.proceeded, 0);
    say(&stage, "TP/1.1\r\nHost: localhost\r\n\r\n");
    cr_expect_eq(stage.proceeded, 1);
    serve(&stage, 1);
    say(&stage, "GET /a HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n");
    cr_expect_eq(stage.proceeded, 1);
    cr_expect(strstr(heard(&stage), "HTTP/1.1 400 "), "no error");
    cr_expect_eq(stage.ended, 0, "it may still read its error");
    end(&stage);
}

Test(admission, a_refused_client_is_ended_when_it_closes)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A);
    serve(&stage, 1);
    say(&stage, "nonsense\r\n\r\n");
    (void)shutdown(stage.client, SHUT_WR);
    fixture_turn(stage.fixture);
    cr_expect_eq(stage.ended, 1);
    end(&stage);
}

Test(admission, what_came_while_the_library_was_busy_is_looked_at_afterwards)
{
    struct stage stage;
    char bytes[sizeof(A)];

    begin(&stage);
    say(&stage, A);
    cr_assert_eq(read(stage.server, bytes, sizeof(A) - 1), (ssize_t)sizeof(A) - 1);
    connection_begin_request(stage.connection);
    say(&stage, B);
    cr_expect_eq(stage.proceeded, 0);
    cr_assert(connection_end_request(stage.connection));
    connection_wait(stage.connection, 1000);
    cr_expect_eq(stage.proceeded, 1);
    end(&stage);
}

Test(admission, pipelined_requests_go_in_together)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A B A);
    cr_expect_eq(stage.opened, 1);
    connection_begin_request(stage.connection);
    cr_expect_not(connection_end_request(stage.connection), "two are left");
    cr_expect_not(connection_must_close(stage.connection));
    serve(&stage, 2);
    end(&stage);
}

Test(admission, the_rest_of_a_pipelined_head_is_waited_for)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A "GET /b HTTP/1.1\r\nHo");
    cr_expect_eq(stage.opened, 0);
    say(&stage, "st: localhost\r\n\r\n");
    cr_expect_eq(stage.opened, 1);
    serve(&stage, 2);
    end(&stage);
}

Test(admission, the_rest_of_a_pipelined_head_is_waited_for_until_the_second_sweep_only)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A "GET /b HT");
    admission_sweep(stage.admission, clock_mono_us());
    cr_expect_eq(stage.opened, 0);
    admission_sweep(stage.admission, clock_mono_us());
    cr_expect_eq(stage.opened, 1, "the first request is whole");
    end(&stage);
}

Test(admission, a_request_line_that_the_library_has_begun_is_left_to_it)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A A);
    cr_assert_eq(write(stage.client, "GET /b HT", 9), 9);
    serve(&stage, 2); /* read together with them, unseen */
    fixture_turn(stage.fixture);
    say(&stage, "TP/1.1\r\nHost: localhost\r\n\r\n");
    cr_expect_eq(stage.proceeded, 1);
    cr_expect_str_eq(heard(&stage), "");
    end(&stage);
}

Test(admission, an_invalid_pipelined_head_makes_the_response_before_it_the_last)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A A "GET /b HTTP/1.1\r\nHost : localhost\r\n\r\n");
    connection_begin_request(stage.connection);
    cr_expect_not(connection_must_close(stage.connection));
    connection_begin_request(stage.connection);
    cr_expect(connection_must_close(stage.connection));
    end(&stage);
}

Test(admission, a_head_that_the_library_has_begun_is_left_to_it)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A);
    serve(&stage, 2); /* read together with the first, unseen */
    say(&stage, "ost: localhost\r\n\r\n");
    cr_expect_eq(stage.proceeded, 1);
    cr_expect_str_eq(heard(&stage), "");
    end(&stage);
}

Test(admission, what_has_a_request_line_of_its_own_was_not_begun_by_the_library)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A);
    serve(&stage, 2); /* read together with the first, unseen */
    say(&stage, "GET /b HTTP/1.1\r\nHost : localhost\r\n\r\n");
    cr_expect_eq(stage.proceeded, 0);
    cr_expect(strstr(heard(&stage), "HTTP/1.1 400 "), "no error");
    end(&stage);
}

Test(admission, empty_lines_before_a_request_never_reach_the_library)
{
    struct stage stage;
    char bytes[4] = "";

    begin(&stage);
    say(&stage, "\r\n\r\n" A);
    cr_expect_eq(stage.opened, 1);
    cr_assert_eq(read(stage.server, bytes, 3), 3);
    cr_expect_str_eq(bytes, "GET");
    end(&stage);
}

Test(admission, a_long_head_is_looked_at_as_a_whole)
{
    struct stage stage;
    struct buf text CLEANUP(buf_free);

    buf_init(&text, LIMIT_FIRST_HEAD_BYTES);
    buf_puts(&text, "GET /a HTTP/1.1\r\nHost: localhost\r\nX: ");
    while (text.len < LIMIT_FIRST_HEAD_BYTES - 100)
        buf_puts(&text, "0123456789");
    buf_puts(&text, "\r\n\r\n");
    buf_append(&text, "", 1);
    begin(&stage);
    say(&stage, text.bytes);
    cr_expect_eq(stage.opened, 1);
    end(&stage);
}

Test(admission, an_idle_connection_ends_at_its_deadline)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A);
    serve(&stage, 1);
    admission_sweep(stage.admission, clock_mono_us() + 500000);
    cr_expect_eq(stage.ended, 0);
    admission_sweep(stage.admission, clock_mono_us() + 1000001);
    cr_expect_eq(stage.ended, 1);
    end(&stage);
}

Test(admission, a_slow_head_ends_at_its_deadline_and_is_counted)
{
    struct stage stage;
    uint64_t timeout_us;

    begin(&stage);
    timeout_us = stage.fixture->conf->limits_header_timeout_ms * 1000;
    say(&stage, "GET /a");
    admission_sweep(stage.admission, clock_mono_us() + timeout_us / 2);
    cr_expect_eq(stage.closed, 0);
    admission_sweep(stage.admission, clock_mono_us() + timeout_us + 1);
    cr_expect_eq(stage.closed, 1);
    cr_expect(has_metric(&stage, "blobproxy_errors_total{kind=\"header_deadline\"} 1\n"));
    end(&stage);
}

Test(admission, an_end_of_stream_that_came_with_the_last_request_is_found_by_the_sweep)
{
    struct stage stage;

    begin(&stage);
    cr_assert_eq(write(stage.client, A, sizeof(A) - 1), (ssize_t)sizeof(A) - 1);
    (void)shutdown(stage.client, SHUT_WR);
    fixture_turn(stage.fixture);
    cr_assert_eq(stage.opened, 1);
    serve(&stage, 1);
    admission_sweep(stage.admission, clock_mono_us());
    cr_expect_eq(stage.ended, 1);
    end(&stage);
}

Test(admission, draining_ends_idle_connections_only)
{
    struct stage stage;

    begin(&stage);
    say(&stage, A);
    serve(&stage, 1);
    say(&stage, "GET /a");
    admission_drain(stage.admission);
    cr_expect_eq(stage.ended, 0);
    say(&stage, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    serve(&stage, 1);
    admission_drain(stage.admission);
    cr_expect_eq(stage.ended, 1);
    end(&stage);
}

Test(admission, a_connection_that_cannot_be_opened_is_counted_as_closed)
{
    struct stage stage;

    begin(&stage);
    stage.cannot_open = true;
    say(&stage, A);
    cr_expect_eq(stage.closed, 1);
    end(&stage);
}

/* ---- the end of a body ---- */

#define LONG_HEAD "PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"

/* The library has read the head and all but the last bytes of its body, of which "here" are there. */
static void begin_tail(struct stage *stage, size_t left, size_t here)
{
    static const char body[100000];
    char bytes[65536];

    begin(stage);
    say(stage, LONG_HEAD);
    connection_begin_request(stage->connection);
    cr_assert_eq(read(stage->server, bytes, sizeof(bytes)), (ssize_t)sizeof(LONG_HEAD) - 1);
    for (size_t taken = 0; taken < 100000 - left;) {
        size_t step = 100000 - left - taken < 10000 ? 100000 - left - taken : 10000;

        cr_assert_eq(write(stage->client, body, step), (ssize_t)step);
        cr_assert_eq(read(stage->server, bytes, step), (ssize_t)step);
        taken += step;
    }
    cr_assert_eq(write(stage->client, body, here), (ssize_t)here);
    fixture_turn(stage->fixture);
}

Test(admission, the_end_of_a_body_is_read_as_it_comes)
{
    struct stage stage;
    char rest[500] = "";

    begin_tail(&stage, 1000, 0);
    cr_expect_not(connection_await_tail(stage.connection, 60000), "that far from the end there is no need");
    cr_assert(connection_await_tail(stage.connection, 1000));
    cr_assert_eq(write(stage.client, rest, sizeof(rest)), (ssize_t)sizeof(rest));
    fixture_turn(stage.fixture);
    cr_expect_eq(stage.proceeded, 1);
    cr_expect(connection_end_request(stage.connection));
    end(&stage);
}

Test(admission, a_body_that_is_there_is_not_waited_for)
{
    struct stage stage;

    begin_tail(&stage, 1000, 1000);
    cr_expect_not(connection_await_tail(stage.connection, 1000));
    cr_expect_not(connection_must_close(stage.connection));
    end(&stage);
}

Test(admission, what_follows_a_long_body_is_looked_at)
{
    struct stage stage;

    begin_tail(&stage, 1000, 1000);
    say(&stage, A "GET /b HT");
    cr_assert(connection_await_tail(stage.connection, 1000));
    say(&stage, "TP/1.1\r\nHost: localhost\r\n\r\n");
    cr_expect_eq(stage.proceeded, 1);
    cr_expect_not(connection_end_request(stage.connection), "two have been seen");
    connection_begin_request(stage.connection);
    connection_begin_request(stage.connection);
    cr_expect(connection_end_request(stage.connection));
    end(&stage);
}

Test(admission, an_invalid_head_after_a_long_body_makes_its_response_the_last)
{
    struct stage stage;

    begin_tail(&stage, 1000, 1000);
    say(&stage, "GET /b HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n");
    cr_expect_not(connection_await_tail(stage.connection, 1000));
    cr_expect(connection_must_close(stage.connection));
    end(&stage);
}

Test(admission, a_head_after_a_body_is_waited_for_until_a_sweep_only)
{
    struct stage stage;

    begin_tail(&stage, 1000, 1000);
    say(&stage, "GET /b HT");
    cr_assert(connection_await_tail(stage.connection, 1000));
    admission_sweep(stage.admission, clock_mono_us());
    cr_expect_eq(stage.proceeded, 1);
    serve(&stage, 0);
    say(&stage, "TP/1.1\r\nHost: localhost\r\n\r\n");
    cr_expect_eq(stage.proceeded, 2, "the library has the beginning");
    cr_expect_str_eq(heard(&stage), "");
    end(&stage);
}
