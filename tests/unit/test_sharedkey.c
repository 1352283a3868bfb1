/* SPDX-License-Identifier: MIT */
/* Tests of sign/sharedkey: signatures computed independently, and those that an unmodified SDK sent. */
#include "../../src/lib/sign/sharedkey.h"

#include "../../src/lib/azure/target.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
#define KEY_2 "c2Vjb25kIGtleQ=="
#define DATE "Sat, 31 Jan 2026 08:49:37 GMT"
#define WALL_US 1769849377000000

/* Heads as @azure/storage-blob 12.32 made them for the development account at that date. */
static const char *const sdk_heads[] = {
    "PUT /devstoreaccount1/c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "Content-Type: application/octet-stream\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "Content-Length: 5\r\n"
    "x-ms-meta-a_b: 1\r\n"
    "x-ms-meta-a-b: 2\r\n"
    "x-ms-meta-ab: 3\r\n"
    "x-ms-meta-a0: 4\r\n"
    "x-ms-meta-A1: x  y\r\n"
    "x-ms-meta-a.c: 7\r\n"
    "x-ms-blob-content-type: text/plain\r\n"
    "x-ms-blob-content-language: de\r\n"
    "x-ms-tags: k=v%20w\r\n"
    "x-ms-blob-type: BlockBlob\r\n"
    "x-ms-client-request-id: 4c6b6ba5-3836-45ce-a4bc-8197a150850f\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:AQoL66s4JZOvOnpjB2kRErJEyqaDskQDGwt5bJWhIhE=\r\n"
    "\r\n",
    "GET /devstoreaccount1/c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-range: bytes=3-12\r\n"
    "If-Match: \"0x8D\"\r\n"
    "x-ms-client-request-id: baba359a-207b-4f84-90af-bffc2a2e52b7\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:iQbUMhTcQm/RZv/2kZeS51/2vXswfnM0fOcV7Fu02Mg=\r\n"
    "\r\n",
    "HEAD /devstoreaccount1/c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: 57513db6-44bb-4472-b996-fea042e6d72b\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:0nM3FNVDrB7LS6RDz1a7u+iYRxH1CT7tqSspAhI/WxY=\r\n"
    "\r\n",
    "PUT /devstoreaccount1/c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt?comp=block&blockid=AAA%2B%2Fw%3D%3D HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "Content-Type: application/octet-stream\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "Content-Length: 4\r\n"
    "x-ms-client-request-id: 6e8958f6-b9d9-46ea-8668-d21372fae022\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:mPYXbuXiSs/2BLSVpuQJzvSnYpgAriyAt3N022/Jpf8=\r\n"
    "\r\n",
    "GET /devstoreaccount1/c1?comp=list&prefix=a%20b%2B%2F%C3%A9&maxresults=5&restype=container&include=metadata,tags "
    "HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: 52cb9d1a-6f93-4d40-87f4-b0b70ac67412\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:H0CPKfl9lC0xRiqJJfa7+amiQbRfbcalHfmfKNxqjV8=\r\n"
    "\r\n",
    "GET /devstoreaccount1/?comp=list&prefix=x HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: 5399e220-702e-4375-b214-f265da6032a3\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:XQokGkQbLNCByANhN3xvGbxH3xtHnuwCVeuVUM2gjns=\r\n"
    "\r\n",
    "PUT /devstoreaccount1/c1?restype=container HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: 1e338f43-4b9e-4ea1-a59c-4a4a77baff66\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:ht4JLE8/ZzRPJ9Hec6IQ9WasJUCZumJOaAD5vUtt384=\r\n"
    "\r\n",
    "DELETE /devstoreaccount1/c1?restype=container HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: b04a902b-4b23-40eb-b55b-635dbcad7f88\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:0vsYw0X0rPugS2z6eX8QZoF1WJHMq3g0N0+5dz6P1Rk=\r\n"
    "\r\n",
    "PUT /c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt HTTP/1.1\r\n"
    "Host: devstoreaccount1.blob.localhost:10000\r\n"
    "Content-Type: application/octet-stream\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "Content-Length: 5\r\n"
    "x-ms-meta-a_b: 1\r\n"
    "x-ms-meta-a-b: 2\r\n"
    "x-ms-meta-ab: 3\r\n"
    "x-ms-meta-a0: 4\r\n"
    "x-ms-meta-A1: x  y\r\n"
    "x-ms-meta-a.c: 7\r\n"
    "x-ms-blob-content-type: text/plain\r\n"
    "x-ms-blob-content-language: de\r\n"
    "x-ms-tags: k=v%20w\r\n"
    "x-ms-blob-type: BlockBlob\r\n"
    "x-ms-client-request-id: 12dc1b8e-bca2-4876-9122-1afe51c1703f\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:aWN8y3oDF64+if6F6By9d+ezJCWfLwXEuzSiQTQqiKk=\r\n"
    "\r\n",
    "PUT /c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt?comp=block&blockid=AAA%2B%2Fw%3D%3D HTTP/1.1\r\n"
    "Host: devstoreaccount1.blob.localhost:10000\r\n"
    "Content-Type: application/octet-stream\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "Content-Length: 4\r\n"
    "x-ms-client-request-id: 639092e9-9653-4763-86a4-acddb146c8de\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:JRh2m2sGRkV0gN6xgjraHGt4LXndTx8odpZyh9BWnNI=\r\n"
    "\r\n",
    "GET /c1?comp=list&prefix=a%20b%2B%2F%C3%A9&maxresults=5&restype=container&include=metadata,tags HTTP/1.1\r\n"
    "Host: devstoreaccount1.blob.localhost:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: 3a26946f-7797-44c1-af6f-7250854718f4\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:UsZ2CJSn80+kL6rlliXnJSIe6ix4ULdvsYf1XfbstFA=\r\n"
    "\r\n",
    "PUT /devstoreaccount1-secondary/c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "Content-Type: application/octet-stream\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "Content-Length: 5\r\n"
    "x-ms-meta-a_b: 1\r\n"
    "x-ms-meta-a-b: 2\r\n"
    "x-ms-meta-ab: 3\r\n"
    "x-ms-meta-a0: 4\r\n"
    "x-ms-meta-A1: x  y\r\n"
    "x-ms-meta-a.c: 7\r\n"
    "x-ms-blob-content-type: text/plain\r\n"
    "x-ms-blob-content-language: de\r\n"
    "x-ms-tags: k=v%20w\r\n"
    "x-ms-blob-type: BlockBlob\r\n"
    "x-ms-client-request-id: 8e9b9bf7-1f8f-47ea-8f00-581a5b24e48e\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:W6xL7DeKh483kEVwsrTbgFNNXbVrChNHAjzLussHV9o=\r\n"
    "\r\n",
    "GET /devstoreaccount1-secondary/c1/dir//a%20b%2Bc%27%252C(%C3%A9)~!.txt HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-range: bytes=3-12\r\n"
    "If-Match: \"0x8D\"\r\n"
    "x-ms-client-request-id: 926a6162-d33d-475d-8dcd-fef69f34a28c\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:K+cmCpFUIV57caXp4dI8Hiw7aV6TVjUEpK7Kab7zmdU=\r\n"
    "\r\n",
    "GET /devstoreaccount1-secondary/c1?comp=list&prefix=a%20b%2B%2F%C3%A9&maxresults=5&restype=container&include=metadata,tags "
    "HTTP/1.1\r\n"
    "Host: 127.0.0.1:10000\r\n"
    "x-ms-version: 2026-04-06\r\n"
    "x-ms-client-request-id: 27c4e72d-1fe7-48cc-9d4c-c4e2c5cce4fe\r\n"
    "x-ms-date: Sat, 31 Jan 2026 08:49:37 GMT\r\n"
    "Authorization: SharedKey devstoreaccount1:Px0xBvoT53uw/3npotwvBxo1G4WosY0J8K1Tk4Ru5cM=\r\n"
    "\r\n",
};

