/* SPDX-License-Identifier: MIT */
/* The emulated channel against a host that the test plays step by step on the same thread: transfers, and every fault of a host.
 */
#include "../../src/lib/channel/channel.h"
#include "../../src/lib/vmbus/bus.h"
#include "../../src/lib/vmbus/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RING_BYTES 8192u
#define SLOTS 24
#define TOLD_MAX 32

static const struct slot_geometry geometry = {.count = {20, 4}, .data_bytes = {8192, 262144}};

struct told {
    enum channel_state state;
    char reason[ERR_TEXT_BYTES];
};

/* What the guest's side has seen. */
static struct event_base *base;
static struct slots *slots;
static struct channel *channel;
static struct told told[TOLD_MAX];
static unsigned told_count;
static bool is_inside_submit;

struct outcome {
    unsigned done;
    int result;
};

/* The host's side. */
static char path[64];
static int listener = -1, connection = -1;
static struct bus_memory memory;
static uint8_t *map;
static struct ring ring;
static _Alignas(8) uint8_t packet[PACKET_REQUEST_BYTES_MAX];
static struct packet_request request;

#define UNTIL(fact)                                                                                                              \
    while (!(fact))                                                                                                              \
    cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0)

/* Lets everything that is ready run, without waiting for anything. */
static void settle(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void on_changed(void *owner, enum channel_state state, const char *reason)
{
    cr_assert_eq(owner, &channel);
    cr_assert_lt(told_count, TOLD_MAX);
    cr_assert_not(is_inside_submit);
    if (channel)
        cr_assert_eq(channel->state, state);
    told[told_count].state = state;
    snprintf(told[told_count++].reason, sizeof(told[0].reason), "%s", reason);
}

static void host_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path));
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 4), 0);
}

static void host_unlisten(void)
{
    cleanup_fd(&listener);
    listener = -1;
    unlink(path);
}

