/* SPDX-License-Identifier: MIT */
/* What the daemon tells its service manager while it runs. */
#include "manager.h"

#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define STATUS_PERIOD_US 5000000u
#define STATUS_BYTES 256

struct manager {
    struct manager_callbacks callbacks;
    struct event *watchdog, *status;
    uint64_t patience_us; /* a loop that has not turned for so long is stuck */
    bool is_stuck;
    uint64_t told_us, told_exchanges;
    char told[STATUS_BYTES];
};

/* A loop comes round four times a second. One that has not for half the interval gets no more patience than the other half. */
static void feed(evutil_socket_t fd, short what, void *arg)
{
    struct manager *manager = arg;
    unsigned who = 0;
    uint64_t alive_us = manager->callbacks.alive_us(manager->callbacks.arg, &who), now_us = clock_mono_us();
    bool was_stuck = manager->is_stuck;

    (void)fd;
    (void)what;
    manager->is_stuck = now_us > alive_us && now_us - alive_us > manager->patience_us;
    if (!manager->is_stuck)
        (void)sd_notify(0, "WATCHDOG=1");
    if (manager->is_stuck && !was_stuck)
        log_error("loop-stuck", "shard %u has not moved for %" PRIu64 " ms: the watchdog is not fed any more", who,
                  (now_us - alive_us) / 1000);
    else if (was_stuck && !manager->is_stuck)
        log_warning("loop-moves", "all shards move again");
}

static void tell(struct manager *manager, const char *text, double per_second)
{
    char line[STATUS_BYTES];

    snprintf(line, sizeof(line), "%s, %.*f requests/s", text, per_second < 10 && per_second > 0 ? 1 : 0, per_second);
    if (strcmp(line, manager->told) == 0)
        return;
    memcpy(manager->told, line, sizeof(line));
    (void)sd_notifyf(0, "STATUS=%s", line);
}

/* Returns how many exchanges have ended. */
static uint64_t tell_now(struct manager *manager)
{
    char text[STATUS_BYTES - 32];
    uint64_t exchanges = 0, now_us = clock_mono_us();

    manager->callbacks.describe(manager->callbacks.arg, text, sizeof(text), &exchanges);
    double seconds = (double)(now_us - manager->told_us) / 1e6;

    tell(manager, text, seconds > 0 ? (double)(exchanges - manager->told_exchanges) / seconds : 0);
    return exchanges;
}

void manager_tell(struct manager *manager)
{
    (void)tell_now(manager);
}

static void tell_again(evutil_socket_t fd, short what, void *arg)
{
    struct manager *manager = arg;

    (void)fd;
    (void)what;
    manager->told_exchanges = tell_now(manager);
    manager->told_us = clock_mono_us();
}

static int start_timer(struct event *event, uint64_t period_us)
{
    struct timeval period = {(time_t)(period_us / 1000000), (suseconds_t)(period_us % 1000000)};

    return event && event_add(event, &period) == 0 ? 0 : -ENOMEM;
}

int manager_new(struct event_base *base, const struct manager_callbacks *callbacks, struct manager **ret_manager)
{
    struct manager *manager = calloc(1, sizeof(*manager));
    uint64_t interval_us = 0;

    if (!manager)
        return -ENOMEM;
    manager->callbacks = *callbacks;
    manager->told_us = clock_mono_us();
    manager->status = event_new(base, -1, EV_PERSIST, tell_again, manager);
    int r = start_timer(manager->status, STATUS_PERIOD_US);

    if (r == 0 && sd_watchdog_enabled(0, &interval_us) > 0 && interval_us > 0) {
        manager->patience_us = interval_us / 2;
        manager->watchdog = event_new(base, -1, EV_PERSIST, feed, manager);
        r = start_timer(manager->watchdog, interval_us / 4 > 0 ? interval_us / 4 : 1);
    }
    if (r < 0) {
        manager_free(manager);
        return r;
    }
    *ret_manager = manager;
    return 0;
}

struct manager *manager_free(struct manager *manager)
{
    if (!manager)
        return NULL;
    if (manager->watchdog)
        event_free(manager->watchdog);
    if (manager->status)
        event_free(manager->status);
    free(manager);
    return NULL;
}