struct fixture {
    struct accounts *accounts;
    const struct account *account;
    struct head head;
    struct sharedkey_request request;
};

static void open_fixture(struct fixture *fixture)
{
    fixture->accounts = accounts_new();
    cr_assert_eq(accounts_add(fixture->accounts, "acct", KEY_1, NULL), 0);
    cr_assert_eq(accounts_add(fixture->accounts, "acct", KEY_2, NULL), 0);
    fixture->account = accounts_find(fixture->accounts, "acct");
}

/* text must outlive the request. */
static void read_request(struct fixture *fixture, const char *text)
{
    const char *question;

    cr_assert_eq(head_parse_request(text, strlen(text), &fixture->head), 0, "%s", text);
    question = memchr(fixture->head.target.bytes, '?', fixture->head.target.len);
    fixture->request = (struct sharedkey_request){.head = &fixture->head, .account = "acct", .path = fixture->head.target};
    if (question) {
        size_t path_len = (size_t)(question - fixture->head.target.bytes);

        fixture->request.path.len = path_len;
        fixture->request.query = (struct slice){question + 1, fixture->head.target.len - path_len - 1};
    }
}

static enum sharedkey_verdict verdict_at(const char *text, int64_t wall_us)
{
    struct fixture fixture;
    enum sharedkey_verdict verdict;

