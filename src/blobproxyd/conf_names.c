/* SPDX-License-Identifier: MIT */
/* Names of sections and keys: finding them, and what is said of one that nobody knows, or that may be a secret. */
#include "conf_private.h"

#include <string.h>

#define SHOWN_BYTES 40      /* more than any name of ours; a key in base64 is longer */
#define SECRET_RUN_BYTES 40 /* of base64: a signature has 44, a key 88; a path may have as many, then just its line is told */
#define SECTIONS_BYTES 256
#define ADVICE_BYTES 128

static bool slice_is(struct slice text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.bytes, word, text.len) == 0;
}

const char *conf_find_section(struct slice name)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        if (slice_is(name, conf_rows[key].section))
            return conf_rows[key].section;
    }
    return NULL;
}

size_t conf_find_key(const char *section, struct slice name)
{
    size_t key = 0;

    while (key < CONF_KEY_COUNT && (strcmp(conf_rows[key].section, section) != 0 || !slice_is(name, conf_rows[key].key)))
        key++;
    return key;
}

struct slice conf_shown(struct slice name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    for (size_t i = 0; i < name.len; i++) {
        if (!name.bytes[i] || !strchr(letters, name.bytes[i]))
            return SLICE("?");
    }
    return name.len <= SHOWN_BYTES ? name : SLICE("?");
}

bool conf_may_be_secret(struct slice value)
{
    static const char *const marks[] = {"sig=", "Key=", "Signature="};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=";
    size_t run = 0;

    for (size_t i = 0; i < value.len; i++) {
        run = value.bytes[i] && strchr(letters, value.bytes[i]) ? run + 1 : 0;
        if (run == SECRET_RUN_BYTES)
            return true;
    }
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (memmem(value.bytes, value.len, marks[i], strlen(marks[i])))
            return true;
    }
    return false;
}

static const char *candidate_section(size_t index, const void *arg)
{
    (void)arg;
    return index < CONF_KEY_COUNT ? conf_rows[index].section : NULL;
}

/* Keys of one section; those of others answer as "", which is near to nothing. */
static const char *candidate_key(size_t index, const void *section)
{
    if (index >= CONF_KEY_COUNT)
        return NULL;
    return strcmp(conf_rows[index].section, section) == 0 ? conf_rows[index].key : "";
}

static const char *candidate_any_key(size_t index, const void *arg)
{
    (void)arg;
    return index < CONF_KEY_COUNT ? conf_rows[index].key : NULL;
}

/* Somebody writes the secret itself where its file is to be named, or a whole line of the key file. */
bool conf_is_secret_name(const char *section, struct slice name)
{
    static const char *const words[] = {"account_key", "accountkey", "shared_key", "connection_string",
                                        "sas_token",   "password",   "secret",     "key",
                                        "sas",         "token",      "connection"};
    bool is_accounts = strcmp(section, "accounts") == 0;
    size_t count = is_accounts ? sizeof(words) / sizeof(words[0]) : 7;

    if (conf_suggest(name, candidate_key, section))
        return false;
    if (is_accounts && slice_is(conf_shown(name), "?"))
        return true;
    for (size_t i = 0; i < count; i++) {
        if (memmem(name.bytes, name.len, words[i], strlen(words[i])))
            return true;
    }
    return false;
}

static const struct conf_row *row_of_key(struct slice name)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        if (slice_is(name, conf_rows[key].key))
            return &conf_rows[key];
    }
    return NULL;
}

/* "[listen], [tls] or [log]" */
static void list_sections(char text[SECTIONS_BYTES])
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t key = 0; key < CONF_KEY_COUNT && len < SECTIONS_BYTES; key++) {
        const char *section = conf_rows[key].section, *last = conf_rows[CONF_KEY_COUNT - 1].section;

        if (key > 0 && strcmp(section, conf_rows[key - 1].section) == 0)
            continue;
        len += (size_t)snprintf(text + len, SECTIONS_BYTES - len, "%s[%s]",
                                key == 0                     ? ""
                                : strcmp(section, last) == 0 ? " or "
                                                             : ", ",
                                section);
    }
}

void conf_unknown_section(struct slice name, const struct conf_origin *origin, struct conf_problems *problems)
{
    const char *nearest = conf_suggest(name, candidate_section, NULL);
    struct slice shown = conf_shown(name);
    char sections[SECTIONS_BYTES];

    list_sections(sections);
    if (nearest)
        conf_problem(problems, origin, NULL, "[%.*s]: unknown section, did you mean [%s]?", (int)shown.len, shown.bytes, nearest);
    else
        conf_problem(problems, origin, NULL, "[%.*s]: unknown section, write %s", (int)shown.len, shown.bytes, sections);
}

/* What to write instead of a key that the section does not have. */
static void advise(const char *section, struct slice name, char text[ADVICE_BYTES])
{
    const struct conf_row *elsewhere = row_of_key(name);
    const char *nearest = conf_suggest(name, candidate_key, section), *nearest_elsewhere = NULL;

    if (elsewhere) {
        snprintf(text, ADVICE_BYTES, "write it under [%s]", elsewhere->section);
    } else if (nearest) {
        snprintf(text, ADVICE_BYTES, "did you mean %s?", nearest);
    } else if ((nearest_elsewhere = conf_suggest(name, candidate_any_key, NULL))) {
        elsewhere = row_of_key(slice_of(nearest_elsewhere));
        snprintf(text, ADVICE_BYTES, "did you mean %s under [%s]?", elsewhere->key, elsewhere->section);
    } else {
        snprintf(text, ADVICE_BYTES, "see blobproxyd --help for the keys there are");
    }
}

void conf_unknown_key(const char *section, struct slice name, const struct conf_origin *origin, struct conf_problems *problems)
{
    struct slice shown = conf_shown(name);
    char advice[ADVICE_BYTES];

    advise(section, name, advice);
    if (conf_is_secret_name(section, name))
        conf_problem(problems, origin, NULL, "%s.%.*s: " CONF_NO_SECRETS, section, (int)shown.len, shown.bytes);
    else
        conf_problem(problems, origin, NULL, "%s.%.*s: unknown key, %s", section, (int)shown.len, shown.bytes, advice);
}
