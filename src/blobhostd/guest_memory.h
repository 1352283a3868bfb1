/* SPDX-License-Identifier: MIT */
/* A guest's memory as the host sees it: one mapping, and page numbers turned into ranges of it. */
#ifndef BLOBHOSTD_GUEST_MEMORY_H
#define BLOBHOSTD_GUEST_MEMORY_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct guest_memory {
    uint8_t *base; /* NULL: not mapped */
    uint64_t bytes;
};

/* Maps all of the memfd, shared and writable. The descriptor is borrowed and may be closed afterwards. Negative errno with err.
 */
int guest_memory_map(int memfd, uint64_t bytes, struct guest_memory *ret_memory, struct err *err) MUST_CHECK;
void guest_memory_unmap(struct guest_memory *memory); /* fine when not mapped */

/* How many pages a range touches: the most iovecs that translating it takes. */
size_t guest_memory_pages(uint64_t offset, uint64_t length);

/* Turns [offset, offset + length) of a list of page numbers into ranges of the mapping; neighbours are merged. Pages that the
 * range does not touch are not looked at. Returns the number of iovecs, which is 0 for length 0; -EFAULT: outside the list, or a
 * page number outside the memory; -E2BIG: more than iov_capacity ranges. */
int guest_memory_translate(const struct guest_memory *memory, const uint64_t *pages, size_t page_count, uint64_t offset,
                           uint64_t length, struct iovec *iov, size_t iov_capacity) MUST_CHECK;

/* Copies between private memory and ranges; len must not exceed what the ranges hold. */
void guest_memory_copy_out(void *bytes, const struct iovec *iov, size_t len);
void guest_memory_copy_in(const struct iovec *iov, const void *bytes, size_t len);

#endif
