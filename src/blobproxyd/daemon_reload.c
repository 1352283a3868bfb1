/* SPDX-License-Identifier: MIT */
/* A configuration in place of the running one: at a signal, or when the control socket orders it. */
#include "daemon_internal.h"

#include "tls.h"

#include "../lib/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <systemd/sd-daemon.h>

void daemon_tell_of_conf(struct daemon *daemon, bool is_taken)
{
    struct metrics_shard *metrics = metrics_shard(daemon->metrics, daemon->shard_count);
    const struct tls_identity *tls = daemon->conf->tls;
    struct err warning;

    daemon->was_reload_good = is_taken;
    daemon->reload_s = clock_wall_us() / 1000000;
    metrics_set(metrics, METRIC_RELOAD_OK, is_taken);
    metrics_set(metrics, METRIC_RELOAD_TIME, (uint64_t)daemon->reload_s);
    metrics_set(metrics, METRIC_TLS_EXPIRES, tls ? (uint64_t)tls_identity_expires_us(tls) / 1000000 : 0);
    if (is_taken && conf_tls_warning(daemon->conf, clock_wall_us(), &warning))
        log_warning("certificate", "%s", warning.text);
    if (is_taken && conf_uids_warning(daemon->conf, &warning))
        log_warning("trusted-uids", "%s", warning.text);
}

void daemon_log_as(const struct conf *conf)
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
    daemon_log_as(conf);
}

static int reload(struct daemon *daemon, struct buf *kept, struct err *err)
{
    struct conf *conf = NULL;
    int r = conf_reload(daemon->conf, &conf, kept, err);

    metrics_add(metrics_shard(daemon->metrics, daemon->shard_count), r < 0 ? METRIC_RELOADS_FAILED : METRIC_RELOADS, 1);
    if (!conf) {
        log_error("reload-failed", "the configuration stays as it was: %s", err->text);
    } else {
        take_conf(daemon, conf);
        log_notice("reloaded", "the configuration was read again");
        if (kept->len > 0)
            log_warning("restart-needed", "these keys have changed, which takes effect at the next start: %s", kept->bytes);
    }
    daemon_tell_of_conf(daemon, r == 0);
    return r;
}

/* READY=1 follows RELOADING=1 whatever became of it, or the service manager waits for it. */
int daemon_reload(struct daemon *daemon, struct buf *kept, struct err *err)
{
    if (daemon->state >= DAEMON_DRAINING)
        return err_set(err, -ECANCELED, "the daemon is stopping");
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_us());
    int r = reload(daemon, kept, err);

    if (daemon->state == DAEMON_SERVING)
        (void)sd_notify(0, "READY=1");
    manager_tell(daemon->manager);
    return r;
}
