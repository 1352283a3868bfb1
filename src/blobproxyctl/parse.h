/* SPDX-License-Identifier: MIT */
/* What the kernel writes about itself, read. Pure: text in, answer out. */
#ifndef BLOBPROXYCTL_PARSE_H
#define BLOBPROXYCTL_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is a line of /proc/modules this module's? */
bool parse_modules(const char *text, const char *module);

/* Does modules.dep or modules.builtin name it, compressed or not? The file names may have '-' for '_'. */
bool parse_module_files(const char *text, const char *module);

/* The value of an option in one line of a kernel configuration: 'y', 'm', 'n' ("is not set"), or 0 when it is another's line. */
char parse_config_line(const char *line, const char *option);

/* The path of this process in the control groups of /proc/PID/cgroup: of the unified hierarchy where controller is NULL, else of
 * the older one with that controller. false: it is in none. */
bool parse_cgroup(const char *text, const char *controller, char *path, size_t path_bytes);

/* "max" is UINT64_MAX. false: neither that nor a number. */
bool parse_limit(const char *text, uint64_t *ret_limit);

/* What stands in brackets: "always [madvise] never". Empty when nothing does. */
void parse_choice(const char *text, char *choice, size_t choice_bytes);

/* Braces and case aside. */
bool parse_is_guid(const char *text, const char *guid);

/* Transfers of so many data bytes, one page of request and 32 KiB of response that a ring with this data area queues at once. */
uint32_t parse_ring_depth(uint64_t ring_data_bytes, uint32_t data_bytes);

#endif
