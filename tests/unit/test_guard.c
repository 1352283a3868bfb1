/* SPDX-License-Identifier: MIT */
/* The guard: what it refuses, what it lets in, and that it never says "complete" too early. */
#include "../../src/blobproxyd/guard.h"

#include <criterion/criterion.h>
#include <string.h>

#define OK "GET /a/c/b HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n\r\n"

struct refused {
    const char *bytes;
    size_t len; /* 0: strlen */
    enum azure_error error;
};

#define R(text, name)                                                                                                            \
    {                                                                                                                            \
        text, 0, AZURE_##name                                                                                                    \
    }

static const struct refused refused[] = {
    R("BREW /a HTTP/1.1\r\nHost: h\r\n\r\n", UnsupportedHttpVerb),
    R("get /a HTTP/1.1\r\nHost: h\r\n\r\n", UnsupportedHttpVerb),
    R("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", MalformedRequest),
    R("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", UnsupportedHttpVerb),
    R("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", InvalidUri),
    R("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", InvalidUri),
    R("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", InvalidUri),
    R("GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", InvalidUri),
    R("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET  /a HTTP/1.1\r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET /a\r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/2.0\r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1 \r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.0\r\n\r\n", MalformedRequest),
    R("PUT /a HTTP/1.0\r\nHost: h\r\nContent-Length : 1\r\n\r\n", MalformedRequest),
    R("PUT /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", MissingContentLengthHeader),
    R("GET /a HTTP/1.1\r\nHost:\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: h/x\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: u@h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost : h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\n Host: h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: h\r\n: v\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", MalformedRequest),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length : 1\r\n\r\n", MalformedRequest),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1,1\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999999999999999\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", InvalidHeaderValue),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", MissingContentLengthHeader),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", MissingContentLengthHeader),
    R("PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: if-none-match\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close, x-ms-lease-id\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nConnection: Host\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Content-Length\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Transfer-Encoding\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Authorization\r\n\r\n", InvalidHeaderValue),
    R("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close;x\r\n\r\n", InvalidHeaderValue),
    R("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", MalformedRequest),
    R("GET /a HTTP/1.1\nHost: h\n\n", MalformedRequest),
    R("\x16\x03\x01\x02\x01\r\n\r\n", MalformedRequest),
    {"GET /a HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 36, AZURE_MalformedRequest},
    {"GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n", 30, AZURE_MalformedRequest},
};

Test(guard, refuses_with_the_right_error)
{
    struct head head;

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct guard_verdict verdict = {.error = AZURE_OK};
        size_t len = refused[i].len ? refused[i].len : strlen(refused[i].bytes);

        cr_expect_eq(guard_scan(refused[i].bytes, len, &head, &verdict), GUARD_REFUSED, "case %zu is not refused", i);
        cr_expect_eq(verdict.error, refused[i].error, "case %zu: %s instead of %s (%s)", i, azure_error_code(verdict.error),
                     azure_error_code(refused[i].error), verdict.detail);
        cr_expect(verdict.detail && verdict.detail[0], "case %zu has no explanation", i);
    }
}

static const char *const accepted[] = {
    OK,
    ("\r\n" OK),
    "HEAD /devstoreaccount1/c/b%2Fx?comp=metadata&x=a%20b HTTP/1.1\r\nhost: [::1]:10000\r\n\r\n",
    "PUT /a/c/b HTTP/1.1\r\nHost: acct.blob.localhost\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    "DELETE /a//c/../b%2e HTTP/1.1\r\nHost: localhost\r\nX-Empty:\r\nx-ms-meta-a: caf\xc3\xa9\r\n\r\n",
    "OPTIONS /a HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\n\r\n",
    "POST /a?comp=batch HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nbody follows",
    "GET /a HTTP/1.0\r\nHost: h\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Keep-Alive\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: h\r\nConnection: , close,\tTE ,\r\nConnection:\r\n\r\n",
};

Test(guard, lets_good_requests_in)
{
    struct head head;

    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        struct guard_verdict verdict = {.error = AZURE_InternalError};

        cr_expect_eq(guard_scan(accepted[i], strlen(accepted[i]), &head, &verdict), GUARD_COMPLETE, "case %zu", i);
        cr_expect_eq(verdict.error, AZURE_OK, "case %zu: %s", i, verdict.detail);
    }
}

