/* SPDX-License-Identifier: GPL-2.0 */
/* Requests between the callers and the host. The ring holds what the host has not taken yet, the table of transaction ids what
 * it has not completed; a request that does not fit both is refused. */
#ifndef AZB_QUEUE_H
#define AZB_QUEUE_H

#include "abi.h"
#include "host_abi.h"
#include "pages.h"

#include <linux/completion.h>
#include <linux/poll.h>
#include <linux/wait.h>

/* What the removal of a device waits for: its requests. Guarded by the queue's lock. */
struct azb_pending {
    unsigned int count;
    bool is_removing;
};

/* Lives on the caller's stack of the ioctl until done. */
struct azb_request {
    struct azb_argument argument;
    struct azb_buffer buffers[AZB_AREAS];
    struct completion done; /* argument.outcome is the host's */
    struct azb_pending *pending;
    /* The queue's own. */
    struct list_head link;
    u64 id;
};

struct azb_queue_counters {
    unsigned long in_ring, at_host, sent, completed, ring_full, table_full;
};

unsigned int azb_request_pages(const struct azb_request *request);

/* Until request->done the request is the queue's. 0; -EAGAIN: ring or table is full; -ENODEV: is_removing. */
int azb_queue_send(struct azb_request *request);

/* From now on nothing of it is sent; returns when the last of its requests has been completed. */
void azb_queue_drain(struct azb_pending *pending);

/* While held the host gets nothing from the ring. */
void azb_queue_hold(bool is_held);

/* For the host. take: 0; -EAGAIN: nothing there, and may_wait is not set; -ERESTARTSYS: a signal. Requests that it has taken are
 * found by their id and stay until complete, which only the host calls: it does so one call at a time. */
int azb_queue_take(struct azb_request **ret_request, bool may_wait);
struct azb_request *azb_queue_find(u64 id);
void azb_queue_complete(struct azb_request *request, const struct azb_outcome *outcome);
void azb_queue_abort_taken(void);
void azb_queue_abort_all(void); /* what is still in the ring, held or not, as well */
__poll_t azb_queue_poll(struct file *file, struct poll_table_struct *table);

struct azb_queue_counters azb_queue_counters(void);

#endif
