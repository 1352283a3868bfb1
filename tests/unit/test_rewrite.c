/* SPDX-License-Identifier: MIT */
/* What of a request is rewritten for the host: copy sources that name the proxy, and batches in path style. */
#include "rights_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- copy sources ---- */

#define OWN_SOURCE "http://" HOST "/" ACCOUNT "/c/a%20b?sv=1&sig=a%2Bb"

Test(rewrite, a_copy_source_that_names_the_proxy_is_rewritten_and_signed)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;

    rights_set(fixture, "[accounts]\nendpoint = https://{account}.blob.core.windows.net\n");
    struct exchange *x = rights_request(fixture, &request, "PUT", "/" ACCOUNT "/c/b", "SharedKey", 0,
                                        FIELDS("Content-Length: 0", "x-ms-copy-source: " OWN_SOURCE));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-copy-source"),
                          SLICE("https://" ACCOUNT ".blob.core.windows.net/c/a%20b?sv=1&sig=a%2Bb")));
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

Test(rewrite, without_an_endpoint_the_source_has_the_name_of_transfers)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x =
        fixture_request(fixture, "GET", "/" ACCOUNT "/c/b?comp=pagelist&sv=1&sig=a",
                        FIELDS("x-ms-previous-snapshot-url: http://" ACCOUNT ".blob.localhost:10000/c/b?snapshot=x"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-previous-snapshot-url"),
                          SLICE("https://" ACCOUNT ".blob.localhost/c/b?snapshot=x")));
    rights_finish(fixture, x);
}

Test(rewrite, any_other_copy_source_is_data)
{
    static const char *const sources[] = {"https://other.blob.core.windows.net/c/b?sig=a", "http://127.0.0.1:9/" ACCOUNT "/c/b",
                                          "https://example.org/x%20y", "http://user@" HOST "/" ACCOUNT "/c/b"};

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct client_request request;
        char field[128];

        snprintf(field, sizeof(field), "x-ms-copy-source: %s", sources[i]);
        struct exchange *x =
            rights_request(fixture, &request, "PUT", "/" ACCOUNT "/c/b", "SharedKey", 0, FIELDS("Content-Length: 0", field));

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-copy-source"), slice_of(sources[i])));
        rights_expect_signed(fixture);
        rights_finish(fixture, x);
    }
}

Test(rewrite, an_own_copy_source_that_may_not_be_changed_is_refused)
{
    static const struct {
        const char *host, *target, *authorization;
        unsigned status;
    } cases[] = {
        {"noneofours.blob.localhost:10000", "/c/b", "Authorization: SharedKey noneofours:AAAA", 403},
        {ACCOUNT ".blob.localhost:10000", "/c/b", "Authorization: SharedKey " ACCOUNT ":AAAA", 403},
        {ACCOUNT ".blob.localhost:10000", "/c/b?skoid=1&srh=x-ms-copy-source&sig=a", "x-a: b", 403},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        char host[128];

        snprintf(host, sizeof(host), "Host: %s", cases[i].host);
        struct exchange *x = fixture_request(fixture, "PUT", cases[i].target,
                                             (const char *const[]){host, "Content-Length: 0", cases[i].authorization,
                                                                   "x-ms-copy-source: http://" HOST "/" ACCOUNT "/c/b", NULL});

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER, "case %zu", i);
        rights_expect_refused(fixture, x, cases[i].status, "AuthenticationFailed");
        rights_finish(fixture, x);
    }
}

Test(rewrite, a_host_style_copy_from_the_proxy_is_verified_and_signed_anew)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    static const char *const fields[] = {"Host: " ACCOUNT ".blob.localhost:10000", "x-ms-version: 2021-12-02",
                                         "Content-Length: 0", "x-ms-copy-source: https://" ACCOUNT ".blob.localhost:10000/c/a",
                                         NULL};
    struct exchange *x = rights_request(fixture, &request, "PUT", "/c/b", "SharedKey", 0, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(
        slice_equal(head_value(fixture_look(fixture), "x-ms-copy-source"), SLICE("https://" ACCOUNT ".blob.localhost/c/a")));
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

Test(rewrite, a_copy_source_leads_to_no_account_that_is_not_allowed)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;

    rights_set(fixture, "[accounts]\nallow = " ACCOUNT "\n");
    struct exchange *x = rights_request(fixture, &request, "PUT", "/" ACCOUNT "/c/b", "SharedKey", 0,
                                        FIELDS("Content-Length: 0", "x-ms-copy-source: http://" HOST "/other/c/b"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    rights_expect_refused(fixture, x, 403, "AuthorizationFailure");
    rights_finish(fixture, x);
}

/* ---- batches ---- */

#define PART(target) "--b\r\nContent-ID: 0\r\n\r\nDELETE " target " HTTP/1.1\r\nContent-Length: 0\r\n\r\n\r\n"
#define BATCH(target) PART(target) PART(target "2") "--b--\r\n"

static struct exchange *send_batch(struct fixture *fixture, struct client_request *request, const char *host, const char *target,
                                   const char *body)
{
    static char host_field[64], length[64];
    size_t taken;

    snprintf(host_field, sizeof(host_field), "Host: %s", host);
    snprintf(length, sizeof(length), "Content-Length: %zu", strlen(body));
    struct exchange *x = rights_request(
        fixture, request, "POST", target, "SharedKey", 0,
        (const char *const[]){host_field, "x-ms-version: 2021-12-02", length, "Content-Type: multipart/mixed; boundary=b", NULL});

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, body, strlen(body), &taken), EXCHANGE_BODY);
    cr_assert_eq(taken, strlen(body));
    cr_assert_eq(exchange_continue(x), EXCHANGE_WAIT);
    return x;
}

