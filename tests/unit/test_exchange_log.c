/* SPDX-License-Identifier: MIT */
/* What the log says of exchanges: the access log, its sampling, the list of failures, the id that the client gave. */
#include "exchange_fixture.h"

#include "../../src/lib/log.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TARGET "/devstoreaccount1/box/a%20blob"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-ms-request-id: from-host\r\n"
#define MISSING_HEAD "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nx-ms-error-code: BlobNotFound\r\n"
#define BUSY_HEAD "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nx-ms-error-code: ServerBusy\r\n"
#define CAPTURE_BYTES 65536u

static const char *const fields_of_client[] = {"Host: 127.0.0.1:10000", "x-ms-client-request-id: from-client",
                                               "User-Agent: agent/1 sig=abc", NULL};

static struct fixture *fixture;
static int captured_fd = -1;

static void begin(void)
{
    captured_fd = memfd_create("stderr", 0);
    cr_assert_eq(dup2(captured_fd, STDERR_FILENO), STDERR_FILENO);
    log_open("test", LOG_LEVEL_NOTICE);
    (void)log_set_format(LOG_FORMAT_JSON);
    fixture = fixture_new(4, 2);
    fixture->conf->log_access = CONF_ACCESS_ALL;
    fixture->conf->log_access_sample = 1;
    log_set_level(LOG_LEVEL_WARNING);
}

static void end(void)
{
    fixture_free(fixture);
}

TestSuite(exchange_log, .init = begin, .fini = end);

static const char *said(void)
{
    static char text[CAPTURE_BYTES];

    log_flush();
    ssize_t len = pread(captured_fd, text, sizeof(text) - 1, 0);

    text[len < 0 ? 0 : len] = '\0';
    return text;
}

