/* SPDX-License-Identifier: MIT */
/* One transfer at the host's end: from the packet to what the executor sees, and from its answer to the guest's pages.
 * Reused from transfer to transfer; memory grows to what was needed and stays. */
#ifndef BLOBHOSTD_VSP_TRANSFER_H
#define BLOBHOSTD_VSP_TRANSFER_H

#include "../lib/envelope.h"
#include "../lib/limits.h"
#include "../lib/vmbus/packet.h"
#include "executor.h"
#include "guest_memory.h"

#include <sys/queue.h>

/* The longest message that carries a head. */
#define VSP_MESSAGE_BYTES_MAX (ENVELOPE_HEADER_BYTES + LIMIT_HEAD_BYTES)

struct vsp_transfer {
    STAILQ_ENTRY(vsp_transfer) link; /* the queue's, as owner is */
    void *owner;
    uint64_t transaction_id;
    struct host_request request; /* data and deadline_us from the beginning on, head once opened */
    struct host_response response;
    struct vsp_reply reply; /* once sealed or refused */
    /* Private. */
    struct head head;
    uint8_t *message; /* the host's copy of the request buffer */
    size_t message_capacity;
    uint32_t message_bytes;
    struct iovec *iov; /* ranges of the data, request and response buffers, in this order */
    size_t iov_capacity;
    const struct iovec *request_iov;
    const struct iovec *response_iov;
    uint32_t response_capacity;
};

/* NULL: out of memory. */
struct vsp_transfer *vsp_transfer_new(void);
struct vsp_transfer *vsp_transfer_free(struct vsp_transfer *transfer); /* NULL is fine; returns NULL */

/* Takes over a decoded packet that arrived at now_us. 0; -EFAULT: a page number outside the guest's memory; -ENOMEM. */
int vsp_transfer_begin(struct vsp_transfer *transfer, const struct packet_request *packet, const struct guest_memory *memory,
                       uint64_t now_us) MUST_CHECK;

/* Copies the request buffer, opens its envelope, parses its head. VSP_STATUS_OK: request may be executed. */
uint32_t vsp_transfer_open(struct vsp_transfer *transfer) MUST_CHECK;

/* Sets reply to a status without a response. */
void vsp_transfer_refuse(struct vsp_transfer *transfer, uint32_t status);

/* Puts the executor's answer into the response buffer and sets reply. The message is composed in sealed, which has
 * VSP_MESSAGE_BYTES_MAX, so that the checksum never covers memory that the guest can change. */
void vsp_transfer_seal(struct vsp_transfer *transfer, uint32_t status, uint8_t *sealed);

#endif
