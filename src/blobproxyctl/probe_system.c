/* SPDX-License-Identifier: MIT */
/* The facts about the guest, its kernel, the modules and the limits of this process. */
#include "probe.h"

#include "parse.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>

#define HYPERV_VENDOR "Microsoft Hv"
#define AZURE_ASSET_TAG "7783-7084-3265-9085-8269-3286-77" /* of every Azure VM's chassis, and of no other Hyper-V machine's */
#define CONFIG_OPTION "CONFIG_HYPERV_AZURE_BLOB"
#define CONFIG_LINE_BYTES 4096
#define TEXT_BYTES_MAX (8u << 20)           /* modules.dep of a distribution's kernel has about 1 MiB */
#define GROUP_UNLIMITED (UINT64_C(1) << 62) /* older control groups have no word for it, but a number about this large */

const char *const probe_module_names[PROBE_MODULES] = {"hv_azure_blob", "az_blob", "uio_hv_generic"};

static void copy_text(char text[PROBE_TEXT_BYTES], const char *value)
{
    (void)snprintf(text, PROBE_TEXT_BYTES, "%s", value);
}

static void find_guest(const struct probe_source *source, struct probe_guest *guest)
{
    copy_text(guest->hypervisor, source->hypervisor);
    (void)tree_line(guest->vendor, sizeof(guest->vendor), source->root, "/sys/class/dmi/id/sys_vendor");
    (void)tree_line(guest->asset_tag, sizeof(guest->asset_tag), source->root, "/sys/class/dmi/id/chassis_asset_tag");
    guest->is_azure = strcmp(guest->asset_tag, AZURE_ASSET_TAG) == 0;
    guest->is_hyperv = guest->is_azure || strcmp(guest->hypervisor, HYPERV_VENDOR) == 0;
}

/* ---- kernel ---- */

static enum probe_config read_config(const char *path)
{
    char line[CONFIG_LINE_BYTES], value = 0;
    gzFile file = gzopen(path, "rb"); /* reads what is not compressed as well */

    if (!file)
        return PROBE_CONFIG_UNREADABLE;
    while (value == 0 && gzgets(file, line, sizeof(line)))
        value = parse_config_line(line, CONFIG_OPTION);
    int r = gzclose_r(file);

    switch (value) {
    case 'y':
        return PROBE_CONFIG_BUILT_IN;
    case 'm':
        return PROBE_CONFIG_MODULE;
    case 'n':
        return PROBE_CONFIG_OFF;
    default:
        return r == Z_OK ? PROBE_CONFIG_UNKNOWN : PROBE_CONFIG_UNREADABLE;
    }
}

static void find_config(const struct probe_source *source, struct probe_kernel *kernel)
{
    char path[TREE_PATH_BYTES];

    kernel->blob_driver = PROBE_CONFIG_UNREADABLE;
    if (tree_path(path, source->root, "/boot/config-%s", source->release) == 0)
        kernel->blob_driver = read_config(path);
    if (kernel->blob_driver == PROBE_CONFIG_UNREADABLE && tree_path(path, source->root, "/proc/config.gz") == 0)
        kernel->blob_driver = read_config(path);
    if (kernel->blob_driver != PROBE_CONFIG_UNREADABLE)
        copy_text(kernel->config_path, path + strlen(source->root));
}

static void find_kernel(const struct probe_source *source, struct probe_kernel *kernel)
{
    char choices[PROBE_TEXT_BYTES];

    copy_text(kernel->release, source->release);
    kernel->page_bytes = source->calls->page_bytes();
    (void)tree_line(choices, sizeof(choices), source->root, "/sys/kernel/mm/transparent_hugepage/enabled");
    parse_choice(choices, kernel->huge_pages, sizeof(kernel->huge_pages));
    find_config(source, kernel);
}

/* ---- modules ---- */

/* NULL: not readable. */
static const char *read_list(const struct probe_source *source, struct buf *text, const char *path)
{
    buf_init(text, TEXT_BYTES_MAX);
    return tree_read(text, source->root, "%s", path) == 0 ? (text->bytes ? text->bytes : "") : NULL;
}

