/* SPDX-License-Identifier: MIT */
/* Content fields, metadata, tags and tiers: from requests into the store's structs, and into answers. */
#include "service_fields.h"

#include "../lib/sign/sas.h"
#include "service_answer.h"
#include "service_digest.h"
#include "service_lease.h"

#include <string.h>
#include <strings.h>

static const struct slice meta_prefix = {"x-ms-meta-", 10};

void pairs_free(struct store_pairs *pairs)
{
    free(pairs->bytes);
    *pairs = (struct store_pairs){NULL, 0};
}

/* Hands the bytes of a buf over. */
static enum azure_error pairs_take(struct buf *buf, struct store_pairs *ret_pairs)
{
    if (buf->failed)
        return AZURE_InternalError;
    *ret_pairs = (struct store_pairs){TAKE_PTR(buf->bytes), buf->len};
    return AZURE_OK;
}

static bool field_is_metadata(const struct head_field *field)
{
    return field->name.len >= meta_prefix.len && strncasecmp(field->name.bytes, meta_prefix.bytes, meta_prefix.len) == 0;
}

/* A C# identifier of what a header name can hold. */
static bool name_is_identifier(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.bytes[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0;
}

static bool pairs_have(const struct buf *packed, struct slice name)
{
    struct store_pairs pairs = {packed->bytes, packed->len};
    const char *known, *value;
    size_t position = 0;

    while (store_pairs_next(&pairs, &position, &known, &value))
        if (slice_equal_nocase(slice_of(known), name))
            return true;
    return false;
}

static enum azure_error metadata_add(struct call *call, struct buf *packed, struct slice name, struct slice value)
{
    if (name.len == 0)
        return AZURE_EmptyMetadataKey;
    if (!name_is_identifier(name))
        return call_refuse(call, AZURE_InvalidMetadata, "\"%.*s\" is not a C# identifier.", (int)name.len, name.bytes);
    if (pairs_have(packed, name))
        return call_refuse(call, AZURE_InvalidMetadata, "\"%.*s\" is given twice.", (int)name.len, name.bytes);
    (void)buf_append(packed, name.bytes, name.len);
    (void)buf_append(packed, "", 1);
    (void)buf_append(packed, value.bytes, value.len);
    (void)buf_append(packed, "", 1);
    return AZURE_OK;
}

enum azure_error fields_metadata(struct call *call, struct store_pairs *ret_pairs)
{
    CLEANUP(buf_free) struct buf packed = {.max_bytes = LIMIT_METADATA_BYTES + 2 * LIMIT_HEAD_FIELDS};
    size_t total = 0;

    for (unsigned i = 0; i < call->head->field_count; i++) {
        const struct head_field *field = &call->head->fields[i];
        struct slice name;
        enum azure_error error;

        if (!field_is_metadata(field))
            continue;
        name = (struct slice){field->name.bytes + meta_prefix.len, field->name.len - meta_prefix.len};
        total += name.len + field->value.len;
        if (total > LIMIT_METADATA_BYTES)
            return AZURE_MetadataTooLarge;
        error = metadata_add(call, &packed, name, field->value);
        if (error)
            return error;
    }
    return pairs_take(&packed, ret_pairs);
}

static size_t text_chars(const char *text)
{
    size_t chars = 0;

    for (; *text; text++)
        chars += (*text & 0xc0) != 0x80;
    return chars;
}

bool fields_tag_add(struct buf *packed, const char *key, const char *value)
{
    if (!key[0] || text_chars(key) > TAG_KEY_CHARS || text_chars(value) > TAG_VALUE_CHARS || pairs_have(packed, slice_of(key)))
        return false;
    (void)buf_append(packed, key, strlen(key) + 1);
    (void)buf_append(packed, value, strlen(value) + 1);
    return true;
}

static bool tag_add(struct buf *packed, struct slice name, struct slice value)
{
    char key[TAG_KEY_BYTES + 1], text[TAG_VALUE_BYTES + 1];

    if (target_decode(name, key, sizeof(key)) < 0 || target_decode(value, text, sizeof(text)) < 0)
        return false;
    return fields_tag_add(packed, key, text);
}

enum azure_error fields_tags(struct call *call, struct store_pairs *ret_pairs)
{
    CLEANUP(buf_free) struct buf packed = {.max_bytes = TAGS_BYTES};
    struct slice query, name, value;
    unsigned count = 0;

    *ret_pairs = (struct store_pairs){NULL, 0};
    if (!call_field(call, "x-ms-tags", &query))
        return AZURE_OK;
    while (target_next_query(&query, &name, &value)) {
        if (++count > TAGS_MAX || !tag_add(&packed, name, value))
            return call_refuse(call, AZURE_InvalidInput, "x-ms-tags is not up to 10 distinct, URL-encoded key=value pairs.");
    }
    return pairs_take(&packed, ret_pairs);
}

void fields_put_tags(struct buf *xml, const struct store_pairs *tags)
{
    const char *name, *value;
    size_t position = 0;

    (void)buf_puts(xml, "<Tags><TagSet>");
    while (store_pairs_next(tags, &position, &name, &value)) {
        (void)buf_puts(xml, "<Tag><Key>");
        (void)buf_put_xml(xml, name, strlen(name));
        (void)buf_puts(xml, "</Key><Value>");
        (void)buf_put_xml(xml, value, strlen(value));
        (void)buf_puts(xml, "</Value></Tag>");
    }
    (void)buf_puts(xml, "</TagSet></Tags>");
}

enum azure_error fields_tier(struct call *call, char **ret_tier)
{
    static const char *const tiers[] = {"Hot", "Cool", "Cold", "P1",  "P2",  "P3",  "P4",  "P6",  "P10",
                                        "P15", "P20",  "P30",  "P40", "P50", "P60", "P70", "P80", "Premium"};
    struct slice value;

    *ret_tier = NULL;
    if (!call_field(call, "x-ms-access-tier", &value))
        return AZURE_OK;
    if (slice_equal_nocase(value, SLICE("Archive")))
        return call_refuse(call, AZURE_NotImplemented, "The embedded store archives nothing; blobhostd --backend URL does.");
    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        if (!slice_equal_nocase(value, slice_of(tiers[i])))
            continue;
        *ret_tier = strdup(tiers[i]);
        return *ret_tier ? AZURE_OK : AZURE_InternalError;
    }
    return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-access-tier is none of the documented tiers.");
}

