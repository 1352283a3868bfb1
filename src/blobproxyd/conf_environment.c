/* SPDX-License-Identifier: MIT */
/* Keys that variables of the environment set: BLOBPROXYD_LISTEN_TCP is listen.tcp. */
#include "conf_private.h"

#include <string.h>

#define PREFIX "BLOBPROXYD_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define NAME_BYTES 64

struct names {
    char texts[CONF_KEY_COUNT][NAME_BYTES]; /* without the prefix */
};

static void upper_to(char *at, const char *text)
{
    for (; *text; text++)
        *at++ = (char)(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
    *at = '\0';
}

static void make_name(const struct conf_row *row, char name[NAME_BYTES])
{
    char lower[NAME_BYTES];

    snprintf(lower, sizeof(lower), "%s_%s", row->section, row->key);
    upper_to(name, lower);
}

static const char *candidate_name(size_t index, const void *arg)
{
    const struct names *names = arg;

    return index < CONF_KEY_COUNT ? names->texts[index] : NULL;
}

static bool is_known(const struct names *names, struct slice name)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        if (slice_equal(name, slice_of(names->texts[key])))
            return true;
    }
    return false;
}

/* "ACCOUNTS_KEY" and the like. */
static bool is_secret(struct slice name)
{
    static const char section[] = "ACCOUNTS_";
    size_t len = sizeof(section) - 1;
    char key[NAME_BYTES] = "";

    if (name.len >= NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++)
        key[i] = (char)(name.bytes[i] >= 'A' && name.bytes[i] <= 'Z' ? name.bytes[i] - 'A' + 'a' : name.bytes[i]);
    bool is_accounts = name.len > len && memcmp(name.bytes, section, len) == 0;

    return is_accounts ? conf_is_secret_name("accounts", slice_of(key + len)) : conf_is_secret_name("", slice_of(key));
}

static void tell_unknown(const struct names *names, struct slice name, struct conf_problems *problems)
{
    const char *nearest = conf_suggest(name, candidate_name, names);
    struct slice shown = conf_shown(name);
    int len = (int)shown.len;

    if (nearest)
        conf_problem(problems, NULL, NULL, PREFIX "%.*s: unknown variable, did you mean " PREFIX "%s?", len, shown.bytes,
                     nearest);
    else if (is_secret(name))
        conf_problem(problems, NULL, NULL, PREFIX "%.*s: " CONF_NO_SECRETS, len, shown.bytes);
    else
        conf_problem(problems, NULL, NULL, PREFIX "%.*s: unknown variable, write " PREFIX "SECTION_KEY, see blobproxyd --help",
                     len, shown.bytes);
}

void conf_apply_environment(struct conf *conf, struct conf_problems *problems)
{
    struct names names;

    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        char name[PREFIX_BYTES + NAME_BYTES] = PREFIX;

        make_name(&conf_rows[key], names.texts[key]);
        strcpy(name + PREFIX_BYTES, names.texts[key]);
        const char *value = getenv(name);
        if (value)
            conf_set(conf, (enum conf_key)key, slice_of(value), &(struct conf_origin){.name = conf_keep_name(conf, name)},
                     problems);
    }
    for (char **entry = environ; entry && *entry; entry++) {
        struct slice name = {*entry + PREFIX_BYTES, 0};

        if (strncmp(*entry, PREFIX, PREFIX_BYTES) != 0)
            continue;
        name.len = strcspn(name.bytes, "=");
        if (!is_known(&names, name))
            tell_unknown(&names, name, problems);
    }
}
