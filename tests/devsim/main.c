/* SPDX-License-Identifier: MIT */
/* blobdevsim: a command with the device /dev/azure_blob. Puts together options, driver, control socket and command. */
#include "child.h"
#include "commands.h"
#include "control.h"
#include "driver.h"
#include "options.h"
#include "trap.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#define EXIT_USAGE 2
#define EXIT_NOT_STARTED 126
#define EXIT_VIOLATIONS 97
#define SMALL_BYTES 65536u
#define HELP_BYTES_MAX 16384u

struct sim {
    struct options options;
    struct event_base *base;
    struct driver *driver;
    struct control *control;
    sigset_t mask; /* as it was, for the command */
    int signal_fd, listener;
    struct event *on_signal, *on_call, *on_wait_end;
    pid_t pid; /* of the command; 0: not started */
    int exit_status;
    struct err err;
};

static void sim_fail(struct sim *sim)
{
    sim->exit_status = EXIT_NOT_STARTED;
    event_base_loopbreak(sim->base);
}

static void on_call(evutil_socket_t fd, short what, void *arg)
{
    struct sim *sim = arg;
    struct trap_call call;
    int r = trap_receive(fd, &call);

    (void)what;
    if (r == 0)
        driver_handle(sim->driver, &call);
    else if (r != -ENOENT)
        event_del(sim->on_call);
}

static int watch(struct sim *sim, int fd, event_callback_fn callback, struct event **event)
{
    *event = event_new(sim->base, fd, EV_READ | EV_PERSIST, callback, sim);
    return !*event || event_add(*event, NULL) < 0 ? err_set(&sim->err, -ENOMEM, "out of memory") : 0;
}

static void start_command(struct sim *sim)
{
    event_del(sim->on_wait_end);
    int r = child_start(sim->options.command, &sim->mask, &sim->pid, &sim->listener, &sim->err);
    if (r == 0) {
        driver_set_listener(sim->driver, sim->listener);
        r = watch(sim, sim->listener, on_call, &sim->on_call);
    }
    if (r < 0)
        sim_fail(sim);
}

static void on_ready(void *owner)
{
    start_command(owner);
}

static void on_wait_end(evutil_socket_t fd, short what, void *arg)
{
    struct sim *sim = arg;

    (void)fd;
    (void)what;
    err_set(&sim->err, -ETIMEDOUT, "no host at %s within %u s", sim->options.bus_socket, sim->options.wait_s);
    sim_fail(sim);
}

/* Descendants whose parents have ended come to us, too. */
static void reap(struct sim *sim)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != sim->pid)
            continue;
        sim->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        event_base_loopbreak(sim->base);
    }
}

/* Those of a terminal go to its whole foreground group anyway. */
static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct sim *sim = arg;
    struct signalfd_siginfo info;

    (void)what;
    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(sim);
    else if (sim->pid == 0)
        sim_fail(sim);
    else if (info.ssi_code != SI_KERNEL)
        (void)kill(sim->pid, (int)info.ssi_signo);
}

static int catch_signals(struct sim *sim)
{
    const int numbers[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    sigset_t signals;

    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&signals, numbers[i]);
    (void)sigprocmask(SIG_BLOCK, &signals, &sim->mask);
    sim->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return sim->signal_fd < 0 ? err_set(&sim->err, -errno, "signalfd: %s", strerror(errno))
                              : watch(sim, sim->signal_fd, on_signal, &sim->on_signal);
}

static int make_driver(struct sim *sim)
{
    const struct options *options = &sim->options;
    struct driver_config config = {
        .base = sim->base,
        .link = {.bus_socket = options->bus_socket,
                 .slots_small = options->slots_small,
                 .slots_large = options->slots_large,
                 .small_bytes = SMALL_BYTES,
                 .large_bytes = HOSTLINK_DATA_BYTES_MAX},
        .path = options->device_path,
        .knows_list = options->knows_list,
        .knows_vendor = options->knows_vendor,
        .unknown_errno = options->unknown_errno,
        .depth = options->depth,
        .ring_bytes = options->ring_bytes,
        .is_removed = options->is_absent,
        .ready = on_ready,
        .owner = sim,
    };
    int r = driver_new(&config, &sim->driver);

    return r < 0 ? err_set(&sim->err, r, "--bus %s: %s", options->bus_socket, strerror(-r)) : 0;
}

