/* SPDX-License-Identifier: MIT */
/* The service as a whole: answers' common fields, errors, names, containers. */
#include "service_fixture.h"

TestSuite(service, .init = service_set_up, .fini = service_tear_down, .timeout = 60);

Test(service, creates_container_with_metadata_and_tells_it_again)
{
    cr_assert_eq(ask("PUT", "/box?restype=container", "x-ms-meta-Color: Blue\r\n"), 201);
    cr_expect_eq(strncmp(field("ETag"), "\"0x8D", 5), 0, "%s", field("ETag"));
    cr_assert_eq(ask("GET", "/box?restype=container", NULL), 200);
    cr_expect_str_eq(field("x-ms-meta-Color"), "Blue");
    cr_expect_str_eq(field("x-ms-lease-state"), "available");
    cr_expect_not_null(strstr(fx.response.head.bytes, "x-ms-meta-Color: Blue"), "case of the name is kept");
    cr_assert_eq(ask("HEAD", "/box?restype=container&comp=metadata", NULL), 200);
    cr_expect_str_eq(field("x-ms-meta-Color"), "Blue");
    cr_expect_str_eq(field("x-ms-lease-state"), "");
}

Test(service, refuses_container_that_exists)
{
    make_container();
    ask("PUT", "/box?restype=container", NULL);
    EXPECT(409, "ContainerAlreadyExists");
}

Test(service, refuses_unknown_public_access)
{
    ask("PUT", "/box?restype=container", "x-ms-blob-public-access: everybody\r\n");
    EXPECT(400, "InvalidHeaderValue");
}

Test(service, replaces_container_metadata)
{
    make_container();
    cr_assert_eq(ask("PUT", "/box?restype=container&comp=metadata", "x-ms-meta-a: 1\r\n"), 200);
    cr_assert_eq(ask("PUT", "/box?restype=container&comp=metadata", "x-ms-meta-b: 2\r\n"), 200);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=metadata", NULL), 200);
    cr_expect_str_eq(field("x-ms-meta-a"), "");
    cr_expect_str_eq(field("x-ms-meta-b"), "2");
}

