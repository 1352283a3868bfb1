/* SPDX-License-Identifier: MIT */
/* blobproxyctl wait-ready: for scripts that start the daemon and then need it. */
#include "arguments.h"
#include "client.h"
#include "../lib/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define TIMEOUT_S 60.0
#define TIMEOUT_MAX_S 86400.0
#define POLL_MS 50 /* the socket may not be there yet, and who makes it is not known */

/* 1: ready; 0: not yet, and err says why; a negative errno when asking again is of no use. */
static int ask(const struct ctl *ctl, struct err *err)
{
    CLEANUP(client_cleanup) struct client *client = NULL;
    CLEANUP(buf_free) struct buf body;
    unsigned status = 0;

    buf_init(&body, CLIENT_ANSWER_MAX_BYTES);
    int r = client_open(ctl->socket, &client, err);

    r = r < 0 ? r : client_ask(client, "GET", "/readyz", &status, &body, err);
    if (r < 0)
        return r == -EACCES || r == -ENAMETOOLONG || r == -ENOMEM ? r : 0;
    if (status == 200)
        return 1;
    const char *text = body.bytes ? body.bytes : "";

    return err_set(err, 0, "blobproxyd is not ready: %.*s", (int)strcspn(text, "\r\n"), text);
}

static enum ctl_exit tell(const struct ctl *ctl, double waited_s)
{
    if (ctl->is_json)
        return ctl_print_json(ctl, json_pack("{s:b, s:f}", "ready", 1, "waited_seconds", waited_s));
    (void)fputs("ready\n", ctl->out);
    return CTL_EXIT_OK;
}

static enum ctl_exit wait_ready(const struct ctl *ctl, double timeout_s)
{
    uint64_t begin_us = clock_mono_us();

    for (;;) {
        struct err err = {0};
        int r = ask(ctl, &err);
        double waited_s = (double)(clock_mono_us() - begin_us) / 1e6;

        if (r > 0)
            return tell(ctl, waited_s);
        if (r < 0)
            return ctl_fail(ctl, "%s", err.text);
        if (waited_s >= timeout_s)
            return ctl_fail(ctl, "not within %g s: %s", timeout_s, err.text);
        (void)poll(NULL, 0, POLL_MS);
    }
}

enum ctl_exit verb_wait_ready(struct ctl *ctl, int argc, char **argv)
{
    double timeout_s = TIMEOUT_S;
    const struct argument arguments[] = {{.name = "timeout", .seconds = &timeout_s, .min = 0, .max = TIMEOUT_MAX_S}, {0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, arguments, NULL);

    return result == CTL_EXIT_OK ? wait_ready(ctl, timeout_s) : result;
}
