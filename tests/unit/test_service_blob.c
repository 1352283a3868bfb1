/* SPDX-License-Identifier: MIT */
/* Blobs as a whole: putting, reading, ranges, properties, deleting, snapshots. */
#include "service_fixture.h"

static void set_up(void)
{
    service_set_up();
    make_container();
}

TestSuite(service_blob, .init = set_up, .fini = service_tear_down, .timeout = 60);

#define HELLO_MD5 "XUFAKrxLKna5cZ2REBfFkg==" /* of "hello" */

Test(service_blob, put_blob_answers_as_documented_and_stores_the_md5)
{
    cr_assert_eq(put_blob("/box/b", "Content-Type: text/plain\r\nx-ms-meta-k: v\r\n", "hello"), 201);
    cr_expect_str_eq(field("Content-MD5"), HELLO_MD5);
    cr_expect_str_eq(field("x-ms-request-server-encrypted"), "true");
    cr_expect_str_eq(field("Content-Length"), "0");
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(body(), "hello");
    cr_expect_str_eq(field("Content-MD5"), HELLO_MD5);
    cr_expect_str_eq(field("Content-Type"), "text/plain");
    cr_expect_str_eq(field("Content-Length"), "5");
    cr_expect_str_eq(field("x-ms-meta-k"), "v");
    cr_expect_str_eq(field("x-ms-blob-type"), "BlockBlob");
    cr_expect_str_eq(field("Accept-Ranges"), "bytes");
    cr_expect_str_eq(field("x-ms-server-encrypted"), "true");
    cr_expect_str_eq(field("x-ms-lease-status"), "unlocked");
    cr_expect_neq(field("x-ms-creation-time")[0], '\0');
    cr_expect_neq(field("Last-Modified")[0], '\0');
}

Test(service_blob, content_fields_prefer_the_blob_form)
{
    cr_assert_eq(put_blob("/box/b",
                          "Content-Type: text/plain\r\nx-ms-blob-content-type: image/png\r\nContent-Encoding: gzip\r\n"
                          "Content-Language: de\r\nCache-Control: no-store\r\nx-ms-blob-content-disposition: inline\r\n",
                          "x"),
                 201);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("Content-Type"), "image/png");
    cr_expect_str_eq(field("Content-Encoding"), "gzip");
    cr_expect_str_eq(field("Content-Language"), "de");
    cr_expect_str_eq(field("Cache-Control"), "no-store");
    cr_expect_str_eq(field("Content-Disposition"), "inline");
    cr_assert_eq(put_blob("/box/c", NULL, "x"), 201);
    cr_assert_eq(ask("HEAD", "/box/c", NULL), 200);
    cr_expect_str_eq(field("Content-Type"), "application/octet-stream");
}

Test(service_blob, body_spread_over_uneven_pieces_comes_back)
{
    static char text[10000];

    for (size_t i = 0; i + 1 < sizeof(text); i++)
        text[i] = (char)('a' + i % 23);
    cr_assert_eq(put_blob("/box/b", NULL, text), 201);
    memset(fx.data, 0, sizeof(text));
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(body(), text);
}

Test(service_blob, body_digests_are_verified)
{
    put_blob("/box/b", "Content-MD5: " HELLO_MD5 "\r\n", "hallo");
    EXPECT(400, "Md5Mismatch");
    put_blob("/box/b", "x-ms-blob-content-md5: " HELLO_MD5 "\r\n", "hallo");
    EXPECT(400, "Md5Mismatch");
    put_blob("/box/b", "Content-MD5: XUFAKrxLKna5cZ2R\r\n", "hello");
    EXPECT(400, "InvalidMd5");
    put_blob("/box/b", "Content-MD5: XUFA KrxLKna5cZ2REBfFkg==\r\n", "hello");
    EXPECT(400, "InvalidMd5");
    put_blob("/box/b", "x-ms-content-crc64: AAAAAAAAAAA=\r\n", "hello");
    EXPECT(400, "Crc64Mismatch");
    put_blob("/box/b", "x-ms-content-crc64: AAAA\r\n", "hello");
    EXPECT(400, "InvalidHeaderValue");
    put_blob("/box/b", "x-ms-content-crc64: AAAAAAAAAAA=\r\nContent-MD5: " HELLO_MD5 "\r\n", "hello");
    EXPECT(400, "BothCrc64AndMd5HeaderPresent");
    ask("GET", "/box/b", NULL);
    EXPECT(404, "BlobNotFound");
}

