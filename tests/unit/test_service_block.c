/* SPDX-License-Identifier: MIT */
/* Blocks and block lists, with the XML in all its odd forms. */
#include "service_fixture.h"

#include "../../src/blobhostd/service_blocklist.h"

static void set_up(void)
{
    service_set_up();
    make_container();
}

TestSuite(service_block, .init = set_up, .fini = service_tear_down, .timeout = 60);

static unsigned put_block(const char *id, const char *text)
{
    char target[256];

    (void)snprintf(target, sizeof(target), "/box/b?comp=block&blockid=%s", id);
    return ask_body("PUT", target, NULL, text, strlen(text));
}

static unsigned put_list(const char *fields, const char *xml)
{
    return ask_body("PUT", "/box/b?comp=blocklist", fields, xml, strlen(xml));
}

Test(service_block, list_commits_blocks_in_its_order)
{
    cr_assert_eq(put_block("QUFB", "one"), 201);
    cr_assert_eq(put_block("QkJC", "two"), 201);
    cr_assert_eq(put_list("x-ms-blob-content-type: text/css\r\nContent-Type: application/xml\r\nx-ms-meta-k: v\r\n",
                          "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n  <Latest>QkJC</Latest>\n"
                          "  <Uncommitted> QUFB\n</Uncommitted>\n</BlockList>\n"),
                 201, "%s", body());
    cr_expect_neq(field("ETag")[0], '\0');
    cr_assert_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_str_eq(body(), "twoone");
    cr_expect_str_eq(field("Content-Type"), "text/css");
    cr_expect_str_eq(field("Content-MD5"), "");
    cr_expect_str_eq(field("x-ms-meta-k"), "v");
}

Test(service_block, list_stores_the_md5_that_it_is_given)
{
    cr_assert_eq(put_block("QUFB", "one"), 201);
    cr_assert_eq(put_list("x-ms-blob-content-md5: XUFAKrxLKna5cZ2REBfFkg==\r\n", "<BlockList><Latest>QUFB</Latest></BlockList>"),
                 201);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("Content-MD5"), "XUFAKrxLKna5cZ2REBfFkg==");
}

Test(service_block, listing_tells_both_kinds)
{
    cr_assert_eq(put_block("QUFB", "one"), 201);
    cr_assert_eq(put_list(NULL, "<BlockList><Latest>QUFB</Latest></BlockList>"), 201);
    cr_assert_eq(put_block("QkJC", "three"), 201);
    cr_assert_eq(ask("GET", "/box/b?comp=blocklist&blocklisttype=all", NULL), 200);
    cr_expect_not_null(strstr(body(),
                              "<BlockList><CommittedBlocks><Block><Name>QUFB</Name><Size>3</Size></Block></CommittedBlocks>"
                              "<UncommittedBlocks><Block><Name>QkJC</Name><Size>5</Size></Block></UncommittedBlocks>"),
                       "%s", body());
    cr_expect_str_eq(field("x-ms-blob-content-length"), "3");
    cr_expect_neq(field("ETag")[0], '\0');
    cr_assert_eq(ask("GET", "/box/b?comp=blocklist", NULL), 200);
    cr_expect_null(strstr(body(), "Uncommitted"));
    cr_assert_eq(ask("GET", "/box/b?comp=blocklist&blocklisttype=uncommitted", NULL), 200);
    cr_expect_not_null(strstr(body(), "<BlockList><UncommittedBlocks><Block><Name>QkJC"), "%s", body());
    ask("GET", "/box/b?comp=blocklist&blocklisttype=some", NULL);
    EXPECT(400, "InvalidQueryParameterValue");
    ask("GET", "/box/absent?comp=blocklist", NULL);
    EXPECT(404, "BlobNotFound");
}

Test(service_block, listing_of_uncommitted_alone_has_no_version)
{
    cr_assert_eq(put_block("QUFB", "one"), 201);
    cr_assert_eq(ask("GET", "/box/b?comp=blocklist&blocklisttype=all", NULL), 200);
    cr_expect_str_eq(field("ETag"), "");
    cr_expect_eq(count_in_body("<Block>"), 1);
    ask("GET", "/box/b", NULL);
    EXPECT(404, "BlobNotFound");
}

Test(service_block, listing_that_does_not_fit_tells_the_size_needed)
{
    cr_assert_eq(put_block("QUFB", "one"), 201);
    fx.capacity = 60;
    cr_assert_eq(ask("GET", "/box/b?comp=blocklist&blocklisttype=all", NULL), 200);
    cr_expect(fx.response.is_too_small);
    cr_expect_gt(atoi(field("Content-Length")), 60);
}

