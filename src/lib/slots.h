/* SPDX-License-Identifier: MIT */
/* The fixed budget of slots of one shard: pre-touched buffers dealt out in order. All calls on the shard's thread. */
#ifndef BLOBPROXY_SLOTS_H
#define BLOBPROXY_SLOTS_H

#include "cleanup.h"
#include "err.h"
#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;
struct slots;
struct slot_region;

enum slot_class { SLOT_SMALL, SLOT_LARGE, SLOT_CLASSES };

struct slot_geometry {
    uint32_t count[SLOT_CLASSES];
    uint32_t data_bytes[SLOT_CLASSES]; /* multiple of 4096 */
};

/* One request on the channel; lives in its slot, because both belong to the host until the completion. */
struct transfer {
    /* Set before channel_submit(). */
    uint8_t guid[16];
    uint32_t timeout_ms;
    uint32_t request_bytes;    /* envelope and payload, in slot->request */
    uint32_t data_bytes;       /* of slot->data, offered: the body, or room for the answer's body; 0 for none */
    uint32_t data_valid_bytes; /* of these, bytes of request body */
    /* Runs on the loop exactly once per successful submit, never inside it. result: 0; -ECANCELED: the host never had it;
     * -EINVAL: nor had it, and it will never take it; any other, such as -ENODEV when the channel is lost: the outcome is
     * unknown. */
    void (*done)(struct transfer *transfer, int result);
    void *owner;
    /* Valid when done runs with result 0; all copied out of what the host wrote, and checked against the slot's sizes. */
    uint32_t status;         /* 0 or an HRESULT-like code */
    uint32_t response_bytes; /* in slot->response */
    uint64_t submitted_us;
    uint64_t completed_us;
    /* The channel's own. */
    uint64_t transaction_id; /* 0: not in flight */
};

struct slot {
    enum slot_class class;
    uint8_t *request; /* page-aligned, as all three */
    uint8_t *response;
    uint8_t *data;
    uint32_t request_capacity; /* bytes, multiples of 4096 */
    uint32_t response_capacity;
    uint32_t data_capacity;
    struct transfer transfer;
    struct slot_region *region; /* the memory it lies in */
    STAILQ_ENTRY(slot) free_link;
};

/* Memory that slots lie in. The channel makes it; it lives until its channel has let go of it and its last slot came back. */
struct slot_region {
    uint8_t *base; /* first byte of the slots' part, page-aligned */
    unsigned slots_out;
    bool is_current;                           /* new slots come from it */
    void (*release)(struct slot_region *self); /* unmaps; called once */
    /* What stands there is needed no more, and the memory is not dealt again: a region that only waits for its last slots must
     * not cost all of its pages. NULL: nothing is done about it. */
    void (*discard)(struct slot_region *self, void *address, size_t bytes);
    struct slot *slots; /* array made by slots_attach */
};

/* Bytes that a region of this geometry needs. */
size_t slots_region_bytes(const struct slot_geometry *geometry);

int slots_new(struct event_base *base, const struct slot_geometry *geometry, struct slots **ret_slots) MUST_CHECK;
struct slots *slots_free(struct slots *slots); /* no waiter and no slot may be out; returns NULL */

/* Starts dealing slots of this region (waiters get theirs). */
int slots_attach(struct slots *slots, struct slot_region *region) MUST_CHECK;

/* Stops dealing them. The region is released as soon as its last slot is back, perhaps at once. */
void slots_detach(struct slots *slots);

/* A free slot of that class, or of a larger class when nobody waits for that; NULL when there is none or somebody waits already.
 */
struct slot *slots_take(struct slots *slots, enum slot_class class);

/* Gives a slot back. Its transfer must not be in flight. */
void slots_put(struct slot *slot, struct slots *slots);

/* The exchange that owned it has gone: gives it back at once, or when the host is done with it (quarantine until then). */
void slots_abandon(struct slot *slot, struct slots *slots);

struct slot_waiter {
    enum slot_class class;
    void (*ready)(struct slot_waiter *waiter, struct slot *slot); /* from the loop, never inside slots_wait or slots_put */
    void *owner;
    bool is_queued;
    TAILQ_ENTRY(slot_waiter) link;
};

/* In order of arrival, per class. */
void slots_wait(struct slots *slots, struct slot_waiter *waiter);
void slots_cancel(struct slots *slots, struct slot_waiter *waiter); /* fine when not queued */

struct slots_figures {
    uint32_t total[SLOT_CLASSES], used[SLOT_CLASSES], waiting[SLOT_CLASSES];
    uint32_t quarantined;
    uint64_t bytes; /* of all slots */
};
struct slots_figures slots_figures(const struct slots *slots);

#endif
