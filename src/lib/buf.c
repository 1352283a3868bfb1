/* SPDX-License-Identifier: MIT */
/* The growing byte buffer: doubling, up to its maximum, always NUL-terminated. */
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAP_BYTES 256u

static int fail(struct buf *buf, int code)
{
    if (buf->failed == 0)
        buf->failed = code;
    return buf->failed;
}

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_free(struct buf *buf)
{
    free(buf->bytes);
    buf_init(buf, buf->max_bytes);
}

void buf_wipe(struct buf *buf)
{
    if (buf->bytes != NULL)
        explicit_bzero(buf->bytes, buf->cap);
    buf_free(buf);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = 0;
    if (buf->bytes != NULL)
        buf->bytes[0] = '\0';
}

/* Moves by hand instead of realloc: what is left behind may be a secret that buf_wipe() would no longer reach. */
static int grow(struct buf *buf, size_t need)
{
    size_t cap = buf->cap == 0 ? FIRST_CAP_BYTES : buf->cap;

    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap - 1 > buf->max_bytes) /* max_bytes + 1 cannot overflow here */
        cap = buf->max_bytes + 1;
    char *bytes = malloc(cap);
    if (bytes == NULL)
        return fail(buf, -ENOMEM);
    if (buf->bytes != NULL) {
        memcpy(bytes, buf->bytes, buf->len + 1);
        explicit_bzero(buf->bytes, buf->len);
    }
    free(buf->bytes);
    buf->bytes = bytes;
    buf->cap = cap;
    bytes[buf->len] = '\0';
    return 0;
}

int buf_reserve(struct buf *buf, size_t len)
{
    if (buf->failed != 0)
        return buf->failed;
    if (len > buf->max_bytes - buf->len || len >= SIZE_MAX - buf->len)
        return fail(buf, -ENOBUFS);
    if (buf->len + len + 1 > buf->cap)
        return grow(buf, buf->len + len + 1);
    return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t len)
{
    int result = buf_reserve(buf, len);

    if (result != 0)
        return result;
    if (len > 0)
        memcpy(buf->bytes + buf->len, bytes, len);
    buf->len += len;
    buf->bytes[buf->len] = '\0';
    return 0;
}

int buf_puts(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0)
        return fail(buf, -ENOMEM);
    int result = buf_reserve(buf, (size_t)needed);
    if (result != 0)
        return result;
    va_start(args, format);
    (void)vsnprintf(buf->bytes + buf->len, (size_t)needed + 1, format, args);
    va_end(args);
    buf->len += (size_t)needed;
    return 0;
}

/* The length of the UTF-8 sequence at bytes if it is well formed and XML 1.0 may hold it, else 0. */
static size_t xml_char_bytes(const unsigned char *bytes, size_t len)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = bytes[0];

    if (first < 0x80)
        return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
    size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || want > len)
        return 0;
    uint32_t code = first & (0xFFu >> (want + 1));
    for (size_t i = 1; i < want; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3Fu);
    }
    bool is_forbidden =
        code < smallest[want] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) || code == 0xFFFE || code == 0xFFFF;
    return is_forbidden ? 0 : want;
}

static const char *xml_entity(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#13;"; /* a parser would turn the bare byte into a line feed */
    default:
        return NULL;
    }
}

int buf_put_xml(struct buf *buf, const char *bytes, size_t len)
{
    size_t before = buf->len;

    for (size_t i = 0; i < len && buf->failed == 0;) {
        size_t char_bytes = xml_char_bytes((const unsigned char *)bytes + i, len - i);
        const char *entity = xml_entity(bytes[i]);
        if (char_bytes == 0)
            (void)buf_puts(buf, "\xEF\xBF\xBD");
        else if (entity != NULL)
            (void)buf_puts(buf, entity);
        else
            (void)buf_append(buf, bytes + i, char_bytes);
        i += char_bytes == 0 ? 1 : char_bytes;
    }
    if (buf->failed != 0 && buf->len != before) {
        buf->len = before;
        buf->bytes[before] = '\0';
    }
    return buf->failed;
}
