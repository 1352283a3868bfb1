/* SPDX-License-Identifier: MIT */
/* Reads media types. */
#include "mediatype.h"

#include <errno.h>
#include <string.h>

struct cursor {
    const char *at, *end;
};

static bool is_token_byte(char c)
{
    static const char separators[] = "()<>@,;:\\\"/[]?={}";

    return c > 0x20 && c < 0x7f && !strchr(separators, c);
}

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t'))
        cursor->at++;
}

static bool take(struct cursor *cursor, char wanted)
{
    if (cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

/* Without quotes RFC 2045 allows a token only, but clients write boundaries of all characters that RFC 2046 allows, but blanks.
 */
static bool is_value_byte(char c)
{
    return is_token_byte(c) || (c != '\0' && strchr("(),/:=?", c));
}

static struct slice take_unquoted(struct cursor *cursor)
{
    const char *begin = cursor->at;

    while (cursor->at < cursor->end && is_value_byte(*cursor->at))
        cursor->at++;
    return (struct slice){begin, (size_t)(cursor->at - begin)};
}

static struct slice take_token(struct cursor *cursor)
{
    const char *begin = cursor->at;

    while (cursor->at < cursor->end && is_token_byte(*cursor->at))
        cursor->at++;
    return (struct slice){begin, (size_t)(cursor->at - begin)};
}

/* After the opening quote; copies what fits, and counts all of it. */
static int take_quoted(struct cursor *cursor, char *value, size_t value_bytes, size_t *ret_len)
{
    size_t len = 0;

    while (cursor->at < cursor->end && *cursor->at != '"') {
        if (*cursor->at == '\\' && ++cursor->at == cursor->end)
            return -EBADMSG;
        if (len < value_bytes)
            value[len] = *cursor->at;
        len++;
        cursor->at++;
    }
    *ret_len = len;
    return take(cursor, '"') ? 0 : -EBADMSG;
}

/* In quotes or without. */
static int take_value(struct cursor *cursor, char *value, size_t value_bytes, size_t *ret_len)
{
    if (take(cursor, '"'))
        return take_quoted(cursor, value, value_bytes, ret_len);
    struct slice found = take_unquoted(cursor);

    if (found.len == 0)
        return -EBADMSG;
    memcpy(value, found.bytes, found.len < value_bytes ? found.len : value_bytes);
    *ret_len = found.len;
    return 0;
}

static int take_type(struct cursor *cursor)
{
    skip_blanks(cursor);
    if (take_token(cursor).len == 0 || !take(cursor, '/') || take_token(cursor).len == 0)
        return -EBADMSG;
    skip_blanks(cursor);
    return 0;
}

/* "; name = value" and the blanks that follow. A ';' that nothing follows is no parameter: name.len is 0. */
static int take_parameter(struct cursor *cursor, struct slice *ret_name, char *value, size_t value_bytes, size_t *ret_len)
{
    if (!take(cursor, ';'))
        return -EBADMSG;
    skip_blanks(cursor);
    *ret_name = take_token(cursor);
    if (ret_name->len == 0)
        return 0;
    skip_blanks(cursor);
    if (!take(cursor, '='))
        return -EBADMSG;
    skip_blanks(cursor);
    int r = take_value(cursor, value, value_bytes, ret_len);

    skip_blanks(cursor);
    return r;
}

int mediatype_parameter(struct slice type, const char *name, char *ret_value, size_t value_bytes)
{
    struct cursor cursor = {type.bytes, type.bytes + type.len};
    char scratch[1];
    size_t len = 0, found_len = 0;
    bool is_found = false;
    int r = type.len > 0 ? take_type(&cursor) : -EBADMSG;

    while (r == 0 && cursor.at < cursor.end) {
        struct cursor before = cursor;
        struct slice found;

        r = take_parameter(&cursor, &found, scratch, sizeof(scratch), &len);
        if (r < 0 || !slice_equal_nocase(found, slice_of(name)))
            continue;
        if (is_found)
            return -EBADMSG;
        is_found = true;
        found_len = len;
        r = take_parameter(&before, &found, ret_value, value_bytes - 1, &len);
    }
    if (r < 0)
        return r;
    if (!is_found)
        return -ENOENT;
    if (found_len >= value_bytes)
        return -ENOBUFS;
    ret_value[found_len] = '\0';
    return 0;
}
