/* SPDX-License-Identifier: MIT */
/* The way to the host: open, submit, complete, close. One channel per shard; all calls and callbacks on the shard's thread. */
#ifndef BLOBPROXY_CHANNEL_H
#define BLOBPROXY_CHANNEL_H

#include "../slots.h"
#include "device_abi.h"

#include <event2/event.h>

enum channel_state { CHANNEL_DOWN, CHANNEL_UP };

struct channel;

/* What a kind of channel implements; the struct it keeps starts with a struct channel. */
struct channel_ops {
    const char *name; /* "emulated" */
    /* What is in flight cannot be called back, and the process cannot end before the host has completed it. */
    bool is_uninterruptible;
    int (*submit)(struct channel *channel, struct transfer *transfer);
    uint32_t (*threads)(const struct channel *channel); /* that wait for the host; NULL: none */
    void (*close)(struct channel *channel);
};

struct channel_listener {
    /* State changed, or (DOWN again) it stays down for another reason than last told; reason is for the log ("bus: closed by the
     * peer"). Up means: slots are attached and submit works. From the loop, never inside open, submit or close. Neither this nor
     * transfer->done may call channel_close(). On a loss it runs before the transfers in flight are completed. */
    void (*changed)(void *owner, enum channel_state state, const char *reason);
    /* The state stays, but an operator should know; the same thing at most once a minute. From the loop, or inside submit. */
    void (*trouble)(void *owner, const char *text);
    void *owner;
};

struct channel_counters {
    uint64_t submitted, completed, lost; /* transfers */
    uint64_t ring_full;                  /* times that a transfer found no room */
    uint64_t protocol_errors;            /* garbage from the peer; emulated: each closed the channel */
    uint64_t refused;                    /* transfers that a driver would not take */
    uint64_t opens;                      /* times it came up */
    uint32_t in_flight;
};

struct channel {
    const struct channel_ops *ops;
    enum channel_state state;
    struct channel_listener listener;
    struct channel_counters counters;
    uint32_t command; /* device, once it was up: the ioctl number that its driver knows */
};

/* The transfer of a slot. 0; -EAGAIN: no room in the ring now, try again after a completion (there is always one to come: what
 * fills the ring is in flight); -ENODEV: the channel is down; -EINVAL: sizes that the slot does not have.
 * On success the slot belongs to the host until transfer->done has run. */
static inline int channel_submit(struct channel *channel, struct transfer *transfer)
{
    return channel->ops->submit(channel, transfer);
}

/* Threads that wait for the host now. */
static inline uint32_t channel_threads(const struct channel *channel)
{
    return channel->ops->threads ? channel->ops->threads(channel) : 0;
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

/* Can the device be opened, and does its driver know one of the numbers? *ret_command (may be NULL): which. 0 or a negative
 * errno, and err says why not ("open PATH: No such file or directory"). Nothing is sent. */
int channel_device_check(const char *path, uint32_t *ret_command, struct err *err) MUST_CHECK;

struct channel_device_config {
    const char *path; /* copied */
    struct slot_geometry geometry;
    uint32_t depth;         /* transfers at the host at a time, and so threads that wait for it; made as they are needed */
    uint32_t reopen_min_ms; /* first delay after a loss; doubles up to reopen_max_ms. A device that appears is opened at once */
    uint32_t reopen_max_ms;
    const struct device_calls *calls; /* NULL: the kernel's */
};

/* The ioctl of the published drivers. Opens the device, from this thread and in this process, as soon as it can and again after
 * each loss. Beyond what channel_submit() says of results: -ECANCELED: the host never had the transfer, nothing was executed;
 * -EINVAL: nor had it, because the driver refused it; -EPROTO, -EINTR: the outcome is unknown.
 * channel_close() leaves the memory of what the kernel still has, and the threads in it, to the kernel.
 * slots, made with the same geometry, must outlive the channel. 0, -ENOMEM, -EMFILE, -EINVAL: a depth that is none, or a slot
 * with more pages than a transfer may have. */
int channel_device_open(struct event_base *base, const struct channel_device_config *config, struct slots *slots,
                        const struct channel_listener *listener, struct channel **ret_channel) MUST_CHECK;

#endif
