/* SPDX-License-Identifier: MIT */
/* Keeps secrets, and what could be taken for a line's structure, out of what is logged of a client's request. */
#include "log_private.h"

#include <string.h>

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
        return (byte | 0x20) - 'a' + 10;
    return -1;
}

/* The byte at *at after all levels of percent-encoding ("%3D", "%253D", ...); advances *at behind it. */
static char take_decoded(const char **at, const char *end)
{
    char byte = *(*at)++;

    while (byte == '%' && end - *at >= 2 && hex_digit((*at)[0]) >= 0 && hex_digit((*at)[1]) >= 0) {
        byte = (char)(hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]));
        *at += 2;
    }
    return byte;
}

/* What a byte means for the search; what is not named separates. */
enum meaning { SEPARATES, CONTINUES, MAY_BEGIN, ESCAPES };
static const unsigned char meanings[256] = {
    ['0' ... '9'] = CONTINUES, ['A' ... 'R'] = CONTINUES, ['S'] = MAY_BEGIN,         ['T' ... 'Z'] = CONTINUES,
    ['a' ... 'r'] = CONTINUES, ['s'] = MAY_BEGIN,         ['t' ... 'z'] = CONTINUES, ['%'] = ESCAPES,
};

static enum meaning meaning_of(char byte)
{
    return (enum meaning)meanings[(unsigned char)byte];
}

/* Nobody's name of a parameter has them, and somebody's decoder may pass over them. */
static const char *skip_blanks(const char *at, const char *end)
{
    for (const char *next = at; next < end; at = next) {
        char byte = take_decoded(&next, end);
        if (byte != '+' && (unsigned char)byte > ' ')
            return at;
    }
    return at;
}

/* Where the value begins if a parameter sig, however its letters are written, begins at "at"; else NULL. A colon stands behind
 * the name in a string to sign. */
static const char *find_secret(const char *at, const char *end)
{
    for (const char *letter = "sig"; *letter != '\0'; letter++) {
        if (at == end)
            return NULL;
        char byte = take_decoded(&at, end);
        if (byte != *letter && byte != *letter - 'a' + 'A')
            return NULL;
    }
    at = skip_blanks(at, end);
    if (at == end)
        return NULL;
    char mark = take_decoded(&at, end);

    return mark == '=' || mark == ':' ? at : NULL;
}

/* Decoded: a '%' that is left is one. */
static bool is_separator(char byte)
{
    return meaning_of(byte) == SEPARATES || byte == '%';
}

typedef void put_function(struct log_text *text, const char *bytes, size_t len);

/* As much as there is room for. */
static void put_raw(struct log_text *text, const char *bytes, size_t len)
{
    size_t room = text->max_bytes - text->len;

    log_text_put(text, bytes, len < room ? len : room);
    text->is_cut |= len > room;
}

static bool is_printable(char byte)
{
    return byte >= ' ' && byte < 0x7F;
}

/* As a URL writes what it cannot hold. */
static void put_printable(struct log_text *text, const char *bytes, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *end = bytes + len;

    while (bytes < end) {
        const char *run = bytes;

        while (bytes < end && is_printable(*bytes))
            bytes++;
        put_raw(text, run, (size_t)(bytes - run));
        if (bytes < end) {
            unsigned char byte = (unsigned char)*bytes++;
            const char escape[] = {'%', digits[byte >> 4], digits[byte & 15]};

            log_text_put(text, escape, sizeof(escape));
        }
    }
}

/* Behind the bytes at which no parameter sig can begin, encoded or not. *may_begin: behind a separator, before and after. */
static const char *skip_dull(const char *at, const char *end, bool *may_begin)
{
    bool is_behind_separator = *may_begin;

    for (; at < end; at++) {
        enum meaning meaning = meaning_of(*at);

        if (meaning == ESCAPES || (meaning == MAY_BEGIN && is_behind_separator))
            break;
        is_behind_separator = meaning == SEPARATES;
    }
    *may_begin = is_behind_separator;
    return at;
}

/* "sig=" anywhere behind a separator hides everything up to the next unencoded '&': rather too much than too little, because
 * the secret may stand in a URL that is itself the value of a parameter. */
static void put_redacted(struct log_text *text, const char *bytes, size_t len, put_function *put)
{
    const char *end = bytes + len;
    bool may_begin = true;

    for (const char *at = bytes; at < end && !text->is_cut;) {
        const char *start = at;

        at = skip_dull(at, end, &may_begin);
        const char *secret = may_begin ? find_secret(at, end) : NULL;
        if (secret == NULL) {
            if (at < end)
                may_begin = is_separator(take_decoded(&at, end));
            put(text, start, (size_t)(at - start));
            continue;
        }
        put(text, start, (size_t)(secret - start));
        log_text_puts(text, "redacted");
        const char *next = memchr(secret, '&', (size_t)(end - secret));
        at = next == NULL ? end : next;
    }
}

static void copy_redacted(const char *bytes, size_t len, char *text, size_t text_bytes, put_function *put)
{
    const char *dots = "...";

    if (text_bytes == 0)
        return;
    struct log_text out = {.bytes = text, .max_bytes = text_bytes - 1};
    put_redacted(&out, bytes, len, put);
    if (out.is_cut) {
        size_t dots_len = strlen(dots) < text_bytes ? strlen(dots) : text_bytes - 1;
        if (out.len > out.max_bytes - dots_len)
            out.len = out.max_bytes - dots_len;
        memcpy(text + out.len, dots, dots_len);
        out.len += dots_len;
    }
    text[out.len] = '\0';
}

void log_redact_target(const char *target, size_t len, char *text, size_t text_bytes)
{
    copy_redacted(target, len, text, text_bytes, put_raw);
}

void log_copy_foreign(const char *bytes, size_t len, char *text, size_t text_bytes)
{
    copy_redacted(bytes, len, text, text_bytes, put_printable);
}
