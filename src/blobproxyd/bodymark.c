/* SPDX-License-Identifier: MIT */
/* Remembers how a body begins. */
#include "bodymark.h"

#include <stdatomic.h>
#include <string.h>

void body_mark_set(struct body_mark *mark, const void *body, uint64_t body_bytes)
{
    mark->bytes = body_bytes < BODY_MARK_BYTES ? (uint32_t)body_bytes : BODY_MARK_BYTES;
    memcpy(mark->first, body, mark->bytes);
}

bool body_mark_stands(const struct body_mark *mark, const void *body)
{
    atomic_thread_fence(memory_order_acquire); /* what was copied was read before */
    return memcmp(mark->first, body, mark->bytes) == 0;
}
