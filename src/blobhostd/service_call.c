/* SPDX-License-Identifier: MIT */
/* Reading a call's fields and names. */
#include "service_call.h"

#include "../lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum azure_error call_refuse(struct call *call, enum azure_error error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(call->detail, sizeof(call->detail), format, args);
    va_end(args);
    return error;
}

bool call_field(const struct call *call, const char *name, struct slice *ret_value)
{
    struct slice value = head_value(call->head, name);

    if (value.len == 0)
        return false;
    *ret_value = value;
    return true;
}

void call_client_request_id(const struct call *call, char text[CALL_CLIENT_ID_BYTES])
{
    struct slice id = head_value(call->head, "x-ms-client-request-id");

    log_copy_foreign(id.bytes, id.len, text, CALL_CLIENT_ID_BYTES);
}

bool call_field_is(const struct call *call, const char *name, const char *value)
{
    return slice_equal_nocase(head_value(call->head, name), slice_of(value));
}

bool slice_to_number(struct slice text, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.bytes[i] - '0';

        if (digit > 9 || value > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

enum azure_error call_number(struct call *call, const char *name, bool *ret_has, uint64_t *ret_value)
{
    struct slice text;

    *ret_has = call_field(call, name, &text);
    if (*ret_has && !slice_to_number(text, ret_value))
        return call_refuse(call, AZURE_InvalidHeaderValue, "%s is not a number.", name);
    return AZURE_OK;
}

char *slice_copy(struct slice text)
{
    return strndup(text.bytes, text.len);
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool container_name_is_valid(const char *name)
{
    size_t len = strlen(name);

    if (strcmp(name, "$root") == 0 || strcmp(name, "$web") == 0 || strcmp(name, "$logs") == 0)
        return true;
    if (len < 3 || len > 63)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_inner_hyphen = name[i] == '-' && i > 0 && i + 1 < len && name[i - 1] != '-';

        if (!is_inner_hyphen && !is_lower_or_digit(name[i]))
            return false;
    }
    return true;
}

bool blob_name_is_valid(const char *name)
{
    size_t chars = 0;

    for (const char *p = name; *p; p++)
        chars += (*p & 0xc0) != 0x80; /* UTF-8 has been checked */
    return chars >= 1 && chars <= LIMIT_BLOB_NAME_CHARS;
}
