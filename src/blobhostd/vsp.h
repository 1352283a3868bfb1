/* SPDX-License-Identifier: MIT */
/* The host's end of the bus: offers the Blob device on a Unix socket and serves each guest that opens it, on a thread of its own.
 */
#ifndef BLOBHOSTD_VSP_H
#define BLOBHOSTD_VSP_H

#include "../lib/err.h"
#include "executor.h"

struct event_base;
struct vsp;

/* A guest opens a channel per shard, a shard per core; more than this is a leak somewhere. */
#define VSP_MAX_CHANNELS 256u

struct vsp_options {
    unsigned open_timeout_ms; /* from the offer to the guest's open; 0: 5,000 */
};

/* Listens on path (SOCK_SEQPACKET, mode 0600) and serves from threads of its own until vsp_stop(). Only peers of the own
 * effective uid, or root, are served. A socket file that nobody listens on is replaced. executor is borrowed; it is called on the
 * channels' threads, several at once, but all calls and answers for one channel come on one thread. options may be NULL. Negative
 * errno with err, which says what to change; -EADDRINUSE: somebody listens there, or it is not a socket. */
int vsp_start(const char *path, struct executor *executor, const struct vsp_options *options, struct vsp **ret_vsp,
              struct err *err) MUST_CHECK;

/* Stops listening, removes the socket file, rescinds all channels, waits until the executor has answered everything that was
 * started, frees. NULL is fine; returns NULL. */
struct vsp *vsp_stop(struct vsp *vsp);

/* The event loop of the calling thread, for an executor that answers later; NULL on threads that are not a channel's. */
struct event_base *vsp_thread_base(void);

#endif
