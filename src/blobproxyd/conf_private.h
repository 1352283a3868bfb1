/* SPDX-License-Identifier: MIT */
/* What the files of the configuration share: the table of keys, where a key was set, the list of problems. */
#ifndef BLOBPROXYD_CONF_PRIVATE_H
#define BLOBPROXYD_CONF_PRIVATE_H

#include "conf.h"

#include "../lib/head.h"

#ifndef CONF_DEFAULT_PATH /* the build says where sysconfdir is */
#define CONF_DEFAULT_PATH "/etc/blobproxyd/blobproxyd.conf"
#endif

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

struct conf_origin {
    const char *name; /* file or option; NULL: nobody set it */
    unsigned line;    /* 0: an option */
    bool is_bad;      /* its value was refused: no check may look at it */
};

struct conf_problems {
    struct buf *lines;
    unsigned count;
};

/* One line "NAME:LINE: section.key: text"; row may be NULL, origin without name says nothing of where. */
void conf_problem(struct conf_problems *problems, const struct conf_origin *origin, const struct conf_row *row,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* conf_value.c: reads text by the row's kind into the member. 0; -EINVAL: err says what is wrong and what to write; -ENOMEM. */
int conf_value_set(struct conf *conf, const struct conf_row *row, const char *text, struct err *err) MUST_CHECK;
void conf_value_free(struct conf *conf, const struct conf_row *row);

int conf_value_copy(struct conf *to, const struct conf *from, const struct conf_row *row) MUST_CHECK; /* 0 or -ENOMEM */
bool conf_value_equals(const struct conf *a, const struct conf *b, const struct conf_row *row);

/* conf.c: sets one key and reports a bad value. */
void conf_set(struct conf *conf, enum conf_key key, struct slice value, const struct conf_origin *origin,
              struct conf_problems *problems);

/* conf_options.c */
struct conf_options {
    char *values[CONF_KEY_COUNT];             /* what options set; owned */
    const char *option_names[CONF_KEY_COUNT]; /* "--listen" */
    const char *file;                         /* --config; borrowed from argv */
    const char *emulated_directory;           /* borrowed; "" when --emulated came without one */
    bool is_check;
    bool is_help;
    bool is_version;
};

void conf_options_read(int argc, char **argv, struct conf_options *options, struct conf_problems *problems);
void conf_options_free(struct conf_options *options);
void conf_options_help(FILE *out);

/* conf_check.c: what defaults mean here, then what must hold between keys, then the key files. */
void conf_resolve(struct conf *conf, const struct conf_options *options, struct conf_problems *problems);
void conf_check(const struct conf *conf, struct conf_problems *problems);
void conf_load_accounts(struct conf *conf, struct conf_problems *problems);

/* conf_tls.c: the credentials and, for --emulated, the addresses; what must hold; the certificate and its key. */
void conf_resolve_tls(struct conf *conf, struct conf_problems *problems);
void conf_check_tls(const struct conf *conf, struct conf_problems *problems);
void conf_load_tls(struct conf *conf, struct conf_problems *problems);

/* conf.c: everything between the options and a configuration that may run; returns the file's path or NULL. */
const char *conf_build(struct conf *conf, const struct conf_options *options, struct conf_problems *problems);

/* conf_check.c: a variable of the environment, NULL when empty; directory and rest as one path, NULL: no memory. */
const char *conf_environment(const char *name);
void conf_join_path(char **ret_path, const char *directory, const char *rest);
bool conf_is_usable(const struct conf *conf, enum conf_key key); /* its value was not refused */
bool conf_is_set(const struct conf *conf, enum conf_key key);    /* by somebody */

/* conf_suggest.c: the candidate within edit distance 2 that is nearest to word, or NULL. */
const char *conf_suggest(struct slice word, const char *(*candidate)(size_t index, const void *arg), const void *arg);

#endif
