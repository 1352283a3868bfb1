/* SPDX-License-Identifier: MIT */
/* Walks the parts of a multipart/mixed body and rewrites the request in each. */
#include "batch.h"

#include "../lib/azure/target.h"
#include "../lib/sign/sharedkey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BOUNDARY_BYTES_MAX 70u /* RFC 2046 */
#define CRLF_BYTES 2u

/* One place of a part where other bytes go. */
struct splice {
    struct slice old;
    struct slice new;
};

/* What becomes of one request. */
struct change {
    struct splice target, authorization; /* old.bytes == NULL: none */
    char authorization_text[TARGET_ACCOUNT_BYTES + SHAREDKEY_SIGNATURE_BYTES + sizeof("SharedKey :")];
};

static struct slice slice_between(const char *from, const char *to)
{
    return (struct slice){from, (size_t)(to - from)};
}

/* ---- the boundary ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The value of boundary= in a Content-Type, with or without quotes. */
static int find_boundary(struct slice type, struct slice *ret_boundary)
{
    static const char name[] = "boundary=";
    const size_t name_len = sizeof(name) - 1;

    for (size_t i = 1; i + name_len < type.len; i++) {
        const char *value = type.bytes + i + name_len, *end = type.bytes + type.len;
        bool is_quoted = *value == '"';
        size_t len = 0;

        if ((type.bytes[i - 1] != ';' && !is_blank(type.bytes[i - 1])) || strncasecmp(type.bytes + i, name, name_len) != 0)
            continue;
        value += is_quoted;
        while (value + len < end && (is_quoted ? value[len] != '"' : value[len] != ';' && !is_blank(value[len])))
            len++;
        if (len == 0 || len > BOUNDARY_BYTES_MAX || (is_quoted && value + len == end))
            return -EBADMSG;
        *ret_boundary = (struct slice){value, len};
        return 0;
    }
    return -EBADMSG;
}

/* Does the line at the front of text begin with "--boundary", and not with a longer one? */
static bool is_delimiter(struct slice text, struct slice boundary)
{
    size_t len = boundary.len + 2;

    return text.len >= len && text.bytes[0] == '-' && text.bytes[1] == '-' &&
           memcmp(text.bytes + 2, boundary.bytes, boundary.len) == 0 &&
           (text.len == len || memchr("\r\n \t-", text.bytes[len], 5));
}

/* The next such line, at the front of rest or behind a line feed; NULL: there is none. */
static const char *find_delimiter(struct slice rest, struct slice boundary)
{
    const char *at = rest.bytes, *end = at + rest.len;

    while (at && at < end) {
        if (is_delimiter(slice_between(at, end), boundary))
            return at;
        at = memchr(at, '\n', (size_t)(end - at));
        if (at)
            at++;
    }
    return NULL;
}

/* ---- one request ---- */

/* How much of the path is the account: "/acct" in "/acct/c/b". 0: it is not in front. */
static size_t account_span(struct slice path, const char *account)
{
    static const char secondary[] = "-secondary";
    size_t len = 1 + strlen(account);

    if (path.len < len || path.bytes[0] != '/' || memcmp(path.bytes + 1, account, len - 1) != 0)
        return 0;
    if (path.len - len >= sizeof(secondary) - 1 && memcmp(path.bytes + len, secondary, sizeof(secondary) - 1) == 0)
        len += sizeof(secondary) - 1;
    return path.len == len || path.bytes[len] == '/' ? len : 0;
}

static unsigned count_fields(const struct head *head, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < head->field_count; i++)
        count += slice_equal_nocase(head->fields[i].name, slice_of(name));
    return count;
}

/* Signs anew over the new path what was signed right over the old one. */
static void sign_anew(const struct batch *batch, struct slice old_path, struct slice new_path, struct slice query,
                      struct change *change)
{
    struct head *head = batch->scratch;
    struct sharedkey_request request = {head, batch->account, old_path, query};
    char signature[SHAREDKEY_SIGNATURE_BYTES];

    if (!batch->keys || count_fields(head, "Authorization") != 1 ||
        sharedkey_verify(&request, (struct slice){NULL, 0}, batch->keys, batch->wall_us) != SHAREDKEY_OK)
        return;
    request.path = new_path;
    if (sharedkey_string_to_sign(&request, SHAREDKEY_ORDER_CULTURE, batch->sign_text) < 0)
        return;
    sharedkey_sign(&batch->keys->keys[0], batch->sign_text->bytes, batch->sign_text->len, signature);
    snprintf(change->authorization_text, sizeof(change->authorization_text), "SharedKey %s:%s", batch->account, signature);
    change->authorization = (struct splice){head_value(head, "Authorization"), slice_of(change->authorization_text)};
}

