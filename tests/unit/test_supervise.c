/* SPDX-License-Identifier: MIT */
/* Keeping a child running: what it is started with, starting it again, stopping it. The child is a shell script. */
#include "../../src/blobproxyd/supervise.h"
#include "../../src/lib/clock.h"
#include "../../src/lib/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static char program[96];
static struct event_base *base;
static struct supervise *supervise;
static bool is_stopped;

static void make(void)
{
    strcpy(directory, "/tmp/test_supervise.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(program, sizeof(program), "%s/host", directory);
    log_open("test", LOG_LEVEL_ERROR);
    base = event_base_new();
}

static void clean(void)
{
    char command[96];
    supervise = supervise_free(supervise);
    event_base_free(base);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

/* The script runs with the directory in $D; "say" appends a line to the file "said" and wakes whoever waits for it. */
static struct supervise_config config_with; /* accounts and failed of the next start */

static int start(const char *script, uint32_t reset_ms, struct err *err)
{
    char store[96];
    FILE *file = fopen(program, "w");
    fprintf(file, "#!/bin/sh\nD=%s\nsay() { echo \"$*\" >> $D/said; }\n%s\n", directory, script);
    fclose(file);
    chmod(program, 0700);
    snprintf(store, sizeof(store), "%s/a/b", directory);
    struct supervise_config config = config_with;
    config.program = program;
    config.directory = store;
    config.backoff_min_ms = 1;
    config.backoff_max_ms = 4;
    config.backoff_reset_ms = reset_ms;
    return supervise_new(base, &config, &supervise, err);
}

static void assert_start(const char *script, uint32_t reset_ms)
{
    struct err err = {0};
    cr_assert_eq(start(script, reset_ms, &err), 0, "%s", err.text);
}

static const char *said(void)
{
    static char text[4096];
    char path[96];
    snprintf(path, sizeof(path), "%s/said", directory);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    return text;
}

/* Turns the loop, one event at a time, until the program was started that often. */
static void run_until_starts(unsigned starts)
{
    while (supervise_starts(supervise) < starts)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void run_until_ended(void)
{
    while (supervise_pid(supervise))
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void note_stop(void *arg)
{
    (void)arg;
    cr_assert_not(is_stopped, "stopped ran twice");
    is_stopped = true;
}

static void run_until_stopped(void)
{
    while (!is_stopped)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* A pipe between the script and the test: reading blocks until the script has opened and written it. */
static void make_fifo(void)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/fifo", directory);
    cr_assert_eq(mkfifo(path, 0600), 0);
}

static void wait_for_fifo(void)
{
    char path[96], byte;
    snprintf(path, sizeof(path), "%s/fifo", directory);
    int fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, &byte, 1), 1);
    close(fd);
}

TestSuite(supervise, .init = make, .fini = clean, .timeout = 60);

Test(supervise, the_program_gets_store_socket_and_its_ties_to_us)
{
    char expected[256];
    assert_start("say \"$@\"", 10000);
    run_until_ended();
    snprintf(expected, sizeof(expected), "--store %s/a/b --socket %s/a/b/bus.sock --exit-with-parent\n", directory, directory);
    cr_expect_str_eq(said(), expected);
}

Test(supervise, the_directory_is_made_for_the_owner_alone)
{
    char path[96];
    struct stat status;
    assert_start("exit 0", 10000);
    snprintf(path, sizeof(path), "%s/a/b", directory);
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 07777, 0700u);
}

Test(supervise, the_program_inherits_no_descriptor_but_the_standard_ones)
{
    int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC on purpose */
    /* Descriptors from 10 on are the shell's own: it reads the script through one. */
    assert_start("for f in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && say has $f; done; say stdin $(readlink /proc/$$/fd/0)",
                 10000);
    run_until_ended();
    close(leaked);
    cr_expect_str_eq(said(), "stdin /dev/null\n");
}

Test(supervise, the_program_does_not_speak_with_our_service_manager)
{
    setenv("NOTIFY_SOCKET", "/run/x", 1);
    setenv("WATCHDOG_USEC", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("KEPT", "kept", 1);
    assert_start("say $NOTIFY_SOCKET$WATCHDOG_USEC$LISTEN_FDS$KEPT", 10000);
    run_until_ended();
    cr_expect_str_eq(said(), "kept\n");
}

Test(supervise, signals_that_we_block_or_ignore_reach_the_program)
{
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_start("while read -r name value; do case $name in SigBlk:|SigIgn:) say $name $value;; esac; done < /proc/$$/status",
                 10000);
    sigprocmask(SIG_SETMASK, &before, NULL);
    run_until_ended();
    unsigned long blocked = ~0ul, ignored = ~0ul;
    cr_assert_eq(sscanf(said(), "SigBlk: %lx\nSigIgn: %lx\n", &blocked, &ignored), 2);
    cr_expect_eq(blocked, 0ul);
    cr_expect_eq(ignored & 0x7ffffffful, 0ul); /* 32 and 33 are glibc's own */
}

Test(supervise, the_program_has_a_process_group_of_its_own)
{
    assert_start("exec sleep 600", 10000);
    cr_expect_eq(getpgid(supervise_pid(supervise)), supervise_pid(supervise));
}

Test(supervise, it_is_started_again_whenever_it_ends)
{
    assert_start("say started; exit 3", 10000);
    run_until_starts(4);
    cr_expect_geq(strlen(said()), 3 * strlen("started\n"));
}

Test(supervise, the_delay_doubles_up_to_its_maximum)
{
    assert_start("exit 1", 10000);
    cr_expect_eq(supervise_delay_ms(supervise), 1u);
    run_until_ended();
    cr_expect_eq(supervise_delay_ms(supervise), 2u);
    run_until_starts(2);
    run_until_ended();
    cr_expect_eq(supervise_delay_ms(supervise), 4u);
    run_until_starts(3);
    run_until_ended();
    cr_expect_eq(supervise_delay_ms(supervise), 4u);
}

Test(supervise, a_long_run_makes_the_delay_short_again)
{
    assert_start("exit 1", 10000);
    run_until_starts(3);
    clock_fake(clock_mono_us() + 20000000, 0); /* it was up for 20 s now */
    run_until_ended();
    clock_real();
    cr_expect_eq(supervise_delay_ms(supervise), 2u); /* 1 ms is being waited for */
}

Test(supervise, a_program_that_is_missing_is_told_at_once)
{
    struct err err = {0};
    struct supervise_config config = {.program = "/nonexistent/blobhostd", .directory = directory};
    cr_expect_eq(supervise_new(base, &config, &supervise, &err), -ENOENT);
    cr_expect_str_eq(err.text, "/nonexistent/blobhostd: cannot start it: No such file or directory");
}

Test(supervise, a_directory_that_cannot_be_made_is_told)
{
    struct err err = {0};
    struct supervise_config config = {.program = "/bin/true", .directory = "/dev/null/x"};
    cr_expect_eq(supervise_new(base, &config, &supervise, &err), -ENOTDIR);
    cr_expect_not_null(strstr(err.text, "/dev/null/x: cannot make the directory: "));
}

Test(supervise, a_program_that_vanished_is_tried_again)
{
    assert_start("rm $0; exit 1", 10000);
    run_until_ended();
    while (supervise_delay_ms(supervise) < 4)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    cr_expect_eq(supervise_starts(supervise), 1u);
    FILE *file = fopen(program, "w");
    fputs("#!/bin/sh\nexec sleep 600\n", file);
    fclose(file);
    chmod(program, 0700);
    run_until_starts(2);
    cr_expect_neq(supervise_pid(supervise), 0);
}

Test(supervise, stop_ends_it_with_sigterm_and_does_not_start_it_again)
{
    make_fifo();
    assert_start("trap 'say term; exit 0' TERM; echo > $D/fifo; while :; do :; done", 10000);
    wait_for_fifo();
    supervise_stop(supervise, 30000, note_stop, NULL);
    cr_expect_not(is_stopped, "stopped ran inside the call");
    run_until_stopped();
    cr_expect_str_eq(said(), "term\n");
    cr_expect_eq(supervise_pid(supervise), 0);
    cr_expect_eq(event_base_loop(base, EVLOOP_NONBLOCK), 1, "something is still awaited");
    cr_expect_eq(supervise_starts(supervise), 1u);
}

Test(supervise, stop_kills_what_does_not_end_in_time)
{
    make_fifo();
    assert_start("trap '' TERM; echo > $D/fifo; exec sleep 600", 10000);
    wait_for_fifo();
    supervise_stop(supervise, 1, note_stop, NULL);
    run_until_stopped();
    cr_expect_eq(supervise_pid(supervise), 0);
}

Test(supervise, stop_while_waiting_to_start_again_ends_from_the_loop)
{
    assert_start("exit 1", 10000);
    run_until_ended();
    supervise_stop(supervise, 30000, note_stop, NULL);
    cr_expect_not(is_stopped);
    run_until_stopped();
    cr_expect_eq(supervise_starts(supervise), 1u);
}

Test(supervise, free_leaves_no_process_behind)
{
    assert_start("exec sleep 600", 10000);
    pid_t pid = supervise_pid(supervise);
    supervise = supervise_free(supervise);
    cr_expect_eq(kill(pid, 0), -1);
    cr_expect_eq(errno, ESRCH);
}

static int failed_status;

static void note_failure(void *arg, int status)
{
    (void)arg;
    failed_status = status;
}

Test(supervise, a_first_run_that_fails_at_once_is_reported)
{
    config_with.failed = note_failure;
    assert_start("exit 3", 10000);
    run_until_ended();
    cr_expect_eq(failed_status, 3);
}

Test(supervise, a_later_failure_and_a_signal_are_not_reported)
{
    config_with.failed = note_failure;
    assert_start("kill -9 $$", 10000);
    run_until_starts(3);
    cr_expect_eq(failed_status, 0);
}

Test(supervise, the_accounts_that_are_configured_are_handed_on)
{
    config_with.accounts_file = "/etc/some-accounts";
    assert_start("say \"$@\"", 10000);
    run_until_ended();
    cr_expect_not_null(strstr(said(), "--accounts /etc/some-accounts"), "%s", said());
    cr_expect_null(strstr(said(), "--development-account"));
}

Test(supervise, the_development_account_is_served_only_when_asked_for)
{
    config_with.with_development_account = true;
    assert_start("say \"$@\"", 10000);
    run_until_ended();
    cr_expect_not_null(strstr(said(), "--development-account"), "%s", said());
    cr_expect_null(strstr(said(), "--accounts"));
}
