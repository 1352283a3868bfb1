/* SPDX-License-Identifier: MIT */
/* Choosing steps: random, but often at the boundaries, and in long phases of filling and of draining. */
#include "session.h"

/* Large rings take longer to fill. */
#define PHASE_STEPS(ring_bytes) (96 + (ring_bytes) / 4096)

static uint32_t below(struct session *session, uint32_t bound)
{
    return random_below(&session->random, bound);
}

/* Sizes with which the packet and its footer just fit, just do not, or end near the end of the data area. */
static uint32_t boundary_total(struct session *session, unsigned half)
{
    const struct world *world = &session->worlds[0];
    uint32_t data_bytes = world_data_bytes(world), write = world_word(world, half, AT_WRITE);
    uint32_t used = (write + data_bytes - world_word(world, half, AT_READ)) % data_bytes;
    uint32_t near = below(session, 2) ? data_bytes - used : data_bytes - write;

    return near + 8 * below(session, 5) - 16;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t random_size(struct session *session, unsigned half)
{
    uint32_t data_bytes = world_data_bytes(&session->worlds[0]), total;

    switch (below(session, 16)) {
    case 0:
    case 1:
    case 2:
        total = boundary_total(session, half);
        if (total >= 24 && total - 8 <= PACKET_BYTES_MAX)
            return total - 8 - below(session, 8) * (total > 40);
        return 16 + below(session, 48);
    case 3:
        return below(session, 8) ? smaller(16 + below(session, data_bytes / 2), PACKET_BYTES_MAX)
                                 : smaller(data_bytes - 24 + below(session, 64), PACKET_BYTES_MAX);
    case 4:
    case 5:
    case 6:
        return 16 + below(session, data_bytes / 16);
    default:
        return 16 + below(session, 150);
    }
}

static struct step send_step(struct session *session, uint32_t side)
{
    uint32_t bytes = random_size(session, side);

    return (struct step){.kind = STEP_SEND, .side = side, .packet = packet_random(&session->random, bytes)};
}

static struct step receive_step(struct session *session, uint32_t side)
{
    const struct packet *front = log_front(&session->logs[1 - side]);
    struct step step = {.kind = STEP_RECEIVE, .side = side};

    switch (below(session, 8)) {
    case 0:
        step.kind = STEP_PAYLOAD;
        break;
    case 1:
        step.kind = STEP_BATCH;
        step.count = below(session, 3) ? below(session, 8) : UINT32_MAX;
        break;
    case 2:
        if (front && front->bytes > 16) {
            step.kind = STEP_SMALL;
            step.bytes = 16 + below(session, (front->bytes + 7) / 8 - 2) * 8;
        }
        break;
    default:
        break;
    }
    return step;
}

/* Values that a peer may write, sane and not: the bus does not say that pending_send_sz is a multiple of 8. */
static struct step poke_step(struct session *session)
{
    uint32_t data_bytes = world_data_bytes(&session->worlds[0]);
    struct step step = {.kind = STEP_POKE, .half = below(session, 2)};

    switch (below(session, 4)) {
    case 0:
        step.place = AT_FEATURES;
        step.value = below(session, 4) ? 1 | below(session, UINT32_MAX) << 1 : below(session, UINT32_MAX) << 1;
        break;
    case 1:
        step.place = AT_MASK;
        step.value = below(session, 2) ? 0 : 1u << below(session, 32);
        break;
    default:
        step.place = AT_PENDING;
        step.value = below(session, 4) ? below(session, data_bytes + 16) : data_bytes - 1 + below(session, 2) * 4096;
    }
    return step;
}

static struct step other_step(struct session *session, uint32_t side)
{
    switch (below(session, 6)) {
    case 0:
        return (struct step){.kind = STEP_MASK, .side = side};
    case 1:
        return (struct step){.kind = STEP_UNMASK, .side = side};
    case 2:
    case 3:
        return (struct step){.kind = STEP_BLOCK, .side = side, .bytes = random_size(session, side)};
    case 4:
        return (struct step){.kind = STEP_UNBLOCK, .side = side};
    default:
        return poke_step(session);
    }
}

struct step session_choose(struct session *session)
{
    uint32_t half = below(session, 2), what = below(session, 16);
    bool is_filling = (session->steps / PHASE_STEPS(session->worlds[0].ring_bytes) + half) % 2;

    if (what >= 13)
        return other_step(session, half);
    if (what < (is_filling ? 10u : 3u))
        return send_step(session, half);
    return receive_step(session, 1 - half);
}
