/* SPDX-License-Identifier: MIT */
/* The HTTP server of one shard: the only user of libmicrohttpd on the blob port. It reads only request heads that admission has
 * checked. All calls on the shard's thread. */
#ifndef BLOBPROXYD_FRONT_H
#define BLOBPROXYD_FRONT_H

#include "admission.h"
#include "exchange.h"

#include <event2/event.h>
#include <sys/socket.h>

struct front;

struct front_hooks {
    void (*closed)(void *arg); /* a connection has gone */
    /* A connection of a tunnel, that is about to be closed in the middle of an answer. */
    void (*broken)(void *arg, int socket);
    void *arg;
};

/* Sets env->wake. 0, -ENOMEM or -EIO. */
int front_new(struct event_base *base, struct exchange_env *env, const struct front_hooks *hooks,
              struct front **ret_front) MUST_CHECK;

/* The hooks of admission. */
void front_open(void *front, struct connection *connection, void **ret_client);
void front_proceed(void *client);
void front_end(void *client);

/* Enforces every deadline and looks for clients that have gone. Called four times a second. */
void front_sweep(struct front *front, uint64_t now_us);

/* From now on responses ask clients to close. */
void front_drain(struct front *front);

unsigned front_connections(const struct front *front);
unsigned front_exchanges(const struct front *front);

/* Cuts what is left (returns how many exchanges that were) and stops the server. */
unsigned front_free(struct front *front);

#endif
