/* SPDX-License-Identifier: MIT */
/* The ring, from both ends over the same memory: layout, arithmetic, signal decisions and what it refuses. */
#include "../../src/lib/vmbus/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* Places in a half, as the bus defines them. */
enum { AT_WRITE = 0, AT_READ = 4, AT_MASK = 8, AT_PENDING = 12, AT_FEATURES = 64, AT_DATA = 4096 };

#define RING_BYTES 8192u
#define DATA_BYTES (RING_BYTES - 4096u)

struct pair {
    _Alignas(4096) uint8_t memory[2 * RING_BYTES];
    struct ring guest, host;
    _Alignas(8) uint8_t copy[RING_BYTES];
    bool must_signal;
};

static struct pair pair;

static void pair_open(void)
{
    memset(&pair, 0xa5, sizeof(pair));
    cr_assert_eq(ring_init(&pair.guest, pair.memory, RING_BYTES), 0);
    cr_assert_eq(ring_attach(&pair.host, pair.memory, RING_BYTES), 0);
}

TestSuite(ring, .init = pair_open);

/* A field of the guest->host half. */
static uint32_t get(size_t at)
{
    uint32_t value;

    memcpy(&value, pair.memory + at, sizeof(value));
    return value;
}

static void put(size_t at, uint32_t value)
{
    memcpy(pair.memory + at, &value, sizeof(value));
}

/* A packet of that length whose bytes depend on seed; returns the array, which the next call overwrites. */
static uint8_t *packet(uint32_t bytes, uint32_t seed)
{
    static uint8_t array[1 << 20];
    uint16_t words[4] = {6, 2, (uint16_t)((bytes + 7) / 8), 0};

    memcpy(array, words, sizeof(words));
    for (uint32_t i = 8; i < bytes; i++)
        array[i] = (uint8_t)(seed * 31 + i * 7);
    return array;
}

static int send_packet(struct ring *ring, uint32_t bytes, uint32_t seed)
{
    return ring_send(ring, &(struct iovec){packet(bytes, seed), bytes}, 1, &pair.must_signal);
}

static int receive(struct ring *ring)
{
    return ring_receive(ring, pair.copy, sizeof(pair.copy), &pair.must_signal);
}

/* Moves an empty guest->host ring to that index. */
static void move_to(uint32_t index)
{
    while (pair.guest.out.index != index) {
        uint32_t left = (index + DATA_BYTES - pair.guest.out.index) % DATA_BYTES;
        uint32_t total = left < 24 ? DATA_BYTES - 2024 : left < 2048 ? left : 2000;
        cr_assert_eq(send_packet(&pair.guest, total - 8, 1), 0);
        cr_assert_eq(receive(&pair.host), (int)total - 8);
    }
}

Test(ring, fresh_headers_announce_pending_send_on_both_halves_and_are_zero_elsewhere)
{
    for (size_t half = 0; half < 2; half++) {
        for (size_t i = 0; i < 4096; i++)
            cr_assert_eq(pair.memory[half * RING_BYTES + i], i == AT_FEATURES ? 1 : 0, "byte %zu", i);
    }
}

Test(ring, sizes_that_are_no_ring_are_refused)
{
    const uint32_t sizes[] = {0, 4096, 8191, 8200, 12289, RING_BYTES_MAX + 4096, UINT32_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        cr_assert_eq(ring_init(&pair.guest, pair.memory, sizes[i]), -EINVAL);
        cr_assert_eq(ring_attach(&pair.host, pair.memory, sizes[i]), -EINVAL);
    }
}

Test(ring, attaching_to_used_rings_is_refused)
{
    const size_t places[] = {AT_WRITE, AT_READ, RING_BYTES + AT_WRITE, RING_BYTES + AT_READ};

    for (size_t i = 0; i < 4; i++) {
        put(places[i], 8);
        cr_assert_eq(ring_attach(&pair.host, pair.memory, RING_BYTES), -EPROTO);
        put(places[i], 0);
    }
    cr_assert_eq(ring_attach(&pair.host, pair.memory, RING_BYTES), 0);
}

