// SPDX-License-Identifier: GPL-2.0-only
/* /dev/ring_lockstep: lets user space drive the kernel's ring code over memory that it sees, too. GPL-2.0 since it is linked with
 * that code; for tests in a virtual machine only. */
#include "end.h"
#include "source_version.h"

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

struct lockstep {
    struct mutex mutex; /* of creation */
    struct page *pages;
    u32 ring_bytes; /* 0: not created; set last */
    struct lockstep_end ends[LOCKSTEP_ENDS];
};

static int lockstep_open(struct inode *inode, struct file *file)
{
    struct lockstep *lockstep = kvzalloc(sizeof(*lockstep), GFP_KERNEL);

    if (!lockstep)
        return -ENOMEM;
    mutex_init(&lockstep->mutex);
    file->private_data = lockstep;
    return 0;
}

static void lockstep_clear(struct lockstep *lockstep, u32 ring_bytes)
{
    int i;

    for (i = 0; i < LOCKSTEP_ENDS; i++)
        end_done(&lockstep->ends[i]);
    memset(lockstep->ends, 0, sizeof(lockstep->ends));
    if (lockstep->pages)
        __free_pages(lockstep->pages, get_order(2 * ring_bytes));
    lockstep->pages = NULL;
}

static int lockstep_release(struct inode *inode, struct file *file)
{
    struct lockstep *lockstep = file->private_data;

    lockstep_clear(lockstep, lockstep->ring_bytes);
    kvfree(lockstep);
    return 0;
}

/* Contiguous memory, the guest's outbound half first, as a channel's is. */
static int lockstep_fill(struct lockstep *lockstep, u32 ring_bytes)
{
    struct page *first, *second;
    int r;

    lockstep->pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, get_order(2 * ring_bytes));
    if (!lockstep->pages)
        return -ENOMEM;
    first = lockstep->pages;
    second = first + (ring_bytes >> PAGE_SHIFT);
    r = end_init(&lockstep->ends[LOCKSTEP_GUEST], first, second, ring_bytes);
    return r ? r : end_init(&lockstep->ends[LOCKSTEP_HOST], second, first, ring_bytes);
}

static int lockstep_create(struct lockstep *lockstep, u32 ring_bytes)
{
    int r = -EBUSY;

    if (ring_bytes < LOCKSTEP_RING_BYTES_MIN || ring_bytes > LOCKSTEP_RING_BYTES_MAX || ring_bytes % PAGE_SIZE)
        return -EINVAL;
    mutex_lock(&lockstep->mutex);
    if (!lockstep->ring_bytes) {
        r = lockstep_fill(lockstep, ring_bytes);
        if (r)
            lockstep_clear(lockstep, ring_bytes);
        else
            smp_store_release(&lockstep->ring_bytes, ring_bytes);
    }
    mutex_unlock(&lockstep->mutex);
    return r;
}

static int lockstep_call_end(struct lockstep *lockstep, unsigned int command, struct lockstep_call *call)
{
    struct lockstep_end *end = &lockstep->ends[call->end];
    int r;

    mutex_lock(&end->mutex);
    r = end_call(end, command, call);
    mutex_unlock(&end->mutex);
    return r;
}

static long lockstep_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
    struct lockstep *lockstep = file->private_data;
    struct lockstep_call call;
    int r;

    if (copy_from_user(&call, (void __user *)argument, sizeof(call)))
        return -EFAULT;
    if (command == LOCKSTEP_CREATE)
        return lockstep_create(lockstep, call.bytes);
    if (!smp_load_acquire(&lockstep->ring_bytes) || call.end >= LOCKSTEP_ENDS)
        return -EINVAL;
    r = lockstep_call_end(lockstep, command, &call);
    if (r == 0 && copy_to_user((void __user *)argument, &call, sizeof(call)))
        r = -EFAULT;
    return r;
}

/* The mapping holds the file, and the file the pages. */
static int lockstep_mmap(struct file *file, struct vm_area_struct *area)
{
    struct lockstep *lockstep = file->private_data;
    unsigned long bytes = area->vm_end - area->vm_start;

    if (area->vm_pgoff || bytes != 2 * (unsigned long)smp_load_acquire(&lockstep->ring_bytes))
        return -EINVAL;
    return remap_pfn_range(area, area->vm_start, page_to_pfn(lockstep->pages), bytes, area->vm_page_prot);
}

static const struct file_operations lockstep_operations = {
    .owner = THIS_MODULE,
    .open = lockstep_open,
    .release = lockstep_release,
    .unlocked_ioctl = lockstep_ioctl,
    .mmap = lockstep_mmap,
};

static struct miscdevice lockstep_device = {
    .minor = MISC_DYNAMIC_MINOR,
    .name = "ring_lockstep",
    .fops = &lockstep_operations,
};

module_misc_device(lockstep_device);
MODULE_LICENSE("GPL");
MODULE_INFO(ring_source, RING_SOURCE_VERSION);
MODULE_DESCRIPTION("Drives the kernel's VMBus ring code from user space, for tests");
