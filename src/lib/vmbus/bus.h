/* SPDX-License-Identifier: MIT */
/* The emulated bus: how a channel of the simulated VMBus is offered, opened and rescinded over a Unix socket.
 * host -> guest: offer. guest -> host: open, with three descriptors (memfd, eventfd guest->host, eventfd host->guest).
 * host -> guest: opened. Then only the rings speak; closing the socket, on either side, is a rescind. SOCK_SEQPACKET.
 * Both ends run as the same user or root and trust each other so far: a peer could make the shared eventfds blocking and full. */
#ifndef BLOBPROXY_BUS_H
#define BLOBPROXY_BUS_H

#include "../cleanup.h"
#include "../err.h"

#include <stddef.h>
#include <stdint.h>

#define BUS_VERSION 1u
#define BUS_MAGIC "BlobBus1" /* 8 bytes on the wire, no NUL */
#define BUS_PAGE_BYTES 4096u

/* Class GUID of the Azure Blob device, 0590b792-db64-45cc-81db-b8d70c577c9e, in its wire (mixed-endian) form. */
extern const uint8_t bus_blob_class[16];

enum bus_message_type { BUS_OFFER = 1, BUS_OPEN = 2, BUS_OPENED = 3 };

/* All messages begin alike; little-endian. */
struct bus_header {
    char magic[8];
    uint32_t version;
    uint16_t type;
    uint16_t bytes; /* whole message */
};

struct bus_offer {
    struct bus_header header;
    uint8_t class_guid[16];
    uint8_t instance_guid[16];
    uint32_t max_pages; /* over the three buffers of a transfer */
    uint32_t reserved;
};

struct bus_open {
    struct bus_header header;
    uint64_t memory_bytes; /* size of the memfd */
    uint64_t ring_offset;  /* in it, page-aligned: guest->host half, then host->guest half */
    uint32_t ring_bytes;   /* one half, header page included */
    uint32_t reserved;
};

struct bus_opened {
    struct bus_header header;
    uint32_t status; /* 0: open */
    uint32_t reserved;
};

/* What the guest hands over. Descriptors are owned by whoever received the struct. */
struct bus_memory {
    int memfd;
    int signal_host;  /* eventfd: guest writes, host waits */
    int signal_guest; /* eventfd: host writes, guest waits */
    uint64_t memory_bytes;
    uint64_t ring_offset;
    uint32_t ring_bytes;
};

/* Each sends or receives one message on a connected non-blocking socket. -EAGAIN: not now; -EPIPE: closed;
 * -EPROTO: wrong magic, type, size or number of descriptors; -EPROTONOSUPPORT: another version (err names both). */
int bus_send_offer(int socket, const uint8_t instance_guid[16], uint32_t max_pages, struct err *err) MUST_CHECK;
int bus_receive_offer(int socket, struct bus_offer *ret_offer, struct err *err) MUST_CHECK;
int bus_send_open(int socket, const struct bus_memory *memory, struct err *err) MUST_CHECK;
/* Checks seals (F_SEAL_SHRINK), sizes and alignment of what it got. */
int bus_receive_open(int socket, struct bus_memory *ret_memory, struct err *err) MUST_CHECK;
int bus_send_opened(int socket, uint32_t status, struct err *err) MUST_CHECK;
int bus_receive_opened(int socket, uint32_t *ret_status, struct err *err) MUST_CHECK;

/* A memfd of that size, sealed against shrinking and growing, every page touched. */
int bus_memfd(const char *name, uint64_t bytes, int *ret_fd, struct err *err) MUST_CHECK;

#endif
