/* SPDX-License-Identifier: MIT */
/* The budget of pages, and whose pages the host writes into. */
#include "checks.h"
#include "device.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARAMETER "/sys/module/azure_blob_test/parameters/pin_read_only"

static void pin_read_only(bool is_on)
{
    int fd = open(PARAMETER, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, is_on ? "Y" : "N", 1) != 1)
        err(EXIT_FAILURE, PARAMETER);
    close(fd);
}

/* One page each for request and response; the rest is data. */
static void budget(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new((PAGES_MAX - 2) * PAGE_BYTES);
    struct call call;

    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    must_be("pages", request.pages, PAGES_MAX);
    must_be("pinned", device_counter("pinned_pages"), PAGES_MAX);
    host_complete(host, request.id, 0, 1);
    must_be("8192 pages", call_join(&call), 0);

    struct argument more = argument_new((PAGES_MAX - 1) * PAGE_BYTES);
    must_be("8193 pages", device_call(fd, commands[0], &more), -EINVAL);
    more = argument_new(LEN_MAX);
    must_be("data of 32 MiB", device_call(fd, commands[0], &more), -EINVAL);
    more.request = UNMAPPED;
    must_be("as much, and a request that is not mapped", device_call(fd, commands[0], &more), -EFAULT);
}

/* The same length, one byte later: a page more. */
static void unaligned_buffers(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new((PAGES_MAX - 1) * PAGE_BYTES);
    char seen[7] = "";
    struct call call;

    argument.data_len = (PAGES_MAX - 2) * PAGE_BYTES;
    argument.data++;
    must_be("8192 pages, not aligned", device_call(fd, commands[0], &argument), -EINVAL);

    argument.data += PAGE_BYTES - 4; /* 3 bytes before the end of a page */
    argument.data_len = argument.data_valid = 6;
    memcpy((void *)argument.data, "across", 6);
    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    must_be("pages", request.pages, 4);
    host_read(host, request.id, AZB_AREA_DATA, seen, 6);
    must_be("what the host sees", strcmp(seen, "across"), 0);
    host_write(host, request.id, AZB_AREA_DATA, "ACROSS", 6);
    host_complete(host, request.id, 0, 1);
    must_be("the call", call_join(&call), 0);
    must_be("what it wrote", memcmp((char *)argument.data - 1, "dACROSSd", 8), 0);
}

static void partly_mapped(void)
{
    int fd = device_open();
    struct argument argument = argument_new(4 * PAGE_BYTES);

    munmap((void *)(argument.data + 2 * PAGE_BYTES), PAGE_BYTES);
    must_be("a hole in the data", device_call(fd, commands[0], &argument), -EFAULT);
    must_be("pinned", device_counter("pinned_pages"), 0);
}

static void read_only_response(void)
{
    int fd = device_open();
    struct argument argument = argument_new(PAGE_BYTES);

    mprotect((void *)argument.response, PAGE_BYTES, PROT_READ);
    must_be("a response that cannot be written", device_call(fd, commands[0], &argument), -EFAULT);
}

/* Sends data of this memory to a host that fills it with 'h'; returns how many bytes of it are wrong afterwards. */
static size_t wrong_bytes(uint8_t *data, uint32_t bytes)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    size_t wrong = 0;
    struct call call;

    argument.data = (uintptr_t)data;
    argument.data_len = bytes;
    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    host_write(host, request.id, AZB_AREA_DATA, memory_written(bytes, 'h'), bytes);
    host_complete(host, request.id, 0, 1);
    must_be("the call", call_join(&call), 0);
    for (uint32_t i = 0; i < bytes; i++)
        wrong += data[i] != 'h';
    close(fd);
    close(host);
    return wrong;
}

static void untouched_memory(void)
{
    must_be("wrong bytes", (int64_t)wrong_bytes(memory_map(64 * PAGE_BYTES), 64 * PAGE_BYTES), 0);
}

/* The published bug: never written to, all of it is the kernel's one page of zeroes. The module refuses to write there. */
static void untouched_memory_pinned_read_only(void)
{
    long before = device_counter("zero_page_writes");

    pin_read_only(true);
    size_t wrong = wrong_bytes(memory_map(64 * PAGE_BYTES), 64 * PAGE_BYTES);
    pin_read_only(false);
    must_be("wrong bytes", (int64_t)wrong, 64 * PAGE_BYTES);
    must_be("writes to the page of zeroes", device_counter("zero_page_writes") - before, 64);
}

/* What the daemon does against it. */
static void written_memory_pinned_read_only(void)
{
    long before = device_counter("zero_page_writes");

    pin_read_only(true);
    size_t wrong = wrong_bytes(memory_written(64 * PAGE_BYTES, 0), 64 * PAGE_BYTES);
    pin_read_only(false);
    must_be("wrong bytes", (int64_t)wrong, 0);
    must_be("writes to the page of zeroes", device_counter("zero_page_writes"), before);
}

/* Written to, but before a fork: the page is the child's, too, and the host writes into the child's memory. */
static void forked_memory_pinned_read_only(void)
{
    uint8_t *data = memory_written(PAGE_BYTES, 'd');
    int to_child[2], status;

    if (pipe(to_child) < 0)
        err(EXIT_FAILURE, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char word;
        _exit(read(to_child[0], &word, 1) == 1 ? data[0] : 0);
    }
    pin_read_only(true);
    (void)wrong_bytes(data, PAGE_BYTES);
    pin_read_only(false);
    must_be("telling the child", write(to_child[1], "x", 1), 1);
    waitpid(pid, &status, 0);
    must_be("what the child has", WEXITSTATUS(status), 'h');
}

const struct check page_checks[] = {
    {"8192 pages pass, 8193 are EINVAL, which comes after pinning", budget},
    {"pages are those that a buffer touches, and bytes come and go right where it is not aligned", unaligned_buffers},
    {"a buffer with a hole is EFAULT, and nothing of it stays pinned", partly_mapped},
    {"a response that the caller could not write is EFAULT", read_only_response},
    {"untouched memory gets the host's bytes when pinned for writing", untouched_memory},
    {"untouched memory gets none of them when pinned read-only, as published: they go to the page of zeroes",
     untouched_memory_pinned_read_only},
    {"memory that was written to gets them when pinned read-only", written_memory_pinned_read_only},
    {"memory written to before a fork: when pinned read-only, the child gets them too", forked_memory_pinned_read_only},
    {NULL, NULL},
};
