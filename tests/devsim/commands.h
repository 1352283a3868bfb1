/* SPDX-License-Identifier: MIT */
/* What can be told to the stand-in of the device, at its start and while it runs. */
#ifndef TESTS_COMMANDS_H
#define TESTS_COMMANDS_H

#include "driver.h"

/* Rows of "WORDS  what it does". */
void commands_help(struct buf *text);

/* One command; appends the answer, one line without its end: "ok", a result, or "error: ...". 0; -EINVAL: an error. */
int commands_run(struct driver *driver, const char *line, struct buf *answer) MUST_CHECK;

#endif
