/* SPDX-License-Identifier: MIT */
/* What the daemon tells of itself: metrics, readiness, status, what its shards have under way. */
#include "daemon_internal.h"

#include "failures.h"
#include "status.h"

#include "../lib/azure/target.h"
#include "../lib/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SURVEY_MS 1000u /* a shard that has not answered by then stands still */

unsigned daemon_connections(void *arg)
{
    const struct daemon *daemon = arg;
    unsigned connections = 0;

    for (unsigned i = 0; i < daemon->shard_count; i++)
        connections += shard_state(daemon->shards[i]).connections;
    return connections;
}

unsigned daemon_transfers(const struct daemon *daemon)
{
    unsigned transfers = 0;

    for (unsigned i = 0; i < daemon->shard_count; i++)
        transfers += shard_state(daemon->shards[i]).transfers;
    return transfers;
}

static uint64_t daemon_alive_us(void *arg, unsigned *ret_who)
{
    const struct daemon *daemon = arg;
    uint64_t oldest_us = UINT64_MAX;

    for (unsigned i = 0; i < daemon->shard_count; i++) {
        uint64_t swept_us = shard_state(daemon->shards[i]).swept_us;

        if (swept_us < oldest_us) {
            oldest_us = swept_us;
            *ret_who = i;
        }
    }
    return oldest_us;
}

static void publish_log(struct metrics_shard *metrics)
{
    struct log_figures figures = log_figures();

    for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++)
        metrics_set(metrics, METRIC_LOG_ERRORS + (enum metric)level, figures.lines[level]);
    metrics_set(metrics, METRIC_LOG_SUPPRESSED, figures.suppressed);
}

static int daemon_metrics(void *arg, struct buf *text)
{
    struct daemon *daemon = arg;
    struct metrics_shard *metrics = metrics_shard(daemon->metrics, daemon->shard_count);
    unsigned who = 0;
    uint64_t alive_us = daemon_alive_us(arg, &who); /* before the clock is read, which shards read meanwhile */

    metrics_set(metrics, METRIC_LOOP_SILENCE, clock_mono_us() - alive_us);
    publish_log(metrics);
    return metrics_write(daemon->metrics, text);
}

unsigned daemon_channels_up(const struct daemon *daemon)
{
    unsigned up = 0;

    for (unsigned i = 0; i < daemon->shard_count; i++)
        up += shard_state(daemon->shards[i]).is_channel_up;
    return up;
}

bool daemon_has_fallback(const struct daemon *daemon)
{
    return daemon->conf->upstream_fallback != FALLBACK_OFF;
}

/* With a way past the channel clients are served without one. */
static bool daemon_ready(void *arg, char reason[ADMIN_REASON_BYTES])
{
    const struct daemon *daemon = arg;
    bool is_cut_off = daemon_channels_up(daemon) < daemon->shard_count && !daemon_has_fallback(daemon);
    const char *why = daemon->state >= DAEMON_DRAINING   ? "draining"
                      : daemon->state == DAEMON_STARTING ? "starting"
                      : is_cut_off                       ? "the channel to the host is down"
                                                         : NULL;

    if (why)
        snprintf(reason, ADMIN_REASON_BYTES, "%s", why);
    return why == NULL;
}

void daemon_describe_channel(const struct daemon *daemon, char *text, size_t text_bytes)
{
    /* None while the host is still stopping. */
    uint32_t command = daemon->shard_count > 0 ? shard_state(daemon->shards[0]).command : 0;

    if (daemon->conf->channel_type == CONF_CHANNEL_EMULATED)
        snprintf(text, text_bytes, "emulated");
    else if (command == 0)
        snprintf(text, text_bytes, "device");
    else
        snprintf(text, text_bytes, "device, ioctl 0x%08" PRIx32, command);
}

static void count_exchanges(const struct daemon *daemon, unsigned *ret_under_way, uint64_t *ret_ended)
{
    *ret_under_way = 0;
    *ret_ended = 0;
    for (unsigned i = 0; i < daemon->shard_count; i++) {
        struct shard_state state = shard_state(daemon->shards[i]);

        *ret_under_way += state.exchanges;
        *ret_ended += state.exchanges_ended;
    }
}

