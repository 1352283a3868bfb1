/* SPDX-License-Identifier: MIT */
/* Doing a step in all worlds, and comparing what came of it. */
#include "session.h"
#include "coverage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *step_name(enum step_kind kind)
{
    static const char *const names[] = {"send", "receive", "receive payload", "batch",   "small buffer",
                                        "mask", "unmask",  "block",           "unblock", "poke"};

    return names[kind];
}

bool session_open(struct session *session, uint32_t ring_bytes, uint64_t seed)
{
    memset(session, 0, sizeof(*session));
    session->random.state = seed;
    return worlds_open(session->worlds, ring_bytes) && log_open(&session->logs[0]) && log_open(&session->logs[1]);
}

void session_close(struct session *session)
{
    worlds_close(session->worlds);
    log_close(&session->logs[0]);
    log_close(&session->logs[1]);
}

bool session_diverged(struct session *session, const char *field, const char *format, ...)
{
    va_list arguments;

    session->divergence.field = field;
    va_start(arguments, format);
    vsnprintf(session->divergence.text, sizeof(session->divergence.text), format, arguments);
    va_end(arguments);
    return false;
}

static bool is_receiving(const struct step *step)
{
    return step->kind >= STEP_RECEIVE && step->kind <= STEP_SMALL;
}

static struct outcome world_step(struct world *world, const struct step *step, const struct parcel *parcel)
{
    struct end *end = &world->ends[step->side];

    switch (step->kind) {
    case STEP_SEND:
        return end_send(end, parcel);
    case STEP_RECEIVE:
        return end_receive(end, world->buffer, world->ring_bytes, true);
    case STEP_PAYLOAD:
        return end_receive(end, world->buffer, world->ring_bytes, false);
    case STEP_BATCH:
        return end_receive_batch(end, step->count, world->buffer, world->ring_bytes);
    case STEP_SMALL:
        return end_receive(end, world->buffer, step->bytes, true);
    case STEP_MASK:
        return end_mask(end);
    case STEP_UNMASK:
        return end_unmask(end);
    case STEP_BLOCK:
        return end_block(end, step->bytes);
    case STEP_UNBLOCK:
        return end_unblock(end);
    case STEP_POKE:
        world_poke(world, step->half, step->place, step->value);
        return (struct outcome){.kind = OUTCOME_DONE};
    }
    return (struct outcome){.kind = OUTCOME_FAILED};
}

/* The kernel's word for what ours says, where they have different ones. */
static enum difference explain(const struct step *step, enum outcome_kind ours, enum outcome_kind kernels)
{
    if (step->kind == STEP_SEND && ours == OUTCOME_NEVER_FITS && kernels == OUTCOME_FULL)
        return DIFFERENCE_NEVER_FITS;
    if (step->kind == STEP_SMALL && ours == OUTCOME_REFUSED && kernels == OUTCOME_SMALL_BUFFER)
        return DIFFERENCE_SMALL_BUFFER;
    return DIFFERENCE_NONE;
}

static bool outcomes_agree(struct session *session, const struct step *step, const struct outcome outcomes[WORLDS], int i)
{
    const struct outcome *ours = &outcomes[0], *other = &outcomes[i];
    const struct world *world = &session->worlds[i];

    if (ours->kind != other->kind) {
        enum difference difference = explain(step, ours->kind, other->kind);
        if (difference == DIFFERENCE_NONE || world->ends[step->side].maker == MAKER_OURS)
            return session_diverged(session, "result", "%s (%s), %s (%s)", outcome_name(ours->kind), session->worlds[0].name,
                                    outcome_name(other->kind), world->name);
        difference_count(difference);
    }
    if (ours->signal != other->signal)
        return session_diverged(session, "signal", "%d (%s), %d (%s)", ours->signal, session->worlds[0].name, other->signal,
                                world->name);
    if (ours->packets != other->packets || ours->bytes != other->bytes || ours->flag != other->flag)
        return session_diverged(session, "result", "%u packets of %u bytes, flag %d (%s), %u of %u, %d (%s)", ours->packets,
                                ours->bytes, ours->flag, session->worlds[0].name, other->packets, other->bytes, other->flag,
                                world->name);
    if (memcmp(session->worlds[0].buffer, world->buffer, ours->bytes) != 0)
        return session_diverged(session, "received byte", "%s, %s", session->worlds[0].name, world->name);
    return true;
}

