/* SPDX-License-Identifier: MIT */
/* What a bad peer or caller does, and how differently the two rings take it. Kept to what the kernel's code survives: it copies
 * at most a data area's bytes from inside its double mapping. */
#include "session.h"

#include <string.h>

#define KINDS(kind) (1u << (kind))

/* What a deed leads to: the kind that ours must answer with, and a set of those that the kernel's may. */
struct verdict {
    enum outcome_kind ours;
    uint32_t kernels;
};

static uint32_t below(struct session *session, uint32_t bound)
{
    return random_below(&session->random, bound);
}

static void poke_all(struct session *session, unsigned half, uint32_t place, uint32_t value)
{
    for (int i = 0; i < WORLDS; i++)
        world_poke(&session->worlds[i], half, place, value);
}

static bool is_empty(const struct session *session, unsigned half)
{
    return !log_front(&session->logs[half]);
}

static bool empty(struct session *session, unsigned half)
{
    return session_step(session, &(struct step){.kind = STEP_BATCH, .side = 1 - half, .count = UINT32_MAX});
}

static bool send_one(struct session *session, unsigned half, uint32_t bytes)
{
    struct step step = {.kind = STEP_SEND, .side = half, .packet = packet_random(&session->random, bytes)};

    return session_step(session, &step);
}

/* An emptied half with one packet in it. */
static bool with_one(struct session *session, unsigned half)
{
    return empty(session, half) && send_one(session, half, 64) && !is_empty(session, half);
}

/* Does the deed in all worlds and looks at its outcomes; outcomes are for what the row has to say besides. */
static bool do_all(struct session *session, enum difference difference, const struct step *step, struct verdict verdict,
                   struct outcome outcomes[WORLDS])
{
    struct parcel parcel = {.vector_count = 0};

    if (step->kind == STEP_SEND)
        parcel = packet_parcel(&step->packet);
    for (int i = 0; i < WORLDS; i++) {
        struct end *end = &session->worlds[i].ends[step->side];
        outcomes[i] = step->kind == STEP_SEND ? end_send(end, &parcel)
                                              : end_receive(end, session->worlds[i].buffer, session->worlds[i].ring_bytes, true);
        uint32_t expected = end->maker == MAKER_OURS ? KINDS(verdict.ours) : verdict.kernels;
        if (!(expected & KINDS(outcomes[i].kind)))
            return session_diverged(session, "misbehaviour", "%s: %s", session->worlds[i].name, outcome_name(outcomes[i].kind));
        if (end->maker == MAKER_KERNEL)
            difference_count(difference);
    }
    return true;
}

/* Of the worlds where that maker's end acts: the word is that value. */
static bool word_is(struct session *session, const struct step *step, enum maker maker, unsigned half, uint32_t place,
                    uint32_t value)
{
    for (int i = 0; i < WORLDS; i++) {
        struct world *world = &session->worlds[i];
        if (world->ends[step->side].maker == maker && world_word(world, half, place) != value)
            return session_diverged(session, "misbehaviour", "%s: %u instead of %u at %u", world->name,
                                    world_word(world, half, place), value, place);
    }
    return true;
}

static bool refused(struct session *session, enum difference difference, const struct step *step, uint32_t kernels)
{
    unsigned half = step->kind == STEP_SEND ? step->side : 1 - step->side;
    uint32_t place = step->kind == STEP_SEND ? AT_WRITE : AT_READ;
    uint32_t index = world_word(&session->worlds[0], half, place);
    struct outcome outcomes[WORLDS];

    return do_all(session, difference, step, (struct verdict){OUTCOME_REFUSED, kernels}, outcomes) &&
           word_is(session, step, MAKER_OURS, half, place, index);
}

/* Units of 8 in the descriptor's two length fields: header (at 2) and packet (at 4). */
static bool bad_length(struct session *session, unsigned half)
{
    const struct {
        uint16_t header, packet;
    } lengths[] = {{2, 0}, {2, 1}, {0, 8}, {1, 8}, {9, 8}, {65535, 8}, {2, 9}, {2, 10}, {2, 65535}, {65535, 65535}};
    uint32_t i = below(session, sizeof(lengths) / sizeof(*lengths));

    if (!with_one(session, half))
        return false;
    for (int world = 0; world < WORLDS; world++) {
        uint32_t read = world_word(&session->worlds[world], half, AT_READ);
        memcpy(world_data(&session->worlds[world], half, read, 2), &lengths[i].header, 2);
        memcpy(world_data(&session->worlds[world], half, read, 4), &lengths[i].packet, 2);
    }
    return refused(session, DIFFERENCE_BAD_LENGTH, &(struct step){.kind = STEP_RECEIVE, .side = 1 - half}, KINDS(OUTCOME_DONE));
}

static bool short_packet(struct session *session, unsigned half)
{
    uint32_t data_bytes = world_data_bytes(&session->worlds[0]);

    if (!empty(session, half))
        return false;
    poke_all(session, half, AT_WRITE, (world_word(&session->worlds[0], half, AT_WRITE) + 8) % data_bytes);
    return refused(session, DIFFERENCE_SHORT, &(struct step){.kind = STEP_RECEIVE, .side = 1 - half}, KINDS(OUTCOME_EMPTY));
}

