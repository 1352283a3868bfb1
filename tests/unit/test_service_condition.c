/* SPDX-License-Identifier: MIT */
/* Conditional fields: every one against readers, writers and creators. */
#include "service_fixture.h"

static char etag[64];

static void set_up(void)
{
    service_set_up();
    make_container();
    clock_fake(1000000, 1893456000000000); /* Tue, 01 Jan 2030 00:00:00 GMT */
    cr_assert_eq(put_blob("/box/b", NULL, "x"), 201);
    strcpy(etag, field("ETag"));
}

TestSuite(service_condition, .init = set_up, .fini = service_tear_down, .timeout = 60);

#define NOW "Tue, 01 Jan 2030 00:00:00 GMT"
#define BEFORE "Mon, 31 Dec 2029 23:59:59 GMT"
#define AFTER "Tue, 01 Jan 2030 00:00:01 GMT"

/* %s stands for the current entity tag. Statuses: of reading, of changing metadata, of putting the blob anew. */
static const struct {
    const char *fields;
    unsigned read, change, put;
} cases[] = {
    {"", 200, 200, 201},
    {"If-Match: %s\r\n", 200, 200, 201},
    {"If-Match: *\r\n", 200, 200, 201},
    {"If-Match: \"0x8D0000000000000\"\r\n", 412, 412, 412},
    {"If-Match: \"0x1\", %s\r\n", 200, 200, 201},
    {"If-None-Match: %s\r\n", 304, 412, 412},
    {"If-None-Match: \"0x1\"\r\n", 200, 200, 201},
    {"If-None-Match: *\r\n", 304, 412, 409},
    {"If-Modified-Since: " NOW "\r\n", 304, 412, 412},
    {"If-Modified-Since: " BEFORE "\r\n", 200, 200, 201},
    {"If-Modified-Since: " AFTER "\r\n", 304, 412, 412},
    {"If-Unmodified-Since: " NOW "\r\n", 200, 200, 201},
    {"If-Unmodified-Since: " BEFORE "\r\n", 412, 412, 412},
    {"If-Unmodified-Since: " AFTER "\r\n", 200, 200, 201},
    {"If-Match: %s\r\nIf-Unmodified-Since: " BEFORE "\r\n", 200, 200, 201},
    {"If-None-Match: \"0x1\"\r\nIf-Modified-Since: " NOW "\r\n", 200, 200, 201},
    {"If-Match: \"0x1\"\r\nIf-None-Match: %s\r\n", 412, 412, 412},
    {"If-Modified-Since: yesterday\r\n", 400, 400, 400},
    {"x-ms-lease-id: 8a7c2d2c-0000-0000-0000-000000000000\r\n", 412, 412, 412},
};

static const char *expand(const char *fields)
{
    static char text[512];
    const char *mark = strstr(fields, "%s");

    if (mark)
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - fields), fields, etag, mark + 2);
    else
        (void)snprintf(text, sizeof(text), "%s", fields);
    return text;
}

Test(service_condition, readers_get_304_or_412)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ask("GET", "/box/b", expand(cases[i].fields)), cases[i].read, "%s: %u", cases[i].fields, fx.head.status);
        cr_expect_eq(ask("HEAD", "/box/b", expand(cases[i].fields)), cases[i].read, "%s: %u", cases[i].fields, fx.head.status);
        cr_expect_eq(ask("GET", "/box/b?comp=metadata", expand(cases[i].fields)), cases[i].read, "%s", cases[i].fields);
    }
}

static void put_anew(void)
{
    cr_assert_eq(put_blob("/box/b", NULL, "x"), 201);
    strcpy(etag, field("ETag"));
}

Test(service_condition, writers_get_412)
{
    static const char *const targets[] = {"/box/b?comp=metadata", "/box/b?comp=properties"};
    char fields[600];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
            put_anew();
            cr_expect_eq(ask("PUT", targets[t], expand(cases[i].fields)), cases[i].change, "%s: %u", cases[i].fields,
                         fx.head.status);
        }
        put_anew();
        cr_expect_eq(ask("PUT", "/box/b?comp=snapshot", expand(cases[i].fields)), cases[i].change == 200 ? 201 : cases[i].change,
                     "%s: %u", cases[i].fields, fx.head.status);
        put_anew();
        (void)snprintf(fields, sizeof(fields), "%sx-ms-delete-snapshots: include\r\n", expand(cases[i].fields));
        cr_expect_eq(ask("DELETE", "/box/b", fields), cases[i].change == 200 ? 202 : cases[i].change, "%s: %u", fields,
                     fx.head.status);
    }
}

Test(service_condition, creators_get_409_for_none_match_any)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_anew();
        cr_expect_eq(put_blob("/box/b", expand(cases[i].fields), "y"), cases[i].put, "%s: %u", cases[i].fields, fx.head.status);
        if (cases[i].put == 409)
            cr_expect_str_eq(code(), "BlobAlreadyExists");
    }
}

Test(service_condition, copies_name_the_side_that_failed)
{
    ask("PUT", "/box/copy", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\nx-ms-source-if-match: \"0x1\"\r\n");
    EXPECT(412, "SourceConditionNotMet");
    ask("PUT", "/box/copy", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\nx-ms-source-if-none-match: *\r\n");
    EXPECT(412, "SourceConditionNotMet");
    ask("PUT", "/box/copy",
        "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\nx-ms-source-if-unmodified-since: " BEFORE "\r\n");
    EXPECT(412, "SourceConditionNotMet");
    ask("PUT", "/box/copy", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\nIf-Match: \"0x1\"\r\n");
    EXPECT(412, "TargetConditionNotMet");
    cr_expect_eq(ask("PUT", "/box/copy", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\nIf-None-Match: *\r\n"),
                 202);
    ask("PUT", "/box/copy", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\nIf-None-Match: *\r\n");
    EXPECT(409, "BlobAlreadyExists");
}

Test(service_condition, match_on_an_absent_blob)
{
    put_blob("/box/absent", "If-Match: *\r\n", "x");
    EXPECT(412, "ConditionNotMet");
    ask("GET", "/box/absent", "If-Match: \"0x1\"\r\n");
    EXPECT(404, "BlobNotFound");
    cr_expect_eq(put_blob("/box/absent", "If-None-Match: *\r\n", "x"), 201);
}

Test(service_condition, not_modified_has_no_body_and_no_length)
{
    cr_assert_eq(ask("GET", "/box/b", expand("If-None-Match: %s\r\n")), 304);
    cr_expect_str_eq(field("Content-Length"), "");
    cr_expect_str_eq(field("ETag"), etag);
    cr_expect_str_eq(code(), "ConditionNotMet");
    cr_expect_eq(fx.response.body_bytes, 0);
}

Test(service_condition, lease_id_without_lease_has_its_own_code)
{
    ask("GET", "/box/b", "x-ms-lease-id: 8a7c2d2c-0000-0000-0000-000000000000\r\n");
    EXPECT(412, "LeaseNotPresentWithBlobOperation");
    put_blob("/box/new", "x-ms-lease-id: 8a7c2d2c-0000-0000-0000-000000000000\r\n", "x");
    EXPECT(412, "LeaseNotPresentWithBlobOperation");
}

Test(service_condition, unquoted_entity_tag_is_taken)
{
    char fields[128];

    (void)snprintf(fields, sizeof(fields), "If-Match: %.*s\r\n", (int)strlen(etag) - 2, etag + 1);
    cr_expect_eq(ask("GET", "/box/b", fields), 200);
}
