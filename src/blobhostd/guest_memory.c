/* SPDX-License-Identifier: MIT */
/* A guest's memory as the host sees it. */
#include "guest_memory.h"

#include "../lib/vmbus/bus.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int guest_memory_map(int memfd, uint64_t bytes, struct guest_memory *ret_memory, struct err *err)
{
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

    if (base == MAP_FAILED)
        return err_set(err, -errno, "cannot map %llu bytes of guest memory: %s", (unsigned long long)bytes, strerror(errno));
    *ret_memory = (struct guest_memory){base, bytes};
    return 0;
}

void guest_memory_unmap(struct guest_memory *memory)
{
    if (memory->base)
        (void)munmap(memory->base, memory->bytes);
    *memory = (struct guest_memory){NULL, 0};
}

size_t guest_memory_pages(uint64_t offset, uint64_t length)
{
    if (length == 0)
        return 0;
    return (size_t)((offset + length - 1) / BUS_PAGE_BYTES - offset / BUS_PAGE_BYTES + 1);
}

/* Adds a piece, to the last range when it follows directly. */
static int iov_add(struct iovec *iov, size_t iov_capacity, int count, uint8_t *piece, size_t len)
{
    if (count > 0 && (uint8_t *)iov[count - 1].iov_base + iov[count - 1].iov_len == piece) {
        iov[count - 1].iov_len += len;
        return count;
    }
    if ((size_t)count >= iov_capacity)
        return -E2BIG;
    iov[count] = (struct iovec){piece, len};
    return count + 1;
}

int guest_memory_translate(const struct guest_memory *memory, const uint64_t *pages, size_t page_count, uint64_t offset,
                           uint64_t length, struct iovec *iov, size_t iov_capacity)
{
    const uint64_t list_bytes = (uint64_t)page_count * BUS_PAGE_BYTES;
    int count = 0;

    if (offset > list_bytes || length > list_bytes - offset)
        return -EFAULT;
    while (length > 0) {
        const uint64_t page = pages[offset / BUS_PAGE_BYTES];
        const uint64_t within = offset % BUS_PAGE_BYTES;
        const uint64_t piece = length < BUS_PAGE_BYTES - within ? length : BUS_PAGE_BYTES - within;

        if (page >= memory->bytes / BUS_PAGE_BYTES)
            return -EFAULT;
        count = iov_add(iov, iov_capacity, count, memory->base + page * BUS_PAGE_BYTES + within, (size_t)piece);
        if (count < 0)
            return count;
        offset += piece;
        length -= piece;
    }
    return count;
}

void guest_memory_copy_out(void *bytes, const struct iovec *iov, size_t len)
{
    uint8_t *to = bytes;

    for (; len > 0; iov++) {
        const size_t piece = iov->iov_len < len ? iov->iov_len : len;

        memcpy(to, iov->iov_base, piece);
        to += piece;
        len -= piece;
    }
}

void guest_memory_copy_in(const struct iovec *iov, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    for (; len > 0; iov++) {
        const size_t piece = iov->iov_len < len ? iov->iov_len : len;

        memcpy(iov->iov_base, from, piece);
        from += piece;
        len -= piece;
    }
}
