/* SPDX-License-Identifier: MIT */
/* Reads and writes HTTP/1.1 message heads, byte class by byte class, without repairing anything. */
#include "head.h"

#include <errno.h>
#include <string.h>

#define HTTP_VERSION SLICE("HTTP/1.1")

enum byte_class {
    IN_TOKEN = 1,  /* tchar of RFC 9110 */
    IN_TARGET = 2, /* visible ASCII and bytes from 0x80 on */
    IN_VALUE = 4,  /* those, blank and tab */
};

#define VISIBLE (IN_TARGET | IN_VALUE)
#define TOKEN (IN_TOKEN | IN_TARGET | IN_VALUE)

static const unsigned char classes[256] = {
    ['\t'] = IN_VALUE,         [' '] = IN_VALUE,        ['!'] = TOKEN,         ['"'] = VISIBLE,         ['#' ... '\''] = TOKEN,
    ['(' ... ')'] = VISIBLE,   ['*' ... '+'] = TOKEN,   [','] = VISIBLE,       ['-' ... '.'] = TOKEN,   ['/'] = VISIBLE,
    ['0' ... '9'] = TOKEN,     [':' ... '@'] = VISIBLE, ['A' ... 'Z'] = TOKEN, ['[' ... ']'] = VISIBLE, ['^' ... '`'] = TOKEN,
    ['a' ... 'z'] = TOKEN,     ['{'] = VISIBLE,         ['|'] = TOKEN,         ['}'] = VISIBLE,         ['~'] = TOKEN,
    [0x80 ... 0xFF] = VISIBLE,
};

/* What is still to be decoded. */
struct scan {
    const char *at;
    const char *end;
};

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

static unsigned char lower(char byte)
{
    unsigned char raw = (unsigned char)byte;

    return raw >= 'A' && raw <= 'Z' ? (unsigned char)(raw | 0x20) : raw;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.bytes[i]) != lower(b.bytes[i]))
            return false;
    return true;
}

static bool is_all(struct slice slice, enum byte_class wanted)
{
    for (size_t i = 0; i < slice.len; i++)
        if ((classes[(unsigned char)slice.bytes[i]] & wanted) == 0)
            return false;
    return true;
}

static bool is_target(struct slice target)
{
    if (target.len == 0 || !is_all(target, IN_TARGET))
        return false;
    return target.bytes[0] == '/' || (target.len == 1 && target.bytes[0] == '*');
}

/* The longest run of bytes of that class, which may be empty. */
static struct slice take_run(struct scan *scan, enum byte_class wanted)
{
    const char *start = scan->at;
    const char *at = start;

    while (at < scan->end && (classes[(unsigned char)*at] & wanted) != 0)
        at++;
    scan->at = at;
    return (struct slice){start, (size_t)(at - start)};
}

static bool take_literal(struct scan *scan, struct slice literal)
{
    if ((size_t)(scan->end - scan->at) < literal.len || memcmp(scan->at, literal.bytes, literal.len) != 0)
        return false;
    scan->at += literal.len;
    return true;
}

static struct slice trim(struct slice value)
{
    while (value.len > 0 && (value.bytes[0] == ' ' || value.bytes[0] == '\t')) {
        value.bytes++;
        value.len--;
    }
    while (value.len > 0 && (value.bytes[value.len - 1] == ' ' || value.bytes[value.len - 1] == '\t'))
        value.len--;
    return value;
}

/* The fields and the empty line, behind which nothing may stand. The head is large, so only what is used is written. */
static int take_fields(struct scan *scan, struct head *head)
{
    uint16_t count = 0;

    while (!take_literal(scan, SLICE("\r\n"))) {
        struct slice name = take_run(scan, IN_TOKEN);
        if (name.len == 0 || !take_literal(scan, SLICE(":")))
            return -EBADMSG;
        struct slice value = trim(take_run(scan, IN_VALUE));
        if (!take_literal(scan, SLICE("\r\n")))
            return -EBADMSG;
        if (count == LIMIT_HEAD_FIELDS)
            return -E2BIG;
        head->fields[count++] = (struct head_field){name, value};
    }
    if (scan->at != scan->end)
        return -EBADMSG;
    head->field_count = count;
    return 0;
}

