/* SPDX-License-Identifier: MIT */
/* A libmicrohttpd daemon under libevent. */
#include "mhdloop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Turns of MHD_run() in a row before other events of the loop get theirs. */
#define RUNS_IN_A_ROW 8

struct mhdloop {
    struct MHD_Daemon *daemon;
    bool (*turn_over)(void *arg);
    void *arg;
    struct event *readable; /* MHD's epoll descriptor */
    struct event *timer;    /* armed with what MHD_get_timeout() answers; activated by hand for a kick */
    bool is_running;
    bool is_kicked; /* while it ran */
};

/* Not event_active(): libevent runs what was activated by hand before it looks at descriptors and timers, so a daemon that always
 * has more to do would starve everything else on the loop. */
static void run_next_turn(struct mhdloop *loop)
{
    struct timeval at_once = {0, 0};

    event_add(loop->timer, &at_once);
}

/* In how many ms the daemon wants to run again; -1: when its descriptor is readable. */
static int64_t run_once(struct mhdloop *loop)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    loop->is_running = true;
    loop->is_kicked = false;
    MHD_run(loop->daemon);
    bool is_busy = !loop->turn_over || loop->turn_over(loop->arg);

    loop->is_running = false;
    if (loop->is_kicked) /* the library says nothing of a connection that is to be resumed */
        return 0;
    return is_busy && MHD_get_timeout(loop->daemon, &timeout_ms) == MHD_YES ? (int64_t)timeout_ms : -1;
}

static void mhdloop_run(evutil_socket_t fd, short what, void *arg)
{
    struct mhdloop *loop = arg;
    int64_t timeout_ms = 0;

    (void)fd;
    (void)what;
    for (int runs = 0; runs < RUNS_IN_A_ROW && timeout_ms == 0; runs++)
        timeout_ms = run_once(loop);
    if (timeout_ms < 0) {
        event_del(loop->timer);
        return;
    }
    if (timeout_ms == 0) {
        run_next_turn(loop);
        return;
    }
    struct timeval delay = {(time_t)(timeout_ms / 1000), (suseconds_t)(timeout_ms % 1000 * 1000)};
    event_add(loop->timer, &delay);
}

int mhdloop_new(struct event_base *base, struct MHD_Daemon *daemon, bool (*turn_over)(void *arg), void *arg,
                struct mhdloop **ret_loop)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct mhdloop *loop = calloc(1, sizeof(*loop));

    if (!loop || !info) {
        free(loop);
        return -ENOMEM;
    }
    loop->daemon = daemon;
    loop->turn_over = turn_over;
    loop->arg = arg;
    loop->readable = event_new(base, info->epoll_fd, EV_READ | EV_PERSIST, mhdloop_run, loop);
    loop->timer = evtimer_new(base, mhdloop_run, loop);
    if (!loop->readable || !loop->timer || event_add(loop->readable, NULL) < 0) {
        mhdloop_free(loop);
        return -ENOMEM;
    }
    *ret_loop = loop;
    return 0;
}

void mhdloop_kick(struct mhdloop *loop)
{
    if (loop->is_running)
        loop->is_kicked = true;
    else
        event_active(loop->timer, EV_TIMEOUT, 0);
}

struct mhdloop *mhdloop_free(struct mhdloop *loop)
{
    if (!loop)
        return NULL;
    if (loop->readable)
        event_free(loop->readable);
    if (loop->timer)
        event_free(loop->timer);
    free(loop);
    return NULL;
}
