/* SPDX-License-Identifier: MIT */
/* Configurations from files of the test itself, in a directory of their own. */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H

#include "../../src/blobproxyd/conf.h"

#include <sys/types.h>

extern char conf_fixture_directory[64];

/* Makes the directory; a service manager's variables do not reach in from outside. */
void conf_fixture_begin(void);
void conf_fixture_end(void);

/* The path of a file there; the text is good for eight calls. */
const char *conf_fixture_path(const char *name);
void conf_fixture_write(const char *name, const char *text, mode_t mode); /* "conf.d/x.conf" makes the directory, too */

struct conf_loaded {
    enum conf_action action;
    struct conf *conf;
    char *out; /* what was printed */
    char *err;
};

/* Loads text as the file "x" (none when NULL) with further options up to a NULL, which must live as long as the result. */
struct conf_loaded conf_fixture_load(const char *text, const char *const *options);
void conf_loaded_free(struct conf_loaded *loaded);

#define LOAD(name, text, ...)                                                                                                    \
    CLEANUP(conf_loaded_free) struct conf_loaded name = conf_fixture_load(text, (const char *const[]){__VA_ARGS__, NULL})

/* What the program says, with "~" for the path of the directory. The text is good until the next call. */
const char *conf_fixture_said(const char *text);

/* The text of a file of the source tree, to be freed. */
char *conf_fixture_source(const char *path);

#endif