Test(service_block, block_ids_are_checked)
{
    char long_id[256] = "";

    cr_expect_eq(put_block("", "x"), 400);
    cr_expect_str_eq(code(), "MissingRequiredQueryParameter");
    cr_expect_eq(put_block("not*base64", "x"), 400);
    cr_expect_str_eq(code(), "InvalidBlockId");
    cr_expect_eq(put_block("QUF", "x"), 400);
    cr_expect_str_eq(code(), "InvalidBlockId");
    for (int i = 0; i < 21; i++)
        strcat(long_id, "QUFB");
    strcat(long_id, "QQ%3D%3D"); /* 64 bytes */
    cr_expect_eq(put_block(long_id, "x"), 201);
    strcpy(strstr(long_id, "QQ%3D"), "QUE%3D"); /* 65 */
    cr_expect_eq(put_block(long_id, "x"), 400);
    cr_expect_str_eq(code(), "InvalidBlockId");
    put_block("QUFB", "x");
    EXPECT(400, "InvalidBlobOrBlock");
}

Test(service_block, block_needs_a_body_and_its_length)
{
    put_block("QUFB", "");
    EXPECT(400, "InvalidHeaderValue");
    fx.is_without_length = true;
    put_block("QUFB", "x");
    EXPECT(411, "MissingContentLengthHeader");
    put_list(NULL, "<BlockList />");
    EXPECT(411, "MissingContentLengthHeader");
}

Test(service_block, bodies_are_verified)
{
    ask_body("PUT", "/box/b?comp=block&blockid=QUFB", "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", "hallo", 5);
    EXPECT(400, "Md5Mismatch");
    cr_assert_eq(ask_body("PUT", "/box/b?comp=block&blockid=QUFB", "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", "hello", 5), 201);
    cr_expect_str_eq(field("Content-MD5"), "XUFAKrxLKna5cZ2REBfFkg==");
    put_list("Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n", "<BlockList />");
    EXPECT(400, "Md5Mismatch");
    put_list("x-ms-content-crc64: AAAAAAAAAAA=\r\n", "<BlockList />");
    EXPECT(400, "Crc64Mismatch");
}

Test(service_block, block_that_is_nowhere)
{
    cr_assert_eq(put_block("QUFB", "x"), 201);
    put_list(NULL, "<BlockList><Committed>QUFB</Committed></BlockList>");
    EXPECT(400, "InvalidBlockList");
    put_list(NULL, "<BlockList><Latest>QkJC</Latest></BlockList>");
    EXPECT(400, "InvalidBlockList");
}

Test(service_block, list_respects_conditions)
{
    cr_assert_eq(put_block("QUFB", "x"), 201);
    cr_assert_eq(put_list("If-None-Match: *\r\n", "<BlockList><Latest>QUFB</Latest></BlockList>"), 201);
    put_list("If-None-Match: *\r\n", "<BlockList><Latest>QUFB</Latest></BlockList>");
    EXPECT(409, "BlobAlreadyExists");
    put_list("If-Match: \"0x1\"\r\n", "<BlockList><Latest>QUFB</Latest></BlockList>");
    EXPECT(412, "ConditionNotMet");
}

Test(service_block, block_onto_an_append_blob)
{
    cr_assert_eq(ask("PUT", "/box/b", "x-ms-blob-type: AppendBlob\r\n"), 201);
    put_block("QUFB", "x");
    EXPECT(409, "InvalidBlobType");
}

/* ---- the XML alone ---- */

struct parsed {
    enum azure_error error;
    struct store_block_ref *blocks;
    size_t count;
};

/* In pieces of piece_bytes. */
static struct parsed parse(const char *xml, size_t piece_bytes)
{
    struct parsed parsed = {.error = AZURE_OK};
    size_t len = strlen(xml), count = (len + piece_bytes - 1) / piece_bytes;
    struct iovec *pieces = calloc(count + 1, sizeof(*pieces));

    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct iovec){(char *)(uintptr_t)xml + i * piece_bytes, i + 1 < count ? piece_bytes : len - i * piece_bytes};
    parsed.error = blocklist_parse(pieces, (int)count, len, &parsed.blocks, &parsed.count);
    free(pieces);
    return parsed;
}

