/* SPDX-License-Identifier: MIT */
/* Memory of slots that a kernel driver pins: private, never inherited, every page written to. It is counted, because slots and
 * threads that wait in the kernel let go of it in any order. */
#ifndef BLOBPROXY_DEVICE_MEMORY_H
#define BLOBPROXY_DEVICE_MEMORY_H

#include "../slots.h"

struct device_memory;

/* bytes: a multiple of 4096. The caller's count is the one that region->release gives back. -ENOMEM or another errno of mmap().
 */
int device_memory_new(size_t bytes, struct device_memory **ret_memory) MUST_CHECK;
struct slot_region *device_memory_region(struct device_memory *memory);

/* Any thread; the last one unmaps. memory: a struct device_memory, NULL is fine. */
void device_memory_ref(struct device_memory *memory);
void device_memory_unref(void *memory);

/* For CLEANUP(). */
static inline void device_memory_drop(struct device_memory **memory)
{
    device_memory_unref(*memory);
}

#endif
