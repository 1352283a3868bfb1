/* SPDX-License-Identifier: MIT */
/* Both ends of a channel on threads of their own, asleep on eventfds whenever the protocol lets them: a lost wake-up hangs. */
#include "../../src/lib/vmbus/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#define RING_BYTES 8192u
#define PACKET_BYTES_HERE_MAX 256u

struct end {
    struct ring ring;
    int own_event, peer_event;
    uint64_t to_send, to_receive;
    uint64_t sent, received;
    bool answers;    /* sends only as many as it has received */
    uint64_t window; /* packets it sends ahead of those received; 0: any number */
    bool is_blocked;
    uint64_t sleeps, blocks;
    const char *failure;
};

static void signal_peer(struct end *end)
{
    uint64_t one = 1;

    if (write(end->peer_event, &one, sizeof(one)) != sizeof(one))
        end->failure = "signal";
}

static uint32_t packet_size(uint64_t number)
{
    return 24 + (uint32_t)(number * 2654435761u >> 7) % 200;
}

static void packet_fill(uint8_t *bytes, uint64_t number)
{
    uint16_t words[4] = {6, 2, (uint16_t)((packet_size(number) + 7) / 8), 0};

    memset(bytes, (int)number, PACKET_BYTES_HERE_MAX);
    memcpy(bytes, words, sizeof(words));
    memcpy(bytes + 8, &number, sizeof(number));
}

static bool may_send(const struct end *end)
{
    return end->sent < end->to_send && (!end->answers || end->sent < end->received) &&
           (!end->window || end->sent < end->received + end->window);
}

/* As much as there is room for; blocked when it returns with something left. */
static void send_some(struct end *end)
{
    uint8_t bytes[PACKET_BYTES_HERE_MAX];
    bool must_signal;

    while (may_send(end)) {
        packet_fill(bytes, end->sent);
        int r = ring_send(&end->ring, &(struct iovec){bytes, packet_size(end->sent)}, 1, &must_signal);
        if (r == -EAGAIN) {
            end->is_blocked = ring_block(&end->ring, packet_size(end->sent));
            end->blocks += end->is_blocked;
            if (end->is_blocked)
                return;
            continue;
        }
        if (r < 0)
            end->failure = "send";
        if (must_signal)
            signal_peer(end);
        end->sent++;
    }
}

/* Returns true when there may be more. */
static bool receive_some(struct end *end)
{
    _Alignas(8) uint8_t bytes[PACKET_BYTES_HERE_MAX], expected[PACKET_BYTES_HERE_MAX];
    bool must_signal;

    ring_mask_interrupts(&end->ring);
    for (;;) {
        int r = ring_receive(&end->ring, bytes, sizeof(bytes), &must_signal);
        if (r == -EAGAIN)
            return ring_unmask_and_recheck(&end->ring);
        if (r < 0) {
            end->failure = "receive";
            return false;
        }
        if (must_signal)
            signal_peer(end);
        packet_fill(expected, end->received);
        uint32_t size = packet_size(end->received);
        if (r != (int)((size + 7) / 8 * 8) || memcmp(bytes, expected, size) != 0)
            end->failure = "contents";
        end->received++;
        if (end->answers || end->window)
            send_some(end);
    }
}

static void *end_run(void *arg)
{
    struct end *end = arg;
    uint64_t count;

    while (!end->failure) {
        send_some(end);
        if (receive_some(end) || (may_send(end) && !end->is_blocked))
            continue;
        if (end->sent == end->to_send && end->received == end->to_receive)
            break;
        end->sleeps++;
        if (read(end->own_event, &count, sizeof(count)) != sizeof(count))
            end->failure = "sleep";
        if (end->is_blocked)
            ring_unblock(&end->ring);
        end->is_blocked = false;
    }
    return NULL;
}

static _Alignas(4096) uint8_t memory[2 * RING_BYTES];
static struct end ends[2];

static void run(void)
{
    pthread_t threads[2];

    cr_assert_eq(ring_init(&ends[0].ring, memory, RING_BYTES), 0);
    cr_assert_eq(ring_attach(&ends[1].ring, memory, RING_BYTES), 0);
    ends[0].own_event = ends[1].peer_event = eventfd(0, EFD_CLOEXEC);
    ends[1].own_event = ends[0].peer_event = eventfd(0, EFD_CLOEXEC);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, end_run, &ends[i]), 0);
    /* Either may still signal the other until it has ended. */
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        cr_assert_null(ends[i].failure, "end %d: %s", i, ends[i].failure);
        cr_assert_eq(ends[i].sent, ends[i].to_send);
        cr_assert_eq(ends[i].received, ends[i].to_receive);
        close(ends[i].own_event);
    }
}

Test(ring_threads, a_million_packets_each_way_arrive_in_order, .timeout = 240)
{
    for (int i = 0; i < 2; i++)
        ends[i].to_send = ends[i].to_receive = 1000000;
    run();
    cr_assert_gt(ends[0].blocks + ends[1].blocks, 0, "a full ring was met");
    cr_assert_gt(ends[0].sleeps + ends[1].sleeps, 0, "an empty ring was met");
}

Test(ring_threads, a_million_answered_packets_arrive_in_order, .timeout = 240)
{
    for (int i = 0; i < 2; i++)
        ends[i].to_send = ends[i].to_receive = 1000000;
    ends[1].answers = true;
    run();
}

/* The rings are empty all the time, so most packets meet a receiver that is about to fall asleep. */
Test(ring_threads, few_packets_in_flight_wake_a_receiver_that_falls_asleep, .timeout = 240)
{
    for (int i = 0; i < 2; i++)
        ends[i].to_send = ends[i].to_receive = 500000;
    ends[0].window = 3;
    ends[1].answers = true;
    run();
}

Test(ring_threads, a_hundred_thousand_single_packets_wake_their_receiver, .timeout = 240)
{
    ends[0].to_send = ends[1].to_receive = 100000;
    run();
    cr_assert_gt(ends[1].sleeps, 0);
}
