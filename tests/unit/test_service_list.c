/* SPDX-License-Identifier: MIT */
/* Listings of containers and blobs: pages, prefixes, delimiters, snapshots, odd names. */
#include "service_fixture.h"

TestSuite(service_list, .init = service_set_up, .fini = service_tear_down, .timeout = 60);

static char names[8192]; /* of all pages, separated by blanks */

/* Appends the text of every <Name> of the body, in order; BlobPrefix names end with their delimiter anyway. */
static void gather_names(void)
{
    const char *text = body();

    for (const char *p = strstr(text, "<Name>"); p; p = strstr(p, "<Name>")) {
        const char *end;

        p += strlen("<Name>");
        end = strstr(p, "</Name>");
        (void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%.*s", names[0] ? " " : "", (int)(end - p), p);
    }
}

/* Follows the markers to the end; returns the number of pages. */
static unsigned list_all(const char *target)
{
    char next[9000];
    unsigned pages = 0;

    names[0] = '\0';
    (void)snprintf(next, sizeof(next), "%s", target);
    do {
        cr_assert_eq(ask("GET", next, NULL), 200, "%s: %s", next, body());
        cr_assert_not(fx.response.is_too_small);
        gather_names();
        pages++;
        (void)snprintf(next, sizeof(next), "%s&marker=%s", target, element("NextMarker"));
    } while (element("NextMarker")[0] && pages < 1000);
    return pages;
}

static void put_many(const char *const *targets)
{
    make_container();
    for (; *targets; targets++)
        cr_assert_eq(put_blob(*targets, NULL, "x"), 201, "%s", *targets);
}

static const char *const tree[] = {"/box/a", "/box/b/1", "/box/b/2", "/box/b/c/3", "/box/c", "/box/d/4", "/box/e", NULL};

Test(service_list, containers_with_prefix_and_metadata)
{
    cr_assert_eq(ask("PUT", "/box-a?restype=container", "x-ms-meta-K: v&<\r\nx-ms-blob-public-access: blob\r\n"), 201);
    cr_assert_eq(ask("PUT", "/box-b?restype=container", NULL), 201);
    cr_assert_eq(ask("PUT", "/chest?restype=container", NULL), 201);
    cr_assert_eq(ask("GET", "/?comp=list&prefix=box&include=metadata", NULL), 200);
    cr_expect_str_eq(field("Content-Type"), "application/xml");
    cr_expect_eq(count_in_body("<Container>"), 2);
    cr_expect_not_null(strstr(body(), "<K>v&amp;&lt;</K>"));
    cr_expect_not_null(strstr(body(), "<PublicAccess>blob</PublicAccess>"));
    cr_expect_not_null(strstr(body(), "ServiceEndpoint=\"http://" ACCOUNT ".blob.localhost/\""));
    cr_expect_not_null(strstr(body(), "<Prefix>box</Prefix>"));
    cr_expect_not_null(strstr(body(), "<NextMarker />"));
    cr_assert_eq(ask("GET", "/?comp=list", NULL), 200);
    cr_expect_eq(count_in_body("<K>"), 0);
    cr_expect_eq(count_in_body("<Container>"), 3);
}

Test(service_list, containers_page_by_page)
{
    cr_assert_eq(ask("PUT", "/box-a?restype=container", NULL), 201);
    cr_assert_eq(ask("PUT", "/box-b?restype=container", NULL), 201);
    cr_assert_eq(ask("PUT", "/box-c?restype=container", NULL), 201);
    cr_expect_eq(list_all("/?comp=list&maxresults=2"), 2);
    cr_expect_str_eq(names, "box-a box-b box-c");
}

Test(service_list, blobs_flat)
{
    put_many(tree);
    cr_expect_eq(list_all("/box?restype=container&comp=list"), 1);
    cr_expect_str_eq(names, "a b/1 b/2 b/c/3 c d/4 e");
    cr_expect_not_null(strstr(body(), "ContainerName=\"box\""));
    cr_expect_eq(count_in_body("<BlobType>BlockBlob</BlobType>"), 7);
    cr_expect_eq(count_in_body("<Etag>0x8D"), 7);
    cr_expect_eq(count_in_body("<Content-Length>1</Content-Length>"), 7);
}

Test(service_list, blobs_by_hierarchy_on_pages_of_any_size)
{
    put_many(tree);
    for (unsigned size = 1; size <= 6; size++) {
        char target[128];

        (void)snprintf(target, sizeof(target), "/box?restype=container&comp=list&delimiter=%%2F&maxresults=%u", size);
        cr_expect_eq(list_all(target), (5 + size - 1) / size, "size %u", size);
        cr_expect_str_eq(names, "a b/ c d/ e", "size %u: %s", size, names);
        (void)snprintf(target, sizeof(target), "/box?restype=container&comp=list&maxresults=%u", size);
        cr_expect_eq(list_all(target), (7 + size - 1) / size, "size %u", size);
        cr_expect_str_eq(names, "a b/1 b/2 b/c/3 c d/4 e", "size %u: %s", size, names);
    }
}

Test(service_list, blobs_below_a_prefix)
{
    put_many(tree);
    cr_expect_eq(list_all("/box?restype=container&comp=list&delimiter=/&prefix=b/"), 1);
    cr_expect_str_eq(names, "b/1 b/2 b/c/");
    cr_expect_not_null(strstr(body(), "<BlobPrefix><Name>b/c/</Name></BlobPrefix>"));
    cr_expect_not_null(strstr(body(), "<Delimiter>/</Delimiter>"));
    cr_expect_eq(list_all("/box?restype=container&comp=list&prefix=zz"), 1);
    cr_expect_str_eq(names, "");
}

Test(service_list, snapshots_come_in_front_of_their_blob_on_pages_of_any_size)
{
    static const char *const some[] = {"/box/a", "/box/b", "/box/c", NULL};

    put_many(some);
    cr_assert_eq(ask("PUT", "/box/b?comp=snapshot", NULL), 201);
    cr_assert_eq(ask("PUT", "/box/b?comp=snapshot", NULL), 201);
    cr_assert_eq(ask("PUT", "/box/c?comp=snapshot", NULL), 201);
    for (unsigned size = 1; size <= 7; size++) {
        char target[128];

        (void)snprintf(target, sizeof(target), "/box?restype=container&comp=list&include=snapshots&maxresults=%u", size);
        cr_expect_eq(list_all(target), (6 + size - 1) / size, "size %u", size);
        cr_expect_str_eq(names, "a b b b c c", "size %u: %s", size, names);
    }
    cr_expect_eq(count_in_body("<Snapshot>20"), 3);
    cr_expect_eq(list_all("/box?restype=container&comp=list"), 1);
    cr_expect_str_eq(names, "a b c");
}

Test(service_list, page_ends_early_when_the_data_buffer_is_small)
{
    char target[64];
    char wanted[2048] = "";

    make_container();
    for (int i = 0; i < 60; i++) {
        (void)snprintf(target, sizeof(target), "/box/blob-%02d", i);
        cr_assert_eq(put_blob(target, NULL, "x"), 201);
        (void)snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%sblob-%02d", i ? " " : "", i);
    }
    fx.capacity = 8192;
    cr_expect_gt(list_all("/box?restype=container&comp=list"), 3);
    cr_expect_str_eq(names, wanted);
}

Test(service_list, single_entry_above_the_data_buffer_tells_the_size_needed)
{
    char needed[32];

    make_container();
    cr_assert_eq(put_blob("/box/blob", NULL, "x"), 201);
    fx.capacity = 100;
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list", NULL), 200);
    cr_assert(fx.response.is_too_small);
    strcpy(needed, field("Content-Length"));
    fx.capacity = strtoull(needed, NULL, 10);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list", NULL), 200);
    cr_expect_not(fx.response.is_too_small);
    cr_expect_eq(count_in_body("<Blob>"), 1);
}

Test(service_list, includes_add_metadata_tags_and_uncommitted)
{
    make_container();
    cr_assert_eq(put_blob("/box/a", "x-ms-meta-k: v\r\nx-ms-tags: t=1\r\n", "x"), 201);
    cr_assert_eq(ask_body("PUT", "/box/u?comp=block&blockid=QUFB", NULL, "x", 1), 201);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list&include=metadata,tags,uncommittedblobs", NULL), 200);
    cr_expect_eq(count_in_body("<Blob>"), 2);
    cr_expect_not_null(strstr(body(), "<Metadata><k>v</k></Metadata>"));
    cr_expect_not_null(strstr(body(), "<TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet>"));
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list", NULL), 200);
    cr_expect_eq(count_in_body("<Blob>"), 1);
    cr_expect_eq(count_in_body("<k>"), 0);
    cr_expect_eq(count_in_body("<Tag>"), 0);
}

Test(service_list, copies_are_described_when_asked_for)
{
    make_container();
    cr_assert_eq(put_blob("/box/a", NULL, "abc"), 201);
    cr_assert_eq(ask("PUT", "/box/b", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/a\r\n"), 202);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list&include=copy", NULL), 200);
    cr_expect_eq(count_in_body("<CopyStatus>success</CopyStatus>"), 1);
    cr_expect_str_eq(element("CopyProgress"), "3/3");
}

Test(service_list, names_that_xml_cannot_hold_are_percent_encoded)
{
    make_container();
    cr_assert_eq(put_blob("/box/a%01b", NULL, "x"), 201);
    cr_assert_eq(put_blob("/box/%EF%BF%BE", NULL, "x"), 201);
    cr_assert_eq(put_blob("/box/a%26b%3C", NULL, "x"), 201);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list", NULL), 200);
    cr_expect_not_null(strstr(body(), "<Name Encoded=\"true\">a%01b</Name>"));
    cr_expect_not_null(strstr(body(), "<Name Encoded=\"true\">%EF%BF%BE</Name>"));
    cr_expect_not_null(strstr(body(), "<Name>a&amp;b&lt;</Name>"));
}

Test(service_list, longest_name_survives_a_marker)
{
    static char target[6000], list_target[] = "/box?restype=container&comp=list&maxresults=1";

    make_container();
    cr_assert_eq(put_blob("/box/a", NULL, "x"), 201);
    strcpy(target, "/box/");
    memset(target + strlen("/box/"), 'z', 1024);
    cr_assert_eq(put_blob(target, NULL, "x"), 201, "%s", code());
    cr_expect_eq(list_all(list_target), 2);
    cr_expect_eq(strlen(names), 2 + 1024);
}

Test(service_list, refuses_parameters_it_cannot_read)
{
    static const struct {
        const char *target, *code;
    } bad[] = {
        {"/box?restype=container&comp=list&maxresults=0", "OutOfRangeQueryParameterValue"},
        {"/box?restype=container&comp=list&maxresults=-1", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&maxresults=many", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&include=everything", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=abc", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=1!", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=1!!", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=1!%2B%2B%2B%2B!", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=1!YQ==!2026-01-01T00:00:00.0000000ZZZZ", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=1!YQ==!nonsense", "InvalidQueryParameterValue"},
        {"/box?restype=container&comp=list&marker=1!YQBh!", "InvalidQueryParameterValue"},
    };

    make_container();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(ask("GET", bad[i].target, NULL), 400, "%s", bad[i].target);
        cr_expect_str_eq(code(), bad[i].code, "%s: %s", bad[i].target, code());
    }
    ask("GET", "/absent?restype=container&comp=list", NULL);
    EXPECT(404, "ContainerNotFound");
    cr_expect_eq(ask("GET", "/box?restype=container&comp=list&maxresults=99999", NULL), 200);
    cr_expect_str_eq(element("MaxResults"), "5000");
}
