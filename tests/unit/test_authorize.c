/* SPDX-License-Identifier: MIT */
/* Rights of an exchange: who passes, who is signed for, what is rewritten, and what the host then sees. */
#include "exchange_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/sign/sharedkey.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ACCOUNT "devstoreaccount1"
#define HOST "127.0.0.1:10000"
#define FIELDS_MAX 8

static const struct peer loopback = {.kind = PEER_TCP, .is_loopback = true};
static const struct peer stranger = {.kind = PEER_TCP};
static const struct peer over_tls = {.kind = PEER_TLS};
static const struct peer neighbour = {.kind = PEER_UNIX, .has_uid = true, .uid = 1234};
static const struct peer other_user = {.kind = PEER_UNIX, .has_uid = true, .uid = 1235};

/* A request as a client would send it; its fields must live as long as the exchange. */
struct client_request {
    char date[64], authorization[256];
    const char *fields[FIELDS_MAX + 4];
};

static void set(struct fixture *fixture, const char *text)
{
    struct buf errors CLEANUP(buf_free);

    buf_init(&errors, 4096);
    cr_assert_eq(conf_parse_text(fixture->conf, "test", text, strlen(text), &errors), 0, "%s", errors.bytes);
    fixture->env.hosts.account_suffixes = (const char *const *)fixture->conf->listen_account_suffixes.items;
    fixture->env.hosts.domains = (const char *const *)fixture->conf->accounts_domains.items;
}

static struct slice path_of(const char *target)
{
    return (struct slice){target, strcspn(target, "?")};
}

static struct slice query_of(const char *target)
{
    const char *mark = strchr(target, '?');

    return mark ? slice_of(mark + 1) : (struct slice){NULL, 0};
}

/* fields ends with NULL. Signs over the target as it goes out, with that key. */
static struct exchange *signed_request(struct fixture *fixture, struct client_request *request, const char *method,
                                       const char *target, const char *scheme, size_t key, const char *const *fields)
{
    struct head head = {.method = slice_of(method)};
    struct sharedkey_request signing = {&head, ACCOUNT, path_of(target), query_of(target)};
    char date[CLOCK_HTTP_DATE_BYTES], signature[SHAREDKEY_SIGNATURE_BYTES];
    struct buf text CLEANUP(buf_free);
    size_t count = 0;

    buf_init(&text, 65536);
    clock_format_http(clock_wall_us(), date);
    snprintf(request->date, sizeof(request->date), "x-ms-date: %s", date);
    for (; fields[count]; count++)
        request->fields[count] = fields[count];
    request->fields[count++] = request->date;
    for (size_t i = 0; i < count; i++) {
        size_t name = strcspn(request->fields[i], ":");

        cr_assert_eq(head_add(&head, (struct slice){request->fields[i], name}, slice_of(request->fields[i] + name + 2)), 0);
    }
    cr_assert_eq(sharedkey_string_to_sign(&signing, SHAREDKEY_ORDER_CULTURE, &text), 0);
    sharedkey_sign(&accounts_find(fixture->conf->accounts, ACCOUNT)->keys[key], text.bytes, text.len, signature);
    snprintf(request->authorization, sizeof(request->authorization), "Authorization: %s " ACCOUNT ":%s", scheme, signature);
    request->fields[count++] = request->authorization;
    request->fields[count] = NULL;
    struct exchange *x = fixture_request(fixture, method, target, request->fields);

    exchange_set_peer(x, &loopback);
    return x;
}

/* What the host sees verifies under key 1 in host style. */
static void expect_signed(struct fixture *fixture)
{
    const struct head *seen = &fixture->seen;
    const char *mark = memchr(seen->target.bytes, '?', seen->target.len);
    struct slice path = {seen->target.bytes, mark ? (size_t)(mark - seen->target.bytes) : seen->target.len};
    struct slice query = mark ? (struct slice){mark + 1, seen->target.len - path.len - 1} : (struct slice){NULL, 0};
    struct sharedkey_request request = {seen, ACCOUNT, path, query};
    struct account only_first = *accounts_find(fixture->conf->accounts, ACCOUNT);

    only_first.keys[1].len = 0;
    cr_expect_eq(sharedkey_verify(&request, (struct slice){NULL, 0}, &only_first, clock_wall_us()), SHAREDKEY_OK);
}

