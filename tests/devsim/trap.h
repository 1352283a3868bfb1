/* SPDX-License-Identifier: MIT */
/* System calls of a command that its supervisor answers: seccomp user notification, and access to the memory of the callers.
 * Callers may die at any time: what is said to them then goes nowhere, and what was read of them counts only if trap_is_waiting()
 * holds after the reading, for the number may be another process's by then. */
#ifndef TESTS_TRAP_H
#define TESTS_TRAP_H

#include "../../src/lib/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum trap_kind {
    TRAP_OPEN,       /* open, openat, openat2 */
    TRAP_IOCTL,      /* with 'R' as the type of its command */
    TRAP_CREDENTIALS /* what gives the calling thread new credentials, without fork or exec */
};

struct trap_call {
    uint64_t id;
    pid_t tid; /* of the calling thread */
    enum trap_kind kind;
    union {
        struct {
            uint64_t path;  /* address */
            uint64_t flags; /* of open and openat; how is 0 then */
            uint64_t how;   /* address of openat2's struct, whose first 8 bytes are the flags */
        } open;
        struct {
            int fd;
            uint32_t command;
            uint64_t argument;
        } ioctl;
    };
};

/* In the process that becomes the command, without threads: from now on its calls and those of all its descendants are trapped.
 * Sets no_new_privs. The listener's descriptor (close-on-exec), or a negative errno.
 * *ret_is_killable_only: signals other than fatal ones do not disturb a call that the supervisor has got (Linux 5.19). */
int trap_install(bool *ret_is_killable_only) MUST_CHECK;

/* The next call, when the listener is readable. 0; -ENOENT: its caller has died, or it is none of ours (and was let through);
 * -ENODEV: nobody is left to make a call. */
int trap_receive(int listener, struct trap_call *ret_call) MUST_CHECK;

bool trap_is_waiting(int listener, uint64_t id);

/* Each ends the call. Let through: the kernel executes it. Answered: value, or a negative errno, is its result. */
void trap_let_through(int listener, uint64_t id);
int trap_answer(int listener, uint64_t id, long value); /* 0; -ENOENT: the caller has died */

/* Ends the call with a descriptor of the caller's for the same open file as fd. The number there, or a negative errno (the call
 * goes on waiting, but for -ENOENT). */
int trap_answer_fd(int listener, uint64_t id, int fd, bool close_on_exec) MUST_CHECK;

/* All or nothing: 0; -EFAULT: not all of it is mapped so; -ESRCH, -EPERM. */
int trap_read(pid_t tid, uint64_t address, void *buffer, size_t bytes) MUST_CHECK;
int trap_write(pid_t tid, uint64_t address, const void *buffer, size_t bytes) MUST_CHECK;

/* Does this string of the caller's equal text? */
bool trap_string_is(pid_t tid, uint64_t address, const char *text);

#endif
