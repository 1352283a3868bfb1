/* SPDX-License-Identifier: MIT */
/* Memory in the kernel's own pages. */
#include "pages.h"

struct page_span pages_inside(void *address, size_t bytes, size_t page_bytes)
{
    size_t before = -(uintptr_t)address & (page_bytes - 1);

    if (bytes < before)
        return (struct page_span){address, 0};
    return (struct page_span){(uint8_t *)address + before, (bytes - before) & ~(page_bytes - 1)};
}
