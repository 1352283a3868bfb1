/* SPDX-License-Identifier: MIT */
/* Tests of batch: the requests inside a multipart body, byte for byte but for what has to change. */
#include "../../src/blobproxyd/batch.h"

#include "../../src/lib/azure/target.h"
#include "../../src/lib/sign/sharedkey.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DATE "Sat, 31 Jan 2026 08:49:37 GMT"
#define WALL_US 1769849377000000
#define BODY_MAX 65536
#define TYPE "multipart/mixed; boundary=batch_1"

static const struct account account = {.name = "acct",
                                       .keys = {[0] = {.bytes = {1, 2, 3}, .len = 3}, [1] = {.bytes = {9}, .len = 1}}};

/* Signature of a request without other fields than x-ms-date, over "/acct" and this path. */
static const char *signature_of(const char *method, const char *path, const char *query, size_t key)
{
    static char signatures[8][SHAREDKEY_SIGNATURE_BYTES];
    static unsigned next;
    struct head head = {.method = slice_of(method)};
    struct sharedkey_request request = {&head, "acct", slice_of(path), slice_of(query)};
    char *signature = signatures[next++ % 8];
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 65536);
    cr_assert_eq(head_add(&head, SLICE("x-ms-date"), SLICE(DATE)), 0);
    cr_assert_eq(sharedkey_string_to_sign(&request, SHAREDKEY_ORDER_CULTURE, &text), 0);
    sharedkey_sign(&account.keys[key], text.bytes, text.len, signature);
    return signature;
}

static int rewrite(const char *type, const struct account *keys, struct slice body, struct buf *ret_body)
{
    static struct head scratch;
    struct buf sign_text CLEANUP(buf_free);
    struct batch batch = {.content_type = slice_of(type),
                          .account = "acct",
                          .keys = keys,
                          .scratch = &scratch,
                          .sign_text = &sign_text,
                          .wall_us = WALL_US};

    buf_init(&sign_text, 65536);
    buf_init(ret_body, BODY_MAX);
    return batch_rewrite(body, &batch, ret_body);
}

static void expect_body(const char *type, const struct account *keys, const char *body, const char *expected)
{
    struct buf got CLEANUP(buf_free);

    cr_assert_eq(rewrite(type, keys, slice_of(body), &got), 0);
    cr_expect_str_eq(got.bytes, expected);
}

/* A body of one part as the SDKs write it: parameters are the request line's target and the end of the head. */
static void one_part(char text[2048], const char *target, const char *fields)
{
    snprintf(text, 2048,
             "--batch_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
             "DELETE %s HTTP/1.1\r\nx-ms-date: " DATE "\r\n%sContent-Length: 0\r\n\r\n\r\n--batch_1--\r\n",
             target, fields);
}

static void expect_part(const struct account *keys, const char *target, const char *fields, const char *new_target,
                        const char *new_fields)
{
    char before[2048], after[2048];

    one_part(before, target, fields);
    one_part(after, new_target, new_fields);
    expect_body(TYPE, keys, before, after);
}

static const char *authorization(const char *signature)
{
    static char fields[4][128];
    static unsigned next;
    char *text = fields[next++ % 4];

    snprintf(text, 128, "Authorization: SharedKey acct:%s\r\n", signature);
    return text;
}

Test(batch, a_right_signature_is_made_anew_over_the_new_path)
{
    expect_part(&account, "/acct/c/b%20x?snapshot=a%2Bb",
                authorization(signature_of("DELETE", "/acct/c/b%20x", "snapshot=a%2Bb", 0)), "/c/b%20x?snapshot=a%2Bb",
                authorization(signature_of("DELETE", "/c/b%20x", "snapshot=a%2Bb", 0)));
}

Test(batch, the_second_key_is_accepted_and_the_first_signs)
{
    expect_part(&account, "/acct/c/b", authorization(signature_of("DELETE", "/acct/c/b", "", 1)), "/c/b",
                authorization(signature_of("DELETE", "/c/b", "", 0)));
}

