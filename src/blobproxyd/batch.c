/* SPDX-License-Identifier: MIT */
/* Walks the parts of a multipart/mixed body and rewrites the request in each. */
#include "batch.h"

#include "mediatype.h"

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

/* RFC 2046, 5.1.1: 1 to 70 characters of a short list, the last one no blank. */
static int find_boundary(struct slice type, char ret_boundary[BOUNDARY_BYTES_MAX + 1])
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'()+_,-./:=? ";
    int r = mediatype_parameter(type, "boundary", ret_boundary, BOUNDARY_BYTES_MAX + 1);
    size_t len = r == 0 ? strlen(ret_boundary) : 0;

    return len > 0 && strspn(ret_boundary, legal) == len && ret_boundary[len - 1] != ' ' ? 0 : -EBADMSG;
}

/* Is the line at the front of text "--boundary" or "--boundary--", followed by blanks only? */
static bool is_delimiter(struct slice text, struct slice boundary)
{
    if (text.len < boundary.len + 2 || memcmp(text.bytes, "--", 2) != 0 ||
        memcmp(text.bytes + 2, boundary.bytes, boundary.len) != 0)
        return false;
    const char *at = text.bytes + boundary.len + 2, *end = text.bytes + text.len;

    if (end - at >= 2 && memcmp(at, "--", 2) == 0)
        at += 2;
    while (at < end && is_blank(*at))
        at++;
    return at == end || *at == '\r' || *at == '\n';
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

/* What is to be changed in a request. 0, or -EBADMSG: it is no request with a path, and so whatever the host took it for would
 * name other things than the client meant. */
static int find_change(const struct batch *batch, struct slice request, struct change *change)
{
    const char *end = memmem(request.bytes, request.len, "\r\n\r\n", 4);
    struct head *head = batch->scratch;
    struct slice path, query = {NULL, 0}, stripped;
    const char *mark;
    size_t span;

    *change = (struct change){0};
    if (!end || head_parse_request(request.bytes, (size_t)(end - request.bytes) + 4, head) < 0 || head->target.bytes[0] != '/')
        return -EBADMSG;
    mark = memchr(head->target.bytes, '?', head->target.len);
    path = mark ? slice_between(head->target.bytes, mark) : head->target;
    if (mark)
        query = slice_between(mark + 1, head->target.bytes + head->target.len);
    span = account_span(path, batch->account);
    if (span == 0)
        return 0;
    stripped = span < path.len ? (struct slice){path.bytes + span, path.len - span} : SLICE("/");
    change->target = (struct splice){path, stripped};
    sign_anew(batch, path, stripped, query, change);
    return 0;
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
static int put_part(const struct batch *batch, struct slice part, struct buf *text)
{
    bool has_no_fields = part.len >= CRLF_BYTES && memcmp(part.bytes, "\r\n", CRLF_BYTES) == 0;
    const char *blank = has_no_fields ? part.bytes : memmem(part.bytes, part.len, "\r\n\r\n", 4);
    const char *begin = blank ? blank + (has_no_fields ? CRLF_BYTES : 2 * CRLF_BYTES) : NULL;
    struct slice fields, request, length;
    struct change change;
    char length_text[24];

    if (!begin)
        return -EBADMSG;
    request = slice_between(begin, part.bytes + part.len);
    if (find_change(batch, request, &change) < 0)
        return -EBADMSG;
    fields = slice_between(part.bytes, begin);
    length = find_length(fields);
    if (length.len > 0 && change.target.old.bytes) {
        size_t bytes = grown_by(&change.authorization, grown_by(&change.target, request.len));

        snprintf(length_text, sizeof(length_text), "%zu", bytes - CRLF_BYTES);
        put_spliced(text, fields, &(struct splice){length, slice_of(length_text)}, 1);
    } else {
        (void)buf_append(text, fields.bytes, fields.len);
    }
    put_spliced(text, request, (const struct splice[]){change.target, change.authorization}, 2);
    return text->failed;
}

int batch_rewrite(struct slice body, const struct batch *batch, struct buf *ret_body)
{
    const char *end = body.bytes + body.len, *next;
    char boundary_text[BOUNDARY_BYTES_MAX + 1];
    unsigned parts = 0;

    if (find_boundary(batch->content_type, boundary_text) < 0)
        return -EBADMSG;
    struct slice boundary = slice_of(boundary_text);

    next = find_delimiter(body, boundary);
    if (!next)
        return -EBADMSG;
    (void)buf_append(ret_body, body.bytes, (size_t)(next - body.bytes));
    while (next) {
        const char *delimiter = next, *line_end = memchr(delimiter, '\n', (size_t)(end - delimiter));
        bool is_last = (size_t)(end - delimiter) >= boundary.len + 4 && memcmp(delimiter + 2 + boundary.len, "--", 2) == 0;

        if (is_last)
            return buf_append(ret_body, delimiter, (size_t)(end - delimiter));
        if (!line_end)
            return -EBADMSG;
        if (++parts > BATCH_PARTS_MAX)
            return -E2BIG;
        (void)buf_append(ret_body, delimiter, (size_t)(line_end + 1 - delimiter));
        next = find_delimiter(slice_between(line_end + 1, end), boundary);
        int r = put_part(batch, slice_between(line_end + 1, next ? next : end), ret_body);

        if (r < 0)
            return r;
    }
    return ret_body->failed;
}