static void finish(struct fixture *fixture, struct exchange *x)
{
    while (fixture->in_flight > 0)
        fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n", NULL, 0);
    exchange_end(x, true);
    fixture_free(fixture);
}

static void expect_refused(struct fixture *fixture, struct exchange *x, unsigned status, const char *code)
{
    struct answer answer;

    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, status, "%u", answer.status);
    cr_expect(slice_equal(head_value(answer.head, "x-ms-error-code"), slice_of(code)), "%s", code);
    cr_expect_not_null(memmem(answer.body, answer.body_bytes, code, strlen(code)));
    cr_expect_eq(fixture->submits, 0);
}

#define FIELDS(...) ((const char *const[]){"Host: " HOST, "x-ms-version: 2021-12-02", __VA_ARGS__ __VA_OPT__(, ) NULL})

/* ---- who passes ---- */

struct pass_case {
    const char *method, *target, *field;
    const struct peer *peer;
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

        exchange_set_peer(x, row->peer);
        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT, "case %zu", i);
        snprintf(field, sizeof(field), "%.*s", (int)name, row->field);
        cr_expect(slice_equal(head_value(fixture_look(fixture), field), slice_of(row->field + name + 2)), "case %zu", i);
        cr_expect_eq(fixture->seen.field_count, 3, "case %zu", i);
        cr_expect(slice_equal(fixture->seen.target, slice_of(strchr(row->target + 1, '/'))), "case %zu", i);
        finish(fixture, x);
    }
}

Test(authorize, refusals_have_the_documented_codes)
{
    static const struct {
        const char *conf, *target, *host, *field;
        const struct peer *peer;
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

        set(fixture, cases[i].conf);
        snprintf(host, sizeof(host), "Host: %s", cases[i].host);
        struct exchange *x =
            fixture_request(fixture, "GET", cases[i].target, (const char *const[]){host, cases[i].field, NULL});

        exchange_set_peer(x, cases[i].peer);
        cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER, "case %zu", i);
        expect_refused(fixture, x, cases[i].status, cases[i].code);
        finish(fixture, x);
    }
}

Test(authorize, allowed_accounts_and_custom_domains_are_reached)
{
    struct fixture *fixture = fixture_new(4, 2);

    set(fixture, "[accounts]\nallow = other " ACCOUNT "\ndomains = files.example.org=" ACCOUNT "\n");
    struct exchange *x =
        fixture_request(fixture, "GET", "/c/b", (const char *const[]){"Host: Files.Example.org:10000", "x-a: b", NULL});

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "Host"), SLICE(ACCOUNT ".blob.localhost")));
    cr_expect(slice_equal(fixture->seen.target, SLICE("/c/b")));
    finish(fixture, x);
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
        finish(fixture, x);
    }
}

/* ---- signatures ---- */

Test(authorize, two_authorizations_are_refused)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x = signed_request(fixture, &request, "GET", "/" ACCOUNT "/c/b", "SharedKey", 0,
                                        (const char *const[]){"Host: " HOST, "Authorization: Bearer x", NULL});

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    expect_refused(fixture, x, 400, "InvalidAuthenticationInfo");
    finish(fixture, x);
}

Test(authorize, either_key_is_accepted_and_the_first_signs)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct err err;

    cr_assert_eq(accounts_add(fixture->conf->accounts, ACCOUNT, "c2Vjb25kIGtleQ==", &err), 0);
    struct exchange *x =
        signed_request(fixture, &request, "GET", "/" ACCOUNT "/c/b%20?x=a%2Bb", "SharedKey", 1, FIELDS("x-ms-meta-a_b: 1"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    (void)fixture_look(fixture);
    expect_signed(fixture);
    finish(fixture, x);
}

Test(authorize, a_date_field_serves_and_is_kept)
{
    struct fixture *fixture = fixture_new(4, 2);
    char date[CLOCK_HTTP_DATE_BYTES], field[64], authorization[160], signature[SHAREDKEY_SIGNATURE_BYTES];
    struct head head = {.method = SLICE("GET")};
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
    expect_signed(fixture);
    finish(fixture, x);
}

Test(authorize, the_secondary_is_reached_by_either_signature)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x =
        signed_request(fixture, &request, "GET", "/" ACCOUNT "-secondary/c/b", "SharedKey", 0, FIELDS("x-a: b"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "Host"), SLICE(ACCOUNT "-secondary.blob.localhost")));
    expect_signed(fixture);
    finish(fixture, x);
}