static void expect_batch_at_host(struct fixture *fixture, const char *body)
{
    struct transfer *transfer = fixture->submitted[0];
    struct slot *slot = (struct slot *)((char *)transfer - offsetof(struct slot, transfer));
    char length[24];

    (void)fixture_look(fixture);
    snprintf(length, sizeof(length), "%zu", strlen(body));
    cr_expect_eq(transfer->data_valid_bytes, strlen(body));
    cr_expect_arr_eq(slot->data, body, strlen(body));
    cr_expect(slice_equal(head_value(&fixture->seen, "Content-Length"), slice_of(length)));
    rights_expect_signed(fixture);
}

Test(rewrite, a_path_style_batch_reaches_the_host_in_host_style)
{
    static const char *const targets[] = {"/" ACCOUNT "?comp=batch", "/" ACCOUNT "/?comp=batch",
                                          "/" ACCOUNT "/c?restype=container&comp=batch"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct client_request request;
        struct exchange *x = send_batch(fixture, &request, HOST, targets[i], BATCH("/" ACCOUNT "/c/b"));

        expect_batch_at_host(fixture, BATCH("/c/b"));
        rights_finish(fixture, x);
    }
}

Test(rewrite, a_host_style_batch_is_untouched)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x = send_batch(fixture, &request, ACCOUNT ".blob.localhost", "/?comp=batch", BATCH("/" ACCOUNT "/c/b"));

    expect_batch_at_host(fixture, BATCH("/" ACCOUNT "/c/b"));
    rights_finish(fixture, x);
}

Test(rewrite, a_batch_that_cannot_be_rewritten_is_refused)
{
    static const char body[] = "nothing";
    struct fixture *fixture = fixture_new(4, 2);
    struct answer answer;
    size_t taken;
    struct exchange *x = fixture_request(fixture, "POST", "/" ACCOUNT "?comp=batch&sv=1&sig=a",
                                         FIELDS("Content-Length: 7", "Content-Type: multipart/mixed; boundary=b"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, body, 7, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 400);
    cr_expect_eq(fixture->in_flight, 0);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(rewrite, a_copy_source_with_a_blank_is_no_url)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct answer answer;
    struct exchange *x = fixture_request(fixture, "PUT", "/" ACCOUNT "/c/b?sv=1&sig=a",
                                         FIELDS("Content-Length: 0", "x-ms-copy-source: https://example.org/x y"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 400);
    exchange_end(x, true);
    fixture_free(fixture);
}

static struct exchange *begin_batch_of(struct fixture *fixture, const char *length, const char *more)
{
    struct exchange *x =
        fixture_request(fixture, "POST", "/" ACCOUNT "?comp=batch&sv=1&sig=a",
                        FIELDS(length, "Content-Type: multipart/mixed; boundary=b", "Expect: 100-continue", more));

    (void)exchange_begin(x, false);
    return x;
}

Test(rewrite, a_batch_beyond_the_limits_is_refused)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = begin_batch_of(fixture, "Content-Length: 4194305", "x-a: b");

    rights_expect_refused(fixture, x, 413, "RequestBodyTooLarge");
    rights_finish(fixture, x);
}

Test(rewrite, a_batch_with_too_many_parts_or_a_digest_is_refused)
{
    static const struct {
        const char *part, *field, *code;
        unsigned parts;
    } cases[] = {
        {"--b\r\n\r\nx\r\n", "x-a: b", "InvalidInput", 257},
        {PART("/" ACCOUNT "/c/b"), "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", "UnsupportedHeader", 1},
    };

    for (size_t i = 0; i < 2; i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct buf body CLEANUP(buf_free);
        char length[64];
        size_t taken;

        buf_init(&body, 65536);
        for (unsigned part = 0; part < cases[i].parts; part++)
            cr_assert_eq(buf_puts(&body, cases[i].part), 0);
        snprintf(length, sizeof(length), "Content-Length: %zu", body.len);
        struct exchange *x = begin_batch_of(fixture, length, cases[i].field);

        cr_assert_eq(exchange_body(x, body.bytes, body.len, &taken), EXCHANGE_BODY);
        cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
        rights_expect_refused(fixture, x, 400, cases[i].code);
        rights_finish(fixture, x);
    }
}