Test(batch, a_wrong_signature_stays_wrong_for_its_part_alone)
{
    const char *wrong = authorization(signature_of("DELETE", "/acct/c/other", "", 0));

    expect_part(&account, "/acct/c/b", wrong, "/c/b", wrong);
}

Test(batch, nothing_is_signed_without_a_key_or_with_two_authorizations)
{
    const char *right = authorization(signature_of("DELETE", "/acct/c/b", "", 0));
    char twice[512];

    expect_part(NULL, "/acct/c/b", right, "/c/b", right);
    snprintf(twice, sizeof(twice), "%s%s", right, right);
    expect_part(&account, "/acct/c/b", twice, "/c/b", twice);
}

Test(batch, an_old_date_is_not_made_new)
{
    struct buf got CLEANUP(buf_free), sign_text CLEANUP(buf_free);
    static struct head scratch;
    const char *right = authorization(signature_of("DELETE", "/acct/c/b", "", 0));
    struct batch batch = {.content_type = SLICE(TYPE),
                          .account = "acct",
                          .keys = &account,
                          .scratch = &scratch,
                          .sign_text = &sign_text,
                          .wall_us = WALL_US + 16 * 60 * INT64_C(1000000)};
    char before[2048], after[2048];

    buf_init(&got, BODY_MAX);
    buf_init(&sign_text, 65536);
    one_part(before, "/acct/c/b", right);
    one_part(after, "/c/b", right);
    cr_assert_eq(batch_rewrite(slice_of(before), &batch, &got), 0);
    cr_expect_str_eq(got.bytes, after);
}

Test(batch, of_sas_and_token_only_the_path_is_mapped)
{
    expect_part(&account, "/acct/c/b?sv=1&sig=a%2Bb", "", "/c/b?sv=1&sig=a%2Bb", "");
    expect_part(&account, "/acct/c/b", "Authorization: Bearer abc\r\n", "/c/b", "Authorization: Bearer abc\r\n");
    expect_part(&account, "/acct-secondary/c/b", "", "/c/b", "");
    expect_part(&account, "/acct", "", "/", "");
    expect_part(&account, "/acct?comp=x", "", "/?comp=x", "");
}

Test(batch, a_path_without_the_account_stays)
{
    const char *host_style = authorization(signature_of("DELETE", "/c/b", "", 0));
    static const char *const targets[] = {"/c/b", "/acct2/c/b", "/acc/c", "/acct-other/c", "/%61cct/c"};

    expect_part(&account, "/c/b", host_style, "/c/b", host_style);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        expect_part(&account, targets[i], "", targets[i], "");
}

Test(batch, every_part_is_taken_and_what_is_around_them_stays)
{
    expect_body("Multipart/Mixed; charset=x; BOUNDARY=\"a b\"", NULL,
                "preamble\r\n--a bx\r\n--a b  \r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n\r\n--a b\r\nX: y\r\n\r\n"
                "PUT /acct/c/2?comp=tier HTTP/1.1\r\nx-ms-access-tier: Cool\r\n\r\n\r\n--a b--\r\nepilogue /acct/c",
                "preamble\r\n--a bx\r\n--a b  \r\n\r\nDELETE /c/1 HTTP/1.1\r\n\r\n\r\n--a b\r\nX: y\r\n\r\n"
                "PUT /c/2?comp=tier HTTP/1.1\r\nx-ms-access-tier: Cool\r\n\r\n\r\n--a b--\r\nepilogue /acct/c");
}

Test(batch, the_length_of_a_part_follows_its_request)
{
    expect_body(TYPE, NULL, "--batch_1\r\nContent-Length:  29\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--",
                "--batch_1\r\nContent-Length:  24\r\n\r\nDELETE /c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--");
    expect_body(TYPE, NULL, "--batch_1\r\nContent-Length: 1x\r\n\r\nDELETE /c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--",
                "--batch_1\r\nContent-Length: 1x\r\n\r\nDELETE /c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--");
}

