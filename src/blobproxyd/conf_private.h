/* SPDX-License-Identifier: MIT */
/* What the files of the configuration share: the table of keys, where a key was set, the list of problems. */
#ifndef BLOBPROXYD_CONF_PRIVATE_H
#define BLOBPROXYD_CONF_PRIVATE_H

#include "conf.h"

#include "../lib/head.h"

#ifndef CONF_DEFAULT_PATH /* the build says where sysconfdir is */
#define CONF_DEFAULT_PATH "/etc/blobproxyd/blobproxyd.conf"
#endif
#define CONF_DROPINS "conf.d" /* a directory beside the file */

#define CONF_NO_SECRETS                                                                                                          \
    "account keys are never taken from here, write them into a file of mode 0600 and its path into accounts.file"

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

struct conf_origin {
    const char *name; /* file, variable, option or credential; outlives the configuration; NULL: nobody set it */
    unsigned line;    /* of a file; 0: no file */
    bool is_bad;      /* its value was refused: no check may look at it */
};

/* Names that origins point to, kept as long as their configuration. */
struct conf_name {
    struct conf_name *next;
    char text[];
};

/* A copy of text that lives as long as conf; the same one for the same text. Without memory a word that says nothing. */
const char *conf_keep_name(struct conf *conf, const char *text);

struct conf_problems {
    struct buf *lines;
    unsigned count;
};

/* One line "NAME:LINE: section.key: text"; row may be NULL, origin without name says nothing of where. */
void conf_problem(struct conf_problems *problems, const struct conf_origin *origin, const struct conf_row *row,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Appends text, control bytes as '?': what is printed stays one line. */
void conf_put_plain(struct buf *buf, const char *text);

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
/* One problem each, with what to write instead. */
void conf_unknown_section(struct slice name, const struct conf_origin *origin, struct conf_problems *problems);
void conf_unknown_key(const char *section, struct slice name, const struct conf_origin *origin, struct conf_problems *problems);
bool conf_is_secret_name(const char *section, struct slice name); /* no key of ours, and looks like one for a secret */
struct slice conf_shown(struct slice name); /* the name, or "?" for what cannot be one: it may be a secret */

/* conf.c: an account key, a SAS or a connection string at the wrong place? */
bool conf_may_be_secret(struct slice value);

/* conf.c: sets one key, last come wins, and reports a bad value, which is not quoted where it may be a secret. */
void conf_set(struct conf *conf, enum conf_key key, struct slice value, const struct conf_origin *origin,
              struct conf_problems *problems);

/* conf_options.c */
struct conf_options {
    char *values[CONF_KEY_COUNT];             /* what options set; owned */
    const char *option_names[CONF_KEY_COUNT]; /* "--listen" */
    const char *file;                         /* --config; borrowed from argv; NULL: the default one, if it exists */
    const char *emulated_directory;           /* borrowed; "" when --emulated came without one */
    bool is_check;
    bool is_dump;
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

/* conf_files.c: what was read. */
struct conf_files {
    const char *path; /* borrowed from argv, or the default; NULL: there is no file, which is fine unless it was asked for */
    unsigned dropin_count;
};

/* The file, then the drop-ins beside it in the order of their names. */
void conf_read_files(struct conf *conf, const struct conf_options *options, struct conf_files *ret_files,
                     struct conf_problems *problems);

/* conf_environment.c: the variables BLOBPROXYD_SECTION_KEY. */
void conf_apply_environment(struct conf *conf, struct conf_problems *problems);

/* conf.c: everything between the options and a configuration that may run. */
void conf_build(struct conf *conf, const struct conf_options *options, struct conf_files *ret_files,
                struct conf_problems *problems);

/* conf_check.c: a variable of the environment, NULL when empty; directory and rest as one path, NULL: no memory. */
const char *conf_environment(const char *name);
void conf_join_path(char **ret_path, const char *directory, const char *rest);
bool conf_is_usable(const struct conf *conf, enum conf_key key); /* its value was not refused */
bool conf_is_set(const struct conf *conf, enum conf_key key);    /* by somebody */

/* conf_suggest.c: the candidate that is nearest to word, case apart: at most two mistakes away, one for short words. Or NULL. */
const char *conf_suggest(struct slice word, const char *(*candidate)(size_t index, const void *arg), const void *arg);

#endif
