/* SPDX-License-Identifier: MIT */
/* The command: started under the trap. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include "../../src/lib/cleanup.h"
#include "../../src/lib/err.h"

#include <signal.h>
#include <sys/types.h>

#define CHILD_EXIT_NOT_RUN 127 /* as a shell says it */

/* Starts it with this signal mask; it is killed when the calling process ends. *ret_listener is the caller's. 0, or a negative
 * errno with err. */
int child_start(char *const *command, const sigset_t *mask, pid_t *ret_pid, int *ret_listener, struct err *err) MUST_CHECK;

#endif
