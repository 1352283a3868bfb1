/* SPDX-License-Identifier: MIT */
/* An open channel's work: takes transfers from the ring, has them executed, sends the completions in the order of the answers.
 * Everything runs on the channel's thread; nothing here waits. */
#ifndef BLOBHOSTD_VSP_QUEUE_H
#define BLOBHOSTD_VSP_QUEUE_H

#include "../lib/cleanup.h"
#include "../lib/err.h"
#include "../lib/vmbus/bus.h"
#include "executor.h"

#include <stdbool.h>

/* Transfers taken from the ring and not completed yet. The published guest has at most 1,024 outstanding. */
#define VSP_QUEUE_TRANSFERS_MAX 1024u

struct vsp_queue;

struct vsp_queue_owner {
    /* An answer came outside vsp_queue_pump() and leaves something to do: pump again, or look at vsp_queue_is_idle(). */
    void (*wake)(void *arg);
    void *arg;
};

/* Maps the guest's memory and attaches to its rings. memory is borrowed: its memfd may be closed afterwards, the eventfds must
 * stay open until vsp_queue_free(). Negative errno with err. */
int vsp_queue_new(const struct bus_memory *memory, struct executor *executor, const struct vsp_queue_owner *owner,
                  struct vsp_queue **ret_queue, struct err *err) MUST_CHECK;

/* One turn, after each wake-up. 0: wait for the guest's signal; 1: there is more, call again soon;
 * -EPROTO: the guest wrote garbage into its ring, -EFAULT: it named pages that it does not have, -ENOMEM: close the channel. */
int vsp_queue_pump(struct vsp_queue *queue) MUST_CHECK;

/* Drops what is not being executed; the guest's rings are not touched again. */
void vsp_queue_close(struct vsp_queue *queue);

/* Nothing is being executed: no pointer into the guest's memory is in use. */
bool vsp_queue_is_idle(const struct vsp_queue *queue);

/* Unmaps. The queue must be idle. NULL is fine; returns NULL. */
struct vsp_queue *vsp_queue_free(struct vsp_queue *queue);

#endif
