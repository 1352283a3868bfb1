/* SPDX-License-Identifier: MIT */
/* The test device as a program sees it, and both its ends: calls on threads of their own, a host that a check plays itself.
 * What cannot fail when the guest is as it should be ends the process with a message. */
#ifndef CHECKS_DEVICE_H
#define CHECKS_DEVICE_H

#include "../module/host_abi.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_PATH "/dev/azure_blob"
#define PAGE_BYTES 4096u
#define PAGES_MAX 8192u
#define LEN_MAX (32u << 20)
#define UNMAPPED 4096u /* an address below vm.mmap_min_addr */

/* As the published header has it; 72 bytes. */
struct argument {
    uint8_t guid[16];
    uint32_t timeout_ms, request_len, response_len, data_len, data_valid, pad;
    uint64_t request, response, data;
    uint32_t status, reply_len;
};

extern const uint32_t commands[2]; /* both known numbers */

int device_open(void);
void device_control(const char *word);      /* hold, release, remove, return */
int device_control_tried(const char *word); /* 0 or a negative errno */
long device_counter(const char *name);
void device_wait_counter(const char *name, long value);

/* The ioctl: 0 or a negative errno. */
int device_call(int fd, uint32_t command, struct argument *argument);

/* The same on a thread, with the first command. */
struct call {
    pthread_t thread;
    int fd, result;
    struct argument argument;
};
void call_start(struct call *call, int fd, const struct argument *argument);
int call_join(struct call *call); /* its result */

int host_open(void);
struct azb_host_request host_take(int fd); /* waits for one */
void host_read(int fd, uint64_t id, enum azb_area area, void *to, size_t bytes);
void host_write(int fd, uint64_t id, enum azb_area area, const void *from, size_t bytes);
void host_complete(int fd, uint64_t id, uint32_t status, uint32_t response_len);

/* Fresh private memory that nobody has written to, so without pages of its own; to be left to the end of the process. */
void *memory_map(size_t bytes);
void *memory_written(size_t bytes, uint8_t value);

/* One page for the request, one for the response, data_bytes of data, all written. */
struct argument argument_new(uint32_t data_bytes);

/* 'R', 'S', 'D' and so on: the state of the task in /proc, 0 when it is not there. */
char task_state(int pid);
void task_wait_state(int pid, char state);

/* Asks until it holds; ends the process when it does not within ten seconds. */
void wait_until(bool (*holds)(const void *what), const void *what, const char *name);

#endif
