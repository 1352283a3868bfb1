/* SPDX-License-Identifier: MIT */
/* Tests of reading and writing message heads. */
#include "../../src/lib/head.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROWS(array) (sizeof(array) / sizeof((array)[0]))

typedef int parse_fn(const char *bytes, size_t len, struct head *ret_head);

static struct head head;

static void check_slice(struct slice slice, const char *expected)
{
    cr_assert(slice_equal(slice, slice_of(expected)), "\"%.*s\" is not \"%s\"", (int)slice.len, slice.bytes, expected);
}

/* From memory of exactly that size, so that the address sanitizer sees a read behind it. */
static int parse_exact(parse_fn *parse, struct slice input)
{
    char *exact = malloc(input.len + 1);
    memcpy(exact + 1, input.bytes, input.len);
    int result = parse(exact + 1, input.len, &head);
    free(exact);
    return result;
}

static void check_refused(parse_fn *parse, const struct slice *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(parse_exact(parse, inputs[i]), -EBADMSG, "row %zu: %.*s", i, (int)inputs[i].len, inputs[i].bytes);
}

static void check_accepted(parse_fn *parse, const struct slice *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(parse_exact(parse, inputs[i]), 0, "row %zu: %.*s", i, (int)inputs[i].len, inputs[i].bytes);
}

static void parse_request(const char *text)
{
    cr_assert_eq(head_parse_request(text, strlen(text), &head), 0, "%s", text);
}

Test(head, request_is_taken_apart)
{
    memset(&head, 0xEE, sizeof(head));
    parse_request(
        "PUT /c/b%20?x=%2F&y HTTP/1.1\r\nHost: a.example\r\nContent-Length:5\r\nx-ms-meta-a: \t b  c\t \r\nHost:\r\n\r\n");
    check_slice(head.method, "PUT");
    check_slice(head.target, "/c/b%20?x=%2F&y");
    check_slice(head.reason, "");
    cr_assert_eq(head.status, 0);
    cr_assert_eq(head.field_count, 4);
    check_slice(head.fields[0].name, "Host");
    check_slice(head.fields[0].value, "a.example");
    check_slice(head.fields[1].name, "Content-Length");
    check_slice(head.fields[1].value, "5");
    check_slice(head.fields[2].name, "x-ms-meta-a");
    check_slice(head.fields[2].value, "b  c");
    check_slice(head.fields[3].name, "Host");
    check_slice(head.fields[3].value, "");
}

Test(head, response_is_taken_apart)
{
    const char *text = "HTTP/1.1 404 The specified blob does not exist.\r\nETag: \"0x8\"\r\n\r\n";

    memset(&head, 0xEE, sizeof(head));
    cr_assert_eq(head_parse_response(text, strlen(text), &head), 0);
    check_slice(head.method, "");
    check_slice(head.target, "");
    cr_assert_eq(head.status, 404);
    check_slice(head.reason, "The specified blob does not exist.");
    cr_assert_eq(head.field_count, 1);
    check_slice(head_value(&head, "etag"), "\"0x8\"");
}

Test(head, unusual_but_valid_requests_are_accepted)
{
    static const struct slice inputs[] = {
        SLICE("GET / HTTP/1.1\r\n\r\n"),
        SLICE("OPTIONS * HTTP/1.1\r\n\r\n"),
        SLICE("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n\r\n"),
        SLICE("get / HTTP/1.1\r\n\r\n"),
        SLICE("GET //a//../b/. HTTP/1.1\r\n\r\n"),
        SLICE("GET /%zz?\"<>\\^`{|} HTTP/1.1\r\n\r\n"),
        SLICE("GET /\xC3\xA9\xFF HTTP/1.1\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\tc \x80\xFF:,;\"\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: \t \r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na::\r\n\r\n"),
    };

    check_accepted(head_parse_request, inputs, ROWS(inputs));
}

Test(head, unusual_but_valid_responses_are_accepted)
{
    static const struct slice inputs[] = {
        SLICE("HTTP/1.1 100 \r\n\r\n"),
        SLICE("HTTP/1.1 599 x\r\n\r\n"),
        SLICE("HTTP/1.1 200  two\tblanks \xE9\r\n\r\n"),
    };

    check_accepted(head_parse_response, inputs, ROWS(inputs));
}

