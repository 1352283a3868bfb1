/* SPDX-License-Identifier: MIT */
/* One guest's channel at the host's end, from the offer to the last unmapped page. */
#ifndef BLOBHOSTD_VSP_CHANNEL_H
#define BLOBHOSTD_VSP_CHANNEL_H

#include "executor.h"

#include <stdbool.h>

struct vsp_channel;

struct vsp_channel_config {
    int socket; /* connected, non-blocking; the channel's from a successful start on */
    struct executor *executor;
    unsigned open_timeout_ms;
    int stop_fd;     /* borrowed; readable: rescind and finish */
    int finished_fd; /* borrowed eventfd; written when the channel has finished */
    unsigned number; /* for the log */
};

/* Starts the channel's thread, which sends the offer and serves until the guest leaves, talks garbage, or stop_fd says so. */
int vsp_channel_start(const struct vsp_channel_config *config, struct vsp_channel **ret_channel) MUST_CHECK;

/* Its thread is about to end: vsp_channel_join() will not block. */
bool vsp_channel_is_finished(const struct vsp_channel *channel);

/* Waits for the thread and frees. Returns NULL. */
struct vsp_channel *vsp_channel_join(struct vsp_channel *channel);

/* The event loop of the calling channel thread, or NULL. */
struct event_base *vsp_channel_thread_base(void);

#endif
