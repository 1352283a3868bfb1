/* SPDX-License-Identifier: MIT */
/* "Did you mean": the nearest known word to one that nobody knows. */
#include "conf_private.h"

#include <string.h>

#define SUGGEST_WORD_BYTES 40 /* longer words are not ours */
#define SUGGEST_SHORT_BYTES 5 /* two mistakes in a word like that make another word */
#define SUGGEST_DISTANCE 2

static size_t suggest_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Small letters for capitals: a key has none, so they cost nothing. */
static char suggest_fold(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static bool suggest_same(struct slice a, size_t i, struct slice b, size_t j)
{
    return suggest_fold(a.bytes[i - 1]) == suggest_fold(b.bytes[j - 1]);
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a. */
static size_t suggest_distance(struct slice a, struct slice b)
{
    size_t rows[3][SUGGEST_WORD_BYTES + 1];

    for (size_t i = 0; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second_above = rows[(i + 1) % 3];

        for (size_t j = 0; j <= b.len; j++) {
            row[j] = i == 0 ? j : i;
            if (i == 0 || j == 0)
                continue;
            row[j] = suggest_min(above[j - 1] + !suggest_same(a, i, b, j), suggest_min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && suggest_same(a, i, b, j - 1) && suggest_same(a, i - 1, b, j))
                row[j] = suggest_min(row[j], second_above[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

static size_t suggest_limit(size_t len)
{
    return len <= 1 ? 0 : len <= SUGGEST_SHORT_BYTES ? 1 : SUGGEST_DISTANCE;
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
        if (distance < nearest_distance && distance <= suggest_limit(known.len)) {
            nearest = name;
            nearest_distance = distance;
        }
    }
    return nearest;
}