static void find_modules(const struct probe_source *source, enum probe_module_state states[PROBE_MODULES])
{
    struct buf loaded_text CLEANUP(buf_free), files_text CLEANUP(buf_free), built_in_text CLEANUP(buf_free);
    char files_path[TREE_PATH_BYTES], built_in_path[TREE_PATH_BYTES];

    (void)snprintf(files_path, sizeof(files_path), "/lib/modules/%s/modules.dep", source->release);
    (void)snprintf(built_in_path, sizeof(built_in_path), "/lib/modules/%s/modules.builtin", source->release);
    const char *loaded = read_list(source, &loaded_text, "/proc/modules");
    const char *files = read_list(source, &files_text, files_path);
    const char *built_in = read_list(source, &built_in_text, built_in_path);

    for (unsigned i = 0; i < PROBE_MODULES; i++) {
        if (loaded && parse_modules(loaded, probe_module_names[i]))
            states[i] = PROBE_MODULE_LOADED;
        else if (built_in && parse_module_files(built_in, probe_module_names[i]))
            states[i] = PROBE_MODULE_BUILT_IN;
        else if (files && parse_module_files(files, probe_module_names[i]))
            states[i] = PROBE_MODULE_AVAILABLE;
        else
            states[i] = files ? PROBE_MODULE_ABSENT : PROBE_MODULE_UNKNOWN;
    }
}

/* The driver's list of what is in flight; the first version has a directory of its own. */
static int find_pending_requests(const struct probe_source *source)
{
    char line[PROBE_TEXT_BYTES];
    int r = tree_line(line, sizeof(line), source->root, "/sys/kernel/debug/az_blob/pending_requests");

    return r == -ENOENT ? tree_line(line, sizeof(line), source->root, "/sys/kernel/debug/xs_fastpath/pending_requests") : r;
}

/* ---- limits ---- */

/* The least one from this group up to the root of the hierarchy. */
static uint64_t least_limit(const struct probe_source *source, const char *hierarchy, char *path, const char *file)
{
    uint64_t least = PROBE_UNLIMITED, limit;
    char text[PROBE_TEXT_BYTES], *slash;

    do {
        if (tree_line(text, sizeof(text), source->root, "/sys/fs/cgroup%s%s/%s", hierarchy, path, file) == 0 &&
            parse_limit(text, &limit) && limit < least)
            least = limit;
        slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    } while (slash);
    return least >= GROUP_UNLIMITED ? PROBE_UNLIMITED : least;
}

static uint64_t group_limit(const struct probe_source *source, const char *controller, const char *file, const char *older_file)
{
    struct buf text CLEANUP(buf_free);
    char path[TREE_PATH_BYTES], hierarchy[PROBE_TEXT_BYTES];
    const char *groups = read_list(source, &text, "/proc/self/cgroup");

    if (!groups)
        return PROBE_UNLIMITED;
    if (parse_cgroup(groups, controller, path, sizeof(path))) {
        (void)snprintf(hierarchy, sizeof(hierarchy), "/%s", controller);
        return least_limit(source, hierarchy, path, older_file);
    }
    return parse_cgroup(groups, NULL, path, sizeof(path)) ? least_limit(source, "", path, file) : PROBE_UNLIMITED;
}

static uint64_t process_limit(__rlimit_resource_t resource)
{
    struct rlimit limit;

    return getrlimit(resource, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ? PROBE_UNLIMITED : limit.rlim_cur;
}

void probe_system(const struct probe_source *source, struct probe_facts *facts)
{
    find_guest(source, &facts->guest);
    find_kernel(source, &facts->kernel);
    find_modules(source, facts->modules);
    facts->pending_requests = find_pending_requests(source);
    facts->limits = (struct probe_limits){
        .locked_bytes = process_limit(RLIMIT_MEMLOCK),
        .descriptors = process_limit(RLIMIT_NOFILE),
        .tasks = group_limit(source, "pids", "pids.max", "pids.max"),
        .memory_bytes = group_limit(source, "memory", "memory.max", "memory.limit_in_bytes"),
    };
}
