/* SPDX-License-Identifier: MIT */
/* Splits INI text into lines and lines into names and values. */
#include "ini.h"

#include <string.h>

void ini_open(struct ini *ini, const char *text, size_t len)
{
    *ini = (struct ini){.next = text, .end = text + len};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        ini->next += 3;
}

static bool ini_is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct slice ini_trim(struct slice text)
{
    while (text.len > 0 && ini_is_blank(text.bytes[0])) {
        text.bytes++;
        text.len--;
    }
    while (text.len > 0 && ini_is_blank(text.bytes[text.len - 1]))
        text.len--;
    return text;
}

static struct slice ini_take_line(struct ini *ini)
{
    const char *start = ini->next;
    const char *newline = memchr(start, '\n', (size_t)(ini->end - start));
    const char *stop = newline ? newline : ini->end;

    ini->next = newline ? newline + 1 : ini->end;
    ini->line++;
    if (stop > start && stop[-1] == '\r')
        stop--;
    return ini_trim((struct slice){start, (size_t)(stop - start)});
}

static bool ini_has_control(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char byte = (unsigned char)line.bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

static bool ini_has_comment(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        bool is_mark = value.bytes[i] == '#' || value.bytes[i] == ';';
        if (is_mark && (i == 0 || ini_is_blank(value.bytes[i - 1])))
            return true;
    }
    return false;
}

const char *ini_take_value(struct slice *text)
{
    *text = ini_trim(*text);
    if (ini_has_control(*text))
        return "control byte in the value, write plain text";
    if (ini_has_comment(*text))
        return "a comment begins in the value, write it without a blank before # or ;";
    return NULL;
}

static void ini_read_section(struct slice line, struct ini_item *item)
{
    if (line.bytes[line.len - 1] != ']') {
        item->problem = "section without its end, write [name] alone on the line";
        return;
    }
    item->name = ini_trim((struct slice){line.bytes + 1, line.len - 2});
    item->kind = INI_SECTION;
}

static void ini_read_pair(struct slice line, struct ini_item *item)
{
    const char *equals = memchr(line.bytes, '=', line.len);

    if (!equals) {
        item->problem = "neither a section nor a key, write [section] or key = value";
        return;
    }
    item->name = ini_trim((struct slice){line.bytes, (size_t)(equals - line.bytes)});
    item->value = ini_trim((struct slice){equals + 1, (size_t)(line.bytes + line.len - equals - 1)});
    if (item->name.len == 0)
        item->problem = "no key before '=', write key = value";
    else if (ini_has_comment(item->value))
        item->problem = "comment behind a value, write it on a line of its own";
    else
        item->kind = INI_PAIR;
}

struct ini_item ini_next(struct ini *ini)
{
    while (ini->next < ini->end) {
        struct slice line = ini_take_line(ini);
        struct ini_item item = {.kind = INI_BAD, .line = ini->line};

        if (ini_has_control(line)) {
            item.problem = "control byte in the line, write plain text";
            return item;
        }
        if (line.len == 0 || line.bytes[0] == '#' || line.bytes[0] == ';')
            continue;
        if (line.bytes[0] == '[')
            ini_read_section(line, &item);
        else
            ini_read_pair(line, &item);
        return item;
    }
    return (struct ini_item){.kind = INI_END, .line = ini->line};
}
