/* SPDX-License-Identifier: MIT */
/* One shard: a thread with its own loop, HTTP server, channel, slots and timers. Nothing on a request's path leaves it. */
#ifndef BLOBPROXYD_SHARD_H
#define BLOBPROXYD_SHARD_H

#include "conf.h"
#include "metrics.h"
#include "survey.h"

#include <stdatomic.h>
#include <sys/socket.h>

struct shard;

struct shard_config {
    unsigned number, count;
    const struct conf *conf; /* counted while the shard needs it */
    struct metrics_shard *metrics;
    /* Called on the shard's thread when something worth a look by the main thread has changed: channel, drained. */
    void (*changed)(void *arg);
    void *arg;
};

/* Starts the thread. 0, -ENOMEM, -EIO. */
int shard_start(const struct shard_config *config, struct shard **ret_shard, struct err *err) MUST_CHECK;

/* Hands an accepted, non-blocking socket over; is_tls: its client begins with a handshake. 0 or -ENOMEM (then it is still the
 * caller's). Any thread. */
int shard_give(struct shard *shard, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len) MUST_CHECK;

/* For what begins from now on; counts conf. 0 or -ENOMEM. Any thread. */
int shard_reconfigure(struct shard *shard, const struct conf *conf) MUST_CHECK;

/* Finish what is in flight, close what is idle. Any thread. */
void shard_drain(struct shard *shard);

/* The shard answers the survey, whose count it takes, also when -ENOMEM is returned. Any thread. */
int shard_survey(struct shard *shard, struct survey *survey, enum survey_topic topic) MUST_CHECK;

/* While it drains: cut clients off, and wait only for what the host has and cannot be called back. Any thread. */
void shard_cut(struct shard *shard);

struct shard_state {
    bool is_channel_up;
    bool is_drained; /* draining, no exchange left, and nothing at the host that cannot be called back */
    unsigned connections;
    unsigned transfers; /* at the host, as of the last sweep */
    uint32_t command;   /* the ioctl number of a device that has been up, else 0 */
    uint64_t swept_us;  /* when its loop last came round; it does so four times a second */
    uint64_t exchanges_ended;
    unsigned exchanges; /* under way, as of the last sweep */
};
struct shard_state shard_state(const struct shard *shard);

/* The last exchanges of it that failed; lives as long as the shard. NULL: there was no memory for it. Any thread. */
struct failures *shard_failures(const struct shard *shard);

/* Cuts what is left, joins the thread, frees. Returns the number of exchanges that were cut. NULL is fine. */
unsigned shard_stop(struct shard *shard);

#endif