Test(service, deletes_container_under_its_condition_only)
{
    make_container();
    ask("DELETE", "/box?restype=container", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n");
    EXPECT(412, "ConditionNotMet");
    cr_assert_eq(ask("DELETE", "/box?restype=container", NULL), 202);
    ask("GET", "/box?restype=container", NULL);
    EXPECT(404, "ContainerNotFound");
}

Test(service, tells_public_access_and_no_stored_policies)
{
    cr_assert_eq(ask("PUT", "/box?restype=container", "x-ms-blob-public-access: blob\r\n"), 201);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=acl", NULL), 200);
    cr_expect_str_eq(field("x-ms-blob-public-access"), "blob");
    cr_expect_not_null(strstr(body(), "<SignedIdentifiers />"));
}

Test(service, refuses_lease_id_on_container_without_lease)
{
    make_container();
    ask("GET", "/box?restype=container", "x-ms-lease-id: 8a7c2d2c-0000-0000-0000-000000000000\r\n");
    EXPECT(412, "LeaseNotPresentWithContainerOperation");
    ask("GET", "/box?restype=container&comp=list", "x-ms-lease-id: 8a7c2d2c-0000-0000-0000-000000000000\r\n");
    EXPECT(412, "LeaseNotPresentWithContainerOperation");
}

Test(service, answers_carry_the_common_fields)
{
    cr_assert_eq(ask("GET", "/?restype=account&comp=properties", "x-ms-version: 2026-04-06\r\nx-ms-client-request-id: mine\r\n"),
                 200);
    cr_expect_str_eq(field("x-ms-version"), "2026-04-06");
    cr_expect_str_eq(field("x-ms-client-request-id"), "mine");
    cr_expect_str_eq(field("x-ms-request-id"), "01020304-0506-0708-090a-0b0c0d0e0f10");
    cr_expect_str_eq(field("Server"), "blobhostd/0.1");
    cr_expect_str_eq(field("x-ms-account-kind"), "StorageV2");
    cr_expect_str_eq(field("Content-Length"), "0");
    cr_expect_neq(field("Date")[0], '\0');
}

Test(service, client_request_id_above_1_kib_and_odd_version_are_not_echoed)
{
    char fields[1200];

    (void)snprintf(fields, sizeof(fields), "x-ms-version: nonsense\r\nx-ms-client-request-id: %01025d\r\n", 7);
    cr_assert_eq(ask("GET", "/?restype=account&comp=properties", fields), 200);
    cr_expect_str_eq(field("x-ms-client-request-id"), "");
    cr_expect_str_eq(field("x-ms-version"), "2023-11-03");
}

Test(service, unsupported_operation_names_its_title_and_the_way_out)
{
    make_container();
    ask("PUT", "/box/b?comp=legalhold", "x-ms-legal-hold: true\r\n");
    EXPECT(501, "NotImplemented");
    cr_expect_not_null(strstr(body(), "Set Blob Legal Hold is not in the embedded store; blobhostd --backend URL carries it."), "%s",
                       body());
}

Test(service, unknown_operation_is_not_implemented)
{
    ask("POST", "/box/b?comp=marvel", NULL);
    EXPECT(501, "NotImplemented");
}

Test(service, put_without_what_tells_its_kind_names_the_missing_field)
{
    ask("PUT", "/box/b", NULL);
    EXPECT(400, "MissingRequiredHeader");
    cr_expect_not_null(strstr(body(), "x-ms-blob-type"));
    ask("PUT", "/box/b?comp=page", NULL);
    EXPECT(400, "MissingRequiredHeader");
    cr_expect_not_null(strstr(body(), "x-ms-page-write"));
}

Test(service, passed_deadline_executes_nothing)
{
    clock_fake(5000000, clock_wall_us());
    fx.deadline_us = 4999999;
    ask("PUT", "/box?restype=container", NULL);
    cr_expect_eq(fx.done_status, 0x80070102u);
    fx.deadline_us = 5000000;
    cr_assert_eq(ask("GET", "/box?restype=container", NULL), 404);
    cr_expect_eq(fx.done_status, 0);
    clock_real();
}

Test(service, error_body_that_does_not_fit_is_left_out)
{
    fx.capacity = 0;
    ask("GET", "/box?restype=container", NULL);
    EXPECT(404, "ContainerNotFound");
    cr_expect_str_eq(field("Content-Length"), "0");
    cr_expect_eq(fx.response.body_bytes, 0);
    cr_expect_not(fx.response.is_too_small);
}

Test(service, head_error_has_length_but_no_body)
{
    make_container();
    ask("HEAD", "/box/absent", NULL);
    EXPECT(404, "BlobNotFound");
    cr_expect_eq(fx.response.body_bytes, 0);
    cr_expect_neq(field("Content-Length")[0], '\0');
}

Test(service, refuses_names_outside_the_documented_form)
{
    static const struct {
        const char *target, *code;
    } cases[] = {
        {"/Box?restype=container", "InvalidResourceName"},
        {"/bo?restype=container", "InvalidResourceName"},
        {"/-box?restype=container", "InvalidResourceName"},
        {"/box-?restype=container", "InvalidResourceName"},
        {"/b--x?restype=container", "InvalidResourceName"},
        {"/b_x?restype=container", "InvalidResourceName"},
        {"/box%ff?restype=container", "InvalidUri"},
        {"/box%2?restype=container", "InvalidUri"},
        {"/a12345678901234567890123456789012345678901234567890123456789012b?restype=container", "InvalidResourceName"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ask("PUT", cases[i].target, NULL), 400, "%s", cases[i].target);
        cr_expect_str_eq(code(), cases[i].code, "%s: %s", cases[i].target, code());
    }
}

Test(service, takes_the_longest_container_name_and_the_special_ones)
{
    cr_expect_eq(ask("PUT", "/a1234567890123456789012345678901234567890123456789012345678901b?restype=container", NULL), 201);
    cr_expect_eq(ask("PUT", "/$root?restype=container", NULL), 201);
    cr_expect_eq(ask("PUT", "/%24web?restype=container", NULL), 201);
    cr_expect_eq(ask("PUT", "/$logs?restype=container", NULL), 201);
}

Test(service, blob_name_of_1024_characters_is_the_longest)
{
    char target[8192] = "/box/";

    make_container();
    for (int i = 0; i < 1024; i++)
        strcat(target, "%C3%A4");
    cr_expect_eq(put_blob(target, NULL, "x"), 201, "%s", code());
    strcat(target, "a");
    put_blob(target, NULL, "x");
    EXPECT(400, "InvalidResourceName");
}

Test(service, names_are_decoded_once_and_never_normalised)
{
    static const char *const targets[] = {"/box/a//b",    "/box/a/b",    "/box/./a/b",  "/box/..%2Fx",
                                          "/box/a%252Fb", "/box/trail.", "/box/trail/", "/box/%F0%9F%98%80"};

    make_container();
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        cr_expect_eq(put_blob(targets[i], NULL, targets[i]), 201, "%s", targets[i]);
    }
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        cr_expect_eq(ask("GET", targets[i], NULL), 200, "%s", targets[i]);
        cr_expect_str_eq(body(), targets[i]);
    }
    cr_assert_eq(put_blob("/box/p+q", NULL, "plus"), 201);
    cr_assert_eq(ask("GET", "/box/p%2Bq", NULL), 200);
    cr_expect_str_eq(body(), "plus");
}

