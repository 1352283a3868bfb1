/* SPDX-License-Identifier: MIT */
/* The report as JSON: the verdict, the rows, and the facts with their numbers. */
#include "../blobproxyd/version.h"
#include "../lib/compat.h"
#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* A failed allocation makes a value NULL, and json_pack() whatever it is put into: that is looked at once, at the end. */

/* null for none; a path on the command line may be no UTF-8, and then has question marks. */
static json_t *text_of(const char *text)
{
    char ascii[REPORT_TEXT_BYTES];
    json_t *value = text[0] ? json_string(text) : json_null();

    if (value)
        return value;
    (void)snprintf(ascii, sizeof(ascii), "%s", text);
    for (char *byte = ascii; *byte; byte++)
        *byte = (*byte & 0x80) ? '?' : *byte;
    return json_string(ascii);
}

static json_t *limit_of(uint64_t limit)
{
    return limit == PROBE_UNLIMITED ? json_null() : json_integer((json_int_t)limit);
}

static json_t *number_of(int64_t number)
{
    return number == PROBE_NO_VALUE ? json_null() : json_integer(number);
}

/* "ok", the errno's name, or null for what was not asked. */
static json_t *result_of(int result)
{
    const char *name = result < 0 ? strerrorname_np(-result) : "ok";

    return result == PROBE_NOT_ASKED ? json_null() : json_string(name ? name : "unknown");
}

static json_t *row_of(const struct report_row *row)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "mark", report_mark_name(row->mark), "fact",
                     text_of(row->name + strspn(row->name, " ")), "value", text_of(row->value), "meaning", text_of(row->meaning));
}

static json_t *rows_of(const struct report *report)
{
    json_t *rows = json_array();

    for (unsigned i = 0; i < report->row_count; i++)
        if (json_array_append_new(rows, row_of(&report->rows[i])) < 0)
            return NULL;
    return rows;
}

static json_t *verdict_of(const struct report_verdict *verdict)
{
    return json_pack("{s:b, s:s, s:o, s:o}", "usable", verdict->is_usable, "channel", verdict->channel, "why",
                     text_of(verdict->why), "next", text_of(verdict->next));
}

/* ---- facts ---- */

static json_t *guest_of(const struct probe_guest *guest)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:b}", "hypervisor", text_of(guest->hypervisor), "vendor", text_of(guest->vendor),
                     "asset_tag", text_of(guest->asset_tag), "is_hyperv", guest->is_hyperv, "is_azure", guest->is_azure);
}

static json_t *kernel_of(const struct probe_kernel *kernel)
{
    static const char *const options[] = {
        [PROBE_CONFIG_UNREADABLE] = "", [PROBE_CONFIG_UNKNOWN] = "absent", [PROBE_CONFIG_OFF] = "n",
        [PROBE_CONFIG_MODULE] = "m",    [PROBE_CONFIG_BUILT_IN] = "y",
    };

    return json_pack("{s:o, s:o, s:o, s:I, s:o}", "release", text_of(kernel->release), "config_file",
                     text_of(kernel->config_path), "HYPERV_AZURE_BLOB", text_of(options[kernel->blob_driver]), "page_bytes",
                     (json_int_t)kernel->page_bytes, "transparent_huge_pages", text_of(kernel->huge_pages));
}

static json_t *modules_of(const enum probe_module_state states[PROBE_MODULES])
{
    static const char *const names[] = {
        [PROBE_MODULE_UNKNOWN] = "not loaded", [PROBE_MODULE_ABSENT] = "absent", [PROBE_MODULE_AVAILABLE] = "available",
        [PROBE_MODULE_BUILT_IN] = "built in",  [PROBE_MODULE_LOADED] = "loaded",
    };
    json_t *modules = json_object();

    for (unsigned i = 0; i < PROBE_MODULES; i++)
        if (json_object_set_new(modules, probe_module_names[i], json_string(names[states[i]])) < 0)
            return NULL;
    return modules;
}

static json_t *attributes_of(const struct probe_device *device)
{
    json_t *attributes = json_object();

    for (unsigned i = 0; i < PROBE_ATTRIBUTES; i++)
        if (json_object_set_new(attributes, probe_attribute_names[i], number_of(device->attributes[i])) < 0)
            return NULL;
    return attributes;
}

static json_t *devices_of(const struct probe_facts *facts)
{
    json_t *devices = json_array();

    for (unsigned i = 0; i < facts->device_count; i++) {
        const struct probe_device *device = &facts->devices[i];
        json_t *item =
            json_pack("{s:o, s:o, s:b, s:o, s:o, s:i, s:o}", "instance", text_of(device->instance), "class_id",
                      text_of(device->class_id), "is_sibling", device->is_sibling, "driver", text_of(device->driver), "uio",
                      text_of(device->uio), "channels", (int)device->channels, "attributes", attributes_of(device));

        if (json_array_append_new(devices, item) < 0)
            return NULL;
    }
    return devices;
}

static json_t *file_of(const struct probe_node *node)
{
    if (node->status < 0)
        return json_null();
    return json_pack("{s:b, s:i, s:i, s:i, s:i, s:i}", "is_device", node->is_device, "owner", (int)node->owner, "group",
                     (int)node->group, "mode", (int)node->mode, "major", (int)node->major, "minor", (int)node->minor);
}

static json_t *numbers_of(const struct probe_node *node)
{
    json_t *numbers = json_object();
    char name[16];

    for (unsigned i = 0; i < PROBE_NUMBERS; i++) {
        (void)snprintf(name, sizeof(name), "0x%08x", probe_number(i));
        if (json_object_set_new(numbers, name, result_of(node->numbers[i])) < 0)
            return NULL;
    }
    return numbers;
}

static json_t *nodes_of(const struct probe_facts *facts)
{
    json_t *nodes = json_array();

    for (unsigned i = 0; i < facts->node_count; i++) {
        const struct probe_node *node = &facts->nodes[i];
        json_t *item = json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "path", text_of(node->path), "is_uio", node->is_uio,
                                 "stat", result_of(node->status), "file", file_of(node), "open", result_of(node->opened),
                                 "ioctls", numbers_of(node), "inherited", result_of(node->inherited));

        if (json_array_append_new(nodes, item) < 0)
            return NULL;
    }
    return nodes;
}

static json_t *limits_of(const struct probe_limits *limits)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "memlock_bytes", limit_of(limits->locked_bytes), "nofile",
                     limit_of(limits->descriptors), "pids_max", limit_of(limits->tasks), "memory_max_bytes",
                     limit_of(limits->memory_bytes));
}

int report_print_json(const struct probe_facts *facts, const struct report *report, FILE *out)
{
    json_t *all = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o}", "blobproxyctl", PACKAGE_VERSION, "verdict",
                            verdict_of(&report->verdict), "facts", rows_of(report), "guest", guest_of(&facts->guest), "kernel",
                            kernel_of(&facts->kernel), "modules", modules_of(facts->modules), "vmbus_devices",
                            (int)facts->bus_devices, "blob_devices", devices_of(facts), "nodes", nodes_of(facts),
                            "pending_requests", result_of(facts->pending_requests), "limits", limits_of(&facts->limits));
    int r = all ? json_dumpf(all, out, JSON_INDENT(2)) : -1;

    json_decref(all);
    if (r == 0)
        (void)fputc('\n', out);
    return r < 0 ? -ENOMEM : 0;
}
