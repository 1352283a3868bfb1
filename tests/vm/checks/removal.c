/* SPDX-License-Identifier: MIT */
/* The device goes and comes back. */
#include "checks.h"
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void *remove_device(void *unused)
{
    (void)unused;
    device_control("remove");
    return NULL;
}

static bool node_is_gone(const void *unused)
{
    (void)unused;
    return access(DEVICE_PATH, F_OK) < 0 && errno == ENOENT;
}

struct refused {
    int fd, want;
};

static bool call_is_refused(const void *what)
{
    const struct refused *refused = what;

    return device_call(refused->fd, commands[0], NULL) == refused->want;
}

static void drains(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(PAGE_BYTES);
    struct call call;
    pthread_t remover;

    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    pthread_create(&remover, NULL, remove_device, NULL);
    wait_until(node_is_gone, NULL, "the node is gone");
    wait_until(call_is_refused, &(struct refused){fd, -ENODEV}, "ENODEV");
    must_be("still at the host", device_counter("at_host"), 1);
    must_be("the remover has returned", pthread_tryjoin_np(remover, NULL), EBUSY);
    host_write(host, request.id, AZB_AREA_DATA, "late", 4);
    host_complete(host, request.id, 5, 1);
    pthread_join(remover, NULL);
    must_be("the call", call_join(&call), 0);
    must_be("its status", call.argument.status, 5);
    must_be("its data", memcmp((void *)argument.data, "late", 4), 0);
    device_control("return");
}

static void use_after_removal(void *what)
{
    /* Other credentials, and no struct: the removal is seen first. */
    must_be("an inherited descriptor", device_call(*(int *)what, commands[0], NULL), -ENODEV);
}

static void order_after_removal(void)
{
    int fd = device_open();
    struct argument argument = argument_new(0);

    device_control("remove");
    must_be("open", open(DEVICE_PATH, O_RDWR) < 0 ? -errno : 0, -ENOENT);
    for (unsigned i = 0; i < 2; i++) {
        must_be("a good call", device_call(fd, commands[i], &argument), -ENODEV);
        must_be("no struct", device_call(fd, commands[i], NULL), -ENODEV);
    }
    must_be("an unknown command", device_call(fd, 1, NULL), -EINVAL);
    must_be("the child", in_child(use_after_removal, &fd), 0);
    must_be("a second removal", device_control_tried("remove"), -ENODEV);
    device_control("return");
}

static void descriptors_of_before(void)
{
    int before = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    struct call call;

    device_control("remove");
    device_control("return");
    must_be("one of before", device_call(before, commands[0], &argument), -ENODEV);
    call_start(&call, device_open(), &argument);
    host_complete(host, host_take(host).id, 0, 1);
    must_be("a new one", call_join(&call), 0);
    must_be("a second return", device_control_tried("return"), -EBUSY);
}

const struct check removal_checks[] = {
    {"removal: the node goes, new calls are ENODEV, what the host has is completed, then the removal returns", drains},
    {"ENODEV comes before credentials and struct; the node cannot be opened", order_after_removal},
    {"when it is back, descriptors of before stay ENODEV and new ones work", descriptors_of_before},
    {NULL, NULL},
};