static int run_faults(struct sim *sim)
{
    struct buf answer;
    int r = 0;

    buf_init(&answer, HELP_BYTES_MAX);
    for (unsigned i = 0; r == 0 && i < sim->options.fault_count; i++) {
        buf_clear(&answer);
        r = commands_run(sim->driver, sim->options.faults[i], &answer);
        if (r < 0)
            err_set(&sim->err, r, "--fault: %s", answer.bytes);
    }
    buf_free(&answer);
    return r;
}

/* /proc/PID/pagemap has an entry for each of the kernel's pages. */
static int check_pages(struct sim *sim)
{
    return sysconf(_SC_PAGESIZE) == AZBLOB_PAGE_BYTES
               ? 0
               : err_set(&sim->err, -ENOTSUP, "the device needs a kernel with pages of %u bytes", AZBLOB_PAGE_BYTES);
}

static int set_up(struct sim *sim)
{
    struct timeval wait = {sim->options.wait_s, 0};
    int r = check_pages(sim);

    if (r == 0)
        r = catch_signals(sim);
    if (r == 0)
        r = make_driver(sim);
    if (r == 0)
        r = run_faults(sim);
    if (r == 0 && sim->options.control_path)
        r = control_open(sim->base, sim->options.control_path, sim->driver, &sim->control, &sim->err);
    if (r < 0)
        return r;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    sim->on_wait_end = evtimer_new(sim->base, on_wait_end, sim);
    return !sim->on_wait_end || event_add(sim->on_wait_end, &wait) < 0 ? err_set(&sim->err, -ENOMEM, "out of memory") : 0;
}

static void drop(struct event *event)
{
    if (event)
        event_free(event);
}

static void tear_down(struct sim *sim)
{
    control_close(sim->control);
    driver_free(sim->driver);
    drop(sim->on_call);
    drop(sim->on_signal);
    drop(sim->on_wait_end);
    cleanup_fd(&sim->listener);
    cleanup_fd(&sim->signal_fd);
    event_base_free(sim->base);
}

/* Once the command has ended. */
static void judge(struct sim *sim)
{
    uint64_t violations = driver_counters(sim->driver)->violations;

    if (violations == 0 || sim->pid == 0)
        return;
    (void)fprintf(stderr, "blobdevsim: %llu violations\n", (unsigned long long)violations);
    if (sim->exit_status == 0 && !sim->options.allows_violations)
        sim->exit_status = EXIT_VIOLATIONS;
}

static int show_help(void)
{
    struct buf text;

    buf_init(&text, HELP_BYTES_MAX);
    buf_puts(&text, options_help);
    commands_help(&text);
    (void)fputs(text.bytes, stdout);
    buf_free(&text);
    return 0;
}

int main(int argc, char **argv)
{
    struct sim sim = {.signal_fd = -1, .listener = -1};

    if (options_parse(argc, argv, &sim.options, &sim.err) < 0) {
        (void)fprintf(stderr, "blobdevsim: %s\n", sim.err.text);
        return EXIT_USAGE;
    }
    if (sim.options.wants_help)
        return show_help();
    sim.base = event_base_new();
    if (!sim.base)
        return EXIT_NOT_STARTED;
    if (set_up(&sim) < 0)
        sim.exit_status = EXIT_NOT_STARTED;
    else if (event_base_dispatch(sim.base) >= 0 && sim.err.text[0] == '\0')
        judge(&sim);
    if (sim.err.text[0] != '\0')
        (void)fprintf(stderr, "blobdevsim: %s\n", sim.err.text);
    tear_down(&sim);
    return sim.exit_status;
}
