/* SPDX-License-Identifier: MIT */
/* One request to an account's own endpoint, streamed both ways through small buffers. Who starts it has a seat (route.h).
 * All calls and callbacks on the shard's thread. */
#ifndef BLOBPROXYD_UPSTREAM_H
#define BLOBPROXYD_UPSTREAM_H

#include "route.h"

#include "../lib/head.h"

/* Of a request's body, and of an answer's body: enough for a round trip of the buffers underneath. */
#define UPSTREAM_BUFFER_BYTES (128u * 1024)

struct upstream;

/* From the loop, never inside a call below. */
struct upstream_hooks {
    /* The head of the answer stands in upstream_head(). Before that nothing can be read. */
    void (*answered)(void *owner);
    /* The request ended without an answer; upstream_free() may be called. may_have_run: the endpoint may have executed it. */
    void (*failed)(void *owner, bool may_have_run, const char *reason);
    /* There is room for more of the body, or more to read, or the answer is complete or will never be. */
    void (*moved)(void *owner);
    /* Asked when all kept bytes have been copied, before the last of them go out. false: the request ends there, incomplete.
     * NULL: they always stand. */
    bool (*kept_stand)(void *owner);
    void *owner;
};

struct upstream_request {
    struct route_endpoint *endpoint; /* admitted; its outcome is reported here, also when the start fails */
    const struct head *head;         /* Host and Content-Length included; copied */
    uint64_t body_bytes;             /* in all */
    const char *kept;                /* its first bytes, in memory that outlives the upstream */
    uint64_t kept_bytes;
};

/* 0, -ENOMEM, -EINVAL. */
int upstream_start(struct route *route, const struct upstream_request *request, const struct upstream_hooks *hooks,
                   struct upstream **ret_upstream) MUST_CHECK;

/* Cancels what is under way. NULL is fine; returns NULL. */
struct upstream *upstream_free(struct upstream *upstream);

/* The answer did not come in time: counts as a failure of the endpoint. upstream_free() follows. */
void upstream_blame(struct upstream *upstream);

/* Takes what its buffer has room for of the next bytes of the body. 0: moved() follows. */
size_t upstream_write(struct upstream *upstream, const char *bytes, size_t len);

/* NUL-terminated names and values, hop-by-hop fields left out; valid until upstream_free(). NULL before answered(). */
const struct head *upstream_head(const struct upstream *upstream);

bool upstream_is_over(const struct upstream *upstream);    /* nothing more comes in and nothing more goes out */
bool upstream_needs_kept(const struct upstream *upstream); /* the kept bytes have not all gone out and still may */
bool upstream_has_all(const struct upstream *upstream);    /* the kept bytes are the whole body: it could be sent again */

/* The next bytes of the answer's body. 0: not yet, moved() follows; -ENODATA: that was all; -EIO: it was cut. */
ssize_t upstream_read(struct upstream *upstream, char *bytes, size_t max);

#endif
