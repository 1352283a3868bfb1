/* SPDX-License-Identifier: MIT */
/* Commands over a Unix stream socket: a line each, and a line as the answer. */
#ifndef TESTS_CONTROL_H
#define TESTS_CONTROL_H

#include "../../src/lib/err.h"
#include "driver.h"

struct control;

/* Replaces a socket file at path, which is removed again by control_close(). */
int control_open(struct event_base *base, const char *path, struct driver *driver, struct control **ret_control,
                 struct err *err) MUST_CHECK;
struct control *control_close(struct control *control); /* returns NULL; NULL is fine */

#endif
