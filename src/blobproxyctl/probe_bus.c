/* SPDX-License-Identifier: MIT */
/* The facts about the VMBus. */
#include "probe.h"

#include "parse.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

#define DEVICES "/sys/bus/vmbus/devices"
#define BLOB_CLASS "0590b792-db64-45cc-81db-b8d70c577c9e"
#define SIBLING_INSTANCE "d4573da2-2caa-4711-a8f9-bbabf4ee9685" /* a VPCI device that comes with it and is of no use */

const char *const probe_attribute_names[PROBE_ATTRIBUTES] = {
    [PROBE_ID] = "id",
    [PROBE_STATE] = "state",
    [PROBE_MONITOR_ID] = "monitor_id",
    [PROBE_OUT_INTR_MASK] = "out_intr_mask",
    [PROBE_OUT_READ_INDEX] = "out_read_index",
    [PROBE_OUT_WRITE_INDEX] = "out_write_index",
    [PROBE_OUT_READ_BYTES] = "out_read_bytes_avail",
    [PROBE_OUT_WRITE_BYTES] = "out_write_bytes_avail",
    [PROBE_IN_INTR_MASK] = "in_intr_mask",
    [PROBE_IN_READ_INDEX] = "in_read_index",
    [PROBE_IN_WRITE_INDEX] = "in_write_index",
    [PROBE_IN_READ_BYTES] = "in_read_bytes_avail",
    [PROBE_IN_WRITE_BYTES] = "in_write_bytes_avail",
};

struct walk {
    const struct probe_source *source;
    struct probe_facts *facts;
};

static void count_channel(void *owner, const char *name)
{
    unsigned *channels = owner;

    (void)name;
    (*channels)++;
}

static void take_uio(void *owner, const char *name)
{
    (void)snprintf(owner, PROBE_NAME_BYTES, "%s", name);
}

static void describe(const struct probe_source *source, const char *instance, struct probe_device *device)
{
    (void)snprintf(device->instance, sizeof(device->instance), "%s", instance);
    (void)tree_link(device->driver, sizeof(device->driver), source->root, DEVICES "/%s/driver", instance);
    (void)tree_list(take_uio, device->uio, source->root, DEVICES "/%s/uio", instance);
    (void)tree_list(count_channel, &device->channels, source->root, DEVICES "/%s/channels", instance);
    for (unsigned i = 0; i < PROBE_ATTRIBUTES; i++)
        device->attributes[i] = tree_number(source->root, DEVICES "/%s/%s", instance, probe_attribute_names[i]);
}

static void visit(void *owner, const char *instance)
{
    struct walk *walk = owner;
    struct probe_facts *facts = walk->facts;
    struct probe_device *device = &facts->devices[facts->device_count];
    char class_id[PROBE_TEXT_BYTES];

    facts->bus_devices++;
    (void)tree_line(class_id, sizeof(class_id), walk->source->root, DEVICES "/%s/class_id", instance);
    bool is_sibling = parse_is_guid(instance, SIBLING_INSTANCE);

    if ((!is_sibling && !parse_is_guid(class_id, BLOB_CLASS)) || facts->device_count == PROBE_DEVICES_MAX)
        return;
    facts->device_count++;
    memcpy(device->class_id, class_id, sizeof(class_id));
    device->is_sibling = is_sibling;
    describe(walk->source, instance, device);
}

void probe_bus(const struct probe_source *source, struct probe_facts *facts)
{
    struct walk walk = {source, facts};

    (void)tree_list(visit, &walk, source->root, DEVICES);
}
