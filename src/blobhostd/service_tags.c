/* SPDX-License-Identifier: MIT */
/* Get Blob Tags and Set Blob Tags. */
#include "service_answer.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_fields.h"
#include "service_operations.h"

#include <expat.h>
#include <string.h>

#define BODY_BYTES (64u << 10) /* ten tags, every character of them as an entity, and blanks between the elements */

enum element { ELEMENT_TAGS, ELEMENT_TAG_SET, ELEMENT_TAG, ELEMENT_KEY, ELEMENT_VALUE, ELEMENT_COUNT };

/* depth: of open elements, when it begins. */
static const struct element_row {
    const char *name;
    unsigned depth;
} elements[ELEMENT_COUNT] = {
    [ELEMENT_TAGS] = {"Tags", 0}, [ELEMENT_TAG_SET] = {"TagSet", 1}, [ELEMENT_TAG] = {"Tag", 2},
    [ELEMENT_KEY] = {"Key", 3},   [ELEMENT_VALUE] = {"Value", 3},
};

struct reading {
    XML_Parser parser;
    bool is_malformed, is_too_much;
    unsigned depth, count;
    enum element last;
    bool has_key, has_value;
    char key[TAG_KEY_BYTES + 1], value[TAG_VALUE_BYTES + 1];
    size_t key_len, value_len;
    struct buf packed;
};