/* ---- trusted peers ---- */

static struct exchange *peer_request(struct fixture *fixture, const struct peer *peer, const char *target, const char *field)
{
    static const char *fields[4];

    fields[0] = "Host: localhost";
    fields[1] = field;
    fields[2] = NULL;
    struct exchange *x = fixture_request(fixture, "GET", target, fields);

    set(fixture, "[listen]\nunix_trusted_uids = 7 1234\n");
    exchange_set_peer(x, peer);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    (void)fixture_look(fixture);
    return x;
}

Test(authorize, a_trusted_user_is_signed_for)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = peer_request(fixture, &neighbour, "/" ACCOUNT "/c?restype=container&comp=list", "x-a: b");

    cr_expect_not_null(head_find(&fixture->seen, "x-ms-date"));
    cr_expect_not_null(head_find(&fixture->seen, "x-ms-version"));
    expect_signed(fixture);
    finish(fixture, x);
}

Test(authorize, a_trusted_users_own_version_stays)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = peer_request(fixture, &neighbour, "/" ACCOUNT "/c/b", "x-ms-version: 2026-10-06");

    cr_expect(slice_equal(head_value(&fixture->seen, "x-ms-version"), SLICE("2026-10-06")));
    expect_signed(fixture);
    finish(fixture, x);
}

Test(authorize, nobody_else_is_signed_for)
{
    static const struct {
        const struct peer *peer;
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
        struct exchange *x = peer_request(fixture, cases[i].peer, cases[i].target, cases[i].field);

        cr_expect_null(head_find(&fixture->seen, "Authorization"), "case %zu", i);
        cr_expect_eq(fixture->seen.field_count, 2, "case %zu", i);
        finish(fixture, x);
    }
}

Test(authorize, a_token_of_a_trusted_user_stays_alone)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = peer_request(fixture, &neighbour, "/" ACCOUNT "/c/b", "Authorization: Bearer abc");

    cr_expect(slice_equal(head_value(&fixture->seen, "Authorization"), SLICE("Bearer abc")));
    finish(fixture, x);
}

/* ---- copy sources ---- */

#define OWN_SOURCE "http://" HOST "/" ACCOUNT "/c/a%20b?sv=1&sig=a%2Bb"

Test(authorize, a_copy_source_that_names_the_proxy_is_rewritten_and_signed)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;

    set(fixture, "[accounts]\nendpoint = https://{account}.blob.core.windows.net\n");
    struct exchange *x = signed_request(fixture, &request, "PUT", "/" ACCOUNT "/c/b", "SharedKey", 0,
                                        FIELDS("Content-Length: 0", "x-ms-copy-source: " OWN_SOURCE));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-copy-source"),
                          SLICE("https://" ACCOUNT ".blob.core.windows.net/c/a%20b?sv=1&sig=a%2Bb")));
    expect_signed(fixture);
    finish(fixture, x);
}

Test(authorize, without_an_endpoint_the_source_has_the_name_of_transfers)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = fixture_request(fixture, "GET", "/" ACCOUNT "/c/b?comp=pagelist&sv=1&sig=a",
                                         FIELDS("x-ms-previous-snapshot-url: http://" ACCOUNT ".blob.localhost:10000/c/b?snapshot=x"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-previous-snapshot-url"),
                          SLICE("https://" ACCOUNT ".blob.localhost/c/b?snapshot=x")));
    finish(fixture, x);
}

Test(authorize, any_other_copy_source_is_data)
{
    static const char *const sources[] = {"https://other.blob.core.windows.net/c/b?sig=a", "http://127.0.0.1:9/" ACCOUNT "/c/b",
                                          "https://example.org/x y", "http://user@" HOST "/" ACCOUNT "/c/b"};

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct client_request request;
        char field[128];

        snprintf(field, sizeof(field), "x-ms-copy-source: %s", sources[i]);
        struct exchange *x =
            signed_request(fixture, &request, "PUT", "/" ACCOUNT "/c/b", "SharedKey", 0, FIELDS("Content-Length: 0", field));

        cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
        cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-copy-source"), slice_of(sources[i])));
        expect_signed(fixture);
        finish(fixture, x);
    }
}

