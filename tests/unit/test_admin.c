/* SPDX-License-Identifier: MIT */
/* The metrics and health listener over real HTTP: a blocking client on a thread, the loop on the test's own. */
#include "../../src/blobproxyd/admin.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/thread.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 262144

static struct event_base *base;
static struct admin *admin;
static unsigned scrapes;
static bool is_ready = true;
static int metrics_result;
static const char *metrics_text = "# HELP a b\n# TYPE a counter\na 1\n";

static int write_metrics(void *arg, struct buf *text)
{
    (void)arg;
    scrapes++;
    return metrics_result < 0 ? metrics_result : buf_puts(text, metrics_text);
}

static int write_status(void *arg, struct buf *text)
{
    (void)arg;
    buf_puts(text, "{\"state\":\"serving\"}\n");
    return text->failed;
}

static bool tell_ready(void *arg, char reason[ADMIN_REASON_BYTES])
{
    (void)arg;
    if (!is_ready)
        strcpy(reason, "draining");
    return is_ready;
}

static bool is_own_host(void *arg, const char *host)
{
    (void)arg;
    return strcmp(host, "localhost") == 0;
}

static void start(void)
{
    static const struct admin_callbacks callbacks = {
        .metrics = write_metrics, .status = write_status, .ready = tell_ready, .is_own_host = is_own_host};
    struct address address;
    const char *problem;
    struct err err = {0};

    evthread_use_pthreads();
    base = event_base_new();
    cr_assert_eq(address_parse("127.0.0.1:0", &address, &problem), 0);
    cr_assert_eq(admin_new(base, &address, -1, &callbacks, &admin, &err), 0, "%s", err.text);
    cr_assert_neq(admin_port(admin), 0);
}

static void stop(void)
{
    admin = admin_free(admin);
    event_base_free(base);
    libevent_global_shutdown();
}

struct client {
    const char *request;
    char answer[ANSWER_BYTES];
    size_t answer_bytes;
};