static void reading_stop(struct reading *reading, bool *reason)
{
    *reason = true;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

static bool takes_element(struct reading *reading, enum element element)
{
    if (element == ELEMENT_TAG)
        reading->has_key = reading->has_value = false;
    if (element == ELEMENT_KEY || element == ELEMENT_VALUE) {
        bool *has = element == ELEMENT_KEY ? &reading->has_key : &reading->has_value;

        if (*has)
            return false;
        *has = true;
        *(element == ELEMENT_KEY ? &reading->key_len : &reading->value_len) = 0;
    }
    return true;
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = arg;

    (void)attributes;
    for (unsigned i = 0; i < ELEMENT_COUNT; i++) {
        if (elements[i].depth == reading->depth && strcmp(elements[i].name, name) == 0 &&
            takes_element(reading, (enum element)i)) {
            reading->last = (enum element)i;
            reading->depth++;
            return;
        }
    }
    reading_stop(reading, &reading->is_malformed);
}

static void on_text(void *arg, const XML_Char *text, int len)
{
    struct reading *reading = arg;
    bool is_key = reading->last == ELEMENT_KEY;
    char *to = is_key ? reading->key : reading->value;
    size_t *to_len = is_key ? &reading->key_len : &reading->value_len;

    if (reading->depth < 4) {
        for (int i = 0; i < len; i++)
            if (!strchr(" \t\r\n", text[i]))
                reading_stop(reading, &reading->is_malformed);
        return;
    }
    if ((size_t)len > (is_key ? TAG_KEY_BYTES : TAG_VALUE_BYTES) - *to_len) {
        reading_stop(reading, &reading->is_too_much);
        return;
    }
    memcpy(to + *to_len, text, (size_t)len);
    *to_len += (size_t)len;
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reading *reading = arg;

    (void)name;
    if (--reading->depth != 2) /* it was no tag */
        return;
    if (!reading->has_key || !reading->has_value) {
        reading_stop(reading, &reading->is_malformed);
        return;
    }
    reading->key[reading->key_len] = reading->value[reading->value_len] = '\0';
    if (++reading->count > TAGS_MAX || !fields_tag_add(&reading->packed, reading->key, reading->value))
        reading_stop(reading, &reading->is_too_much);
}

/* Entities are declared in document types only, so without one there is nothing to expand. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id, int has_subset)
{
    struct reading *reading = arg;

    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    reading_stop(reading, &reading->is_malformed);
}

static enum azure_error read_tags(struct reading *reading, const struct buf *body)
{
    bool is_read;

    reading->parser = XML_ParserCreate(NULL);
    if (!reading->parser)
        return AZURE_InternalError;
    XML_SetUserData(reading->parser, reading);
    XML_SetElementHandler(reading->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reading->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reading->parser, on_doctype);
    is_read = XML_Parse(reading->parser, body->bytes, (int)body->len, XML_TRUE) == XML_STATUS_OK;
    XML_ParserFree(reading->parser);
    if (reading->is_too_much)
        return AZURE_InvalidInput;
    if (!is_read || reading->is_malformed)
        return AZURE_InvalidXmlDocument;
    return reading->packed.failed ? AZURE_InternalError : AZURE_OK;
}

/* A copy, so that the guest cannot change it under the parser. */
static enum azure_error copy_body(const struct call *call, struct buf *body)
{
    uint64_t left = call->request->body_bytes;

    buf_init(body, BODY_BYTES);
    if (left > BODY_BYTES)
        return AZURE_RequestBodyTooLarge;
    for (int i = 0; i < call->request->data_iov_count && left > 0; i++) {
        const struct iovec *piece = &call->request->data[i];
        size_t step = piece->iov_len < left ? piece->iov_len : (size_t)left;

        (void)buf_append(body, piece->iov_base, step);
        left -= step;
    }
    return body->failed ? AZURE_InternalError : AZURE_OK;
}

static enum azure_error parse_tags(struct call *call, struct store_pairs *ret_tags)
{
    CLEANUP(buf_free) struct buf body = {NULL, 0, 0, 0, 0};
    struct reading reading = {.last = ELEMENT_TAGS, .packed = {.max_bytes = TAGS_BYTES}};
    enum azure_error error = copy_body(call, &body);

    if (error == AZURE_OK)
        error = read_tags(&reading, &body);
    if (error == AZURE_InvalidInput)
        error = call_refuse(call, error, "A blob has up to 10 distinct tags of up to 128 and 256 characters.");
    if (error) {
        buf_free(&reading.packed);
        return error;
    }
    *ret_tags = (struct store_pairs){reading.packed.bytes, reading.packed.len};
    return AZURE_OK;
}

struct change {
    struct condition condition;
    struct store_pairs tags;
};

static enum azure_error tags_update(void *arg, struct store_blob *blob)
{
    struct change *change = arg;
    struct store_pairs old = blob->tags;
    enum azure_error error = condition_check_blob(&change->condition, blob);

    if (error)
        return error;
    blob->tags = change->tags;
    change->tags = old;
    return AZURE_OK;
}

enum azure_error service_set_blob_tags(struct call *call)
{
    CLEANUP(store_blob_done) struct store_blob changed = {.etag = 0};
    struct change change = {.tags = {NULL, 0}};
    struct digest digest;
    enum azure_error error = condition_parse(&change.condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = digest_verify_body(call, false, &digest);
    if (error == AZURE_OK)
        error = parse_tags(call, &change.tags);
    if (error == AZURE_OK)
        error = store_update_blob(call->store, &call->name, false, tags_update, &change, &changed);
    pairs_free(&change.tags);
    if (error)
        return error;
    answer_begin(call, 204);
    answer_line(call, "\r\n");
    return AZURE_OK;
}

enum azure_error service_get_blob_tags(struct call *call)
{
    CLEANUP(buf_free) struct buf body = {.max_bytes = BODY_BYTES};
    struct store_reader *reader = NULL;
    struct condition condition;
    enum azure_error error = condition_parse(&condition, call, CONDITION_READ);

    if (error == AZURE_OK)
        error = store_open_reader(call->store, &call->name, &reader);
    if (error)
        return error;
    error = condition_check_blob(&condition, store_reader_blob(reader));
    (void)buf_puts(&body, "<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    fields_put_tags(&body, &store_reader_blob(reader)->tags);
    (void)store_reader_close(reader);
    if (error)
        return error;
    answer_begin(call, 200);
    return answer_xml(call, &body);
}
