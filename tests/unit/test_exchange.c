/* SPDX-License-Identifier: MIT */
/* The life of an exchange: what reaches the host, what reaches the client, what is never done twice. */
#include "exchange_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/sign/sharedkey.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_STYLE "/devstoreaccount1/cont/blob"

static const char *const plain[] = {"Host: 127.0.0.1:10000", "x-ms-version: 2021-12-02", NULL};

static unsigned answer_status(struct exchange *x)
{
    struct answer answer;

    exchange_answer(x, &answer);
    return answer.status;
}

static const char *answer_code(struct exchange *x)
{
    struct answer answer;
    const struct head_field *field;

    exchange_answer(x, &answer);
    field = head_find(answer.head, "x-ms-error-code");
    return field ? field->value.bytes : "";
}

static void expect_slots_used(struct fixture *fixture, unsigned count)
{
    struct slots_figures figures = slots_figures(fixture->env.slots);

    cr_expect_eq(figures.used[SLOT_SMALL] + figures.used[SLOT_LARGE], count, "%u slots are used",
                 figures.used[SLOT_SMALL] + figures.used[SLOT_LARGE]);
}

Test(exchange, carries_a_read_in_host_style_and_keeps_the_raw_target)
{
    static const char *const fields[] = {"Host: 127.0.0.1:10000",
                                         "Connection: keep-alive, TE",
                                         "TE: trailers",
                                         "Accept: a",
                                         "accept: b",
                                         "x-ms-meta-empty: ",
                                         NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", "/devstoreaccount1/cont/a%2Fb//../c+d%20?x=%41&y=", fields);
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    const struct head *seen = fixture_look(fixture);

    cr_expect(slice_equal(seen->target, SLICE("/cont/a%2Fb//../c+d%20?x=%41&y=")));
    cr_expect(slice_equal(head_value(seen, "Host"), SLICE("devstoreaccount1.blob.localhost")));
    cr_expect_null(head_find(seen, "Connection"));
    cr_expect_null(head_find(seen, "TE"));
    cr_expect_not_null(head_find(seen, "x-ms-meta-empty"));
    cr_expect_eq(seen->field_count, 4);
    fixture_answer(fixture, VSP_STATUS_OK,
                   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nUpgrade: h2c\r\nConnection: x-hop\r\nx-hop: 1\r\nETag: \"1\"\r\n",
                   "hello", 5);
    cr_expect_eq(fixture->wakes, 1);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 200);
    cr_expect_eq(answer.head->field_count, 2, "fields of the hop to the host stay out");
    cr_expect_eq(answer.body_bytes, 5);
    cr_expect_arr_eq(answer.body, "hello", 5);
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

/* ---- SharedKey ---- */

struct signed_request {
    char date[64], authorization[160];
    const char *fields[5];
};

static void sign_request(struct fixture *fixture, struct signed_request *request, const char *path, int64_t wall_us)
{
    struct head head = {.method = {"GET", 3}};
    struct buf text CLEANUP(buf_free);
    char date[CLOCK_HTTP_DATE_BYTES], signature[SHAREDKEY_SIGNATURE_BYTES];

    clock_format_http(wall_us, date);
    snprintf(request->date, sizeof(request->date), "x-ms-date: %s", date);
    cr_assert_eq(head_add(&head, SLICE("x-ms-date"), slice_of(date)), 0);
    cr_assert_eq(head_add(&head, SLICE("x-ms-version"), SLICE("2021-12-02")), 0);
    struct sharedkey_request signing = {&head, "devstoreaccount1", slice_of(path), {NULL, 0}};

    buf_init(&text, 65536);
    cr_assert_eq(sharedkey_string_to_sign(&signing, SHAREDKEY_ORDER_CULTURE, &text), 0);
    sharedkey_sign(&accounts_find(fixture->conf->accounts, "devstoreaccount1")->keys[0], text.bytes, text.len, signature);
    snprintf(request->authorization, sizeof(request->authorization), "Authorization: SharedKey devstoreaccount1:%s", signature);
    request->fields[0] = "Host: 127.0.0.1:10000";
    request->fields[1] = request->date;
    request->fields[2] = "x-ms-version: 2021-12-02";
    request->fields[3] = request->authorization;
    request->fields[4] = NULL;
}

Test(exchange, signs_a_verified_path_style_request_anew)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct signed_request request;
    struct slice empty = {NULL, 0};

    sign_request(fixture, &request, PATH_STYLE, clock_wall_us());
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, request.fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    const struct head *seen = fixture_look(fixture);
    struct sharedkey_request host_style = {seen, "devstoreaccount1", SLICE("/cont/blob"), empty};

    cr_expect_eq(
        sharedkey_verify(&host_style, empty, accounts_find(fixture->conf->accounts, "devstoreaccount1"), clock_wall_us()),
        SHAREDKEY_OK);
    fixture_lose(fixture);
    exchange_end(x, false);
    fixture_free(fixture);
}

