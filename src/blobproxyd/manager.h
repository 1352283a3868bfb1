/* SPDX-License-Identifier: MIT */
/* What the daemon tells its service manager while it runs: that every loop still turns (the watchdog), and a line of status with
 * figures. Main thread. */
#ifndef BLOBPROXYD_MANAGER_H
#define BLOBPROXYD_MANAGER_H

#include "../lib/cleanup.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct manager;

struct manager_callbacks {
    /* The oldest sign of life of all loops, on the monotonic clock; *ret_who: of which shard. */
    uint64_t (*alive_us)(void *arg, unsigned *ret_who);
    /* A line of status, without figures per second; *ret_exchanges: how many have ended since the start. */
    void (*describe)(void *arg, char *text, size_t text_bytes, uint64_t *ret_exchanges);
    void *arg;
};

/* The watchdog's interval comes from the environment (WATCHDOG_USEC); without one only the status is told, every 5 seconds while
 * it changes. 0 or -ENOMEM. */
int manager_new(struct event_base *base, const struct manager_callbacks *callbacks, struct manager **ret_manager) MUST_CHECK;

/* Tells the status now. */
void manager_tell(struct manager *manager);

struct manager *manager_free(struct manager *manager); /* NULL is fine; returns NULL */

#endif
