/* SPDX-License-Identifier: MIT */
/* Tests of azure/error: the table, the document, request ids. */
#include "../../src/lib/azure/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(azure_error, rows_have_a_status_a_code_and_a_message)
{
    for (int i = AZURE_OK + 1; i < AZURE_ERROR_COUNT; i++) {
        enum azure_error error = (enum azure_error)i;

        cr_expect(azure_error_status(error) >= 304 && azure_error_status(error) <= 599, "row %d", i);
        cr_expect_gt(strlen(azure_error_code(error)), 0);
        cr_expect_gt(strlen(azure_error_message(error)), 0);
        cr_expect_null(strpbrk(azure_error_code(error), " <>&"), "row %d", i);
    }
}

Test(azure_error, known_rows_are_as_documented)
{
    cr_expect_eq(azure_error_status(AZURE_BlobNotFound), 404);
    cr_expect_str_eq(azure_error_code(AZURE_BlobNotFound), "BlobNotFound");
    cr_expect_str_eq(azure_error_message(AZURE_BlobNotFound), "The specified blob does not exist.");
    cr_expect_eq(azure_error_status(AZURE_ServerBusy), 503);
    cr_expect_eq(azure_error_status(AZURE_OperationTimedOut), 500);
    cr_expect_str_eq(azure_error_code(AZURE_InvalidHost), "InvalidUri");
    cr_expect_eq(azure_error_status(AZURE_OK), 200);
}

Test(azure_error, a_number_outside_the_table_is_an_internal_error)
{
    cr_expect_eq(azure_error_status(AZURE_ERROR_COUNT), 500);
    cr_expect_str_eq(azure_error_code((enum azure_error) - 1), "InternalError");
}

Test(azure_error, document_carries_code_message_request_id_and_time)
{
    struct buf buf;

    buf_init(&buf, 4096);
    cr_assert_eq(azure_error_xml(&buf, AZURE_BlobNotFound, NULL, "id-1", 1769849377000000), 0);
    cr_expect_str_eq(buf.bytes,
                     "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>BlobNotFound</Code><Message>The specified blob "
                     "does not exist.\nRequestId:id-1\nTime:2026-01-31T08:49:37.0000000Z</Message></Error>");
    buf_free(&buf);
}

Test(azure_error, detail_is_the_second_sentence_and_is_escaped)
{
    struct buf buf;

    buf_init(&buf, 4096);
    cr_assert_eq(azure_error_xml(&buf, AZURE_InvalidInput, "a < b & \"c\".", "<id>", 0), 0);
    cr_expect_not_null(strstr(buf.bytes, "is not valid. a &lt; b &amp; &quot;c&quot;.\nRequestId:&lt;id&gt;\n"), "%s", buf.bytes);
    buf_free(&buf);
}

Test(azure_error, document_that_does_not_fit_is_enobufs)
{
    struct buf buf;

    buf_init(&buf, 60);
    cr_expect_eq(azure_error_xml(&buf, AZURE_InvalidInput, NULL, "id", 0), -ENOBUFS);
    buf_free(&buf);
}

Test(azure_error, guid_text_has_the_five_groups)
{
    static const uint8_t guid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                     0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    char text[AZURE_REQUEST_ID_BYTES];

    azure_guid_text(guid, text);
    cr_expect_str_eq(text, "01234567-89ab-cdef-fedc-ba9876543210");
}

Test(azure_error, random_guids_are_version_4_and_differ)
{
    uint8_t guids[64][16];

    for (size_t i = 0; i < 64; i++) {
        azure_guid_random(guids[i]);
        cr_expect_eq(guids[i][6] >> 4, 4);
        cr_expect_eq(guids[i][8] >> 6, 2);
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(memcmp(guids[i], guids[j], 16), 0);
    }
}
