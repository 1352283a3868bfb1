/* SPDX-License-Identifier: MIT */
/* Lifecycle of blobproxyd: shards, listeners, metrics, the emulated host, signals, notifying systemd. */
#include "daemon.h"

#include "address.h"
#include "admin.h"
#include "listen.h"
#include "metrics.h"
#include "shard.h"
#include "supervise.h"
#include "tls.h"
#include "version.h"

#include "../lib/channel/channel.h"
#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#define HOST_GRACE_MS 5000u
#define SHARDS_MAX 256u
#define DESCRIPTORS_KEPT 128u   /* not for connections: channels, loops, listeners, metrics */
#define UPSTREAM_DESCRIPTORS 5u /* for each of upstream.connections: it, idle ones that are kept, names being looked up */
#define KEPT_BYTES_MAX 1024u    /* names of the keys that a reload leaves as they are */
#define CHANNEL_PATIENCE_S 2    /* without a channel this long is worth a line in the log */
#define EXTEND_PERIOD_S 1       /* while it drains: tell systemd that it goes on */
#define EXTEND_US 10000000      /* and for how long, should nothing be heard of it any more */
#define HOST_LATE_MS 10000u     /* the host answers within a transfer's timeout "and some delays" */

enum daemon_state { DAEMON_STARTING, DAEMON_SERVING, DAEMON_DRAINING, DAEMON_STOPPING };

struct daemon {
    struct conf *conf; /* counted */
    struct event_base *base;
    struct event *sigterm, *sigint, *sighup, *changed, *drain_timer, *extend_timer, *channel_timer;
    int changed_fd; /* shards tell it that their state has changed */
    struct metrics *metrics;
    struct listen *listen;
    struct admin *admin;
    struct supervise *supervise;
    struct shard *shards[SHARDS_MAX];
    unsigned shard_count, next_shard;
    enum daemon_state state;
    int exit_status;
    unsigned connections_max; /* limits.connections, or what the descriptors allow */
    bool has_been_ready;      /* the channel of every shard has been up once */
    bool is_cut;              /* draining, without clients: only for what the host has */
};

/* ---- connections ---- */

static int daemon_accepted(void *arg, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len)
{
    struct daemon *daemon = arg;
    struct shard *shard = daemon->shards[daemon->next_shard];

    daemon->next_shard = (daemon->next_shard + 1) % daemon->shard_count;
    return shard_give(shard, socket, is_tls, address, address_len);
}

static unsigned daemon_connections(void *arg)
{
    const struct daemon *daemon = arg;
    unsigned connections = 0;

    for (unsigned i = 0; i < daemon->shard_count; i++)
        connections += shard_state(daemon->shards[i]).connections;
    return connections;
}

static unsigned daemon_transfers(const struct daemon *daemon)
{
    unsigned transfers = 0;

    for (unsigned i = 0; i < daemon->shard_count; i++)
        transfers += shard_state(daemon->shards[i]).transfers;
    return transfers;
}

/* ---- metrics and health ---- */

static int daemon_metrics(void *arg, struct buf *text)
{
    struct daemon *daemon = arg;

    return metrics_write(daemon->metrics, text);
}

static unsigned channels_up(const struct daemon *daemon)
{
    unsigned up = 0;

    for (unsigned i = 0; i < daemon->shard_count; i++)
        up += shard_state(daemon->shards[i]).is_channel_up;
    return up;
}

static bool has_fallback(const struct daemon *daemon)
{
    return daemon->conf->upstream_fallback != FALLBACK_OFF;
}

