/* SPDX-License-Identifier: MIT */
/* The facts, all of them. */
#include "probe.h"

#include <string.h>
#include <sys/utsname.h>

#if defined(__x86_64__)
#include <cpuid.h>

#define CPUID_FEATURES 1u
#define CPUID_FEATURES_ECX_HYPERVISOR (1u << 31)
#define CPUID_HYPERVISOR 0x40000000u /* its vendor in EBX, ECX and EDX */

static const char *hypervisor(void)
{
    static char vendor[13];
    uint32_t eax, ebx, ecx, edx;

    if (!__get_cpuid(CPUID_FEATURES, &eax, &ebx, &ecx, &edx) || !(ecx & CPUID_FEATURES_ECX_HYPERVISOR))
        return "";
    __cpuid(CPUID_HYPERVISOR, eax, ebx, ecx, edx);
    memcpy(vendor, &ebx, 4);
    memcpy(vendor + 4, &ecx, 4);
    memcpy(vendor + 8, &edx, 4);
    return vendor;
}
#else
static const char *hypervisor(void)
{
    return "";
}
#endif

struct probe_source probe_source_system(void)
{
    static struct utsname names;

    if (uname(&names) < 0)
        names.release[0] = '\0';
    return (struct probe_source){.root = "", .release = names.release, .hypervisor = hypervisor(), .calls = &device_calls_system};
}

uint32_t probe_number(unsigned index)
{
    return index < DEVICE_COMMANDS ? device_command_number((enum device_command)index) : DEVICE_V1_NUMBER;
}

const char *probe_number_origin(unsigned index)
{
    return index < DEVICE_COMMANDS ? device_command_origin((enum device_command)index) : "the patch series, version 1";
}

void probe_collect(const struct probe_source *source, const char *device, struct probe_facts *ret_facts)
{
    memset(ret_facts, 0, sizeof(*ret_facts));
    probe_system(source, ret_facts);
    probe_bus(source, ret_facts);
    probe_nodes(source, device, ret_facts);
}
