/* SPDX-License-Identifier: GPL-2.0 */
/* A caller's buffer in pinned pages. */
#ifndef AZB_PAGES_H
#define AZB_PAGES_H

#include <linux/atomic.h>
#include <linux/mm_types.h>

struct azb_buffer {
    struct page **pages;
    unsigned int page_count;
    unsigned int first_byte; /* in the first page */
    unsigned int bytes;
    bool is_read_only; /* pinned as versions 4 and 5 do */
};

extern bool azb_pin_read_only;

extern atomic_long_t azb_pinned_pages;       /* now */
extern atomic_long_t azb_zero_page_writes;   /* refused: it was the kernel's page of zeroes, not the caller's */
extern atomic_long_t azb_shared_page_writes; /* done: the page was mapped by another process, too */

/* Pins the caller's pages; nothing for 0 bytes. 0, -EFAULT, -ENOMEM; on an error nothing stays pinned. */
int azb_pin(struct azb_buffer *buffer, u64 address, u32 bytes);
void azb_unpin(struct azb_buffer *buffer);

/* Between the pages and the memory of the calling process; short at the end of the buffer. The bytes, or -EFAULT. May sleep. */
ssize_t azb_read_pages(const struct azb_buffer *buffer, u32 offset, char __user *to, size_t count);
ssize_t azb_write_pages(const struct azb_buffer *buffer, u32 offset, const char __user *from, size_t count);

#endif