static void host_accept(void)
{
    UNTIL((connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
}

static void host_offer(void)
{
    const uint8_t instance[16] = {1};

    cr_assert_eq(bus_send_offer(connection, instance, LIMIT_TRANSFER_PAGES, NULL), 0);
}

static void host_take_memory(void)
{
    struct err err = {0};
    int r;

    UNTIL((r = bus_receive_open(connection, &memory, &err)) != -EAGAIN);
    cr_assert_eq(r, 0, "%s", err.text);
    map = mmap(NULL, memory.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.memfd, 0);
    cr_assert_neq(map, MAP_FAILED);
    cr_assert_eq(ring_attach(&ring, map + memory.ring_offset, memory.ring_bytes), 0);
}

static void host_open(void)
{
    unsigned before = told_count;

    host_accept();
    host_offer();
    host_take_memory();
    cr_assert_eq(told_count, before, "not up before the host says so");
    cr_assert_eq(bus_send_opened(connection, 0, NULL), 0);
    UNTIL(told_count > before);
    cr_assert_eq(told[before].state, CHANNEL_UP);
    cr_assert_eq(channel->state, CHANNEL_UP);
}

static void host_vanish(void)
{
    cleanup_fd(&connection);
    connection = -1;
    if (!map)
        return;
    munmap(map, memory.memory_bytes);
    map = NULL;
    close(memory.memfd);
    close(memory.signal_host);
    close(memory.signal_guest);
}

static void host_signal(void)
{
    uint64_t one = 1;

    cr_assert_eq(write(memory.signal_guest, &one, 8), 8);
}

/* Signals since the last call. They are given at the end of a turn of the loop, one for all that it submitted. */
static uint64_t host_signals(void)
{
    uint64_t count = 0;

    cr_assert_geq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    return read(memory.signal_host, &count, 8) == 8 ? count : 0;
}

static int host_receive(void)
{
    bool must_signal;
    int r = ring_receive(&ring, packet, sizeof(packet), &must_signal);

    if (r < 0)
        return r;
    cr_assert_not(must_signal, "the guest does not wait for room");
    cr_assert_eq(packet_decode_request(packet, (size_t)r, &request), 0);
    return 0;
}

static void host_send(void *bytes, size_t len)
{
    bool must_signal;

    cr_assert_eq(ring_send(&ring, &(struct iovec){bytes, len}, 1, &must_signal), 0);
    if (must_signal)
        host_signal();
}

static void host_complete(uint64_t id, uint32_t status, uint32_t response_bytes)
{
    uint8_t completion[PACKET_COMPLETION_BYTES];

    packet_encode_completion(id, &(struct vsp_reply){.status = status, .response_bytes = response_bytes}, completion);
    host_send(completion, sizeof(completion));
}

/* A byte of the packet's pages, as the host finds it. */
static uint8_t *host_byte(uint32_t offset)
{
    cr_assert_lt(request.pages[offset / 4096], memory.memory_bytes / 4096);
    return map + request.pages[offset / 4096] * 4096 + offset % 4096;
}

static struct channel_emulated_config config(void)
{
    return (struct channel_emulated_config){.socket_path = path,
                                            .ring_bytes = RING_BYTES,
                                            .geometry = geometry,
                                            .reconnect_min_ms = 1,
                                            .reconnect_max_ms = 4,
                                            .open_timeout_ms = 5000};
}

static void guest_open(const struct channel_emulated_config *given)
{
    const struct channel_listener listens = {.changed = on_changed, .owner = &channel};

    cr_assert_eq(channel_emulated_open(base, given, slots, &listens, &channel), 0);
    cr_assert_eq(told_count, 0);
}

static void start(void)
{
    struct channel_emulated_config given = config();

    snprintf(path, sizeof(path), "/tmp/blobproxy-channel-%ld.sock", (long)getpid());
    unlink(path);
    given.socket_path = path;
    base = event_base_new();
    cr_assert_eq(slots_new(base, &geometry, &slots), 0);
    host_listen();
    guest_open(&given);
}

static void stop(void)
{
    channel_close(channel);
    host_vanish();
    host_unlisten();
    slots_free(slots);
    event_base_free(base);
}

TestSuite(channel, .init = start, .fini = stop, .timeout = 30);

/* The suite's channel and slots, made anew. */
static void reopen(const struct channel_emulated_config *given)
{
    channel_close(channel);
    slots_free(slots);
    cr_assert_eq(slots_new(base, &given->geometry, &slots), 0);
    guest_open(given);
}

static void on_done(struct transfer *transfer, int result)
{
    struct outcome *outcome = transfer->owner;

    cr_assert_not(is_inside_submit);
    cr_assert_eq(transfer->transaction_id, 0);
    cr_assert_leq(transfer->submitted_us, transfer->completed_us);
    outcome->done++;
    outcome->result = result;
}

static struct slot *take_slot(enum slot_class class)
{
    struct slot *slot = slots_take(slots, class);

    cr_assert_not_null(slot);
    slot->transfer.request_bytes = 100;
    slot->transfer.data_bytes = 0;
    slot->transfer.data_valid_bytes = 0;
    return slot;
}

static int submit(struct slot *slot, struct outcome *outcome)
{
    slot->transfer.done = on_done;
    slot->transfer.owner = outcome;
    is_inside_submit = true;
    int r = channel_submit(channel, &slot->transfer);
    is_inside_submit = false;
    return r;
}

static void submit_some(struct slot **taken, struct outcome *outcomes, int count)
{
    for (int i = 0; i < count; i++) {
        taken[i] = take_slot(SLOT_SMALL);
        cr_assert_eq(submit(taken[i], &outcomes[i]), 0);
    }
}

Test(channel, a_transfer_carries_both_ways)
{
    struct outcome outcome = {0};
    const uint8_t guid[16] = "0123456789abcdef";

    host_open();
    struct slot *slot = take_slot(SLOT_LARGE);
    memcpy(slot->transfer.guid, guid, 16);
    slot->transfer.timeout_ms = 1234;
    slot->transfer.request_bytes = 5000;
    slot->transfer.data_bytes = 100000;
    slot->transfer.data_valid_bytes = 99999;
    slot->request[4999] = 'q';
    slot->data[99998] = 'd';
    cr_assert_eq(submit(slot, &outcome), 0);
    cr_assert_eq(host_signals(), 1);
    cr_assert_eq(channel->counters.in_flight, 1);

    cr_assert_eq(host_receive(), 0);
    cr_assert_eq(request.page_count, 25 + 2 + 8, "only the pages that are needed");
    cr_assert_eq(request.vsp.timeout_ms, 1234);
    cr_assert_arr_eq(request.vsp.guid, guid, 16);
    cr_assert_eq(request.vsp.request_bytes, 5000);
    cr_assert_eq(request.vsp.data_bytes, 100000);
    cr_assert_eq(request.vsp.data_valid_bytes, 99999);
    cr_assert_eq(request.vsp.response_bytes, LIMIT_SLOT_RESPONSE_BYTES);
    cr_assert_eq(*host_byte(request.vsp.request_offset + 4999), 'q');
    cr_assert_eq(*host_byte(request.vsp.data_offset + 99998), 'd');
    *host_byte(request.vsp.response_offset + LIMIT_SLOT_RESPONSE_BYTES - 1) = 'r';
    *host_byte(request.vsp.data_offset + 50000) = 'b';
    host_complete(request.transaction_id, 0x80070102, LIMIT_SLOT_RESPONSE_BYTES);
    cr_assert_eq(outcome.done, 0);
    UNTIL(outcome.done);

    cr_assert_eq(outcome.result, 0);
    cr_assert_eq(slot->transfer.status, 0x80070102);
    cr_assert_eq(slot->transfer.response_bytes, LIMIT_SLOT_RESPONSE_BYTES);
    cr_assert_eq(slot->response[LIMIT_SLOT_RESPONSE_BYTES - 1], 'r');
    cr_assert_eq(slot->data[50000], 'b');
    cr_assert_eq(channel->counters.in_flight, 0);
    cr_assert_eq(channel->counters.submitted, 1);
    cr_assert_eq(channel->counters.completed, 1);
    slots_put(slot, slots);
}

Test(channel, the_host_is_signalled_once_while_it_has_not_read)
{
    struct outcome outcomes[5] = {0};
    struct slot *taken[5];

    host_open();
    submit_some(taken, outcomes, 3);
    cr_assert_eq(host_signals(), 1);
    while (host_receive() == 0)
        ;
    submit_some(taken + 3, outcomes + 3, 1);
    cr_assert_eq(host_signals(), 1);
    ring_mask_interrupts(&ring);
    while (host_receive() == 0)
        ;
    submit_some(taken + 4, outcomes + 4, 1);
    cr_assert_eq(host_signals(), 0, "masked");
    host_vanish();
    UNTIL(outcomes[4].done);
    for (int i = 0; i < 5; i++)
        slots_put(taken[i], slots);
}

Test(channel, ten_thousand_transfers_completed_out_of_order_each_end_once)
{
    struct outcome outcomes[SLOTS];
    struct slot *taken[SLOTS];
    uint64_t ids[SLOTS], seen = 0;

    host_open();
    for (int round = 0; round < 1000; round++) {
        memset(outcomes, 0, sizeof(outcomes));
        submit_some(taken, outcomes, 10);
        for (int i = 0; i < 10; i++) {
            cr_assert_eq(host_receive(), 0);
            ids[i] = request.transaction_id;
            cr_assert_neq(ids[i], 0);
            cr_assert_neq(ids[i], seen, "an id is not used twice");
        }
        seen = ids[round % 10];
        for (int i = 0; i < 10; i++)
            host_complete(ids[(i * 7 + round) % 10], (uint32_t)ids[(i * 7 + round) % 10], 0);
        UNTIL(channel->counters.in_flight == 0);
        for (int i = 0; i < 10; i++) {
            cr_assert_eq(outcomes[i].done, 1);
            cr_assert_eq(outcomes[i].result, 0);
            cr_assert_eq(taken[i]->transfer.status, (uint32_t)ids[i], "each its own answer");
            slots_put(taken[i], slots);
        }
    }
    cr_assert_eq(channel->counters.completed, 10000);
    cr_assert_eq(told_count, 1);
}

Test(channel, a_full_ring_is_EAGAIN_until_the_host_has_read)
{
    struct outcome outcomes[4] = {0};
    struct slot *taken[4];

    host_open();
    /* 64 + 1 + 8 pages: 680 bytes with the footer, so six would fit 4096; with 17 request pages 808: five fit. */
    for (int i = 0; i < 4; i++) {
        taken[i] = take_slot(SLOT_LARGE);
        taken[i]->transfer.data_bytes = 262144;
        taken[i]->transfer.request_bytes = LIMIT_SLOT_REQUEST_BYTES;
        cr_assert_eq(submit(taken[i], &outcomes[i]), 0);
    }
    struct slot *small[5];
    struct outcome small_outcomes[5] = {0};
    for (int i = 0; i < 5; i++) {
        small[i] = take_slot(SLOT_SMALL);
        small[i]->transfer.data_bytes = 8192;
        small[i]->transfer.request_bytes = LIMIT_SLOT_REQUEST_BYTES;
    }
    /* 4096 - 4 * 808 = 864 free; each takes 88 + 8 * 27 + 8 = 312. */
    cr_assert_eq(submit(small[0], &small_outcomes[0]), 0);
    cr_assert_eq(submit(small[1], &small_outcomes[1]), 0);
    cr_assert_eq(submit(small[2], &small_outcomes[2]), -EAGAIN);
    cr_assert_eq(channel->counters.ring_full, 1);
    cr_assert_eq(channel->counters.in_flight, 6);
    cr_assert_eq(host_receive(), 0);
    host_complete(request.transaction_id, 0, 0);
    UNTIL(outcomes[0].done);
    cr_assert_eq(submit(small[2], &small_outcomes[2]), 0);
    host_vanish();
    UNTIL(channel->counters.in_flight == 0);
    for (int i = 0; i < 4; i++)
        slots_put(taken[i], slots);
    for (int i = 0; i < 5; i++)
        slots_put(small[i], slots);
}

Test(channel, sizes_that_the_slot_does_not_have_are_refused)
{
    struct outcome outcome = {0};

    host_open();
    struct slot *slot = take_slot(SLOT_SMALL);
    slot->transfer.request_bytes = 0;
    cr_assert_eq(submit(slot, &outcome), -EINVAL);
    slot->transfer.request_bytes = LIMIT_SLOT_REQUEST_BYTES + 1;
    cr_assert_eq(submit(slot, &outcome), -EINVAL);
    slot->transfer.request_bytes = 1;
    slot->transfer.data_bytes = 8193;
    cr_assert_eq(submit(slot, &outcome), -EINVAL);
    slot->transfer.data_bytes = 10;
    slot->transfer.data_valid_bytes = 11;
    cr_assert_eq(submit(slot, &outcome), -EINVAL);
    slot->transfer.data_valid_bytes = 10;
    cr_assert_eq(submit(slot, &outcome), 0);
    cr_assert_eq(submit(slot, &outcome), -EINVAL, "it is in flight");
    cr_assert_eq(channel->counters.submitted, 1);
    cr_assert_eq(host_receive(), 0);
    host_complete(request.transaction_id, 0, 0);
    UNTIL(outcome.done);
    slots_put(slot, slots);
}

/* After a fault on an open channel: told once, everything in flight lost once, and the channel comes back and works. */
static void check_lost(struct slot **taken, struct outcome *outcomes, int count, const char *reason, uint64_t protocol_errors)
{
    struct outcome outcome = {0};

    UNTIL(told_count == 2);
    settle();
    cr_assert_eq(told[1].state, CHANNEL_DOWN);
    cr_assert_not_null(strstr(told[1].reason, reason), "%s", told[1].reason);
    cr_assert_eq(channel->counters.protocol_errors, protocol_errors);
    cr_assert_eq(channel->counters.in_flight, 0);
    for (int i = 0; i < count; i++) {
        cr_assert_eq(outcomes[i].done, 1);
        cr_assert_eq(outcomes[i].result, -ENODEV);
        cr_assert_eq(channel_submit(channel, &taken[i]->transfer), -ENODEV);
        slots_put(taken[i], slots);
    }
    cr_assert_eq(channel->counters.lost, (uint64_t)count);
    host_vanish();
    host_open();
    cr_assert_eq(told_count, 3);
    cr_assert_eq(channel->counters.opens, 2);
    struct slot *slot = take_slot(SLOT_SMALL);
    cr_assert_eq(submit(slot, &outcome), 0);
    cr_assert_eq(host_receive(), 0);
    host_complete(request.transaction_id, 7, 0);
    UNTIL(outcome.done);
    cr_assert_eq(outcome.result, 0);
    slots_put(slot, slots);
}

Test(channel, a_host_that_vanishes_loses_what_is_in_flight_and_may_come_back)
{
    struct outcome outcomes[3] = {0};
    struct slot *taken[3];

    host_open();
    submit_some(taken, outcomes, 3);
    host_vanish();
    check_lost(taken, outcomes, 3, "closed by the peer", 0);
}

static void inject(uint32_t half, uint32_t at, uint32_t value)
{
    memcpy(map + memory.ring_offset + half * RING_BYTES + at, &value, 4);
    host_signal();
}

Test(channel, a_garbage_write_index_closes_the_channel)
{
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];

    host_open();
    submit_some(taken, outcomes, 2);
    inject(1, 0, 4095);
    check_lost(taken, outcomes, 2, "garbage", 1);
}

Test(channel, a_write_index_beyond_the_packets_closes_the_channel)
{
    struct outcome outcomes[1] = {0};
    struct slot *taken[1];

    host_open();
    submit_some(taken, outcomes, 1);
    inject(1, 0, 4000);
    check_lost(taken, outcomes, 1, "garbage", 1);
}

Test(channel, a_garbage_read_index_closes_the_channel_from_the_loop)
{
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];

    host_open();
    submit_some(taken, outcomes, 2);
    inject(0, 4, 3);
    struct slot *slot = take_slot(SLOT_SMALL);
    cr_assert_eq(submit(slot, &outcomes[1]), -ENODEV);
    cr_assert_eq(submit(slot, &outcomes[1]), -ENODEV);
    cr_assert_eq(outcomes[0].done + outcomes[1].done, 0, "not inside submit");
    slots_put(slot, slots);
    check_lost(taken, outcomes, 2, "read index", 1);
}