Test(ring, a_sent_packet_lies_in_the_first_half_with_zero_padding_and_its_start_in_the_footer)
{
    const uint8_t footer[8] = {0, 0, 0, 0, 32, 0, 0, 0};
    const uint8_t padding[3] = {0};

    cr_assert_eq(send_packet(&pair.guest, 24, 9), 0);
    cr_assert_eq(send_packet(&pair.guest, 29, 3), 0);
    cr_assert_eq(get(AT_WRITE), 32 + 40);
    cr_assert_eq(get(AT_READ), 0);
    cr_assert_arr_eq(pair.memory + AT_DATA + 32, packet(29, 3), 29);
    cr_assert_arr_eq(pair.memory + AT_DATA + 32 + 29, padding, 3);
    cr_assert_arr_eq(pair.memory + AT_DATA + 32 + 32, footer, 8);
    cr_assert_eq(pair.memory[AT_DATA + 72], 0xa5, "nothing behind the footer is touched");
}

Test(ring, the_host_sends_into_the_second_half)
{
    cr_assert_eq(send_packet(&pair.host, 40, 4), 0);
    cr_assert_eq(get(RING_BYTES + AT_WRITE), 48);
    cr_assert_eq(get(AT_WRITE), 0);
    cr_assert_arr_eq(pair.memory + RING_BYTES + AT_DATA, packet(40, 4), 40);
    cr_assert_eq(receive(&pair.guest), 40);
    cr_assert_eq(get(RING_BYTES + AT_READ), 48);
}

Test(ring, packets_survive_the_wrap_at_every_offset)
{
    for (uint32_t start = 0; start < DATA_BYTES; start += 8) {
        uint8_t *bytes;
        uint64_t footer;
        move_to(start);
        bytes = packet(251, start);
        struct iovec parts[4] = {{bytes, 16}, {bytes + 16, 0}, {bytes + 16, 101}, {bytes + 117, 134}};
        cr_assert_eq(ring_send(&pair.guest, parts, 4, &pair.must_signal), 0);
        cr_assert_eq(get(AT_WRITE), (start + 264) % DATA_BYTES);
        memcpy(&footer, pair.memory + AT_DATA + (start + 256) % DATA_BYTES, 8);
        cr_assert_eq(footer, (uint64_t)start << 32);
        memset(pair.copy, 0xee, sizeof(pair.copy));
        cr_assert_eq(receive(&pair.host), 256, "at %u", start);
        cr_assert_arr_eq(pair.copy, packet(251, start), 251);
        cr_assert_eq(get(AT_READ), (start + 264) % DATA_BYTES);
        cr_assert_eq(receive(&pair.host), -EAGAIN);
    }
}

Test(ring, a_packet_must_leave_at_least_8_bytes_free_wherever_it_lies)
{
    for (uint32_t start = 0; start < DATA_BYTES; start += 344) {
        move_to(start);
        cr_assert_eq(send_packet(&pair.guest, 1000 - 8, 1), 0);
        cr_assert_eq(send_packet(&pair.guest, DATA_BYTES - 1000 - 8, 2), -EAGAIN, "would fill it: looks empty");
        cr_assert_eq(get(AT_WRITE), (start + 1000) % DATA_BYTES);
        cr_assert_eq(send_packet(&pair.guest, DATA_BYTES - 1000 - 16, 3), 0);
        cr_assert_eq(send_packet(&pair.guest, 16, 4), -EAGAIN);
        cr_assert_eq(receive(&pair.host), 1000 - 8);
        cr_assert_eq(receive(&pair.host), (int)(DATA_BYTES - 1000 - 16));
    }
}

Test(ring, what_can_never_fit_is_told_apart_from_full)
{
    static uint8_t bytes[600000];
    struct iovec two[2] = {{bytes, 16}, {bytes, SIZE_MAX - 8}};

    cr_assert_eq(send_packet(&pair.guest, DATA_BYTES - 8, 1), -EMSGSIZE);
    cr_assert_eq(send_packet(&pair.guest, DATA_BYTES - 15, 1), -EMSGSIZE, "counts the padding");
    cr_assert_eq(ring_send(&pair.guest, two, 2, &pair.must_signal), -EMSGSIZE);
    cr_assert_eq(send_packet(&pair.guest, DATA_BYTES - 16, 1), 0);
}

Test(ring, the_length_field_bounds_a_packet_in_a_large_ring)
{
    uint32_t ring_bytes = 1 << 20;
    uint8_t *memory = calloc(2, ring_bytes);
    uint8_t *bytes = calloc(1, 600000);
    struct iovec vector = {bytes, PACKET_BYTES_MAX + 8};

    cr_assert_eq(ring_init(&pair.guest, memory, ring_bytes), 0);
    cr_assert_eq(ring_send(&pair.guest, &vector, 1, &pair.must_signal), -EMSGSIZE);
    vector.iov_len = PACKET_BYTES_MAX;
    cr_assert_eq(PACKET_BYTES_MAX, 524280);
    cr_assert_eq(ring_send(&pair.guest, &vector, 1, &pair.must_signal), 0);
    free(bytes);
    free(memory);
}

