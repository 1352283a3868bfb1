/* SPDX-License-Identifier: MIT */
/* One end of a channel against a peer that writes anything anywhere between two calls. The input is a script: an opcode, then
 * what the peer writes or what this end does. Whatever happens, own indices stay sound and nothing outside the memory is touched.
 */
#include "../../src/lib/vmbus/ring.h"

#include <errno.h>
#include <string.h>

#define RING_BYTES 8192u
#define CHECK(fact)                                                                                                              \
    do {                                                                                                                         \
        if (!(fact))                                                                                                             \
            __builtin_trap();                                                                                                    \
    } while (0)

struct script {
    const uint8_t *bytes;
    size_t len;
};

static uint32_t take(struct script *script, size_t count)
{
    uint32_t value = 0;

    for (; count > 0 && script->len > 0; count--, script->len--)
        value = value << 8 | *script->bytes++;
    return value;
}

static void check_half(const struct ring_half *half)
{
    CHECK(half->index < half->data_bytes && half->index % 8 == 0);
}

static void try_receive(struct ring *ring, uint32_t capacity)
{
    bool must_signal;
    uint8_t *copy = aligned_alloc(8, capacity / 8 * 8 + 8);
    int r = ring_receive(ring, copy, capacity / 8 * 8, &must_signal);

    if (r >= 0) {
        struct packet_descriptor descriptor = packet_descriptor(copy);
        CHECK(r >= 16 && r % 8 == 0 && (uint32_t)r <= capacity);
        CHECK(descriptor.packet_bytes == (uint32_t)r);
        CHECK(descriptor.header_bytes >= 16 && descriptor.header_bytes <= descriptor.packet_bytes);
    } else {
        CHECK(r == -EAGAIN || r == -EPROTO);
    }
    free(copy);
}

static void try_send(struct ring *ring, uint32_t bytes)
{
    static const uint8_t zeros[RING_BYTES];
    struct iovec vectors[2] = {{(void *)(uintptr_t)zeros, bytes % 64}, {(void *)(uintptr_t)zeros, bytes - bytes % 64}};
    bool must_signal;
    int r = ring_send(ring, vectors, 2, &must_signal);

    CHECK(r == 0 || r == -EAGAIN || r == -EMSGSIZE || r == -EPROTO);
    if (r == -EAGAIN)
        ring_block(ring, bytes);
}

static void step(struct script *script, struct ring *ring, uint8_t *memory)
{
    uint32_t at, value;

    switch (take(script, 1) % 6) {
    case 0: /* a word of either header */
        at = take(script, 1) % 20 * 4 + (take(script, 1) % 2) * RING_BYTES;
        value = take(script, 4);
        memcpy(memory + at, &value, sizeof(value));
        break;
    case 1: /* a plausible index */
        at = take(script, 1) % 2 * 4 + (take(script, 1) % 2) * RING_BYTES;
        value = take(script, 2) % 512 * 8;
        memcpy(memory + at, &value, sizeof(value));
        break;
    case 2: /* somewhere in the packets */
        at = 4096 + take(script, 2) % (4096 - 4) + (take(script, 1) % 2) * RING_BYTES;
        value = take(script, 4);
        memcpy(memory + at, &value, sizeof(value));
        break;
    case 3:
        try_receive(ring, take(script, 2) % 4096 + 8);
        break;
    case 4:
        try_send(ring, take(script, 2) % RING_BYTES);
        break;
    default:
        ring_mask_interrupts(ring);
        ring_unmask_and_recheck(ring);
        ring_unblock(ring);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct script script = {bytes, len};
    uint8_t *memory = aligned_alloc(4096, 2 * (size_t)RING_BYTES);
    struct ring ring;

    if (!memory || ring_init(&ring, memory, RING_BYTES) < 0)
        return 0;
    memset(memory + 4096, 0, 4096);
    memset(memory + RING_BYTES + 4096, 0, 4096);
    if (take(&script, 1) % 2 && ring_attach(&ring, memory, RING_BYTES) < 0)
        __builtin_trap();
    while (script.len > 0) {
        step(&script, &ring, memory);
        check_half(&ring.out);
        check_half(&ring.in);
    }
    free(memory);
    return 0;
}