Test(channel, a_packet_that_is_no_completion_closes_the_channel)
{
    struct outcome outcomes[1] = {0};
    struct slot *taken[1];
    uint16_t in_band[16] = {PACKET_IN_BAND, 2, 4, 0, 1};

    host_open();
    submit_some(taken, outcomes, 1);
    host_send(in_band, sizeof(in_band));
    check_lost(taken, outcomes, 1, "no completion", 1);
}

Test(channel, a_completion_larger_than_4096_bytes_closes_the_channel)
{
    struct channel_emulated_config wide = config();
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];
    uint16_t large[2052] = {PACKET_COMPLETION, 2, 512};

    wide.ring_bytes = 16384;
    reopen(&wide);
    host_open();
    submit_some(taken, outcomes, 2);
    cr_assert_eq(host_receive(), 0);
    memcpy(large + 4, &request.transaction_id, 8);
    host_send(large, 4096);
    UNTIL(outcomes[0].done);
    cr_assert_eq(outcomes[0].result, 0);
    cr_assert_eq(host_receive(), 0);
    memcpy(large + 4, &request.transaction_id, 8);
    large[2] = 513;
    host_send(large, 4104);
    slots_put(taken[0], slots);
    check_lost(taken + 1, outcomes + 1, 1, "garbage", 1);
}

