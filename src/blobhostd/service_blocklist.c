/* SPDX-License-Identifier: MIT */
/* Block lists, read with expat. */
#include "service_blocklist.h"

#include "../lib/limits.h"
#include "service_digest.h"

#include <expat.h>
#include <string.h>

#define PIECE_BYTES 65536u
#define ID_TEXT_BYTES 128u /* base64 of LIMIT_BLOCK_ID_BYTES is 88; blanks around it are let through */

struct reading {
    XML_Parser parser;
    enum azure_error error; /* the first one */
    unsigned depth;         /* open elements */
    struct store_block_ref *blocks;
    size_t count, cap;
    enum store_block_list from;
    char text[ID_TEXT_BYTES]; /* of the element being read */
    size_t text_len;
};

static void reading_fail(struct reading *reading, enum azure_error error)
{
    if (reading->error == AZURE_OK)
        reading->error = error;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    static const char *const names[] = {
        [STORE_BLOCK_LATEST] = "Latest", [STORE_BLOCK_COMMITTED] = "Committed", [STORE_BLOCK_UNCOMMITTED] = "Uncommitted"};
    struct reading *reading = arg;

    (void)attributes;
    reading->depth++;
    reading->text_len = 0;
    if (reading->depth == 1 && strcmp(name, "BlockList") == 0)
        return;
    if (reading->depth == 2) {
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strcmp(name, names[i]) == 0) {
                reading->from = (enum store_block_list)i;
                return;
            }
        }
    }
    reading_fail(reading, AZURE_InvalidXmlDocument);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void on_text(void *arg, const XML_Char *text, int len)
{
    struct reading *reading = arg;

    for (int i = 0; i < len; i++) {
        if (is_blank(text[i]) && (reading->depth < 2 || reading->text_len == 0))
            continue;
        if (reading->depth < 2) {
            reading_fail(reading, AZURE_InvalidXmlDocument);
            return;
        }
        if (reading->text_len == sizeof(reading->text)) {
            reading_fail(reading, AZURE_InvalidBlockId);
            return;
        }
        reading->text[reading->text_len++] = text[i];
    }
}

static bool blocks_grow(struct reading *reading)
{
    size_t cap = reading->cap == 0 ? 64 : reading->cap * 2;
    struct store_block_ref *blocks;

    if (reading->count < reading->cap)
        return true;
    blocks = reallocarray(reading->blocks, cap, sizeof(*blocks));
    if (!blocks)
        return false;
    reading->blocks = blocks;
    reading->cap = cap;
    return true;
}

static void block_add(struct reading *reading)
{
    struct store_block_ref *block;
    ssize_t len;

    while (reading->text_len > 0 && is_blank(reading->text[reading->text_len - 1]))
        reading->text_len--;
    if (reading->count == LIMIT_BLOCKS_COMMITTED) {
        reading_fail(reading, AZURE_BlockListTooLong);
        return;
    }
    if (!blocks_grow(reading)) {
        reading_fail(reading, AZURE_InternalError);
        return;
    }
    block = &reading->blocks[reading->count];
    block->from = reading->from;
    len = digest_base64_decode((struct slice){reading->text, reading->text_len}, block->id.bytes, sizeof(block->id.bytes));
    if (len <= 0) {
        reading_fail(reading, AZURE_InvalidBlockId);
        return;
    }
    block->id.len = (size_t)len;
    reading->count++;
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reading *reading = arg;

    (void)name;
    if (reading->depth == 2)
        block_add(reading);
    reading->depth--;
}

/* Entities are declared in document types only, so without one there is nothing to expand. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id, int has_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    reading_fail(arg, AZURE_InvalidXmlDocument);
}

static bool feed(struct reading *reading, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t step = len < PIECE_BYTES ? len : PIECE_BYTES;
        void *room = XML_GetBuffer(reading->parser, (int)step);

        if (!room)
            return false;
        memcpy(room, bytes, step);
        if (XML_ParseBuffer(reading->parser, (int)step, XML_FALSE) != XML_STATUS_OK)
            return false;
        bytes += step;
        len -= step;
    }
    return true;
}

static void read_all(struct reading *reading, const struct iovec *iov, int iov_count, uint64_t len)
{
    bool is_read = true;

    for (int i = 0; i < iov_count && len > 0 && is_read; i++) {
        size_t step = iov[i].iov_len < len ? iov[i].iov_len : (size_t)len;

        is_read = feed(reading, iov[i].iov_base, step);
        len -= step;
    }
    if (is_read)
        is_read = XML_Parse(reading->parser, "", 0, XML_TRUE) == XML_STATUS_OK;
    if (!is_read && reading->error == AZURE_OK)
        reading->error =
            XML_GetErrorCode(reading->parser) == XML_ERROR_NO_MEMORY ? AZURE_InternalError : AZURE_InvalidXmlDocument;
}

enum azure_error blocklist_parse(const struct iovec *iov, int iov_count, uint64_t len, struct store_block_ref **ret_blocks,
                                 size_t *ret_count)
{
    struct reading reading = {.error = AZURE_OK};

    if (len > LIMIT_REQUEST_XML_BYTES)
        return AZURE_RequestBodyTooLarge;
    reading.parser = XML_ParserCreate(NULL);
    if (!reading.parser)
        return AZURE_InternalError;
    XML_SetUserData(reading.parser, &reading);
    XML_SetElementHandler(reading.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading.parser, on_doctype);
    read_all(&reading, iov, iov_count, len);
    XML_ParserFree(reading.parser);
    if (reading.error) {
        free(reading.blocks);
        return reading.error;
    }
    *ret_blocks = reading.blocks;
    *ret_count = reading.count;
    return AZURE_OK;
}
