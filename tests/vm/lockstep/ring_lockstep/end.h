/* SPDX-License-Identifier: GPL-2.0-only */
/* One end of a channel with the kernel's ring code in it. GPL-2.0 since it is linked with that code. */
#ifndef RING_LOCKSTEP_END_H
#define RING_LOCKSTEP_END_H

#include <linux/hyperv.h>
#include <linux/mutex.h>

#include "lockstep_abi.h"

struct lockstep_end {
    struct vmbus_channel channel; /* only its two rings and counters are used */
    struct mutex mutex;
    void *scratch; /* LOCKSTEP_RING_BYTES_MAX, where vectors and packets lie on their way from and to the caller */
    u32 signals;
};

/* Over pages of one half each. 0 or -ENOMEM; end_done() is needed either way and right for zeroed memory, too. */
int end_init(struct lockstep_end *end, struct page *out, struct page *in, u32 ring_bytes);
void end_done(struct lockstep_end *end);

/* One LOCKSTEP_ command (not CREATE), with the end's mutex held: 0, -EFAULT, -EINVAL, or -ENOTTY when there is no such command.
 */
int end_call(struct lockstep_end *end, unsigned int command, struct lockstep_call *call);

#endif
