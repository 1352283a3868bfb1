/* SPDX-License-Identifier: MIT */
/* What the files of the configuration share: where a key was set, the list of problems, the steps of loading. */
#ifndef BLOBPROXYD_CONF_PRIVATE_H
#define BLOBPROXYD_CONF_PRIVATE_H

#include "conf_table.h"

#ifndef CONF_DEFAULT_PATH /* the build says where sysconfdir is */
#define CONF_DEFAULT_PATH "/etc/blobproxyd/blobproxyd.conf"
#endif
#define CONF_DROPINS "conf.d" /* a directory beside the file */

#define CONF_NO_SECRETS                                                                                                          \
    "account keys are never taken from here, write them into a file of mode 0600 and its path into accounts.file"

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

/* conf_names.c: one problem each, with what to write instead. */
void conf_unknown_section(struct slice name, const struct conf_origin *origin, struct conf_problems *problems);
void conf_unknown_key(const char *section, struct slice name, const struct conf_origin *origin, struct conf_problems *problems);

/* conf.c: sets one key, whatever it was before, and reports a bad value, which is not quoted where it may be a secret. */
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

#endif