static void expect_refused(const char *type, const char *body)
{
    struct buf got CLEANUP(buf_free);

    cr_expect_eq(rewrite(type, &account, slice_of(body), &got), -EBADMSG, "%s: %s", type, body);
}

Test(batch, what_cannot_be_rewritten_is_refused)
{
    static const char *const bodies[] = {
        "",
        "--batch_1",
        "--batch_1\r\n",
        "--batch_1\r\n\r\n",
        "--batch_1\r\nno end",
        "--batch_1\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\nno end of the head",
        "--batch_1\r\n\r\nnonsense\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\nfield : x\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE http://127.0.0.1/acct/c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--",
        "--batch_1\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\n\r\n--batch_1--",
        "--batch_1\n\nDELETE /acct/c/1 HTTP/1.1\n\n\n--batch_1--",
        "--batch_1\r\nX: nested\r\n\r\n--b\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n--b--\r\n--batch_1--",
        "--batch_1\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n\r\n--batch_1\r\n\r\nnonsense\r\n\r\n--batch_1--",
        "nothing of a boundary /acct/c",
        "--batch_2\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n--batch_2--",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        expect_refused(TYPE, bodies[i]);
}

Test(batch, a_boundary_may_be_written_in_many_ways)
{
    static const char before[] = "--batch_1\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--";
    static const char after[] = "--batch_1\r\n\r\nDELETE /c/1 HTTP/1.1\r\n\r\n\r\n--batch_1--";

    expect_body("multipart/mixed; boundary= batch_1", NULL, before, after);
    expect_body("multipart/mixed;BOUNDARY = \"batch_1\"", NULL, before, after);
    expect_body("multipart/mixed; boundary=\"batch\\_1\"", NULL, before, after);
    expect_body("multipart/mixed; x=\"; boundary=y\"; boundary=batch_1;", NULL, before, after);
}

Test(batch, a_type_without_a_boundary_is_refused)
{
    static const char *const types[] = {
        "",
        "multipart/mixed",
        "multipart/mixed; boundary=",
        "multipart/mixed; boundary=\"a",
        "multipart/mixed; xboundary=a",
        "multipart/mixed; boundary=a; boundary=b",
        "multipart/mixed; boundary=\"a \"",
        "multipart/mixed; boundary=\"a\x80\"",
        "multipart/mixed; boundary=a234567890123456789012345678901234567890123456789012345678901234567890x"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct buf got CLEANUP(buf_free);

        cr_expect_eq(rewrite(types[i], &account, SLICE("--a--"), &got), -EBADMSG, "%s", types[i]);
    }
}

Test(batch, has_256_parts_and_no_more)
{
    static const char part[] = "--batch_1\r\n\r\nDELETE /acct/c/1 HTTP/1.1\r\n\r\n\r\n";
    struct buf body CLEANUP(buf_free), got CLEANUP(buf_free), more CLEANUP(buf_free);

    buf_init(&body, BODY_MAX);
    for (unsigned i = 0; i < BATCH_PARTS_MAX; i++)
        cr_assert_eq(buf_puts(&body, part), 0);
    cr_expect_eq(rewrite(TYPE, &account, (struct slice){body.bytes, body.len}, &got), 0);
    cr_expect_eq(got.len, body.len - BATCH_PARTS_MAX * strlen("/acct"));
    cr_assert_eq(buf_puts(&body, part), 0);
    cr_expect_eq(rewrite(TYPE, &account, (struct slice){body.bytes, body.len}, &more), -E2BIG);
}

Test(batch, what_does_not_fit_is_said)
{
    struct buf got CLEANUP(buf_free), sign_text CLEANUP(buf_free);
    static struct head scratch;
    struct batch batch = {
        .content_type = SLICE(TYPE), .account = "acct", .scratch = &scratch, .sign_text = &sign_text, .wall_us = WALL_US};
    char body[2048];

    buf_init(&got, 50);
    buf_init(&sign_text, 65536);
    one_part(body, "/acct/c/b", "");
    cr_expect_eq(batch_rewrite(slice_of(body), &batch, &got), -ENOBUFS);
}
