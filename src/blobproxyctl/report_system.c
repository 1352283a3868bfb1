/* SPDX-License-Identifier: MIT */
/* Rows about the guest, its kernel, its modules and its limits. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CONNECTIONS 16384u                   /* limits.connections, its default */
#define MEMORY_WANTED (512ull * 1024 * 1024) /* the slots' 235 MiB, and 49 KiB for each of some thousand connections */
#define TASKS_WANTED 128u /* a thread for each of channel.depth = 64 transfers in flight, and one for each core */

static const char *or_unknown(const char *text)
{
    return text[0] ? text : "unknown";
}

static void add_guest(const struct probe_guest *guest, struct report *report)
{
    (void)report_add(report, guest->is_hyperv ? REPORT_GOOD : REPORT_BAD, "hypervisor",
                     guest->is_hyperv ? "Hyper-V, as under every Azure VM" : "not Hyper-V: there is no VMBus to a host", "%s",
                     or_unknown(guest->hypervisor));
    if (guest->is_azure)
        (void)report_add(report, REPORT_GOOD, "chassis", "an Azure VM", "%s", guest->asset_tag);
    else
        (void)report_add(report, REPORT_BAD, "chassis", "not the chassis of an Azure VM", "%s", or_unknown(guest->vendor));
}

/* ---- kernel ---- */

static void add_config(const struct probe_kernel *kernel, struct report *report)
{
    static const struct {
        enum report_mark mark;
        const char *value, *meaning;
    } rows[] = {
        [PROBE_CONFIG_UNREADABLE] = {REPORT_FACT, "not readable", "neither /boot/config-RELEASE nor /proc/config.gz"},
        [PROBE_CONFIG_UNKNOWN] = {REPORT_LOOK, "unknown", "this kernel's sources lack the driver, as mainline's do"},
        [PROBE_CONFIG_OFF] = {REPORT_LOOK, "not set", "this kernel was built without the driver"},
        [PROBE_CONFIG_MODULE] = {REPORT_GOOD, "m", "the driver is a module of this kernel"},
        [PROBE_CONFIG_BUILT_IN] = {REPORT_GOOD, "y", "the driver is part of this kernel"},
    };

    (void)report_add(report, rows[kernel->blob_driver].mark, "HYPERV_AZURE_BLOB", rows[kernel->blob_driver].meaning, "%s",
                     rows[kernel->blob_driver].value);
}

static void add_kernel(const struct probe_kernel *kernel, struct report *report)
{
    (void)report_add(report, REPORT_FACT, "kernel", "a driver must be built for this one", "%s", kernel->release);
    add_config(kernel, report);
    if (kernel->page_bytes == DEVICE_PAGE_BYTES)
        (void)report_add(report, REPORT_GOOD, "page size", "", "%ld", kernel->page_bytes);
    else
        (void)report_add(report, REPORT_BAD, "page size", "the device's driver works with pages of 4096 bytes only", "%ld",
                         kernel->page_bytes);
    (void)report_add(report, REPORT_FACT, "transparent huge pages", "no setting does harm: blobproxyd writes to its pages first",
                     "%s", or_unknown(kernel->huge_pages));
}

/* ---- modules ---- */

static void add_module(const char *module, enum probe_module_state state, struct report *report)
{
    static const struct {
        enum report_mark mark;
        const char *value, *meaning;
    } rows[] = {
        [PROBE_MODULE_UNKNOWN] = {REPORT_FACT, "not loaded", "modules.dep of this kernel is not readable"},
        [PROBE_MODULE_ABSENT] = {REPORT_FACT, "not there", "not among this kernel's modules"},
        [PROBE_MODULE_AVAILABLE] = {REPORT_LOOK, "there, not loaded", "modprobe loads it"},
        [PROBE_MODULE_BUILT_IN] = {REPORT_GOOD, "built in", ""},
        [PROBE_MODULE_LOADED] = {REPORT_GOOD, "loaded", ""},
    };
    bool is_uio = strcmp(module, "uio_hv_generic") == 0;
    char name[64];

    (void)snprintf(name, sizeof(name), "module %s", module);
    (void)report_add(report, is_uio ? REPORT_FACT : rows[state].mark, name,
                     is_uio ? "for drivers in user space; blobproxyd has none" : rows[state].meaning, "%s", rows[state].value);
}

static void add_pending_requests(int result, struct report *report)
{
    const char *meaning = result == 0         ? "shows what the driver has in flight"
                          : result == -EACCES ? "root may read it"
                          : result == -ENOENT ? "no driver, or debugfs is not mounted"
                                              : "";

    (void)report_add(report, REPORT_FACT, "debugfs pending_requests", meaning, "%s",
                     result == 0 ? "readable" : strerror(-result));
}

/* ---- limits ---- */

static void add_limit(uint64_t limit, uint64_t wanted, const char *name, const char *meaning, struct report *report)
{
    enum report_mark mark = limit < wanted ? REPORT_LOOK : REPORT_FACT;

    if (limit == PROBE_UNLIMITED)
        (void)report_add(report, mark, name, meaning, "unlimited");
    else
        (void)report_add(report, mark, name, meaning, "%" PRIu64, limit);
}

void report_limits(const struct probe_facts *facts, struct report *report)
{
    const struct probe_limits *limits = &facts->limits;

    add_limit(limits->locked_bytes, 0, "RLIMIT_MEMLOCK", "only a driver in user space is known to need it", report);
    add_limit(limits->descriptors, CONNECTIONS, "RLIMIT_NOFILE", "here; the service has LimitNOFILE=65536", report);
    add_limit(limits->tasks, TASKS_WANTED, "pids.max", "here; a thread for each transfer in flight", report);
    add_limit(limits->memory_bytes, MEMORY_WANTED, "memory.max", "here; the slots take 235 MiB by default", report);
}

void report_system(const struct probe_facts *facts, struct report *report)
{
    add_guest(&facts->guest, report);
    add_kernel(&facts->kernel, report);
    for (unsigned i = 0; i < PROBE_MODULES; i++)
        add_module(probe_module_names[i], facts->modules[i], report);
    add_pending_requests(facts->pending_requests, report);
}
