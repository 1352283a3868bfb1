/* SPDX-License-Identifier: MIT */
/* The ioctl of /dev/azure_blob. */
#include "device_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

/* struct az_blob_request_sync of the published drivers; 72 bytes in both numbers. */
struct device_argument {
    uint8_t guid[16];
    uint32_t timeout_ms;
    uint32_t request_len;
    uint32_t response_len;
    uint32_t data_len;
    uint32_t data_valid;
    uint32_t padding;
    uint64_t request_buffer;
    uint64_t response_buffer;
    uint64_t data_buffer;
    /* Written back; nothing else is. */
    uint32_t status;
    uint32_t reply_len;
};

_Static_assert(sizeof(struct device_argument) == 72, "as compiled from the published header");
_Static_assert(offsetof(struct device_argument, request_buffer) == 40 && offsetof(struct device_argument, status) == 64,
               "as compiled from the published header");

static const struct {
    uint32_t number;
    const char *origin;
} commands[DEVICE_COMMANDS] = {
    [DEVICE_COMMAND_LIST] = {_IOC(_IOC_READ | _IOC_WRITE, 'R', 0xf0, sizeof(struct device_argument)),
                             "the patch series, version 2 to 5"},
    [DEVICE_COMMAND_VENDOR] = {_IOC(_IOC_READ | _IOC_WRITE, 'R', 10, sizeof(struct device_argument)),
                               "the vendor's library and distribution kernels"},
};

_Static_assert(_IOC(_IOC_READ | _IOC_WRITE, 'R', 0xf0, 72) == 0xC04852F0u &&
                   _IOC(_IOC_READ | _IOC_WRITE, 'R', 10, 72) == 0xC048520Au &&
                   _IOC(_IOC_READ | _IOC_WRITE, 'R', 10, 64) == DEVICE_V1_NUMBER,
               "the published numbers");

static int system_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int system_ioctl(int fd, unsigned long number, void *argument)
{
    return ioctl(fd, number, argument) < 0 ? -errno : 0;
}

static int system_close(int fd)
{
    return close(fd) < 0 ? -errno : 0;
}

static long system_page_bytes(void)
{
    return sysconf(_SC_PAGESIZE);
}

const struct device_calls device_calls_system = {system_open, system_ioctl, system_close, system_page_bytes};

uint32_t device_command_number(enum device_command command)
{
    return commands[command].number;
}

const char *device_command_origin(enum device_command command)
{
    return commands[command].origin;
}

int device_open(const struct device_calls *calls, const char *path)
{
    return calls->open(path);
}

int device_probe(const struct device_calls *calls, int fd, enum device_command command)
{
    return device_probe_number(calls, fd, commands[command].number);
}

int device_probe_number(const struct device_calls *calls, int fd, uint32_t number)
{
    /* Nothing is ever mapped at 0 (vm.mmap_min_addr), so a driver that knows the number cannot read the argument. */
    int r = calls->ioctl(fd, number, NULL);

    /* Success would be a driver that takes no argument for this number: not ours. */
    return r == -EFAULT ? 0 : r == 0 ? -ENOTTY : r;
}

static int find_command(const struct device_calls *calls, int fd, const char *path, enum device_command *ret_command,
                        struct err *err)
{
    int errors[DEVICE_COMMANDS];

    for (enum device_command command = 0; command < DEVICE_COMMANDS; command++) {
        errors[command] = device_probe(calls, fd, command);
        if (errors[command] == 0) {
            *ret_command = command;
            return 0;
        }
        if (errors[command] == -EACCES || errors[command] == -ENODEV)
            return err_set(err, errors[command], "%s: %s", path, strerror(-errors[command]));
    }
    return err_set(err, -ENOTSUP, "%s: the driver knows neither ioctl 0x%08x (%s) nor 0x%08x (%s)", path,
                   device_command_number(DEVICE_COMMAND_LIST), strerror(-errors[DEVICE_COMMAND_LIST]),
                   device_command_number(DEVICE_COMMAND_VENDOR), strerror(-errors[DEVICE_COMMAND_VENDOR]));
}

static int check_pages(const struct device_calls *calls, const char *path, struct err *err)
{
    long bytes = calls->page_bytes();

    if (bytes == DEVICE_PAGE_BYTES)
        return 0;
    return err_set(err, -ENOTSUP, "%s: its driver needs a kernel with pages of %d bytes; those of this one have %ld", path,
                   DEVICE_PAGE_BYTES, bytes);
}

int device_open_known(const struct device_calls *calls, const char *path, enum device_command *ret_command, struct err *err)
{
    int fd = device_open(calls, path);

    if (fd < 0)
        return err_set(err, fd, "open %s: %s", path, strerror(-fd));
    int r = check_pages(calls, path, err);
    if (r == 0)
        r = find_command(calls, fd, path, ret_command, err);
    if (r < 0)
        (void)calls->close(fd);
    return r < 0 ? r : fd;
}

static uint32_t pages_of(const void *buffer, uint32_t bytes)
{
    uint64_t first = (uintptr_t)buffer / DEVICE_PAGE_BYTES;
    uint64_t end = ((uint64_t)(uintptr_t)buffer + bytes + DEVICE_PAGE_BYTES - 1) / DEVICE_PAGE_BYTES;

    return bytes == 0 ? 0 : (uint32_t)(end - first);
}

uint32_t device_request_pages(const struct device_request *request)
{
    return pages_of(request->request, request->request_bytes) + pages_of(request->response, request->response_bytes) +
           pages_of(request->data, request->data_bytes);
}

int device_request(const struct device_calls *calls, int fd, enum device_command command, const struct device_request *request,
                   struct device_reply *ret_reply)
{
    struct device_argument argument = {
        .timeout_ms = request->timeout_ms,
        .request_len = request->request_bytes,
        .response_len = request->response_bytes,
        .data_len = request->data_bytes,
        .data_valid = request->data_valid_bytes,
        .request_buffer = (uintptr_t)request->request,
        .response_buffer = (uintptr_t)request->response,
        .data_buffer = (uintptr_t)request->data,
        .status = DEVICE_STATUS_UNSET,
        .reply_len = DEVICE_STATUS_UNSET,
    };

    memcpy(argument.guid, request->guid, sizeof(argument.guid));
    int r = calls->ioctl(fd, commands[command].number, &argument);
    if (r < 0)
        return r;
    *ret_reply = (struct device_reply){
        .status = argument.status,
        .response_bytes = argument.reply_len,
        .is_unset = argument.status == DEVICE_STATUS_UNSET && argument.reply_len == DEVICE_STATUS_UNSET,
    };
    return 0;
}
