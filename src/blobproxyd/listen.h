/* SPDX-License-Identifier: MIT */
/* The listening sockets for Blob requests: TCP addresses, with and without TLS, and a Unix socket. Accepts on the main thread and
 * deals the connections out evenly, so shards neither share a socket nor race for it. */
#ifndef BLOBPROXYD_LISTEN_H
#define BLOBPROXYD_LISTEN_H

#include "activation.h"
#include "conf.h"
#include "metrics.h"

#include <event2/event.h>
#include <sys/socket.h>

struct listen;

struct listen_hooks {
    /* Takes the socket over. 0 or -ENOMEM. */
    int (*accepted)(void *arg, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len);
    unsigned (*connections)(void *arg); /* open now */
    unsigned connections_max;
    void *arg;
};

/* Takes the sockets that systemd hands over for clients, if it does; else binds everything the configuration names. A default
 * that this machine cannot have ([::1] without IPv6, the default Unix path) is passed over with a warning; what somebody asked
 * for is an error that names the key. */
int listen_new(struct event_base *base, const struct conf *conf, struct activation *activation, struct metrics_shard *metrics,
               const struct listen_hooks *hooks, struct listen **ret_listen, struct err *err) MUST_CHECK;

/* Until now connections were queued by the kernel; from now on they are accepted. */
void listen_begin(struct listen *listen);

/* Closes the sockets: new connections are refused from now on. NULL is fine; returns NULL. */
struct listen *listen_free(struct listen *listen);

/* "127.0.0.1:10000 [::1]:10000 tls:127.0.0.1:10100 unix:/run/blobproxyd.sock", for the log; with the ports the kernel chose. */
void listen_describe(const struct listen *listen, char *text, size_t text_bytes);

#endif