Test(service, single_segment_is_a_blob_in_the_root_container)
{
    cr_assert_eq(ask("PUT", "/$root?restype=container", NULL), 201);
    cr_assert_eq(put_blob("/readme.txt", NULL, "root"), 201);
    cr_assert_eq(ask("GET", "/$root/readme.txt", NULL), 200);
    cr_expect_str_eq(body(), "root");
}

Test(service, metadata_table)
{
    static const struct {
        const char *fields, *code;
    } cases[] = {
        {"x-ms-meta-: v\r\n", "EmptyMetadataKey"},
        {"x-ms-meta-1a: v\r\n", "InvalidMetadata"},
        {"x-ms-meta-a-b: v\r\n", "InvalidMetadata"},
        {"x-ms-meta-a: 1\r\nx-ms-meta-A: 2\r\n", "InvalidMetadata"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ask("PUT", "/box?restype=container", cases[i].fields), 400, "%s", cases[i].fields);
        cr_expect_str_eq(code(), cases[i].code, "%s: %s", cases[i].fields, code());
    }
    cr_expect_eq(ask("PUT", "/box?restype=container", "x-ms-meta-_a1: \r\n"), 201);
}

Test(service, metadata_of_8_kib_is_the_most)
{
    static char fields[9000];

    (void)snprintf(fields, sizeof(fields), "x-ms-meta-ab: %08190d\r\n", 1);
    cr_expect_eq(ask("PUT", "/box?restype=container", fields), 201, "%s", code());
    cr_expect_eq(ask("GET", "/box?restype=container", NULL), 200);
    (void)snprintf(fields, sizeof(fields), "x-ms-meta-ab: %08191d\r\n", 1);
    ask("PUT", "/box2?restype=container", fields);
    EXPECT(400, "MetadataTooLarge");
}

Test(service, refuses_hosts_that_name_no_account_of_its_own)
{
    static const char *const hosts[] = {"nobody.blob.localhost", "localhost", "127.0.0.1:10000", "devstoreaccount1"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        fx.host = hosts[i];
        cr_expect_eq(ask("GET", "/box?restype=container", NULL), 400, "%s", hosts[i]);
        cr_expect_str_eq(code(), "InvalidUri");
    }
    fx.host = "DevStoreAccount1.blob.core.windows.net:443";
    cr_expect_eq(ask("GET", "/box?restype=container", NULL), 404);
}

Test(service, body_of_another_length_than_announced_is_refused)
{
    make_container();
    ask_body("PUT", "/box/b", "x-ms-blob-type: BlockBlob\r\nContent-Length: 3\r\n", "four", 4);
    EXPECT(400, "InvalidInput");
}

Test(service, fields_that_would_be_dropped_silently_are_refused)
{
    make_container();
    put_blob("/box/b", "x-ms-structured-body: XSM/1.0; properties=crc64\r\n", "x");
    EXPECT(501, "NotImplemented");
    put_blob("/box/b", "x-ms-encryption-key: AAAA\r\n", "x");
    EXPECT(501, "NotImplemented");
    put_blob("/box/b", "x-ms-if-tags: \"a\"='b'\r\n", "x");
    EXPECT(501, "NotImplemented");
    ask("GET", "/box/b?versionid=2026-01-01T00:00:00.0000000Z", NULL);
    EXPECT(501, "NotImplemented");
}
