/* SPDX-License-Identifier: MIT */
/* The VMBus ring: layout, arithmetic and the order of memory accesses. */
#include "ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* Each half starts with this page; the data area follows. The indices are byte offsets in the data area, multiples of 8. */
struct ring_header {
    _Atomic uint32_t write_index;     /* producer's */
    _Atomic uint32_t read_index;      /* consumer's */
    _Atomic uint32_t interrupt_mask;  /* consumer's: 1: no signal when the ring stops being empty */
    _Atomic uint32_t pending_send_sz; /* producer's: bytes it waits for, 0: none */
    uint32_t reserved[12];
    _Atomic uint32_t feature_bits; /* bit 0: the producer uses pending_send_sz */
    uint8_t padding[4028];
};

_Static_assert(sizeof(struct ring_header) == RING_HEADER_BYTES, "the header is one page");
_Static_assert(offsetof(struct ring_header, feature_bits) == 64, "feature bits");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bus is little-endian and so are its guests");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "the peer knows nothing of our locks");

#define FEATURE_PENDING_SEND 1u
#define UNIT_BYTES 8u /* of packet lengths and indices */

/* Every handshake below is of one kind: an end stores its own word, then loads a word of the peer's, while the peer does the same
 * the other way round, and at least one of the two must see the other's store. That takes sequentially consistent accesses on
 * both words (the bus's rules say "full barrier"); these also order the copies of packet bytes before and after them. */
#define LOAD(word) atomic_load_explicit(&(word), memory_order_seq_cst)
#define STORE(word, value) atomic_store_explicit(&(word), (value), memory_order_seq_cst)

static uint32_t round_up(uint32_t bytes)
{
    return (bytes + UNIT_BYTES - 1) & ~(UNIT_BYTES - 1);
}

static uint32_t advance(const struct ring_half *half, uint32_t index, uint32_t bytes)
{
    index += bytes;
    return index >= half->data_bytes ? index - half->data_bytes : index;
}

static bool is_index(const struct ring_half *half, uint32_t index)
{
    return index < half->data_bytes && index % UNIT_BYTES == 0;
}

static uint32_t used_bytes(const struct ring_half *half, uint32_t write_index, uint32_t read_index)
{
    return write_index >= read_index ? write_index - read_index : half->data_bytes - read_index + write_index;
}

/* Copies into the data area, across its end, and returns the index behind. */
static uint32_t copy_in(const struct ring_half *half, uint32_t index, const void *bytes, uint32_t len)
{
    uint32_t first = half->data_bytes - index < len ? half->data_bytes - index : len;

    if (len == 0)
        return index;
    memcpy(half->data + index, bytes, first);
    memcpy(half->data, (const uint8_t *)bytes + first, len - first);
    return advance(half, index, len);
}

static uint32_t copy_out(const struct ring_half *half, uint32_t index, void *bytes, uint32_t len)
{
    uint32_t first = half->data_bytes - index < len ? half->data_bytes - index : len;

    memcpy(bytes, half->data + index, first);
    memcpy((uint8_t *)bytes + first, half->data, len - first);
    return advance(half, index, len);
}

static void half_place(struct ring_half *half, uint8_t *memory, uint32_t ring_bytes)
{
    half->header = (struct ring_header *)(void *)memory;
    half->data = memory + RING_HEADER_BYTES;
    half->data_bytes = ring_bytes - RING_HEADER_BYTES;
    half->index = 0;
}

static bool is_ring_size(uint32_t ring_bytes)
{
    return ring_bytes >= RING_BYTES_MIN && ring_bytes <= RING_BYTES_MAX && ring_bytes % PACKET_PAGE_BYTES == 0;
}

int ring_init(struct ring *ring, void *memory, uint32_t ring_bytes)
{
    if (!is_ring_size(ring_bytes))
        return -EINVAL;
    half_place(&ring->out, memory, ring_bytes);
    half_place(&ring->in, (uint8_t *)memory + ring_bytes, ring_bytes);
    memset(ring->out.header, 0, sizeof(*ring->out.header));
    memset(ring->in.header, 0, sizeof(*ring->in.header));
    STORE(ring->out.header->feature_bits, FEATURE_PENDING_SEND);
    STORE(ring->in.header->feature_bits, FEATURE_PENDING_SEND);
    return 0;
}

static bool is_fresh(const struct ring_half *half)
{
    return LOAD(half->header->write_index) == 0 && LOAD(half->header->read_index) == 0;
}

int ring_attach(struct ring *ring, void *memory, uint32_t ring_bytes)
{
    struct ring attached;

    if (!is_ring_size(ring_bytes))
        return -EINVAL;
    half_place(&attached.in, memory, ring_bytes);
    half_place(&attached.out, (uint8_t *)memory + ring_bytes, ring_bytes);
    if (!is_fresh(&attached.in) || !is_fresh(&attached.out))
        return -EPROTO;
    *ring = attached;
    return 0;
}

static int sum_bytes(const struct ring_half *out, const struct iovec *vectors, unsigned vector_count, uint32_t *ret_bytes)
{
    size_t sum = 0;

    for (unsigned i = 0; i < vector_count; i++) {
        if (vectors[i].iov_len > PACKET_BYTES_MAX - sum)
            return -EMSGSIZE;
        sum += vectors[i].iov_len;
    }
    if (round_up((uint32_t)sum) + PACKET_FOOTER_BYTES >= out->data_bytes)
        return -EMSGSIZE;
    *ret_bytes = (uint32_t)sum;
    return 0;
}

