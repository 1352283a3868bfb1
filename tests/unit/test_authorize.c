/* SPDX-License-Identifier: MIT */
/* Rights of an exchange: who passes, who is signed for, and what the host then sees. */
#include "rights_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/sign/sharedkey.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct caller loopback = {.kind = CALLER_TCP, .is_loopback = true};
static const struct caller stranger = {.kind = CALLER_TCP};
static const struct caller over_tls = {.kind = CALLER_TLS};
static const struct caller neighbour = {.kind = CALLER_UNIX, .has_uid = true, .uid = 1234};
static const struct caller other_user = {.kind = CALLER_UNIX, .has_uid = true, .uid = 1235};

/* ---- who passes ---- */

struct pass_case {
    const char *method, *target, *field;
    const struct caller *caller;
};

Test(authorize, token_sas_and_nothing_pass_as_they_are)
{
    static const struct pass_case cases[] = {
        {"GET", "/" ACCOUNT "/c/b", "Authorization: Bearer abc.def", &loopback},
        {"GET", "/" ACCOUNT "/c/b", "authorization: bearer abc.def", &over_tls},
        {"GET", "/" ACCOUNT "/c/b?sv=1&sig=a%2Bb%3D", "x-a: b", &loopback},
        {"GET", "/" ACCOUNT "/c/b?sv=1&spr=https&sig=a", "x-a: b", &loopback},
        {"GET", "/" ACCOUNT "/c/b?sv=1&spr=https&sig=a", "x-a: b", &over_tls},
        {"GET", "/" ACCOUNT "/c/b?sv=1&spr=https&sig=a", "x-a: b", &neighbour},
        {"GET", "/" ACCOUNT "/c/b?sv=1&spr=https,http&sig=a", "x-a: b", &stranger},
        {"GET", "/" ACCOUNT "/c/b", "x-a: b", &stranger},
        {"OPTIONS", "/" ACCOUNT "/c/b", "Origin: http://example.org", &neighbour},
        {"GET", "/unknownaccount/c/b", "x-a: b", &loopback},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct pass_case *row = &cases[i];
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = fixture_request(fixture, row->method, row->target, FIELDS(row->field));
        size_t name = strcspn(row->field, ":");
        char field[64];

        exchange_set_caller(x, row->caller);
        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT, "case %zu", i);
        snprintf(field, sizeof(field), "%.*s", (int)name, row->field);
        cr_expect(slice_equal(head_value(fixture_look(fixture), field), slice_of(row->field + name + 2)), "case %zu", i);
        cr_expect_eq(fixture->seen.field_count, 3, "case %zu", i);
        cr_expect(slice_equal(fixture->seen.target, slice_of(strchr(row->target + 1, '/'))), "case %zu", i);
        rights_finish(fixture, x);
    }
}

Test(authorize, refusals_have_the_documented_codes)
{
    static const struct {
        const char *conf, *target, *host, *field;
        const struct caller *caller;
        unsigned status;
        const char *code;
    } cases[] = {
        {"", "/" ACCOUNT "/c/b?spr=https&sig=a", HOST, "x-a: b", &stranger, 403, "AuthorizationProtocolMismatch"},
        {"[listen]\nsas_https_over_loopback = no\n", "/" ACCOUNT "/c/b?spr=https&sig=a", HOST, "x-a: b", &loopback, 403,
         "AuthorizationProtocolMismatch"},
        {"", "/" ACCOUNT "/c/b?sip=nowhere&sig=a", HOST, "x-a: b", &loopback, 403, "AuthorizationSourceIPMismatch"},
        {"[channel]\nsuffix = blob.core.windows.net\n", "/" ACCOUNT "/c/b?sip=127.0.0.1&sig=a", HOST, "x-a: b", &loopback, 403,
         "AuthorizationSourceIPMismatch"},
        {"", "/" ACCOUNT "/c/b", HOST, "Authorization: SharedKey " ACCOUNT ":AAAA", &loopback, 400, "InvalidAuthenticationInfo"},
        {"", "/" ACCOUNT "/c/b", HOST, "Authorization: SharedKeyOther " ACCOUNT ":AAAA", &loopback, 400,
         "InvalidAuthenticationInfo"},
        {"", "/noneofours/c/b", HOST, "Authorization: SharedKey noneofours:AAAA", &loopback, 403, "AuthenticationFailed"},
        {"[accounts]\nallow = other\n", "/" ACCOUNT "/c/b", HOST, "x-a: b", &loopback, 403, "AuthorizationFailure"},
        {"[accounts]\nallow = other\n", "/c/b", ACCOUNT ".blob.localhost", "x-a: b", &loopback, 403, "AuthorizationFailure"},
        {"[accounts]\nallow = other\n", "/" ACCOUNT "-secondary/c/b", HOST, "x-a: b", &loopback, 403, "AuthorizationFailure"},
        {"", "/c/b", "evil.example", "x-a: b", &loopback, 400, "InvalidUri"},
        {"", "/c/b", ACCOUNT ".blob.localhost.evil.example", "x-a: b", &loopback, 400, "InvalidUri"},
        {"", "/c/b", ACCOUNT ".blob.core.cloudapi.de", "x-a: b", &loopback, 400, "InvalidUri"},
        {"[listen]\naccount_suffixes = blob.localhost\n", "/c/b", ACCOUNT ".blob.core.windows.net", "x-a: b", &loopback, 400,
         "InvalidUri"},
        {"", "/" ACCOUNT "%2F..%2Fother/c", HOST, "x-a: b", &loopback, 400, "InvalidUri"},
        {"", "/../" ACCOUNT "/c", HOST, "x-a: b", &loopback, 400, "InvalidUri"},
        {"", "http://evil.example/" ACCOUNT "/c/b", HOST, "x-a: b", &loopback, 400, "InvalidUri"},
        {"", "/" ACCOUNT "/c/b", "user@127.0.0.1", "x-a: b", &loopback, 400, "InvalidInput"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        char host[128];

        rights_set(fixture, cases[i].conf);
        snprintf(host, sizeof(host), "Host: %s", cases[i].host);
        struct exchange *x = fixture_request(fixture, "GET", cases[i].target, (const char *const[]){host, cases[i].field, NULL});

        exchange_set_caller(x, cases[i].caller);
        cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER, "case %zu", i);
        rights_expect_refused(fixture, x, cases[i].status, cases[i].code);
        rights_finish(fixture, x);
    }
}