Test(exchange, refuses_a_wrong_signature_before_the_host_sees_it)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct signed_request request;

    sign_request(fixture, &request, "/devstoreaccount1/cont/other", clock_wall_us());
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, request.fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 403);
    cr_expect_str_eq(answer_code(x), "AuthenticationFailed");
    cr_expect_eq(fixture->submits, 0);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, refuses_a_signature_older_than_fifteen_minutes)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct signed_request request;

    sign_request(fixture, &request, PATH_STYLE, clock_wall_us() - 16 * 60 * INT64_C(1000000));
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, request.fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 403);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, says_which_key_is_missing_for_path_style)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "x-ms-date: Tue, 24 Nov 2026 00:00:00 GMT",
                                         "Authorization: SharedKey other:AAAA", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", "/other/cont/blob", fields);
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 403);
    cr_expect_not_null(memmem(answer.body, answer.body_bytes, "accounts.file", 13));
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, passes_a_host_style_signature_untouched)
{
    static const char *const fields[] = {"Host: other.blob.localhost:10000", "x-ms-date: whatever",
                                         "Authorization: SharedKey other:AAAA", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", "/cont/blob", fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "Authorization"), SLICE("SharedKey other:AAAA")));
    fixture_lose(fixture);
    exchange_end(x, false);
    fixture_free(fixture);
}

/* ---- bodies ---- */

static enum exchange_next send_body(struct exchange *x, const char *bytes, size_t len)
{
    size_t taken = 0;

    while (len > 0) {
        enum exchange_next next = exchange_body(x, bytes, len, &taken);

        if (next != EXCHANGE_BODY || taken == 0)
            return next;
        bytes += taken;
        len -= taken;
    }
    return exchange_continue(x);
}

static char *made_of(size_t len, char first)
{
    char *bytes = malloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(first + (char)(i % 23));
    return bytes;
}

Test(exchange, streams_a_body_into_a_slot)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 100000", "x-ms-blob-type: BlockBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, fields);
    char *body CLEANUP(cleanup_free) = made_of(100000, 'a');

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    expect_slots_used(fixture, 0);
    cr_assert_eq(send_body(x, body, 100000), EXCHANGE_WAIT);
    cr_expect_eq(fixture->submitted[0]->data_valid_bytes, 100000);
    struct slot *slot = (struct slot *)((char *)fixture->submitted[0] - offsetof(struct slot, transfer));

    cr_expect_arr_eq(slot->data, body, 100000);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n", NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 201);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, gives_no_slot_to_a_body_that_only_drips)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 100000", "x-ms-blob-type: BlockBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, fields);
    size_t taken = 1;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_expect_eq(exchange_body(x, "abc", 3, &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, 0);
    expect_slots_used(fixture, 0);
    exchange_end(x, false);
    fixture_free(fixture);
}

Test(exchange, reads_a_refused_body_away_before_it_answers)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 300000", "x-ms-blob-type: BlockBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE "?comp=block&blockid=AAAA", fields);
    char *body CLEANUP(cleanup_free) = made_of(300000, 'a');

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(send_body(x, body, 300000), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 413);
    cr_expect_str_eq(answer_code(x), "RequestBodyTooLarge");
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, wants_a_content_length)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "x-ms-blob-type: BlockBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 411);
    exchange_end(x, true);
    fixture_free(fixture);
}