static bool are_packets_right(struct session *session, const struct step *step, const struct outcome *outcome)
{
    struct log *log = &session->logs[1 - step->side];
    const uint8_t *bytes = session->worlds[0].buffer;

    for (uint32_t i = 0; i < outcome->packets; i++) {
        const struct packet *packet = log_front(log);
        if (!packet)
            return session_diverged(session, "received byte", "a packet that nobody sent");
        uint32_t skipped = step->kind == STEP_PAYLOAD ? packet->header_bytes : 0;
        uint32_t length = (packet->bytes + 7) / 8 * 8 - skipped;
        if (!packet_matches(packet, skipped, bytes, length))
            return session_diverged(session, "received byte", "not what was sent");
        bytes += length;
        log_pop(log);
    }
    if (bytes != session->worlds[0].buffer + outcome->bytes)
        return session_diverged(session, "result", "%u bytes received, not as many as were sent", outcome->bytes);
    return true;
}

/* State of a direction before a step. */
struct before {
    uint32_t data_bytes, write, read, free, pending, mask, features;
};

static struct before look(const struct world *world, unsigned half)
{
    struct before before = {.data_bytes = world_data_bytes(world),
                            .write = world_word(world, half, AT_WRITE),
                            .read = world_word(world, half, AT_READ),
                            .pending = world_word(world, half, AT_PENDING) & ~7u,
                            .mask = world_word(world, half, AT_MASK),
                            .features = world_word(world, half, AT_FEATURES)};

    before.free = before.data_bytes - (before.write + before.data_bytes - before.read) % before.data_bytes;
    return before;
}

static uint32_t packet_total(uint32_t bytes)
{
    return (bytes + 7) / 8 * 8 + PACKET_FOOTER_BYTES;
}

static void cover_send(const struct step *step, const struct before *before, const struct outcome *outcome)
{
    uint32_t total = packet_total(step->packet.bytes), left = before->data_bytes - before->write;
    bool is_done = outcome->kind == OUTCOME_DONE;

    coverage_count(COVERAGE_SENT, is_done);
    coverage_count(COVERAGE_FULL, outcome->kind == OUTCOME_FULL);
    coverage_count(COVERAGE_FULL_EXACT, outcome->kind == OUTCOME_FULL && before->free == total);
    coverage_count(COVERAGE_NEVER_FITS, outcome->kind == OUTCOME_NEVER_FITS);
    coverage_count(COVERAGE_FIT_EXACT, is_done && before->free == total + 8);
    coverage_count(COVERAGE_WRAP, is_done && left < total - 8);
    coverage_count(COVERAGE_WRAP_DESCRIPTOR, is_done && left == 8);
    coverage_count(COVERAGE_WRAP_FOOTER, is_done && left == total - 8);
    coverage_count(COVERAGE_WRAP_EXACT, is_done && left == total);
    coverage_count(COVERAGE_UNALIGNED, is_done && step->packet.alignment != 0);
    coverage_count(COVERAGE_PADDED, is_done && step->packet.bytes % 8 != 0);
    coverage_count(COVERAGE_SIGNAL_EMPTY, outcome->signal);
    coverage_count(COVERAGE_MASKED, is_done && before->free == before->data_bytes && before->mask != 0);
}

static void cover_receive(const struct step *step, const struct before *before, const struct outcome *outcome)
{
    bool has_wish = outcome->packets > 0 && before->pending != 0;

    coverage_count(COVERAGE_RECEIVED, outcome->packets > 0);
    coverage_count(COVERAGE_SIGNAL_ROOM, outcome->signal);
    coverage_count(COVERAGE_NO_SIGNAL_ROOM, has_wish && !outcome->signal && before->features & 1);
    coverage_count(COVERAGE_FEATURE_OFF, has_wish && !(before->features & 1) && before->free <= before->pending);
    coverage_count(COVERAGE_BATCH, step->kind == STEP_BATCH && outcome->packets > 1);
    coverage_count(COVERAGE_BATCH_EMPTY, step->kind == STEP_BATCH && outcome->packets == 0);
    coverage_count(COVERAGE_SMALL_BUFFER, step->kind == STEP_SMALL && outcome->kind == OUTCOME_REFUSED);
}

