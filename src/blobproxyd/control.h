/* SPDX-License-Identifier: MIT */
/* The control socket: what blobproxyctl(1) asks and orders. HTTP over a Unix socket, JSON; root, the daemon's own user and the
 * members of listen.control_group are served. Main thread. */
#ifndef BLOBPROXYD_CONTROL_H
#define BLOBPROXYD_CONTROL_H

#include "../lib/buf.h"
#include "../lib/err.h"
#include "admin.h"
#include "survey.h"

#include <jansson.h>
#include <sys/types.h>

struct control;

struct control_callbacks {
    struct admin_callbacks admin; /* /metrics, /status, /readyz */
    /* Asks all shards; done comes later, never inside. 0 or -ENOMEM. */
    int (*survey)(void *arg, enum survey_topic topic, survey_done done, void *done_arg, struct survey **ret_survey);
    /* Writes {"errors":[...]}, the last failed exchanges of all shards, the newest first, at most max. 0 or a negative errno. */
    int (*errors)(void *arg, size_t max, struct buf *text);
    void (*drain)(void *arg);
    /* 0: taken, and kept names what takes effect only at a start; otherwise err says why not. */
    int (*reload)(void *arg, struct buf *kept, struct err *err);
    void *arg;
};

/* Serves fd, a listening Unix socket, which it then owns. group: whose members are served besides; (gid_t)-1: nobody's. 0,
 * -ENOMEM. */
int control_new(struct event_base *base, int fd, gid_t group, const struct control_callbacks *callbacks,
                struct control **ret_control) MUST_CHECK;

/* Surveys under way are called off. NULL is fine; returns NULL. */
struct control *control_free(struct control *control);

#endif
