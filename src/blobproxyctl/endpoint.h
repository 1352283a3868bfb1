/* SPDX-License-Identifier: MIT */
/* What a client is given to reach an account through the daemon. Pure. */
#ifndef BLOBPROXYCTL_ENDPOINT_H
#define BLOBPROXYCTL_ENDPOINT_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define ENDPOINT_BYTES 512

struct endpoint {
    char account[32];
    char url[ENDPOINT_BYTES];    /* "http://127.0.0.1:10000/ACCOUNT" */
    char socket[ENDPOINT_BYTES]; /* the path of a Unix socket; url is then what stands in the request */
    bool is_tls;
    char key[128];
    bool has_key; /* key is the account's, not a word in its place */
};

/* account NULL: the one that the daemon knows. status is the daemon's. -EINVAL: no account's name; -ENOENT: there is no such
 * listener, or no account to choose; err says which key of the configuration helps. */
int endpoint_of_tcp(const json_t *status, const char *account, bool is_tls, struct endpoint *ret_endpoint,
                    struct err *err) MUST_CHECK;
int endpoint_of_unix(const json_t *status, const char *account, struct endpoint *ret_endpoint, struct err *err) MUST_CHECK;

/* "DefaultEndpointsProtocol=...;" of an endpoint_of_tcp(). */
void endpoint_connection_string(const struct endpoint *endpoint, char *text, size_t text_bytes);

/* How programs use an endpoint_of_unix(), which no connection string can name. */
void endpoint_print_unix(const struct endpoint *endpoint, FILE *out);

#endif