Test(service_block, xml_table)
{
    static const struct {
        const char *xml;
        enum azure_error error;
        size_t count;
    } cases[] = {
        {"<BlockList/>", AZURE_OK, 0},
        {"<BlockList><Latest>QUFB</Latest><Committed>QUFB</Committed><Uncommitted>QUFB</Uncommitted></BlockList>", AZURE_OK, 3},
        {"\xEF\xBB\xBF<?xml version='1.0'?><!-- a --><BlockList><!-- b --><Latest>QU<!-- c -->FB</Latest></BlockList><!-- d -->",
         AZURE_OK, 1},
        {"  <BlockList> \n\t <Latest>\r\n QUFB \n</Latest> </BlockList>\n", AZURE_OK, 1},
        {"<BlockList><Latest>QUF&#66;</Latest></BlockList>", AZURE_OK, 1},
        {"<BlockList><Latest><![CDATA[QUFB]]></Latest></BlockList>", AZURE_OK, 1},
        {"<BlockList a='b'><?pi x?><Latest c='d'>QUFB</Latest></BlockList>", AZURE_OK, 1},
        {"", AZURE_InvalidXmlDocument, 0},
        {"nonsense", AZURE_InvalidXmlDocument, 0},
        {"<BlockList>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList></Blocklist>", AZURE_InvalidXmlDocument, 0},
        {"<blocklist/>", AZURE_InvalidXmlDocument, 0},
        {"<Blocks/>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList><Newest>QUFB</Newest></BlockList>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList><Latest>QU<Latest>FB</Latest></Latest></BlockList>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList>QUFB</BlockList>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList/><BlockList/>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList><Latest>QUFB</Latest></BlockList>trailing", AZURE_InvalidXmlDocument, 0},
        {"<BlockList><Latest>&unknown;</Latest></BlockList>", AZURE_InvalidXmlDocument, 0},
        {"<BlockList><Latest></Latest></BlockList>", AZURE_InvalidBlockId, 0},
        {"<BlockList><Latest>QU FB</Latest></BlockList>", AZURE_InvalidBlockId, 0},
        {"<BlockList><Latest>***</Latest></BlockList>", AZURE_InvalidBlockId, 0},
        {"<!DOCTYPE BlockList><BlockList/>", AZURE_InvalidXmlDocument, 0},
        {"<!DOCTYPE b [<!ENTITY a 'QUFB'>]><BlockList><Latest>&a;</Latest></BlockList>", AZURE_InvalidXmlDocument, 0},
        {"<!DOCTYPE b [<!ENTITY a 'xxxxxxxxxx'><!ENTITY b '&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;'>]>"
         "<BlockList><Latest>&c;</Latest></BlockList>",
         AZURE_InvalidXmlDocument, 0},
        {"<!DOCTYPE b SYSTEM 'file:///etc/passwd'><BlockList/>", AZURE_InvalidXmlDocument, 0},
    };
    static const size_t pieces[] = {1, 7, 4096};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            struct parsed parsed = parse(cases[i].xml, pieces[p]);

            cr_expect_eq(parsed.error, cases[i].error, "%s: %s", cases[i].xml, azure_error_code(parsed.error));
            cr_expect_eq(parsed.count, cases[i].count, "%s", cases[i].xml);
            for (size_t b = 0; b < parsed.count; b++)
                cr_expect(parsed.blocks[b].id.len == 3 && memcmp(parsed.blocks[b].id.bytes, "AAA", 3) == 0, "%s", cases[i].xml);
            free(parsed.blocks);
        }
    }
}

Test(service_block, kinds_of_reference_are_told_apart)
{
    struct parsed parsed =
        parse("<BlockList><Uncommitted>QUFB</Uncommitted><Committed>QUFB</Committed><Latest>QUFB</Latest></BlockList>", 64);

    cr_assert_eq(parsed.count, 3);
    cr_expect_eq(parsed.blocks[0].from, STORE_BLOCK_UNCOMMITTED);
    cr_expect_eq(parsed.blocks[1].from, STORE_BLOCK_COMMITTED);
    cr_expect_eq(parsed.blocks[2].from, STORE_BLOCK_LATEST);
    free(parsed.blocks);
}

static char *list_of(size_t count)
{
    static const char entry[] = "<Latest>QUFB</Latest>";
    char *xml = malloc(64 + count * sizeof(entry));
    char *p = stpcpy(xml, "<BlockList>");

    for (size_t i = 0; i < count; i++)
        p = stpcpy(p, entry);
    strcpy(p, "</BlockList>");
    return xml;
}

Test(service_block, fifty_thousand_blocks_are_the_most)
{
    char *most = list_of(50000), *above = list_of(50001);
    struct parsed parsed = parse(most, 1000);

    cr_expect_eq(parsed.error, AZURE_OK);
    cr_expect_eq(parsed.count, 50000);
    free(parsed.blocks);
    cr_expect_eq(parse(above, 1000).error, AZURE_BlockListTooLong);
    free(most);
    free(above);
}

Test(service_block, xml_above_its_limit_is_not_read)
{
    struct iovec piece = {NULL, (size_t)LIMIT_REQUEST_XML_BYTES + 1};
    struct store_block_ref *blocks;
    size_t count;

    cr_expect_eq(blocklist_parse(&piece, 1, LIMIT_REQUEST_XML_BYTES + 1ull, &blocks, &count), AZURE_RequestBodyTooLarge);
}
