/* SPDX-License-Identifier: MIT */
/* Threads that wait in the kernel: each carries one blocking transfer at a time, and its end comes back through an eventfd.
 * All calls on the thread of the owner. */
#ifndef BLOBPROXY_DEVICE_WORKERS_H
#define BLOBPROXY_DEVICE_WORKERS_H

#include "device_abi.h"
#include "device_memory.h"

/* The driver's own table has 1024 places. */
#define DEVICE_DEPTH_MAX 1024u

/* Of each thread: the ioctl needs little, the kernel's part has a stack of its own. */
#define DEVICE_WORKER_STACK_BYTES 65536u

/* An open device and the memory of its slots. A job counts it, so that no descriptor is closed, and its number given to something
 * else, under a thread that is about to use it, and no memory unmapped that the kernel still has. */
struct device_opening;

/* Takes fd over and counts memory. NULL: out of memory (fd is closed). */
struct device_opening *device_opening_new(const struct device_calls *calls, int fd, enum device_command command,
                                          struct device_memory *memory) MUST_CHECK;
struct device_opening *device_opening_ref(struct device_opening *opening);
struct device_opening *device_opening_unref(struct device_opening *opening); /* NULL is fine; returns NULL; any thread */

struct worker_job {
    uint32_t tag; /* comes back with the result */
    struct device_opening *opening;
    struct device_request request;
};

struct worker_result {
    uint32_t tag;
    int error; /* 0 or a negative errno, as device_request() */
    struct device_reply reply;
};

struct workers;

/* At most depth (1 to DEVICE_DEPTH_MAX) jobs at a time. -ENOMEM, -EMFILE or another errno of eventfd(). */
int workers_new(unsigned depth, struct workers **ret_workers) MUST_CHECK;

/* Readable when there are results. */
int workers_fd(const struct workers *workers);

/* Hands a job to a thread that waits for one, or to a new one; counts the opening. 0; -EAGAIN: there is no thread and none can be
 * made now (its errno is in *ret_cause). The caller keeps to the depth. */
int workers_submit(struct workers *workers, const struct worker_job *job, int *ret_cause) MUST_CHECK;

/* Takes up to max results, oldest first, and clears the eventfd when they are all. */
unsigned workers_collect(struct workers *workers, struct worker_result *results, unsigned max);

unsigned workers_threads(const struct workers *workers);

/* Jobs not begun are dropped, threads without a job end before this returns. Those that wait in the kernel cannot be called back:
 * their number is returned, and they end by themselves when the host has completed theirs. workers is gone afterwards. */
unsigned workers_close(struct workers *workers);

#endif
