/* SPDX-License-Identifier: MIT */
/* A world is one channel's memory with a maker's code at each end. Four worlds, one for each way to choose the makers, live
 * through the same steps; the first, ours at both ends, is what the others are compared with. For one thread. */
#ifndef BLOBPROXY_LOCKSTEP_WORLD_H
#define BLOBPROXY_LOCKSTEP_WORLD_H

#include "end.h"

#define WORLDS 4

/* Fields of a half's header, by their place. */
enum { AT_WRITE = 0, AT_READ = 4, AT_MASK = 8, AT_PENDING = 12, AT_RESERVED = 16, AT_FEATURES = 64 };

struct world {
    const char *name; /* guest's maker and host's */
    uint32_t ring_bytes;
    uint8_t *memory; /* 2 * ring_bytes: guest->host half, host->guest half */
    int fd;          /* -1: no kernel in it */
    struct end ends[LOCKSTEP_ENDS];
    uint8_t *buffer; /* ring_bytes: what the last step received */
};

/* Where two worlds are apart. */
struct divergence {
    const char *field; /* NULL: nowhere */
    char text[256];
};

/* Fresh memory, data areas filled with a pattern. Prints why and returns false on failure; worlds_close() is right either way. */
bool worlds_open(struct world worlds[WORLDS], uint32_t ring_bytes) MUST_CHECK;
void worlds_close(struct world worlds[WORLDS]);

uint32_t world_data_bytes(const struct world *world);
uint32_t world_word(const struct world *world, unsigned half, uint32_t place);
void world_poke(struct world *world, unsigned half, uint32_t place, uint32_t value);
/* The data byte at that index plus offset, which may lie behind the end or (negative) before the beginning. */
uint8_t *world_data(const struct world *world, unsigned half, uint32_t index, int64_t offset);

/* Both headers' fields, and the data bytes from index - 64 to index + bytes + 64 of one half. */
bool worlds_agree_near(const struct world *a, const struct world *b, unsigned half, uint32_t index, uint32_t bytes,
                       struct divergence *ret_divergence);
/* Every byte. */
bool worlds_agree(const struct world *a, const struct world *b, struct divergence *ret_divergence);

#endif
