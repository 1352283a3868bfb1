/* SPDX-License-Identifier: MIT */
/* One child process under libevent, watched through a pidfd. */
#include "supervise.h"

#include "../lib/clock.h"
#include "../lib/compat.h"
#include "../lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BACKOFF_MIN_MS 100u
#define BACKOFF_MAX_MS 5000u
#define BACKOFF_RESET_MS 10000u

extern char **environ;

struct supervise {
    struct event_base *base;
    char *program;
    char *directory;
    char *socket_path;
    char *accounts_file; /* NULL: none */
    bool with_development_account;
    const char *log_format; /* NULL: its own default */
    void (*failed)(void *arg, int status);
    void *failed_arg;
    uint32_t backoff_min_ms, backoff_max_ms, backoff_reset_ms;
    uint32_t delay_ms;
    pid_t pid; /* 0: not running */
    int pidfd;
    uint64_t started_us;
    unsigned starts;
    struct event *exited; /* pidfd readable */
    struct event *timer;  /* start again, or the end of the grace */
    bool is_stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static void supervise_arm(struct supervise *supervise, uint32_t delay_ms)
{
    struct timeval delay = {delay_ms / 1000, (suseconds_t)(delay_ms % 1000) * 1000};
    event_add(supervise->timer, &delay);
}

static int make_directories(const char *path)
{
    CLEANUP(cleanup_free) char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Default actions and an empty mask, as a program expects them, whatever the daemon blocks or ignores. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

    sigfillset(&all);
    sigemptyset(&none);
    int result = posix_spawnattr_setflags(attributes, flags);
    result = result ? result : posix_spawnattr_setpgroup(attributes, 0);
    result = result ? result : posix_spawnattr_setsigmask(attributes, &none);
    return result ? result : posix_spawnattr_setsigdefault(attributes, &all);
}

static int spawn_files(posix_spawn_file_actions_t *files)
{
    int result = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    result = result ? result : posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO);
    return result ? result : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

/* Ours minus what the service manager meant for the daemon alone: a child that answered it would be refused and logged. */
static char **child_environment(void)
{
    static const char *const ours[] = {"NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "MAINPID="};
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    char **environment = calloc(count + 1, sizeof(*environment));
    for (size_t i = 0; environment && i < count; i++) {
        bool is_ours = false;
        for (size_t j = 0; j < sizeof(ours) / sizeof(ours[0]); j++)
            is_ours |= strncmp(environ[i], ours[j], strlen(ours[j])) == 0;
        if (!is_ours)
            environment[kept++] = environ[i];
    }
    return environment;
}

static int spawn_child(const struct supervise *supervise, pid_t *ret_pid)
{
    CLEANUP(cleanup_free) char **environment = child_environment();
    char accounts_option[] = "--accounts", development_option[] = "--development-account", format_option[] = "--log-format";
    char *argv[12] = {supervise->program,
                      (char[]){"--store"},
                      supervise->directory,
                      (char[]){"--socket"},
                      supervise->socket_path,
                      (char[]){"--exit-with-parent"},
                      NULL};
    unsigned count = 6;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;

    if (supervise->accounts_file) {
        argv[count++] = accounts_option;
        argv[count++] = supervise->accounts_file;
    }
    if (supervise->with_development_account)
        argv[count++] = development_option;
    if (supervise->log_format) {
        argv[count++] = format_option;
        argv[count++] = (char *)(uintptr_t)supervise->log_format;
    }
    int result = environment ? posix_spawnattr_init(&attributes) : ENOMEM;

    if (result)
        return -result;
    result = posix_spawn_file_actions_init(&files);
    if (result == 0) {
        result = spawn_attributes(&attributes);
        result = result ? result : spawn_files(&files);
        result = result ? result : posix_spawn(ret_pid, supervise->program, &files, &attributes, argv, environment);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attributes);
    return -result;
}

static void supervise_reap(struct supervise *supervise, siginfo_t *info)
{
    while (waitid(P_PIDFD, (id_t)supervise->pidfd, info, WEXITED) < 0 && errno == EINTR)
        continue;
    event_free(supervise->exited);
    supervise->exited = NULL;
    close(TAKE_FD(supervise->pidfd));
    supervise->pid = 0;
}

static void supervise_exited(evutil_socket_t fd, short what, void *arg);

static int supervise_watch(struct supervise *supervise)
{
    supervise->exited = event_new(supervise->base, supervise->pidfd, EV_READ, supervise_exited, supervise);
    return supervise->exited && event_add(supervise->exited, NULL) == 0 ? 0 : -ENOMEM;
}

static int supervise_start(struct supervise *supervise)
{
    pid_t pid = 0;
    int result = spawn_child(supervise, &pid);

    if (result < 0)
        return result;
    supervise->pidfd = pidfd_open(pid, 0);
    result = supervise->pidfd < 0 ? -errno : supervise_watch(supervise);
    if (result < 0) { /* unwatched it would never be started again */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (supervise->pidfd >= 0)
            close(TAKE_FD(supervise->pidfd));
        return result;
    }
    supervise->pid = pid;
    supervise->started_us = clock_mono_us();
    supervise->starts++;
    return 0;
}

/* The delay of this time; the next one is twice as long. */
static uint32_t supervise_back_off(struct supervise *supervise)
{
    uint32_t delay_ms = supervise->delay_ms;
    uint32_t doubled_ms = delay_ms * 2;

    supervise->delay_ms = doubled_ms < supervise->backoff_max_ms ? doubled_ms : supervise->backoff_max_ms;
    return delay_ms;
}

static void supervise_finish(struct supervise *supervise)
{
    event_del(supervise->timer);
    supervise->stopped(supervise->stopped_arg);
}

static void supervise_exited(evutil_socket_t fd, short what, void *arg)
{
    struct supervise *supervise = arg;
    siginfo_t info = {0};
    uint32_t delay_ms;

    (void)fd;
    (void)what;
    supervise_reap(supervise, &info);
    if (supervise->is_stopping) {
        supervise_finish(supervise);
        return;
    }
    bool was_short = clock_mono_us() - supervise->started_us < (uint64_t)supervise->backoff_reset_ms * 1000;

    if (!was_short)
        supervise->delay_ms = supervise->backoff_min_ms;
    if (was_short && supervise->starts == 1 && supervise->failed && info.si_code == CLD_EXITED && info.si_status != 0)
        supervise->failed(supervise->failed_arg, info.si_status);
    delay_ms = supervise_back_off(supervise);
    log_warning("host-ended", "blobhostd ended with %s %d, starting it again in %u ms",
                info.si_code == CLD_EXITED ? "status" : "signal", info.si_status, delay_ms);
    supervise_arm(supervise, delay_ms);
}

static void supervise_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct supervise *supervise = arg;
    int result;

    (void)fd;
    (void)what;
    if (supervise->is_stopping && supervise->pid == 0) {
        supervise_finish(supervise);
        return;
    }
    if (supervise->is_stopping) {
        log_warning("host-killed", "blobhostd did not end in time and is killed");
        pidfd_send_signal(supervise->pidfd, SIGKILL, NULL, 0);
        return;
    }
    result = supervise_start(supervise);
    if (result < 0) {
        uint32_t delay_ms = supervise_back_off(supervise);
        log_error("host-start", "cannot start %s: %s, trying again in %u ms", supervise->program, strerror(-result), delay_ms);
        supervise_arm(supervise, delay_ms);
    }
}

static int supervise_fill(struct supervise *supervise, struct event_base *base, const struct supervise_config *config)
{
    supervise->base = base;
    supervise->pidfd = -1;
    supervise->backoff_min_ms = config->backoff_min_ms ? config->backoff_min_ms : BACKOFF_MIN_MS;
    supervise->backoff_max_ms = config->backoff_max_ms ? config->backoff_max_ms : BACKOFF_MAX_MS;
    supervise->backoff_reset_ms = config->backoff_reset_ms ? config->backoff_reset_ms : BACKOFF_RESET_MS;
    supervise->delay_ms = supervise->backoff_min_ms;
    supervise->program = strdup(config->program);
    supervise->directory = strdup(config->directory);
    supervise->with_development_account = config->with_development_account;
    supervise->log_format = config->log_format;
    supervise->failed = config->failed;
    supervise->failed_arg = config->failed_arg;
    if (config->accounts_file && config->accounts_file[0] != '\0') {
        supervise->accounts_file = strdup(config->accounts_file);
        if (!supervise->accounts_file)
            return -ENOMEM;
    }
    if (asprintf(&supervise->socket_path, "%s/bus.sock", config->directory) < 0)
        supervise->socket_path = NULL;
    supervise->timer = evtimer_new(base, supervise_timeout, supervise);
    return supervise->program && supervise->directory && supervise->socket_path && supervise->timer ? 0 : -ENOMEM;
}

int supervise_new(struct event_base *base, const struct supervise_config *config, struct supervise **ret_supervise,
                  struct err *err)
{
    struct supervise *supervise = calloc(1, sizeof(*supervise));
    int result = supervise ? supervise_fill(supervise, base, config) : -ENOMEM;