/* An equal write and read index mean "empty", so a packet that would fill the ring to the last byte does not fit. */
static int check_room(const struct ring_half *out, uint32_t packet_bytes)
{
    uint32_t read_index = LOAD(out->header->read_index);

    if (!is_index(out, read_index))
        return -EPROTO;
    uint32_t free_bytes = out->data_bytes - used_bytes(out, out->index, read_index);
    return free_bytes > packet_bytes + PACKET_FOOTER_BYTES ? 0 : -EAGAIN;
}

static uint32_t write_packet(const struct ring_half *out, const struct iovec *vectors, unsigned vector_count, uint32_t bytes)
{
    static const uint8_t zeros[UNIT_BYTES];
    uint64_t footer = (uint64_t)out->index << 32;
    uint32_t index = out->index;

    for (unsigned i = 0; i < vector_count; i++)
        index = copy_in(out, index, vectors[i].iov_base, (uint32_t)vectors[i].iov_len);
    index = copy_in(out, index, zeros, round_up(bytes) - bytes);
    return copy_in(out, index, &footer, sizeof(footer));
}

int ring_send(struct ring *ring, const struct iovec *vectors, unsigned vector_count, bool *ret_signal)
{
    struct ring_half *out = &ring->out;
    uint32_t old_index = out->index;
    uint32_t bytes;
    int r = sum_bytes(out, vectors, vector_count, &bytes);

    if (r < 0)
        return r;
    r = check_room(out, round_up(bytes));
    if (r < 0)
        return r;
    out->index = write_packet(out, vectors, vector_count, bytes);
    STORE(out->header->write_index, out->index);
    /* The mask first: a consumer that unmasks looks at the write index afterwards. */
    *ret_signal = LOAD(out->header->interrupt_mask) == 0 && LOAD(out->header->read_index) == old_index;
    return 0;
}

bool ring_block(struct ring *ring, uint32_t packet_bytes)
{
    STORE(ring->out.header->pending_send_sz, round_up(packet_bytes) + PACKET_FOOTER_BYTES);
    /* A garbage read index is for the next ring_send() to report. */
    if (check_room(&ring->out, round_up(packet_bytes)) == -EAGAIN)
        return true;
    ring_unblock(ring);
    return false;
}

void ring_unblock(struct ring *ring)
{
    STORE(ring->out.header->pending_send_sz, 0);
}

/* Was the producer waiting for more room than there was before this packet of read_bytes went, and has it now? */
static bool made_room(const struct ring_half *in, uint32_t read_bytes)
{
    if (!(LOAD(in->header->feature_bits) & FEATURE_PENDING_SEND))
        return false;
    uint32_t pending = LOAD(in->header->pending_send_sz) & ~(UNIT_BYTES - 1);
    if (pending == 0)
        return false;
    /* Looked at anew: what was written before the producer gave up counts. Garbage is for the next receive to report. */
    uint32_t write_index = LOAD(in->header->write_index);
    if (!is_index(in, write_index))
        return false;
    uint32_t free_after = in->data_bytes - used_bytes(in, write_index, in->index);
    return free_after > pending && free_after - read_bytes <= pending;
}

/* What the copied descriptor says is checked before any of it is used. */
static int check_lengths(const struct packet_descriptor *descriptor, uint32_t available, uint32_t capacity)
{
    if (descriptor->header_bytes < PACKET_DESCRIPTOR_BYTES || descriptor->packet_bytes < descriptor->header_bytes)
        return -EPROTO;
    if (descriptor->packet_bytes + PACKET_FOOTER_BYTES > available || descriptor->packet_bytes > capacity)
        return -EPROTO;
    return 0;
}

static int copy_packet(const struct ring_half *in, uint32_t available, void *buffer, uint32_t capacity)
{
    if (available < PACKET_DESCRIPTOR_BYTES + PACKET_FOOTER_BYTES || capacity < PACKET_DESCRIPTOR_BYTES)
        return -EPROTO;
    uint32_t index = copy_out(in, in->index, buffer, PACKET_DESCRIPTOR_BYTES);
    struct packet_descriptor descriptor = packet_descriptor(buffer);
    int r = check_lengths(&descriptor, available, capacity);
    if (r < 0)
        return r;
    /* Not the descriptor again: it may have changed. */
    copy_out(in, index, (uint8_t *)buffer + PACKET_DESCRIPTOR_BYTES, descriptor.packet_bytes - PACKET_DESCRIPTOR_BYTES);
    return (int)descriptor.packet_bytes;
}

int ring_receive(struct ring *ring, void *buffer, uint32_t capacity, bool *ret_signal)
{
    struct ring_half *in = &ring->in;
    uint32_t write_index = LOAD(in->header->write_index);

    if (!is_index(in, write_index))
        return -EPROTO;
    if (write_index == in->index)
        return -EAGAIN;
    int packet_bytes = copy_packet(in, used_bytes(in, write_index, in->index), buffer, capacity);
    if (packet_bytes < 0)
        return packet_bytes;
    uint32_t read_bytes = (uint32_t)packet_bytes + PACKET_FOOTER_BYTES;
    in->index = advance(in, in->index, read_bytes);
    STORE(in->header->read_index, in->index);
    *ret_signal = made_room(in, read_bytes);
    return packet_bytes;
}

void ring_mask_interrupts(struct ring *ring)
{
    STORE(ring->in.header->interrupt_mask, 1);
}

bool ring_unmask_and_recheck(struct ring *ring)
{
    STORE(ring->in.header->interrupt_mask, 0);
    if (LOAD(ring->in.header->write_index) == ring->in.index)
        return false;
    ring_mask_interrupts(ring);
    return true;
}
