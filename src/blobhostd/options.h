/* SPDX-License-Identifier: MIT */
/* The command line of blobhostd. */
#ifndef BLOBHOSTD_OPTIONS_H
#define BLOBHOSTD_OPTIONS_H

#include "../lib/cleanup.h"
#include "../lib/err.h"
#include "../lib/log.h"

#include <stdbool.h>
#include <stdint.h>

enum options_action { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* Strings point into argv or are constants. */
struct options {
    enum options_action action;
    const char *socket_path;
    const char *store_directory;
    const char *accounts_path;   /* NULL: none */
    const char *backend_url;     /* instead of the store; NULL: none */
    const char *backend_ca_path; /* NULL: the system's */
    uint64_t transfer_rate;      /* bytes a second; 0: no limit */
    unsigned transfer_latency_ms;
    bool with_development_account;
    bool sync;
    bool no_content_md5;
    bool exit_with_parent;
    int parent_fd; /* -1: none */
    enum log_level log_level;
    enum log_format log_format;
};

extern const char options_help[];

/* 0; -EINVAL with err, which says what to change. */
int options_parse(int argc, char **argv, struct options *ret_options, struct err *err) MUST_CHECK;

#endif
