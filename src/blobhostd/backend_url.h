/* SPDX-License-Identifier: MIT */
/* Where a transfer goes: the backend's URL with the account put in. */
#ifndef BLOBHOSTD_BACKEND_URL_H
#define BLOBHOSTD_BACKEND_URL_H

#include "../lib/head.h"

/* Scheme, name of at most 253 bytes, port. */
#define BACKEND_ORIGIN_BYTES 320

struct backend_place {
    char origin[BACKEND_ORIGIN_BYTES];
    struct slice host; /* what Host says: points into origin, or to the transfer's own */
};

/* 0; -EINVAL: the transfer's Host does not begin with an account. */
int backend_url_resolve(const char *url, const struct head *head, struct backend_place *ret_place) MUST_CHECK;

#endif
