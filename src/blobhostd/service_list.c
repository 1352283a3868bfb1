/* SPDX-License-Identifier: MIT */
/* Pages of listings: they end at maxresults, or earlier when the answer would outgrow the data buffer. */
#include "service_list.h"

#include "service_answer.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LIST_XML_BYTES (256u << 20)
#define MARKER_BYTES (2 * CALL_BLOB_BYTES)

/* Behind every snapshot, in front of the base blob. */
static const char after_snapshots[] = "9999-12-31T23:59:59.9999999Z";
static const char marker_version[] = "1!";

/* AZURE_OK and "" when absent. */
static enum azure_error parse_text(struct call *call, const char *name, char *text, size_t text_bytes)
{
    struct slice raw = target_query(call->target.query, name);

    text[0] = '\0';
    if (raw.len > 0 && target_decode_query(raw, text, text_bytes) < 0)
        return call_refuse(call, AZURE_InvalidQueryParameterValue, "The parameter is %s.", name);
    return AZURE_OK;
}

static enum azure_error parse_max_results(struct call *call, uint64_t *ret_max)
{
    struct slice raw = target_query(call->target.query, "maxresults");

    *ret_max = LIMIT_LIST_RESULTS;
    if (raw.len == 0)
        return AZURE_OK;
    if (!slice_to_number(raw, ret_max))
        return call_refuse(call, AZURE_InvalidQueryParameterValue, "The parameter is maxresults.");
    if (*ret_max == 0)
        return call_refuse(call, AZURE_OutOfRangeQueryParameterValue, "The parameter is maxresults.");
    if (*ret_max > LIMIT_LIST_RESULTS)
        *ret_max = LIMIT_LIST_RESULTS;
    return AZURE_OK;
}

/* What the store has none of is known, and adds nothing. */
static bool include_bit(struct slice word, unsigned *ret_bit)
{
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {
        {"metadata", LIST_METADATA},
        {"snapshots", LIST_SNAPSHOTS},
        {"uncommittedblobs", LIST_UNCOMMITTED},
        {"copy", LIST_COPY},
        {"tags", LIST_TAGS},
        {"deleted", 0},
        {"deletedwithversions", 0},
        {"versions", 0},
        {"immutabilitypolicy", 0},
        {"legalhold", 0},
        {"permissions", 0},
        {"system", 0},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!slice_equal_nocase(word, slice_of(words[i].word)))
            continue;
        *ret_bit = words[i].bit;
        return true;
    }
    return false;
}

static enum azure_error parse_includes(struct call *call, unsigned *ret_includes)
{
    char text[256];
    char *rest = NULL;
    enum azure_error error = parse_text(call, "include", text, sizeof(text));

    *ret_includes = 0;
    if (error)
        return error;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        unsigned bit;

        if (!include_bit(slice_of(word), &bit))
            return call_refuse(call, AZURE_InvalidQueryParameterValue, "The parameter is include.");
        *ret_includes |= bit;
    }
    return AZURE_OK;
}

/* "1!BASE64URL(name)!snapshot". */
static bool marker_parse(struct list *list, const char *marker)
{
    struct base64_decode_ctx ctx;
    const char *name = marker + sizeof(marker_version) - 1;
    const char *end;
    size_t len = sizeof(list->from) - 1, snapshot_len;

    if (strncmp(marker, marker_version, sizeof(marker_version) - 1) != 0 || !(end = strchr(name, '!')))
        return false;
    if (BASE64_DECODE_LENGTH((size_t)(end - name)) > len)
        return false;
    base64url_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &len, (uint8_t *)list->from, (size_t)(end - name), name) || !base64_decode_final(&ctx))
        return false;
    list->from[len] = '\0';
    snapshot_len = strlen(end + 1);
    if (strlen(list->from) != len || snapshot_len >= sizeof(list->from_snapshot))
        return false;
    memcpy(list->from_snapshot, end + 1, snapshot_len + 1);
    return len > 0;
}

static enum azure_error parse_marker(struct list *list)
{
    char marker[MARKER_BYTES];
    enum azure_error error = parse_text(list->call, "marker", marker, sizeof(marker));

    if (error)
        return error;
    if (marker[0] && !marker_parse(list, marker))
        return call_refuse(list->call, AZURE_InvalidQueryParameterValue, "The marker is not one that a listing here gave.");
    list->raw_marker = target_query(list->call->target.query, "marker");
    return AZURE_OK;
}

static void list_put_front(struct list *list)
{
    struct call *call = list->call;
    struct slice max_results = target_query(call->target.query, "maxresults");
    char marker[MARKER_BYTES];

    (void)buf_printf(&list->xml,
                     "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"http://%s.%s/\"",
                     call->target.account, call->host_suffix);
    if (call->container[0])
        (void)buf_printf(&list->xml, " ContainerName=\"%s\"", call->container);
    (void)buf_puts(&list->xml, ">");
    list_put(list, "Prefix", list->prefix);
    (void)parse_text(call, "marker", marker, sizeof(marker));
    list_put(list, "Marker", marker);
    if (max_results.len > 0)
        list_put_number(list, "MaxResults", list->max_results);
    if (list->delimiter[0])
        list_put(list, "Delimiter", list->delimiter);
}

