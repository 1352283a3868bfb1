/* SPDX-License-Identifier: MIT */
/* The facts about this machine's acceleration device, asked for without sending it a request. Everything here blocks as files do;
 * one thread. */
#ifndef BLOBPROXYCTL_PROBE_H
#define BLOBPROXYCTL_PROBE_H

#include "../lib/channel/device_abi.h"

#define PROBE_TEXT_BYTES 128
#define PROBE_NAME_BYTES 32
#define PROBE_DEVICES_MAX 4 /* a machine has one, and its sibling; more would be news */
#define PROBE_MODULES 3
#define PROBE_NODES_MAX (2 + PROBE_DEVICES_MAX) /* the two published ones, and a uio node for each device */
#define PROBE_NUMBERS (DEVICE_COMMANDS + 1u)    /* both of 72 bytes, then that of the first version */
#define PROBE_NOT_ASKED 1                       /* in place of 0 or a negative errno */
#define PROBE_NO_VALUE (-1)
#define PROBE_UNLIMITED UINT64_MAX

/* Where the facts come from: the machine, or a test's tree and driver. */
struct probe_source {
    const char *root;       /* in front of every path; "": none */
    const char *release;    /* of the running kernel */
    const char *hypervisor; /* the vendor that CPUID names; "": none */
    const struct device_calls *calls;
};

struct probe_guest {
    char hypervisor[PROBE_TEXT_BYTES], vendor[PROBE_TEXT_BYTES], asset_tag[PROBE_TEXT_BYTES]; /* empty: unknown */
    bool is_hyperv, is_azure;
};

enum probe_config { PROBE_CONFIG_UNREADABLE, PROBE_CONFIG_UNKNOWN, PROBE_CONFIG_OFF, PROBE_CONFIG_MODULE, PROBE_CONFIG_BUILT_IN };

struct probe_kernel {
    char release[PROBE_TEXT_BYTES];
    char config_path[PROBE_TEXT_BYTES]; /* where the option was looked up */
    enum probe_config blob_driver;      /* CONFIG_HYPERV_AZURE_BLOB */
    long page_bytes;
    char huge_pages[PROBE_TEXT_BYTES]; /* "always", "madvise", "never"; empty: unknown */
};

enum probe_module_state {
    PROBE_MODULE_UNKNOWN,
    PROBE_MODULE_ABSENT,
    PROBE_MODULE_AVAILABLE,
    PROBE_MODULE_BUILT_IN,
    PROBE_MODULE_LOADED
};

/* Of a device on the VMBus: files of these names in sysfs. */
enum probe_attribute {
    PROBE_ID, /* relid */
    PROBE_STATE,
    PROBE_MONITOR_ID,
    PROBE_OUT_INTR_MASK,
    PROBE_OUT_READ_INDEX,
    PROBE_OUT_WRITE_INDEX,
    PROBE_OUT_READ_BYTES,
    PROBE_OUT_WRITE_BYTES,
    PROBE_IN_INTR_MASK,
    PROBE_IN_READ_INDEX,
    PROBE_IN_WRITE_INDEX,
    PROBE_IN_READ_BYTES,
    PROBE_IN_WRITE_BYTES,
    PROBE_ATTRIBUTES
};

struct probe_device {
    char instance[PROBE_TEXT_BYTES], class_id[PROBE_TEXT_BYTES];
    char driver[PROBE_TEXT_BYTES], uio[PROBE_NAME_BYTES]; /* empty: none */
    int64_t attributes[PROBE_ATTRIBUTES];                 /* PROBE_NO_VALUE: not readable, as those of a ring that is not open */
    unsigned channels;                                    /* the primary and its subchannels */
    bool is_sibling;                                      /* the VPCI device beside it */
};

struct probe_node {
    char path[PROBE_TEXT_BYTES];
    int status; /* of stat(): 0, and then the next line holds; or a negative errno */
    unsigned owner, group, mode, major, minor;
    bool is_device; /* a character device */
    bool is_uio;    /* of uio_hv_generic: opening it would open the channel, so it is only asked whether it could be */
    int opened;     /* 0 or a negative errno; PROBE_NOT_ASKED */
    int numbers[PROBE_NUMBERS]; /* of device_probe_number(); PROBE_NOT_ASKED */
    int inherited;              /* the same in a child, over a number that the parent is answered; PROBE_NOT_ASKED */
};

struct probe_limits {
    uint64_t locked_bytes, descriptors; /* PROBE_UNLIMITED: none */
    uint64_t tasks, memory_bytes;       /* of the control group and those above it */
};

struct probe_facts {
    struct probe_guest guest;
    struct probe_kernel kernel;
    unsigned bus_devices; /* all on the VMBus */
    unsigned device_count, node_count;
    struct probe_device devices[PROBE_DEVICES_MAX];
    enum probe_module_state modules[PROBE_MODULES];
    struct probe_node nodes[PROBE_NODES_MAX];
    int pending_requests; /* of the driver in debugfs: 0: can be read, or a negative errno */
    struct probe_limits limits;
};

extern const char *const probe_module_names[PROBE_MODULES];
extern const char *const probe_attribute_names[PROBE_ATTRIBUTES];
uint32_t probe_number(unsigned index);           /* index below PROBE_NUMBERS */
const char *probe_number_origin(unsigned index); /* "the patch series, version 2 to 5" */

/* The machine itself. Valid for the life of the process. */
struct probe_source probe_source_system(void);

/* device: looked at instead of the published paths; NULL: those. Cannot fail: what is not to be had is a fact, too. */
void probe_collect(const struct probe_source *source, const char *device, struct probe_facts *ret_facts);

/* The parts of it, in this order. */
void probe_system(const struct probe_source *source, struct probe_facts *facts);
void probe_bus(const struct probe_source *source, struct probe_facts *facts);
void probe_nodes(const struct probe_source *source, const char *device, struct probe_facts *facts);

#endif