Test(channel, an_oversized_response_closes_the_channel)
{
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];

    host_open();
    submit_some(taken, outcomes, 2);
    cr_assert_eq(host_receive(), 0);
    host_complete(request.transaction_id, 0, LIMIT_SLOT_RESPONSE_BYTES + 1);
    check_lost(taken, outcomes, 2, "32769 response bytes", 1);
}

Test(channel, an_unknown_transaction_closes_the_channel)
{
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];

    host_open();
    submit_some(taken, outcomes, 2);
    host_complete(0x7777, 0, 0);
    check_lost(taken, outcomes, 2, "0x7777", 1);
}

Test(channel, completing_twice_closes_the_channel_even_when_the_place_is_used_again)
{
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];

    host_open();
    submit_some(taken, outcomes, 1);
    cr_assert_eq(host_receive(), 0);
    uint64_t first = request.transaction_id;
    host_complete(first, 0, 0);
    UNTIL(outcomes[0].done);
    slots_put(taken[0], slots);
    submit_some(taken + 1, outcomes + 1, 1);
    cr_assert_eq(host_receive(), 0);
    cr_assert_eq((uint32_t)request.transaction_id, (uint32_t)first, "the same place");
    host_complete(first, 0, 0);
    check_lost(taken + 1, outcomes + 1, 1, "not in flight", 1);
}

