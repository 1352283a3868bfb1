/* SPDX-License-Identifier: MIT */
/* A call waits until the host is done, whatever becomes of its caller. */
#include "checks.h"
#include "device.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    (void)number;
    signals_seen++;
}

static void signal_during_a_call(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    struct call call;

    sigaction(SIGUSR1, &action, NULL);
    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    pthread_kill(call.thread, SIGUSR1);
    host_complete(host, request.id, 3, 1);
    must_be("the call", call_join(&call), 0);
    must_be("its status", call.argument.status, 3);
    must_be("signals handled", signals_seen, 1);
}

static void kill_during_a_call(void)
{
    int host = host_open(), status;
    const uint32_t bytes = 1u << 20;
    pid_t pid = fork();

    if (pid == 0) {
        struct argument argument = argument_new(bytes);
        _exit(device_call(device_open(), commands[0], &argument) == 0 ? 0 : 1);
    }
    struct azb_host_request request = host_take(host);
    task_wait_state(pid, 'D');
    kill(pid, SIGKILL);
    /* The host still writes into pages that are the dead process's. */
    host_write(host, request.id, AZB_AREA_DATA, memory_written(bytes, 'h'), bytes);
    must_be("its state after SIGKILL", task_state(pid), 'D');
    must_be("pages pinned", device_counter("pinned_pages"), bytes / PAGE_BYTES + 2);
    host_complete(host, request.id, 0, 1);
    must_be("waitpid", waitpid(pid, &status, 0), pid);
    must_be("ended by SIGKILL", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, 1);
    must_be("pages pinned", device_counter("pinned_pages"), 0);
}

/* Only the mapping goes; what the host writes is nobody's business any more. */
static void unmap_during_a_call(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(PAGE_BYTES);
    struct call call;

    call_start(&call, fd, &argument);
    struct azb_host_request request = host_take(host);
    munmap((void *)argument.data, PAGE_BYTES);
    host_write(host, request.id, AZB_AREA_DATA, "gone", 4);
    host_complete(host, request.id, 0, 1);
    must_be("the call", call_join(&call), 0);
}

static void completions_in_any_order(void)
{
    int fd = device_open(), host = host_open();
    struct argument argument = argument_new(0);
    struct call calls[3];
    uint64_t ids[3];

    for (unsigned i = 0; i < 3; i++) {
        call_start(&calls[i], fd, &argument);
        ids[i] = host_take(host).id;
    }
    for (unsigned i = 3; i-- > 0;) {
        host_complete(host, ids[i], 100 + i, 1);
        must_be("the call", call_join(&calls[i]), 0);
        must_be("its status", calls[i].argument.status, 100 + i);
    }
}

const struct check waiting_checks[] = {
    {"a signal does not end a call", signal_during_a_call},
    {"a killed caller stays in state D until the host is done, then it and its pages go", kill_during_a_call},
    {"a caller may unmap what the host still has", unmap_during_a_call},
    {"completions come in any order", completions_in_any_order},
    {NULL, NULL},
};
