// SPDX-License-Identifier: GPL-2.0
/* /dev/azure_blob: the checks of the published drivers in their order, and an uninterruptible wait. */
#include "device.h"

#include "abi.h"
#include "pages.h"
#include "queue.h"

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* One for each time that the device appeared; it lives as long as the node or a descriptor. */
struct azb_device {
    struct miscdevice misc;
    struct kref references;
    struct azb_pending pending;
};

bool azb_knows_series = true, azb_knows_vendor = true;
static struct azb_device *present;

static void device_free(struct kref *references)
{
    kfree(container_of(references, struct azb_device, references));
}

static int device_open(struct inode *inode, struct file *file)
{
    struct azb_device *device = container_of(file->private_data, struct azb_device, misc);

    kref_get(&device->references);
    file->private_data = device;
    return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
    struct azb_device *device = file->private_data;

    kref_put(&device->references, device_free);
    return 0;
}

static int check_lengths(const struct azb_argument *argument)
{
    if (argument->request_len == 0 || argument->response_len == 0)
        return -EINVAL;
    if (argument->data_len && argument->data_len < argument->data_valid)
        return -EINVAL;
    if (argument->request_len > AZB_LEN_MAX || argument->response_len > AZB_LEN_MAX || argument->data_len > AZB_LEN_MAX)
        return -EINVAL;
    return 0;
}

/* What is pinned when it fails the caller unpins. */
static int pin_all(struct azb_request *request)
{
    const struct azb_argument *argument = &request->argument;
    int r = azb_pin(&request->buffers[AZB_AREA_REQUEST], argument->request_buffer, argument->request_len);

    if (r == 0)
        r = azb_pin(&request->buffers[AZB_AREA_RESPONSE], argument->response_buffer, argument->response_len);
    if (r == 0)
        r = azb_pin(&request->buffers[AZB_AREA_DATA], argument->data_buffer, argument->data_len);
    if (r == 0 && azb_request_pages(request) > AZB_PAGES_MAX)
        r = -EINVAL;
    return r;
}

static int run(struct azb_request *request)
{
    int r = pin_all(request);

    if (r == 0)
        r = azb_queue_send(request);
    /* No signal ends it: the pages are the host's. */
    if (r == 0)
        wait_for_completion(&request->done);
    for (unsigned int i = 0; i < AZB_AREAS; i++)
        azb_unpin(&request->buffers[i]);
    return r;
}

static long transfer(struct file *file, struct azb_argument __user *user)
{
    struct azb_device *device = file->private_data;
    struct azb_request request = {.pending = &device->pending};
    int r;

    if (READ_ONCE(device->pending.is_removing))
        return -ENODEV;
    if (file->f_cred != current_cred())
        return -EACCES;
    if (copy_from_user(&request.argument, user, sizeof(request.argument)))
        return -EFAULT;
    r = check_lengths(&request.argument);
    if (r < 0)
        return r;
    init_completion(&request.done);
    r = run(&request);
    if (r < 0)
        return r;
    return copy_to_user(&user->outcome, &request.argument.outcome, sizeof(user->outcome)) ? -EFAULT : 0;
}

static bool is_known(unsigned int command)
{
    return (command == AZB_IOCTL_SERIES && READ_ONCE(azb_knows_series)) ||
           (command == AZB_IOCTL_VENDOR && READ_ONCE(azb_knows_vendor));
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
    return is_known(command) ? transfer(file, (struct azb_argument __user *)argument) : -EINVAL;
}

static const struct file_operations device_operations = {
    .owner = THIS_MODULE,
    .open = device_open,
    .release = device_release,
    .unlocked_ioctl = device_ioctl,
};

int azb_device_add(void)
{
    struct azb_device *device;
    int r;

    BUILD_BUG_ON(sizeof(struct azb_argument) != 72 || AZB_IOCTL_SERIES != 0xC04852F0 || AZB_IOCTL_VENDOR != 0xC048520A);
    if (present)
        return -EBUSY;
    device = kzalloc(sizeof(*device), GFP_KERNEL);
    if (!device)
        return -ENOMEM;
    kref_init(&device->references);
    device->misc = (struct miscdevice){.minor = MISC_DYNAMIC_MINOR, .name = "azure_blob", .fops = &device_operations};
    r = misc_register(&device->misc);
    if (r < 0)
        kfree(device);
    else
        present = device;
    return r;
}

int azb_device_remove(void)
{
    struct azb_device *device = present;

    if (!device)
        return -ENODEV;
    present = NULL;
    misc_deregister(&device->misc);
    azb_queue_drain(&device->pending);
    kref_put(&device->references, device_free);
    return 0;
}
