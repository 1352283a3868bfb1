/* SPDX-License-Identifier: MIT */
/* Lifecycle of blobproxyd: shards, listeners, metrics, the emulated host, signals, notifying systemd. */
#include "daemon_internal.h"

#include "address.h"
#include "unixsocket.h"
#include "version.h"

#include "../lib/channel/channel.h"
#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#define HOST_GRACE_MS 5000u
#define DESCRIPTORS_KEPT 128u   /* not for connections: channels, loops, listeners, metrics */
#define UPSTREAM_DESCRIPTORS 5u /* for each of upstream.connections: it, idle ones that are kept, names being looked up */
#define KEPT_BYTES_MAX 1024u    /* names of the keys that a reload leaves as they are */
#define CHANNEL_PATIENCE_S 2    /* so long clients wait at a start, and it is worth a line in the log without a channel */
#define EXTEND_PERIOD_S 1       /* while it drains: tell systemd that it goes on */
#define EXTEND_US 10000000      /* and for how long, should nothing be heard of it any more */
#define HOST_LATE_MS 10000u     /* the host answers within a transfer's timeout "and some delays" */

static int daemon_accepted(void *arg, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len)
{
    struct daemon *daemon = arg;
    struct shard *shard = daemon->shards[daemon->next_shard];

    daemon->next_shard = (daemon->next_shard + 1) % daemon->shard_count;
    return shard_give(shard, socket, is_tls, address, address_len);
}

/* ---- stopping ---- */

static void host_stopped(void *arg)
{
    struct daemon *daemon = arg;

    event_base_loopbreak(daemon->base);
}

static void daemon_stop(struct daemon *daemon)
{
    unsigned cut = 0;

    if (daemon->state == DAEMON_STOPPING)
        return;
    daemon->state = DAEMON_STOPPING;
    daemon->listen = listen_free(daemon->listen);
    for (unsigned i = 0; i < daemon->shard_count; i++)
        cut += shard_stop(daemon->shards[i]);
    daemon->shard_count = 0;
    if (cut > 0)
        log_warning("drain-cut", "%u exchanges were still under way and have been cut", cut);
    else
        log_notice("drained", "all exchanges have ended");
    if (daemon->supervise)
        supervise_stop(daemon->supervise, HOST_GRACE_MS, host_stopped, daemon);
    else
        event_base_loopbreak(daemon->base);
}

static void arm_ms(struct event *event, uint64_t delay_ms)
{
    struct timeval delay = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000)};

    if (event_add(event, &delay) < 0)
        event_active(event, EV_TIMEOUT, 0);
}

/* First the clients' time is over, then that of the host, which alone can end the transfers that it has: the kernel waits for
 * them in any case before the process is gone. */
static void drain_expired(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    unsigned transfers = daemon_transfers(daemon);

    (void)fd;
    (void)what;
    if (daemon->is_cut) {
        log_warning("host-late", "%u transfers have not come back from the host; the kernel ends this process when they have",
                    transfers);
        daemon_stop(daemon);
        return;
    }
    daemon->is_cut = true;
    for (unsigned i = 0; i < daemon->shard_count; i++)
        shard_cut(daemon->shards[i]);
    if (daemon->conf->channel_type != CONF_CHANNEL_EMULATED && transfers > 0)
        log_notice("drain-waits", "waiting for %u transfers that only the host can end", transfers);
    arm_ms(daemon->drain_timer, daemon->conf->channel_timeout_ms + HOST_LATE_MS);
}

static void tell_drain(evutil_socket_t fd, short what, void *arg)
{
    const struct daemon *daemon = arg;
    unsigned transfers = daemon_transfers(daemon);

    (void)fd;
    (void)what;
    if (daemon->is_cut)
        (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d\nSTATUS=Waiting for %u transfers that only the host can end", EXTEND_US,
                         transfers);
    else
        (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d\nSTATUS=Draining: %u connections, %u transfers at the host", EXTEND_US,
                         daemon_connections(arg), transfers);
}