enum azure_error list_begin(struct list *list, struct call *call)
{
    enum azure_error error;

    list->call = call;
    list->count = 0;
    list->is_full = false;
    list->from[0] = list->from_snapshot[0] = '\0';
    list->max_bytes = call->request->data_capacity / 4 * 3;
    buf_init(&list->xml, LIST_XML_BYTES);
    error = parse_text(call, "prefix", list->prefix, sizeof(list->prefix));
    if (error == AZURE_OK)
        error = parse_text(call, "delimiter", list->delimiter, sizeof(list->delimiter));
    if (error == AZURE_OK)
        error = parse_max_results(call, &list->max_results);
    if (error == AZURE_OK)
        error = parse_includes(call, &list->includes);
    if (error == AZURE_OK)
        error = parse_marker(list);
    if (error == AZURE_OK)
        list_put_front(list);
    return error;
}

void list_done(struct list *list)
{
    buf_free(&list->xml);
}

static void list_end_page_before(struct list *list, const char *name, const char *snapshot)
{
    list->is_full = true;
    (void)snprintf(list->from, sizeof(list->from), "%s", name);
    if (!snapshot)
        snapshot = list->includes & LIST_SNAPSHOTS ? after_snapshots : "";
    (void)snprintf(list->from_snapshot, sizeof(list->from_snapshot), "%s", snapshot);
}

bool list_entry_begin(struct list *list, const char *name, const char *snapshot)
{
    if (list->count == list->max_results) {
        list_end_page_before(list, name, snapshot);
        return false;
    }
    list->entry_at = list->xml.len;
    return true;
}

bool list_entry_end(struct list *list, const char *name, const char *snapshot)
{
    if (list->xml.failed)
        return false;
    if (list->count > 0 && list->xml.len > list->max_bytes) {
        list->xml.len = list->entry_at;
        list_end_page_before(list, name, snapshot);
        return false;
    }
    list->count++;
    return true;
}

static void list_put_next_marker(struct list *list)
{
    char text[BASE64_ENCODE_RAW_LENGTH(CALL_BLOB_BYTES)];
    size_t name_bytes = strlen(list->from);

    if (!list->is_full) {
        list_put(list, "NextMarker", NULL);
        return;
    }
    base64_encode_raw(text, name_bytes, (const uint8_t *)list->from);
    for (size_t i = 0; i < BASE64_ENCODE_RAW_LENGTH(name_bytes); i++) { /* the URL alphabet */
        if (text[i] == '+')
            text[i] = '-';
        else if (text[i] == '/')
            text[i] = '_';
    }
    (void)buf_printf(&list->xml, "<NextMarker>%s%.*s!%s</NextMarker>", marker_version, (int)BASE64_ENCODE_RAW_LENGTH(name_bytes),
                     text, list->from_snapshot);
}

enum azure_error list_answer(struct list *list, const char *element)
{
    (void)buf_printf(&list->xml, "</%s>", element);
    list_put_next_marker(list);
    (void)buf_puts(&list->xml, "</EnumerationResults>");
    answer_begin(list->call, 200);
    return answer_xml(list->call, &list->xml);
}

void list_put(struct list *list, const char *element, const char *text)
{
    if (!text || !text[0]) {
        (void)buf_printf(&list->xml, "<%s />", element);
        return;
    }
    (void)buf_printf(&list->xml, "<%s>", element);
    (void)buf_put_xml(&list->xml, text, strlen(text));
    (void)buf_printf(&list->xml, "</%s>", element);
}

void list_put_number(struct list *list, const char *element, uint64_t number)
{
    (void)buf_printf(&list->xml, "<%s>%llu</%s>", element, (unsigned long long)number, element);
}

void list_put_date(struct list *list, const char *element, int64_t wall_us)
{
    char text[CLOCK_HTTP_DATE_BYTES];

    clock_format_http(wall_us, text);
    list_put(list, element, text);
}

/* Control characters, and U+FFFE and U+FFFF. */
static bool xml_can_hold(const char *name)
{
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
            return false;
    return true;
}

void list_put_name(struct list *list, const char *name)
{
    if (xml_can_hold(name)) {
        list_put(list, "Name", name);
        return;
    }
    (void)buf_puts(&list->xml, "<Name Encoded=\"true\">");
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        bool is_plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || strchr("-_.~/", *p);

        (void)buf_printf(&list->xml, is_plain ? "%c" : "%%%02X", *p);
    }
    (void)buf_puts(&list->xml, "</Name>");
}

void list_put_metadata(struct list *list, const struct store_pairs *metadata)
{
    const char *name, *value;
    size_t position = 0;

    if (metadata->len == 0) {
        list_put(list, "Metadata", NULL);
        return;
    }
    (void)buf_puts(&list->xml, "<Metadata>");
    while (store_pairs_next(metadata, &position, &name, &value))
        list_put(list, name, value);
    (void)buf_puts(&list->xml, "</Metadata>");
}