static uint32_t bad_index(struct session *session, uint32_t index)
{
    uint32_t data_bytes = world_data_bytes(&session->worlds[0]);
    const uint32_t values[] = {index ^ 4, index | 1, data_bytes, data_bytes + 8, 0x80000000, 0xfffffff8, UINT32_MAX};

    return values[below(session, sizeof(values) / sizeof(*values))];
}

static bool write_index(struct session *session, unsigned half)
{
    if (!with_one(session, half))
        return false;
    poke_all(session, half, AT_WRITE, bad_index(session, world_word(&session->worlds[0], half, AT_WRITE)));
    return refused(session, DIFFERENCE_WRITE_INDEX, &(struct step){.kind = STEP_RECEIVE, .side = 1 - half},
                   KINDS(OUTCOME_DONE) | KINDS(OUTCOME_EMPTY));
}

static bool read_index(struct session *session, unsigned half)
{
    struct step step = {.kind = STEP_SEND, .side = half, .packet = packet_random(&session->random, 64)};

    if (!with_one(session, half))
        return false;
    poke_all(session, half, AT_READ, bad_index(session, world_word(&session->worlds[0], half, AT_READ)));
    return refused(session, DIFFERENCE_READ_INDEX, &step, KINDS(OUTCOME_DONE) | KINDS(OUTCOME_FULL));
}

static bool own_write_index(struct session *session, unsigned half)
{
    uint32_t data_bytes = world_data_bytes(&session->worlds[0]);
    struct step step = {.kind = STEP_SEND, .side = half, .packet = packet_random(&session->random, 64)};
    struct outcome outcomes[WORLDS];

    if (!with_one(session, half))
        return false;
    uint32_t right = world_word(&session->worlds[0], half, AT_WRITE), wrong = (right + 16) % data_bytes;
    poke_all(session, half, AT_WRITE, wrong);
    return do_all(session, DIFFERENCE_OWN_WRITE_INDEX, &step, (struct verdict){OUTCOME_DONE, KINDS(OUTCOME_DONE)}, outcomes) &&
           word_is(session, &step, MAKER_OURS, half, AT_WRITE, (right + 72) % data_bytes) &&
           word_is(session, &step, MAKER_KERNEL, half, AT_WRITE, (wrong + 72) % data_bytes);
}

/* The peer waits for all but 8 bytes. Ours knows that the one packet it read made that room. To the kernel it looks as if nothing
 * had been read, so that the room was there before. */
static bool own_read_index(struct session *session, unsigned half)
{
    uint32_t data_bytes = world_data_bytes(&session->worlds[0]);
    struct step step = {.kind = STEP_RECEIVE, .side = 1 - half};
    struct outcome outcomes[WORLDS];

    if (!with_one(session, half))
        return false;
    uint32_t next = (world_word(&session->worlds[0], half, AT_READ) + 72) % data_bytes;
    poke_all(session, half, AT_FEATURES, 1);
    poke_all(session, half, AT_PENDING, data_bytes - 8);
    poke_all(session, half, AT_READ, next);
    if (!do_all(session, DIFFERENCE_OWN_READ_INDEX, &step, (struct verdict){OUTCOME_DONE, KINDS(OUTCOME_DONE)}, outcomes))
        return false;
    for (int i = 0; i < WORLDS; i++) {
        if (outcomes[i].bytes != 64 || outcomes[i].signal != (session->worlds[i].ends[step.side].maker == MAKER_OURS))
            return session_diverged(session, "misbehaviour", "%s: %u bytes, signal %d", session->worlds[i].name,
                                    outcomes[i].bytes, outcomes[i].signal);
    }
    return word_is(session, &step, MAKER_OURS, half, AT_READ, next) && word_is(session, &step, MAKER_KERNEL, half, AT_READ, next);
}

static bool length_field(struct session *session, unsigned half)
{
    struct step step = {
        .kind = STEP_SEND, .side = half, .packet = packet_random(&session->random, PACKET_BYTES_MAX + 1 + below(session, 64))};
    struct outcome outcomes[WORLDS];

    return empty(session, half) &&
           do_all(session, DIFFERENCE_LENGTH_FIELD, &step, (struct verdict){OUTCOME_NEVER_FITS, KINDS(OUTCOME_DONE)}, outcomes);
}

bool session_misbehave(struct session *session, enum difference difference)
{
    unsigned half = below(session, 2);

    switch (difference) {
    case DIFFERENCE_LENGTH_FIELD:
        return length_field(session, half);
    case DIFFERENCE_BAD_LENGTH:
        return bad_length(session, half);
    case DIFFERENCE_SHORT:
        return short_packet(session, half);
    case DIFFERENCE_WRITE_INDEX:
        return write_index(session, half);
    case DIFFERENCE_READ_INDEX:
        return read_index(session, half);
    case DIFFERENCE_OWN_WRITE_INDEX:
        return own_write_index(session, half);
    case DIFFERENCE_OWN_READ_INDEX:
        return own_read_index(session, half);
    default:
        return session_diverged(session, "misbehaviour", "no such deed");
    }
}
