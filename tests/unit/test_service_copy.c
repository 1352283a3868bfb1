/* SPDX-License-Identifier: MIT */
/* Copies inside the store. */
#include "service_fixture.h"

#define SOURCE "x-ms-copy-source: http://" ACCOUNT ".blob.localhost:10000/box/a"

static void set_up(void)
{
    service_set_up();
    make_container();
    cr_assert_eq(put_blob("/box/a", "Content-Type: text/plain\r\nx-ms-meta-k: source\r\nx-ms-tags: t=1\r\n", "abc"), 201);
}

TestSuite(service_copy, .init = set_up, .fini = service_tear_down, .timeout = 60);

Test(service_copy, takes_contents_fields_and_metadata_but_no_tags)
{
    char id[64];

    cr_assert_eq(ask("PUT", "/box/b", SOURCE "\r\n"), 202);
    cr_expect_str_eq(field("x-ms-copy-status"), "success");
    strcpy(id, field("x-ms-copy-id"));
    cr_expect_eq(strlen(id), 36);
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(body(), "abc");
    cr_expect_str_eq(field("Content-Type"), "text/plain");
    cr_expect_str_eq(field("x-ms-meta-k"), "source");
    cr_expect_str_eq(field("x-ms-tag-count"), "");
    cr_expect_str_eq(field("x-ms-copy-id"), id);
    cr_expect_str_eq(field("x-ms-copy-progress"), "3/3");
    cr_expect_str_eq(field("x-ms-copy-source"), "http://" ACCOUNT ".blob.localhost:10000/box/a");
    cr_expect_neq(field("x-ms-copy-completion-time")[0], '\0');
}

Test(service_copy, metadata_and_tags_can_be_set_or_taken)
{
    cr_assert_eq(ask("PUT", "/box/b", SOURCE "\r\nx-ms-requires-sync: true\r\nx-ms-meta-k: mine\r\nx-ms-tags: a=1&b=2\r\n"), 202);
    cr_expect_neq(field("Content-MD5")[0], '\0');
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-meta-k"), "mine");
    cr_expect_str_eq(field("x-ms-tag-count"), "2");
    cr_assert_eq(ask("PUT", "/box/b", SOURCE "\r\nx-ms-requires-sync: true\r\nx-ms-copy-source-tag-option: COPY\r\n"), 202);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-tag-count"), "1");
}

Test(service_copy, source_may_be_path_style)
{
    cr_expect_eq(ask("PUT", "/box/b", "x-ms-copy-source: https://127.0.0.1:10000/" ACCOUNT "/box/a\r\n"), 202, "%s", body());
    cr_expect_eq(ask("PUT", "/box/b", "x-ms-copy-source: http://localhost/" ACCOUNT "/box/a\r\n"), 202);
}

Test(service_copy, source_may_be_a_snapshot)
{
    char fields[512], time_text[64];

    cr_assert_eq(ask("PUT", "/box/a?comp=snapshot", NULL), 201);
    strcpy(time_text, field("x-ms-snapshot"));
    cr_assert_eq(put_blob("/box/a", NULL, "newer"), 201);
    (void)snprintf(fields, sizeof(fields), SOURCE "?snapshot=%s\r\n", time_text);
    cr_assert_eq(ask("PUT", "/box/b", fields), 202, "%s", body());
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(body(), "abc");
    cr_expect_not_null(strstr(field("x-ms-copy-source"), time_text));
}

Test(service_copy, far_and_broken_sources)
{
    static const struct {
        const char *url;
        unsigned status;
        const char *code;
    } cases[] = {
        {"http://example.com/box/a", 501, "NotImplemented"},
        {"http://nobody.blob.localhost/box/a", 501, "NotImplemented"},
        {"http://10.0.0.1/devstoreaccount1/box/a", 501, "NotImplemented"},
        {"http://127.0.0.1/nobody/box/a", 501, "NotImplemented"},
        {"ftp://" ACCOUNT ".blob.localhost/box/a", 400, "InvalidHeaderValue"},
        {"/box/a", 400, "InvalidHeaderValue"},
        {"http://" ACCOUNT ".blob.localhost", 400, "InvalidHeaderValue"},
        {"http://" ACCOUNT ".blob.localhost/", 400, "InvalidHeaderValue"},
        {"http://" ACCOUNT ".blob.localhost/BOX/a", 400, "InvalidHeaderValue"},
        {"http://" ACCOUNT ".blob.localhost/box/%ff", 400, "InvalidHeaderValue"},
        {"http://" ACCOUNT ".blob.localhost/box/a?snapshot=now", 400, "InvalidHeaderValue"},
        {"http://" ACCOUNT ".blob.localhost/box/absent", 404, "BlobNotFound"},
        {"http://other.blob.localhost/box/a", 404, "CannotVerifyCopySource"},
        {"http://" ACCOUNT ".blob.localhost/box/a?sv=2020-12-06&sr=b&sp=r&se=2001-01-01&sig=AAAA", 403, "CannotVerifyCopySource"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char fields[512];

        (void)snprintf(fields, sizeof(fields), "x-ms-copy-source: %s\r\n", cases[i].url);
        cr_expect_eq(ask("PUT", "/box/b", fields), cases[i].status, "%s: %u %s", cases[i].url, fx.head.status, body());
        cr_expect_str_eq(code(), cases[i].code, "%s: %s", cases[i].url, code());
    }
}

Test(service_copy, md5_of_the_source_is_compared)
{
    cr_expect_eq(
        ask("PUT", "/box/b", SOURCE "\r\nx-ms-requires-sync: true\r\nx-ms-source-content-md5: kAFQmDzST7DWlj99KOF/cg==\r\n"),
        202);
    ask("PUT", "/box/b", SOURCE "\r\nx-ms-requires-sync: true\r\nx-ms-source-content-md5: XUFAKrxLKna5cZ2REBfFkg==\r\n");
    EXPECT(400, "Md5Mismatch");
}