Test(head, invalid_start_lines_of_requests_are_refused)
{
    static const struct slice inputs[] = {
        SLICE(""),
        SLICE("\r\n"),
        SLICE("\r\nGET / HTTP/1.1\r\n\r\n"),
        SLICE(" GET / HTTP/1.1\r\n\r\n"),
        SLICE("GET\r\n\r\n"),
        SLICE("GET /\r\n\r\n"),
        SLICE("GET / \r\n\r\n"),
        SLICE("GET  / HTTP/1.1\r\n\r\n"),
        SLICE("GET /  HTTP/1.1\r\n\r\n"),
        SLICE("GET\t/ HTTP/1.1\r\n\r\n"),
        SLICE("GET /\tHTTP/1.1\r\n\r\n"),
        SLICE("GET / HTTP/1.1 \r\n\r\n"),
        SLICE("GET / HTTP/1.0\r\n\r\n"),
        SLICE("GET / HTTP/1.2\r\n\r\n"),
        SLICE("GET / HTTP/2.0\r\n\r\n"),
        SLICE("GET / HTTP/1.10\r\n\r\n"),
        SLICE("GET / HTTP/1.\r\n\r\n"),
        SLICE("GET / http/1.1\r\n\r\n"),
        SLICE("GET / HTTPS/1.1\r\n\r\n"),
        SLICE("GE(T / HTTP/1.1\r\n\r\n"),
        SLICE("GE:T / HTTP/1.1\r\n\r\n"),
        SLICE("G\xC9T / HTTP/1.1\r\n\r\n"),
        SLICE("G\0T / HTTP/1.1\r\n\r\n"),
        SLICE("GET a HTTP/1.1\r\n\r\n"),
        SLICE("GET ?a HTTP/1.1\r\n\r\n"),
        SLICE("GET ** HTTP/1.1\r\n\r\n"),
        SLICE("GET */ HTTP/1.1\r\n\r\n"),
        SLICE("GET http://a/ HTTP/1.1\r\n\r\n"),
        SLICE("CONNECT a:443 HTTP/1.1\r\n\r\n"),
        SLICE("GET /a b HTTP/1.1\r\n\r\n"),
        SLICE("GET /a\0b HTTP/1.1\r\n\r\n"),
        SLICE("GET /a\x7F HTTP/1.1\r\n\r\n"),
        SLICE("GET /a\x1F HTTP/1.1\r\n\r\n"),
        SLICE("GET /a\rb HTTP/1.1\r\n\r\n"),
        SLICE("GET /a\nb HTTP/1.1\r\n\r\n"),
        SLICE("HTTP/1.1 200 OK\r\n\r\n"),
    };

    check_refused(head_parse_request, inputs, ROWS(inputs));
}

Test(head, invalid_fields_are_refused)
{
    static const struct slice inputs[] = {
        SLICE("GET / HTTP/1.1"),
        SLICE("GET / HTTP/1.1\r"),
        SLICE("GET / HTTP/1.1\r\n"),
        SLICE("GET / HTTP/1.1\r\n\r"),
        SLICE("GET / HTTP/1.1\r\n\n"),
        SLICE("GET / HTTP/1.1\n\n"),
        SLICE("GET / HTTP/1.1\n\r\n"),
        SLICE("GET / HTTP/1.1\r\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n\r\n "),
        SLICE("GET / HTTP/1.1\r\n\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\r\n\r"),
        SLICE("GET / HTTP/1.1\r\na: b\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\n\n"),
        SLICE("GET / HTTP/1.1\r\na: b\r\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\r\n\n"),
        SLICE("GET / HTTP/1.1\r\na: b\rc: d\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na\0: b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n: b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n : b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na : b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na\t: b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n a: b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na b: c\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na(): b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n\"a\": b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na/b: c\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na\xE9: b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\r\n\tc: d\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na:\r\n b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\0c\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\0\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\x01\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\x0B\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\x1B[m\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\na: b\x7F\r\n\r\n"),
    };

    check_refused(head_parse_request, inputs, ROWS(inputs));
}

