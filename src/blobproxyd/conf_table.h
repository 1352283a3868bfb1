/* SPDX-License-Identifier: MIT */
/* The table of keys as C has it, and what can be done with a key and its value. Pure, but for names of groups. */
#ifndef BLOBPROXYD_CONF_TABLE_H
#define BLOBPROXYD_CONF_TABLE_H

#include "conf.h"

#include "../lib/head.h"

enum conf_kind {
    CONF_ACCESS,
    CONF_ACCOUNTS,
    CONF_ADDRESSES,
    CONF_ADDRESS_OR_NONE,
    CONF_BOOL,
    CONF_CHANNEL,
    CONF_COUNT,
    CONF_DOMAINS,
    CONF_DURATION,
    CONF_ENDPOINT_OR_NONE,
    CONF_FALLBACK,
    CONF_FORMAT,
    CONF_GROUP_OR_NONE,
    CONF_LEVEL,
    CONF_MODE,
    CONF_NAME,
    CONF_NAMES,
    CONF_PATH_OR_NONE,
    CONF_SIZE,
    CONF_SOCKET,
    CONF_SOCKET_OR_NONE,
    CONF_UIDS,
    CONF_URL,
};

enum conf_key {
#define CONF_KEY(section, key, member, kind, fallback, min, max, why) CONF_##section##_##key,
#include "conf.def"
#undef CONF_KEY
    CONF_KEY_COUNT
};

struct conf_row {
    const char *section;
    const char *key;
    enum conf_kind kind;
    const char *fallback;
    uint64_t min, max;
    size_t offset;    /* of the member in struct conf */
    size_t bytes;     /* of the member */
    bool is_at_start; /* a reload does not change it */
    const char *why;
};

extern const struct conf_row conf_rows[CONF_KEY_COUNT];

/* conf_value.c: reads text by the row's kind into the member. 0; -EINVAL: err says what is wrong and what to write; -ENOMEM. */
int conf_value_set(struct conf *conf, const struct conf_row *row, const char *text, struct err *err) MUST_CHECK;
void conf_value_free(struct conf *conf, const struct conf_row *row);

int conf_value_copy(struct conf *to, const struct conf *from, const struct conf_row *row) MUST_CHECK; /* 0 or -ENOMEM */
bool conf_value_equals(const struct conf *a, const struct conf *b, const struct conf_row *row);

/* Appends the value as the file would have it: reading it again gives the same. */
void conf_value_write(const struct conf *conf, const struct conf_row *row, struct buf *out);

/* conf_form.c: does text, or one item of a list, have the form of the row's kind? 0; -EINVAL: err says what to write; -ENOMEM. */
int conf_form_check(const struct conf_row *row, const char *text, struct err *err) MUST_CHECK;
int conf_form_check_item(const struct conf_row *row, const char *item, struct err *err) MUST_CHECK;

/* conf_names.c: the table's own name of a section, or NULL; a key's number, or CONF_KEY_COUNT. */
const char *conf_find_section(struct slice name);
size_t conf_find_key(const char *section, struct slice name);

/* No key of ours, and looks like one for a secret? */
bool conf_is_secret_name(const char *section, struct slice name);

/* The name, or "?" for what cannot be one: it may be a secret. */
struct slice conf_shown(struct slice name);

/* Is it an account key, a SAS or a connection string, at the wrong place? Then no message repeats it. */
bool conf_may_be_secret(struct slice value);

/* conf_suggest.c: the candidate that is nearest to word, case apart: at most two mistakes away, one for short words. Or NULL. */
const char *conf_suggest(struct slice word, const char *(*candidate)(size_t index, const void *arg), const void *arg);

#endif
