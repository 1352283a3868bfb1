/* SPDX-License-Identifier: MIT */
/* What the parts of the daemon share: its state, what it tells of itself, its configuration at a reload. Main thread. */
#ifndef BLOBPROXYD_DAEMON_INTERNAL_H
#define BLOBPROXYD_DAEMON_INTERNAL_H

#include "activation.h"
#include "admin.h"
#include "conf.h"
#include "control.h"
#include "daemon.h"
#include "listen.h"
#include "manager.h"
#include "metrics.h"
#include "shard.h"
#include "supervise.h"

#define SHARDS_MAX 256u

enum daemon_state { DAEMON_STARTING, DAEMON_SERVING, DAEMON_DRAINING, DAEMON_STOPPING };

struct daemon {
    struct conf *conf; /* counted */
    struct event_base *base;
    struct event *sigterm, *sigint, *sighup, *changed, *drain_timer, *extend_timer, *channel_timer;
    int changed_fd; /* shards tell it that their state has changed */
    struct metrics *metrics;
    struct listen *listen;
    struct admin *admin;
    struct control *control;
    char *control_path; /* of a socket that is ours: removed at the end; owned */
    char metrics_address[64];
    uint64_t started_us;
    bool was_reload_good;
    int64_t reload_s; /* wall clock, of the last one */
    struct manager *manager;
    struct activation activation;
    struct supervise *supervise;
    struct shard *shards[SHARDS_MAX];
    unsigned shard_count, next_shard;
    enum daemon_state state;
    int exit_status;
    unsigned connections_max; /* limits.connections, or what the descriptors allow */
    bool has_been_ready;      /* the channel of every shard has been up once */
    bool is_cut;              /* draining, without clients: only for what the host has */
};

/* ---- daemon_report.c ---- */

unsigned daemon_connections(void *arg);
unsigned daemon_transfers(const struct daemon *daemon);
unsigned daemon_channels_up(const struct daemon *daemon);
bool daemon_has_fallback(const struct daemon *daemon);

/* "emulated", "device", or once its driver has been asked "device, ioctl 0xc04852f0". */
void daemon_describe_channel(const struct daemon *daemon, char *text, size_t text_bytes);

/* For the listener of metrics, the control socket and the service manager. */
struct admin_callbacks daemon_admin_callbacks(struct daemon *daemon);
struct manager_callbacks daemon_manager_callbacks(struct daemon *daemon);
int daemon_survey(void *arg, enum survey_topic topic, survey_done done, void *done_arg, struct survey **ret_survey);

int daemon_errors(void *arg, size_t max, struct buf *text);

/* ---- daemon_reload.c ---- */

/* Gauges and warnings of a configuration that was read, taken or not. */
void daemon_tell_of_conf(struct daemon *daemon, bool is_taken);

/* The log is written as it says. */
void daemon_log_as(const struct conf *conf);

/* Reads it again and tells systemd. 0: taken, kept names what takes effect only at a start. Otherwise all stays, and err says
 * why. */
int daemon_reload(struct daemon *daemon, struct buf *kept, struct err *err);

#endif
