/* SPDX-License-Identifier: MIT */
/* A scripted guest: opens a channel to a VSP and says on its rings exactly what a test wants said. */
#ifndef TESTS_BUS_GUEST_H
#define TESTS_BUS_GUEST_H

#include "../../src/lib/vmbus/bus.h"
#include "../../src/lib/vmbus/packet.h"
#include "../../src/lib/vmbus/ring.h"

#include <stdbool.h>

#define GUEST_PAGES 64u /* of the guest, behind its rings */

struct guest {
    int socket;
    struct bus_memory memory;
    uint8_t *base; /* NULL: not mapped */
    struct ring ring;
    uint64_t first_page; /* number of the first page behind the rings */
    uint8_t *pages;      /* where that page is mapped */
    bool is_signal_due;  /* packets were sent without a signal */
};

/* Connects and receives the offer. */
int guest_connect(struct guest *guest, const char *path, struct bus_offer *ret_offer, struct err *err) MUST_CHECK;

/* Makes memory and rings and opens the channel. -ECONNREFUSED: the host answered with a status; -EPIPE: it closed. */
int guest_open(struct guest *guest, uint32_t ring_bytes, struct err *err) MUST_CHECK;

/* Waits for the host's answer to an open. */
int guest_wait_opened(struct guest *guest, uint32_t *ret_status, struct err *err) MUST_CHECK;

/* Connects and opens. */
int guest_start(struct guest *guest, const char *path, uint32_t ring_bytes, struct err *err) MUST_CHECK;
void guest_stop(struct guest *guest);

/* Where the buffers of a transfer lie, in pages of the guest and bytes. */
struct guest_transfer {
    uint64_t id;
    uint32_t timeout_ms;
    uint32_t data_page, data_offset, data_bytes, data_valid_bytes;
    uint32_t request_page, request_bytes;
    uint32_t response_page, response_bytes;
};

/* Seals an envelope of that format around text at a page; returns its length. */
uint32_t guest_put_message(struct guest *guest, uint32_t page, uint32_t format, const char *text);

/* A transfer with a request head at page 0, 32 KiB of response at page 1, no data. */
struct guest_transfer guest_simple(struct guest *guest, uint64_t id, const char *head);

/* Puts the transfer into the ring, and signals the host when signal is set and the ring wants it. -EAGAIN: full. */
int guest_submit(struct guest *guest, const struct guest_transfer *transfer, bool signal) MUST_CHECK;
/* Any packet. */
int guest_send(struct guest *guest, const void *packet, uint32_t packet_bytes, bool signal) MUST_CHECK;
void guest_signal(struct guest *guest);

/* Waits for the next completion. -EPIPE: the host closed the channel; -ETIMEDOUT: something hangs. */
int guest_complete(struct guest *guest, uint64_t *ret_id, struct vsp_reply *ret_reply) MUST_CHECK;

/* Waits until the host has closed the channel. 0 or -ETIMEDOUT. */
int guest_wait_closed(struct guest *guest) MUST_CHECK;

#endif
