/* SPDX-License-Identifier: MIT */
/* The daemon's state as a value, and as JSON for people's and programs' pages. */
#ifndef BLOBPROXYD_STATUS_H
#define BLOBPROXYD_STATUS_H

#include "conf.h"

#include "../lib/buf.h"

/* All borrowed for the call. */
struct status {
    const struct conf *conf;
    const char *state; /* "starting", "serving", "draining" */
    bool is_ready;
    const char *reason;    /* why not; "" */
    const char *listeners; /* blank-separated, as the log has them */
    const char *metrics;   /* address, or NULL */
    uint64_t started_us;   /* monotonic */
    unsigned channels_up, channels;
    uint32_t command; /* of the device; 0: none */
    unsigned connections, exchanges, transfers;
    uint64_t exchanges_ended;
    bool was_reload_good;
    int64_t reload_s; /* wall clock, of the last one */
};

/* One JSON object and a line end. No secret is in it. 0, -ENOMEM, -ENOBUFS. */
int status_write(const struct status *status, struct buf *text) MUST_CHECK;

#endif
