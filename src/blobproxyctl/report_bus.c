/* SPDX-License-Identifier: MIT */
/* Rows about the VMBus. */
#include "report.h"

#include "parse.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH_DATA_BYTES (4u * 1024 * 1024)
#define STATE_OPENED 3 /* of the kernel's enum vmbus_channel_state */

static void add_driver(const struct probe_device *device, struct report *report)
{
    const char *driver = device->driver;

    if (driver[0] == '\0')
        (void)report_add(report, REPORT_BAD, "  its driver", "none has taken it: modprobe hv_azure_blob", "none");
    else if (strcmp(driver, "uio_hv_generic") == 0)
        (void)report_add(report, REPORT_BAD, "  its driver", "for drivers in user space; no other can take it now", "%s", driver);
    else if (strcmp(driver, "hv_azure_blob") == 0 || strcmp(driver, "az_blob") == 0)
        (void)report_add(report, REPORT_GOOD, "  its driver", "of the published series", "%s", driver);
    else
        (void)report_add(report, REPORT_LOOK, "  its driver", "not a name that was published", "%s", driver);
}

static void add_channel(const struct probe_device *device, struct report *report)
{
    static const char *const states[] = {"offered", "opening", "not open", "open"};
    int64_t state = device->attributes[PROBE_STATE], monitor = device->attributes[PROBE_MONITOR_ID];
    bool is_known = state >= 0 && state <= STATE_OPENED;
    struct report_row *row = report_add(report, state == STATE_OPENED ? REPORT_GOOD : REPORT_FACT, "  its channel", "",
                                        "%s, relid %" PRId64 ", %u subchannels", is_known ? states[state] : "in an unknown state",
                                        device->attributes[PROBE_ID], device->channels > 0 ? device->channels - 1 : 0);

    if (monitor != PROBE_NO_VALUE)
        (void)snprintf(row->meaning, sizeof(row->meaning), "monitored, id %" PRId64, monitor);
}

static void add_ring(const struct probe_device *device, struct report *report)
{
    int64_t unread = device->attributes[PROBE_OUT_READ_BYTES], room = device->attributes[PROBE_OUT_WRITE_BYTES];

    if (unread == PROBE_NO_VALUE || room == PROBE_NO_VALUE) {
        (void)report_add(report, REPORT_FACT, "  its ring", "shown while its channel is open", "not readable");
        return;
    }
    struct report_row *row = report_add(report, unread > 0 ? REPORT_LOOK : REPORT_FACT, "  its ring", "",
                                        "%" PRId64 " bytes, %" PRId64 " not yet read", unread + room, unread);

    (void)snprintf(row->meaning, sizeof(row->meaning), "room for %" PRIu32 " transfers of 4 MiB at once",
                   parse_ring_depth((uint64_t)(unread + room), DEPTH_DATA_BYTES));
}

static void add_device(const struct probe_device *device, struct report *report)
{
    if (device->is_sibling) {
        (void)report_add(report, REPORT_FACT, "VPCI sibling", "comes with the device and is of no use", "%s", device->instance);
        return;
    }
    (void)report_add(report, REPORT_GOOD, "blob device", "the host offers it to this VM", "%s", device->instance);
    add_driver(device, report);
    add_channel(device, report);
    add_ring(device, report);
}

void report_bus(const struct probe_facts *facts, struct report *report)
{
    unsigned offered = 0;

    if (facts->bus_devices == 0)
        (void)report_add(report, REPORT_BAD, "VMBus", "nothing in /sys/bus/vmbus/devices", "none");
    else
        (void)report_add(report, REPORT_GOOD, "VMBus", "", "%u devices", facts->bus_devices);
    for (unsigned i = 0; i < facts->device_count; i++) {
        offered += !facts->devices[i].is_sibling;
        add_device(&facts->devices[i], report);
    }
    if (facts->bus_devices > 0 && offered == 0)
        (void)report_add(report, REPORT_BAD, "blob device", "the host does not offer it to this VM", "none");
}