Test(channel, a_message_on_an_open_channel_closes_it)
{
    struct outcome outcomes[1] = {0};
    struct slot *taken[1];

    host_open();
    submit_some(taken, outcomes, 1);
    cr_assert_eq(bus_send_opened(connection, 0, NULL), 0);
    check_lost(taken, outcomes, 1, "message on an open channel", 1);
}

Test(channel, what_the_host_completed_before_it_closed_counts)
{
    struct outcome outcomes[2] = {0};
    struct slot *taken[2];

    host_open();
    submit_some(taken, outcomes, 2);
    cr_assert_eq(host_receive(), 0);
    host_complete(request.transaction_id, 5, 9);
    host_vanish();
    UNTIL(told_count == 2);
    settle();
    cr_assert_eq(outcomes[0].done, 1);
    cr_assert_eq(outcomes[0].result, 0);
    cr_assert_eq(taken[0]->transfer.response_bytes, 9);
    cr_assert_eq(outcomes[1].done, 1);
    cr_assert_eq(outcomes[1].result, -ENODEV);
    slots_put(taken[0], slots);
    slots_put(taken[1], slots);
}

Test(channel, new_openings_use_new_memory_and_the_old_lives_while_a_slot_is_out)
{
    host_open();
    struct slot *old = take_slot(SLOT_LARGE);
    host_vanish();
    UNTIL(told_count == 2);
    cr_assert_null(slots_take(slots, SLOT_SMALL), "no slots while down");
    host_open();
    struct slot *fresh = take_slot(SLOT_LARGE);
    cr_assert_neq(fresh->region, old->region);
    memset(old->data, 0x11, old->data_capacity);
    memset(fresh->data, 0x22, fresh->data_capacity);
    cr_assert_eq(old->data[0], 0x11);
    slots_put(old, slots);
    slots_put(fresh, slots);
}