Test(authorize, an_own_copy_source_that_may_not_be_changed_is_refused)
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
        expect_refused(fixture, x, cases[i].status, "AuthenticationFailed");
        finish(fixture, x);
    }
}

Test(authorize, a_host_style_copy_from_the_proxy_is_verified_and_signed_anew)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    static const char *const fields[] = {"Host: " ACCOUNT ".blob.localhost:10000", "x-ms-version: 2021-12-02", "Content-Length: 0",
                                         "x-ms-copy-source: https://" ACCOUNT ".blob.localhost:10000/c/a", NULL};
    struct exchange *x = signed_request(fixture, &request, "PUT", "/c/b", "SharedKey", 0, fields);

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect(slice_equal(head_value(fixture_look(fixture), "x-ms-copy-source"), SLICE("https://" ACCOUNT ".blob.localhost/c/a")));
    expect_signed(fixture);
    finish(fixture, x);
}

Test(authorize, a_copy_source_leads_to_no_account_that_is_not_allowed)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;

    set(fixture, "[accounts]\nallow = " ACCOUNT "\n");
    struct exchange *x = signed_request(fixture, &request, "PUT", "/" ACCOUNT "/c/b", "SharedKey", 0,
                                        FIELDS("Content-Length: 0", "x-ms-copy-source: http://" HOST "/other/c/b"));

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    expect_refused(fixture, x, 403, "AuthorizationFailure");
    finish(fixture, x);
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
    struct exchange *x = signed_request(fixture, request, "POST", target, "SharedKey", 0,
                                        (const char *const[]){host_field, "x-ms-version: 2021-12-02", length,
                                                              "Content-Type: multipart/mixed; boundary=b", NULL});

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
    expect_signed(fixture);
}

Test(authorize, a_path_style_batch_reaches_the_host_in_host_style)
{
    static const char *const targets[] = {"/" ACCOUNT "?comp=batch", "/" ACCOUNT "/?comp=batch",
                                          "/" ACCOUNT "/c?restype=container&comp=batch"};

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct fixture *fixture = fixture_new(4, 2);
        struct client_request request;
        struct exchange *x = send_batch(fixture, &request, HOST, targets[i], BATCH("/" ACCOUNT "/c/b"));

        expect_batch_at_host(fixture, BATCH("/c/b"));
        finish(fixture, x);
    }
}

Test(authorize, a_host_style_batch_is_untouched)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x =
        send_batch(fixture, &request, ACCOUNT ".blob.localhost", "/?comp=batch", BATCH("/" ACCOUNT "/c/b"));

    expect_batch_at_host(fixture, BATCH("/" ACCOUNT "/c/b"));
    finish(fixture, x);
}

Test(authorize, a_batch_that_is_none_passes)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct client_request request;
    struct exchange *x = send_batch(fixture, &request, HOST, "/" ACCOUNT "?comp=batch", "nothing");

    expect_batch_at_host(fixture, "nothing");
    finish(fixture, x);
}

static struct exchange *begin_batch_of(struct fixture *fixture, const char *length, const char *more)
{
    struct exchange *x =
        fixture_request(fixture, "POST", "/" ACCOUNT "?comp=batch&sv=1&sig=a",
                        FIELDS(length, "Content-Type: multipart/mixed; boundary=b", "Expect: 100-continue", more));

    (void)exchange_begin(x, false);
    return x;
}

Test(authorize, a_batch_beyond_the_limits_is_refused)
{
    struct fixture *fixture = fixture_new(4, 2);
    struct exchange *x = begin_batch_of(fixture, "Content-Length: 4194305", "x-a: b");

    expect_refused(fixture, x, 413, "RequestBodyTooLarge");
    finish(fixture, x);
}

Test(authorize, a_batch_with_too_many_parts_or_a_digest_is_refused)
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
        expect_refused(fixture, x, 400, cases[i].code);
        finish(fixture, x);
    }
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
    finish(fixture, x);
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