static unsigned lines_said(void)
{
    unsigned lines = 0;

    for (const char *at = said(); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

static void expect_said(const char *part)
{
    cr_expect(strstr(said(), part) != NULL, "%s is not in %s", part, said());
}

static void expect_unsaid(const char *part)
{
    cr_expect(strstr(said(), part) == NULL, "%s is in %s", part, said());
}

static struct exchange *ask(const char *method, const char *target)
{
    struct exchange *x = fixture_request(fixture, method, target, fields_of_client);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    return x;
}

static void run(const char *target, const char *head, bool is_delivered)
{
    struct exchange *x = ask("GET", target);

    fixture_answer(fixture, VSP_STATUS_OK, head, "hello", strstr(head, "Content-Length: 5") ? 5 : 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_end(x, is_delivered);
}

static size_t failures_kept(struct access *ret_newest)
{
    static struct access read[2 * FAILURES_MAX];
    size_t count = failures_read(&fixture->env.failures, 1, read, FAILURES_MAX);

    *ret_newest = read[0];
    return count;
}

Test(exchange_log, a_line_says_who_asked_what_and_what_became_of_it)
{
    struct access newest;

    run(TARGET "?sv=1&sig=secret", OK_HEAD, true);
    cr_expect_eq(lines_said(), 1);
    expect_said(
        "\"level\":\"info\",\"program\":\"test\",\"event\":\"access\",\"message\":\"GetBlob 200\",\"operation\":\"GetBlob\","
        "\"status\":200,\"duration_us\":");
    expect_said(
        "\"bytes_in\":0,\"bytes_out\":5,\"route\":\"channel\",\"account\":\"devstoreaccount1\",\"container\":\"box\","
        "\"method\":\"GET\",\"target\":\"/devstoreaccount1/box/a%20blob?sv=1&sig=redacted\",\"peer\":\"tcp\",\"transfer\":\"");
    expect_said(
        "\",\"request_id\":\"from-host\",\"client_request_id\":\"from-client\",\"user_agent\":\"agent/1 sig=redacted\"}\n");
    cr_expect_eq(failures_kept(&newest), 0u);
}

Test(exchange_log, without_an_access_log_success_is_silent_and_failure_is_kept)
{
    struct access newest;

    fixture->conf->log_access = CONF_ACCESS_NONE;
    run(TARGET, OK_HEAD, true);
    run(TARGET, MISSING_HEAD, true);
    cr_expect_eq(lines_said(), 0);
    cr_assert_eq(failures_kept(&newest), 1u);
    cr_expect_eq(newest.status, 404u);
    cr_expect_str_eq(newest.code, "BlobNotFound");
    cr_expect_str_eq(newest.client_request_id, "from-client");
}

Test(exchange_log, errors_are_status_400_and_up_and_what_did_not_arrive)
{
    fixture->conf->log_access = CONF_ACCESS_ERRORS;
    run(TARGET, OK_HEAD, true);
    cr_expect_eq(lines_said(), 0);
    run(TARGET, MISSING_HEAD, true);
    cr_expect_eq(lines_said(), 1);
    expect_said("\"message\":\"GetBlob 404 BlobNotFound\"");
    expect_unsaid("delivered");
    run(TARGET, OK_HEAD, false);
    cr_expect_eq(lines_said(), 2);
    expect_said("\"delivered\":\"no\"");
    expect_said("\"problem\":\"the client has left\"");
}

Test(exchange_log, one_of_so_many_successes_gets_a_line_and_every_failure)
{
    fixture->conf->log_access_sample = 3;
    for (unsigned i = 0; i < 10; i++)
        run(TARGET, OK_HEAD, true);
    cr_expect_eq(lines_said(), 3);
    expect_said("\"sample\":3}");
    for (unsigned i = 0; i < 2; i++)
        run(TARGET, MISSING_HEAD, true);
    cr_expect_eq(lines_said(), 5);
    run(TARGET, OK_HEAD, true);
    cr_expect_eq(lines_said(), 5, "failures do not count towards the next success");
    run(TARGET, OK_HEAD, true);
    cr_expect_eq(lines_said(), 6);
}

Test(exchange_log, debug_has_a_line_for_everything)
{
    fixture->conf->log_access = CONF_ACCESS_NONE;
    fixture->conf->log_access_sample = 100;
    log_set_level(LOG_LEVEL_DEBUG);
    run(TARGET, OK_HEAD, true);
    run(TARGET, OK_HEAD, true);
    cr_expect_eq(lines_said(), 2);
    expect_unsaid("sample");
}

Test(exchange_log, an_exchange_goes_by_the_configuration_that_it_began_with)
{
    struct conf *silent = conf_new();
    struct exchange *x = ask("GET", TARGET);

    silent->accounts = accounts_new();
    exchange_env_set_conf(&fixture->env, silent);
    fixture_answer(fixture, VSP_STATUS_OK, OK_HEAD, "hello", 5);
    exchange_end(x, true);
    cr_expect_eq(lines_said(), 1);
    exchange_env_set_conf(&fixture->env, fixture->conf);
    conf_free(silent);
}

Test(exchange_log, an_error_of_the_service_is_said_though_there_is_no_access_log)
{
    fixture->conf->log_access = CONF_ACCESS_NONE;
    run(TARGET, BUSY_HEAD, true);
    cr_expect_eq(lines_said(), 1);
    expect_said("\"level\":\"warning\",\"program\":\"test\",\"event\":\"exchange-failed\",\"message\":\"the host answered 503 "
                "ServerBusy\"");
    expect_said("\"client_request_id\":\"from-client\"");
    expect_said("\"message_id\":");
}

Test(exchange_log, the_access_log_says_it_instead)
{
    run(TARGET, BUSY_HEAD, true);
    cr_expect_eq(lines_said(), 1);
    expect_said("\"event\":\"access\"");
}

Test(exchange_log, an_error_of_the_proxys_own_is_no_failure_of_the_host)
{
    struct access newest;
    struct exchange *x;

    fixture->conf->log_access = CONF_ACCESS_NONE;
    fixture->channel.state = CHANNEL_DOWN;
    x = fixture_request(fixture, "GET", TARGET, fields_of_client);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    exchange_end(x, true);
    cr_expect_eq(lines_said(), 1);
    expect_said("\"event\":\"exchange-refused\"");
    expect_said("\"client_request_id\":\"from-client\"");
    cr_assert_eq(failures_kept(&newest), 1u);
    cr_expect_eq(newest.status, 503u);
    cr_expect_eq(newest.route, ACCESS_ROUTE_NONE);
    cr_expect_str_eq(newest.problem, "The channel to the host is down; it is being reopened.");
    cr_expect_str_eq(newest.transfer, "", "nothing was at the host");
    fixture->channel.state = CHANNEL_UP;
}

Test(exchange_log, who_cut_the_answer_off_is_named_once)
{
    struct exchange *x = ask("GET", TARGET);

    fixture_answer(fixture, VSP_STATUS_OK, OK_HEAD, "hello", 5);
    exchange_blame(x, "the first reason");
    exchange_blame(x, "what followed from it");
    exchange_end(x, false);
    expect_said("\"problem\":\"the first reason\"");
    expect_said("\"bytes_out\":0");
}

Test(exchange_log, a_head_that_was_never_parsed_says_nothing_of_an_earlier_request)
{
    run(TARGET, OK_HEAD, true);
    struct exchange *x = exchange_new(&fixture->env, "/only/a/line?sig=secret", strlen("/only/a/line?sig=secret"), fixture);

    exchange_end(x, false);
    cr_expect_eq(lines_said(), 2);
    const char *line = strchr(said(), '\n') + 1;

    cr_expect_not_null(strstr(line, "\"operation\":\"Unknown\",\"status\":0,"));
    cr_expect_not_null(strstr(line, "\"target\":\"/only/a/line?sig=redacted\""));
    cr_expect_not_null(strstr(line, "\"problem\":\"the head of the request was refused or did not become whole\""));
    cr_expect_null(strstr(line, "from-client"));
    cr_expect_null(strstr(line, "from-host"));
    cr_expect_null(strstr(line, "devstoreaccount1"));
    cr_expect_null(strstr(line, "method"));
}

Test(exchange_log, an_id_of_the_client_is_bounded_and_on_one_line)
{
    static char id[1200] = "x-ms-client-request-id: ";
    const char *fields[] = {"Host: 127.0.0.1:10000", id, NULL};
    struct access newest;

    memset(id + strlen(id), 'i', sizeof(id) - strlen(id) - 1);
    memcpy(id + strlen("x-ms-client-request-id: "), "\xC3\xA9\"", 3);
    struct exchange *x = fixture_request(fixture, "GET", TARGET, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_OK, MISSING_HEAD, NULL, 0);
    exchange_end(x, true);
    cr_assert_eq(failures_kept(&newest), 1u);
    cr_expect_eq(strlen(newest.client_request_id), ACCESS_ID_BYTES - 1);
    cr_expect_eq(strncmp(newest.client_request_id, "%C3%A9\"iii", 10), 0);
    expect_said("\"client_request_id\":\"%C3%A9\\\"iii");
    cr_expect_eq(lines_said(), 1);
}
