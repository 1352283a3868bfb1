/* SPDX-License-Identifier: MIT */
/* Memory in the kernel's own pages, which may be larger than the 4096 bytes that the bus and the device count in. Pure. */
#ifndef BLOBPROXY_PAGES_H
#define BLOBPROXY_PAGES_H

#include <stddef.h>
#include <stdint.h>

struct page_span {
    uint8_t *start;
    size_t bytes; /* 0: no page */
};

/* The whole pages inside of [address, address + bytes). Calls such as madvise() round a range outward, into what its neighbours
 * hold. page_bytes: a power of two. */
struct page_span pages_inside(void *address, size_t bytes, size_t page_bytes);

#endif