static const char *const expecting[] = {"Host: 127.0.0.1", "Content-Length: 10", "Expect: 100-continue", NULL};

Test(exchange, who_expects_100_waits_for_a_slot_before_it_is_told_to_send)
{
    struct fixture *fixture = fixture_new(1, 1);
    struct slot *first = slots_take(fixture->env.slots, SLOT_SMALL), *second = slots_take(fixture->env.slots, SLOT_LARGE);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, expecting);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect_eq(exchange_phase(x), EXCHANGE_IN_SLOT_QUEUE);
    slots_put(second, fixture->env.slots);
    fixture_turn(fixture);
    cr_expect_eq(fixture->wakes, 1);
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY);
    cr_expect_eq(exchange_body(x, "0123456789", 10, &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, 10);
    cr_expect_eq(exchange_continue(x), EXCHANGE_WAIT);
    cr_expect_eq(fixture->in_flight, 1);
    exchange_end(x, false);
    slots_put(first, fixture->env.slots);
    fixture_free(fixture);
}

Test(exchange, who_expects_100_gets_503_when_no_slot_becomes_free_in_time)
{
    struct fixture *fixture = fixture_new(1, 1);
    struct slot *first = slots_take(fixture->env.slots, SLOT_SMALL), *second = slots_take(fixture->env.slots, SLOT_LARGE);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, expecting);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    exchange_expire(x);
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY, "the client may have begun to send");
    cr_expect_eq(exchange_body(x, "0123456789", 10, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 503);
    exchange_end(x, true);
    slots_put(first, fixture->env.slots);
    slots_put(second, fixture->env.slots);
    fixture_free(fixture);
}

/* ---- answers that do not fit ---- */

#define BIG 700000u
#define BIG_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 700000\r\nETag: \"v1\"\r\nx-ms-meta-a: b\r\n"

Test(exchange, asks_again_with_a_large_slot)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);
    char *body CLEANUP(cleanup_free) = made_of(200000, 'a');
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect_eq(fixture->submitted[0]->data_bytes, SLOT_SMALL_DATA_BYTES);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nETag: \"1\"\r\n", NULL,
                   0);
    cr_assert_eq(fixture->in_flight, 1);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nETag: \"1\"\r\n", body, 200000);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.body_bytes, 200000);
    cr_expect_arr_eq(answer.body, body, 200000);
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

/* Reads b, which has that many bytes, to its end. Returns the transfers that it took. */
static unsigned transfers_of_read(struct fixture *fixture, unsigned body_bytes)
{
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);
    char *body CLEANUP(cleanup_free) = made_of(body_bytes, 'a');
    const unsigned before = fixture->submits;
    char head[96];

    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\nETag: \"1\"\r\n", body_bytes);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    if (fixture->submitted[0]->data_bytes < body_bytes)
        fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, head, NULL, 0);
    fixture_answer(fixture, VSP_STATUS_OK, head, body, body_bytes);
    exchange_end(x, true);
    return fixture->submits - before;
}

Test(exchange, offers_more_room_to_an_answer_that_is_larger_than_usual)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE "?comp=tags", plain);
    char *body CLEANUP(cleanup_free) = made_of(9000, 'a');

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_assert_lt(fixture->submitted[0]->data_bytes, 9000);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n", NULL, 0);
    cr_assert_eq(fixture->in_flight, 1);
    cr_assert_geq(fixture->submitted[0]->data_bytes, 9000);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n", body, 9000);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 200);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, remembers_that_reads_are_large)
{
    struct fixture *fixture = fixture_new(4, 2);

    cr_expect_eq(transfers_of_read(fixture, 200000), 2);
    cr_expect_eq(transfers_of_read(fixture, 200000), 1);
    cr_expect_eq(transfers_of_read(fixture, 10), 1);
    cr_expect_eq(transfers_of_read(fixture, 200000), 2, "the last one was small");
    fixture_free(fixture);
}