Test(channel, more_completions_than_one_turn_takes_are_all_run_after_one_signal)
{
    enum { MANY = 300 };
    struct channel_emulated_config wide = config();
    struct outcome outcomes[MANY] = {0};
    struct slot *taken[MANY];

    wide.ring_bytes = 131072;
    wide.geometry = (struct slot_geometry){.count = {MANY, 0}, .data_bytes = {4096, 0}};
    reopen(&wide);
    host_open();
    submit_some(taken, outcomes, MANY);
    while (host_receive() == 0)
        host_complete(request.transaction_id, 0, 0);
    UNTIL(channel->counters.completed > 0);
    cr_assert_lt(channel->counters.completed, MANY, "other events had a turn");
    UNTIL(channel->counters.in_flight == 0);
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(outcomes[i].done, 1);
        slots_put(taken[i], slots);
    }
}

static void resubmit(struct transfer *transfer, int result)
{
    struct outcome *outcome = transfer->owner;

    cr_assert_eq(result, 0);
    if (++outcome->done < 500)
        cr_assert_eq(channel_submit(channel, transfer), 0);
}

Test(channel, a_completion_may_submit_again)
{
    struct outcome outcome = {0};

    host_open();
    struct slot *slot = take_slot(SLOT_SMALL);
    slot->transfer.done = resubmit;
    slot->transfer.owner = &outcome;
    cr_assert_eq(channel_submit(channel, &slot->transfer), 0);
    while (outcome.done < 500) {
        unsigned before = outcome.done;
        cr_assert_eq(host_signals(), 1);
        cr_assert_eq(host_receive(), 0);
        host_complete(request.transaction_id, 0, 0);
        UNTIL(outcome.done > before);
    }
    slots_put(slot, slots);
}

