/* SPDX-License-Identifier: MIT */
/* The way to the host: open, submit, complete, close. One channel per shard; all calls and callbacks on the shard's thread. */
#ifndef BLOBPROXY_CHANNEL_H
#define BLOBPROXY_CHANNEL_H

#include "../slots.h"

#include <event2/event.h>

enum channel_state { CHANNEL_DOWN, CHANNEL_UP };

struct channel;

/* What a kind of channel implements; the struct it keeps starts with a struct channel. */
struct channel_ops {
    const char *name; /* "emulated" */
    int (*submit)(struct channel *channel, struct transfer *transfer);
    void (*close)(struct channel *channel);
};

struct channel_listener {
    /* State changed, or (DOWN again) it stays down for another reason than last told; reason is for the log ("bus: closed by the
     * peer"). Up means: slots are attached and submit works. From the loop, never inside open, submit or close. Neither this nor
     * transfer->done may call channel_close(). On a loss it runs before the transfers in flight are completed. */
    void (*changed)(void *owner, enum channel_state state, const char *reason);
    void *owner;
};

struct channel_counters {
    uint64_t submitted, completed, lost; /* transfers */
    uint64_t ring_full;                  /* submits that found no room */
    uint64_t protocol_errors;            /* garbage from the peer: each closed the channel */
    uint64_t opens;                      /* times it came up */
    uint32_t in_flight;
};

struct channel {
    const struct channel_ops *ops;
    enum channel_state state;
    struct channel_listener listener;
    struct channel_counters counters;
};

/* The transfer of a slot. 0; -EAGAIN: no room in the ring now, try again after a completion (there is always one to come: what
 * fills the ring is in flight); -ENODEV: the channel is down; -EINVAL: sizes that the slot does not have.
 * On success the slot belongs to the host until transfer->done has run. */
static inline int channel_submit(struct channel *channel, struct transfer *transfer)
{
    return channel->ops->submit(channel, transfer);
}

/* Completes what is in flight with -ENODEV (inside this call), detaches the slots, frees. */
static inline void channel_close(struct channel *channel)
{
    if (channel)
        channel->ops->close(channel);
}

struct channel_emulated_config {
    const char *socket_path; /* blobhostd's bus socket; copied */
    uint32_t ring_bytes;     /* one direction, header page included; power-of-two multiple of 4096 */
    struct slot_geometry geometry;
    uint32_t reconnect_min_ms; /* first delay after a loss; doubles up to reconnect_max_ms */
    uint32_t reconnect_max_ms;
    uint32_t open_timeout_ms; /* for the host to offer the channel and open it; 0: 5 s */
};

/* The VMBus ring over a memfd shared with blobhostd. Starts connecting and keeps doing so for ever; never blocks.
 * slots, made with the same geometry, must outlive the channel. 0, -ENOMEM, -EINVAL: a path too long for a socket, or a ring that
 * cannot hold the packet of the largest slot. */
int channel_emulated_open(struct event_base *base, const struct channel_emulated_config *config, struct slots *slots,
                          const struct channel_listener *listener, struct channel **ret_channel) MUST_CHECK;

#endif