Test(head, invalid_start_lines_of_responses_are_refused)
{
    static const struct slice inputs[] = {
        SLICE(""),
        SLICE("HTTP/1.1\r\n\r\n"),
        SLICE("HTTP/1.1 \r\n\r\n"),
        SLICE("HTTP/1.1 2"),
        SLICE("HTTP/1.1 200"),
        SLICE("HTTP/1.1 200\r\n\r\n"),
        SLICE("HTTP/1.1 20 OK\r\n\r\n"),
        SLICE("HTTP/1.1 2000 OK\r\n\r\n"),
        SLICE("HTTP/1.1 099 OK\r\n\r\n"),
        SLICE("HTTP/1.1 600 OK\r\n\r\n"),
        SLICE("HTTP/1.1 000 OK\r\n\r\n"),
        SLICE("HTTP/1.1 +20 OK\r\n\r\n"),
        SLICE("HTTP/1.1 2x0 OK\r\n\r\n"),
        SLICE("HTTP/1.1  200 OK\r\n\r\n"),
        SLICE("HTTP/1.1\t200 OK\r\n\r\n"),
        SLICE("HTTP/1.0 200 OK\r\n\r\n"),
        SLICE("http/1.1 200 OK\r\n\r\n"),
        SLICE("HTTP/1.1 200\tOK\r\n\r\n"),
        SLICE("HTTP/1.1 200 O\0K\r\n\r\n"),
        SLICE("HTTP/1.1 200 O\x7FK\r\n\r\n"),
        SLICE("HTTP/1.1 200 O\nK\r\n\r\n"),
        SLICE("HTTP/1.1 200 OK\n\r\n"),
        SLICE("HTTP/1.1 200 OK\r\n\r\nbody"),
        SLICE("HTTP/1.1 200 OK\r\na : b\r\n\r\n"),
        SLICE("GET / HTTP/1.1\r\n\r\n"),
    };

    check_refused(head_parse_response, inputs, ROWS(inputs));
}

Test(head, no_prefix_of_a_head_is_a_head)
{
    static const struct slice whole = SLICE("PUT /c/b HTTP/1.1\r\nHost: a\r\nb:\r\n\r\n");

    for (size_t len = 0; len < whole.len; len++)
        cr_assert_eq(parse_exact(head_parse_request, (struct slice){whole.bytes, len}), -EBADMSG, "length %zu", len);
    cr_assert_eq(parse_exact(head_parse_request, whole), 0);
}

static void check_field_limit(unsigned count, int expected)
{
    struct buf buf;

    buf_init(&buf, LIMIT_HEAD_BYTES);
    (void)head_write_request_line(&buf, SLICE("GET"), SLICE("/"));
    for (unsigned i = 0; i < count; i++)
        (void)head_write_field(&buf, SLICE("a"), SLICE("b"));
    cr_assert_eq(head_write_end(&buf), 0);
    cr_assert_eq(head_parse_request(buf.bytes, buf.len, &head), expected);
    buf_free(&buf);
}

Test(head, as_many_fields_as_the_limit_fit_and_one_more_is_too_big)
{
    check_field_limit(LIMIT_HEAD_FIELDS, 0);
    cr_assert_eq(head.field_count, LIMIT_HEAD_FIELDS);
    check_field_limit(LIMIT_HEAD_FIELDS + 1, -E2BIG);
}