/* What is to be changed in a request; false: nothing. */
static bool find_change(const struct batch *batch, struct slice request, struct change *change)
{
    const char *end = memmem(request.bytes, request.len, "\r\n\r\n", 4);
    struct head *head = batch->scratch;
    struct slice path, query = {NULL, 0}, stripped;
    const char *mark;
    size_t span;

    if (!end || head_parse_request(request.bytes, (size_t)(end - request.bytes) + 4, head) < 0)
        return false;
    mark = memchr(head->target.bytes, '?', head->target.len);
    path = mark ? slice_between(head->target.bytes, mark) : head->target;
    if (mark)
        query = slice_between(mark + 1, head->target.bytes + head->target.len);
    span = account_span(path, batch->account);
    if (span == 0)
        return false;
    stripped = span < path.len ? (struct slice){path.bytes + span, path.len - span} : SLICE("/");
    *change = (struct change){.target = {path, stripped}};
    sign_anew(batch, path, stripped, query, change);
    return true;
}

static void put_spliced(struct buf *text, struct slice whole, const struct splice *splices, size_t count)
{
    const char *at = whole.bytes;

    for (size_t i = 0; i < count; i++) {
        if (!splices[i].old.bytes)
            continue;
        (void)buf_append(text, at, (size_t)(splices[i].old.bytes - at));
        (void)buf_append(text, splices[i].new.bytes, splices[i].new.len);
        at = splices[i].old.bytes + splices[i].old.len;
    }
    (void)buf_append(text, at, (size_t)(whole.bytes + whole.len - at));
}

static size_t grown_by(const struct splice *splice, size_t bytes)
{
    return splice->old.bytes ? bytes - splice->old.len + splice->new.len : bytes;
}

/* ---- one part ---- */

/* The digits of a Content-Length among the fields of the part, which stand in front of the request; len 0: none. */
static struct slice find_length(struct slice fields)
{
    static const char name[] = "Content-Length:";
    const size_t name_len = sizeof(name) - 1;

    for (const char *at = fields.bytes, *end = at + fields.len; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t len = 0;

        if ((size_t)(end - at) > name_len && strncasecmp(at, name, name_len) == 0) {
            for (at += name_len; at < end && is_blank(*at); at++)
                ;
            while (at + len < end && at[len] >= '0' && at[len] <= '9')
                len++;
            return (struct slice){at, len};
        }
        at = line_end ? line_end + 1 : end;
    }
    return (struct slice){NULL, 0};
}

/* part: from behind the delimiter's line to the next delimiter, whose CRLF in front is its last two bytes. */
static void put_part(const struct batch *batch, struct slice part, struct buf *text)
{
    bool has_no_fields = part.len >= CRLF_BYTES && memcmp(part.bytes, "\r\n", CRLF_BYTES) == 0;
    const char *blank = has_no_fields ? part.bytes : memmem(part.bytes, part.len, "\r\n\r\n", 4);
    const char *begin = blank ? blank + (has_no_fields ? CRLF_BYTES : 2 * CRLF_BYTES) : NULL;
    struct slice fields, request, length;
    struct change change;
    char length_text[24];

    if (begin)
        request = slice_between(begin, part.bytes + part.len);
    if (!begin || !find_change(batch, request, &change)) {
        (void)buf_append(text, part.bytes, part.len);
        return;
    }
    fields = slice_between(part.bytes, begin);
    length = find_length(fields);
    if (length.len > 0) {
        size_t bytes = grown_by(&change.authorization, grown_by(&change.target, request.len));

        snprintf(length_text, sizeof(length_text), "%zu", bytes - CRLF_BYTES);
        put_spliced(text, fields, &(struct splice){length, slice_of(length_text)}, 1);
    } else {
        (void)buf_append(text, fields.bytes, fields.len);
    }
    put_spliced(text, request, (const struct splice[]){change.target, change.authorization}, 2);
}

int batch_rewrite(struct slice body, const struct batch *batch, struct buf *ret_body)
{
    const char *end = body.bytes + body.len, *next;
    struct slice boundary;
    unsigned parts = 0;

    if (find_boundary(batch->content_type, &boundary) < 0)
        return -EBADMSG;
    next = find_delimiter(body, boundary);
    (void)buf_append(ret_body, body.bytes, next ? (size_t)(next - body.bytes) : body.len);
    while (next) {
        const char *delimiter = next, *line_end = memchr(delimiter, '\n', (size_t)(end - delimiter));
        bool is_last = (size_t)(end - delimiter) >= boundary.len + 4 && memcmp(delimiter + 2 + boundary.len, "--", 2) == 0;

        if (is_last || !line_end)
            return buf_append(ret_body, delimiter, (size_t)(end - delimiter));
        if (++parts > BATCH_PARTS_MAX)
            return -E2BIG;
        (void)buf_append(ret_body, delimiter, (size_t)(line_end + 1 - delimiter));
        next = find_delimiter(slice_between(line_end + 1, end), boundary);
        put_part(batch, slice_between(line_end + 1, next ? next : end), ret_body);
    }
    return ret_body->failed;
}