    if (result < 0) {
        supervise_free(supervise);
        return err_set(err, result, "no memory");
    }
    result = make_directories(config->directory);
    if (result < 0) {
        supervise_free(supervise);
        return err_set(err, result, "%s: cannot make the directory: %s", config->directory, strerror(-result));
    }
    result = supervise_start(supervise);
    if (result < 0) {
        supervise_free(supervise);
        return err_set(err, result, "%s: cannot start it: %s", config->program, strerror(-result));
    }
    *ret_supervise = supervise;
    return 0;
}

void supervise_stop(struct supervise *supervise, uint32_t grace_ms, void (*stopped)(void *arg), void *arg)
{
    supervise->is_stopping = true;
    supervise->stopped = stopped;
    supervise->stopped_arg = arg;
    if (supervise->pid)
        pidfd_send_signal(supervise->pidfd, SIGTERM, NULL, 0);
    supervise_arm(supervise, supervise->pid ? grace_ms : 0);
}

pid_t supervise_pid(const struct supervise *supervise)
{
    return supervise->pid;
}

unsigned supervise_starts(const struct supervise *supervise)
{
    return supervise->starts;
}

uint32_t supervise_delay_ms(const struct supervise *supervise)
{
    return supervise->delay_ms;
}

struct supervise *supervise_free(struct supervise *supervise)
{
    siginfo_t info;

    if (!supervise)
        return NULL;
    if (supervise->pid) {
        pidfd_send_signal(supervise->pidfd, SIGKILL, NULL, 0);
        supervise_reap(supervise, &info);
    }
    if (supervise->timer)
        event_free(supervise->timer);
    free(supervise->program);
    free(supervise->directory);
    free(supervise->accounts_file);
    free(supervise->socket_path);
    free(supervise);
    return NULL;
}