Test(exchange, waits_for_no_large_slot_because_of_the_last_read)
{
    struct fixture *fixture = fixture_new(4, 1);

    cr_expect_eq(transfers_of_read(fixture, 200000), 2);
    struct exchange *first = fixture_request(fixture, "GET", PATH_STYLE, plain);
    struct exchange *second = fixture_request(fixture, "GET", PATH_STYLE, plain);
    cr_assert_eq(exchange_begin(first, false), EXCHANGE_WAIT);
    cr_assert_eq(exchange_begin(second, false), EXCHANGE_WAIT);
    cr_expect_eq(fixture->in_flight, 2);
    cr_expect_eq(fixture->submitted[1]->data_bytes, SLOT_SMALL_DATA_BYTES);
    exchange_end(first, false);
    exchange_end(second, false);
    fixture_lose(fixture);
    fixture_lose(fixture);
    fixture_free(fixture);
}

static void answer_part(struct fixture *fixture, const char *body, unsigned status, const char *etag)
{
    struct slice range = head_value(fixture_look(fixture), "x-ms-range");
    unsigned long long first, last;
    char head[256], text[64];

    snprintf(text, sizeof(text), "%.*s", (int)range.len, range.bytes);
    cr_assert_eq(sscanf(text, "bytes=%llu-%llu", &first, &last), 2);
    cr_expect(slice_equal(head_value(&fixture->seen, "If-Match"), slice_of(etag)));
    snprintf(head, sizeof(head), "HTTP/1.1 %u X\r\nContent-Length: %llu\r\nContent-Range: bytes %llu-%llu/700000\r\n", status,
             last - first + 1, first, last);
    fixture_answer(fixture, VSP_STATUS_OK, head, body + first, (size_t)(last - first + 1));
}

static struct exchange *begin_big(struct fixture *fixture)
{
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, BIG_HEAD, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    return x;
}

Test(exchange, streams_a_large_read_in_pinned_parts)
{
    struct fixture *fixture = fixture_new(4, 2);
    char *body CLEANUP(cleanup_free) = made_of(BIG, 'a'), *got CLEANUP(cleanup_free) = calloc(1, BIG);
    struct exchange *x = begin_big(fixture);
    struct answer answer;
    size_t have = 0;

    exchange_answer(x, &answer);
    cr_expect(answer.is_stream);
    cr_expect_eq(answer.status, 200);
    cr_expect_eq(answer.body_bytes, BIG);
    while (have < BIG) {
        ssize_t n = exchange_read(x, got + have, 50000);

        cr_assert_geq(n, 0);
        if (n == 0)
            answer_part(fixture, body, 206, "\"v1\"");
        have += (size_t)n;
    }
    cr_expect_arr_eq(got, body, BIG);
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

Test(exchange, cuts_a_stream_whose_blob_has_changed)
{
    struct fixture *fixture = fixture_new(4, 2);
    char *body CLEANUP(cleanup_free) = made_of(BIG, 'a');
    struct exchange *x = begin_big(fixture);

    cr_assert_eq(exchange_read(x, body, 10), 0);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n", NULL, 0);
    cr_expect_eq(exchange_read(x, body, 10), -EIO);
    exchange_end(x, false);
    fixture_free(fixture);
}

Test(exchange, cuts_a_stream_on_a_part_of_another_length)
{
    struct fixture *fixture = fixture_new(4, 2);
    char *body CLEANUP(cleanup_free) = made_of(BIG, 'a');
    struct exchange *x = begin_big(fixture);

    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 206 P\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/700000\r\n", body,
                   10);
    cr_expect_eq(exchange_read(x, body, 10), -EIO);
    exchange_end(x, false);
    fixture_free(fixture);
}

Test(exchange, leaves_the_slots_of_a_dropped_stream_to_the_host_until_it_is_done)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = begin_big(fixture);

    cr_assert_eq(fixture->in_flight, 2);
    exchange_end(x, false);
    expect_slots_used(fixture, 2);
    cr_expect_eq(slots_figures(fixture->env.slots).quarantined, 2);
    fixture_lose(fixture);
    fixture_lose(fixture);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