static void cover(const struct step *step, const struct before before[2], const struct outcome *outcome)
{
    if (step->kind == STEP_SEND)
        cover_send(step, &before[step->side], outcome);
    else if (is_receiving(step))
        cover_receive(step, &before[1 - step->side], outcome);
    coverage_count(COVERAGE_UNMASK_RACED, step->kind == STEP_UNMASK && outcome->flag);
    coverage_count(COVERAGE_UNMASK_EMPTY, step->kind == STEP_UNMASK && !outcome->flag);
    coverage_count(COVERAGE_BLOCKED, step->kind == STEP_BLOCK && outcome->flag);
    coverage_count(COVERAGE_BLOCK_WITHDRAWN, step->kind == STEP_BLOCK && !outcome->flag);
}

/* Returns whether this step was one that allows it. */
static bool inject(struct session *session, const struct step *step, const struct before before[2], struct outcome *outcome)
{
    struct world *world = &session->worlds[0];
    const struct before *out = &before[step->side];
    bool has_sent = step->kind == STEP_SEND && outcome->kind == OUTCOME_DONE;
    uint32_t total = packet_total(step->packet.bytes);

    switch (session->injection) {
    case INJECTION_SIGNAL:
        outcome->signal = !outcome->signal;
        return true;
    case INJECTION_RESULT:
        outcome->kind = outcome->kind == OUTCOME_DONE ? OUTCOME_EMPTY : OUTCOME_DONE;
        return true;
    case INJECTION_RECEIVED_BYTE:
        world->buffer[outcome->bytes ? outcome->bytes - 1 : 0] ^= 1;
        return outcome->bytes > 0;
    case INJECTION_WRITTEN_BYTE:
        if (has_sent)
            *world_data(world, step->side, out->write, total - 1) ^= 1;
        return has_sent;
    case INJECTION_STRAY_BYTE:
        if (has_sent && out->free > total + 1024)
            *world_data(world, step->side, out->read, -512) ^= 1;
        return has_sent && out->free > total + 1024;
    case INJECTION_INDEX:
        world_poke(world, 1 - step->side, AT_READ, world_word(world, 1 - step->side, AT_READ) ^ 8);
        return true;
    case INJECTION_MASK:
        world_poke(world, 1 - step->side, AT_MASK, world_word(world, 1 - step->side, AT_MASK) ^ 1);
        return true;
    case INJECTION_RESERVED:
        world_poke(world, 1 - step->side, AT_RESERVED, 1);
        return true;
    default:
        return false;
    }
}

static bool memories_agree(struct session *session, const struct step *step, const struct before before[2],
                           const struct outcome *outcome, int i)
{
    unsigned half = is_receiving(step) ? 1 - step->side : step->side;
    uint32_t bytes = step->kind == STEP_SEND ? packet_total(step->packet.bytes) : 0;

    if (outcome->kind != OUTCOME_DONE)
        bytes = 0;
    return worlds_agree_near(&session->worlds[0], &session->worlds[i], half,
                             is_receiving(step) ? before[half].read : before[half].write, bytes, &session->divergence);
}

bool session_agree(struct session *session)
{
    for (int i = 1; i < WORLDS; i++) {
        if (!worlds_agree(&session->worlds[0], &session->worlds[i], &session->divergence))
            return false;
    }
    return true;
}

static bool session_compare(struct session *session, const struct step *step, const struct before before[2],
                            const struct outcome outcomes[WORLDS])
{
    for (int i = 1; i < WORLDS; i++) {
        if (!outcomes_agree(session, step, outcomes, i) || !memories_agree(session, step, before, &outcomes[0], i))
            return false;
    }
    return !is_receiving(step) || are_packets_right(session, step, &outcomes[0]);
}

bool session_step(struct session *session, const struct step *step)
{
    struct before before[2] = {look(&session->worlds[0], 0), look(&session->worlds[0], 1)};
    struct parcel parcel = {.vector_count = 0};
    struct outcome outcomes[WORLDS];

    if (step->kind == STEP_SEND)
        parcel = packet_parcel(&step->packet);
    for (int i = 0; i < WORLDS; i++)
        outcomes[i] = world_step(&session->worlds[i], step, &parcel);
    cover(step, before, &outcomes[0]);
    if (session->injection != INJECTION_NONE && inject(session, step, before, &outcomes[0]))
        session->injection = INJECTION_NONE;
    if (step->kind == STEP_SEND && outcomes[0].kind == OUTCOME_DONE)
        log_push(&session->logs[step->side], &step->packet);
    session->steps++;
    session->last = *step;
    return session_compare(session, step, before, outcomes);
}
