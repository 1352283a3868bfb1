/* SPDX-License-Identifier: MIT */
/* blobproxyctl drain: stops the daemon, as soon as what is under way has ended. */
#include "arguments.h"
#include "client.h"
#include "field.h"
#include "../lib/clock.h"
#include "../lib/compat.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define TIMEOUT_S 86400.0 /* the daemon has its own, limits.drain_timeout */

struct drain {
    bool has_no_wait;
    double timeout_s;
};

/* The daemon's process, by a descriptor that becomes readable when it ends; -1: it cannot be seen from here. Before the order, so
 * that it is no other process of the same number. */
static int open_process(struct client *client, long long *ret_pid, int *ret_process, struct err *err)
{
    json_auto_t *status = NULL;
    int r = client_get_json(client, "/status", &status, err);

    if (r < 0)
        return r;
    *ret_pid = field_count(status, "pid");
    *ret_process = *ret_pid > 0 ? pidfd_open((pid_t)*ret_pid, 0) : -1;
    return 0;
}

static int send_order(struct client *client, struct err *err)
{
    CLEANUP(buf_free) struct buf body;
    unsigned status;

    buf_init(&body, CLIENT_ANSWER_MAX_BYTES);
    int r = client_ask(client, "POST", "/drain", &status, &body, err);

    if (r < 0)
        return r;
    return status == 202 ? 0 : client_refused("/drain", status, &body, err);
}

/* false: it is still there after that time. */
static bool wait_end(int process, double timeout_s)
{
    struct pollfd wait = {.fd = process, .events = POLLIN};
    uint64_t end_us = clock_mono_us() + (uint64_t)(timeout_s * 1e6);

    for (;;) {
        uint64_t now_us = clock_mono_us();
        int r = poll(&wait, 1, now_us < end_us ? (int)((end_us - now_us + 999) / 1000) : 0);

        if (r > 0)
            return true;
        if (now_us >= end_us)
            return false;
    }
}

static enum ctl_exit tell(const struct ctl *ctl, bool has_ended, long long pid, const char *text)
{
    if (ctl->is_json)
        return ctl_print_json(ctl,
                              json_pack("{s:b, s:b, s:I}", "draining", !has_ended, "ended", has_ended, "pid", (json_int_t)pid));
    (void)fprintf(ctl->out, "%s\n", text);
    return CTL_EXIT_OK;
}

static enum ctl_exit drain(const struct ctl *ctl, const struct drain *drain)
{
    CLEANUP(client_cleanup) struct client *client = NULL;
    CLEANUP(cleanup_fd) int process = -1;
    struct err err = {0};
    long long pid = 0;
    int r = client_open(ctl->socket, &client, &err);

    r = r < 0 ? r : open_process(client, &pid, &process, &err);
    r = r < 0 ? r : send_order(client, &err);
    if (r < 0)
        return ctl_fail(ctl, "%s", err.text);
    if (drain->has_no_wait)
        return tell(ctl, false, pid, "blobproxyd finishes what is under way and then ends");
    if (process < 0)
        return ctl_fail(ctl, "blobproxyd drains, but its process %lld cannot be watched from here: %s", pid, strerror(errno));
    if (!wait_end(process, drain->timeout_s))
        return ctl_fail(ctl, "blobproxyd still drains after %g s: see blobproxyctl exchanges; a second drain ends it at once",
                        drain->timeout_s);
    return tell(ctl, true, pid, "blobproxyd has ended");
}

enum ctl_exit verb_drain(struct ctl *ctl, int argc, char **argv)
{
    struct drain wanted = {.timeout_s = TIMEOUT_S};
    const struct argument arguments[] = {
        {.name = "no-wait", .flag = &wanted.has_no_wait},
        {.name = "timeout", .seconds = &wanted.timeout_s, .min = 0, .max = TIMEOUT_S},
        {0},
    };
    enum ctl_exit result = arguments_read(ctl, argc, argv, arguments, NULL);

    return result == CTL_EXIT_OK ? drain(ctl, &wanted) : result;
}