static int parse_request(const char *bytes, size_t len, bool takes_http10, struct head *ret_head)
{
    struct scan scan = {bytes, bytes + len};
    struct slice method = take_run(&scan, IN_TOKEN);

    if (method.len == 0 || !take_literal(&scan, SLICE(" ")))
        return -EBADMSG;
    struct slice target = take_run(&scan, IN_TARGET);
    if (!is_target(target))
        return -EBADMSG;
    if (!take_literal(&scan, SLICE(" HTTP/1.1\r\n")) && !(takes_http10 && take_literal(&scan, SLICE(" HTTP/1.0\r\n"))))
        return -EBADMSG;
    int result = take_fields(&scan, ret_head);
    if (result != 0)
        return result;
    ret_head->method = method;
    ret_head->target = target;
    ret_head->reason = (struct slice){NULL, 0};
    ret_head->status = 0;
    return 0;
}

int head_parse_request(const char *bytes, size_t len, struct head *ret_head)
{
    return parse_request(bytes, len, false, ret_head);
}

int head_parse_client_request(const char *bytes, size_t len, struct head *ret_head)
{
    return parse_request(bytes, len, true, ret_head);
}

/* Three digits from 100 to 599, or 0. */
static uint16_t take_status(struct scan *scan)
{
    unsigned status = 0;

    if (scan->end - scan->at < 3)
        return 0;
    for (int i = 0; i < 3; i++) {
        unsigned digit = (unsigned char)scan->at[i] - (unsigned)'0';
        if (digit > 9)
            return 0;
        status = status * 10 + digit;
    }
    scan->at += 3;
    return status >= 100 && status <= 599 ? (uint16_t)status : 0;
}

int head_parse_response(const char *bytes, size_t len, struct head *ret_head)
{
    struct scan scan = {bytes, bytes + len};

    if (!take_literal(&scan, SLICE("HTTP/1.1 ")))
        return -EBADMSG;
    uint16_t status = take_status(&scan);
    if (status == 0 || !take_literal(&scan, SLICE(" ")))
        return -EBADMSG;
    struct slice reason = take_run(&scan, IN_VALUE);
    if (!take_literal(&scan, SLICE("\r\n")))
        return -EBADMSG;
    int result = take_fields(&scan, ret_head);
    if (result != 0)
        return result;
    ret_head->method = (struct slice){NULL, 0};
    ret_head->target = (struct slice){NULL, 0};
    ret_head->reason = reason;
    ret_head->status = status;
    return 0;
}

const struct head_field *head_find(const struct head *head, const char *name)
{
    struct slice wanted = slice_of(name);

    for (size_t i = 0; i < head->field_count; i++)
        if (slice_equal_nocase(head->fields[i].name, wanted))
            return &head->fields[i];
    return NULL;
}

struct slice head_value(const struct head *head, const char *name)
{
    const struct head_field *field = head_find(head, name);

    return field == NULL ? (struct slice){NULL, 0} : field->value;
}

static bool is_listed(struct slice list, struct slice name)
{
    for (size_t start = 0, end; start < list.len; start = end + 1) {
        for (end = start; end < list.len && list.bytes[end] != ','; end++)
            ;
        size_t from = start, to = end;

        while (from < to && (list.bytes[from] == ' ' || list.bytes[from] == '\t'))
            from++;
        while (to > from && (list.bytes[to - 1] == ' ' || list.bytes[to - 1] == '\t'))
            to--;
        if (slice_equal_nocase((struct slice){list.bytes + from, to - from}, name))
            return true;
    }
    return false;
}