static void daemon_drain(struct daemon *daemon)
{
    daemon->state = DAEMON_DRAINING;
    (void)sd_notify(0, "STOPPING=1\nSTATUS=Draining");
    log_notice("draining", "finishing what is in flight; a second signal stops at once");
    daemon->listen = listen_free(daemon->listen);
    for (unsigned i = 0; i < daemon->shard_count; i++)
        shard_drain(daemon->shards[i]);
    arm_ms(daemon->drain_timer, daemon->conf->limits_drain_timeout_ms);
    event_add(daemon->extend_timer, &(struct timeval){EXTEND_PERIOD_S, 0});
}

static void daemon_signal(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;

    (void)fd;
    (void)what;
    if (daemon->state < DAEMON_DRAINING)
        daemon_drain(daemon);
    else
        daemon_stop(daemon);
}

static bool all_drained(const struct daemon *daemon)
{
    for (unsigned i = 0; i < daemon->shard_count; i++)
        if (!shard_state(daemon->shards[i]).is_drained)
            return false;
    return true;
}

/* ---- a shard has news ---- */

static void shard_changed(void *arg)
{
    struct daemon *daemon = arg;

    (void)eventfd_write(daemon->changed_fd, 1);
}

/* Not before, so that who comes during a restart waits for its end and not for nothing. */
static void begin_serving(struct daemon *daemon)
{
    daemon->state = DAEMON_SERVING;
    listen_begin(daemon->listen);
    (void)sd_notify(0, "READY=1");
    manager_tell(daemon->manager);
}

static void channel_missed(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;

    (void)fd;
    (void)what;
    unsigned down = daemon->shard_count - daemon_channels_up(daemon);
    const char *meanwhile = daemon_has_fallback(daemon) ? "go upstream" : "get 503";

    if (daemon->state >= DAEMON_DRAINING || down == 0)
        return;
    if (daemon->state == DAEMON_STARTING)
        begin_serving(daemon);
    if (daemon->conf->channel_type == CONF_CHANNEL_EMULATED)
        log_warning("no-channel",
                    "%u of %u channels are down: is blobhostd running, as this user or root, with --socket %s? Requests "
                    "%s meanwhile",
                    down, daemon->shard_count, daemon->conf->channel_socket, meanwhile);
    else
        log_warning("no-channel",
                    "%u of %u channels are down: %s cannot be used now, \"blobproxyctl probe\" tells why. Requests %s meanwhile",
                    down, daemon->shard_count, daemon->conf->channel_device, meanwhile);
}

static void notify_state(struct daemon *daemon)
{
    struct timeval patience = {CHANNEL_PATIENCE_S, 0};

    unsigned up = daemon_channels_up(daemon);

    if (up == daemon->shard_count)
        event_del(daemon->channel_timer);
    else if (!event_pending(daemon->channel_timer, EV_TIMEOUT, NULL))
        event_add(daemon->channel_timer, &patience);
    char channel[32];

    if (daemon->state == DAEMON_STARTING && up == daemon->shard_count)
        begin_serving(daemon);
    manager_tell(daemon->manager);
    if (!daemon->has_been_ready && up == daemon->shard_count) {
        daemon->has_been_ready = true;
        daemon_describe_channel(daemon, channel, sizeof(channel));
        log_notice("ready", "serving over the channel (%s), %u shards", channel, daemon->shard_count);
    }
}

static void daemon_changed(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    eventfd_t count;

    (void)what;
    (void)eventfd_read(fd, &count);
    if (daemon->state < DAEMON_DRAINING)
        notify_state(daemon);
    else if (daemon->state == DAEMON_DRAINING && all_drained(daemon))
        daemon_stop(daemon);
}

/* ---- reload ---- */

static void daemon_sighup(evutil_socket_t fd, short what, void *arg)
{
    struct buf kept CLEANUP(buf_free);
    struct err err; /* it is in the log */

    (void)fd;
    (void)what;
    buf_init(&kept, KEPT_BYTES_MAX);
    (void)daemon_reload(arg, &kept, &err);
}