Test(exchange, does_not_split_what_it_cannot_sign)
{
    static const char *const fields[] = {"Host: other.blob.localhost", "x-ms-date: x", "Authorization: SharedKey other:AAAA",
                                         NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", "/cont/blob", fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, BIG_HEAD, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 500);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, does_not_split_a_structured_answer)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "x-ms-structured-body: XSM/1.0; properties=crc64", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, BIG_HEAD, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 500);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, passes_ranges_untouched_whatever_they_say)
{
    static const char *const ranges[][2] = {{"Range: bytes=0-1,5-6", "x-ms-range: bytes=7-"},
                                            {"Range: bytes=9-2", "x-ms-range: lines=1-2"},
                                            {"Range: bytes=-5", "x-ms-range: bytes=99999999999999999999-"}};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        const char *fields[] = {"Host: 127.0.0.1", ranges[i][0], ranges[i][1], "x-ms-range-get-content-md5: true", NULL};
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, fields);

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        const struct head *seen = fixture_look(fixture);

        cr_expect(slice_equal(head_value(seen, "Range"), slice_of(strchr(ranges[i][0], ' ') + 1)));
        cr_expect(slice_equal(head_value(seen, "x-ms-range"), slice_of(strchr(ranges[i][1], ' ') + 1)));
        cr_expect_not_null(head_find(seen, "x-ms-range-get-content-md5"));
        cr_expect(slice_equal(seen->target, SLICE("/cont/blob")));
        fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 416 R\r\nContent-Length: 0\r\n", NULL, 0);
        exchange_end(x, true);
        fixture_free(fixture);
    }
}

Test(exchange, a_range_in_parts_follows_the_answer_and_keeps_its_digest)
{
    /* x-ms-range wins over Range, so the answer's Content-Range says what is to be fetched. */
    static const char *const fields[] = {"Host: 127.0.0.1",        "Range: bytes=0-9",
                                         "x-ms-range: bytes=100-", "x-ms-range-get-content-md5: true",
                                         "If-None-Match: \"v0\"",  NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, fields);
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER,
                   "HTTP/1.1 206 P\r\nContent-Length: 699900\r\nContent-Range: bytes 100-699999/700000\r\nContent-MD5: "
                   "AAAA\r\nETag: \"v1\"\r\n",
                   NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 206);
    cr_expect_eq(answer.body_bytes, 699900);
    cr_expect(slice_equal(head_value(answer.head, "Content-MD5"), SLICE("AAAA")));
    const struct head *seen = fixture_look(fixture);

    cr_expect(slice_equal(head_value(seen, "x-ms-range"), SLICE("bytes=100-262243")));
    cr_expect_null(head_find(seen, "Range"));
    cr_expect_null(head_find(seen, "If-None-Match"));
    cr_expect_null(head_find(seen, "x-ms-range-get-content-md5"));
    exchange_end(x, false);
    fixture_free(fixture);
}

Test(exchange, does_not_split_a_range_whose_digest_the_host_has_not_told)
{
    static const char *const wishes[] = {"x-ms-range-get-content-md5: true", "x-ms-range-get-content-crc64: True"};

    for (size_t i = 0; i < 2; i++) {
        const char *const fields[] = {"Host: 127.0.0.1", "x-ms-range: bytes=100-", wishes[i], NULL};
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, fields);

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER,
                       "HTTP/1.1 206 P\r\nContent-Length: 699900\r\nContent-Range: bytes 100-699999/700000\r\nETag: \"v1\"\r\n",
                       NULL, 0);
        cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
        cr_expect_eq(answer_status(x), 500);
        exchange_end(x, true);
        expect_slots_used(fixture, 0);
        fixture_free(fixture);
    }
}

/* ---- what the host never had ---- */

static void expect_refusal(int result, enum channel_state state, unsigned status, const char *code)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 4", "x-ms-blob-type: AppendBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE "?comp=appendblock", fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(send_body(x, "body", 4), EXCHANGE_WAIT);
    fixture->channel.state = state;
    fixture_fail(fixture, result);
    cr_expect_eq(fixture->in_flight, 0, "it is not sent again here");
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), status);
    cr_expect_str_eq(answer_code(x), code);
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

Test(exchange, what_the_host_took_too_late_is_busy_and_may_come_again)
{
    expect_refusal(-ECANCELED, CHANNEL_UP, 503, "ServerBusy");
}