Test(authorize, allowed_accounts_and_custom_domains_are_reached)
{
    struct fixture *fixture = fixture_new(4, 2);

    rights_set(fixture, "[accounts]\nallow = other " ACCOUNT "\ndomains = files.example.org=" ACCOUNT "\n");
    struct exchange *x =
        fixture_request(fixture, "GET", "/c/b", (const char *const[]){"Host: Files.Example.org:10000", "x-a: b", NULL});

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "Host"), SLICE(ACCOUNT ".blob.localhost")));
    cr_expect(slice_equal(fixture->seen.target, SLICE("/c/b")));
    rights_finish(fixture, x);
}

Test(authorize, dots_and_slashes_never_lead_to_another_account)
{
    static const char *const targets[] = {"/" ACCOUNT "/../other/c/b", "/" ACCOUNT "/..%2f..%2fother/b", "/" ACCOUNT "//other/b",
                                          "/" ACCOUNT "/%2e%2e/other"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = fixture_request(fixture, "GET", targets[i], FIELDS("x-a: b"));

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        cr_expect(slice_equal(head_value(fixture_look(fixture), "Host"), SLICE(ACCOUNT ".blob.localhost")));
        cr_expect(slice_equal(fixture->seen.target, slice_of(targets[i] + sizeof("/" ACCOUNT) - 1)));
        rights_finish(fixture, x);
    }
}

/* ---- signatures ---- */

Test(authorize, two_authorizations_are_refused)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x = rights_request(fixture, &request, "GET", "/" ACCOUNT "/c/b", "SharedKey", 0,
                                        (const char *const[]){"Host: " HOST, "Authorization: Bearer x", NULL});

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    rights_expect_refused(fixture, x, 400, "InvalidAuthenticationInfo");
    rights_finish(fixture, x);
}

Test(authorize, either_key_is_accepted_and_the_first_signs)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct err err;

    cr_assert_eq(accounts_add(fixture->conf->accounts, ACCOUNT, "c2Vjb25kIGtleQ==", &err), 0);
    struct exchange *x =
        rights_request(fixture, &request, "GET", "/" ACCOUNT "/c/b%20?x=a%2Bb", "SharedKey", 1, FIELDS("x-ms-meta-a_b: 1"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    (void)fixture_look(fixture);
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

Test(authorize, a_date_field_serves_and_is_kept)
{
    struct fixture *fixture = fixture_new(4, 2);
    char date[CLOCK_HTTP_DATE_BYTES], field[64], authorization[160], signature[SHAREDKEY_SIGNATURE_BYTES];
    struct head head = {.method = {"GET", 3}};
    struct sharedkey_request signing = {&head, ACCOUNT, SLICE("/" ACCOUNT "/c/b"), {NULL, 0}};
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 4096);
    clock_format_http(clock_wall_us(), date);
    cr_assert_eq(head_add(&head, SLICE("Date"), slice_of(date)), 0);
    cr_assert_eq(head_add(&head, SLICE("x-ms-version"), SLICE("2021-12-02")), 0);
    cr_assert_eq(sharedkey_string_to_sign(&signing, SHAREDKEY_ORDER_CULTURE, &text), 0);
    sharedkey_sign(&accounts_find(fixture->conf->accounts, ACCOUNT)->keys[0], text.bytes, text.len, signature);
    snprintf(field, sizeof(field), "Date: %s", date);
    snprintf(authorization, sizeof(authorization), "Authorization: SharedKey " ACCOUNT ":%s", signature);
    struct exchange *x = fixture_request(fixture, "GET", "/" ACCOUNT "/c/b", FIELDS(field, authorization));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "Date"), slice_of(date)));
    cr_expect_null(head_find(&fixture->seen, "x-ms-date"));
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