/* ---- what the control socket orders ---- */

static void order_drain(void *arg)
{
    daemon_signal(-1, 0, arg);
}

static int order_reload(void *arg, struct buf *kept, struct err *err)
{
    return daemon_reload(arg, kept, err);
}

/* ---- starting ---- */

static int open_loop(struct daemon *daemon, struct err *err)
{
    daemon->changed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    daemon->base = event_base_new();
    if (daemon->changed_fd < 0 || !daemon->base)
        return err_set(err, -ENOMEM, "no memory");
    daemon->sigterm = evsignal_new(daemon->base, SIGTERM, daemon_signal, daemon);
    daemon->sigint = evsignal_new(daemon->base, SIGINT, daemon_signal, daemon);
    daemon->changed = event_new(daemon->base, daemon->changed_fd, EV_READ | EV_PERSIST, daemon_changed, daemon);
    daemon->drain_timer = evtimer_new(daemon->base, drain_expired, daemon);
    daemon->extend_timer = event_new(daemon->base, -1, EV_PERSIST, tell_drain, daemon);
    daemon->channel_timer = evtimer_new(daemon->base, channel_missed, daemon);
    daemon->sighup = evsignal_new(daemon->base, SIGHUP, daemon_sighup, daemon);
    if (!daemon->channel_timer || !daemon->sighup || event_add(daemon->sighup, NULL) < 0 || !daemon->sigterm || !daemon->sigint ||
        !daemon->changed || !daemon->drain_timer || !daemon->extend_timer || event_add(daemon->sigterm, NULL) < 0 ||
        event_add(daemon->sigint, NULL) < 0 || event_add(daemon->changed, NULL) < 0)
        return err_set(err, -ENOMEM, "no memory");
    return 0;
}

/* A host that ends as soon as it is started will do so for ever. */
static void host_failed(void *arg, int status)
{
    struct daemon *daemon = arg;

    if (daemon->has_been_ready)
        return;
    log_error("start-failed",
              "blobhostd ended with status %d as soon as it was started; its own line above says why (is %s in use or "
              "not writable?)",
              status, daemon->conf->emulated_directory);
    daemon->exit_status = 1;
    event_base_loopbreak(daemon->base);
}

static int open_host(struct daemon *daemon, struct err *err)
{
    struct supervise_config config = {.program = daemon->conf->host_program,
                                      .accounts_file = daemon->conf->accounts_file,
                                      .with_development_account = daemon->conf->accounts_development,
                                      .log_format = log_format_name(daemon->conf->log_format),
                                      .failed = host_failed,
                                      .failed_arg = daemon,
                                      .directory = daemon->conf->emulated_directory};

    if (!daemon->conf->emulated_directory)
        return 0;
    return supervise_new(daemon->base, &config, &daemon->supervise, err);
}

/* channel.type = auto: without a device there must be another way. The shards open it for themselves. */
static int check_auto(const struct daemon *daemon, struct err *err)
{
    const char *path = daemon->conf->channel_device;
    struct err cause;

    if (daemon->conf->channel_type != CONF_CHANNEL_AUTO)
        return 0;
    int r = channel_device_check(path, NULL, &cause);
    if (r == 0) {
        log_notice("channel-chosen", "channel.type = auto: the device %s is here and is used", path);
    } else if (daemon_has_fallback(daemon)) {
        log_notice("channel-chosen", "channel.type = auto: %s; serving from upstream until the device can be used", cause.text);
        r = 0;
    } else {
        err_set(err, r, "channel.type = auto: %s, and there is no other way: set upstream.fallback = https, or channel.type",
                cause.text);
    }
    return r;
}