Test(head, slices_compare_by_content)
{
    cr_assert(slice_equal(SLICE("a\0b"), SLICE("a\0b")));
    cr_assert_not(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    cr_assert_not(slice_equal(SLICE("ab"), SLICE("abc")));
    cr_assert_not(slice_equal(SLICE("ab"), SLICE("AB")));
    cr_assert(slice_equal((struct slice){NULL, 0}, SLICE("")));
    cr_assert(slice_equal_nocase(SLICE("aZ-9"), SLICE("Az-9")));
    cr_assert_not(slice_equal_nocase(SLICE("["), SLICE("{")));
    cr_assert_not(slice_equal_nocase(SLICE("\xC9"), SLICE("\xE9")));
    cr_assert_not(slice_equal_nocase(SLICE("a"), SLICE("ab")));
}

Test(head, find_ignores_case_and_gives_the_first)
{
    parse_request("GET / HTTP/1.1\r\nHostess: x\r\nHOST: one\r\nhost: two\r\n\r\n");
    cr_assert_eq(head_find(&head, "Host"), &head.fields[1]);
    check_slice(head_value(&head, "hOsT"), "one");
    cr_assert_null(head_find(&head, "Hos"));
    cr_assert_null(head_value(&head, "absent").bytes);
}

Test(head, a_present_but_empty_value_is_not_an_absent_one)
{
    parse_request("GET / HTTP/1.1\r\na:\r\n\r\n");
    cr_assert_not_null(head_value(&head, "a").bytes);
    cr_assert_eq(head_value(&head, "a").len, 0);
}

Test(head, add_fills_up_to_the_limit)
{
    head = (struct head){.field_count = 0};
    for (unsigned i = 0; i < LIMIT_HEAD_FIELDS; i++)
        cr_assert_eq(head_add(&head, SLICE("a"), SLICE("b")), 0);
    cr_assert_eq(head_add(&head, SLICE("a"), SLICE("b")), -E2BIG);
    cr_assert_eq(head.field_count, LIMIT_HEAD_FIELDS);
}

Test(head, content_length_is_read_as_the_table_says)
{
    static const struct {
        const char *value;
        int result;
        uint64_t bytes;
    } rows[] = {
        {"0", 0, 0},
        {"5", 0, 5},
        {"007", 0, 7},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -EBADMSG, 0},
        {"18446744073709551616", -EBADMSG, 0},
        {"99999999999999999999999999", -EBADMSG, 0},
        {"", -EBADMSG, 0},
        {"-1", -EBADMSG, 0},
        {"+1", -EBADMSG, 0},
        {"1 2", -EBADMSG, 0},
        {"1, 1", -EBADMSG, 0},
        {"0x10", -EBADMSG, 0},
        {"1.0", -EBADMSG, 0},
        {"\xB2", -EBADMSG, 0},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t bytes = 77;
        head = (struct head){.field_count = 0};
        cr_assert_eq(head_add(&head, SLICE("content-LENGTH"), slice_of(rows[i].value)), 0);
        cr_assert_eq(head_content_length(&head, &bytes), rows[i].result, "%s", rows[i].value);
        cr_assert_eq(bytes, rows[i].result == 0 ? rows[i].bytes : 77, "%s", rows[i].value);
    }
}