/* A host that fails the opening: told once however often it happens, and the next good host is taken. */
static void check_refused(const char *reason, uint64_t protocol_errors)
{
    UNTIL(told_count == 1);
    cr_assert_eq(told[0].state, CHANNEL_DOWN);
    cr_assert_not_null(strstr(told[0].reason, reason), "%s", told[0].reason);
    cr_assert_eq(channel->counters.protocol_errors, protocol_errors);
    host_vanish();
    host_open();
    cr_assert_eq(told_count, 2);
    cr_assert_eq(channel->counters.opens, 1);
}

static void host_offer_raw(uint32_t version, uint8_t class_first_byte, uint32_t max_pages)
{
    struct bus_offer offer = {.header = {.magic = "BlobBus", .version = version, .type = BUS_OFFER, .bytes = sizeof(offer)},
                              .max_pages = max_pages};

    offer.header.magic[7] = '1';
    memcpy(offer.class_guid, bus_blob_class, 16);
    offer.class_guid[0] = class_first_byte;
    cr_assert_eq(send(connection, &offer, sizeof(offer), 0), (ssize_t)sizeof(offer));
}

Test(channel, a_host_of_another_version_is_refused_and_both_versions_told)
{
    host_accept();
    host_offer_raw(2, bus_blob_class[0], 8192);
    check_refused("version 2, this program version 1", 1);
}

Test(channel, another_device_is_refused)
{
    host_accept();
    host_offer_raw(1, 0x55, 8192);
    check_refused("not the Azure Blob device", 1);
}

Test(channel, a_host_that_takes_too_few_pages_is_refused)
{
    host_accept();
    host_offer_raw(1, bus_blob_class[0], 88);
    check_refused("takes 88 pages in a transfer, the largest slot has 89", 0);
}

Test(channel, garbage_instead_of_an_offer_is_refused)
{
    host_accept();
    cr_assert_eq(send(connection, "hello", 5, 0), 5);
    check_refused("does not speak", 1);
}

Test(channel, a_host_that_refuses_to_open_is_tried_again)
{
    host_accept();
    host_offer();
    host_take_memory();
    cr_assert_eq(bus_send_opened(connection, 0xc0000022, NULL), 0);
    check_refused("0xc0000022", 0);
}

Test(channel, a_host_that_closes_before_opening_is_tried_again)
{
    host_accept();
    host_offer();
    host_take_memory();
    host_vanish();
    check_refused("closed by the peer", 0);
}

Test(channel, a_fault_that_repeats_is_told_once_and_counted_each_time)
{
    for (int i = 0; i < 4; i++) {
        host_accept();
        host_offer_raw(9, bus_blob_class[0], 8192);
        UNTIL(channel->counters.protocol_errors == (uint64_t)i + 1);
        host_vanish();
    }
    cr_assert_eq(told_count, 1);
    host_open();
    cr_assert_eq(told_count, 2);
}

/* The suite's channel, opened anew with a short deadline. */
static void reopen_impatient(void)
{
    struct channel_emulated_config impatient = config();

    impatient.open_timeout_ms = 20;
    reopen(&impatient);
}

Test(channel, a_host_that_never_answers_the_open_is_given_up)
{
    reopen_impatient();
    host_accept();
    host_offer();
    host_take_memory();
    check_refused("did not open the channel within 20 ms", 0);
}

