/* SPDX-License-Identifier: MIT */
/* Both real ends of the bus against each other: the emulated channel of the proxy and the VSP of the host. */
#include "../../src/blobhostd/vsp.h"

#include "../../src/lib/channel/channel.h"
#include "../../src/lib/envelope.h"
#include "../../src/lib/vmbus/vsp_status.h"
#include "fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD "PUT /c/b HTTP/1.1\r\nHost: acct.blob.local\r\n\r\n"
#define BODY_BYTES 10000u
#define SLOTS 64u
#define ROUNDS 20u /* transfers of each slot */

static char directory[] = "/tmp/test_vsp_XXXXXX";
static char path[64];
static struct fake fake;
static struct vsp *vsp;
static struct event_base *base;
static struct slots *slots;
static struct channel *channel;
static struct err err;
static unsigned left; /* transfers not answered yet */

static void changed(void *owner, enum channel_state state, const char *reason)
{
    (void)owner;
    (void)state;
    (void)reason;
    event_base_loopbreak(base);
}

static void start_host(void)
{
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/bus.sock", directory);
    const struct channel_emulated_config config = {
        .socket_path = path,
        .ring_bytes = 8192, /* so small that the requests of all slots do not fit at once */
        .geometry = {.count = {SLOTS, 1}, .data_bytes = {16384, 65536}},
        .reconnect_min_ms = 1,
        .reconnect_max_ms = 10,
    };
    const struct channel_listener listener = {.changed = changed};

    fake_init(&fake);
    start_host();
    base = event_base_new();
    cr_assert_eq(slots_new(base, &config.geometry, &slots), 0);
    cr_assert_eq(channel_emulated_open(base, &config, slots, &listener, &channel), 0);
}

static void tear_down(void)
{
    channel_close(channel);
    slots_free(slots);
    event_base_free(base);
    vsp_stop(vsp);
    cr_assert_eq(rmdir(directory), 0);
}

TestSuite(vsp_channel, .init = set_up, .fini = tear_down, .timeout = 60);

static void wait_for(enum channel_state state)
{
    while (channel->state != state)
        event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static uint8_t body_byte(unsigned round, uint32_t at)
{
    return (uint8_t)(round * 31 + at * 7 + at / 256);
}

/* Returns false when the ring is full: not now. */
static bool submit(struct slot *slot, unsigned round)
{
    memcpy(slot->request + ENVELOPE_HEADER_BYTES, HEAD, strlen(HEAD));
    envelope_seal(ENVELOPE_REQUEST, ENVELOPE_FORMAT_HTTP, 0, slot->request, strlen(HEAD));
    for (uint32_t i = 0; i < BODY_BYTES; i++)
        slot->data[i] = body_byte(round, i);
    slot->transfer.request_bytes = (uint32_t)(ENVELOPE_HEADER_BYTES + strlen(HEAD));
    slot->transfer.data_bytes = slot->data_capacity;
    slot->transfer.data_valid_bytes = BODY_BYTES;
    const int rc = channel_submit(channel, &slot->transfer);
    cr_assert(rc == 0 || rc == -EAGAIN, "%s", strerror(-rc));
    return rc == 0;
}

struct work {
    struct slot *slot;
    unsigned round;
    bool is_due; /* to be submitted */
};

static void work_submit_due(struct work *works)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (works[i].is_due && submit(works[i].slot, works[i].round))
            works[i].is_due = false;
    }
}

static void work_done(struct transfer *transfer, int result)
{
    struct work *work = transfer->owner;
    struct envelope envelope;

    cr_assert_eq(result, 0);
    cr_assert_eq(transfer->status, VSP_STATUS_OK);
    cr_assert_eq(envelope_open(ENVELOPE_RESPONSE, work->slot->response, transfer->response_bytes, &envelope), 0);
    for (uint32_t i = 0; i < BODY_BYTES; i++)
        cr_assert_eq(work->slot->data[i], body_byte(work->round, BODY_BYTES - 1 - i), "round %u byte %u", work->round, i);
    work->is_due = ++work->round < ROUNDS;
    left--;
}

Test(vsp_channel, carries_many_transfers_at_once)
{
    struct work works[SLOTS] = {0};

    wait_for(CHANNEL_UP);
    for (unsigned i = 0; i < SLOTS; i++) {
        works[i] = (struct work){slots_take(slots, SLOT_SMALL), 0, true};
        cr_assert_not_null(works[i].slot);
        works[i].slot->transfer.done = work_done;
        works[i].slot->transfer.owner = &works[i];
    }
    for (left = SLOTS * ROUNDS; left > 0;) {
        work_submit_due(works);
        event_base_loop(base, EVLOOP_ONCE);
    }
    cr_assert_eq(channel->counters.completed, SLOTS * ROUNDS);
    cr_assert_eq(channel->counters.protocol_errors, 0);
    for (unsigned i = 0; i < SLOTS; i++)
        slots_put(works[i].slot, slots);
}

Test(vsp_channel, comes_back_after_the_host_was_stopped)
{
    wait_for(CHANNEL_UP);
    vsp = vsp_stop(vsp);
    wait_for(CHANNEL_DOWN);
    start_host();
    wait_for(CHANNEL_UP);
    cr_assert_eq(channel->counters.opens, 2);
}
