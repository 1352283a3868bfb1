/* SPDX-License-Identifier: MIT */
/* The HTTP client over TLS: whom it trusts. The certificates are made here, the peer is openssl's. */
#include "httpclient_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

static char directory[] = "/tmp/test_httpclient_XXXXXX";
static char ca[64];
static char origin[64];
static pid_t server;
static struct event_base *base;
static struct httpclient *client;
static struct call call;

/* In the directory, with $NAMES. */
static void shell(const char *commands, const char *names)
{
    char command[1024];

    snprintf(command, sizeof(command), "cd %s && NAMES='%s' && %s", directory, names, commands);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* "ACCEPT 127.0.0.1:41234" is what the server says when it listens. */
static void read_port(int fd)
{
    FILE *said = fdopen(fd, "r");
    char line[128];
    unsigned port = 0;

    while (port == 0 && fgets(line, sizeof(line), said))
        (void)sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
    (void)fclose(said);
    cr_assert_gt(port, 0, "the server did not start");
    snprintf(origin, sizeof(origin), "https://127.0.0.1:%u", port);
}

static void start_server(const char *version)
{
    char certificate[64], key[64];
    int said[2];

    snprintf(certificate, sizeof(certificate), "%s/cert.pem", directory);
    snprintf(key, sizeof(key), "%s/key.pem", directory);
    cr_assert_eq(pipe(said), 0);
    server = fork();
    cr_assert_geq(server, 0);
    if (server == 0) {
        dup2(said[1], STDOUT_FILENO);
        close(STDERR_FILENO); /* the refusals that the tests are about */
        close(said[0]);
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, "-cipher",
               "ALL:@SECLEVEL=0", "-www", version, (char *)NULL);
        _exit(127);
    }
    close(said[1]);
    read_port(said[0]);
}

static void make_certificate(const char *names)
{
    shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
          "-keyout key.pem -out cert.pem -addext \"subjectAltName=$NAMES\" 2>openssl.log",
          names);
}

static void make_client(const char *ca_file)
{
    const struct httpclient_options options = {
        .ca_file = ca_file, .connect_timeout_ms = 10000, .stall_timeout_ms = 10000, .connections_max = 4};
    struct err err = {""};

    cr_assert_eq(httpclient_new(base, &options, &client, &err), 0, "%s", err.text);
    call_init(&call, base, client);
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(ca, sizeof(ca), "%s/cert.pem", directory);
    base = event_base_new();
}

static void tear_down(void)
{
    if (client)
        call_clean(&call);
    client = httpclient_free(client);
    event_base_free(base);
    if (server > 0) {
        cr_assert_eq(kill(server, SIGKILL), 0);
        cr_assert_eq(waitpid(server, NULL, 0), server);
    }
    shell("rm -rf $PWD", "");
}

TestSuite(httpclient_tls, .init = set_up, .fini = tear_down, .timeout = 60);

Test(httpclient_tls, peer_with_a_trusted_certificate_is_answered)
{
    make_certificate("IP:127.0.0.1");
    start_server("-no_tls1_1");
    make_client(ca);
    call_run(&call, origin, GET);
    /* Not the result: OpenSSL 1.1.1's server ends a body by closing the connection without telling TLS, which is an error. */
    cr_assert_eq(call.status, 200, "%s", call.reason);
    cr_assert_gt(call.taken_len, 0);
}

static void expect_refusal(void)
{
    call_run(&call, origin, GET);
    cr_assert_eq(call.result.result, -ECONNREFUSED, "%d %s", call.result.result, call.reason);
    cr_assert_not(call.result.may_have_run);
    cr_assert_eq(call.heads, 0);
}

Test(httpclient_tls, certificate_of_another_name_is_refused)
{
    make_certificate("IP:127.0.0.2,DNS:localhost");
    start_server("-no_tls1_1");
    make_client(ca);
    expect_refusal();
}

Test(httpclient_tls, certificate_that_nobody_vouches_for_is_refused)
{
    make_certificate("IP:127.0.0.1");
    start_server("-no_tls1_1");
    make_client(NULL);
    expect_refusal();
}

Test(httpclient_tls, tls_1_1_is_refused)
{
    make_certificate("IP:127.0.0.1");
    start_server("-tls1_1");
    make_client(ca);
    expect_refusal();
}

static int try_ca(const char *path, struct err *err)
{
    const struct httpclient_options options = {.ca_file = path, .connections_max = 1};

    return httpclient_new(base, &options, &client, err);
}

Test(httpclient_tls, unusable_ca_file_is_told_at_the_start)
{
    struct err err = {""};

    cr_assert_eq(try_ca(ca, &err), -ENOENT);
    cr_assert_not_null(strstr(err.text, ca), "%s", err.text);
    shell("echo garbage >cert.pem", "");
    cr_assert_eq(try_ca(ca, &err), -EINVAL);
    cr_assert_not_null(strstr(err.text, "PEM"), "%s", err.text);
    cr_assert_eq(try_ca(directory, &err), -EINVAL);
    cr_assert_null(client);
}
