/* SPDX-License-Identifier: MIT */
/* Which channel blobproxyd can use here, why, and what to try next. */
#include "report.h"

#include <errno.h>
#include <string.h>

#define NEXT_UPSTREAM "set channel.type = auto and upstream.fallback = https: requests go to the account's own endpoint"

static const char *node_of(const struct probe_facts *facts, bool (*is_it)(const struct probe_node *node))
{
    for (unsigned i = 0; i < facts->node_count; i++)
        if (!facts->nodes[i].is_uio && is_it(&facts->nodes[i]))
            return facts->nodes[i].path;
    return NULL;
}

static bool is_usable(const struct probe_node *node)
{
    return node->numbers[DEVICE_COMMAND_LIST] == 0 || node->numbers[DEVICE_COMMAND_VENDOR] == 0;
}

static bool is_forbidden(const struct probe_node *node)
{
    return node->opened == -EACCES || node->opened == -EPERM;
}

static bool is_being_removed(const struct probe_node *node)
{
    return node->numbers[0] == -ENODEV;
}

static bool is_first_version(const struct probe_node *node)
{
    return node->numbers[PROBE_NUMBERS - 1] == 0;
}

static bool is_open(const struct probe_node *node)
{
    return node->opened == 0;
}

static struct report_verdict verdict(const char *channel, const char *why, const char *next)
{
    struct report_verdict verdict = {.channel = channel};

    (void)snprintf(verdict.why, sizeof(verdict.why), "%s", why);
    (void)snprintf(verdict.next, sizeof(verdict.next), "%s", next);
    return verdict;
}

static struct report_verdict about_node(const char *channel, const char *path, const char *why, const char *next)
{
    struct report_verdict result = verdict(channel, "", next);

    (void)snprintf(result.why, sizeof(result.why), "%s %s", path, why);
    return result;
}

static struct report_verdict usable(const char *path)
{
    struct report_verdict result = about_node("device", path, "opens and knows a number that blobproxyd uses", "");

    result.is_usable = true;
    if (strcmp(path, DEVICE_PATH) == 0)
        (void)snprintf(result.next, sizeof(result.next),
                       "set channel.type = auto in blobproxyd.conf, then: blobproxyd --check-config");
    else
        (void)snprintf(result.next, sizeof(result.next),
                       "set channel.type = auto and channel.device = %s in blobproxyd.conf, then: blobproxyd --check-config",
                       path);
    return result;
}

static struct report_verdict with_other_pages(const char *path)
{
    return about_node("upstream", path, "has a driver that works with pages of 4096 bytes only, and this kernel has larger ones",
                      "use a kernel with pages of 4096 bytes; until then " NEXT_UPSTREAM);
}

static const struct probe_device *blob_device(const struct probe_facts *facts)
{
    for (unsigned i = 0; i < facts->device_count; i++)
        if (!facts->devices[i].is_sibling)
            return &facts->devices[i];
    return NULL;
}

static bool has_driver_file(const struct probe_facts *facts)
{
    return facts->modules[0] == PROBE_MODULE_AVAILABLE || facts->modules[1] == PROBE_MODULE_AVAILABLE;
}

/* The host offers the device, but there is no node of it. */
static struct report_verdict without_node(const struct probe_facts *facts, const struct probe_device *device)
{
    if (strcmp(device->driver, "uio_hv_generic") == 0)
        return verdict("upstream", "the device is bound to uio_hv_generic, which blobproxyd does not use",
                       "unbind it there and load the driver, see docs/hardware.md");
    if (device->driver[0])
        return verdict("upstream", "a driver has the device, but there is no node of it",
                       "grep -E 'azure|xs_fastpath' /proc/misc");
    if (has_driver_file(facts))
        return verdict("upstream", "the host offers the device, and its driver is not loaded",
                       facts->modules[0] == PROBE_MODULE_AVAILABLE ? "modprobe hv_azure_blob" : "modprobe az_blob");
    return verdict("upstream", "the host offers the device, and this kernel has no driver for it",
                   "use a kernel that has one, see docs/hardware.md; until then " NEXT_UPSTREAM);
}

static struct report_verdict without_device(const struct probe_facts *facts)
{
    if (facts->guest.is_azure)
        return verdict("upstream", "an Azure VM to which the host does not offer the device", NEXT_UPSTREAM);
    return verdict("emulated", "no Azure VM", "blobproxyd --emulated=/tmp/blobs");
}

struct report_verdict report_verdict(const struct probe_facts *facts)
{
    const struct probe_device *device = blob_device(facts);
    const char *path;

    if ((path = node_of(facts, is_usable)))
        return facts->kernel.page_bytes == DEVICE_PAGE_BYTES ? usable(path) : with_other_pages(path);
    if ((path = node_of(facts, is_forbidden)))
        return about_node("upstream", path, "may not be opened by this user", "the same as root: sudo blobproxyctl probe");
    if ((path = node_of(facts, is_being_removed)))
        return about_node("upstream", path, "is being removed", "blobproxyctl probe, when the host offers it again");
    if ((path = node_of(facts, is_first_version)))
        return about_node("upstream", path, "has the first version of the driver, whose struct blobproxyd does not use",
                          "load a later driver, see docs/hardware.md");
    if ((path = node_of(facts, is_open)))
        return about_node("upstream", path, "knows none of the published numbers", "send the report, see docs/hardware.md");
    return device ? without_node(facts, device) : without_device(facts);
}