Test(authorize, the_secondary_is_reached_by_either_signature)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x = rights_request(fixture, &request, "GET", "/" ACCOUNT "-secondary/c/b", "SharedKey", 0, FIELDS("x-a: b"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "Host"), SLICE(ACCOUNT "-secondary.blob.localhost")));
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

/* ---- trusted callers ---- */

static struct exchange *caller_request(struct fixture *fixture, const struct caller *caller, const char *target,
                                       const char *field)
{
    static const char *fields[4];

    fields[0] = "Host: localhost";
    fields[1] = field;
    fields[2] = NULL;
    struct exchange *x = fixture_request(fixture, "GET", target, fields);

    rights_set(fixture, "[listen]\nunix_trusted_uids = 7 1234\n");
    exchange_set_caller(x, caller);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    (void)fixture_look(fixture);
    return x;
}

Test(authorize, a_trusted_user_is_signed_for)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = caller_request(fixture, &neighbour, "/" ACCOUNT "/c?restype=container&comp=list", "x-a: b");

    cr_expect_not_null(head_find(&fixture->seen, "x-ms-date"));
    cr_expect_not_null(head_find(&fixture->seen, "x-ms-version"));
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

Test(authorize, a_trusted_users_own_version_stays)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = caller_request(fixture, &neighbour, "/" ACCOUNT "/c/b", "x-ms-version: 2026-10-06");

    cr_expect(slice_equal(head_value(&fixture->seen, "x-ms-version"), SLICE("2026-10-06")));
    rights_expect_signed(fixture);
    rights_finish(fixture, x);
}

Test(authorize, nobody_else_is_signed_for)
{
    static const struct {
        const struct caller *caller;
        const char *target, *field;
    } cases[] = {
        {&other_user, "/" ACCOUNT "/c/b", "x-a: b"},
        {&loopback, "/" ACCOUNT "/c/b", "x-a: b"},
        {&over_tls, "/" ACCOUNT "/c/b", "x-a: b"},
        {&neighbour, "/" ACCOUNT "/c/b?sv=1&sig=a", "x-a: b"},
        {&neighbour, "/" ACCOUNT "/c/b?sv=1&SIG=", "x-a: b"},
        {&neighbour, "/noneofours/c/b", "x-a: b"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct exchange *x = caller_request(fixture, cases[i].caller, cases[i].target, cases[i].field);

        cr_expect_null(head_find(&fixture->seen, "Authorization"), "case %zu", i);
        cr_expect_eq(fixture->seen.field_count, 2, "case %zu", i);
        rights_finish(fixture, x);
    }
}

Test(authorize, a_token_of_a_trusted_user_stays_alone)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = caller_request(fixture, &neighbour, "/" ACCOUNT "/c/b", "Authorization: Bearer abc");

    cr_expect(slice_equal(head_value(&fixture->seen, "Authorization"), SLICE("Bearer abc")));
    rights_finish(fixture, x);
}

/* ---- what may be split ---- */

#define BIG_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 700000\r\nETag: \"v1\"\r\n"

Test(authorize, a_sas_that_signs_fields_is_never_split)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", "/" ACCOUNT "/c/b?skoid=1&srh=x-ms-date&sig=a", FIELDS("x-a: b"));
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, BIG_ANSWER, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 500);
    rights_finish(fixture, x);
}

Test(authorize, a_sas_that_only_creates_uploads_no_blocks)
{
    static const struct {
        const char *query;
        enum exchange_next next;
    } cases[] = {{"sp=c&sig=a", EXCHANGE_ANSWER}, {"sp=rw&sig=a", EXCHANGE_BODY}};

    for (size_t i = 0; i < 2; i++) {
        struct fixture *fixture = fixture_new(4, 2);
        char target[64];

        snprintf(target, sizeof(target), "/" ACCOUNT "/c/b?%s", cases[i].query);
        struct exchange *x = fixture_request(
            fixture, "PUT", target, FIELDS("x-ms-blob-type: BlockBlob", "Content-Length: 700000", "Expect: 100-continue"));

        cr_expect_eq(exchange_begin(x, false), cases[i].next);
        exchange_end(x, false);
        fixture_free(fixture);
    }
}
