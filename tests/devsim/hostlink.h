/* SPDX-License-Identifier: MIT */
/* Forwards the transfers of a device that others play (a supervisor, a kernel module) to a blobhostd, over the emulated channel.
 * Everything on the thread of one event loop; no call blocks. The caller copies straight into and out of the job's buffers. */
#ifndef TESTS_HOSTLINK_H
#define TESTS_HOSTLINK_H

#include "../../src/lib/slots.h"

struct event_base;
struct hostlink;

/* All three buffers in the 8192 pages of a transfer: what is left for data, 33,452,032 bytes. */
#define HOSTLINK_DATA_BYTES_MAX (LIMIT_TRANSFER_PAGES * 4096u - LIMIT_SLOT_REQUEST_BYTES - LIMIT_SLOT_RESPONSE_BYTES)

/* What a host says of a transfer that was lost with it, with the name of the Win32 error: its outcome is unknown. */
#define HOSTLINK_STATUS_ABORTED 0x800703E3u /* ERROR_OPERATION_ABORTED */

struct hostlink_config {
    const char *bus_socket; /* blobhostd's; copied */
    /* Slots are shared memory, all of it taken at the opening: 100 KiB and the data each. */
    uint32_t slots_small, slots_large;
    uint32_t small_bytes, large_bytes; /* data of a slot: multiples of 4096, up to HOSTLINK_DATA_BYTES_MAX */
    /* The host is there (jobs can be taken) or gone; reason is for people. From the loop. On a loss it runs before the jobs end.
     * NULL: nobody wants to know. */
    void (*changed)(void *owner, bool is_up, const char *reason);
    void *owner;
};

/* One transfer, embedded by the caller and his until hostlink_put(), but for a submitted job until its done(): what is the host's
 * cannot be taken back. Zero-initialised it has no slot. */
struct hostlink_job {
    /* Set before hostlink_take(). */
    uint32_t data_bytes; /* of slot->data, offered; picks the slot */
    /* Only after hostlink_take() answered -EAGAIN, once, from the loop. 0: the slot is there; -ENODEV: the host has gone. */
    void (*ready)(struct hostlink_job *job, int result);

    /* Set before hostlink_submit(); the request stands in slot->request, data_valid_bytes of body in slot->data. */
    uint8_t guid[16];
    uint32_t timeout_ms;        /* for the host; 0: for ever */
    uint32_t request_bytes;     /* not 0 */
    uint32_t data_valid_bytes;  /* at most data_bytes */
    uint32_t response_capacity; /* not 0 */
    /* From the loop, exactly once per successful hostlink_submit(). 0: status and response_bytes are the host's, the response
     * stands in slot->response, the answer's body in slot->data. -ENODEV: the host has gone, the outcome is unknown; then status
     * is HOSTLINK_STATUS_ABORTED and response_bytes 0. */
    void (*done)(struct hostlink_job *job, int result, uint32_t status, uint32_t response_bytes);
    void *owner;

    struct slot *slot; /* request, response, data and their capacities; NULL: none. Borrowed from the link. */
    /* The link's own. */
    struct hostlink *link;
    struct slot_waiter waiter;
    TAILQ_ENTRY(hostlink_job) wait_link;
};

/* Connects, and again after each loss, for ever. base must outlive it. 0, -ENOMEM, -EINVAL: sizes or the socket's path. */
int hostlink_open(struct event_base *base, const struct hostlink_config *config, struct hostlink **ret_link) MUST_CHECK;

/* Ends what waits and what is in flight with -ENODEV inside this call; by its end every job must have been put. Returns NULL. */
struct hostlink *hostlink_close(struct hostlink *link);

bool hostlink_is_up(const struct hostlink *link);

/* Gives the job a slot. 0; -EAGAIN: none is free, ready() is called when its turn comes; -ENODEV: the host is not there;
 * -EMSGSIZE: more data than any slot has. */
int hostlink_take(struct hostlink *link, struct hostlink_job *job) MUST_CHECK;

/* Hands the job's slot to the host. 0; -ENODEV: the host has gone; -EINVAL: sizes. The job keeps its slot either way.
 * The host gets all of the slot's response buffer. An answer longer than response_capacity becomes what the host itself says when
 * it does not fit: VSP_STATUS_INSUFFICIENT_BUFFER and no response, for the request may have been executed. (A capacity above
 * LIMIT_SLOT_RESPONSE_BYTES is of no use: the host says the same at that size.) */
int hostlink_submit(struct hostlink_job *job) MUST_CHECK;

/* In done(): how much of slot->data the host has written. A completion does not say it, a host just writes; told by the
 * envelopes: the length that the answer's head has, if it is one with a body. All of data_bytes when the request is of another
 * format. */
uint32_t hostlink_body_bytes(const struct hostlink_job *job, uint32_t status, uint32_t response_bytes);

/* Gives back the slot, or the place among those that wait for one; nothing when there is neither. Not while it is in flight. */
void hostlink_put(struct hostlink_job *job);

#endif