Test(exchange, what_the_host_never_had_when_the_channel_went_is_busy_even_if_it_must_not_run_twice)
{
    expect_refusal(-ECANCELED, CHANNEL_DOWN, 503, "ServerBusy");
}

Test(exchange, what_the_driver_refuses_is_an_error_of_the_proxy)
{
    expect_refusal(-EINVAL, CHANNEL_UP, 500, "InternalError");
}

Test(exchange, what_was_interrupted_has_an_unknown_outcome)
{
    expect_refusal(-EINTR, CHANNEL_UP, 500, "OperationTimedOut");
}

/* ---- losses ---- */

Test(exchange, sends_a_read_again_after_a_loss)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_lose(fixture);
    cr_assert_eq(fixture->in_flight, 1);
    cr_expect_eq(fixture->wakes, 0);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", NULL, 0);
    cr_expect_eq(answer_status(x), 200);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, sends_a_body_again_after_a_loss_when_that_is_safe)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 5000", "x-ms-blob-type: BlockBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, fields);
    char *body CLEANUP(cleanup_free) = made_of(5000, 'a');

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(send_body(x, body, 5000), EXCHANGE_WAIT);
    fixture_lose(fixture);
    cr_assert_eq(fixture->in_flight, 1);
    struct slot *slot = (struct slot *)((char *)fixture->submitted[0] - offsetof(struct slot, transfer));

    cr_expect_arr_eq(slot->data, body, 5000);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n", NULL, 0);
    cr_expect_eq(answer_status(x), 201);
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

Test(exchange, never_sends_again_a_body_that_the_host_has_written_over)
{
    static const char *const fields[] = {"Host: 127.0.0.1", "Content-Length: 5000", "x-ms-blob-type: BlockBlob", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE, fields);
    char *body CLEANUP(cleanup_free) = made_of(5000, 'a');

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(send_body(x, body, 5000), EXCHANGE_WAIT);
    struct slot *slot = (struct slot *)((char *)fixture->submitted[0] - offsetof(struct slot, transfer));

    memcpy(slot->data, "<?xml", 5); /* an answer that was never told */
    fixture_lose(fixture);
    cr_expect_eq(fixture->in_flight, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 500);
    cr_expect_str_eq(answer_code(x), "OperationTimedOut");
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

struct unsafe {
    const char *target;
    const char *field;
};

static const struct unsafe unsafe[] = {
    {PATH_STYLE "?comp=appendblock", "x-a: b"}, {PATH_STYLE "?comp=lease", "x-ms-lease-action: acquire"},
    {PATH_STYLE, "If-None-Match: *"},           {PATH_STYLE, "If-Match: \"1\""},
    {PATH_STYLE "?comp=snapshot", "x-a: b"},
};

Test(exchange, never_sends_again_what_is_not_safe_to_repeat)
{
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
        const char *fields[] = {"Host: 127.0.0.1", "Content-Length: 0", "x-ms-blob-type: BlockBlob", unsafe[i].field, NULL};
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = fixture_request(fixture, "PUT", unsafe[i].target, fields);

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        fixture_lose(fixture);
        cr_expect_eq(fixture->in_flight, 0, "case %zu was sent again", i);
        cr_expect_eq(answer_status(x), 500);
        cr_expect_str_eq(answer_code(x), "OperationTimedOut");
        exchange_end(x, true);
        fixture_free(fixture);
    }
}

Test(exchange, answers_503_while_the_channel_is_down)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);
    struct answer answer;

    fixture->channel.state = CHANNEL_DOWN;
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 503);
    cr_expect(slice_equal(head_value(answer.head, "Retry-After"), SLICE("1")));
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, waits_for_room_in_the_ring_in_order)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *first = fixture_request(fixture, "GET", PATH_STYLE "?n=1", plain);
    struct exchange *second = fixture_request(fixture, "GET", PATH_STYLE "?n=2", plain);

    fixture->ring_room = 0;
    cr_assert_eq(exchange_begin(first, false), EXCHANGE_WAIT);
    cr_assert_eq(exchange_begin(second, false), EXCHANGE_WAIT);
    cr_expect_eq(fixture->in_flight, 0);
    fixture->ring_room = 2;
    exchange_env_pump(&fixture->env);
    cr_assert_eq(fixture->in_flight, 2);
    cr_expect(slice_equal(fixture_look(fixture)->target, SLICE("/cont/blob?n=1")));
    fixture_lose(fixture);
    fixture_lose(fixture);
    exchange_end(first, false);
    exchange_end(second, false);
    fixture_free(fixture);
}

