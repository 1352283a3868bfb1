/* SPDX-License-Identifier: MIT */
/* What ring_lockstep (the program) and ring_lockstep.ko (the kernel's ring) say to each other over /dev/ring_lockstep. One open
 * file is one channel's memory, 2 * ring_bytes, with the kernel's code at both of its ends; mmap() from offset 0 shows it. Calls
 * on one end are serialised; the two ends may be driven from two threads. Errors of the calls themselves: -EBUSY: created
 * already, -EINVAL: not created or arguments out of bounds, -EFAULT, -ENOMEM. What the ring's code returns stands in result. */
#ifndef BLOBPROXY_LOCKSTEP_ABI_H
#define BLOBPROXY_LOCKSTEP_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define LOCKSTEP_PATH "/dev/ring_lockstep"
#define LOCKSTEP_VECTORS_MAX 8
#define LOCKSTEP_WRITE_BYTES_MAX (1u << 20)
#define LOCKSTEP_RING_BYTES_MIN 8192u
#define LOCKSTEP_RING_BYTES_MAX (2u << 20)

/* The ends of a channel. */
enum { LOCKSTEP_GUEST, LOCKSTEP_HOST, LOCKSTEP_ENDS };

struct lockstep_vector {
    __u64 address;
    __u64 bytes;
};

struct lockstep_call {
    /* in */
    __u32 end;
    __u32 count; /* vectors, or packets at most */
    __u64 address;
    __u32 bytes; /* room at the address, or of pending_send_sz */
    __u32 is_raw;
    __u64 transaction_id;
    /* out */
    __s32 result;
    __u32 ret_bytes;
    __u32 ret_count;
    __u32 signals;       /* interrupts that the ring's code asked for during the call */
    __u32 empty_signals; /* of these, since the ring was empty before a packet, as the channel's own counters say */
    __u32 full_signals;  /* and since a read made the room that the peer waits for */
};

/* call.bytes: of one half; receives packets of any size that fits. */
#define LOCKSTEP_CREATE _IOWR('L', 1, struct lockstep_call)
/* hv_ringbuffer_write() of the vectors at call.address, each copied to an address of the same alignment. */
#define LOCKSTEP_WRITE _IOWR('L', 2, struct lockstep_call)
/* hv_ringbuffer_read() of one packet; ret_bytes is its length. */
#define LOCKSTEP_READ _IOWR('L', 3, struct lockstep_call)
/* hv_pkt_iter_first() and _next() over at most count packets, copied behind each other, then one hv_pkt_iter_close(). */
#define LOCKSTEP_ITERATE _IOWR('L', 4, struct lockstep_call)
/* hv_begin_read(): masks. */
#define LOCKSTEP_BEGIN_READ _IOWR('L', 5, struct lockstep_call)
/* hv_end_read(): unmasks; ret_bytes is what lies there. */
#define LOCKSTEP_END_READ _IOWR('L', 6, struct lockstep_call)
/* set_channel_pending_send_size(call.bytes); ret_bytes is the room there is after it. */
#define LOCKSTEP_PENDING _IOWR('L', 7, struct lockstep_call)

#endif
