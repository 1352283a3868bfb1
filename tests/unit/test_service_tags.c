/* SPDX-License-Identifier: MIT */
/* Tags of blobs as documents of their own. */
#include "service_fixture.h"

static void set_up(void)
{
    service_set_up();
    make_container();
    cr_assert_eq(put_blob("/box/b", "x-ms-tags: a=1&b%20c=2\r\n", "x"), 201);
}

TestSuite(service_tags, .init = set_up, .fini = service_tear_down, .timeout = 60);

#define TAG(key, value) "<Tag><Key>" key "</Key><Value>" value "</Value></Tag>"
#define TAGS(tags) "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet>" tags "</TagSet></Tags>"

static unsigned set_tags(const char *fields, const char *xml)
{
    return ask_body("PUT", "/box/b?comp=tags", fields, xml, strlen(xml));
}

Test(service_tags, those_of_put_blob_are_read)
{
    cr_assert_eq(ask("GET", "/box/b?comp=tags", NULL), 200);
    cr_expect_str_eq(field("Content-Type"), "application/xml");
    cr_expect_str_eq(body(), TAGS(TAG("a", "1") TAG("b c", "2")));
}

Test(service_tags, setting_replaces_them_and_leaves_the_etag)
{
    char etag[64];

    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    (void)snprintf(etag, sizeof(etag), "%s", field("ETag"));
    cr_assert_eq(set_tags(NULL, "<Tags>\n <TagSet>\n  " TAG("x &amp; y", "&lt;1&gt;") "\n  " TAG("empty", "") "</TagSet></Tags>"),
                 204);
    cr_expect_str_eq(field("Content-Length"), "");
    cr_assert_eq(ask("GET", "/box/b?comp=tags", NULL), 200);
    cr_expect_str_eq(body(), TAGS(TAG("x &amp; y", "&lt;1&gt;") TAG("empty", "")));
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-tag-count"), "2");
    cr_expect_str_eq(field("ETag"), etag);
    cr_assert_eq(set_tags(NULL, TAGS("")), 204);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-tag-count"), "");
}

Test(service_tags, a_snapshot_keeps_its_own)
{
    char target[256];

    cr_assert_eq(ask("PUT", "/box/b?comp=snapshot", NULL), 201);
    (void)snprintf(target, sizeof(target), "/box/b?comp=tags&snapshot=%s", field("x-ms-snapshot"));
    cr_assert_eq(set_tags(NULL, TAGS(TAG("new", "1"))), 204);
    cr_assert_eq(ask("GET", target, NULL), 200);
    cr_expect_str_eq(body(), TAGS(TAG("a", "1") TAG("b c", "2")));
}

static const struct refused {
    const char *xml;
    const char *code;
} refused[] = {
    {"", "InvalidXmlDocument"},
    {"<Tags><TagSet>", "InvalidXmlDocument"},
    {"<Tag><Key>a</Key><Value>1</Value></Tag>", "InvalidXmlDocument"},
    {"<Tags><TagSet><Tag><Key>a</Key></Tag></TagSet></Tags>", "InvalidXmlDocument"},
    {"<Tags><TagSet><Tag><Key>a</Key><Key>b</Key><Value>1</Value></Tag></TagSet></Tags>", "InvalidXmlDocument"},
    {"<Tags><TagSet><Tag><Key>a<b/></Key><Value>1</Value></Tag></TagSet></Tags>", "InvalidXmlDocument"},
    {"<Tags><TagSet>text</TagSet></Tags>", "InvalidXmlDocument"},
    {"<!DOCTYPE Tags [<!ENTITY e \"v\">]>"
     "<Tags><TagSet><Tag><Key>a</Key><Value>&e;</Value></Tag></TagSet></Tags>",
     "InvalidXmlDocument"},
    {TAGS(TAG("", "1")), "InvalidInput"},
    {TAGS(TAG("a", "1") TAG("a", "2")), "InvalidInput"},
    {TAGS(TAG("a", "") TAG("b", "") TAG("c", "") TAG("d", "") TAG("e", "") TAG("f", "") TAG("g", "") TAG("h", "") TAG("i", "")
              TAG("j", "") TAG("k", "")),
     "InvalidInput"},
};

Test(service_tags, malformed_documents_change_nothing)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        set_tags(NULL, refused[i].xml);
        cr_expect(fx.head.status == 400 && strcmp(code(), refused[i].code) == 0, "row %zu: %u %s", i, fx.head.status, code());
    }
    cr_assert_eq(ask("GET", "/box/b?comp=tags", NULL), 200);
    cr_expect_str_eq(body(), TAGS(TAG("a", "1") TAG("b c", "2")));
}

Test(service_tags, a_value_may_have_256_characters_and_no_more)
{
    char xml[1024];

    (void)snprintf(xml, sizeof(xml), TAGS(TAG("k", "%0256d")), 1);
    cr_expect_eq(set_tags(NULL, xml), 204);
    (void)snprintf(xml, sizeof(xml), TAGS(TAG("k", "%0257d")), 1);
    set_tags(NULL, xml);
    EXPECT(400, "InvalidInput");
}

Test(service_tags, a_missing_blob_a_wrong_digest_and_a_lease_are_told)
{
    ask("GET", "/box/missing?comp=tags", NULL);
    EXPECT(404, "BlobNotFound");
    set_tags("Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", TAGS(""));
    EXPECT(400, "Md5Mismatch");
    cr_assert_eq(ask("PUT", "/box/b?comp=lease", "x-ms-lease-action: acquire\r\nx-ms-lease-duration: -1\r\n"), 201);
    set_tags(NULL, TAGS(""));
    EXPECT(412, "LeaseIdMissing");
    cr_expect_eq(ask("GET", "/box/b?comp=tags", NULL), 200);
}
