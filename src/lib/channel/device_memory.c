/* SPDX-License-Identifier: MIT */
/* Memory of slots that a kernel driver pins. */
#include "device_memory.h"

#include "../compat.h"
#include "../pages.h"

#include <errno.h>
#include <stdatomic.h>

#define PAGE_BYTES 4096u

struct device_memory {
    struct slot_region region; /* first */
    uint8_t *map;
    size_t bytes;
    atomic_uint users;
};

_Static_assert(offsetof(struct device_memory, region) == 0, "region_release casts");

static void region_release(struct slot_region *region)
{
    device_memory_unref(region);
}

/* What the kernel still writes there comes as new pages, and nobody reads them. */
static void region_discard(struct slot_region *region, void *address, size_t bytes)
{
    struct page_span span = pages_inside(address, bytes, (size_t)sysconf(_SC_PAGESIZE));

    (void)region;
    (void)madvise(span.start, span.bytes, MADV_DONTNEED);
}

/* A page never written to is the kernel's zero page, which everybody has: published drivers pin for reading, and the host would
 * write there. A fork would make copies of pages that the host writes to, so no child gets them. */
int device_memory_new(size_t bytes, struct device_memory **ret_memory)
{
    CLEANUP(cleanup_free) struct device_memory *memory = calloc(1, sizeof(*memory));

    if (!memory)
        return -ENOMEM;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return -errno;
    if (madvise(map, bytes, MADV_DONTFORK) < 0) {
        int r = -errno;
        (void)munmap(map, bytes);
        return r;
    }
    /* Only for speed: large pages where there are any, and all at once where the kernel can. */
    (void)madvise(map, bytes, MADV_HUGEPAGE);
    (void)madvise(map, bytes, MADV_POPULATE_WRITE);
    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        ((volatile uint8_t *)map)[at] = 0;
    *memory = (struct device_memory){.map = map, .bytes = bytes, .users = 1};
    memory->region.base = map;
    memory->region.release = region_release;
    memory->region.discard = region_discard;
    *ret_memory = TAKE_PTR(memory);
    return 0;
}

struct slot_region *device_memory_region(struct device_memory *memory)
{
    return &memory->region;
}

void device_memory_ref(struct device_memory *memory)
{
    atomic_fetch_add(&memory->users, 1);
}

void device_memory_unref(void *arg)
{
    struct device_memory *memory = arg;

    if (!memory || atomic_fetch_sub(&memory->users, 1) != 1)
        return;
    (void)munmap(memory->map, memory->bytes);
    free(memory);
}
