/* SPDX-License-Identifier: MIT */
/* The TLS side of a shard: a connection of the TLS listener stays here for all its life. After its handshake its plain bytes go
 * through a socket pair, whose other end enters admission like any connection: guard, parser, deadlines and errors are the same
 * code. (libmicrohttpd 0.9.75 has TLS of its own, but runs without a pause while a handshake waits for its client, and hides the
 * first head from the guard.)
 * Here are kept: the deadline of the handshake, and that of what is left to send once the inner end is closed. */
#ifndef BLOBPROXYD_TUNNEL_H
#define BLOBPROXYD_TUNNEL_H

#include "exchange.h"

#include <event2/event.h>
#include <sys/socket.h>

struct tunnels;

struct tunnels_hooks {
    /* The handshake is done: takes the inner end of the pair over. address is the client's. */
    void (*enter)(void *arg, int socket, const struct sockaddr *address, socklen_t address_len);
    void (*closed)(void *arg); /* a connection ended before that */
    void *arg;
};

/* env must outlive it; what a connection needs of the configuration it reads there when it begins. 0 or -ENOMEM. */
int tunnels_new(struct event_base *base, const struct exchange_env *env, const struct tunnels_hooks *hooks,
                struct tunnels **ret_tunnels) MUST_CHECK;

/* Sends what goes at once of what is left, closes all. NULL is fine; returns NULL. */
struct tunnels *tunnels_free(struct tunnels *tunnels);

/* Takes the non-blocking socket over. 0 or -ENOMEM (then it is still the caller's). */
int tunnels_add(struct tunnels *tunnels, int socket, const struct sockaddr *address, socklen_t address_len) MUST_CHECK;

/* The inner end, as enter() gave it away, is about to be closed too early: the client gets no goodbye, so that it does not take
 * what it has for all. */
void tunnels_break(struct tunnels *tunnels, int socket);

void tunnels_sweep(struct tunnels *tunnels, uint64_t now_us);

/* Closes who has not finished the handshake. */
void tunnels_drain(struct tunnels *tunnels);

/* Connections that have something left to send to their client. */
unsigned tunnels_unsent(const struct tunnels *tunnels);

#endif