static int connect_client(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(admin_port(admin)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval timeout = {10, 0}; /* a test that hangs fails */
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Sends all, reads to the end, stops the loop. */
static void *run_client(void *arg)
{
    struct client *client = arg;
    int fd = connect_client();
    ssize_t got = fd < 0 ? -1 : send(fd, client->request, strlen(client->request), MSG_NOSIGNAL);

    while (got > 0) {
        got = recv(fd, client->answer + client->answer_bytes, ANSWER_BYTES - 1 - client->answer_bytes, 0);
        client->answer_bytes += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    event_base_loopbreak(base);
    return NULL;
}

static const char *ask(const char *request)
{
    static struct client client;
    pthread_t thread;

    memset(&client, 0, sizeof(client));
    client.request = request;
    cr_assert_eq(pthread_create(&thread, NULL, run_client, &client), 0);
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
    pthread_join(thread, NULL);
    return client.answer;
}

/* One request with "Connection: close". */
static const char *get(const char *method, const char *path)
{
    char request[256];
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path);
    return ask(request);
}

static void expect(const char *answer, const char *status, const char *header, const char *body)
{
    const char *end = strstr(answer, "\r\n\r\n");
    cr_assert(end, "no answer: %s", answer);
    cr_expect_eq(strncmp(answer, status, strlen(status)), 0, "%s", answer);
    cr_expect(!header || strcasestr(answer, header), "%s is not in %s", header, answer);
    cr_expect_str_eq(end + 4, body);
}

TestSuite(admin, .init = start, .fini = stop, .timeout = 60);

Test(admin, metrics_are_written_anew_for_each_scrape)
{
    expect(get("GET", "/metrics"), "HTTP/1.1 200 ", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", metrics_text);
    expect(get("GET", "/metrics?x=1"), "HTTP/1.1 200 ", "Cache-Control: no-store\r\n", metrics_text);
    cr_expect_eq(scrapes, 2u);
}

Test(admin, a_host_that_is_not_an_own_one_reads_nothing)
{
    const char *answer = ask("GET /metrics HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n");

    cr_expect_eq(strncmp(answer, "HTTP/1.1 421 ", 13), 0, "%s", answer);
    cr_expect_not_null(strstr(answer, "listen.hosts"));
    cr_expect_eq(scrapes, 0u);
    answer = ask("GET /healthz HTTP/1.0\r\n\r\n"); /* no browser: no Host */
    expect(answer + strcspn(answer, " "), " 200 ", NULL, "ok\n"); /* which version answers depends on libmicrohttpd's */
}

Test(admin, head_has_the_length_and_no_body)
{
    expect(get("HEAD", "/metrics"), "HTTP/1.1 200 ", "Content-Length: 32\r\n", "");
    expect(get("HEAD", "/healthz"), "HTTP/1.1 200 ", "Content-Length: 3\r\n", "");
}

Test(admin, health_is_ok_while_the_loop_turns)
{
    is_ready = false;
    expect(get("GET", "/healthz"), "HTTP/1.1 200 ", "Content-Type: text/plain", "ok\n");
}

Test(admin, readiness_follows_the_callback_and_tells_its_reason)
{
    expect(get("GET", "/readyz"), "HTTP/1.1 200 ", NULL, "ready\n");
    is_ready = false;
    expect(get("GET", "/readyz"), "HTTP/1.1 503 ", NULL, "draining\n");
}

Test(admin, other_paths_are_not_found_and_get_a_hint)
{
    static const char hint[] =
        "There are / for people, /metrics, /status, /healthz and /readyz here; blobs are on another port.\n";
    expect(get("GET", "/x"), "HTTP/1.1 404 ", "Content-Type: text/plain", hint);
    expect(get("GET", "/metrics/"), "HTTP/1.1 404 ", NULL, hint);
    expect(get("POST", "/devstoreaccount1/c"), "HTTP/1.1 404 ", NULL, hint);
    cr_expect_eq(scrapes, 0u);
}

Test(admin, the_page_is_whole_and_confined)
{
    const char *answer = get("GET", "/");
    const char *body = strstr(answer, "\r\n\r\n");
    cr_assert(body, "%s", answer);
    cr_expect_eq(strncmp(answer, "HTTP/1.1 200 ", 13), 0, "%s", answer);
    cr_expect(strcasestr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
    cr_expect(strcasestr(answer, "Content-Security-Policy: default-src 'none'; connect-src 'self'; "));
    cr_expect(strcasestr(answer, "X-Content-Type-Options: nosniff\r\n"));
    cr_expect_eq(strncmp(body + 4, "<!DOCTYPE html>", 15), 0);
    cr_expect_str_eq(answer + strlen(answer) - 8, "</html>\n");
    expect(get("HEAD", "/"), "HTTP/1.1 200 ", "Content-Type: text/html", "");
    cr_expect_eq(scrapes, 0u);
}

Test(admin, other_methods_are_refused)
{
    static const char refusal[] = "Only GET and HEAD are answered here.\n";
    expect(get("DELETE", "/metrics"), "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n", refusal);
    expect(ask("POST /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"),
           "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n", refusal);
    cr_expect_eq(scrapes, 0u);
}

Test(admin, a_failing_callback_is_an_internal_error)
{
    metrics_result = -ENOMEM;
    expect(get("GET", "/metrics"), "HTTP/1.1 500 ", NULL, "this could not be written\n");
}

Test(admin, the_status_is_json)
{
    expect(get("GET", "/status"), "HTTP/1.1 200 ", "Content-Type: application/json", "{\"state\":\"serving\"}\n");
}

Test(admin, a_connection_serves_several_requests)
{
    const char *answer = ask(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const char *second = strstr(answer, "ok\nHTTP/1.1 200 ");
    cr_assert(second, "%s", answer);
    cr_expect(strstr(second, "ready\n"), "%s", answer);
}

Test(admin, a_large_exposition_arrives_whole)
{
    static char large[200001];
    memset(large, '#', sizeof(large) - 1);
    metrics_text = large;
    expect(get("GET", "/metrics"), "HTTP/1.1 200 ", "Content-Length: 200000\r\n", large);
}

Test(admin, an_address_in_use_is_told)
{
    char text[32];
    struct address address;
    const char *problem;
    struct err err = {0};
    struct admin *second = NULL;
    snprintf(text, sizeof(text), "127.0.0.1:%u", admin_port(admin));
    cr_assert_eq(address_parse(text, &address, &problem), 0);
    cr_expect_eq(admin_new(base, &address, -1, &(struct admin_callbacks){0}, &second, &err), -EADDRINUSE);
    cr_expect_str_eq(err.text, "cannot listen: Address already in use");
    cr_expect_null(second);
}

Test(admin, a_socket_handed_in_is_served)
{
    struct address address;
    const char *problem;
    struct err err = {0};
    int fd = -1;
    cr_assert_eq(address_parse("[::1]:0", &address, &problem), 0);
    if (address_listen(&address, &fd) == -EADDRNOTAVAIL) /* no IPv6 on this machine */
        cr_skip_test();
    admin_free(admin);
    cr_assert_eq(
        admin_new(base, NULL, fd, &(struct admin_callbacks){.metrics = write_metrics, .ready = tell_ready}, &admin, &err), 0);
    cr_expect_neq(admin_port(admin), 0);
}
