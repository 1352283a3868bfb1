/* SPDX-License-Identifier: MIT */
/* A circuit breaker: after several failures in a row nothing is tried for a while, then one probe decides. A state machine
 * without I/O and clock: the caller says what time it is. */
#ifndef BLOBPROXYD_BREAKER_H
#define BLOBPROXYD_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state {
    BREAKER_CLOSED,    /* everything is admitted */
    BREAKER_OPEN,      /* nothing is, until the time is over */
    BREAKER_HALF_OPEN, /* a probe is under way; the next one goes when it has said nothing for as long as it was open */
    BREAKER_STATES
};

enum breaker_outcome {
    BREAKER_SUCCESS,   /* the other side answered, whatever it said */
    BREAKER_FAILURE,   /* no connection, no TLS, no answer in time */
    BREAKER_ABANDONED, /* given up by us: says nothing of the other side */
    BREAKER_OUTCOMES
};

struct breaker_limits {
    unsigned failures; /* in a row that open it; at least 1 */
    uint64_t open_us;
};

/* Zero-initialised: closed. */
struct breaker {
    enum breaker_state state;
    unsigned failures;
    uint64_t probe_at_us; /* while not closed: of the next one */
};

/* Would an attempt be admitted now? Changes nothing. */
bool breaker_would_admit(const struct breaker *breaker, uint64_t now_us);

/* Admits an attempt, whose outcome must then be reported, or refuses it. */
bool breaker_admit(struct breaker *breaker, const struct breaker_limits *limits, uint64_t now_us);

void breaker_report(struct breaker *breaker, const struct breaker_limits *limits, enum breaker_outcome outcome, uint64_t now_us);

const char *breaker_state_name(enum breaker_state state); /* "closed", "open", "half-open" */

#endif
