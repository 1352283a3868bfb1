/* SPDX-License-Identifier: MIT */
/* /dev/azure_blob_host, between the module and the one process that plays the host.
 * At offset 0: read() gives the next request (blocks, unless O_NONBLOCK; poll() tells), write() of a completion ends one.
 * At AZB_HOST_OFFSET(id, area, byte): pread() and pwrite() of the buffers of a request that the host has. Closing ends all that
 * the host has with AZB_HOST_ABORTED. */
#ifndef AZB_HOST_ABI_H
#define AZB_HOST_ABI_H

#include <linux/types.h>

enum azb_area { AZB_AREA_REQUEST, AZB_AREA_RESPONSE, AZB_AREA_DATA, AZB_AREAS };

struct azb_host_request {
    __u64 id; /* never 0 */
    __u8 guid[16];
    __u32 timeout_ms; /* 0: for ever */
    __u32 request_len;
    __u32 response_len;
    __u32 data_len;
    __u32 data_valid;
    __u32 pages;
};

struct azb_host_completion {
    __u64 id;
    __u32 status;
    __u32 response_len;
};

/* An area has at most 32 MiB. */
#define AZB_HOST_AREA_BITS 26
#define AZB_HOST_ID_BITS (AZB_HOST_AREA_BITS + 2)
#define AZB_HOST_OFFSET(id, area, byte)                                                                                          \
    ((long long)((__u64)(id) << AZB_HOST_ID_BITS | (__u64)(area) << AZB_HOST_AREA_BITS | (__u64)(byte)))

#define AZB_HOST_ABORTED 0x800703E3u /* ERROR_OPERATION_ABORTED */

#endif
