/* SPDX-License-Identifier: MIT */
/* The races: two threads and an eventfd for each. */
#include "race.h"
#include "world.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_BYTES 8192u
#define PACKET_BYTES_HERE_MAX 256u
#define WAKE_UP_MS 20000 /* far longer than a thread that was woken takes on a busy machine */
#define WAKE_UP_LOST_MS 2000

static const struct {
    int world; /* of worlds_open() */
    bool host_answers;
} races[RACES] = {{2, false}, {2, true}, {3, false}, {3, true}};

struct runner {
    struct end *end;
    struct runner *peer;
    int event;
    uint64_t packets;
    uint64_t sent, received;
    bool answers; /* sends only as many as it has received */
    bool is_blocked;
    uint64_t sleeps, blocks, signals, signals_max;
    _Atomic(const char *) failure;
};

static void fail(struct runner *runner, const char *what)
{
    const char *none = NULL;

    atomic_compare_exchange_strong(&runner->failure, &none, what);
}

static void signal_peer(struct runner *runner)
{
    if (runner->signals++ < runner->signals_max && eventfd_write(runner->peer->event, 1) < 0)
        fail(runner, "eventfd");
}

/* Packets by number; every one is distinct from its neighbours. */
static uint32_t packet_size(uint64_t number)
{
    return 24 + (uint32_t)(number * 2654435761u >> 7) % 200;
}

static struct parcel fill(uint8_t bytes[PACKET_BYTES_HERE_MAX], uint64_t number)
{
    uint32_t size = packet_size(number);
    uint16_t words[4] = {PACKET_IN_BAND, 2, (uint16_t)((size + 7) / 8), 0};
    struct parcel parcel = {
        .vectors = {{bytes, 16}, {bytes + 16, size - 16}}, .vector_count = 2, .bytes = size, .transaction_id = number + 1};

    memset(bytes, 0, PACKET_BYTES_HERE_MAX);
    memset(bytes + 16, (int)number, size - 16);
    memcpy(bytes, words, sizeof(words));
    memcpy(bytes + 8, &parcel.transaction_id, 8);
    return parcel;
}

static bool may_send(const struct runner *runner)
{
    return runner->sent < runner->packets && (!runner->answers || runner->sent < runner->received);
}

/* Stops when there is nothing to send or no room; blocked in the latter case. */
static void send_some(struct runner *runner)
{
    _Alignas(8) uint8_t bytes[PACKET_BYTES_HERE_MAX];

    while (may_send(runner) && !runner->is_blocked && !atomic_load(&runner->failure)) {
        struct parcel parcel = fill(bytes, runner->sent);
        struct outcome outcome = end_send(runner->end, &parcel);
        if (outcome.kind == OUTCOME_FULL) {
            runner->is_blocked = end_block(runner->end, parcel.bytes).flag;
            runner->blocks += runner->is_blocked;
            continue;
        }
        if (outcome.kind != OUTCOME_DONE)
            fail(runner, "send");
        if (outcome.signal)
            signal_peer(runner);
        runner->sent++;
    }
}

static void check_packet(struct runner *runner, const uint8_t *bytes, uint32_t count)
{
    _Alignas(8) uint8_t expected[PACKET_BYTES_HERE_MAX];

    fill(expected, runner->received);
    if (count != (packet_size(runner->received) + 7) / 8 * 8 || memcmp(bytes, expected, count) != 0)
        fail(runner, "a wrong packet");
    runner->received++;
}

/* Returns whether there may be more. */
static bool receive_some(struct runner *runner)
{
    _Alignas(8) uint8_t bytes[PACKET_BYTES_HERE_MAX];

    end_mask(runner->end);
    while (!atomic_load(&runner->failure)) {
        struct outcome outcome = end_receive(runner->end, bytes, sizeof(bytes), true);
        if (outcome.kind == OUTCOME_EMPTY)
            return end_unmask(runner->end).flag;
        if (outcome.kind != OUTCOME_DONE)
            fail(runner, "receive");
        if (outcome.signal)
            signal_peer(runner);
        check_packet(runner, bytes, outcome.bytes);
        if (runner->answers)
            send_some(runner);
    }
    return false;
}

static void sleep_until_signalled(struct runner *runner)
{
    struct pollfd ready = {.fd = runner->event, .events = POLLIN};
    eventfd_t count;

    runner->sleeps++;
    if (poll(&ready, 1, runner->signals_max == UINT64_MAX ? WAKE_UP_MS : WAKE_UP_LOST_MS) != 1 ||
        eventfd_read(runner->event, &count) < 0)
        fail(runner, "nobody woke a sleeper");
    if (runner->is_blocked)
        end_unblock(runner->end);
    runner->is_blocked = false;
}

static void *run(void *arg)
{
    struct runner *runner = arg;

    while (!atomic_load(&runner->failure)) {
        send_some(runner);
        if (receive_some(runner) || (may_send(runner) && !runner->is_blocked))
            continue;
        if (runner->sent == runner->packets && runner->received == runner->packets)
            break;
        sleep_until_signalled(runner);
    }
    /* A peer of one that failed should not wait in vain. */
    if (atomic_load(&runner->failure)) {
        fail(runner->peer, atomic_load(&runner->failure));
        eventfd_write(runner->peer->event, 1);
    }
    return NULL;
}

static void run_both(struct runner runners[2])
{
    pthread_t threads[2];
    int started = 0;

    for (; started < 2; started++) {
        if (pthread_create(&threads[started], NULL, run, &runners[started]) != 0) {
            fail(&runners[0], "no thread");
            break;
        }
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static const char *run_world(struct world *world, bool host_answers, uint64_t packets, uint64_t signals_max,
                             struct runner runners[2])
{
    for (int i = 0; i < 2; i++)
        runners[i] = (struct runner){.end = &world->ends[i],
                                     .peer = &runners[1 - i],
                                     .event = eventfd(0, EFD_CLOEXEC),
                                     .packets = packets,
                                     .signals_max = signals_max,
                                     .answers = host_answers && i == LOCKSTEP_HOST};
    run_both(runners);
    for (int i = 0; i < 2; i++)
        close(runners[i].event);
    const char *failure = atomic_load(&runners[0].failure);
    return failure ? failure : atomic_load(&runners[1].failure);
}

bool race_run(unsigned i, uint64_t packets, uint64_t signals_max, char *ret_text, size_t capacity)
{
    struct world worlds[WORLDS];
    struct runner runners[2] = {{0}};
    const char *failure = "no memory";

    if (worlds_open(worlds, RING_BYTES))
        failure = run_world(&worlds[races[i].world], races[i].host_answers, packets, signals_max, runners);
    worlds_close(worlds);
    snprintf(ret_text, capacity, "%s, %s: %" PRIu64 " packets each way, %" PRIu64 " sleeps, %" PRIu64 " blocks%s%s",
             worlds[races[i].world].name, races[i].host_answers ? "questions and answers" : "both send all the time", packets,
             runners[0].sleeps + runners[1].sleeps, runners[0].blocks + runners[1].blocks, failure ? "; failed: " : "",
             failure ? failure : "");
    return !failure;
}
