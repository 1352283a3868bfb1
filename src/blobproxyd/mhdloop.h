/* SPDX-License-Identifier: MIT */
/* Drives a libmicrohttpd daemon (external epoll mode) from a libevent loop, and keeps the rule that breaks such programs when it
 * is forgotten: after each run MHD_get_timeout() is asked again, and 0 means run again. One thread. */
#ifndef BLOBPROXYD_MHDLOOP_H
#define BLOBPROXYD_MHDLOOP_H

#include "../lib/cleanup.h"

#include <event2/event.h>
#include <microhttpd.h>
#include <stdbool.h>

struct mhdloop;

/* The daemon must have been started with MHD_USE_EPOLL and no internal thread; it stays the caller's. turn_over is called after
 * each MHD_run() and tells whether any connection is left that is not suspended (NULL: unknown). 0 or -ENOMEM. */
int mhdloop_new(struct event_base *base, struct MHD_Daemon *daemon, bool (*turn_over)(void *arg), void *arg,
                struct mhdloop **ret_loop) MUST_CHECK;

/* To be called after MHD_resume_connection() or MHD_add_connection(): the daemon runs in this turn of the loop. Cheap, repeats
 * are merged, never runs the daemon inside the call. */
void mhdloop_kick(struct mhdloop *loop);

/* Before MHD_stop_daemon(). NULL is fine; returns NULL. */
struct mhdloop *mhdloop_free(struct mhdloop *loop);

#endif
