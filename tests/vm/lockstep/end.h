/* SPDX-License-Identifier: MIT */
/* One end of a channel, whoever's code is behind it: this project's ring or the kernel's. Each call does one step there and
 * tells what it decided, in words that both share. Calls on one end are for one thread at a time. */
#ifndef BLOBPROXY_LOCKSTEP_END_H
#define BLOBPROXY_LOCKSTEP_END_H

#include "../../../src/lib/vmbus/ring.h"
#include "ring_lockstep/lockstep_abi.h"

enum maker { MAKER_OURS, MAKER_KERNEL };

enum outcome_kind {
    OUTCOME_DONE,
    OUTCOME_EMPTY,
    OUTCOME_FULL,
    OUTCOME_NEVER_FITS,
    OUTCOME_SMALL_BUFFER,
    OUTCOME_REFUSED, /* the peer or its packet is not believed */
    OUTCOME_FAILED,  /* the test's own machinery: an ioctl that failed, counters that contradict each other */
};

struct outcome {
    enum outcome_kind kind;
    uint32_t packets; /* that were sent or received */
    uint32_t bytes;   /* received, in the buffer */
    bool signal;      /* of the peer */
    bool flag;        /* unmask: packets are there; block: blocked */
};

/* One packet to send: its descriptor lies at the start of the first vector. */
struct parcel {
    struct iovec vectors[LOCKSTEP_VECTORS_MAX - 1];
    unsigned vector_count;
    uint32_t bytes;
    uint64_t transaction_id;
};

struct end {
    enum maker maker;
    struct ring ring; /* ours */
    int fd;           /* the kernel's; borrowed */
    uint32_t side;    /* LOCKSTEP_GUEST or LOCKSTEP_HOST */
    uint32_t data_bytes;
};

const char *outcome_name(enum outcome_kind kind);

/* A guest's end of ours clears both headers, a host's expects them fresh. 0 or negative errno. */
int end_open_ours(struct end *end, uint32_t side, void *memory, uint32_t ring_bytes) MUST_CHECK;
/* The kernel's end of the channel behind fd. */
void end_open_kernel(struct end *end, uint32_t side, int fd, uint32_t ring_bytes);

struct outcome end_send(struct end *end, const struct parcel *parcel);
/* One packet into the buffer (8-byte aligned): all of it (raw) or its payload alone. */
struct outcome end_receive(struct end *end, void *buffer, uint32_t capacity, bool is_raw);
/* At most that many packets, behind each other; the peer is signalled once at most. */
struct outcome end_receive_batch(struct end *end, uint32_t count, void *buffer, uint32_t capacity);
struct outcome end_mask(struct end *end);
struct outcome end_unmask(struct end *end);
struct outcome end_block(struct end *end, uint32_t packet_bytes);
struct outcome end_unblock(struct end *end);

#endif