Test(ring, requests_that_a_128_KiB_ring_holds_are_15_of_4_MiB_or_1_of_32_MiB)
{
    const struct {
        uint32_t ring_bytes, packet_bytes;
        int fit;
    } cases[] = {{131072, 8352, 15}, {131072, 65624, 1}, {2097152, 8352, 250}, {2097152, 65624, 31}};

    for (size_t i = 0; i < 4; i++) {
        uint8_t *memory = calloc(2, cases[i].ring_bytes);
        int fit = 0;
        cr_assert_eq(ring_init(&pair.guest, memory, cases[i].ring_bytes), 0);
        while (send_packet(&pair.guest, cases[i].packet_bytes, 1) == 0)
            fit++;
        cr_assert_eq(fit, cases[i].fit, "%u in %u: %d", cases[i].packet_bytes, cases[i].ring_bytes, fit);
        free(memory);
    }
}

Test(ring, only_the_first_packet_into_an_empty_unmasked_ring_signals)
{
    cr_assert_eq(send_packet(&pair.guest, 32, 1), 0);
    cr_assert(pair.must_signal);
    cr_assert_eq(send_packet(&pair.guest, 32, 2), 0);
    cr_assert_not(pair.must_signal);
    cr_assert_eq(receive(&pair.host), 32);
    cr_assert_eq(send_packet(&pair.guest, 32, 3), 0);
    cr_assert_not(pair.must_signal, "one was left");
    receive(&pair.host);
    receive(&pair.host);
    ring_mask_interrupts(&pair.host);
    cr_assert_eq(get(AT_MASK), 1);
    cr_assert_eq(send_packet(&pair.guest, 32, 4), 0);
    cr_assert_not(pair.must_signal, "masked");
}

Test(ring, unmasking_finds_what_came_while_masked_and_masks_again)
{
    ring_mask_interrupts(&pair.host);
    cr_assert_not(ring_unmask_and_recheck(&pair.host));
    cr_assert_eq(get(AT_MASK), 0);
    ring_mask_interrupts(&pair.host);
    cr_assert_eq(send_packet(&pair.guest, 32, 1), 0);
    cr_assert(ring_unmask_and_recheck(&pair.host));
    cr_assert_eq(get(AT_MASK), 1);
    cr_assert_eq(receive(&pair.host), 32);
    cr_assert_not(ring_unmask_and_recheck(&pair.host));
    cr_assert_eq(get(AT_MASK), 0);
}

/* Three packets of 1000 and one of 496 leave 600 free. */
static void nearly_fill(void)
{
    for (int i = 0; i < 3; i++)
        cr_assert_eq(send_packet(&pair.guest, 992, 1), 0);
    cr_assert_eq(send_packet(&pair.guest, 488, 1), 0);
}

Test(ring, a_blocked_sender_is_signalled_by_the_read_that_makes_room_and_by_no_other)
{
    nearly_fill();
    cr_assert_eq(send_packet(&pair.guest, 1592, 5), -EAGAIN);
    cr_assert(ring_block(&pair.guest, 1592));
    cr_assert_eq(get(AT_PENDING), 1600);
    receive(&pair.host);
    cr_assert_not(pair.must_signal, "1600 free is not more than 1600");
    receive(&pair.host);
    cr_assert(pair.must_signal);
    receive(&pair.host);
    cr_assert_not(pair.must_signal, "there was room before");
    ring_unblock(&pair.guest);
    cr_assert_eq(get(AT_PENDING), 0);
    cr_assert_eq(send_packet(&pair.guest, 1592, 5), 0);
}

Test(ring, the_signal_for_room_does_not_care_about_the_interrupt_mask)
{
    nearly_fill();
    cr_assert(ring_block(&pair.guest, 1000));
    ring_mask_interrupts(&pair.guest);
    ring_mask_interrupts(&pair.host);
    receive(&pair.host);
    cr_assert(pair.must_signal);
}

Test(ring, without_the_feature_bit_pending_send_is_not_looked_at)
{
    nearly_fill();
    cr_assert(ring_block(&pair.guest, 1000));
    put(AT_FEATURES, 0xfffffffe);
    receive(&pair.host);
    cr_assert_not(pair.must_signal);
}

