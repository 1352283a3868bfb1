/* SPDX-License-Identifier: MIT */
/* How many transfers the driver takes: its ring by packet sizes, its table of transaction ids. */
#include "checks.h"
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_SIZE 1024u

/* Nothing leaves the ring until then. */
static int host_that_holds(void)
{
    device_control("hold");
    return host_open();
}

static void answer_all(int host, unsigned count)
{
    device_control("release");
    while (count-- > 0)
        host_complete(host, host_take(host).id, 0, 1);
}

/* Starts them one after the other and waits until each is in the ring or refused; returns how many were refused. */
static unsigned start_calls(struct call *calls, unsigned count, int fd, const struct argument *argument)
{
    long in_ring = device_counter("in_ring"), refused = device_counter("ring_full") + device_counter("table_full");
    long before = refused;

    for (unsigned i = 0; i < count; i++) {
        call_start(&calls[i], fd, argument);
        while (device_counter("in_ring") + device_counter("ring_full") + device_counter("table_full") == in_ring + refused)
            usleep(1000);
        in_ring = device_counter("in_ring");
        refused = device_counter("ring_full") + device_counter("table_full");
    }
    return (unsigned)(refused - before);
}

static unsigned join_calls(struct call *calls, unsigned count, int error)
{
    unsigned failed = 0;

    for (unsigned i = 0; i < count; i++) {
        int result = call_join(&calls[i]);
        if (result < 0)
            must_be("a refused call", result, error);
        failed += result < 0;
    }
    return failed;
}

/* 20 of 4 MiB, two pages more than their data: 1026 pages, a packet of 8304 bytes. */
static void ring_of_four_mebibytes(void)
{
    int fd = device_open(), host = host_that_holds();
    struct argument argument = argument_new(4u << 20);
    struct call calls[20];

    must_be("refused", start_calls(calls, 20, fd, &argument), 5);
    must_be("in the ring", device_counter("in_ring"), 15);
    answer_all(host, 15);
    must_be("refused", join_calls(calls, 20, -EAGAIN), 5);
}

static void ring_of_the_largest(void)
{
    int fd = device_open(), host = host_that_holds();
    struct argument argument = argument_new((PAGES_MAX - 2) * PAGE_BYTES);
    struct call calls[2];

    must_be("refused", start_calls(calls, 2, fd, &argument), 1);
    answer_all(host, 1);
    must_be("refused", join_calls(calls, 2, -EAGAIN), 1);
}

/* Budget and buffers are checked before there is any talk of a place. */
static void full_ring_comes_last(void)
{
    int fd = device_open(), host = host_that_holds();
    struct argument argument = argument_new((PAGES_MAX - 2) * PAGE_BYTES), before;
    struct call call;

    must_be("refused", start_calls(&call, 1, fd, &argument), 0);
    struct argument more = argument_new((PAGES_MAX - 1) * PAGE_BYTES);
    must_be("8193 pages", device_call(fd, commands[0], &more), -EINVAL);
    more.data = UNMAPPED;
    must_be("data that are not mapped", device_call(fd, commands[0], &more), -EFAULT);
    before = argument;
    must_be("one that would fit an empty ring", device_call(fd, commands[1], &argument), -EAGAIN);
    must_be("it changes the struct", memcmp(&before, &argument, sizeof(before)), 0);
    answer_all(host, 1);
    must_be("the first one", call_join(&call), 0);
}

/* Free space must be more than the packet with its footer: what ends exactly at the ring's end does not fit. */
static void last_bytes_of_the_ring(void)
{
    int fd = device_open(), host = host_that_holds();
    struct argument large = argument_new((PAGES_MAX - 2) * PAGE_BYTES); /* 65,632 bytes of 126,976 */
    struct argument exact = argument_new(7654 * PAGE_BYTES);            /* 61,344: the rest to the last byte */
    struct argument less = argument_new(7653 * PAGE_BYTES);
    struct call calls[2];

    must_be("refused", start_calls(&calls[0], 1, fd, &large), 0);
    must_be("exactly what is free", device_call(fd, commands[0], &exact), -EAGAIN);
    must_be("refused", start_calls(&calls[1], 1, fd, &less), 0);
    answer_all(host, 2);
    must_be("refused", join_calls(calls, 2, -EAGAIN), 0);
}

/* What the host has taken leaves the ring, but keeps its transaction id. */
static void table_of_ids(void)
{
    static struct call calls[TABLE_SIZE];
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    static uint64_t ids[TABLE_SIZE];
    struct call later;

    for (unsigned i = 0; i < TABLE_SIZE; i++) {
        call_start(&calls[i], fd, &argument);
        ids[i] = host_take(host).id;
    }
    must_be("at the host", device_counter("at_host"), TABLE_SIZE);
    must_be("one more", device_call(fd, commands[0], &argument), -EAGAIN);
    host_complete(host, ids[0], 0, 1);
    device_wait_counter("at_host", TABLE_SIZE - 1);
    call_start(&later, fd, &argument);
    host_complete(host, host_take(host).id, 0, 1);
    must_be("one more, when one has been completed", call_join(&later), 0);
    for (unsigned i = 1; i < TABLE_SIZE; i++)
        host_complete(host, ids[i], 0, 1);
    must_be("refused", join_calls(calls, TABLE_SIZE, -EAGAIN), 0);
}

const struct check capacity_checks[] = {
    {"the ring holds 15 transfers of 4 MiB, further ones are EAGAIN", ring_of_four_mebibytes},
    {"it holds one of the largest", ring_of_the_largest},
    {"a packet that would fill it to the last byte does not fit", last_bytes_of_the_ring},
    {"EAGAIN comes after all other checks and writes nothing back", full_ring_comes_last},
    {"1024 transfers have a transaction id, the next one is EAGAIN until one is completed", table_of_ids},
    {NULL, NULL},
};
