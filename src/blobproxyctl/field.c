/* SPDX-License-Identifier: MIT */
/* Walks down a path of names. */
#include "field.h"

#include <stdio.h>
#include <string.h>

#define NAME_BYTES 64 /* the longest that anybody here asks for has half of it */

const json_t *field_at(const json_t *object, const char *path)
{
    char name[NAME_BYTES];

    while (object) {
        size_t len = strcspn(path, ".");

        (void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
        object = json_object_get(object, name);
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    return object;
}

const char *field_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(field_at(object, path));

    return text ? text : "";
}

double field_number(const json_t *object, const char *path)
{
    return json_number_value(field_at(object, path));
}

long long field_count(const json_t *object, const char *path)
{
    return json_integer_value(field_at(object, path));
}

const char *field_shown(const json_t *object, const char *path, char shown[FIELD_BYTES])
{
    const json_t *value = field_at(object, path);

    if (json_is_integer(value))
        (void)snprintf(shown, FIELD_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        (void)snprintf(shown, FIELD_BYTES, "-");
    return shown;
}
