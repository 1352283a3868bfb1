/* SPDX-License-Identifier: MIT */
/* What an exchange leaves in the metrics: its stages, its way, its status. */
#include "exchange_fixture.h"

#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <string.h>

#define TARGET "/devstoreaccount1/cont/blob"

static const char *const get_fields[] = {"Host: 127.0.0.1:10000", NULL};
static const char *const put_fields[] = {"Host: 127.0.0.1:10000", "x-ms-blob-type: BlockBlob", "Content-Length: 5", NULL};

static struct fixture *fixture;
static struct buf text;

static void set_up(void)
{
    fixture = fixture_new(1, 0);
    buf_init(&text, 1 << 20);
}

static void tear_down(void)
{
    fixture_free(fixture);
    buf_free(&text);
}

TestSuite(exchange_counts, .init = set_up, .fini = tear_down, .timeout = 30);

static void expect(const char *series, unsigned value)
{
    char line[160];

    snprintf(line, sizeof(line), "\n%s %u\n", series, value);
    buf_clear(&text);
    cr_assert_eq(metrics_write(fixture->metrics, &text), 0);
    cr_expect_not_null(strstr(text.bytes, line), "not there: %s", line + 1);
}

static void expect_stages(unsigned request_body, unsigned queue, unsigned host, unsigned response_body)
{
    expect("blobproxy_stage_duration_seconds_count{stage=\"request_body\"}", request_body);
    expect("blobproxy_stage_duration_seconds_count{stage=\"queue\"}", queue);
    expect("blobproxy_stage_duration_seconds_count{stage=\"host\"}", host);
    expect("blobproxy_stage_duration_seconds_count{stage=\"response_body\"}", response_body);
}

Test(exchange_counts, a_read_is_at_the_host_and_then_answers)
{
    struct exchange *x = fixture_request(fixture, "GET", TARGET, get_fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"1\"\r\n", "hello", 5);
    exchange_end(x, true);
    expect_stages(0, 0, 1, 1);
    expect("blobproxy_requests_total{operation=\"GetBlob\",code=\"2xx\"}", 1);
    expect("blobproxy_responses_total{code=\"200\"}", 1);
    expect("blobproxy_routed_exchanges_total{route=\"channel\",reason=\"none\"}", 1);
    expect("blobproxy_request_duration_seconds_count{class=\"read\",route=\"channel\"}", 1);
    expect("blobproxy_transfer_duration_seconds_count", 1);
}

Test(exchange_counts, a_write_that_waits_for_a_slot_was_in_every_stage)
{
    struct exchange *first = fixture_request(fixture, "GET", TARGET, get_fields);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, put_fields);
    size_t taken;

    cr_assert_eq(exchange_begin(first, false), EXCHANGE_WAIT);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "hello", 5, &taken), EXCHANGE_WAIT);
    exchange_end(first, false);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", NULL, 0);
    fixture_turn(fixture);
    cr_assert_eq(exchange_body(x, "hello", 5, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n", NULL, 0);
    exchange_end(x, true);
    expect_stages(1, 1, 1, 1);
    expect("blobproxy_request_duration_seconds_count{class=\"write\",route=\"channel\"}", 1);
}

Test(exchange_counts, what_is_refused_at_sight_has_gone_no_way_and_has_no_duration)
{
    static const char *const fields[] = {"Host: blob.elsewhere.example", NULL};
    struct exchange *x = fixture_request(fixture, "GET", TARGET, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    exchange_end(x, true);
    expect_stages(0, 0, 0, 1);
    expect("blobproxy_routed_exchanges_total{route=\"none\",reason=\"refused\"}", 1);
    expect("blobproxy_routed_exchanges_total{route=\"channel\",reason=\"none\"}", 0);
    expect("blobproxy_request_duration_seconds_count{class=\"other\",route=\"channel\"}", 0);
    expect("blobproxy_responses_total{code=\"400\"}", 1);
    expect("blobproxy_errors_total{kind=\"guard\"}", 1);
}

Test(exchange_counts, who_goes_before_the_answer_was_not_answered)
{
    struct exchange *x = fixture_request(fixture, "GET", TARGET, get_fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    exchange_end(x, false);
    expect_stages(0, 0, 0, 0);
    expect("blobproxy_requests_total{operation=\"GetBlob\",code=\"5xx\"}", 0);
    expect("blobproxy_routed_exchanges_total{route=\"channel\",reason=\"none\"}", 0);
    expect("blobproxy_exchanges_in_flight", 0);
}

Test(exchange_counts, one_used_again_begins_without_the_stages_of_the_one_before)
{
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, put_fields);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, "hello", 5, &taken), EXCHANGE_BODY);
    exchange_end(x, false);
    x = fixture_request(fixture, "GET", TARGET, get_fields);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", NULL, 0);
    exchange_end(x, true);
    expect_stages(0, 0, 1, 1);
}