Test(head, content_length_may_be_absent_but_not_repeated)
{
    uint64_t bytes;

    parse_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert_eq(head_content_length(&head, &bytes), -ENOENT);
    parse_request("GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
    cr_assert_eq(head_content_length(&head, &bytes), -EBADMSG);
}

Test(head, what_is_written_has_the_exact_bytes)
{
    struct buf buf;

    buf_init(&buf, 1000);
    cr_assert_eq(head_write_request_line(&buf, SLICE("PUT"), SLICE("/c/b?x")), 0);
    cr_assert_eq(head_write_field(&buf, SLICE("Host"), SLICE("a")), 0);
    cr_assert_eq(head_write_field(&buf, SLICE("b"), SLICE("")), 0);
    cr_assert_eq(head_write_end(&buf), 0);
    cr_assert_str_eq(buf.bytes, "PUT /c/b?x HTTP/1.1\r\nHost: a\r\nb: \r\n\r\n");
    buf_clear(&buf);
    cr_assert_eq(head_write_status_line(&buf, 206, SLICE("Partial Content")), 0);
    cr_assert_eq(head_write_status_line(&buf, 100, SLICE("")), 0);
    cr_assert_str_eq(buf.bytes, "HTTP/1.1 206 Partial Content\r\nHTTP/1.1 100 \r\n");
    buf_free(&buf);
}

static void check_write_refused(struct buf *buf, int result)
{
    cr_assert_eq(result, -EBADMSG);
    cr_assert_eq(buf->failed, -EBADMSG);
    cr_assert_eq(buf->len, 0);
    cr_assert_eq(head_write_end(buf), -EBADMSG);
    buf_clear(buf);
}

Test(head, start_lines_that_would_break_the_framing_are_not_written)
{
    struct buf buf;

    buf_init(&buf, 1000);
    check_write_refused(&buf, head_write_request_line(&buf, SLICE(""), SLICE("/")));
    check_write_refused(&buf, head_write_request_line(&buf, SLICE("GE T"), SLICE("/")));
    check_write_refused(&buf, head_write_request_line(&buf, SLICE("GET"), SLICE("")));
    check_write_refused(&buf, head_write_request_line(&buf, SLICE("GET"), SLICE("a")));
    check_write_refused(&buf, head_write_request_line(&buf, SLICE("GET"), SLICE("/a b")));
    check_write_refused(&buf, head_write_request_line(&buf, SLICE("GET"), SLICE("/\r\nX: y")));
    check_write_refused(&buf, head_write_status_line(&buf, 99, SLICE("OK")));
    check_write_refused(&buf, head_write_status_line(&buf, 600, SLICE("OK")));
    check_write_refused(&buf, head_write_status_line(&buf, 200, SLICE("O\nK")));
    buf_free(&buf);
}

Test(head, fields_that_would_break_the_framing_are_not_written)
{
    struct buf buf;

    buf_init(&buf, 1000);
    check_write_refused(&buf, head_write_field(&buf, SLICE(""), SLICE("b")));
    check_write_refused(&buf, head_write_field(&buf, SLICE("a:"), SLICE("b")));
    check_write_refused(&buf, head_write_field(&buf, SLICE("a b"), SLICE("b")));
    check_write_refused(&buf, head_write_field(&buf, SLICE("a\r\n"), SLICE("b")));
    check_write_refused(&buf, head_write_field(&buf, SLICE("a"), SLICE("b\r\nc: d")));
    check_write_refused(&buf, head_write_field(&buf, SLICE("a"), SLICE("b\n")));
    check_write_refused(&buf, head_write_field(&buf, SLICE("a"), SLICE("b\0")));
    buf_free(&buf);
}

Test(head, a_line_that_does_not_fit_is_not_written_in_part)
{
    struct buf buf;

    buf_init(&buf, 10);
    cr_assert_eq(head_write_field(&buf, SLICE("abc"), SLICE("defg")), -ENOBUFS);
    cr_assert_eq(buf.len, 0);
    buf_free(&buf);
}

Test(head, reasons_are_known_for_what_the_service_answers_and_empty_otherwise)
{
    cr_assert_str_eq(head_reason(200), "OK");
    cr_assert_str_eq(head_reason(412), "Precondition Failed");
    cr_assert_str_eq(head_reason(503), "Service Unavailable");
    cr_assert_str_eq(head_reason(299), "");
    cr_assert_str_eq(head_reason(600), "");
    cr_assert_str_eq(head_reason(0), "");
}

Test(head, fields_of_one_hop_are_the_standard_ones_and_those_that_connection_names)
{
    static const char text[] =
        "GET / HTTP/1.1\r\nConnection: close, X-One\r\nconnection:\tx-two ,Content-Length\r\nX-One: 1\r\n\r\n";
    static const char *const dropped[] = {"Connection", "keep-alive", "TE",    "Transfer-Encoding",
                                          "Upgrade",    "x-one",      "X-Two", "close"};
    static const char *const kept[] = {"Content-Length", "X-On", "X-One1", "Host", "Expect", "Via", ""};

    cr_assert_eq(head_parse_request(text, sizeof(text) - 1, &head), 0);
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++)
        cr_expect(head_is_hop_by_hop(&head, slice_of(dropped[i])), "%s", dropped[i]);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        cr_expect_not(head_is_hop_by_hop(&head, slice_of(kept[i])), "%s", kept[i]);
}

Test(head, a_response_loses_what_was_for_its_hop_only)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nX-One: 1\r\nHost: h\r\nConnection: x-one, Content-Length\r\nTE: a\r\nTrailer: b\r\n"
        "Upgrade: c\r\nContent-Length: 3\r\nETag: d\r\n\r\n";

    cr_assert_eq(head_parse_response(text, sizeof(text) - 1, &head), 0);
    head_drop_hop_by_hop(&head);
    cr_assert_eq(head.field_count, 2);
    cr_expect(slice_equal(head.fields[0].name, SLICE("Content-Length")));
    cr_expect(slice_equal(head.fields[1].name, SLICE("ETag")));
}
