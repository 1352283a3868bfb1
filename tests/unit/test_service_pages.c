/* SPDX-License-Identifier: MIT */
/* Append blobs and page blobs. */
#include "service_fixture.h"

static void set_up(void)
{
    service_set_up();
    make_container();
}

TestSuite(service_pages, .init = set_up, .fini = service_tear_down, .timeout = 60);

static unsigned append(const char *fields, const char *text)
{
    return ask_body("PUT", "/box/log?comp=appendblock", fields, text, strlen(text));
}

static void make_append_blob(void)
{
    cr_assert_eq(ask("PUT", "/box/log", "x-ms-blob-type: AppendBlob\r\n"), 201);
}

Test(service_pages, appends_tell_where_they_went)
{
    make_append_blob();
    cr_assert_eq(append(NULL, "one"), 201);
    cr_expect_str_eq(field("x-ms-blob-append-offset"), "0");
    cr_expect_str_eq(field("x-ms-blob-committed-block-count"), "1");
    cr_assert_eq(append(NULL, "two"), 201);
    cr_expect_str_eq(field("x-ms-blob-append-offset"), "3");
    cr_assert_eq(ask("GET", "/box/log", NULL), 200);
    cr_expect_str_eq(body(), "onetwo");
    cr_expect_str_eq(field("x-ms-blob-type"), "AppendBlob");
    cr_expect_str_eq(field("x-ms-blob-committed-block-count"), "2");
    cr_expect_str_eq(field("x-ms-access-tier"), "");
}

Test(service_pages, append_position_and_size_are_conditions)
{
    make_append_blob();
    cr_assert_eq(append("x-ms-blob-condition-appendpos: 0\r\nx-ms-blob-condition-maxsize: 3\r\n", "one"), 201);
    append("x-ms-blob-condition-appendpos: 0\r\n", "two");
    EXPECT(412, "AppendPositionConditionNotMet");
    append("x-ms-blob-condition-maxsize: 5\r\n", "two");
    EXPECT(412, "MaxBlobSizeConditionNotMet");
    append("x-ms-blob-condition-maxsize: 1\r\n", "two");
    EXPECT(412, "MaxBlobSizeConditionNotMet");
    cr_expect_eq(append("x-ms-blob-condition-maxsize: 6\r\n", "two"), 201);
    append("x-ms-blob-condition-appendpos: -1\r\n", "two");
    EXPECT(400, "InvalidHeaderValue");
    append("If-Match: \"0x1\"\r\n", "two");
    EXPECT(412, "ConditionNotMet");
}

Test(service_pages, append_refuses_what_it_cannot_take)
{
    append(NULL, "x");
    EXPECT(404, "BlobNotFound");
    make_append_blob();
    append(NULL, "");
    EXPECT(400, "InvalidHeaderValue");
    append("Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", "hallo");
    EXPECT(400, "Md5Mismatch");
    cr_assert_eq(put_blob("/box/log", NULL, "block"), 201);
    append(NULL, "x");
    EXPECT(409, "InvalidBlobType");
    fx.is_without_length = true;
    append(NULL, "x");
    EXPECT(411, "MissingContentLengthHeader");
}

Test(service_pages, sealed_blob_takes_no_more)
{
    make_append_blob();
    ask("PUT", "/box/log?comp=seal", "x-ms-blob-condition-appendpos: 4\r\n");
    EXPECT(412, "AppendPositionConditionNotMet");
    cr_assert_eq(ask("PUT", "/box/log?comp=seal", NULL), 200);
    cr_expect_str_eq(field("x-ms-blob-sealed"), "true");
    append(NULL, "x");
    EXPECT(409, "BlobIsSealed");
    cr_assert_eq(ask("HEAD", "/box/log", NULL), 200);
    cr_expect_str_eq(field("x-ms-blob-sealed"), "true");
}

static void make_page_blob(void)
{
    cr_assert_eq(ask("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 4096\r\n"), 201);
}