static int open_shards(struct daemon *daemon, struct err *err)
{
    unsigned count = conf_shards(daemon->conf);
    int r = metrics_new(count, &daemon->metrics);

    if (r < 0)
        return err_set(err, r, "no memory");
    for (unsigned i = 0; i < count && i < SHARDS_MAX; i++) {
        struct shard_config config = {i, count, daemon->conf, metrics_shard(daemon->metrics, i), shard_changed, daemon};

        r = shard_start(&config, &daemon->shards[i], err);
        if (r < 0)
            return r;
        daemon->shard_count++;
    }
    return 0;
}

static int open_admin(struct daemon *daemon, struct err *err)
{
    struct admin_callbacks callbacks = daemon_admin_callbacks(daemon);
    struct address address = {.port = 0};
    const char *problem = NULL;
    int fd = activation_next(&daemon->activation, ACTIVATION_METRICS, NULL);

    if (fd < 0 && daemon->conf->listen_metrics[0] == '\0')
        return 0;
    if (fd < 0 && address_parse(daemon->conf->listen_metrics, &address, &problem) < 0)
        return err_set(err, -EINVAL, "listen.metrics: %s", problem);
    if (fd < 0) {
        int r = address_listen(&address, &fd);
        if (r < 0)
            return err_set(err, r, "listen.metrics: cannot listen: %s", strerror(-r));
    }
    address_describe(fd, daemon->metrics_address, sizeof(daemon->metrics_address));
    int r = admin_new(daemon->base, &address, fd, &callbacks, &daemon->admin, err);

    return r < 0 ? err_wrap(err, r, "listen.metrics") : 0;
}

static int bind_control(struct daemon *daemon, gid_t group, int *ret_fd, struct err *err)
{
    const char *path = daemon->conf->listen_control;
    int r = unixsocket_listen(path, group == UNIXSOCKET_NO_GROUP ? 0600 : 0660, group, ret_fd);

    if (r < 0)
        return err_set(err, r, "listen.control: cannot listen on %s: %s", path, unixsocket_reason(r));
    daemon->control_path = strdup(path);
    return 0;
}

static int open_control(struct daemon *daemon, struct err *err)
{
    struct control_callbacks callbacks = {
        daemon_admin_callbacks(daemon), daemon_survey, daemon_errors, order_drain, order_reload, daemon};
    const struct group *group = *daemon->conf->listen_control_group ? getgrnam(daemon->conf->listen_control_group) : NULL;
    gid_t gid = group ? group->gr_gid : UNIXSOCKET_NO_GROUP;
    int fd = activation_next(&daemon->activation, ACTIVATION_CONTROL, NULL);
    int r = 0;

    if (fd < 0 && daemon->conf->listen_control[0] == '\0')
        return 0;
    if (fd < 0)
        r = bind_control(daemon, gid, &fd, err);
    if (r < 0 && !daemon->conf->is_control_named) {
        log_warning("listen-skipped", "%s, ignoring: blobproxyctl cannot be used", err->text);
        return 0;
    }
    if (r == 0 && (r = control_new(daemon->base, fd, gid, &callbacks, &daemon->control)) < 0)
        err_set(err, r, "listen.control: %s", strerror(-r));
    return r;
}

static int open_listeners(struct daemon *daemon, struct err *err)
{
    struct listen_hooks hooks = {daemon_accepted, daemon_connections, daemon->connections_max, daemon};
    struct metrics_shard *metrics = metrics_shard(daemon->metrics, daemon->shard_count);
    char where[1024];
    int r = listen_new(daemon->base, daemon->conf, &daemon->activation, metrics, &hooks, &daemon->listen, err);

    if (r < 0)
        return r;
    listen_describe(daemon->listen, where, sizeof(where));
    log_notice("listening", "blobproxyd %s listens on %s; metrics and health on %s", PACKAGE_VERSION, where,
               daemon->admin ? daemon->metrics_address : "nothing");
    return 0;
}

static int open_manager(struct daemon *daemon, struct err *err)
{
    struct manager_callbacks callbacks = daemon_manager_callbacks(daemon);
    int r = manager_new(daemon->base, &callbacks, &daemon->manager);

    return r < 0 ? err_set(err, r, "no memory") : 0;
}