bool head_is_hop_by_hop(const struct head *head, struct slice name)
{
    static const char *const names[] = {
        "Connection",        "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade"};

    if (slice_equal_nocase(name, SLICE("Content-Length")))
        return false;
    if (head->status != 0 && slice_equal_nocase(name, SLICE("Host")))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_equal_nocase(name, slice_of(names[i])))
            return true;
    for (unsigned i = 0; i < head->field_count; i++)
        if (slice_equal_nocase(head->fields[i].name, SLICE("Connection")) && is_listed(head->fields[i].value, name))
            return true;
    return false;
}

void head_drop_hop_by_hop(struct head *head)
{
    bool is_dropped[LIMIT_HEAD_FIELDS];
    uint16_t kept = 0;

    for (unsigned i = 0; i < head->field_count; i++)
        is_dropped[i] = head_is_hop_by_hop(head, head->fields[i].name);
    for (unsigned i = 0; i < head->field_count; i++)
        if (!is_dropped[i])
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
}

int head_add(struct head *head, struct slice name, struct slice value)
{
    if (head->field_count >= LIMIT_HEAD_FIELDS)
        return -E2BIG;
    head->fields[head->field_count++] = (struct head_field){name, value};
    return 0;
}

static int parse_length(struct slice text, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;

    if (text.len == 0)
        return -EBADMSG;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.bytes[i] - (unsigned)'0';
        if (digit > 9 || bytes > ((uint64_t)INT64_MAX - digit) / 10)
            return -EBADMSG;
        bytes = bytes * 10 + digit;
    }
    *ret_bytes = bytes;
    return 0;
}

int head_content_length(const struct head *head, uint64_t *ret_bytes)
{
    const struct head_field *found = NULL;

    for (size_t i = 0; i < head->field_count; i++) {
        if (!slice_equal_nocase(head->fields[i].name, SLICE("Content-Length")))
            continue;
        if (found != NULL)
            return -EBADMSG;
        found = &head->fields[i];
    }
    return found == NULL ? -ENOENT : parse_length(found->value, ret_bytes);
}

static int refuse(struct buf *buf)
{
    if (buf->failed == 0)
        buf->failed = -EBADMSG;
    return buf->failed;
}

/* All parts or none. */
static int append_all(struct buf *buf, const struct slice *parts, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    int result = buf_reserve(buf, len);
    for (size_t i = 0; i < count && result == 0; i++)
        result = buf_append(buf, parts[i].bytes, parts[i].len);
    return result;
}

int head_write_request_line(struct buf *buf, struct slice method, struct slice target)
{
    const struct slice parts[] = {method, SLICE(" "), target, SLICE(" "), HTTP_VERSION, SLICE("\r\n")};

    if (method.len == 0 || !is_all(method, IN_TOKEN) || !is_target(target))
        return refuse(buf);
    return append_all(buf, parts, sizeof(parts) / sizeof(parts[0]));
}

int head_write_status_line(struct buf *buf, unsigned status, struct slice reason)
{
    if (status < 100 || status > 599 || !is_all(reason, IN_VALUE))
        return refuse(buf);
    const char digits[3] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    const struct slice parts[] = {HTTP_VERSION, SLICE(" "), {digits, sizeof(digits)}, SLICE(" "), reason, SLICE("\r\n")};
    return append_all(buf, parts, sizeof(parts) / sizeof(parts[0]));
}

int head_write_field(struct buf *buf, struct slice name, struct slice value)
{
    const struct slice parts[] = {name, SLICE(": "), value, SLICE("\r\n")};

    if (name.len == 0 || !is_all(name, IN_TOKEN) || !is_all(value, IN_VALUE))
        return refuse(buf);
    return append_all(buf, parts, sizeof(parts) / sizeof(parts[0]));
}

int head_write_end(struct buf *buf)
{
    return buf_append(buf, "\r\n", 2);
}

static const char *const reasons[600] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [507] = "Insufficient Storage",
};

const char *head_reason(unsigned status)
{
    return status < 600 && reasons[status] != NULL ? reasons[status] : "";
}
