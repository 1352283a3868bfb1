/* SPDX-License-Identifier: MIT */
/* The ioctl of /dev/azure_blob, as its published drivers have it: opening, asking which of two numbers it knows, one blocking
 * transfer. The only place that knows the numbers and the struct. Any thread. */
#ifndef BLOBPROXY_DEVICE_ABI_H
#define BLOBPROXY_DEVICE_ABI_H

#include "../cleanup.h"
#include "../err.h"

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_PATH "/dev/azure_blob"

/* The first version of the published series: its struct has 64 bytes, without data_valid. Only probed for, never used. */
#define DEVICE_V1_PATH "/dev/azure_xs_fastpath"
#define DEVICE_V1_NUMBER 0xC040520Au

/* The driver's limit for each single length; LIMIT_TRANSFER_PAGES is the one for all three buffers. */
#define DEVICE_BUFFER_BYTES_MAX (32u * 1024 * 1024)

/* What stands in response_bytes and status before the call and is still there when a driver has written nothing back. */
#define DEVICE_STATUS_UNSET 0x0ACE0ACEu

/* The only size of the kernel's pages that published drivers work with: they hand the numbers of its pages to the host, which
 * counts in pages of 4096 bytes and would read and write elsewhere in the guest's memory. */
#define DEVICE_PAGE_BYTES 4096

/* The seam under it: the kernel's calls, or a test's. The first three as the call of that name, but a negative errno instead of
 * -1. */
struct device_calls {
    int (*open)(const char *path);
    int (*ioctl)(int fd, unsigned long number, void *argument);
    int (*close)(int fd);
    long (*page_bytes)(void); /* of the kernel */
};
extern const struct device_calls device_calls_system;

/* Both have a struct of 72 bytes. */
enum device_command { DEVICE_COMMAND_LIST, DEVICE_COMMAND_VENDOR, DEVICE_COMMANDS };

uint32_t device_command_number(enum device_command command);    /* 0xc04852f0, 0xc048520a */
const char *device_command_origin(enum device_command command); /* "v2 to v5 of the patch series" */

/* A descriptor, or a negative errno. Every ioctl has to come from a thread with the credentials of this very call: after fork,
 * exec or a change of user the driver answers EACCES. */
int device_open(const struct device_calls *calls, const char *path) MUST_CHECK;

/* Does the driver know this number? Asked with an argument that cannot be read, so that nothing is sent.
 * 0: it does; -EACCES: it does, but the descriptor belongs to other credentials; -ENODEV: the device is being removed; anything
 * else (-EINVAL, -ENOTTY and -EIO among published drivers): it does not. */
int device_probe(const struct device_calls *calls, int fd, enum device_command command) MUST_CHECK;

/* The same for any number, such as DEVICE_V1_NUMBER. */
int device_probe_number(const struct device_calls *calls, int fd, uint32_t number) MUST_CHECK;

/* Opens it if its driver knows one of the numbers, and tells which. A descriptor, or a negative errno and in err why
 * ("open PATH: No such file or directory"); -ENOTSUP: other numbers, or a kernel with other pages. */
int device_open_known(const struct device_calls *calls, const char *path, enum device_command *ret_command,
                      struct err *err) MUST_CHECK;

/* All buffers stay the caller's, and the host writes into response and data until the call returns. Each page of these two must
 * have been written to since it was mapped and since the last fork: published drivers pin them for reading only. */
struct device_request {
    uint8_t guid[16];
    uint32_t timeout_ms; /* for the host; 0: for ever */
    const void *request;
    uint32_t request_bytes; /* not 0 */
    void *response;
    uint32_t response_bytes; /* capacity, not 0 */
    void *data;              /* NULL: none */
    uint32_t data_bytes, data_valid_bytes;
};

struct device_reply {
    uint32_t status;
    uint32_t response_bytes; /* as the host said: not checked against the capacity */
    bool is_unset;           /* the driver returned 0 and wrote nothing */
};

/* The pages that the driver pins: those that each buffer touches, counted for each by itself. */
uint32_t device_request_pages(const struct device_request *request);

/* Blocks until the host has completed it, uninterruptibly. 0, or a negative errno, and then the reply is untouched and the host
 * never had the request: -EAGAIN: the ring or the driver's table is full; -EACCES: other credentials than at the open; -ENODEV:
 * removed; -EINVAL: a length or the number of pages; -EFAULT, -ENOMEM: the pages cannot be pinned. -EINTR says nothing of the
 * host: published drivers wait uninterruptibly and never give it. */
int device_request(const struct device_calls *calls, int fd, enum device_command command, const struct device_request *request,
                   struct device_reply *ret_reply) MUST_CHECK;

#endif