Test(guard, waits_for_the_whole_head)
{
    struct head head;
    struct guard_verdict verdict;

    for (size_t len = 0; len < strlen(OK); len++)
        cr_expect_eq(guard_scan(OK, len, &head, &verdict), GUARD_INCOMPLETE, "at %zu bytes", len);
}

static enum azure_error scan_long(size_t line_bytes, size_t header_bytes)
{
    struct buf text CLEANUP(buf_free);
    struct head head;
    struct guard_verdict verdict = {.error = AZURE_OK};

    buf_init(&text, 1 << 20);
    buf_puts(&text, "GET /");
    for (size_t i = 0; i < line_bytes; i++)
        buf_append(&text, "a", 1);
    if (header_bytes > 0) {
        buf_puts(&text, " HTTP/1.1\r\nHost: h\r\nX: ");
        for (size_t i = 0; i < header_bytes; i++)
            buf_append(&text, "b", 1);
    }
    cr_assert_eq(guard_scan(text.bytes, text.len, &head, &verdict), GUARD_REFUSED);
    return verdict.error;
}

Test(guard, refuses_heads_that_never_end)
{
    cr_expect_eq(scan_long(LIMIT_FIRST_HEAD_BYTES, 0), AZURE_RequestUrlTooLong);
    cr_expect_eq(scan_long(10, LIMIT_FIRST_HEAD_BYTES), AZURE_RequestHeadersTooLarge);
}

Test(guard, refuses_more_fields_than_a_head_holds)
{
    struct buf text CLEANUP(buf_free);
    struct head head;
    struct guard_verdict verdict = {.error = AZURE_OK};

    buf_init(&text, 1 << 20);
    buf_puts(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 0; i < LIMIT_HEAD_FIELDS; i++)
        buf_printf(&text, "X-%u: y\r\n", i);
    buf_puts(&text, "\r\n");
    cr_assert_eq(guard_scan(text.bytes, text.len, &head, &verdict), GUARD_REFUSED);
    cr_expect_eq(verdict.error, AZURE_RequestHeadersTooLarge);
}

static struct guard_verdict scan_repeated(const char *begin, const char *part, unsigned count, const char *end)
{
    struct buf text CLEANUP(buf_free);
    struct head head;
    struct guard_verdict verdict = {.error = AZURE_OK};

    buf_init(&text, 1 << 20);
    buf_puts(&text, begin);
    for (unsigned i = 0; i < count; i++)
        buf_puts(&text, part);
    buf_puts(&text, end);
    cr_assert_neq(guard_scan(text.bytes, text.len, &head, &verdict), GUARD_INCOMPLETE);
    return verdict;
}

Test(guard, refuses_heads_that_the_library_has_no_room_for)
{
    static const char end[] = " HTTP/1.1\r\nHost: h\r\n\r\n";

    cr_expect_eq(scan_repeated("GET /?a=b", "&a=b", 500, end).error, AZURE_OK);
    cr_expect_eq(scan_repeated("GET /?a=b", "&a=b", 700, end).error, AZURE_RequestHeadersTooLarge);
    cr_expect_eq(scan_repeated("GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b", ";a=b", 700, "\r\n\r\n").error,
                 AZURE_RequestHeadersTooLarge);
    cr_expect_eq(scan_repeated("GET / HTTP/1.1\r\nHost: h\r\n", "X: 0123456789\r\n", 250, "\r\n").error, AZURE_OK);
    cr_expect_eq(scan_repeated("GET / HTTP/1.1\r\nHost: h\r\n",
                               "X: 01234567890123456789012345678901234567890123456789012345678901\r\n"
                               "X-Long-Name-Of-A-Field: 0123456789012345678901234567890123456789\r\n",
                               125, "\r\n")
                     .error,
                 AZURE_OK);
    cr_expect_eq(scan_repeated("GET / HTTP/1.1\r\nHost: h\r\n",
                               "X: 0123456789012345678901234567890123456789012345678901234567890123456"
                               "789012345678901234567890123456789\r\n",
                               250, "\r\n")
                     .error,
                 AZURE_RequestHeadersTooLarge);
}

Test(guard, says_where_the_next_request_begins)
{
    static const char request[] = "\r\nPUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nbody";
    struct head head;
    struct guard_verdict verdict;

    cr_assert_eq(guard_scan(request, sizeof(request) - 1, &head, &verdict), GUARD_COMPLETE);
    cr_expect_eq(verdict.empty_line_bytes, 2);
    cr_expect_eq(verdict.request_bytes, sizeof(request) - 1 - 2 - 4 + 100);
}
