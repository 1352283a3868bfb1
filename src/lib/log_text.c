/* SPDX-License-Identifier: MIT */
/* Text of bounded length, and values written into it so that they cannot be taken for anything else. */
#include "log_private.h"

#include "message.h"

#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */
#define CUT_VALUE "...\""          /* ends a value that was cut */

/* An object's closing quote may stand behind max_bytes as it is while members are written. */
static size_t room_in(const struct log_text *text)
{
    return text->len < text->max_bytes ? text->max_bytes - text->len : 0;
}

void log_text_put(struct log_text *text, const char *bytes, size_t len)
{
    if (text->is_cut || len > room_in(text)) {
        text->is_cut = true;
        return;
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

void log_text_puts(struct log_text *text, const char *string)
{
    log_text_put(text, string, strlen(string));
}

/* Length of the well-formed UTF-8 character at value, which is no control character; 0: there is none. */
static size_t printable_len(const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;

    if (at[0] < 0x20 || at[0] == 0x7F)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80) /* the terminating NUL among them */
            return 0;
    bool is_overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool is_surrogate = at[0] == 0xED && at[1] >= 0xA0;
    bool is_beyond = at[0] == 0xF4 && at[1] >= 0x90;
    bool is_control = at[0] == 0xC2 && at[1] < 0xA0;

    return is_overlong || is_surrogate || is_beyond || is_control ? 0 : len;
}

/* What a byte may do by itself: stand in quotes, and stand without any. Every byte of the access log is asked. */
#define IN_QUOTES 1
#define BARE 2
static const unsigned char may[256] = {
    [' '] = IN_QUOTES, ['!'] = IN_QUOTES | BARE,         ['#' ... '<'] = IN_QUOTES | BARE,
    ['='] = IN_QUOTES, ['>' ... '['] = IN_QUOTES | BARE, [']' ... '~'] = IN_QUOTES | BARE,
};

static bool is_plain_ascii(char byte)
{
    return (may[(unsigned char)byte] & IN_QUOTES) != 0;
}

/* How many bytes from value on stand for themselves in quotes. */
static size_t plain_len(const char *value)
{
    size_t plain = 0;

    for (;;) {
        while (is_plain_ascii(value[plain]))
            plain++;
        size_t len = (unsigned char)value[plain] < 0x80 ? 0 : printable_len(value + plain);

        if (len == 0)
            return plain;
        plain += len;
    }
}

/* The escape of one byte. Only JSON's form has to be UTF-8; in the other one the byte can be read again. */
static const char *escape_of(char byte, bool is_json, char escape[8])
{
    unsigned char raw = (unsigned char)byte;

    if (byte == '\n' || byte == '\r' || byte == '\t')
        (void)snprintf(escape, 8, "\\%c", byte == '\n' ? 'n' : byte == '\r' ? 'r' : 't');
    else if (byte == '"' || byte == '\\')
        (void)snprintf(escape, 8, "\\%c", byte);
    else if (!is_json)
        (void)snprintf(escape, 8, "\\x%02x", raw);
    else if (raw < 0x80)
        (void)snprintf(escape, 8, "\\u%04x", raw);
    else
        return REPLACEMENT;
    return escape;
}

/* As many whole characters as there is room for. */
static size_t put_part(struct log_text *text, const char *value, size_t len)
{
    if (len > room_in(text)) {
        len = room_in(text);
        while (len > 0 && (value[len] & 0xC0) == 0x80)
            len--;
    }
    memcpy(text->bytes + text->len, value, len);
    text->len += len;
    return len;
}

static void put_quoted(struct log_text *text, const char *value, bool is_json)
{
    char escape[8];

    while (*value != '\0' && !text->is_cut) {
        size_t plain = plain_len(value);
        size_t taken = put_part(text, value, plain);

        text->is_cut |= taken < plain;
        value += taken;
        if (*value != '\0' && !text->is_cut)
            log_text_puts(text, escape_of(*value++, is_json, escape));
    }
}

/* The length of a value that needs no quotes; 0: it does. */
static size_t bare_len(const char *value)
{
    size_t len = 0, more;

    for (;;) {
        while ((may[(unsigned char)value[len]] & BARE) != 0)
            len++;
        more = (unsigned char)value[len] < 0x80 ? 0 : printable_len(value + len);
        if (more == 0)
            return value[len] == '\0' ? len : 0;
        len += more;
    }
}

void log_text_put_value(struct log_text *text, const char *value)
{
    size_t len = bare_len(value);

    if (len > 0) {
        log_text_put(text, value, len);
        return;
    }
    log_text_puts(text, "\"");
    put_quoted(text, value, false);
    log_text_puts(text, "\"");
}

static bool is_number(const struct log_field *field)
{
    size_t digits = strspn(field->value, "0123456789");

    return digits > 0 && digits < 19 && field->value[digits] == '\0' && (digits == 1 || field->value[0] != '0') &&
           message_field_is_number(field->key);
}

/* false: the object has to end here. */
static bool put_member(struct log_text *text, const char *before, const struct log_field *field)
{
    size_t start = text->len;
    bool is_bare = field->value != NULL && is_number(field);

    log_text_puts(text, before);
    log_text_puts(text, field->key);
    log_text_puts(text, is_bare ? "\":" : "\":\"");
    if (is_bare)
        log_text_puts(text, field->value);
    if (text->is_cut) {
        text->len = start;
        return false;
    }
    if (is_bare)
        return true;
    put_quoted(text, field->value == NULL ? "" : field->value, true);
    bool is_whole = !text->is_cut;

    text->is_cut = false;
    text->max_bytes += sizeof(CUT_VALUE) - 1;
    log_text_puts(text, is_whole ? "\"" : CUT_VALUE);
    text->max_bytes -= sizeof(CUT_VALUE) - 1;
    return is_whole;
}

void log_text_put_object(struct log_text *text, const struct log_field *fields, size_t count)
{
    size_t reserve = sizeof(CUT_VALUE "}") - 1;

    if (text->is_cut || room_in(text) < reserve + 1) {
        text->is_cut = true;
        return;
    }
    text->max_bytes -= reserve;
    log_text_puts(text, "{");
    for (size_t i = 0; i < count; i++)
        if (!put_member(text, i == 0 ? "\"" : ",\"", &fields[i]))
            break;
    text->is_cut = false;
    text->max_bytes += reserve;
    log_text_puts(text, "}");
}