    open_fixture(&fixture);
    read_request(&fixture, text);
    verdict = sharedkey_verify(&fixture.request, (struct slice){NULL, 0}, fixture.account, wall_us);
    accounts_free(fixture.accounts);
    return verdict;
}

#define BASIC(signature)                                                                                                         \
    "GET /c/b HTTP/1.1\r\nHost: acct.blob.localhost\r\nx-ms-version: 2021-06-08\r\nx-ms-date: " DATE                             \
    "\r\nAuthorization: SharedKey acct:" signature "\r\n\r\n"
#define BASIC_SIGNATURE "85AnFEFG3P2Qbk09GLi8NxAavwp1XxlAJAc2qdI8k4I="

#define FULL(signature)                                                                                                          \
    "PUT /acct/c/b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\nContent-Language: de\r\nContent-Length: 5\r\n"       \
    "Content-MD5: bWQ1\r\nContent-Type: text/plain\r\nDate: not signed\r\nIf-Modified-Since: ims\r\nIf-Match: \"m\"\r\n"         \
    "If-None-Match: \"n\"\r\nIf-Unmodified-Since: ius\r\nRange: bytes=0-1\r\nx-ms-meta-a-b:   4 \r\nX-MS-Meta-A_B: 1\r\n"        \
    "x-ms-meta-ab: 3\r\nx-ms-meta-a0: 2\r\nx-ms-date: " DATE "\r\nAuthorization: SharedKey acct:" signature "\r\n\r\n"

#define LIST(query, signature)                                                                                                   \
    "GET /c?" query " HTTP/1.1\r\nHost: acct.blob.localhost\r\nx-ms-date: " DATE "\r\nAuthorization: SharedKey acct:" signature  \
    "\r\n\r\n"

Test(sharedkey, sign_gives_the_base64_hmac_of_the_text)
{
    struct fixture fixture;
    char signature[SHAREDKEY_SIGNATURE_BYTES];
    static const char text[] = "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" DATE "\nx-ms-version:2021-06-08\n/acct/c/b";

    open_fixture(&fixture);
    sharedkey_sign(&fixture.account->keys[0], text, sizeof(text) - 1, signature);
    cr_expect_str_eq(signature, BASIC_SIGNATURE);
    accounts_free(fixture.accounts);
}

static void expect_text(const char *request, enum sharedkey_order order, const char *expected)
{
    struct fixture fixture;
    struct buf text;

    buf_init(&text, 65536);
    open_fixture(&fixture);
    read_request(&fixture, request);
    cr_assert_eq(sharedkey_string_to_sign(&fixture.request, order, &text), 0);
    cr_expect_str_eq(text.bytes, expected);
    buf_free(&text);
    accounts_free(fixture.accounts);
}