/* 0xAE8B14860A799888, least significant byte first. */
Test(service_blob, crc64_is_nvme_little_endian)
{
    cr_assert_eq(put_blob("/box/b", "x-ms-content-crc64: iJh5CoYUi64=\r\n", "123456789"), 201);
    cr_expect_str_eq(field("x-ms-content-crc64"), "iJh5CoYUi64=");
    cr_assert_eq(ask("GET", "/box/b", "x-ms-range: bytes=0-8\r\nx-ms-range-get-content-crc64: true\r\n"), 206);
    cr_expect_str_eq(field("x-ms-content-crc64"), "iJh5CoYUi64=");
}

Test(service_blob, range_table)
{
    static const struct {
        const char *fields;
        unsigned status;
        const char *body, *content_range;
    } cases[] = {
        {"Range: bytes=0-0\r\n", 206, "0", "bytes 0-0/10"},
        {"Range: bytes=2-5\r\n", 206, "2345", "bytes 2-5/10"},
        {"Range: bytes=7-\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=7-100\r\n", 206, "789", "bytes 7-9/10"},
        {"Range: bytes=0-18446744073709551616\r\n", 200, "0123456789", ""},
        {"x-ms-range: bytes=1-2\r\nRange: bytes=5-6\r\n", 206, "12", "bytes 1-2/10"},
        {"Range: bytes=-3\r\n", 200, "0123456789", ""},
        {"Range: bytes=5-3\r\n", 200, "0123456789", ""},
        {"Range: bytes=0-1,3-4\r\n", 200, "0123456789", ""},
        {"Range: lines=0-1\r\n", 200, "0123456789", ""},
        {"Range: bytes=\r\n", 200, "0123456789", ""},
        {"Range: bytes=-\r\n", 200, "0123456789", ""},
        {"Range: bytes=10-\r\n", 416, NULL, "bytes */10"},
        {"Range: bytes=10-12\r\n", 416, NULL, "bytes */10"},
    };

    cr_assert_eq(put_blob("/box/b", NULL, "0123456789"), 201);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ask("GET", "/box/b", cases[i].fields), cases[i].status, "%s: %u", cases[i].fields, fx.head.status);
        if (cases[i].body)
            cr_expect_str_eq(body(), cases[i].body, "%s: %s", cases[i].fields, body());
        else
            cr_expect_str_eq(code(), "InvalidRange");
        cr_expect_str_eq(field("Content-Range"), cases[i].content_range, "%s: %s", cases[i].fields, field("Content-Range"));
    }
}

Test(service_blob, ranges_move_the_md5_of_the_whole_to_its_own_field)
{
    cr_assert_eq(put_blob("/box/b", NULL, "hello"), 201);
    cr_assert_eq(ask("GET", "/box/b", "Range: bytes=0-1\r\n"), 206);
    cr_expect_str_eq(field("Content-MD5"), "");
    cr_expect_str_eq(field("x-ms-blob-content-md5"), HELLO_MD5);
    cr_assert_eq(ask("GET", "/box/b", "Range: bytes=0-9\r\nx-ms-range-get-content-md5: true\r\n"), 206);
    cr_expect_str_eq(field("Content-MD5"), HELLO_MD5);
}

Test(service_blob, digest_of_a_range_needs_one_of_at_most_4_mib)
{
    static char big[(4 << 20) + 2];

    fx.capacity = 8u << 20;
    memset(big, 'x', sizeof(big) - 1);
    cr_assert_eq(put_blob("/box/b", NULL, big), 201);
    ask("GET", "/box/b", "x-ms-range-get-content-md5: true\r\n");
    EXPECT(400, "InvalidHeaderValue");
    ask("GET", "/box/b", "Range: bytes=0-\r\nx-ms-range-get-content-md5: true\r\n");
    EXPECT(400, "OutOfRangeInput");
    ask("GET", "/box/b", "Range: bytes=0-9\r\nx-ms-range-get-content-md5: true\r\nx-ms-range-get-content-crc64: true\r\n");
    EXPECT(400, "InvalidInput");
    cr_expect_eq(ask("GET", "/box/b", "Range: bytes=1-\r\nx-ms-range-get-content-md5: true\r\n"), 206);
}

Test(service_blob, range_of_an_empty_blob_is_not_satisfiable)
{
    cr_assert_eq(put_blob("/box/b", NULL, ""), 201);
    ask("GET", "/box/b", "x-ms-range: bytes=0-33554431\r\n");
    EXPECT(416, "InvalidRange");
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(field("Content-Length"), "0");
}

