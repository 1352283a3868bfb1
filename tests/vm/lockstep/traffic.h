/* SPDX-License-Identifier: MIT */
/* Random numbers, packets made of them, and a log of the packets on their way. For one thread. */
#ifndef BLOBPROXY_LOCKSTEP_TRAFFIC_H
#define BLOBPROXY_LOCKSTEP_TRAFFIC_H

#include "end.h"

struct random {
    uint64_t state;
};

uint32_t random_below(struct random *random, uint32_t bound); /* bound > 0 */

/* A packet and how it is gathered. */
struct packet {
    uint32_t bytes; /* at least 16 */
    uint32_t header_bytes;
    uint16_t flags;
    uint64_t transaction_id; /* not 0 */
    uint32_t source;         /* its bytes' place in the pool of random bytes */
    uint32_t cuts[3];        /* between its vectors, rising, at least 16 */
    uint32_t alignment;      /* of its first byte, 0 to 7 */
};

/* With bytes within 16..LOCKSTEP_WRITE_BYTES_MAX. */
struct packet packet_random(struct random *random, uint32_t bytes);
/* The packet's bytes, for the next call's time. */
struct parcel packet_parcel(const struct packet *packet);
/* Whether these are the packet's bytes from skipped on, padding included. */
bool packet_matches(const struct packet *packet, uint32_t skipped, const uint8_t *bytes, uint32_t count);

#define LOG_PACKETS 131072u /* more than a ring of 2 MiB holds */

struct log {
    struct packet *packets;
    uint64_t first, next;
};

bool log_open(struct log *log) MUST_CHECK;
void log_close(struct log *log);
void log_push(struct log *log, const struct packet *packet);
/* The oldest; NULL: none. */
const struct packet *log_front(const struct log *log);
void log_pop(struct log *log);

#endif