/* With a way past the channel clients are served without one. */
static bool daemon_ready(void *arg, char reason[ADMIN_REASON_BYTES])
{
    const struct daemon *daemon = arg;
    bool is_cut_off = channels_up(daemon) < daemon->shard_count && !has_fallback(daemon);
    const char *why = daemon->state >= DAEMON_DRAINING ? "draining"
                      : !daemon->listen                ? "no listener yet"
                      : is_cut_off                     ? "the channel to the host is down"
                                                       : NULL;

    if (why)
        snprintf(reason, ADMIN_REASON_BYTES, "%s", why);
    return why == NULL;
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

static void channel_missed(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;

    (void)fd;
    (void)what;
    unsigned down = daemon->shard_count - channels_up(daemon);
    const char *meanwhile = has_fallback(daemon) ? "go upstream" : "get 503";

    if (daemon->state != DAEMON_SERVING || down == 0)
        return;
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

/* "emulated", "device", or once its driver has been asked "device, ioctl 0xc04852f0". */
static void describe_channel(const struct daemon *daemon, char *text, size_t text_bytes)
{
    uint32_t command = shard_state(daemon->shards[0]).command;

    if (daemon->conf->channel_type == CONF_CHANNEL_EMULATED)
        snprintf(text, text_bytes, "emulated");
    else if (command == 0)
        snprintf(text, text_bytes, "device");
    else
        snprintf(text, text_bytes, "device, ioctl 0x%08" PRIx32, command);
}

static void notify_state(struct daemon *daemon)
{
    struct timeval patience = {CHANNEL_PATIENCE_S, 0};

    unsigned up = channels_up(daemon);

    if (up == daemon->shard_count)
        event_del(daemon->channel_timer);
    else if (!event_pending(daemon->channel_timer, EV_TIMEOUT, NULL))
        event_add(daemon->channel_timer, &patience);
    const char *status = up > 0 ? "Serving" : has_fallback(daemon) ? "Serving from upstream" : "Waiting for the host";
    char channel[32];

    describe_channel(daemon, channel, sizeof(channel));
    (void)sd_notifyf(0, "STATUS=%s, %u of %u channels up (%s)", status, up, daemon->shard_count, channel);
    if (!daemon->has_been_ready && up == daemon->shard_count) {
        daemon->has_been_ready = true;
        log_notice("ready", "serving over the channel (%s), %u shards", channel, daemon->shard_count);
    }
}

static void daemon_changed(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;
    eventfd_t count;

    (void)what;
    (void)eventfd_read(fd, &count);
    if (daemon->state == DAEMON_SERVING)
        notify_state(daemon);
    else if (daemon->state == DAEMON_DRAINING && all_drained(daemon))
        daemon_stop(daemon);
}

/* ---- a configuration, at the start and later ---- */

static void tell_of_conf(struct daemon *daemon, bool is_taken)
{
    struct metrics_shard *metrics = metrics_shard(daemon->metrics, daemon->shard_count);
    const struct tls_identity *tls = daemon->conf->listen_tls.items[0] ? daemon->conf->tls : NULL;
    struct err warning;

    metrics_set(metrics, METRIC_RELOAD_OK, is_taken);
    metrics_set(metrics, METRIC_RELOAD_TIME, (uint64_t)clock_wall_us() / 1000000);
    metrics_set(metrics, METRIC_TLS_EXPIRES, tls ? (uint64_t)tls_identity_expires_us(tls) / 1000000 : 0);
    if (is_taken && conf_tls_warning(daemon->conf, clock_wall_us(), &warning))
        log_warning("certificate", "%s", warning.text);
    if (is_taken && conf_uids_warning(daemon->conf, &warning))
        log_warning("trusted-uids", "%s", warning.text);
}

static void use_log_conf(const struct conf *conf)
{
    log_set_level(conf->log_level);
    if (log_set_format(conf->log_format) < 0)
        log_warning("no-journal", "log.format = journal, and there is no journal here: messages go to stderr as text");
}

static void take_conf(struct daemon *daemon, struct conf *conf)
{
    for (unsigned i = 0; i < daemon->shard_count; i++)
        if (shard_reconfigure(daemon->shards[i], conf) < 0)
            log_error("no-memory", "shard %u keeps the configuration before this one", i);
    conf_free(daemon->conf);
    daemon->conf = conf;
    use_log_conf(conf);
}

static void daemon_reload(struct daemon *daemon)
{
    struct buf kept CLEANUP(buf_free);
    struct conf *conf = NULL;
    struct err err = {""};

    buf_init(&kept, KEPT_BYTES_MAX);
    int r = conf_reload(daemon->conf, &conf, &kept, &err);

    metrics_add(metrics_shard(daemon->metrics, daemon->shard_count), r < 0 ? METRIC_RELOADS_FAILED : METRIC_RELOADS, 1);
    if (r < 0) {
        log_error("reload-failed", "the configuration stays as it was: %s", err.text);
    } else {
        take_conf(daemon, conf);
        log_notice("reloaded", "the configuration was read again");
        if (kept.len > 0)
            log_warning("restart-needed", "these keys have changed, which takes effect at the next start: %s", kept.bytes);
    }
    tell_of_conf(daemon, r == 0);
}

static void daemon_sighup(evutil_socket_t fd, short what, void *arg)
{
    struct daemon *daemon = arg;

    (void)fd;
    (void)what;
    if (daemon->state != DAEMON_SERVING)
        return;
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_us());
    daemon_reload(daemon);
    (void)sd_notify(0, "READY=1");
    notify_state(daemon);
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
    } else if (has_fallback(daemon)) {
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
    struct admin_callbacks callbacks = {daemon_metrics, daemon_ready, daemon};
    struct address address;
    const char *problem = NULL;

    if (daemon->conf->listen_metrics[0] == '\0')
        return 0;
    if (address_parse(daemon->conf->listen_metrics, &address, &problem) < 0)
        return err_set(err, -EINVAL, "listen.metrics: %s", problem);
    int r = admin_new(daemon->base, &address, -1, &callbacks, &daemon->admin, err);

    return r < 0 ? err_wrap(err, r, "listen.metrics") : 0;
}

static int open_listeners(struct daemon *daemon, struct err *err)
{
    struct listen_hooks hooks = {daemon_accepted, daemon_connections, daemon->connections_max, daemon};
    struct metrics_shard *metrics = metrics_shard(daemon->metrics, daemon->shard_count);
    char where[1024];
    int r = listen_new(daemon->base, daemon->conf, metrics, &hooks, &daemon->listen, err);

    if (r < 0)
        return r;
    listen_describe(daemon->listen, where, sizeof(where));
    log_notice("listening", "blobproxyd %s listens on %s; metrics and health on %s", PACKAGE_VERSION, where,
               daemon->conf->listen_metrics[0] ? daemon->conf->listen_metrics : "nothing");
    return 0;
}

/* Sockets for the connections and some for everything else. */
static unsigned descriptors_kept(const struct daemon *daemon)
{
    return DESCRIPTORS_KEPT + (has_fallback(daemon) ? UPSTREAM_DESCRIPTORS * daemon->conf->upstream_connections : 0);
}

static int find_connections_max(struct daemon *daemon, struct err *err)
{
    unsigned wanted = daemon->conf->limits_connections;
    unsigned kept = descriptors_kept(daemon);
    unsigned each = daemon->conf->listen_tls.items[0] ? 3 : 1; /* of a TLS connection: its socket and a pair */
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
    struct daemon daemon = {.conf = conf, .changed_fd = -1};
    struct err err = {""};
    int r;

    (void)signal(SIGPIPE, SIG_IGN);
    evthread_use_pthreads();
    use_log_conf(conf);
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
        r = open_listeners(&daemon, &err);
    if (r < 0) {
        log_error("start-failed", "%s", err.text);
        daemon_close(&daemon);
        return 1;
    }
    tell_of_conf(&daemon, true);
    daemon.state = DAEMON_SERVING;
    (void)sd_notify(0, "READY=1");
    notify_state(&daemon);
    event_base_dispatch(daemon.base);
    daemon_close(&daemon);
    log_notice("stopped", "bye");
    log_close();
    return daemon.exit_status;
}
