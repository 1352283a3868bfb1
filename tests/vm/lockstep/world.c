/* SPDX-License-Identifier: MIT */
/* The worlds: their memory, and comparing it. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILL 0xa5
#define MARGIN 64u

static const struct {
    const char *name;
    enum maker makers[LOCKSTEP_ENDS];
} kinds[WORLDS] = {
    {"ours to ours", {MAKER_OURS, MAKER_OURS}},
    {"kernel to kernel", {MAKER_KERNEL, MAKER_KERNEL}},
    {"ours to kernel", {MAKER_OURS, MAKER_KERNEL}},
    {"kernel to ours", {MAKER_KERNEL, MAKER_OURS}},
};

static int open_kernel(uint32_t ring_bytes)
{
    struct lockstep_call call = {.bytes = ring_bytes};
    int fd = open(LOCKSTEP_PATH, O_RDWR | O_CLOEXEC);

    if (fd >= 0 && ioctl(fd, LOCKSTEP_CREATE, &call) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int map_memory(struct world *world, bool has_kernel)
{
    int flags = has_kernel ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;

    world->fd = has_kernel ? open_kernel(world->ring_bytes) : -1;
    if (has_kernel && world->fd < 0)
        return -errno;
    void *memory = mmap(NULL, 2 * (size_t)world->ring_bytes, PROT_READ | PROT_WRITE, flags, world->fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    world->memory = memory;
    world->buffer = aligned_alloc(8, world->ring_bytes);
    return world->buffer ? 0 : -ENOMEM;
}

static int world_open(struct world *world, const enum maker makers[LOCKSTEP_ENDS])
{
    int r = map_memory(world, makers[0] == MAKER_KERNEL || makers[1] == MAKER_KERNEL);

    for (uint32_t side = 0; r == 0 && side < LOCKSTEP_ENDS; side++) {
        if (makers[side] == MAKER_OURS)
            r = end_open_ours(&world->ends[side], side, world->memory, world->ring_bytes);
        else
            end_open_kernel(&world->ends[side], side, world->fd, world->ring_bytes);
        if (r == 0)
            memset(world_data(world, side, 0, 0), FILL, world_data_bytes(world));
    }
    return r;
}

bool worlds_open(struct world worlds[WORLDS], uint32_t ring_bytes)
{
    for (int i = 0; i < WORLDS; i++)
        worlds[i] = (struct world){.name = kinds[i].name, .ring_bytes = ring_bytes, .fd = -1};
    for (int i = 0; i < WORLDS; i++) {
        int r = world_open(&worlds[i], kinds[i].makers);
        if (r < 0) {
            fprintf(stderr, "%s, ring of %u bytes: %s\n", worlds[i].name, ring_bytes, strerror(-r));
            return false;
        }
    }
    return true;
}

void worlds_close(struct world worlds[WORLDS])
{
    for (int i = 0; i < WORLDS; i++) {
        free(worlds[i].buffer);
        if (worlds[i].memory)
            munmap(worlds[i].memory, 2 * (size_t)worlds[i].ring_bytes);
        if (worlds[i].fd >= 0)
            close(worlds[i].fd);
    }
}

uint32_t world_data_bytes(const struct world *world)
{
    return world->ring_bytes - RING_HEADER_BYTES;
}

static _Atomic uint32_t *word_at(const struct world *world, unsigned half, uint32_t place)
{
    return (_Atomic uint32_t *)(void *)(world->memory + (size_t)half * world->ring_bytes + place);
}

uint32_t world_word(const struct world *world, unsigned half, uint32_t place)
{
    return atomic_load(word_at(world, half, place));
}

void world_poke(struct world *world, unsigned half, uint32_t place, uint32_t value)
{
    atomic_store(word_at(world, half, place), value);
}

uint8_t *world_data(const struct world *world, unsigned half, uint32_t index, int64_t offset)
{
    int64_t bytes = world_data_bytes(world);
    int64_t place = ((int64_t)index + offset % bytes + bytes) % bytes;

    return world->memory + (size_t)half * world->ring_bytes + RING_HEADER_BYTES + place;
}

static const char *field_name(uint32_t place)
{
    switch (place) {
    case AT_WRITE:
        return "write index";
    case AT_READ:
        return "read index";
    case AT_MASK:
        return "interrupt mask";
    case AT_PENDING:
        return "pending send size";
    case AT_FEATURES:
        return "feature bits";
    default:
        return "reserved field";
    }
}

static bool headers_agree(const struct world *a, const struct world *b, uint32_t bytes, struct divergence *ret_divergence)
{
    for (unsigned half = 0; half < 2; half++) {
        size_t offset = (size_t)half * a->ring_bytes;
        if (memcmp(a->memory + offset, b->memory + offset, bytes) == 0)
            continue;
        for (uint32_t place = 0; place < bytes; place += 4) {
            uint32_t first = world_word(a, half, place), second = world_word(b, half, place);
            if (first == second)
                continue;
            ret_divergence->field = field_name(place);
            snprintf(ret_divergence->text, sizeof(ret_divergence->text), "half %u: %#x (%s), %#x (%s)", half, first, a->name,
                     second, b->name);
            return false;
        }
    }
    return true;
}

/* Bytes that lie together. */
static bool run_agrees(const struct world *a, const struct world *b, unsigned half, uint32_t index, uint32_t bytes,
                       struct divergence *ret_divergence)
{
    const uint8_t *first = world_data(a, half, index, 0), *second = world_data(b, half, index, 0);

    if (memcmp(first, second, bytes) == 0)
        return true;
    uint32_t i = 0;
    while (first[i] == second[i])
        i++;
    ret_divergence->field = "data byte";
    snprintf(ret_divergence->text, sizeof(ret_divergence->text), "half %u, index %u: %#x (%s), %#x (%s)", half, index + i,
             first[i], a->name, second[i], b->name);
    return false;
}

bool worlds_agree_near(const struct world *a, const struct world *b, unsigned half, uint32_t index, uint32_t bytes,
                       struct divergence *ret_divergence)
{
    uint32_t data_bytes = world_data_bytes(a), total = bytes + 2 * MARGIN;
    uint32_t start = (uint32_t)(((uint64_t)index + data_bytes - MARGIN) % data_bytes);

    if (!headers_agree(a, b, 2 * MARGIN, ret_divergence))
        return false;
    if (total >= data_bytes)
        return run_agrees(a, b, half, 0, data_bytes, ret_divergence);
    uint32_t first = data_bytes - start < total ? data_bytes - start : total;
    return run_agrees(a, b, half, start, first, ret_divergence) && run_agrees(a, b, half, 0, total - first, ret_divergence);
}

bool worlds_agree(const struct world *a, const struct world *b, struct divergence *ret_divergence)
{
    return headers_agree(a, b, RING_HEADER_BYTES, ret_divergence) &&
           run_agrees(a, b, 0, 0, world_data_bytes(a), ret_divergence) &&
           run_agrees(a, b, 1, 0, world_data_bytes(a), ret_divergence);
}