Test(exchange, answers_503_when_the_channel_goes_before_the_submit)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "PUT", PATH_STYLE "?comp=appendblock",
                                         (const char *const[]){"Host: 127.0.0.1", "Content-Length: 0", NULL});

    fixture->ring_room = 0;
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture->channel.state = CHANNEL_DOWN;
    exchange_env_pump(&fixture->env);
    cr_expect_eq(fixture->wakes, 1);
    cr_expect_eq(answer_status(x), 503);
    exchange_end(x, true);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

/* ---- waiting and deadlines ---- */

Test(exchange, waits_for_a_slot_and_then_goes_on)
{
    struct fixture *fixture = fixture_new(1, 0);
    struct exchange *first = fixture_request(fixture, "GET", PATH_STYLE, plain);
    struct exchange *second = fixture_request(fixture, "GET", PATH_STYLE "?second", plain);

    cr_assert_eq(exchange_begin(first, false), EXCHANGE_WAIT);
    cr_assert_eq(exchange_begin(second, false), EXCHANGE_WAIT);
    cr_expect_eq(exchange_phase(second), EXCHANGE_IN_SLOT_QUEUE);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", NULL, 0);
    exchange_end(first, true);
    fixture_turn(fixture);
    cr_assert_eq(fixture->in_flight, 1);
    cr_expect(slice_equal(fixture_look(fixture)->target, SLICE("/cont/blob?second")));
    fixture_lose(fixture);
    exchange_end(second, false);
    fixture_free(fixture);
}

Test(exchange, answers_503_when_no_slot_becomes_free_in_time)
{
    struct fixture *fixture = fixture_new(1, 0);
    struct slot *held = slots_take(fixture->env.slots, SLOT_SMALL);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    exchange_expire(x);
    cr_expect_eq(fixture->wakes, 1);
    cr_expect_eq(answer_status(x), 503);
    exchange_end(x, true);
    slots_put(held, fixture->env.slots);
    fixture_free(fixture);
}

Test(exchange, answers_500_when_the_host_is_late_and_keeps_the_slot_until_it_is_done)
{
    struct fixture *fixture = fixture_new(1, 0);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    exchange_expire(x);
    cr_expect_eq(answer_status(x), 500);
    cr_expect_str_eq(answer_code(x), "OperationTimedOut");
    exchange_end(x, true);
    expect_slots_used(fixture, 1);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", NULL, 0);
    expect_slots_used(fixture, 0);
    fixture_free(fixture);
}

/* ---- a host that talks nonsense ---- */

static const char *const nonsense[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
    "HTTP/1.1 20 OK\r\n",
    "GET / HTTP/1.1\r\n",
};

Test(exchange, answers_500_when_the_host_talks_nonsense)
{
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        fixture_answer(fixture, VSP_STATUS_OK, nonsense[i], NULL, 0);
        cr_expect_eq(answer_status(x), 500, "case %zu", i);
        exchange_end(x, true);
        expect_slots_used(fixture, 0);
        fixture_free(fixture);
    }
}

Test(exchange, answers_500_to_an_unknown_status_and_names_it)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, plain);
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, 0x80071234u, "", NULL, 0);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 500);
    cr_expect_not_null(memmem(answer.body, answer.body_bytes, "0x80071234", 10));
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, head_names_the_length_and_carries_no_body)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "HEAD", PATH_STYLE, plain);
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 200 OK\r\nContent-Length: 8589934592\r\n", NULL, 0);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 200);
    cr_expect_eq(answer.body_bytes, UINT64_C(8589934592));
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(exchange, refuses_hosts_that_are_not_ours)
{
    static const char *const fields[] = {"Host: evil.example", NULL};
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", PATH_STYLE, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    cr_expect_eq(answer_status(x), 400);
    cr_expect_eq(fixture->submits, 0);
    exchange_end(x, true);
    fixture_free(fixture);
}
