/* SPDX-License-Identifier: MIT */
/* A VMBus channel's pair of rings, seen from either end: one direction to send into, one to receive from. No I/O and no waiting:
 * the calls say when the peer must be signalled, the owner of the ring does it through its port. The layout stands in ring.c.
 *
 * The peer is not trusted: it can write to the whole memory at any time. So each end keeps its own index (what it has produced,
 * what it has consumed) privately and never reads it back, and packets are checked on the copy. The calls for sending (send,
 * block, unblock) may run on one thread and those for receiving on another; each kind is for one thread at a time. */
#ifndef BLOBPROXY_RING_H
#define BLOBPROXY_RING_H

#include "packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define RING_HEADER_BYTES 4096u
#define RING_BYTES_MIN 8192u /* a header page and one page of data */
#define RING_BYTES_MAX (64u * 1024 * 1024)

/* The seam under a channel: where its signal and its memory come from. Embedded by its owner. (Waiting belongs to the event
 * loop.) */
struct ring_port {
    /* Interrupts the peer. */
    void (*signal)(struct ring_port *port);
    /* The adjacent pages, at least 1 and at most max_pages, from the page of that address on, as the peer numbers them. */
    struct page_run (*page_run)(struct ring_port *port, const void *address, uint32_t max_pages);
    /* The channel was rescinded: nothing may be sent any more. */
    bool (*is_closed)(struct ring_port *port);
};

struct ring_header;

/* One direction, as this end sees it. */
struct ring_half {
    struct ring_header *header;
    uint8_t *data;
    uint32_t data_bytes;
    uint32_t index; /* ours: write index of the half we produce into, read index of the one we consume */
};

struct ring {
    struct ring_half out;
    struct ring_half in;
};

/* The guest's end over fresh memory of 2 * ring_bytes, page-aligned: first half guest->host, second half host->guest. Clears both
 * headers and announces pending_send_sz on both. ring_bytes is one half, header page included: a multiple of 4096 within
 * RING_BYTES_MIN..MAX. 0 or -EINVAL. */
int ring_init(struct ring *ring, void *memory, uint32_t ring_bytes) MUST_CHECK;

/* The host's end over memory that a guest has initialised and not used yet. 0; -EINVAL: ring_bytes; -EPROTO: indices not 0. */
int ring_attach(struct ring *ring, void *memory, uint32_t ring_bytes) MUST_CHECK;

/* Sends one packet, whose first bytes are its descriptor, gathered from the vectors, zero-padded to a multiple of 8. The vectors'
 * sum must be what the descriptor's length says (rounded up). When *ret_signal, call port->signal(): the ring was empty and the
 * peer wants interrupts; signalling otherwise is harmful. 0; -EAGAIN: no room now (nothing written); -EMSGSIZE: can never fit;
 * -EPROTO: the peer's read index is garbage. */
int ring_send(struct ring *ring, const struct iovec *vectors, unsigned vector_count, bool *ret_signal) MUST_CHECK;

/* After -EAGAIN: asks the peer to signal once a packet of that size (without footer) has room, by pending_send_sz, then looks
 * again. true: wait for a signal, then ring_unblock() and send again. false: there is room meanwhile (nothing is pending): send
 * again now. The signal may come early or for another reason (the same one announces packets): sending again must be ready for
 * -EAGAIN. */
bool ring_block(struct ring *ring, uint32_t packet_bytes);

/* Withdraws that wish; harmless when there is none. */
void ring_unblock(struct ring *ring);

/* Copies the next packet out (footer dropped, buffer 8-byte aligned) and returns its length, a multiple of 8 and at least 16;
 * the descriptor's offset and length in the copy are checked: 16 <= header_bytes <= packet_bytes == returned length.
 * When *ret_signal, call port->signal(): the peer waited for room and now has it (this is independent of the interrupt mask).
 * -EAGAIN: empty. -EPROTO: the peer's write index is out of range or unaligned, the lengths are impossible or more than what is
 * there, or the packet is larger than capacity; the ring is then of no more use. Nothing is consumed on failure. */
int ring_receive(struct ring *ring, void *buffer, uint32_t capacity, bool *ret_signal) MUST_CHECK;

/* The sleep protocol of the receiver. On a wake-up: clear the event, mask, ring_receive() until -EAGAIN, then
 * ring_unmask_and_recheck(): true: packets came meanwhile, interrupts are masked again, go on receiving; false: wait for the
 * event. (An end that stops before -EAGAIN stays masked and must come back by itself.) Fresh rings are unmasked. */
void ring_mask_interrupts(struct ring *ring);
bool ring_unmask_and_recheck(struct ring *ring);

#endif
