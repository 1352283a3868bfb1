/* SPDX-License-Identifier: MIT */
/* A session: four worlds of one ring size, and steps that are done in all of them and compared after each. For one thread. */
#ifndef BLOBPROXY_LOCKSTEP_SESSION_H
#define BLOBPROXY_LOCKSTEP_SESSION_H

#include "difference.h"
#include "traffic.h"
#include "world.h"

enum step_kind {
    STEP_SEND,
    STEP_RECEIVE,
    STEP_PAYLOAD, /* receives the payload alone */
    STEP_BATCH,
    STEP_SMALL, /* receives into a buffer that is too small */
    STEP_MASK,
    STEP_UNMASK,
    STEP_BLOCK,
    STEP_UNBLOCK,
    STEP_POKE, /* a word of the header, as the peer could write it */
};

struct step {
    enum step_kind kind;
    uint32_t side;         /* the end that acts */
    struct packet packet;  /* SEND */
    uint32_t bytes;        /* BLOCK: of the packet; SMALL: of the buffer */
    uint32_t count;        /* BATCH */
    uint32_t place, value; /* POKE, into half */
    unsigned half;
};

/* A wrong decision on purpose, in our first world, to see that it is found. */
enum injection {
    INJECTION_NONE,
    INJECTION_SIGNAL,
    INJECTION_RESULT,
    INJECTION_RECEIVED_BYTE,
    INJECTION_WRITTEN_BYTE,
    INJECTION_STRAY_BYTE, /* far from what the step wrote */
    INJECTION_INDEX,
    INJECTION_MASK,
    INJECTION_RESERVED,
    INJECTIONS
};

struct session {
    struct world worlds[WORLDS];
    struct random random;
    struct log logs[2]; /* packets that lie in the halves */
    uint64_t steps;
    struct step last;
    enum injection injection; /* done at the first step that allows it; then NONE */
    struct divergence divergence;
};

const char *step_name(enum step_kind kind);

/* The same seed gives the same steps. False: said on stderr. session_close() is right either way. */
bool session_open(struct session *session, uint32_t ring_bytes, uint64_t seed) MUST_CHECK;
void session_close(struct session *session);

/* One step in all worlds. False: they diverged, and session->divergence says where. */
bool session_step(struct session *session, const struct step *step) MUST_CHECK;

/* A step that suits the state. */
struct step session_choose(struct session *session);

/* Every byte of memory. */
bool session_agree(struct session *session) MUST_CHECK;

/* A deed of a bad peer or caller in all worlds, about which the two makers differ as that row says (LENGTH_FIELD, BAD_LENGTH and
 * those behind it). The worlds are of no more use. False: not as the row says. */
bool session_misbehave(struct session *session, enum difference difference) MUST_CHECK;

bool session_diverged(struct session *session, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
