/* SPDX-License-Identifier: GPL-2.0 */
/* The published ioctl of /dev/azure_blob on x86-64: 72 bytes, of which the last 8 are written back. */
#ifndef AZB_ABI_H
#define AZB_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct azb_argument {
    __u8 guid[16];
    __u32 timeout_ms;
    __u32 request_len;
    __u32 response_len;
    __u32 data_len;
    __u32 data_valid;
    __u32 pad;
    __u64 request_buffer;
    __u64 response_buffer;
    __u64 data_buffer;
    struct azb_outcome {
        __u32 status;
        __u32 response_len;
    } outcome;
};

/* Versions 2 to 5 of the series, and what vendors built. */
#define AZB_IOCTL_SERIES _IOWR('R', 0xf0, struct azb_argument)
#define AZB_IOCTL_VENDOR _IOWR('R', 10, struct azb_argument)

#define AZB_LEN_MAX (32u << 20)
#define AZB_PAGES_MAX 8192u

#endif