Test(service_blob, answer_that_does_not_fit_tells_the_size_needed)
{
    cr_assert_eq(put_blob("/box/b", "x-ms-meta-k: v\r\n", "0123456789"), 201);
    fx.capacity = 9;
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect(fx.response.is_too_small);
    cr_expect_eq(fx.response.body_bytes, 0);
    cr_expect_str_eq(field("Content-Length"), "10");
    cr_expect_str_eq(field("x-ms-meta-k"), "v");
    cr_assert_eq(ask("GET", "/box/b", "Range: bytes=1-9\r\n"), 206);
    cr_expect_not(fx.response.is_too_small);
    cr_expect_str_eq(body(), "123456789");
    fx.capacity = 0;
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_not(fx.response.is_too_small);
    cr_expect_str_eq(field("Content-Length"), "10");
    cr_expect_eq(fx.response.body_bytes, 0);
}

Test(service_blob, put_needs_a_length)
{
    fx.is_without_length = true;
    put_blob("/box/b", NULL, "x");
    EXPECT(411, "MissingContentLengthHeader");
}

Test(service_blob, blob_in_absent_container)
{
    put_blob("/absent/b", NULL, "x");
    EXPECT(404, "ContainerNotFound");
    ask("GET", "/absent/b", NULL);
    EXPECT(404, "ContainerNotFound");
}

Test(service_blob, set_properties_clears_what_is_not_sent)
{
    char before[64];

    cr_assert_eq(put_blob("/box/b", "Content-Type: text/plain\r\nContent-Language: de\r\n", "hello"), 201);
    strcpy(before, field("ETag"));
    cr_assert_eq(ask("PUT", "/box/b?comp=properties", "x-ms-blob-content-language: fr\r\n"), 200);
    cr_expect_str_neq(field("ETag"), before);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("Content-Language"), "fr");
    cr_expect_str_eq(field("Content-Type"), "");
    cr_expect_str_eq(field("Content-MD5"), "");
}

Test(service_blob, set_properties_for_pages_refuses_other_blobs)
{
    cr_assert_eq(put_blob("/box/b", NULL, "hello"), 201);
    ask("PUT", "/box/b?comp=properties", "x-ms-blob-content-length: 1024\r\n");
    EXPECT(409, "InvalidBlobType");
    ask("PUT", "/box/b?comp=properties", "x-ms-blob-content-length: 1000\r\n");
    EXPECT(400, "InvalidHeaderValue");
}

Test(service_blob, set_metadata_replaces_all)
{
    cr_assert_eq(put_blob("/box/b", "x-ms-meta-a: 1\r\n", "x"), 201);
    cr_assert_eq(ask("PUT", "/box/b?comp=metadata", "x-ms-meta-b: 2\r\n"), 200);
    cr_assert_eq(ask("GET", "/box/b?comp=metadata", NULL), 200);
    cr_expect_str_eq(field("x-ms-meta-a"), "");
    cr_expect_str_eq(field("x-ms-meta-b"), "2");
    cr_expect_str_eq(field("Content-Length"), "0");
    ask("PUT", "/box/absent?comp=metadata", "x-ms-meta-b: 2\r\n");
    EXPECT(404, "BlobNotFound");
}

Test(service_blob, tier_is_inferred_until_set)
{
    char before[64];

    cr_assert_eq(put_blob("/box/b", NULL, "x"), 201);
    strcpy(before, field("ETag"));
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-access-tier"), "Hot");
    cr_expect_str_eq(field("x-ms-access-tier-inferred"), "true");
    cr_assert_eq(ask("PUT", "/box/b?comp=tier", "x-ms-access-tier: cool\r\n"), 200);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-access-tier"), "Cool");
    cr_expect_str_eq(field("x-ms-access-tier-inferred"), "");
    cr_expect_str_eq(field("ETag"), before);
    ask("PUT", "/box/b?comp=tier", NULL);
    EXPECT(400, "MissingRequiredHeader");
    ask("PUT", "/box/b?comp=tier", "x-ms-access-tier: Lukewarm\r\n");
    EXPECT(400, "InvalidHeaderValue");
    ask("PUT", "/box/b?comp=tier", "x-ms-access-tier: Archive\r\n");
    EXPECT(501, "NotImplemented");
}

