/* SPDX-License-Identifier: MIT */
/* Plays the published driver of /dev/azure_blob for a trapped command: its checks in their order, its errors, its removal. Pages
 * are pinned read-only there, so buffers that such a driver must not be given are counted as violations. */
#ifndef TESTS_DRIVER_H
#define TESTS_DRIVER_H

#include "../../src/lib/buf.h"
#include "pending.h"

struct driver;

struct driver_config {
    struct event_base *base;
    struct hostlink_config link; /* changed and owner are not used */
    const char *path;            /* of the device; borrowed */
    bool knows_list, knows_vendor;
    int unknown_errno; /* -EINVAL; what older versions say to an unknown number: -EIO; other drivers: -ENOTTY */
    uint32_t depth;    /* requests in flight; more: EAGAIN */
    uint32_t ring_bytes;
    bool is_removed; /* at the start */
    /* The host is there for the first time. */
    void (*ready)(void *owner);
    void *owner;
};

int driver_new(const struct driver_config *config, struct driver **ret_driver) MUST_CHECK;
struct driver *driver_free(struct driver *driver); /* returns NULL */

/* The command has been started; its calls come from this listener, borrowed. */
void driver_set_listener(struct driver *driver, int listener);
void driver_handle(struct driver *driver, const struct trap_call *call);

/* No fault any more, and the depth as configured; what is withheld ends. A removed device stays so. */
void driver_clear(struct driver *driver);

struct faults *driver_faults(struct driver *driver);
const struct counters *driver_counters(const struct driver *driver);
void driver_set_depth(struct driver *driver, uint32_t depth);
void driver_dispatch(struct driver *driver); /* after a stall */
void driver_release(struct driver *driver);  /* ends what is withheld */

/* The device is gone for those who open it; what is pending ends first, as the driver waits for it; descriptors stay dead for
 * ever. Host gone means the same. */
void driver_remove(struct driver *driver);
void driver_return(struct driver *driver);
void driver_remove_after(struct driver *driver, uint32_t transfers); /* 0: not */
void driver_return_after(struct driver *driver, uint32_t delay_ms);  /* after each removal; 0: not */

#endif
