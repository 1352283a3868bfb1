/* SPDX-License-Identifier: MIT */
/* The guest's end of one opened channel: transfers in flight over a pair of rings. Knows nothing of how the channel was opened.
 */
#ifndef BLOBPROXY_VSC_H
#define BLOBPROXY_VSC_H

#include "../vmbus/ring.h"
#include "channel.h"

struct vsc;

/* Over freshly initialised rings; port and counters are borrowed. At most transfers_max transfers are in flight. 0, -ENOMEM,
 * -EINVAL: ring_bytes. */
int vsc_new(struct ring_port *port, void *ring_memory, uint32_t ring_bytes, uint32_t transfers_max,
            struct channel_counters *counters, struct vsc **ret_vsc) MUST_CHECK;

/* No transfer may be in flight: vsc_abort() first. Returns NULL. */
struct vsc *vsc_free(struct vsc *vsc);

/* As channel_submit(); besides -EPROTO: the peer's side of the ring is garbage (err says what).
 * A full ring is not announced to the peer (pending_send_sz): all that fills it is in flight, so a completion is sure to come
 * after room was made, and it is what the callers wait for anyway. A signal in between would wake this end for nothing. */
int vsc_submit(struct vsc *vsc, struct transfer *transfer, struct err *err) MUST_CHECK;

/* On a wake-up: masks interrupts and runs completions. 0: all done, unmasked, wait for the next signal; -EAGAIN: more than
 * budget, call again; -EPROTO: garbage (err says what), the channel must be given up. */
int vsc_drain(struct vsc *vsc, unsigned budget, struct err *err) MUST_CHECK;

/* Completes everything in flight with -ENODEV. Does not touch the rings, whose memory may be gone. */
void vsc_abort(struct vsc *vsc);

#endif