Test(sharedkey, text_holds_the_standard_fields_in_order_and_leaves_out_date_beside_x_ms_date)
{
    expect_text(FULL("x"), SHAREDKEY_ORDER_CULTURE,
                "PUT\ngzip\nde\n5\nbWQ1\ntext/plain\n\nims\n\"m\"\n\"n\"\nius\nbytes=0-1\nx-ms-date:" DATE
                "\nx-ms-meta-a_b:1\nx-ms-meta-a0:2\nx-ms-meta-ab:3\nx-ms-meta-a-b:4\n/acct/acct/c/b");
}

Test(sharedkey, text_in_byte_order_differs_for_metadata_names)
{
    expect_text(FULL("x"), SHAREDKEY_ORDER_BYTES,
                "PUT\ngzip\nde\n5\nbWQ1\ntext/plain\n\nims\n\"m\"\n\"n\"\nius\nbytes=0-1\nx-ms-date:" DATE
                "\nx-ms-meta-a-b:4\nx-ms-meta-a0:2\nx-ms-meta-a_b:1\nx-ms-meta-ab:3\n/acct/acct/c/b");
}

Test(sharedkey, length_zero_is_signed_as_nothing_since_2015)
{
    expect_text("PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nx-ms-version: 2015-02-21\r\n\r\n", SHAREDKEY_ORDER_CULTURE,
                "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-version:2015-02-21\n/acct/c");
    expect_text("PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nx-ms-version: 2014-02-14\r\n\r\n", SHAREDKEY_ORDER_CULTURE,
                "PUT\n\n\n0\n\n\n\n\n\n\n\n\nx-ms-version:2014-02-14\n/acct/c");
}

Test(sharedkey, path_is_signed_as_encoded_and_query_as_decoded)
{
    expect_text("GET /c/a%2Cb//..?Prefix=%C3%a9%2f&comp=list&include=tags&INCLUDE=metadata&x HTTP/1.1\r\nHost: h\r\n\r\n",
                SHAREDKEY_ORDER_CULTURE,
                "GET\n\n\n\n\n\n\n\n\n\n\n\n/acct/c/a%2Cb//..\ncomp:list\ninclude:metadata,tags\nprefix:\xc3\xa9/\nx:");
}

Test(sharedkey, plus_in_a_query_is_signed_as_the_service_reads_it)
{
    expect_text("GET /c?prefix=a+b%2B HTTP/1.1\r\nHost: h\r\n\r\n", SHAREDKEY_ORDER_CULTURE,
                "GET\n\n\n\n\n\n\n\n\n\n\n\n/acct/c\nprefix:a b+");
}

Test(sharedkey, repeated_fields_become_one_line)
{
    expect_text("GET /c HTTP/1.1\r\nHost: h\r\nx-ms-b: 2\r\nX-Ms-A: 1\r\nx-ms-B: 1\r\n\r\n", SHAREDKEY_ORDER_CULTURE,
                "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-a:1\nx-ms-b:2,1\n/acct/c");
}