Test(ring, the_low_3_bits_of_pending_send_are_ignored)
{
    const struct {
        uint32_t pending;
        bool must_signal;
    } cases[] = {{592, false}, {599, false}, {600, true}, {607, true}, {1599, true}, {1600, false}, {1607, false}, {7, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pair_open();
        nearly_fill();
        put(AT_PENDING, cases[i].pending);
        receive(&pair.host);
        cr_assert_eq(pair.must_signal, cases[i].must_signal, "pending %u: 600 free before, 1600 after", cases[i].pending);
    }
}

Test(ring, a_peer_that_writes_ring_size_minus_1_is_signalled_when_the_ring_runs_empty)
{
    /* Data area minus 1, masked, is data area minus 8: only an empty ring has more. */
    cr_assert_eq(send_packet(&pair.guest, 992, 1), 0);
    cr_assert_eq(send_packet(&pair.guest, 992, 1), 0);
    put(AT_PENDING, DATA_BYTES - 1);
    receive(&pair.host);
    cr_assert_not(pair.must_signal);
    receive(&pair.host);
    cr_assert(pair.must_signal);
}

Test(ring, blocking_looks_again_and_withdraws_when_there_is_room)
{
    nearly_fill();
    receive(&pair.host);
    cr_assert_not(ring_block(&pair.guest, 1584), "1592 of 1600 free fit");
    cr_assert_eq(get(AT_PENDING), 0);
    cr_assert(ring_block(&pair.guest, 1592));
    cr_assert_eq(get(AT_PENDING), 1600);
}

Test(ring, a_peer_cannot_move_our_own_index)
{
    cr_assert_eq(send_packet(&pair.guest, 32, 1), 0);
    put(AT_WRITE, 800);
    cr_assert_eq(send_packet(&pair.guest, 32, 2), 0);
    cr_assert_eq(get(AT_WRITE), 80);
    put(AT_READ, 1600);
    cr_assert_eq(receive(&pair.host), 32);
    cr_assert_eq(get(AT_READ), 40);
    cr_assert_arr_eq(pair.copy, packet(32, 1), 32);
}

Test(ring, garbage_read_indices_stop_the_sender)
{
    const uint32_t indices[] = {1, 4, 7, DATA_BYTES, DATA_BYTES + 8, DATA_BYTES - 1, 0x80000000, 0xfffffff8, UINT32_MAX};

    for (size_t i = 0; i < sizeof(indices) / sizeof(*indices); i++) {
        put(AT_READ, indices[i]);
        cr_assert_eq(send_packet(&pair.guest, 32, 1), -EPROTO, "%#x", indices[i]);
        cr_assert_eq(get(AT_WRITE), 0);
        cr_assert_not(ring_block(&pair.guest, 32));
    }
}

Test(ring, garbage_write_indices_stop_the_receiver)
{
    const uint32_t indices[] = {1,          4,  7,          DATA_BYTES, DATA_BYTES + 8, DATA_BYTES - 1, 0x80000000,
                                0xfffffff8, 16, UINT32_MAX, 8 /* less than a descriptor and a footer */};

    cr_assert_eq(send_packet(&pair.guest, 32, 1), 0);
    for (size_t i = 0; i < sizeof(indices) / sizeof(*indices); i++) {
        put(AT_WRITE, indices[i]);
        cr_assert_eq(receive(&pair.host), -EPROTO, "%#x", indices[i]);
        cr_assert_eq(get(AT_READ), 0);
    }
    put(AT_WRITE, 40);
    cr_assert_eq(receive(&pair.host), 32, "nothing was consumed");
}

Test(ring, garbage_lengths_stop_the_receiver)
{
    const struct {
        uint16_t offset8, length8;
        int expected;
    } cases[] = {
        {2, 4, 32},          {4, 4, 32},
        {2, 2, 16},          {2, 3, 24},
        {0, 4, -EPROTO},     {1, 4, -EPROTO},
        {5, 4, -EPROTO},     {2, 1, -EPROTO},
        {0, 0, -EPROTO},     {2, 5, -EPROTO},
        {2, 6, -EPROTO},     {5, 5, -EPROTO},
        {2, 65535, -EPROTO}, {65535, 65535, -EPROTO},
        {65535, 4, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        pair_open();
        cr_assert_eq(send_packet(&pair.guest, 32, 1), 0);
        memcpy(pair.memory + AT_DATA + 2, &cases[i].offset8, 2);
        memcpy(pair.memory + AT_DATA + 4, &cases[i].length8, 2);
        cr_assert_eq(receive(&pair.host), cases[i].expected, "offset8 %u length8 %u", cases[i].offset8, cases[i].length8);
    }
}

Test(ring, a_packet_larger_than_the_buffer_is_refused_and_the_buffer_not_overrun)
{
    cr_assert_eq(send_packet(&pair.guest, 64, 1), 0);
    memset(pair.copy, 0xee, sizeof(pair.copy));
    cr_assert_eq(ring_receive(&pair.host, pair.copy, 56, &pair.must_signal), -EPROTO);
    cr_assert_eq(pair.copy[56], 0xee);
    cr_assert_eq(ring_receive(&pair.host, pair.copy, 8, &pair.must_signal), -EPROTO);
    cr_assert_eq(ring_receive(&pair.host, pair.copy, 64, &pair.must_signal), 64);
    cr_assert_eq(pair.copy[64], 0xee);
}

/* An independent account of one direction, in bytes since the beginning: no index ever wraps. */
struct model {
    uint64_t written, read;
    uint32_t sizes[1024]; /* packets inside, by number */
    uint64_t first, next;
    bool is_masked, has_feature;
    uint32_t pending;
};

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % bound;
}

static uint32_t model_free(const struct model *model)
{
    return DATA_BYTES - (uint32_t)(model->written - model->read);
}

static void step_send(struct model *model, struct ring *ring)
{
    uint32_t bytes = 16 + (random_below(4) ? random_below(120) : random_below(2400));
    uint32_t total = (bytes + 7) / 8 * 8 + 8;
    bool fits = model_free(model) >= total + 8;
    bool was_empty = model->written == model->read;

    cr_assert_eq(send_packet(ring, bytes, (uint32_t)model->next), fits ? 0 : -EAGAIN);
    if (!fits)
        return;
    cr_assert_eq(pair.must_signal, was_empty && !model->is_masked);
    model->sizes[model->next++ % 1024] = bytes;
    model->written += total;
}

static void step_receive(struct model *model, struct ring *ring)
{
    uint32_t bytes = model->sizes[model->first % 1024];
    uint32_t padded = (bytes + 7) / 8 * 8;
    int r = receive(ring);

    if (model->first == model->next) {
        cr_assert_eq(r, -EAGAIN);
        return;
    }
    cr_assert_eq(r, (int)padded);
    cr_assert_arr_eq(pair.copy, packet(bytes, (uint32_t)model->first), bytes);
    uint32_t free_before = model_free(model);
    model->read += padded + 8;
    model->first++;
    uint32_t wanted = model->pending / 8 * 8;
    bool crossed = wanted != 0 && free_before <= wanted && model_free(model) > wanted;
    cr_assert_eq(pair.must_signal, crossed && model->has_feature);
}

static void step_other(struct model *model, struct ring *sender, struct ring *receiver, size_t half)
{
    uint32_t bytes;

    switch (random_below(6)) {
    case 0:
        ring_mask_interrupts(receiver);
        model->is_masked = true;
        break;
    case 1:
        cr_assert_eq(ring_unmask_and_recheck(receiver), model->first != model->next);
        model->is_masked = model->first != model->next;
        break;
    case 2:
        bytes = 16 + random_below(3000);
        model->pending = (bytes + 7) / 8 * 8 + 8;
        if (!ring_block(sender, bytes)) {
            cr_assert_gt(model_free(model), model->pending);
            model->pending = 0;
        } else {
            cr_assert_leq(model_free(model), model->pending);
        }
        break;
    case 3:
        ring_unblock(sender);
        model->pending = 0;
        break;
    case 4:
        model->pending = random_below(DATA_BYTES + 16);
        put(half + AT_PENDING, model->pending);
        break;
    default:
        model->has_feature = random_below(4) != 0;
        put(half + AT_FEATURES, model->has_feature);
    }
}

Test(ring, agrees_with_the_model_over_400000_random_steps)
{
    struct model models[2] = {{.has_feature = true}, {.has_feature = true}};

    for (uint32_t i = 0; i < 400000; i++) {
        uint32_t way = random_below(2);
        struct ring *sender = way ? &pair.host : &pair.guest;
        struct ring *receiver = way ? &pair.guest : &pair.host;
        uint32_t what = random_below(16);
        /* Long phases of filling and of draining, so that full and empty are both common. */
        uint32_t sends = i / 64 % 2 ? 9 : 5;
        if (what < sends)
            step_send(&models[way], sender);
        else if (what < 14)
            step_receive(&models[way], receiver);
        else
            step_other(&models[way], sender, receiver, way * RING_BYTES);
    }
    cr_assert_gt(models[0].next, 20000);
    cr_assert_gt(models[1].next, 20000);
}