/* "Serving, 2 of 2 channels up (device, ioctl 0xc04852f0), 340 connections, 12 in flight". */
static void daemon_describe(void *arg, char *text, size_t text_bytes, uint64_t *ret_exchanges)
{
    const struct daemon *daemon = arg;
    unsigned up = daemon_channels_up(daemon), exchanges = 0;
    const char *status = daemon->state >= DAEMON_DRAINING ? "Draining"
                         : up > 0                         ? "Serving"
                         : daemon_has_fallback(daemon)    ? "Serving from upstream"
                                                          : "Waiting for the host";
    char channel[32];

    count_exchanges(daemon, &exchanges, ret_exchanges);
    daemon_describe_channel(daemon, channel, sizeof(channel));
    snprintf(text, text_bytes, "%s, %u of %u channels up (%s), %u connections, %u in flight", status, up, daemon->shard_count,
             channel, daemon_connections(arg), exchanges);
}

static int daemon_status(void *arg, struct buf *text)
{
    static const char *const states[] = {[DAEMON_STARTING] = "starting",
                                         [DAEMON_SERVING] = "serving",
                                         [DAEMON_DRAINING] = "draining",
                                         [DAEMON_STOPPING] = "draining"};
    const struct daemon *daemon = arg;
    char reason[ADMIN_REASON_BYTES] = "", listeners[1024] = "";
    struct status status = {
        .conf = daemon->conf,
        .state = states[daemon->state],
        .is_ready = daemon_ready(arg, reason),
        .reason = reason,
        .listeners = listeners,
        .metrics = daemon->admin ? daemon->metrics_address : NULL,
        .started_us = daemon->started_us,
        .channels_up = daemon_channels_up(daemon),
        .channels = daemon->shard_count,
        .command = daemon->shard_count > 0 ? shard_state(daemon->shards[0]).command : 0,
        .connections = daemon_connections(arg),
        .transfers = daemon_transfers(daemon),
        .was_reload_good = daemon->was_reload_good,
        .reload_s = daemon->reload_s,
    };

    if (daemon->listen)
        listen_describe(daemon->listen, listeners, sizeof(listeners));
    count_exchanges(daemon, &status.exchanges, &status.exchanges_ended);
    return status_write(&status, text);
}

static bool daemon_is_own_host(void *arg, const char *host)
{
    const struct daemon *daemon = arg;

    return target_is_own_host(slice_of(host), (const char *const *)daemon->conf->listen_hosts.items);
}

struct admin_callbacks daemon_admin_callbacks(struct daemon *daemon)
{
    return (struct admin_callbacks){daemon_metrics, daemon_status, daemon_ready, daemon_is_own_host, daemon};
}

struct manager_callbacks daemon_manager_callbacks(struct daemon *daemon)
{
    return (struct manager_callbacks){daemon_alive_us, daemon_describe, daemon};
}

int daemon_survey(void *arg, enum survey_topic topic, survey_done done, void *done_arg, struct survey **ret_survey)
{
    const struct daemon *daemon = arg;
    int r = survey_begin(daemon->base, daemon->shard_count, SURVEY_MS, done, done_arg, ret_survey);

    for (unsigned i = 0; r == 0 && i < daemon->shard_count; i++)
        (void)!shard_survey(daemon->shards[i], *ret_survey, topic); /* one that cannot be asked counts as silent */
    return r;
}

int daemon_errors(void *arg, size_t max, struct buf *text)
{
    const struct daemon *daemon = arg;
    struct failures *lists[SHARDS_MAX];

    for (unsigned i = 0; i < daemon->shard_count; i++)
        lists[i] = shard_failures(daemon->shards[i]);
    buf_puts(text, "{\"errors\":");
    int r = failures_write(lists, daemon->shard_count, max, text);

    buf_puts(text, "}\n");
    return r < 0 ? r : text->failed;
}
