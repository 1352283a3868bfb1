/* SPDX-License-Identifier: MIT */
/* blobhostd: the emulated host. Puts together accounts, store and service, or a backend, and the bus, and waits for the end. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "../lib/sign/accounts.h"
#include "backend.h"
#include "limiter.h"
#include "options.h"
#include "service.h"
#include "store.h"
#include "vsp.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#define EXIT_USAGE 2
#define SUPPRESSED_PERIOD_MS 5000 /* events that were too many are told of so much later at most */

/* Everything that lives from start to end, in the order of its making. */
struct host {
    struct accounts *accounts;
    struct store *store;
    struct service *service;
    struct backend *backend; /* in place of the three above */
    struct limiter *limiter; /* NULL: no limits */
    struct vsp *vsp;
    int signal_fd;
};

static int host_complain(const struct err *err, int exit_code)
{
    (void)fprintf(stderr, "blobhostd: %s\n", err->text);
    return exit_code;
}

/* Blocks the signals that end the program, for this thread and those started later, and turns them into a descriptor. */
static int host_catch_signals(struct host *host, struct err *err)
{
    sigset_t signals;

    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0)
        host->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return host->signal_fd < 0 ? err_set(err, -errno, "cannot catch signals: %s", strerror(errno)) : 0;
}

/* parent: as it was when the program began; a parent that ended before the prctl() would not be noticed otherwise. */
static int host_follow_parent(pid_t parent, struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return err_set(err, -errno, "--exit-with-parent: %s", strerror(errno));
    if (getppid() != parent)
        return err_set(err, -ESRCH, "--exit-with-parent: the parent process has ended already");
    return 0;
}

static int host_load_accounts(struct host *host, const struct options *options, struct err *err)
{
    int rc = 0;

    host->accounts = accounts_new();
    if (!host->accounts)
        return err_set(err, -ENOMEM, "out of memory");
    if (options->accounts_path)
        rc = accounts_load(host->accounts, options->accounts_path, err);
    if (rc == 0 && options->with_development_account)
        rc = accounts_add_development(host->accounts, err);
    if (rc == 0 && accounts_count(host->accounts) == 0)
        rc = err_set(err, -ENOENT, "%s names no account: add one, or use --development-account", options->accounts_path);
    return rc;
}

static int host_open_store(struct host *host, const struct options *options, struct executor **ret_executor, struct err *err)
{
    const struct store_options store_options = {.sync = options->sync};
    int rc = host_load_accounts(host, options, err);

    if (rc == 0)
        rc = store_open(options->store_directory, &store_options, &host->store, err);
    if (rc < 0)
        return rc;
    rc = service_new(host->store, host->accounts, &host->service);
    if (rc < 0)
        return err_set(err, rc, "cannot start the service: %s", strerror(-rc));
    service_compute_md5(host->service, !options->no_content_md5);
    *ret_executor = service_executor(host->service);
    return 0;
}

static int host_open_backend(struct host *host, const struct options *options, struct executor **ret_executor, struct err *err)
{
    const struct backend_options backend_options = {
        .url = options->backend_url, .ca_file = options->backend_ca_path, .thread_base = vsp_thread_base};
    const int rc = backend_new(&backend_options, &host->backend, err);

    if (rc == 0)
        *ret_executor = backend_executor(host->backend);
    return rc;
}

static int host_limit(struct host *host, const struct options *options, struct executor **executor, struct err *err)
{
    const struct limiter_options limits = {options->transfer_rate, options->transfer_latency_ms, vsp_thread_base};

    if (options->transfer_rate == 0 && options->transfer_latency_ms == 0)
        return 0;
    if (limiter_new(*executor, &limits, &host->limiter) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    *executor = limiter_executor(host->limiter);
    return 0;
}

static int host_start(struct host *host, const struct options *options, struct err *err)
{
    struct executor *executor = NULL;
    int rc =
        options->backend_url ? host_open_backend(host, options, &executor, err) : host_open_store(host, options, &executor, err);

    if (rc == 0)
        rc = host_limit(host, options, &executor, err);
    if (rc < 0)
        return rc;
    return vsp_start(options->socket_path, executor, NULL, &host->vsp, err);
}

static void host_say_started(const struct host *host, const struct options *options)
{
    if (options->backend_url)
        log_notice("host-started", "executing on %s for %s", options->backend_url, options->socket_path);
    else
        log_notice("host-started", "serving %zu account(s) from %s on %s", accounts_count(host->accounts),
                   options->store_directory, options->socket_path);
    (void)sd_notifyf(0, "READY=1\nSTATUS=listening on %s", options->socket_path);
}

/* Until a signal comes or the parent's descriptor hangs up. */
static void host_wait(const struct host *host, int parent_fd)
{
    /* poll() skips negative descriptors. */
    struct pollfd watched[2] = {{.fd = host->signal_fd, .events = POLLIN}, {.fd = parent_fd, .events = POLLIN | POLLRDHUP}};
    char byte;

    for (;;) {
        if (poll(watched, 2, SUPPRESSED_PERIOD_MS) <= 0) {
            log_tell_suppressed();
            continue;
        }
        if (watched[0].revents)
            return;
        /* A byte from the parent means nothing; the end of the stream does. */
        if (watched[1].revents && (!(watched[1].revents & POLLIN) || read(parent_fd, &byte, sizeof(byte)) <= 0))
            return;
    }
}

static void host_stop(struct host *host)
{
    host->vsp = vsp_stop(host->vsp);
    host->limiter = limiter_free(host->limiter);
    host->backend = backend_free(host->backend);
    host->service = service_free(host->service);
    if (host->store)
        host->store = store_close(host->store);
    host->accounts = accounts_free(host->accounts);
    cleanup_fd(&host->signal_fd);
}

static int host_run(const struct options *options, pid_t parent)
{
    struct host host = {.signal_fd = -1};
    struct err err = {""};
    int rc = host_catch_signals(&host, &err);

    if (rc == 0 && options->exit_with_parent)
        rc = host_follow_parent(parent, &err);
    if (rc == 0)
        rc = host_start(&host, options, &err);
    if (rc < 0) {
        host_stop(&host);
        return host_complain(&err, EXIT_FAILURE);
    }
    host_say_started(&host, options);
    host_wait(&host, options->parent_fd);
    (void)sd_notify(0, "STOPPING=1");
    host_stop(&host);
    log_notice("host-stopped", "stopped");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const pid_t parent = getppid();
    struct options options = {0};
    struct err err = {""};

    if (options_parse(argc, argv, &options, &err) < 0)
        return host_complain(&err, EXIT_USAGE);
    if (options.action == OPTIONS_HELP)
        return fputs(options_help, stdout) < 0;
    if (options.action == OPTIONS_VERSION)
        return puts("blobhostd " PACKAGE_VERSION) < 0;
    log_open("blobhostd", options.log_level);
    if (log_set_format(options.log_format) < 0)
        log_warning("no-journal", "--log-format=journal, and there is no journal here: messages go to stderr as text");
    const int status = host_run(&options, parent);

    log_close();
    return status;
}
