// SPDX-License-Identifier: GPL-2.0
/* The host's end, for a process. */
#include "host.h"

#include "host_abi.h"
#include "queue.h"

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>

static atomic_t is_open;
static DEFINE_MUTEX(one_call); /* so that no request is completed while its pages are copied */

static int host_open(struct inode *inode, struct file *file)
{
    return atomic_cmpxchg(&is_open, 0, 1) ? -EBUSY : 0;
}

static int host_release(struct inode *inode, struct file *file)
{
    azb_queue_abort_taken();
    atomic_set(&is_open, 0);
    return 0;
}

static ssize_t give_request(struct file *file, char __user *to, size_t count)
{
    struct azb_host_request description = {};
    struct azb_request *request;
    int r;

    if (count < sizeof(description))
        return -EINVAL;
    r = azb_queue_take(&request, !(file->f_flags & O_NONBLOCK));
    if (r < 0)
        return r;
    description.id = request->id;
    memcpy(description.guid, request->argument.guid, sizeof(description.guid));
    description.timeout_ms = request->argument.timeout_ms;
    description.request_len = request->argument.request_len;
    description.response_len = request->argument.response_len;
    description.data_len = request->argument.data_len;
    description.data_valid = request->argument.data_valid;
    description.pages = azb_request_pages(request);
    return copy_to_user(to, &description, sizeof(description)) ? -EFAULT : sizeof(description);
}

static ssize_t take_completion(const char __user *from, size_t count)
{
    struct azb_host_completion completion;
    struct azb_outcome outcome;
    struct azb_request *request;

    if (count != sizeof(completion))
        return -EINVAL;
    if (copy_from_user(&completion, from, sizeof(completion)))
        return -EFAULT;
    request = azb_queue_find(completion.id);
    if (!request)
        return -ENOENT;
    outcome = (struct azb_outcome){completion.status, completion.response_len};
    azb_queue_complete(request, &outcome);
    return sizeof(completion);
}

/* 0; -ENOENT: no such request or area. */
static int find_buffer(loff_t position, struct azb_buffer **ret_buffer, u32 *ret_offset)
{
    struct azb_request *request = azb_queue_find((u64)position >> AZB_HOST_ID_BITS);
    unsigned int area = position >> AZB_HOST_AREA_BITS & 3;

    if (!request || area >= AZB_AREAS)
        return -ENOENT;
    *ret_buffer = &request->buffers[area];
    *ret_offset = position & GENMASK(AZB_HOST_AREA_BITS - 1, 0);
    return 0;
}

static ssize_t host_read(struct file *file, char __user *to, size_t count, loff_t *position)
{
    struct azb_buffer *buffer;
    u32 offset;
    ssize_t r;

    if (*position == 0)
        return give_request(file, to, count);
    mutex_lock(&one_call);
    r = find_buffer(*position, &buffer, &offset);
    if (r == 0)
        r = azb_read_pages(buffer, offset, to, count);
    mutex_unlock(&one_call);
    return r;
}

static ssize_t host_write(struct file *file, const char __user *from, size_t count, loff_t *position)
{
    struct azb_buffer *buffer;
    u32 offset;
    ssize_t r;

    mutex_lock(&one_call);
    if (*position == 0) {
        r = take_completion(from, count);
    } else {
        r = find_buffer(*position, &buffer, &offset);
        if (r == 0)
            r = azb_write_pages(buffer, offset, from, count);
    }
    mutex_unlock(&one_call);
    return r;
}

void azb_host_abort(void)
{
    mutex_lock(&one_call);
    azb_queue_abort_all();
    mutex_unlock(&one_call);
}

static const struct file_operations host_operations = {
    .owner = THIS_MODULE,
    .open = host_open,
    .release = host_release,
    .read = host_read,
    .write = host_write,
    .poll = azb_queue_poll,
    .llseek = noop_llseek,
};

static struct miscdevice host_misc = {.minor = MISC_DYNAMIC_MINOR, .name = "azure_blob_host", .fops = &host_operations};

int azb_host_add(void)
{
    return misc_register(&host_misc);
}

void azb_host_remove(void)
{
    misc_deregister(&host_misc);
}
