/* SPDX-License-Identifier: MIT */
/* The command numbers, the struct, and what is refused before anything is sent. */
#include "checks.h"
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUEST 1u
#define RESPONSE 2u
#define DATA 4u
#define ALL (REQUEST | RESPONSE | DATA)

/* What breaks several rules gets the answer of the first one. */
static const struct {
    const char *name;
    uint32_t request_len, response_len, data_len, data_valid;
    unsigned unmapped; /* of REQUEST, RESPONSE, DATA */
    int want;
} refusals[] = {
    {"an empty request, before the buffers are looked at", 0, 64, 64, 0, ALL, -EINVAL},
    {"no room for a response, before the buffers", 64, 0, 64, 0, ALL, -EINVAL},
    {"more valid data than data, before the buffers", 64, 64, 10, 11, ALL, -EINVAL},
    {"a request above 32 MiB, before the buffers", LEN_MAX + 1, 64, 64, 0, ALL, -EINVAL},
    {"a response above 32 MiB, before the buffers", 64, LEN_MAX + 1, 64, 0, ALL, -EINVAL},
    {"data above 32 MiB, before the buffers", 64, 64, LEN_MAX + 1, 0, ALL, -EINVAL},
    {"a request of 4 GiB less a byte", UINT32_MAX, 64, 64, 0, ALL, -EINVAL},
    {"a request of 32 MiB passes the check of lengths", LEN_MAX, 64, 64, 0, ALL, -EFAULT},
    {"a response of 32 MiB passes it", 64, LEN_MAX, 64, 0, ALL, -EFAULT},
    {"data of 32 MiB passes it", 64, 64, LEN_MAX, LEN_MAX, ALL, -EFAULT},
    {"valid data without data passes it", 64, 64, 0, 5, REQUEST, -EFAULT},
    {"a request that is not mapped", 64, 64, 64, 0, REQUEST, -EFAULT},
    {"a response that is not mapped", 64, 64, 64, 0, RESPONSE, -EFAULT},
    {"data that are not mapped", 64, 64, 64, 0, DATA, -EFAULT},
};

static void refusals_in_order(void)
{
    int fd = device_open();
    long sent = device_counter("sent");

    for (size_t i = 0; i < 2 * sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct argument argument = argument_new(64), before;

        argument.request_len = refusals[i / 2].request_len;
        argument.response_len = refusals[i / 2].response_len;
        argument.data_len = refusals[i / 2].data_len;
        argument.data_valid = refusals[i / 2].data_valid;
        if (refusals[i / 2].unmapped & REQUEST)
            argument.request = UNMAPPED;
        if (refusals[i / 2].unmapped & RESPONSE)
            argument.response = UNMAPPED;
        if (refusals[i / 2].unmapped & DATA)
            argument.data = UNMAPPED;
        before = argument;
        must_be(refusals[i / 2].name, device_call(fd, commands[i % 2], &argument), refusals[i / 2].want);
        must_be("a refusal changes the struct", memcmp(&before, &argument, sizeof(before)), 0);
    }
    must_be("sent to the host", device_counter("sent"), sent);
}

static void struct_that_cannot_be_read(void)
{
    int fd = device_open();
    uint8_t *pages = memory_written(2 * (size_t)PAGE_BYTES, 0);

    munmap(pages + PAGE_BYTES, PAGE_BYTES);
    for (unsigned i = 0; i < 2; i++) {
        must_be("no struct", device_call(fd, commands[i], NULL), -EFAULT);
        /* All zero, so that the next check would refuse it. */
        must_be("71 bytes of it", device_call(fd, commands[i], (void *)(pages + PAGE_BYTES - 71)), -EFAULT);
        must_be("all 72", device_call(fd, commands[i], (void *)(pages + PAGE_BYTES - 72)), -EINVAL);
    }
}

static void unknown_commands(void)
{
    const uint32_t unknown[] = {0, 0xC040520Au, 0xC04852F1u, 0xC048520Bu, 0xC04052F0u, 0x804852F0u, TCGETS};
    int fd = device_open();
    struct argument argument = argument_new(64);

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        must_be("an unknown command", device_call(fd, unknown[i], &argument), -EINVAL);
}

/* Completes the one request of the call with this. */
static struct azb_host_request answer(int host, struct call *call, uint32_t status, const char *response, const char *data)
{
    struct azb_host_request request = host_take(host);

    host_write(host, request.id, AZB_AREA_RESPONSE, response, strlen(response));
    host_write(host, request.id, AZB_AREA_DATA, data, strlen(data));
    host_complete(host, request.id, status, (uint32_t)strlen(response));
    must_be("the call", call_join(call), 0);
    return request;
}

static void host_sees_and_answers(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(3 * PAGE_BYTES);
    struct call call;

    for (unsigned i = 0; i < sizeof(argument.guid); i++)
        argument.guid[i] = (uint8_t)(i + 1);
    argument.pad = 0x11111111;
    argument.data_valid = 17;
    call_start(&call, fd, &argument);
    struct azb_host_request seen = answer(host, &call, 0x80070102u, "answered", "abcdef");
    must_be("guid", memcmp(seen.guid, argument.guid, sizeof(seen.guid)), 0);
    must_be("timeout", seen.timeout_ms, argument.timeout_ms);
    must_be("request_len", seen.request_len, 100);
    must_be("response_len", seen.response_len, PAGE_BYTES);
    must_be("data_len", seen.data_len, 3 * PAGE_BYTES);
    must_be("data_valid", seen.data_valid, 17);
    must_be("pages", seen.pages, 5);
    must_be("status", call.argument.status, 0x80070102u);
    must_be("response length", call.argument.reply_len, 8);
    must_be("response", memcmp((void *)call.argument.response, "answeredpppp", 12), 0);
    must_be("data", memcmp((void *)call.argument.data, "abcdefdddd", 10), 0);
    must_be("the rest of the struct", memcmp(&call.argument, &argument, offsetof(struct argument, status)), 0);
}

static void second_number_does_the_same(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    pid_t pid = fork();

    if (pid == 0) {
        struct azb_host_request request = host_take(host);
        host_complete(host, request.id, 7, 9);
        _exit(0);
    }
    close(host);
    must_be("the call", device_call(fd, commands[1], &argument), 0);
    must_be("status", argument.status, 7);
    must_be("response length", argument.reply_len, 9);
}

/* The driver passes on what the host says, also what cannot be. */
static void reply_is_not_checked(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    struct call call;

    call_start(&call, fd, &argument);
    host_complete(host, host_take(host).id, 0, UINT32_MAX);
    must_be("the call", call_join(&call), 0);
    must_be("response length", call.argument.reply_len, UINT32_MAX);
}

static void valid_data_without_data(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    struct call call;

    argument.data_valid = 5;
    argument.data = UNMAPPED; /* not looked at */
    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    must_be("data_valid", request.data_valid, 5);
    must_be("pages", request.pages, 2);
    host_complete(host, request.id, 0, 1);
    must_be("the call", call_join(&call), 0);
}

const struct check argument_checks[] = {
    {"the host sees the whole request, and of the struct only status and response length are written back",
     host_sees_and_answers},
    {"the second command number does the same", second_number_does_the_same},
    {"other command numbers are EINVAL", unknown_commands},
    {"a struct that cannot be read is EFAULT, before its fields are looked at", struct_that_cannot_be_read},
    {"what breaks several rules gets the error of the first, with both numbers; nothing is written back or sent",
     refusals_in_order},
    {"data_valid without data passes", valid_data_without_data},
    {"a response length above the capacity is passed on", reply_is_not_checked},
    {NULL, NULL},
};