Test(sharedkey, query_that_does_not_decode_is_refused)
{
    struct fixture fixture;
    struct buf text;

    buf_init(&text, 65536);
    open_fixture(&fixture);
    read_request(&fixture, "GET /c?a=%4 HTTP/1.1\r\nHost: h\r\n\r\n");
    cr_expect_eq(sharedkey_string_to_sign(&fixture.request, SHAREDKEY_ORDER_CULTURE, &text), -EBADMSG);
    read_request(&fixture, "GET /c?%zz=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    cr_expect_eq(sharedkey_string_to_sign(&fixture.request, SHAREDKEY_ORDER_CULTURE, &text), -EBADMSG);
    buf_free(&text);
    accounts_free(fixture.accounts);
}

Test(sharedkey, text_longer_than_the_buffer_and_too_many_parameters_are_enobufs)
{
    struct fixture fixture;
    char query[2 * 129 + 1];
    struct buf text;

    buf_init(&text, 20);
    open_fixture(&fixture);
    read_request(&fixture, BASIC("x"));
    cr_expect_eq(sharedkey_string_to_sign(&fixture.request, SHAREDKEY_ORDER_CULTURE, &text), -ENOBUFS);
    buf_free(&text);
    buf_init(&text, 65536);
    for (size_t i = 0; i < 129; i++)
        memcpy(query + 2 * i, "a&", 3);
    fixture.request.query = slice_of(query);
    cr_expect_eq(sharedkey_string_to_sign(&fixture.request, SHAREDKEY_ORDER_CULTURE, &text), -ENOBUFS);
    fixture.request.query.len -= 2;
    cr_expect_eq(sharedkey_string_to_sign(&fixture.request, SHAREDKEY_ORDER_CULTURE, &text), 0);
    buf_free(&text);
    accounts_free(fixture.accounts);
}

Test(sharedkey, requests_of_the_sdk_verify)
{
    struct accounts *accounts = accounts_new();
    struct fixture fixture;

    cr_assert_eq(accounts_add_development(accounts, NULL), 0);
    for (size_t i = 0; i < sizeof(sdk_heads) / sizeof(sdk_heads[0]); i++) {
        enum sharedkey_verdict verdict;

        read_request(&fixture, sdk_heads[i]);
        fixture.request.account = "devstoreaccount1";
        verdict =
            sharedkey_verify(&fixture.request, (struct slice){NULL, 0}, accounts_find(accounts, "devstoreaccount1"), WALL_US);
        cr_expect_eq(verdict, SHAREDKEY_OK, "%d: %s", verdict, sdk_heads[i]);
    }
    accounts_free(accounts);
}

Test(sharedkey, text_in_culture_order_signs_as_the_sdk_does)
{
    struct accounts *accounts = accounts_new();
    struct fixture fixture;

    cr_assert_eq(accounts_add_development(accounts, NULL), 0);
    for (size_t i = 0; i < sizeof(sdk_heads) / sizeof(sdk_heads[0]); i++) {
        char signature[SHAREDKEY_SIGNATURE_BYTES];
        enum sharedkey_scheme scheme;
        struct slice account, sent;
        struct buf text;

        buf_init(&text, 65536);
        read_request(&fixture, sdk_heads[i]);
        fixture.request.account = "devstoreaccount1";
        cr_assert_eq(sharedkey_string_to_sign(&fixture.request, SHAREDKEY_ORDER_CULTURE, &text), 0);
        sharedkey_sign(&accounts_find(accounts, "devstoreaccount1")->keys[0], text.bytes, text.len, signature);
        cr_assert_eq(sharedkey_parse(head_value(&fixture.head, "Authorization"), &scheme, &account, &sent), 0);
        cr_expect(slice_equal(sent, slice_of(signature)), "%s", text.bytes);
        buf_free(&text);
    }
    accounts_free(accounts);
}

Test(sharedkey, either_key_verifies)
{
    cr_expect_eq(verdict_at(BASIC(BASIC_SIGNATURE), WALL_US), SHAREDKEY_OK);
    cr_expect_eq(verdict_at(BASIC("9H1BauvbECQkrMffagGr6duPmi7tySDxWsVMvRBT0ww="), WALL_US), SHAREDKEY_OK);
}

Test(sharedkey, either_order_verifies)
{
    cr_expect_eq(verdict_at(FULL("lyIxAYa36cxB+UCLCUb/pTYmJoe2OzvsNlkkvvVb2Zc="), WALL_US), SHAREDKEY_OK);
    cr_expect_eq(verdict_at(FULL("aF/kGJIwLk7ye1JSPesUjP7zQPoekoCNBqcDEfK55+o="), WALL_US), SHAREDKEY_OK);
}

Test(sharedkey, either_reading_of_plus_verifies)
{
    cr_expect_eq(
        verdict_at(LIST("comp=list&prefix=a+b&include=metadata,tags", "YPx1tYgcIPEccZbEvQJkHl71QH2y1kySGQZHQiXanHs="), WALL_US),
        SHAREDKEY_OK);
    cr_expect_eq(
        verdict_at(LIST("comp=list&prefix=a+b&include=metadata,tags", "mZZuZUZ7DtEISZvJaSo1szj+FoPDPvLlEVmrIAtRTmM="), WALL_US),
        SHAREDKEY_OK);
    cr_expect_eq(
        verdict_at(LIST("comp=list&prefix=a%2Bb&include=metadata,tags", "YPx1tYgcIPEccZbEvQJkHl71QH2y1kySGQZHQiXanHs="), WALL_US),
        SHAREDKEY_MISMATCH);
}

Test(sharedkey, date_field_serves_where_x_ms_date_is_absent)
{
    cr_expect_eq(verdict_at("GET /?comp=list HTTP/1.1\r\nHost: h\r\nDate: " DATE
                            "\r\nAuthorization: SharedKey acct:aoh13QS5axYIOEOLvw4iCEzvfgTfXDU46e4336KNraU=\r\n\r\n",
                            WALL_US),
                 SHAREDKEY_OK);
}

Test(sharedkey, the_lite_scheme_verifies_over_fewer_fields)
{
    static const char form[] =
        "PUT /c/b?%s HTTP/1.1\r\nHost: h\r\nContent-MD5: bWQ1\r\nContent-Type: text/plain\r\nContent-Length: "
        "5\r\nIf-Match: a\r\nx-ms-blob-type: %s\r\nx-ms-date: " DATE
        "\r\nAuthorization: %s acct:lZixCAIHiNkpUvpDI7nak7Kvwc8kZ6Z8Wj0AUXOu9Jo=\r\n\r\n";
    static const struct {
        const char *query, *type, *scheme;
        enum sharedkey_verdict verdict;
    } cases[] = {
        {"comp=metadata", "BlockBlob", "SharedKeyLite", SHAREDKEY_OK},
        {"timeout=30&COMP=metadat%61&a=b", "BlockBlob", "sharedkeylite", SHAREDKEY_OK},
        {"comp=tags", "BlockBlob", "SharedKeyLite", SHAREDKEY_MISMATCH},
        {"timeout=30", "BlockBlob", "SharedKeyLite", SHAREDKEY_MISMATCH},
        {"comp=metadata", "PageBlob", "SharedKeyLite", SHAREDKEY_MISMATCH},
        {"comp=metadata", "BlockBlob", "SharedKey", SHAREDKEY_MISMATCH},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[512];

        snprintf(request, sizeof(request), form, cases[i].query, cases[i].type, cases[i].scheme);
        cr_expect_eq(verdict_at(request, WALL_US), cases[i].verdict, "case %zu", i);
    }
    cr_expect_eq(verdict_at("GET /c/b HTTP/1.1\r\nHost: h\r\nDate: " DATE
                            "\r\nAuthorization: SharedKeyLite acct:wLNCZh0yAU09409K4CHI1kEu/EyvMphjqRcHHky2ruQ=\r\n\r\n",
                            WALL_US),
                 SHAREDKEY_OK);
}

Test(sharedkey, what_is_logged_of_a_text_holds_no_secret)
{
    static const char text[] =
        "PUT\n\n\nx-ms-copy-source:https://a.blob.localhost/c/b?sv=1&sig=U0VDUkVU%3D&x=y\n"
        "x-ms-copy-source-authorization:Bearer U0VDUkVU\nx-ms-encryption-key:U0VDUkVU\n"
        "x-ms-encryption-key-sha256:aGFzaA==\nx-ms-source-encryption-key:U0VDUkVU\n/acct/c/b\ncomp:x\nsig:U0VDUkVU";
    static const char shown[] =
        "PUT\n\n\nx-ms-copy-source:https://a.blob.localhost/c/b?sv=1&sig=redacted&x=y\n"
        "x-ms-copy-source-authorization:redacted\nx-ms-encryption-key:redacted\n"
        "x-ms-encryption-key-sha256:aGFzaA==\nx-ms-source-encryption-key:redacted\n/acct/c/b\ncomp:x\nsig:redacted";
    struct buf from CLEANUP(buf_free), to CLEANUP(buf_free);

    buf_init(&from, 4096);
    buf_init(&to, 4096);
    cr_assert_eq(buf_puts(&from, text), 0);
    sharedkey_redact(&from, &to);
    cr_expect_str_eq(to.bytes, shown);
}

Test(sharedkey, alternative_path_verifies_only_when_given)
{
    static const char form[] = "GET /acct-secondary/c/b HTTP/1.1\r\nHost: h\r\nx-ms-date: " DATE
                               "\r\nAuthorization: SharedKey acct:3dVZWihcvOg8PsRfotALP/Kd5m7vWi/304UZLUndEhs=\r\n\r\n";
    struct fixture fixture;

    open_fixture(&fixture);
    read_request(&fixture, form);
    cr_expect_eq(sharedkey_verify(&fixture.request, (struct slice){NULL, 0}, fixture.account, WALL_US), SHAREDKEY_MISMATCH);
    cr_expect_eq(sharedkey_verify(&fixture.request, SLICE("/acct/c/b"), fixture.account, WALL_US), SHAREDKEY_OK);
    accounts_free(fixture.accounts);
}

Test(sharedkey, any_change_of_the_request_is_a_mismatch)
{
    cr_expect_eq(verdict_at(BASIC("85AnFEFG3P2Qbk09GLi8NxAavwp1XxlAJAc2qdI8k4J="), WALL_US), SHAREDKEY_MISMATCH);
    cr_expect_eq(verdict_at(BASIC("85AnFEFG3P2Qbk09GLi8NxAavwp1XxlAJAc2qdI8k4I"), WALL_US), SHAREDKEY_MISMATCH);
    cr_expect_eq(verdict_at("HEAD /c/b HTTP/1.1\r\nHost: h\r\nx-ms-version: 2021-06-08\r\nx-ms-date: " DATE
                            "\r\nAuthorization: SharedKey acct:" BASIC_SIGNATURE "\r\n\r\n",
                            WALL_US),
                 SHAREDKEY_MISMATCH);
    cr_expect_eq(verdict_at("GET /c/b HTTP/1.1\r\nHost: h\r\nx-ms-version: 2021-06-08\r\nx-ms-date: " DATE
                            "\r\nRange: bytes=0-1\r\nAuthorization: SharedKey acct:" BASIC_SIGNATURE "\r\n\r\n",
                            WALL_US),
                 SHAREDKEY_MISMATCH);
}

Test(sharedkey, unknown_or_other_account_is_a_mismatch)
{
    struct fixture fixture;

    cr_expect_eq(verdict_at("GET /c/b HTTP/1.1\r\nHost: h\r\nx-ms-version: 2021-06-08\r\nx-ms-date: " DATE
                            "\r\nAuthorization: SharedKey other:" BASIC_SIGNATURE "\r\n\r\n",
                            WALL_US),
                 SHAREDKEY_MISMATCH);
    open_fixture(&fixture);
    read_request(&fixture, BASIC(BASIC_SIGNATURE));
    cr_expect_eq(sharedkey_verify(&fixture.request, (struct slice){NULL, 0}, NULL, WALL_US), SHAREDKEY_MISMATCH);
    fixture.request.account = "other";
    cr_expect_eq(sharedkey_verify(&fixture.request, (struct slice){NULL, 0}, fixture.account, WALL_US), SHAREDKEY_MISMATCH);
    accounts_free(fixture.accounts);
}

Test(sharedkey, date_may_be_fifteen_minutes_off_and_no_more)
{
    const int64_t skew_us = 900 * 1000000LL;

    cr_expect_eq(verdict_at(BASIC(BASIC_SIGNATURE), WALL_US + skew_us), SHAREDKEY_OK);
    cr_expect_eq(verdict_at(BASIC(BASIC_SIGNATURE), WALL_US - skew_us), SHAREDKEY_OK);
    cr_expect_eq(verdict_at(BASIC(BASIC_SIGNATURE), WALL_US + skew_us + 1), SHAREDKEY_SKEWED);
    cr_expect_eq(verdict_at(BASIC(BASIC_SIGNATURE), WALL_US - skew_us - 1), SHAREDKEY_SKEWED);
}

Test(sharedkey, missing_or_unreadable_date_or_authorization_is_malformed)
{
    cr_expect_eq(verdict_at("GET /c HTTP/1.1\r\nHost: h\r\nx-ms-date: " DATE "\r\n\r\n", WALL_US), SHAREDKEY_MALFORMED);
    cr_expect_eq(verdict_at("GET /c HTTP/1.1\r\nHost: h\r\nAuthorization: SharedKey acct:x\r\n\r\n", WALL_US),
                 SHAREDKEY_MALFORMED);
    cr_expect_eq(verdict_at("GET /c HTTP/1.1\r\nHost: h\r\nx-ms-date: now\r\nDate: " DATE
                            "\r\nAuthorization: SharedKey acct:x\r\n\r\n",
                            WALL_US),
                 SHAREDKEY_MALFORMED);
    cr_expect_eq(verdict_at("GET /c HTTP/1.1\r\nHost: h\r\nx-ms-date: " DATE "\r\nAuthorization: Bearer acct:x\r\n\r\n", WALL_US),
                 SHAREDKEY_MALFORMED);
}

Test(sharedkey, authorization_is_parsed)
{
    static const char *const wrong[] = {
        "", "SharedKey", "SharedKey ", "SharedKey a", "SharedKey :s", "SharedKey a:", "SharedKeyLites a:s", "Basic a:s"};
    enum sharedkey_scheme scheme;
    struct slice account, signature;

    cr_assert_eq(sharedkey_parse(SLICE("sharedkey  acct:s=:x"), &scheme, &account, &signature), 0);
    cr_expect_eq(scheme, SHAREDKEY_FULL);
    cr_expect(slice_equal(account, SLICE("acct")));
    cr_expect(slice_equal(signature, SLICE("s=:x")));
    cr_assert_eq(sharedkey_parse(SLICE("SharedKeyLite acct:s"), &scheme, &account, &signature), 0);
    cr_expect_eq(scheme, SHAREDKEY_LITE);
    cr_expect(slice_equal(signature, SLICE("s")));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect_eq(sharedkey_parse(slice_of(wrong[i]), &scheme, &account, &signature), -EINVAL, "%s", wrong[i]);
}

Test(sharedkey, names_sort_as_the_service_sorts_them)
{
    static const char *const sorted[] = {"x-ms-meta-.a",  "x-ms-meta-_a",   "x-ms-meta-0",   "x-ms-meta-a",  "x-ms-meta-a!",
                                         "x-ms-meta-a_b", "x-ms-meta-a0",   "x-ms-metaa-b",  "x-ms-meta-ab", "x-ms-meta-a'b",
                                         "x-ms-meta-a-b", "x-ms-meta-ab-c", "x-ms-meta-abd", "x-ms-meta-z"};

    for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++)
        for (size_t j = 0; j < sizeof(sorted) / sizeof(sorted[0]); j++) {
            int expected = (i > j) - (i < j);

            cr_expect_eq(sharedkey_compare_names(slice_of(sorted[i]), slice_of(sorted[j])), expected, "%s %s", sorted[i],
                         sorted[j]);
        }
    cr_expect_eq(sharedkey_compare_names(SLICE("X-Ms-Meta-A"), SLICE("x-ms-meta-a")), 0);
}
