/* SPDX-License-Identifier: MIT */
/* The guard in front of the HTTP parser and of everything behind it. */
#include "guard.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct guard_verdict let_in = {.error = AZURE_OK};

static struct guard_verdict refuse(enum azure_error error, const char *detail)
{
    return (struct guard_verdict){.error = error, .detail = detail};
}

static bool is_token(struct slice name)
{
    static const char *const extra = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.len; i++) {
        char c = name.bytes[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_alnum && (c == '\0' || !strchr(extra, c)))
            return false;
    }
    return name.len > 0;
}

static bool has_control(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.bytes[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static struct guard_verdict check_method(struct slice method)
{
    static const char *const known[] = {"GET", "PUT", "HEAD", "DELETE", "POST", "OPTIONS", NULL};

    for (const char *const *name = known; *name; name++)
        if (slice_equal(method, slice_of(*name)))
            return let_in;
    return refuse(AZURE_UnsupportedHttpVerb, "Methods known here: GET, HEAD, PUT, POST, DELETE, OPTIONS.");
}

static struct guard_verdict check_target(struct slice target)
{
    if (target.len == 0 || target.bytes[0] != '/')
        return refuse(AZURE_InvalidUri, "The request target must be a path that begins with '/'.");
    if (target.len > LIMIT_TARGET_BYTES)
        return refuse(AZURE_InvalidUri, "The request target is too long.");
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.bytes[i];

        if (c <= 0x20 || c == 0x7f || c == '#')
            return refuse(AZURE_InvalidUri, "The request target holds a blank, a control character or '#'.");
        if (c == '%' && i + 2 < target.len && target.bytes[i + 1] == '0' && target.bytes[i + 2] == '0')
            return refuse(AZURE_InvalidUri, "The request target holds %00.");
    }
    return let_in;
}

/* Host: name, IPv4 literal or [IPv6 literal], with an optional port. */
static bool is_host(struct slice host)
{
    static const char *const legal = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";

    for (size_t i = 0; i < host.len; i++)
        if (host.bytes[i] == '\0' || !strchr(legal, host.bytes[i]))
            return false;
    return host.len > 0;
}

static bool is_all_digits(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return false;
    return value.len > 0 && value.len <= 18;
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text = (struct slice){text.bytes + 1, text.len - 1};
    while (text.len > 0 && (text.bytes[text.len - 1] == ' ' || text.bytes[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Connection takes fields away from a request after its signature was verified, which does not cover Connection. So it may name
 * only what is of no use beyond this hop. */
static bool is_connection_option(struct slice name)
{
    static const char *const known[] = {"close",          "keep-alive", "Proxy-Connection", "Upgrade",
                                        "HTTP2-Settings", "TE",         "Trailer",          NULL};

    for (const char *const *option = known; *option; option++)
        if (slice_equal_nocase(name, slice_of(*option)))
            return true;
    return name.len == 0; /* RFC 9110, 5.6.1: empty elements of a list mean nothing */
}

static bool is_connection(struct slice value)
{
    while (value.len > 0) {
        const char *comma = memchr(value.bytes, ',', value.len);
        size_t len = comma ? (size_t)(comma - value.bytes) : value.len;

        if (!is_connection_option(trim((struct slice){value.bytes, len})))
            return false;
        value = comma ? (struct slice){comma + 1, value.len - len - 1} : (struct slice){NULL, 0};
    }
    return true;
}

struct counts {
    unsigned hosts, lengths;
};

static struct guard_verdict check_field(const struct head_field *field, struct counts *counts)
{
    if (!is_token(field->name))
        return refuse(AZURE_MalformedRequest, "A header name is not a token.");
    if (has_control(field->value))
        return refuse(AZURE_MalformedRequest, "A header value holds a control character.");
    if (slice_equal_nocase(field->name, SLICE("Host"))) {
        if (counts->hosts++ > 0 || !is_host(field->value))
            return refuse(AZURE_MalformedRequest, "There must be exactly one valid Host header.");
    } else if (slice_equal_nocase(field->name, SLICE("Content-Length"))) {
        if (counts->lengths++ > 0 || !is_all_digits(field->value))
            return refuse(AZURE_InvalidHeaderValue, "Content-Length must be given once, in digits.");
    } else if (slice_equal_nocase(field->name, SLICE("Transfer-Encoding"))) {
        return refuse(AZURE_MissingContentLengthHeader, "Transfer-Encoding is not supported; send a Content-Length.");
    } else if (slice_equal_nocase(field->name, SLICE("Expect"))) {
        if (!slice_equal_nocase(field->value, SLICE("100-continue")))
            return refuse(AZURE_InvalidHeaderValue, "Expect may only be 100-continue.");
    } else if (slice_equal_nocase(field->name, SLICE("Connection"))) {
        if (!is_connection(field->value))
            return refuse(AZURE_InvalidHeaderValue, "Connection may only name close, keep-alive and fields of this hop.");
    }
    return let_in;
}

struct guard_verdict guard_check(const struct head *request)
{
    struct counts counts = {0, 0};
    struct guard_verdict verdict = check_method(request->method);

    if (verdict.error == AZURE_OK)
        verdict = check_target(request->target);
    for (unsigned i = 0; i < request->field_count && verdict.error == AZURE_OK; i++)
        verdict = check_field(&request->fields[i], &counts);
    if (verdict.error == AZURE_OK && counts.hosts != 1)
        return refuse(AZURE_MalformedRequest, "There must be exactly one valid Host header.");
    return verdict;
}

/* Why a head that is not valid is not: the commonest reasons get words of their own. */
static struct guard_verdict explain_malformed(const char *bytes, size_t len)
{
    const char *line_end = memchr(bytes, '\n', len);
    size_t line_len = line_end ? (size_t)(line_end - bytes) : len;

    if (memmem(bytes, line_len, " http://", 8) || memmem(bytes, line_len, " https://", 9))
        return refuse(AZURE_InvalidUri, "Absolute-form targets are not accepted: this is not a forward proxy.");
    if (!memmem(bytes, line_len, " HTTP/1.1\r", 10))
        return refuse(AZURE_MalformedRequest, "The request line must be 'METHOD /path HTTP/1.1'.");
    return refuse(AZURE_MalformedRequest, "The request's head is not valid HTTP/1.1.");
}

/* What the library allocates of its pool for a head, next to the bytes of the head: a record for each header field, query
 * parameter and cookie. */
static size_t count_records(const struct head *head)
{
    size_t records = head->field_count + 1u;

    for (size_t i = 0; i < head->target.len; i++)
        records += head->target.bytes[i] == '&' || head->target.bytes[i] == '?';
    for (unsigned i = 0; i < head->field_count; i++)
        if (slice_equal_nocase(head->fields[i].name, SLICE("Cookie")))
            for (size_t k = 0; k < head->fields[i].value.len; k++)
                records += head->fields[i].value.bytes[k] == ';' || head->fields[i].value.bytes[k] == ',';
    return records;
}

static struct guard_verdict check_whole(const char *bytes, size_t len, struct head *head)
{
    int r = head_parse_client_request(bytes, len, head);

    if (r < 0)
        return r == -E2BIG ? refuse(AZURE_RequestHeadersTooLarge, "A request may have 256 header fields.")
                           : explain_malformed(bytes, len);
    struct guard_verdict verdict = guard_check(head);
    uint64_t body_bytes = 0;

    if (verdict.error == AZURE_OK && len + count_records(head) * LIMIT_HEAD_RECORD_BYTES > LIMIT_PARSED_HEAD_BYTES)
        verdict =
            refuse(AZURE_RequestHeadersTooLarge, "The head of a request may have 32 KiB, less with many fields or parameters.");
    verdict.is_parsed = true;
    if (verdict.error != AZURE_OK)
        return verdict;
    if (head_content_length(head, &body_bytes) < 0)
        body_bytes = 0;
    verdict.request_bytes = len + body_bytes;
    return verdict;
}

enum guard_scan guard_scan(const char *bytes, size_t len, struct head *head, struct guard_verdict *ret_verdict)
{
    size_t skip = 0;

    while (len - skip >= 2 && bytes[skip] == '\r' && bytes[skip + 1] == '\n' && skip < GUARD_EMPTY_LINE_BYTES)
        skip += 2;
    const char *begin = bytes + skip;
    const char *end = memmem(begin, len - skip, "\r\n\r\n", 4);

    if (!end) {
        const char *first_line = memchr(begin, '\n', len - skip);

        if (len < LIMIT_FIRST_HEAD_BYTES && memmem(begin, len - skip, "\n\n", 2) == NULL)
            return GUARD_INCOMPLETE;
        *ret_verdict = len < LIMIT_FIRST_HEAD_BYTES ? explain_malformed(begin, len - skip)
                       : first_line ? refuse(AZURE_RequestHeadersTooLarge, "The head of a request may have 32 KiB.")
                                    : refuse(AZURE_RequestUrlTooLong, "The request target is too long.");
        return GUARD_REFUSED;
    }
    *ret_verdict = check_whole(begin, (size_t)(end - begin) + 4, head);
    ret_verdict->empty_line_bytes = skip;
    return ret_verdict->error == AZURE_OK ? GUARD_COMPLETE : GUARD_REFUSED;
}
