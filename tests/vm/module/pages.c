// SPDX-License-Identifier: GPL-2.0
/* Pinning a caller's pages, and what the host does with them. */
#include "pages.h"

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

bool azb_pin_read_only;
atomic_long_t azb_pinned_pages, azb_zero_page_writes, azb_shared_page_writes;

/* Versions 4 and 5: plain references, for reading. Versions 1 to 3 pin for writing, all three buffers. */
static int pin(struct azb_buffer *buffer, unsigned long start)
{
    return buffer->is_read_only ? get_user_pages_fast(start, (int)buffer->page_count, 0, buffer->pages)
                                : pin_user_pages_fast(start, (int)buffer->page_count, FOLL_WRITE, buffer->pages);
}

static void unpin(struct azb_buffer *buffer, unsigned int count)
{
    if (!buffer->is_read_only) {
        unpin_user_pages_dirty_lock(buffer->pages, count, true);
        return;
    }
    for (unsigned int i = 0; i < count; i++)
        put_page(buffer->pages[i]);
}

int azb_pin(struct azb_buffer *buffer, u64 address, u32 bytes)
{
    int count;

    memset(buffer, 0, sizeof(*buffer));
    if (bytes == 0)
        return 0;
    buffer->is_read_only = READ_ONCE(azb_pin_read_only);
    buffer->bytes = bytes;
    buffer->first_byte = address & ~PAGE_MASK;
    buffer->page_count = DIV_ROUND_UP(buffer->first_byte + bytes, PAGE_SIZE);
    buffer->pages = kvmalloc_array(buffer->page_count, sizeof(*buffer->pages), GFP_KERNEL);
    if (!buffer->pages)
        return -ENOMEM;
    count = pin(buffer, address & PAGE_MASK);
    if (count == (int)buffer->page_count) {
        atomic_long_add(count, &azb_pinned_pages);
        return 0;
    }
    if (count > 0)
        unpin(buffer, (unsigned int)count);
    kvfree(buffer->pages);
    buffer->pages = NULL;
    return count < 0 ? count : -EFAULT;
}

void azb_unpin(struct azb_buffer *buffer)
{
    if (!buffer->pages)
        return;
    unpin(buffer, buffer->page_count);
    atomic_long_sub(buffer->page_count, &azb_pinned_pages);
    kvfree(buffer->pages);
    buffer->pages = NULL;
}

static int read_page(struct page *page, size_t in_page, char __user *to, size_t count)
{
    char *memory = kmap_local_page(page);
    unsigned long left = copy_to_user(to, memory + in_page, count);

    kunmap_local(memory);
    return left ? -EFAULT : 0;
}

/* To the kernel's page of zeroes a hypervisor would really write, and all processes would then read it. */
static int write_page(struct page *page, size_t in_page, const char __user *from, size_t count)
{
    unsigned long left;
    char *memory;

    if (is_zero_pfn(page_to_pfn(page))) {
        atomic_long_inc(&azb_zero_page_writes);
        return 0;
    }
    if (PageAnon(page) && page_mapcount(page) > 1)
        atomic_long_inc(&azb_shared_page_writes);
    memory = kmap_local_page(page);
    left = copy_from_user(memory + in_page, from, count);
    kunmap_local(memory);
    return left ? -EFAULT : 0;
}

/* The part of a transfer that lies in one page; 0: at the end of the buffer. */
static size_t in_one_page(const struct azb_buffer *buffer, size_t offset, size_t count, size_t *ret_in_page)
{
    *ret_in_page = (buffer->first_byte + offset) & ~PAGE_MASK;
    return offset >= buffer->bytes ? 0 : min3(count, PAGE_SIZE - *ret_in_page, buffer->bytes - offset);
}

ssize_t azb_read_pages(const struct azb_buffer *buffer, u32 offset, char __user *to, size_t count)
{
    size_t done = 0, part, in_page;

    while (done < count && (part = in_one_page(buffer, offset + done, count - done, &in_page)) > 0) {
        if (read_page(buffer->pages[(buffer->first_byte + offset + done) >> PAGE_SHIFT], in_page, to + done, part) < 0)
            return -EFAULT;
        done += part;
    }
    return (ssize_t)done;
}

ssize_t azb_write_pages(const struct azb_buffer *buffer, u32 offset, const char __user *from, size_t count)
{
    size_t done = 0, part, in_page;

    while (done < count && (part = in_one_page(buffer, offset + done, count - done, &in_page)) > 0) {
        if (write_page(buffer->pages[(buffer->first_byte + offset + done) >> PAGE_SHIFT], in_page, from + done, part) < 0)
            return -EFAULT;
        done += part;
    }
    return (ssize_t)done;
}
