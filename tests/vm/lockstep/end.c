/* SPDX-License-Identifier: MIT */
/* The ends of a channel: what both makers' calls decide, said in the same words. */
#include "end.h"
#include "difference.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

const char *outcome_name(enum outcome_kind kind)
{
    static const char *const names[] = {"done", "empty", "full", "never fits", "small buffer", "refused", "failed"};

    return names[kind];
}

int end_open_ours(struct end *end, uint32_t side, void *memory, uint32_t ring_bytes)
{
    *end = (struct end){.maker = MAKER_OURS, .fd = -1, .side = side, .data_bytes = ring_bytes - RING_HEADER_BYTES};
    return side == LOCKSTEP_GUEST ? ring_init(&end->ring, memory, ring_bytes) : ring_attach(&end->ring, memory, ring_bytes);
}

void end_open_kernel(struct end *end, uint32_t side, int fd, uint32_t ring_bytes)
{
    *end = (struct end){.maker = MAKER_KERNEL, .fd = fd, .side = side, .data_bytes = ring_bytes - RING_HEADER_BYTES};
}

/* ---- ours ---- */

static struct outcome our_outcome(int result, enum outcome_kind again)
{
    if (result >= 0)
        return (struct outcome){.kind = OUTCOME_DONE, .packets = 1};
    switch (result) {
    case -EAGAIN:
        return (struct outcome){.kind = again};
    case -EMSGSIZE:
        return (struct outcome){.kind = OUTCOME_NEVER_FITS};
    case -EPROTO:
        return (struct outcome){.kind = OUTCOME_REFUSED};
    default:
        return (struct outcome){.kind = OUTCOME_FAILED};
    }
}

static struct outcome our_send(struct end *end, const struct parcel *parcel)
{
    bool must_signal = false;
    struct outcome outcome =
        our_outcome(ring_send(&end->ring, parcel->vectors, parcel->vector_count, &must_signal), OUTCOME_FULL);

    outcome.signal = must_signal;
    return outcome;
}

static struct outcome our_receive(struct end *end, void *buffer, uint32_t capacity, bool is_raw)
{
    bool must_signal = false;
    int r = ring_receive(&end->ring, buffer, capacity, &must_signal);
    struct outcome outcome = our_outcome(r, OUTCOME_EMPTY);

    if (r < 0)
        return outcome;
    uint32_t skipped = is_raw ? 0 : packet_descriptor(buffer).header_bytes;
    outcome.bytes = (uint32_t)r - skipped;
    outcome.signal = must_signal;
    memmove(buffer, (uint8_t *)buffer + skipped, outcome.bytes);
    return outcome;
}

static struct outcome our_batch(struct end *end, uint32_t count, uint8_t *buffer, uint32_t capacity)
{
    struct outcome sum = {.kind = OUTCOME_DONE};

    while (sum.packets < count) {
        struct outcome one = our_receive(end, buffer + sum.bytes, capacity - sum.bytes, true);
        if (one.kind == OUTCOME_EMPTY)
            break;
        if (one.kind != OUTCOME_DONE || (one.signal && sum.signal))
            return (struct outcome){.kind = one.kind == OUTCOME_DONE ? OUTCOME_FAILED : one.kind};
        sum.packets++;
        sum.bytes += one.bytes;
        sum.signal = sum.signal || one.signal;
    }
    if (sum.packets > 1)
        difference_count(DIFFERENCE_BATCH);
    return sum;
}

/* ---- the kernel's ---- */

static const struct outcome failed = {.kind = OUTCOME_FAILED};

/* True: the call was made, and at most one signal was asked for, for the reason that this kind of call has. */
static bool kernel_call(struct end *end, unsigned long command, struct lockstep_call *call)
{
    call->end = end->side;
    if (ioctl(end->fd, command, call) < 0)
        return false;
    return call->signals <= 1 && call->empty_signals == (command == LOCKSTEP_WRITE ? call->signals : 0) &&
           call->full_signals == (command == LOCKSTEP_READ || command == LOCKSTEP_ITERATE ? call->signals : 0);
}

/* The kernel's padding is a vector like any other. */
static unsigned fill_vectors(const struct parcel *parcel, struct lockstep_vector vectors[LOCKSTEP_VECTORS_MAX])
{
    static const uint64_t zeros;
    unsigned count = parcel->vector_count;

    for (unsigned i = 0; i < count; i++)
        vectors[i] = (struct lockstep_vector){(uintptr_t)parcel->vectors[i].iov_base, parcel->vectors[i].iov_len};
    if (parcel->bytes % 8) {
        vectors[count++] = (struct lockstep_vector){(uintptr_t)&zeros, 8 - parcel->bytes % 8};
        difference_count(DIFFERENCE_PADDING);
    }
    return count;
}

static struct outcome kernel_send(struct end *end, const struct parcel *parcel)
{
    struct lockstep_vector vectors[LOCKSTEP_VECTORS_MAX];
    struct lockstep_call call = {
        .count = fill_vectors(parcel, vectors), .address = (uintptr_t)vectors, .transaction_id = parcel->transaction_id};

