/* SPDX-License-Identifier: MIT */
/* A log whose stderr the test reads, at a known time. */
#ifndef LOG_FIXTURE_H
#define LOG_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#define START_US UINT64_C(50000000) /* of the monotonic clock */
#define WINDOW_US UINT64_C(10000000)
#define STAMP "1994-11-06T08:49:37.0000000Z"

/* Opens the log of "test" at level debug with this as stderr. */
void log_to(int fd);

/* The same with memory that captured_text() reads, and no journal. Each test runs in a process of its own: stderr needs no
 * restoring. */
void capture_stderr(void);

int captured_fd(void);
const char *captured_text(void); /* everything until now; good until the next call */
size_t captured_lines(void);

#endif
