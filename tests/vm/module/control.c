// SPDX-License-Identifier: GPL-2.0
/* The module: its parameters, and what tests ask and tell it in /sys/kernel/debug/azure_blob_test/. */
#include "device.h"
#include "host.h"
#include "pages.h"
#include "queue.h"

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

static struct dentry *directory;
static DEFINE_MUTEX(one_device);

static int counters_show(struct seq_file *out, void *unused)
{
    struct azb_queue_counters queue = azb_queue_counters();

    seq_printf(out, "pinned_pages %ld\n", atomic_long_read(&azb_pinned_pages));
    seq_printf(out, "zero_page_writes %ld\n", atomic_long_read(&azb_zero_page_writes));
    seq_printf(out, "shared_page_writes %ld\n", atomic_long_read(&azb_shared_page_writes));
    seq_printf(out, "in_ring %lu\n", queue.in_ring);
    seq_printf(out, "at_host %lu\n", queue.at_host);
    seq_printf(out, "sent %lu\n", queue.sent);
    seq_printf(out, "completed %lu\n", queue.completed);
    seq_printf(out, "ring_full %lu\n", queue.ring_full);
    seq_printf(out, "table_full %lu\n", queue.table_full);
    return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int hold(void)
{
    azb_queue_hold(true);
    return 0;
}

static int release(void)
{
    azb_queue_hold(false);
    return 0;
}

/* For a test that has failed: callers in state D cannot be killed. */
static int abort_all(void)
{
    azb_host_abort();
    return 0;
}

/* One at a time: they change what device there is. */
static int remove(void)
{
    int r;

    mutex_lock(&one_device);
    r = azb_device_remove();
    mutex_unlock(&one_device);
    return r;
}

static int add(void)
{
    int r;

    mutex_lock(&one_device);
    r = azb_device_add();
    mutex_unlock(&one_device);
    return r;
}

static const struct {
    const char *name;
    int (*run)(void);
} commands[] = {{"hold", hold}, {"release", release}, {"remove", remove}, {"return", add}, {"abort", abort_all}};

static int execute(const char *name)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        if (sysfs_streq(name, commands[i].name))
            return commands[i].run();
    }
    return -EINVAL;
}

static ssize_t control_write(struct file *file, const char __user *from, size_t count, loff_t *position)
{
    char name[16] = "";
    int r;

    if (count >= sizeof(name))
        return -EINVAL;
    if (copy_from_user(name, from, count))
        return -EFAULT;
    r = execute(name);
    return r < 0 ? r : (ssize_t)count;
}

static const struct file_operations control_operations = {
    .owner = THIS_MODULE,
    .write = control_write,
    .llseek = noop_llseek,
};

static int __init azb_init(void)
{
    int r = azb_host_add();

    if (r < 0)
        return r;
    r = azb_device_add();
    if (r < 0) {
        azb_host_remove();
        return r;
    }
    directory = debugfs_create_dir("azure_blob_test", NULL);
    debugfs_create_file("counters", 0400, directory, NULL, &counters_fops);
    debugfs_create_file("control", 0200, directory, NULL, &control_operations);
    return 0;
}

/* Nobody has a device open by now. */
static void __exit azb_exit(void)
{
    debugfs_remove(directory);
    (void)azb_device_remove(); /* it may be away already */
    azb_host_remove();
}

module_init(azb_init);
module_exit(azb_exit);
module_param_named(pin_read_only, azb_pin_read_only, bool, 0644);
MODULE_PARM_DESC(pin_read_only, "pin as versions 4 and 5 of the published series do");
module_param_named(knows_series, azb_knows_series, bool, 0644);
MODULE_PARM_DESC(knows_series, "know 0xC04852F0");
module_param_named(knows_vendor, azb_knows_vendor, bool, 0644);
MODULE_PARM_DESC(knows_vendor, "know 0xC048520A");
MODULE_DESCRIPTION("A test's /dev/azure_blob whose host is a process");
MODULE_LICENSE("GPL");