    if (!kernel_call(end, LOCKSTEP_WRITE, &call) || (call.result != 0 && call.result != -EAGAIN))
        return failed;
    if (call.result == -EAGAIN)
        return (struct outcome){.kind = OUTCOME_FULL, .signal = call.signals};
    return (struct outcome){.kind = OUTCOME_DONE, .packets = 1, .signal = call.signals};
}

static struct outcome kernel_receive(struct end *end, void *buffer, uint32_t capacity, bool is_raw)
{
    struct lockstep_call call = {.address = (uintptr_t)buffer, .bytes = capacity, .is_raw = is_raw};

    if (!kernel_call(end, LOCKSTEP_READ, &call) || (call.result != 0 && call.result != -ENOBUFS))
        return failed;
    if (call.result == -ENOBUFS)
        return (struct outcome){.kind = OUTCOME_SMALL_BUFFER, .signal = call.signals};
    /* A payload may be empty; a descriptor never is. */
    if (call.ret_bytes == 0 && call.transaction_id == 0) {
        difference_count(DIFFERENCE_EMPTY);
        return (struct outcome){.kind = OUTCOME_EMPTY, .signal = call.signals};
    }
    return (struct outcome){.kind = OUTCOME_DONE, .packets = 1, .bytes = call.ret_bytes, .signal = call.signals};
}

static struct outcome kernel_batch(struct end *end, uint32_t count, void *buffer, uint32_t capacity)
{
    struct lockstep_call call = {.count = count, .address = (uintptr_t)buffer, .bytes = capacity};

    if (!kernel_call(end, LOCKSTEP_ITERATE, &call))
        return failed;
    return (struct outcome){.kind = OUTCOME_DONE, .packets = call.ret_count, .bytes = call.ret_bytes, .signal = call.signals};
}

static struct outcome kernel_mask(struct end *end)
{
    struct lockstep_call call = {0};

    return kernel_call(end, LOCKSTEP_BEGIN_READ, &call) ? (struct outcome){.kind = OUTCOME_DONE} : failed;
}

static struct outcome kernel_unmask(struct end *end)
{
    struct lockstep_call call = {0};

    if (!kernel_call(end, LOCKSTEP_END_READ, &call))
        return failed;
    if (call.ret_bytes == 0)
        return (struct outcome){.kind = OUTCOME_DONE};
    difference_count(DIFFERENCE_UNMASK);
    struct outcome outcome = kernel_mask(end);
    outcome.flag = true;
    return outcome;
}

static struct outcome kernel_wish(struct end *end, uint32_t bytes, uint32_t *ret_room)
{
    struct lockstep_call call = {.bytes = bytes};

    if (!kernel_call(end, LOCKSTEP_PENDING, &call))
        return failed;
    *ret_room = call.ret_bytes;
    return (struct outcome){.kind = OUTCOME_DONE};
}

static struct outcome kernel_block(struct end *end, uint32_t packet_bytes)
{
    uint32_t total = (packet_bytes + 7) / 8 * 8 + PACKET_FOOTER_BYTES, room = 0;
    struct outcome outcome = kernel_wish(end, total, &room);

    if (outcome.kind == OUTCOME_DONE && room > total) {
        difference_count(DIFFERENCE_BLOCK);
        return kernel_wish(end, 0, &room);
    }
    outcome.flag = true;
    return outcome;
}

/* ---- either ---- */

struct outcome end_send(struct end *end, const struct parcel *parcel)
{
    return end->maker == MAKER_OURS ? our_send(end, parcel) : kernel_send(end, parcel);
}

struct outcome end_receive(struct end *end, void *buffer, uint32_t capacity, bool is_raw)
{
    return end->maker == MAKER_OURS ? our_receive(end, buffer, capacity, is_raw) : kernel_receive(end, buffer, capacity, is_raw);
}

struct outcome end_receive_batch(struct end *end, uint32_t count, void *buffer, uint32_t capacity)
{
    return end->maker == MAKER_OURS ? our_batch(end, count, buffer, capacity) : kernel_batch(end, count, buffer, capacity);
}

struct outcome end_mask(struct end *end)
{
    if (end->maker == MAKER_KERNEL)
        return kernel_mask(end);
    ring_mask_interrupts(&end->ring);
    return (struct outcome){.kind = OUTCOME_DONE};
}

struct outcome end_unmask(struct end *end)
{
    if (end->maker == MAKER_KERNEL)
        return kernel_unmask(end);
    return (struct outcome){.kind = OUTCOME_DONE, .flag = ring_unmask_and_recheck(&end->ring)};
}

struct outcome end_block(struct end *end, uint32_t packet_bytes)
{
    if (end->maker == MAKER_KERNEL)
        return kernel_block(end, packet_bytes);
    return (struct outcome){.kind = OUTCOME_DONE, .flag = ring_block(&end->ring, packet_bytes)};
}

struct outcome end_unblock(struct end *end)
{
    uint32_t room;

    if (end->maker == MAKER_KERNEL)
        return kernel_wish(end, 0, &room);
    ring_unblock(&end->ring);
    return (struct outcome){.kind = OUTCOME_DONE};
}
