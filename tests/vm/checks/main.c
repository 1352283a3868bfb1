/* SPDX-License-Identifier: MIT */
/* The kernel's device against its published ABI: every check in a process of its own, and after each nothing is pinned. */
#include "checks.h"
#include "device.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_SECONDS 60

static int passed, failed;

void must_be(const char *what, int64_t got, int64_t want)
{
    if (got == want)
        return;
    errx(EXIT_FAILURE, "%s: %lld (%s), not %lld", what, (long long)got, got < 0 ? strerror((int)-got) : "no error",
         (long long)want);
}

static pid_t child_start(void (*run)(void *), void *what)
{
    pid_t pid = fork();

    if (pid < 0)
        err(EXIT_FAILURE, "fork");
    if (pid == 0) {
        run(what);
        _exit(EXIT_SUCCESS);
    }
    return pid;
}

int in_child(void (*run)(void *), void *what)
{
    int status;
    pid_t pid = child_start(run, what);

    if (waitpid(pid, &status, 0) != pid)
        err(EXIT_FAILURE, "waitpid");
    return status;
}

static void run_check(void *what)
{
    const struct check *check = what;

    /* What it says goes where the results go, as a comment. */
    dup2(STDOUT_FILENO, STDERR_FILENO);
    check->run();
}

/* After a check that failed half-way: lets go of whatever is there, so that the next one can be judged. */
static void clean_up(void)
{
    (void)device_control_tried("abort");
    (void)device_control_tried("release");
    (void)device_control_tried("return");
}

static void on_alarm(int number)
{
    (void)number;
}

/* One that takes too long may be in a call that nothing ends but its completion. */
static int status_of(pid_t pid)
{
    int status;

    alarm(CHECK_SECONDS);
    while (waitpid(pid, &status, 0) != pid) {
        kill(pid, SIGKILL);
        (void)device_control_tried("abort");
    }
    alarm(0);
    return status;
}

static void judge(const struct check *check)
{
    int status = status_of(child_start(run_check, (void *)(uintptr_t)check));

    if (status == 0) {
        passed++;
        printf("ok %d - %s\n", passed + failed, check->name);
        device_wait_counter("pinned_pages", 0);
        return;
    }
    failed++;
    printf("not ok %d - %s (status %x)\n", passed + failed, check->name, (unsigned)status);
    clean_up();
}

static void judge_all(const struct check *checks)
{
    for (; checks->name; checks++)
        judge(checks);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--inherited") == 0)
        return inherited_main(atoi(argv[2]));
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL); /* without SA_RESTART: it ends waitpid() */
    judge_all(argument_checks);
    judge_all(page_checks);
    judge_all(credential_checks);
    judge_all(capacity_checks);
    judge_all(waiting_checks);
    judge_all(removal_checks);
    printf("%d passed, %d failed\n", passed, failed);
    return passed > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