/* Sockets for the connections and some for everything else. */
static unsigned descriptors_kept(const struct daemon *daemon)
{
    return DESCRIPTORS_KEPT + (daemon_has_fallback(daemon) ? UPSTREAM_DESCRIPTORS * daemon->conf->upstream_connections : 0);
}

static int find_connections_max(struct daemon *daemon, struct err *err)
{
    unsigned wanted = daemon->conf->limits_connections;
    unsigned kept = descriptors_kept(daemon);
    bool has_tls = daemon->conf->listen_tls.items[0] || activation_has(&daemon->activation, ACTIVATION_TLS);
    unsigned each = has_tls ? 3 : 1; /* of a TLS connection: its socket and a pair */
    rlim_t want = (rlim_t)wanted * each + kept;
    struct rlimit limit = {want, want};

    daemon->connections_max = wanted;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
        return 0;
    limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= want)
        return 0;
    if (limit.rlim_cur < 2 * kept)
        return err_set(err, -EMFILE, "only %llu descriptors are allowed, at least %u are needed: raise LimitNOFILE",
                       (unsigned long long)limit.rlim_cur, 2 * kept);
    daemon->connections_max = ((unsigned)limit.rlim_cur - kept) / each;
    log_warning("few-descriptors",
                "only %llu descriptors are allowed, so at most %u connections are taken; raise LimitNOFILE or lower "
                "limits.connections = %u",
                (unsigned long long)limit.rlim_cur, daemon->connections_max, wanted);
    return 0;
}

static void daemon_close(struct daemon *daemon)
{
    struct event *events[] = {daemon->sigterm,     daemon->sigint,       daemon->sighup,       daemon->changed,
                              daemon->drain_timer, daemon->extend_timer, daemon->channel_timer};

    listen_free(daemon->listen);
    for (unsigned i = 0; i < daemon->shard_count; i++)
        shard_stop(daemon->shards[i]);
    supervise_free(daemon->supervise);
    admin_free(daemon->admin);
    control_free(daemon->control);
    if (daemon->control_path)
        (void)unlink(daemon->control_path);
    free(daemon->control_path);
    manager_free(daemon->manager);
    activation_close(&daemon->activation);
    metrics_free(daemon->metrics);
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    if (daemon->base)
        event_base_free(daemon->base);
    if (daemon->changed_fd >= 0)
        (void)close(daemon->changed_fd);
    conf_free(daemon->conf);
}

int daemon_run(struct conf *conf)
{
    struct daemon daemon = {.conf = conf, .changed_fd = -1, .started_us = clock_mono_us()};
    struct err err = {""};
    int r;

    (void)signal(SIGPIPE, SIG_IGN);
    evthread_use_pthreads();
    daemon_log_as(conf);
    r = activation_take(&daemon.activation, &err);
    if (r == 0)
        r = find_connections_max(&daemon, &err);
    if (r == 0)
        r = open_loop(&daemon, &err);
    if (r == 0)
        r = open_host(&daemon, &err);
    if (r == 0)
        r = check_auto(&daemon, &err);
    if (r == 0)
        r = open_shards(&daemon, &err);
    if (r == 0)
        r = open_admin(&daemon, &err);
    if (r == 0)
        r = open_control(&daemon, &err);
    if (r == 0)
        r = open_listeners(&daemon, &err);
    if (r == 0)
        r = open_manager(&daemon, &err);
    if (r < 0) {
        log_error("start-failed", "%s", err.text);
        daemon_close(&daemon);
        return r == -EINVAL ? 2 : 1; /* sockets that are wrong get no better by trying again, as a configuration does not */
    }
    daemon_tell_of_conf(&daemon, true);
    notify_state(&daemon);
    event_base_dispatch(daemon.base);
    daemon_close(&daemon);
    log_notice("stopped", "bye");
    log_close();
    return daemon.exit_status;
}