static enum azure_error content_field(const struct call *call, const char *name, const char *plain_name, char **field)
{
    struct slice value;
    char *copy = NULL;

    if (call_field(call, name, &value) || (plain_name && call_field(call, plain_name, &value))) {
        copy = slice_copy(value);
        if (!copy)
            return AZURE_InternalError;
    }
    free(*field);
    *field = copy;
    return AZURE_OK;
}

enum azure_error fields_content(struct call *call, bool with_plain, struct store_blob *blob)
{
    const struct {
        const char *name, *plain_name;
        char **field;
    } rows[] = {
        {"x-ms-blob-content-type", "Content-Type", &blob->content_type},
        {"x-ms-blob-content-encoding", "Content-Encoding", &blob->content_encoding},
        {"x-ms-blob-content-language", "Content-Language", &blob->content_language},
        {"x-ms-blob-content-disposition", NULL, &blob->content_disposition},
        {"x-ms-blob-cache-control", "Cache-Control", &blob->cache_control},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum azure_error error = content_field(call, rows[i].name, with_plain ? rows[i].plain_name : NULL, rows[i].field);

        if (error)
            return error;
    }
    return digest_parse_md5(call, "x-ms-blob-content-md5", &blob->has_md5, blob->md5);
}

enum azure_error fields_blob(struct call *call, bool with_plain, struct store_blob *blob)
{
    enum azure_error error = fields_content(call, with_plain, blob);

    if (error == AZURE_OK && !blob->content_type && !(blob->content_type = strdup("application/octet-stream")))
        error = AZURE_InternalError;
    if (error == AZURE_OK)
        error = fields_metadata(call, &blob->metadata);
    if (error == AZURE_OK)
        error = fields_tags(call, &blob->tags);
    if (error == AZURE_OK)
        error = fields_tier(call, &blob->tier);
    return error;
}