Test(channel, a_host_that_never_offers_is_given_up)
{
    reopen_impatient();
    host_accept();
    check_refused("did not offer the channel within 20 ms", 0);
}

Test(channel, the_deadline_of_the_opening_ends_with_it)
{
    struct outcome outcome = {0};

    reopen_impatient();
    host_open();
    cr_assert_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 2, "the socket and the bell, no timer");
    cr_assert_eq(channel->state, CHANNEL_UP);
    struct slot *slot = take_slot(SLOT_SMALL);
    cr_assert_eq(submit(slot, &outcome), 0);
    cr_assert_eq(host_receive(), 0);
    host_complete(request.transaction_id, 0, 0);
    UNTIL(outcome.done);
    slots_put(slot, slots);
}

Test(channel, without_a_host_the_reason_is_told_once_and_a_late_host_is_found)
{
    host_unlisten();
    UNTIL(told_count == 1);
    /* Nothing else is there to be waited for: each turn is an attempt. */
    for (int i = 0; i < 5; i++)
        cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    cr_assert_eq(told_count, 1);
    cr_assert_eq(told[0].state, CHANNEL_DOWN);
    cr_assert_not_null(strstr(told[0].reason, path), "%s", told[0].reason);
    host_listen();
    host_open();
    cr_assert_eq(told_count, 2);
}

Test(channel, a_socket_of_another_user_is_refused)
{
    if (geteuid() != 0)
        cr_skip_test("needs root to become another user");
    host_unlisten();
    cr_assert_eq(seteuid(65534), 0);
    host_listen();
    cr_assert_eq(seteuid(0), 0);
    UNTIL(told_count > 0 && strstr(told[told_count - 1].reason, "uid 65534"));
    cr_assert_eq(channel->state, CHANNEL_DOWN);
    cr_assert_eq(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0, true);
}

Test(channel, closing_completes_what_is_in_flight_inside_and_says_nothing_more)
{
    struct outcome outcomes[3] = {0};
    struct slot *taken[3];

    host_open();
    submit_some(taken, outcomes, 3);
    channel_close(TAKE_PTR(channel));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(outcomes[i].done, 1);
        cr_assert_eq(outcomes[i].result, -ENODEV);
        slots_put(taken[i], slots);
    }
    settle();
    cr_assert_eq(told_count, 1);
}

Test(channel, quarantined_slots_come_back_when_the_channel_is_lost)
{
    struct outcome outcome = {0};

    host_open();
    struct slot *slot = take_slot(SLOT_LARGE);
    cr_assert_eq(submit(slot, &outcome), 0);
    slots_abandon(slot, slots);
    cr_assert_eq(slots_figures(slots).quarantined, 1);
    host_vanish();
    UNTIL(told_count == 2);
    settle();
    cr_assert_eq(slots_figures(slots).quarantined, 0);
    cr_assert_eq(slots_figures(slots).used[SLOT_LARGE], 0);
    cr_assert_eq(outcome.done, 0);
}

Test(channel, a_configuration_that_cannot_work_is_refused)
{
    struct channel_emulated_config bad[6];
    struct channel_listener listens = {.changed = on_changed, .owner = &channel};
    struct channel *none = NULL;
    char long_path[200];

    for (size_t i = 0; i < 6; i++)
        bad[i] = config();
    memset(long_path, 'x', sizeof(long_path));
    long_path[199] = 0;
    bad[0].socket_path = long_path;
    bad[1].ring_bytes = 4096;
    bad[2].ring_bytes = 8200;
    bad[3].ring_bytes = 0;
    bad[4].geometry.data_bytes[SLOT_LARGE] = 32u * 1024 * 1024;
    bad[4].ring_bytes = 1 << 20;
    bad[5].geometry.data_bytes[SLOT_LARGE] = 4u * 1024 * 1024;
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(channel_emulated_open(base, &bad[i], slots, &listens, &none), -EINVAL, "case %zu", i);
    cr_assert_null(none);
}
