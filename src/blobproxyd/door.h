/* SPDX-License-Identifier: MIT */
/* The door of a shard: a new connection stays here until the head of its first request is whole and has passed the guard; only
 * then does the HTTP parser get to see it. Who sends nonsense gets an Azure error here, who drips is closed at the deadline. */
#ifndef BLOBPROXYD_DOOR_H
#define BLOBPROXYD_DOOR_H

#include "exchange.h"

#include <event2/event.h>
#include <sys/socket.h>

struct door;

struct door_hooks {
    /* The connection may go in: takes the socket over. */
    void (*enter)(void *arg, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len);
    void (*closed)(void *arg); /* a connection ended here */
    void *arg;
};

/* env must outlive it. */
int door_new(struct event_base *base, struct exchange_env *env, const struct door_hooks *hooks,
             struct door **ret_door) MUST_CHECK;
struct door *door_free(struct door *door); /* closes who is still there; returns NULL */

/* Takes the non-blocking socket over. is_tls: it is the inner end of a tunnel, address that of the client behind it. 0 or -ENOMEM
 * (then it is still the caller's). */
int door_add(struct door *door, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len) MUST_CHECK;

void door_sweep(struct door *door, uint64_t now_us);

/* Closes everybody who has not sent a byte yet. */
void door_drain(struct door *door);

unsigned door_connections(const struct door *door);

#endif