static unsigned put_page(const char *fields, size_t bytes)
{
    static char text[2048];
    char all[512];

    memset(text, 'p', sizeof(text));
    (void)snprintf(all, sizeof(all), "x-ms-page-write: %s\r\n%s", bytes ? "update" : "clear", fields);
    return ask_body("PUT", "/box/disk?comp=page", all, text, bytes);
}

Test(service_pages, page_blob_begins_as_zeros)
{
    make_page_blob();
    cr_assert_eq(ask("GET", "/box/disk", "Range: bytes=0-3\r\n"), 206);
    cr_expect_eq(memcmp(fx.data, "\0\0\0\0", 4), 0);
    cr_expect_str_eq(field("x-ms-blob-sequence-number"), "0");
    cr_expect_str_eq(field("Content-Range"), "bytes 0-3/4096");
}

Test(service_pages, page_blob_needs_a_size_of_whole_pages)
{
    ask("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\n");
    EXPECT(400, "MissingRequiredHeader");
    ask("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 1000\r\n");
    EXPECT(400, "InvalidHeaderValue");
    ask("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 8796093022720\r\n");
    EXPECT(400, "InvalidHeaderValue");
    ask_body("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 512\r\n", "x", 1);
    EXPECT(400, "InvalidHeaderValue");
}

Test(service_pages, written_ranges_are_listed_and_cleared_ones_are_not)
{
    make_page_blob();
    cr_assert_eq(put_page("Range: bytes=512-1535\r\n", 1024), 201);
    cr_expect_str_eq(field("x-ms-blob-sequence-number"), "0");
    cr_assert_eq(put_page("x-ms-range: bytes=3072-3583\r\n", 512), 201);
    cr_assert_eq(ask("GET", "/box/disk?comp=pagelist", NULL), 200);
    cr_expect_not_null(strstr(body(), "<PageList><PageRange><Start>512</Start><End>1535</End></PageRange>"
                                      "<PageRange><Start>3072</Start><End>3583</End></PageRange></PageList>"),
                       "%s", body());
    cr_expect_str_eq(field("x-ms-blob-content-length"), "4096");
    cr_assert_eq(put_page("Range: bytes=512-1023\r\n", 0), 201);
    cr_assert_eq(ask("GET", "/box/disk?comp=pagelist", "Range: bytes=0-1535\r\n"), 200);
    cr_expect_not_null(strstr(body(), "<PageList><PageRange><Start>1024</Start><End>1535</End></PageRange></PageList>"), "%s",
                       body());
}

Test(service_pages, page_listing_goes_page_by_page)
{
    make_page_blob();
    cr_assert_eq(put_page("Range: bytes=0-511\r\n", 512), 201);
    cr_assert_eq(put_page("Range: bytes=1024-1535\r\n", 512), 201);
    cr_assert_eq(ask("GET", "/box/disk?comp=pagelist&maxresults=1", NULL), 200);
    cr_expect_eq(count_in_body("<PageRange>"), 1);
    cr_expect_str_eq(element("NextMarker"), "1024");
    cr_assert_eq(ask("GET", "/box/disk?comp=pagelist&maxresults=1&marker=1024", NULL), 200);
    cr_expect_str_eq(element("Start"), "1024");
    cr_expect_str_eq(element("NextMarker"), "");
    ask("GET", "/box/disk?comp=pagelist&maxresults=0", NULL);
    EXPECT(400, "InvalidQueryParameterValue");
    ask("GET", "/box/disk?comp=pagelist&prevsnapshot=2026-01-01T00:00:00.0000000Z", NULL);
    EXPECT(501, "NotImplemented");
}

Test(service_pages, page_ranges_are_checked)
{
    make_page_blob();
    put_page("", 512);
    EXPECT(400, "MissingRequiredHeader");
    put_page("Range: bytes=1-512\r\n", 512);
    EXPECT(416, "InvalidPageRange");
    put_page("Range: bytes=0-510\r\n", 511);
    EXPECT(416, "InvalidPageRange");
    put_page("Range: bytes=0-\r\n", 512);
    EXPECT(416, "InvalidPageRange");
    put_page("Range: bytes=0-1023\r\n", 512);
    EXPECT(400, "InvalidHeaderValue");
    put_page("Range: bytes=4096-4607\r\n", 512);
    EXPECT(416, "InvalidPageRange");
    put_page("Range: bytes=0-4194815\r\n", 512);
    EXPECT(413, "RequestBodyTooLarge");
    ask_body("PUT", "/box/disk?comp=page", "x-ms-page-write: clear\r\nRange: bytes=0-511\r\n", "x", 1);
    EXPECT(400, "InvalidHeaderValue");
}

