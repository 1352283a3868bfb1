/* SPDX-License-Identifier: MIT */
/* The HTTP server of one shard: the only user of libmicrohttpd on the blob port. Connections come in as descriptors whose first
 * head has passed the guard (door.h). All calls on the shard's thread. */
#ifndef BLOBPROXYD_FRONT_H
#define BLOBPROXYD_FRONT_H

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

/* Takes the socket over (closes it also on failure). is_tls: it is the inner end of a tunnel. 0 or -ENOMEM. */
int front_add(struct front *front, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len) MUST_CHECK;

/* Enforces every deadline and looks for clients that have gone. Called four times a second. */
void front_sweep(struct front *front, uint64_t now_us);

/* From now on answers ask clients to close, and a connection that stays idle for that long is closed. */
void front_drain(struct front *front, uint64_t grace_ms);

unsigned front_connections(const struct front *front);
unsigned front_exchanges(const struct front *front);

/* Cuts what is left (returns how many exchanges that were) and stops the server. */
unsigned front_free(struct front *front);

#endif
