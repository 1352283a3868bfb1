/* SPDX-License-Identifier: MIT */
/* What a raw request target names: account, container, blob; path style or host style. Nothing is decoded in place. */
#ifndef BLOBPROXY_AZURE_TARGET_H
#define BLOBPROXY_AZURE_TARGET_H

#include "../head.h"

#include <sys/types.h>

#define TARGET_ACCOUNT_BYTES 25 /* 3-24 lower-case letters and digits, and NUL */

enum target_style { TARGET_PATH_STYLE, TARGET_HOST_STYLE };

struct target {
    enum target_style style;
    char account[TARGET_ACCOUNT_BYTES]; /* without "-secondary" */
    bool is_secondary;                  /* the client named ACCOUNT-secondary */
    struct slice path;                  /* raw path in host style: "/" or "/c/b..."; still encoded, begins with '/' */
    struct slice container;             /* raw segment, may be empty */
    struct slice blob;                  /* raw rest behind the container's '/', may be empty, may hold '/' */
    struct slice query;                 /* raw, without '?'; may be empty; bytes == NULL: there is no '?' */
};

/* The names that are ours; any other host is nobody's. Lists are NULL-terminated. */
struct target_hosts {
    const char *const *account_suffixes; /* "<account>.<suffix>" is host style: "blob.localhost" */
    const char *const *extra_names;      /* path style; loopback names and IP literals of the loopback are always known */
    const char *const *domains;          /* "<host>=<account>": this host is host style for that account */
};

/* host: value of the Host field, port and case ignored. The slices point into raw_target.
 * 0; -EHOSTUNREACH: the host is none of ours; -EINVAL: not an origin-form target, or the account name is not one;
 * -ENOENT: path style without an account. */
int target_parse(struct slice host, struct slice raw_target, const struct target_hosts *hosts,
                 struct target *ret_target) MUST_CHECK;

/* The host is a loopback name, a loopback address or one of extra_names; port and case ignored. */
bool target_is_own_host(struct slice host, const char *const *extra_names);

/* Percent-decodes into text (NUL added). '+' stays '+'. Returns the length; -EBADMSG: bad escape, NUL byte or not UTF-8;
 * -ENOBUFS. */
ssize_t target_decode(struct slice raw, char *text, size_t text_bytes) MUST_CHECK;

/* As target_decode, for a query value: '+' is a blank, as the service reads it. */
ssize_t target_decode_query(struct slice raw, char *text, size_t text_bytes) MUST_CHECK;

/* Walks a raw query: *query is advanced past one "name=value"; returns false at the end. Empty pieces are skipped. */
bool target_next_query(struct slice *query, struct slice *ret_name, struct slice *ret_value);

/* Raw value of the first parameter of that name (ASCII case ignored); bytes == NULL when absent. */
struct slice target_query(struct slice query, const char *name);

#endif