Test(service_pages, sequence_number_conditions)
{
    static const struct {
        const char *fields;
        unsigned status;
    } cases[] = {
        {"x-ms-if-sequence-number-le: 5\r\n", 201}, {"x-ms-if-sequence-number-le: 4\r\n", 412},
        {"x-ms-if-sequence-number-lt: 6\r\n", 201}, {"x-ms-if-sequence-number-lt: 5\r\n", 412},
        {"x-ms-if-sequence-number-eq: 5\r\n", 201}, {"x-ms-if-sequence-number-eq: 6\r\n", 412},
        {"x-ms-if-sequence-number-eq: x\r\n", 400},
    };

    make_page_blob();
    cr_assert_eq(
        ask("PUT", "/box/disk?comp=properties", "x-ms-sequence-number-action: update\r\nx-ms-blob-sequence-number: 5\r\n"), 200);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[256];

        (void)snprintf(fields, sizeof(fields), "Range: bytes=0-511\r\n%s", cases[i].fields);
        cr_expect_eq(put_page(fields, 512), cases[i].status, "%s: %u", cases[i].fields, fx.head.status);
        if (cases[i].status == 412)
            cr_expect_str_eq(code(), "SequenceNumberConditionNotMet");
    }
}

Test(service_pages, sequence_number_actions)
{
    static const struct {
        const char *fields;
        unsigned status;
        const char *number;
    } cases[] = {
        {"x-ms-sequence-number-action: update\r\nx-ms-blob-sequence-number: 7\r\n", 200, "7"},
        {"x-ms-sequence-number-action: max\r\nx-ms-blob-sequence-number: 3\r\n", 200, "7"},
        {"x-ms-sequence-number-action: max\r\nx-ms-blob-sequence-number: 9\r\n", 200, "9"},
        {"x-ms-sequence-number-action: increment\r\n", 200, "10"},
        {"x-ms-sequence-number-action: increment\r\nx-ms-blob-sequence-number: 9\r\n", 400, ""},
        {"x-ms-sequence-number-action: update\r\n", 400, ""},
        {"x-ms-sequence-number-action: less\r\nx-ms-blob-sequence-number: 9\r\n", 400, ""},
        {"x-ms-blob-sequence-number: 9\r\n", 400, ""},
        {"x-ms-sequence-number-action: update\r\nx-ms-blob-sequence-number: 9223372036854775807\r\n", 200, "9223372036854775807"},
        {"x-ms-sequence-number-action: increment\r\n", 409, ""},
    };

    make_page_blob();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ask("PUT", "/box/disk?comp=properties", cases[i].fields), cases[i].status, "%s: %u", cases[i].fields,
                     fx.head.status);
        cr_expect_str_eq(field("x-ms-blob-sequence-number"), cases[i].number, "%s", cases[i].fields);
    }
    cr_expect_str_eq(code(), "SequenceNumberIncrementTooLarge");
}

Test(service_pages, resize_leaves_content_fields_alone)
{
    cr_assert_eq(ask("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 4096\r\nContent-Type: a/b\r\n"),
                 201);
    cr_assert_eq(put_page("Range: bytes=512-1535\r\n", 1024), 201);
    cr_assert_eq(ask("PUT", "/box/disk?comp=properties", "x-ms-blob-content-length: 1024\r\n"), 200);
    cr_assert_eq(ask("HEAD", "/box/disk", NULL), 200);
    cr_expect_str_eq(field("Content-Length"), "1024");
    cr_expect_str_eq(field("Content-Type"), "a/b");
    cr_assert_eq(ask("GET", "/box/disk?comp=pagelist", NULL), 200);
    cr_expect_str_eq(element("End"), "1023");
}