void answer_metadata(struct call *call, const struct store_pairs *metadata)
{
    const char *name, *value;
    size_t position = 0;

    while (store_pairs_next(metadata, &position, &name, &value)) {
        (void)buf_append(&call->response->head, meta_prefix.bytes, meta_prefix.len);
        answer_field(call, name, slice_of(value));
    }
}

const char *blob_type_text(enum store_blob_type type)
{
    static const char *const texts[] = {
        [STORE_BLOCK_BLOB] = "BlockBlob", [STORE_APPEND_BLOB] = "AppendBlob", [STORE_PAGE_BLOB] = "PageBlob"};

    return texts[type];
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* A service SAS may replace a content field by a parameter that it signed; an account SAS signs none. */
static void answer_content(struct call *call, const char *name, const char *sas_parameter, const char *stored)
{
    char text[1024];
    struct slice raw = {NULL, 0};

    if (call->proof == PROOF_SAS && sas_kind(call->target.query) == SAS_SERVICE)
        raw = target_query(call->target.query, sas_parameter);
    if (raw.bytes && target_decode(raw, text, sizeof(text)) > 0 && is_printable(text))
        answer_text(call, name, text);
    else
        answer_text(call, name, stored);
}

static void answer_contents(struct call *call, const struct store_blob *blob)
{
    answer_content(call, "Content-Type", "rsct", blob->content_type);
    answer_content(call, "Content-Encoding", "rsce", blob->content_encoding);
    answer_content(call, "Content-Language", "rscl", blob->content_language);
    answer_content(call, "Content-Disposition", "rscd", blob->content_disposition);
    answer_content(call, "Cache-Control", "rscc", blob->cache_control);
}

static void answer_copy(struct call *call, const struct store_blob *blob)
{
    if (!blob->copy_id)
        return;
    answer_text(call, "x-ms-copy-id", blob->copy_id);
    answer_text(call, "x-ms-copy-source", blob->copy_source);
    answer_line(call, "x-ms-copy-status: success\r\n");
    (void)buf_printf(&call->response->head, "x-ms-copy-progress: %llu/%llu\r\n", (unsigned long long)blob->length,
                     (unsigned long long)blob->length);
    answer_date(call, "x-ms-copy-completion-time", blob->copy_completed_us);
}

static void answer_tags(struct call *call, const struct store_blob *blob)
{
    const char *name, *value;
    size_t position = 0;
    unsigned count = 0;

    while (store_pairs_next(&blob->tags, &position, &name, &value))
        count++;
    if (count > 0)
        answer_number(call, "x-ms-tag-count", count);
}

static void answer_type_fields(struct call *call, const struct store_blob *blob)
{
    switch (blob->type) {
    case STORE_BLOCK_BLOB:
        answer_line(call, "x-ms-blob-type: BlockBlob\r\n");
        break;
    case STORE_APPEND_BLOB:
        answer_line(call, "x-ms-blob-type: AppendBlob\r\n");
        answer_number(call, "x-ms-blob-committed-block-count", blob->block_count);
        if (blob->is_sealed)
            answer_line(call, "x-ms-blob-sealed: true\r\n");
        break;
    case STORE_PAGE_BLOB:
        answer_line(call, "x-ms-blob-type: PageBlob\r\n");
        answer_number(call, "x-ms-blob-sequence-number", blob->sequence_number);
        break;
    }
    if (blob->tier)
        answer_text(call, "x-ms-access-tier", blob->tier);
    else if (blob->type == STORE_BLOCK_BLOB)
        answer_line(call, "x-ms-access-tier: Hot\r\nx-ms-access-tier-inferred: true\r\n");
}

void answer_blob_fields(struct call *call, const struct store_blob *blob)
{
    answer_version(call, blob->etag, blob->modified_us);
    answer_date(call, "x-ms-creation-time", blob->created_us);
    answer_line(call, "Accept-Ranges: bytes\r\nx-ms-server-encrypted: true\r\n");
    if (!call->name.snapshot)
        answer_lease(call, &blob->lease);
    answer_type_fields(call, blob);
    answer_contents(call, blob);
    answer_metadata(call, &blob->metadata);
    answer_tags(call, blob);
    answer_copy(call, blob);
}
