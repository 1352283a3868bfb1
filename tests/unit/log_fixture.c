/* SPDX-License-Identifier: MIT */
/* A log whose stderr the test reads. */
#include "log_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/log.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAPTURE_BYTES 65536u

static int stderr_fd = -1;
static char text[CAPTURE_BYTES];

void log_to(int fd)
{
    stderr_fd = fd;
    cr_assert_geq(fd, 0);
    cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    clock_fake(START_US, INT64_C(784111777000000));
    log_open("test", LOG_LEVEL_DEBUG);
}

void capture_stderr(void)
{
    (void)unsetenv("JOURNAL_STREAM");
    log_to(memfd_create("stderr", 0));
}

int captured_fd(void)
{
    return stderr_fd;
}

const char *captured_text(void)
{
    ssize_t len = pread(stderr_fd, text, sizeof(text) - 1, 0);

    text[len < 0 ? 0 : len] = '\0';
    return text;
}

size_t captured_lines(void)
{
    size_t lines = 0;

    for (const char *at = captured_text(); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}
