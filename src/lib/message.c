/* SPDX-License-Identifier: MIT */
/* Looks words up in message.def. */
#include "message.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *word, *id;
} messages[] = {
#define MESSAGE(program, word, level, id, subject, what, clients, remedy) {word, id},
#include "message.def"
};

enum field_kind { FIELD_STRING, FIELD_NUMBER };

static const struct {
    const char *key;
    enum field_kind kind;
} fields[] = {
#define MESSAGE_FIELD(key, kind, what) {key, FIELD_##kind},
#include "message.def"
};

const char *message_id(const char *word)
{
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (strcmp(messages[i].word, word) == 0)
            return messages[i].id;
    return NULL;
}

bool message_field_is_number(const char *key)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].kind == FIELD_NUMBER;
    return false;
}
