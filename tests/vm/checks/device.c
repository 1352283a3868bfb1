/* SPDX-License-Identifier: MIT */
/* The test device's two ends and its control. */
#include "device.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_DIRECTORY "/sys/kernel/debug/azure_blob_test"
#define WAIT_MS 10000

_Static_assert(sizeof(struct argument) == 72, "the published struct");

const uint32_t commands[2] = {0xC04852F0u, 0xC048520Au};

int device_open(void)
{
    int fd = open(DEVICE_PATH, O_RDWR);

    if (fd < 0)
        err(EXIT_FAILURE, DEVICE_PATH);
    return fd;
}

int device_control_tried(const char *word)
{
    int fd = open(CONTROL_DIRECTORY "/control", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        err(EXIT_FAILURE, CONTROL_DIRECTORY "/control");
    int r = write(fd, word, strlen(word)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

void device_control(const char *word)
{
    int r = device_control_tried(word);

    if (r < 0)
        errx(EXIT_FAILURE, "control %s: %s", word, strerror(-r));
}

long device_counter(const char *name)
{
    FILE *file = fopen(CONTROL_DIRECTORY "/counters", "re");
    char word[64];
    long value, found = -1;

    if (!file)
        err(EXIT_FAILURE, CONTROL_DIRECTORY "/counters");
    while (fscanf(file, "%63s %ld", word, &value) == 2) {
        if (strcmp(word, name) == 0)
            found = value;
    }
    fclose(file);
    if (found < 0)
        errx(EXIT_FAILURE, "no counter %s", name);
    return found;
}

void wait_until(bool (*holds)(const void *what), const void *what, const char *name)
{
    for (int waited_ms = 0; !holds(what); waited_ms += 5) {
        if (waited_ms >= WAIT_MS)
            errx(EXIT_FAILURE, "not within %d s: %s", WAIT_MS / 1000, name);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

struct counter_value {
    const char *name;
    long value;
};

static bool has_value(const void *what)
{
    const struct counter_value *wanted = what;

    return device_counter(wanted->name) == wanted->value;
}

void device_wait_counter(const char *name, long value)
{
    struct counter_value wanted = {name, value};
    char text[64];

    snprintf(text, sizeof(text), "%s %ld", name, value);
    wait_until(has_value, &wanted, text);
}

int device_call(int fd, uint32_t command, struct argument *argument)
{
    return ioctl(fd, (unsigned long)command, argument) < 0 ? -errno : 0;
}

static void *run_call(void *arg)
{
    struct call *call = arg;

    call->result = device_call(call->fd, commands[0], &call->argument);
    return NULL;
}

void call_start(struct call *call, int fd, const struct argument *argument)
{
    pthread_attr_t attributes;

    call->fd = fd;
    call->argument = *argument;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    int r = pthread_create(&call->thread, &attributes, run_call, call);
    if (r != 0)
        errx(EXIT_FAILURE, "a thread: %s", strerror(r));
    pthread_attr_destroy(&attributes);
}

int call_join(struct call *call)
{
    pthread_join(call->thread, NULL);
    return call->result;
}

int host_open(void)
{
    int fd = open("/dev/azure_blob_host", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        err(EXIT_FAILURE, "/dev/azure_blob_host");
    return fd;
}

struct azb_host_request host_take(int fd)
{
    struct pollfd poll_for = {.fd = fd, .events = POLLIN};
    struct azb_host_request request;

    if (poll(&poll_for, 1, WAIT_MS) != 1)
        errx(EXIT_FAILURE, "no request came to the host");
    if (read(fd, &request, sizeof(request)) != (ssize_t)sizeof(request))
        err(EXIT_FAILURE, "a request");
    return request;
}

void host_read(int fd, uint64_t id, enum azb_area area, void *to, size_t bytes)
{
    if (pread(fd, to, bytes, AZB_HOST_OFFSET(id, area, 0)) != (ssize_t)bytes)
        err(EXIT_FAILURE, "the host reads area %d", (int)area);
}

void host_write(int fd, uint64_t id, enum azb_area area, const void *from, size_t bytes)
{
    if (pwrite(fd, from, bytes, AZB_HOST_OFFSET(id, area, 0)) != (ssize_t)bytes)
        err(EXIT_FAILURE, "the host writes area %d", (int)area);
}

void host_complete(int fd, uint64_t id, uint32_t status, uint32_t response_len)
{
    struct azb_host_completion completion = {id, status, response_len};

    if (pwrite(fd, &completion, sizeof(completion), 0) != (ssize_t)sizeof(completion))
        err(EXIT_FAILURE, "the host completes");
}

void *memory_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        err(EXIT_FAILURE, "memory");
    /* A huge page would be the process's own from its first byte on. */
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

void *memory_written(size_t bytes, uint8_t value)
{
    return memset(memory_map(bytes), value, bytes);
}

struct argument argument_new(uint32_t data_bytes)
{
    return (struct argument){
        .timeout_ms = 1000,
        .request_len = 100,
        .response_len = PAGE_BYTES,
        .data_len = data_bytes,
        .request = (uintptr_t)memory_written(PAGE_BYTES, 'q'),
        .response = (uintptr_t)memory_written(PAGE_BYTES, 'p'),
        .data = data_bytes > 0 ? (uintptr_t)memory_written(data_bytes, 'd') : 0,
        .status = 0x0ACE0ACE,
        .reply_len = 0x0ACE0ACE,
    };
}

char task_state(int pid)
{
    char path[64], text[256] = "";

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    const char *end = count > 0 ? strrchr(text, ')') : NULL;
    return end ? end[2] : 0;
}

struct task_wanted {
    int pid;
    char state;
};

static bool is_in_state(const void *what)
{
    const struct task_wanted *wanted = what;

    return task_state(wanted->pid) == wanted->state;
}

void task_wait_state(int pid, char state)
{
    struct task_wanted wanted = {pid, state};

    wait_until(is_in_state, &wanted, "the state of the task");
}
