// SPDX-License-Identifier: GPL-2.0-only
/* The calls into the kernel's ring code, and the one function that it calls back: the interrupt to the peer. */
#include "end.h"

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "hyperv_vmbus.h"

#define SCRATCH_BYTES LOCKSTEP_RING_BYTES_MAX /* what may be read in one piece; more than may be written */

/* Stands in for the hypercall: the decision to signal is what is looked at. */
void vmbus_setevent(struct vmbus_channel *channel)
{
    container_of(channel, struct lockstep_end, channel)->signals++;
}

int end_init(struct lockstep_end *end, struct page *out, struct page *in, u32 ring_bytes)
{
    u32 pages = ring_bytes >> PAGE_SHIFT;
    int r;

    mutex_init(&end->mutex);
    hv_ringbuffer_pre_init(&end->channel);
    end->scratch = kvmalloc(SCRATCH_BYTES, GFP_KERNEL);
    if (!end->scratch)
        return -ENOMEM;
    r = hv_ringbuffer_init(&end->channel.outbound, out, pages, 0);
    if (r)
        return r;
    /* Not more than the data area: what the ring's code copies on a garbage length is bounded by this alone. */
    return hv_ringbuffer_init(&end->channel.inbound, in, pages, ring_bytes - PAGE_SIZE);
}

void end_done(struct lockstep_end *end)
{
    if (end->channel.outbound.ring_buffer)
        hv_ringbuffer_cleanup(&end->channel.outbound);
    if (end->channel.inbound.ring_buffer)
        hv_ringbuffer_cleanup(&end->channel.inbound);
    kvfree(end->scratch);
}

static int copy_vectors(struct lockstep_end *end, const struct lockstep_call *call, struct kvec *kvecs)
{
    struct lockstep_vector vectors[LOCKSTEP_VECTORS_MAX];
    size_t at = 0;
    u32 i;

    if (call->count == 0 || call->count > LOCKSTEP_VECTORS_MAX)
        return -EINVAL;
    if (copy_from_user(vectors, u64_to_user_ptr(call->address), call->count * sizeof(*vectors)))
        return -EFAULT;
    for (i = 0; i < call->count; i++) {
        at = ALIGN(at, 8) + vectors[i].address % 8;
        if (vectors[i].bytes > SCRATCH_BYTES - at)
            return -EINVAL;
        if (copy_from_user(end->scratch + at, u64_to_user_ptr(vectors[i].address), vectors[i].bytes))
            return -EFAULT;
        kvecs[i] = (struct kvec){.iov_base = end->scratch + at, .iov_len = vectors[i].bytes};
        at += vectors[i].bytes;
    }
    /* The ring's code looks into the descriptor through the first vector. */
    return vectors[0].bytes < sizeof(struct vmpacket_descriptor) ? -EINVAL : 0;
}

static int write(struct lockstep_end *end, struct lockstep_call *call)
{
    struct kvec kvecs[LOCKSTEP_VECTORS_MAX];
    int r = copy_vectors(end, call, kvecs);

    if (r)
        return r;
    call->result = hv_ringbuffer_write(&end->channel, kvecs, call->count, call->transaction_id, NULL);
    return 0;
}

static int read(struct lockstep_end *end, struct lockstep_call *call)
{
    u64 transaction_id;

    if (call->bytes > SCRATCH_BYTES)
        return -EINVAL;
    call->result = hv_ringbuffer_read(&end->channel, end->scratch, call->bytes, &call->ret_bytes, &transaction_id, call->is_raw);
    if (call->result)
        return 0;
    call->transaction_id = transaction_id;
    return copy_to_user(u64_to_user_ptr(call->address), end->scratch, call->ret_bytes) ? -EFAULT : 0;
}

static int iterate(struct lockstep_end *end, struct lockstep_call *call)
{
    struct vmpacket_descriptor *packet = call->count ? hv_pkt_iter_first(&end->channel) : NULL;
    int r = 0;

    while (packet && r == 0 && call->ret_count < call->count && hv_pkt_len(packet) <= call->bytes - call->ret_bytes) {
        if (copy_to_user(u64_to_user_ptr(call->address + call->ret_bytes), packet, hv_pkt_len(packet)))
            r = -EFAULT;
        call->ret_bytes += hv_pkt_len(packet);
        call->ret_count++;
        packet = __hv_pkt_iter_next(&end->channel, packet);
    }
    hv_pkt_iter_close(&end->channel);
    return r;
}

static int dispatch(struct lockstep_end *end, unsigned int command, struct lockstep_call *call)
{
    switch (command) {
    case LOCKSTEP_WRITE:
        return write(end, call);
    case LOCKSTEP_READ:
        return read(end, call);
    case LOCKSTEP_ITERATE:
        return iterate(end, call);
    case LOCKSTEP_BEGIN_READ:
        hv_begin_read(&end->channel.inbound);
        return 0;
    case LOCKSTEP_END_READ:
        call->ret_bytes = hv_end_read(&end->channel.inbound);
        return 0;
    case LOCKSTEP_PENDING:
        set_channel_pending_send_size(&end->channel, call->bytes);
        /* As its callers do: the room is looked at after the wish is known. */
        virt_mb();
        call->ret_bytes = hv_get_bytes_to_write(&end->channel.outbound);
        return 0;
    default:
        return -ENOTTY;
    }
}

int end_call(struct lockstep_end *end, unsigned int command, struct lockstep_call *call)
{
    u32 signals = end->signals;
    u64 empty_signals = end->channel.intr_out_empty, full_signals = end->channel.intr_in_full;
    int r;

    call->result = 0;
    call->ret_bytes = 0;
    call->ret_count = 0;
    r = dispatch(end, command, call);
    call->signals = end->signals - signals;
    call->empty_signals = end->channel.intr_out_empty - empty_signals;
    call->full_signals = end->channel.intr_in_full - full_signals;
    return r;
}