Test(service_blob, tags_are_counted)
{
    cr_assert_eq(put_blob("/box/b", "x-ms-tags: a=1&b%20c=2\r\n", "x"), 201);
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-tag-count"), "2");
    put_blob("/box/b", "x-ms-tags: a=1&a=2\r\n", "x");
    EXPECT(400, "InvalidInput");
    put_blob("/box/b", "x-ms-tags: a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=\r\n", "x");
    EXPECT(400, "InvalidInput");
}

Test(service_blob, deletes_once)
{
    cr_assert_eq(put_blob("/box/b", NULL, "x"), 201);
    cr_assert_eq(ask("DELETE", "/box/b", NULL), 202);
    cr_expect_str_eq(field("x-ms-delete-type-permanent"), "true");
    ask("DELETE", "/box/b", NULL);
    EXPECT(404, "BlobNotFound");
}

static void snapshot_of(const char *target, const char *fields, char *ret_time)
{
    cr_assert_eq(ask("PUT", target, fields), 201, "%s", code());
    strcpy(ret_time, field("x-ms-snapshot"));
    cr_assert_eq(strlen(ret_time), CLOCK_ISO_BYTES - 1);
}

Test(service_blob, snapshot_keeps_the_old_contents)
{
    char time_text[64], target[128];

    cr_assert_eq(put_blob("/box/b", "x-ms-meta-k: old\r\n", "old"), 201);
    snapshot_of("/box/b?comp=snapshot", NULL, time_text);
    cr_assert_eq(put_blob("/box/b", NULL, "newer"), 201);
    (void)snprintf(target, sizeof(target), "/box/b?snapshot=%s", time_text);
    cr_assert_eq(ask("GET", target, NULL), 200);
    cr_expect_str_eq(body(), "old");
    cr_expect_str_eq(field("x-ms-meta-k"), "old");
    cr_expect_str_eq(field("x-ms-lease-state"), "");
    (void)snprintf(target, sizeof(target), "/box/b?snapshot=%.11s%%3A%s", time_text, "00");
    ask("GET", target, NULL);
    EXPECT(400, "InvalidQueryParameterValue");
    ask("GET", "/box/b?snapshot=2001-01-01T00:00:00.0000000Z", NULL);
    EXPECT(404, "BlobNotFound");
}

Test(service_blob, snapshot_takes_metadata_of_its_own)
{
    char time_text[64], target[128];

    cr_assert_eq(put_blob("/box/b", "x-ms-meta-k: base\r\n", "x"), 201);
    snapshot_of("/box/b?comp=snapshot", "x-ms-meta-k: mine\r\n", time_text);
    (void)snprintf(target, sizeof(target), "/box/b?comp=metadata&snapshot=%s", time_text);
    cr_assert_eq(ask("GET", target, NULL), 200);
    cr_expect_str_eq(field("x-ms-meta-k"), "mine");
}

Test(service_blob, writes_do_not_take_a_snapshot)
{
    cr_assert_eq(put_blob("/box/b", NULL, "x"), 201);
    ask("PUT", "/box/b?comp=metadata&snapshot=2001-01-01T00:00:00.0000000Z", NULL);
    EXPECT(400, "InvalidQueryParameterValue");
}

Test(service_blob, delete_with_snapshots_says_what_goes)
{
    char time_text[64], target[128];

    cr_assert_eq(put_blob("/box/b", NULL, "x"), 201);
    snapshot_of("/box/b?comp=snapshot", NULL, time_text);
    ask("DELETE", "/box/b", NULL);
    EXPECT(409, "SnapshotsPresent");
    ask("DELETE", "/box/b", "x-ms-delete-snapshots: some\r\n");
    EXPECT(400, "InvalidHeaderValue");
    (void)snprintf(target, sizeof(target), "/box/b?snapshot=%s", time_text);
    ask("DELETE", target, "x-ms-delete-snapshots: only\r\n");
    EXPECT(400, "InvalidHeaderValue");
    cr_expect_eq(ask("DELETE", "/box/b", "x-ms-delete-snapshots: only\r\n"), 202);
    ask("GET", target, NULL);
    EXPECT(404, "BlobNotFound");
    snapshot_of("/box/b?comp=snapshot", NULL, time_text);
    (void)snprintf(target, sizeof(target), "/box/b?snapshot=%s", time_text);
    cr_expect_eq(ask("DELETE", target, NULL), 202);
    snapshot_of("/box/b?comp=snapshot", NULL, time_text);
    cr_expect_eq(ask("DELETE", "/box/b", "x-ms-delete-snapshots: include\r\n"), 202);
    ask("GET", "/box/b", NULL);
    EXPECT(404, "BlobNotFound");
}
