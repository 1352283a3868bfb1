/* SPDX-License-Identifier: MIT */
/* "Did you mean": the nearest known word to one that nobody knows. */
#include "conf_private.h"

#include <string.h>

#define SUGGEST_WORD_BYTES 40 /* longer words are not ours */
#define SUGGEST_DISTANCE 2

static size_t suggest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Small letters for capitals: those are a mistake, but a small one. */
static char suggest_fold(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* Insertions, deletions and replacements that make b of a, case apart. */
static size_t suggest_distance(struct slice a, struct slice b)
{
    size_t row[SUGGEST_WORD_BYTES + 1];

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (suggest_fold(a.bytes[i - 1]) != suggest_fold(b.bytes[j - 1]));
            diagonal = row[j];
            row[j] = suggest_min(replaced, suggest_min(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

const char *conf_suggest(struct slice word, const char *(*candidate)(size_t index, const void *arg), const void *arg)
{
    const char *nearest = NULL;
    size_t nearest_distance = SUGGEST_DISTANCE + 1;
    const char *name;

    if (word.len > SUGGEST_WORD_BYTES)
        return NULL;
    for (size_t i = 0; (name = candidate(i, arg)) != NULL; i++) {
        struct slice known = {name, strlen(name)};
        size_t distance = known.len <= SUGGEST_WORD_BYTES ? suggest_distance(word, known) : SIZE_MAX;
        /* A word of two letters is near to everything. */
        if (distance < nearest_distance && distance < known.len) {
            nearest = name;
            nearest_distance = distance;
        }
    }
    return nearest;
}
