/* SPDX-License-Identifier: MIT */
/* The requests that the device has accepted: in the ring until the host takes them, at the host, until their callers are told. */
#ifndef TESTS_PENDING_H
#define TESTS_PENDING_H

#include "azblob.h"
#include "counters.h"
#include "hostlink.h"
#include "trap.h"

struct pending;

struct pending_config {
    struct event_base *base;
    struct hostlink_config link; /* changed and owner are not used */
    struct faults *faults;       /* these two borrowed */
    struct counters *counters;
    uint32_t ring_bytes;
    void (*host_changed)(void *owner, bool is_up, const char *reason);
    void (*completed)(void *owner); /* an ioctl has returned 0 */
    void *owner;
};

int pending_new(const struct pending_config *config, struct pending **ret_pending) MUST_CHECK;
struct pending *pending_free(struct pending *pending); /* returns NULL */
void pending_set_listener(struct pending *pending, int listener);

/* A request whose pages are pinned. 0: its call ends later; -EAGAIN: no room in the ring; -ENOMEM. */
int pending_add(struct pending *pending, const struct trap_call *call, const struct azblob_request *request) MUST_CHECK;

/* The host goes on taking requests, unless it is stalled. */
void pending_dispatch(struct pending *pending);

/* Ends what is withheld. While the device is removed nothing is withheld. */
void pending_release(struct pending *pending);
void pending_set_removed(struct pending *pending, bool is_removed);

#endif
