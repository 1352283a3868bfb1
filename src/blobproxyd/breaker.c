/* SPDX-License-Identifier: MIT */
/* The states of a circuit breaker and what moves it. */
#include "breaker.h"

/* What an outcome does in a state. */
enum step {
    STEP_NONE,
    STEP_COUNT, /* one failure more; enough of them open it */
    STEP_OPEN,  /* for the whole time */
    STEP_RETRY, /* the probe said nothing: the next attempt is one */
    STEP_CLOSE,
};

static const struct {
    const char *name;
    enum step steps[BREAKER_OUTCOMES];
} states[BREAKER_STATES] = {
    [BREAKER_CLOSED] = {"closed", {[BREAKER_SUCCESS] = STEP_CLOSE, [BREAKER_FAILURE] = STEP_COUNT}},
    /* Outcomes of attempts from before it opened: a success is news, a failure is none. */
    [BREAKER_OPEN] = {"open", {[BREAKER_SUCCESS] = STEP_CLOSE}},
    [BREAKER_HALF_OPEN] = {"half-open",
                           {[BREAKER_SUCCESS] = STEP_CLOSE, [BREAKER_FAILURE] = STEP_OPEN, [BREAKER_ABANDONED] = STEP_RETRY}},
};

bool breaker_would_admit(const struct breaker *breaker, uint64_t now_us)
{
    return breaker->state == BREAKER_CLOSED || now_us >= breaker->probe_at_us;
}

/* A probe may be long under way without an outcome: a large body, of a client that takes its time. */
bool breaker_admit(struct breaker *breaker, const struct breaker_limits *limits, uint64_t now_us)
{
    if (!breaker_would_admit(breaker, now_us))
        return false;
    if (breaker->state != BREAKER_CLOSED) {
        breaker->state = BREAKER_HALF_OPEN;
        breaker->probe_at_us = now_us + limits->open_us;
    }
    return true;
}

void breaker_report(struct breaker *breaker, const struct breaker_limits *limits, enum breaker_outcome outcome, uint64_t now_us)
{
    enum step step = states[breaker->state].steps[outcome];

    if (step == STEP_COUNT && ++breaker->failures >= limits->failures)
        step = STEP_OPEN;
    switch (step) {
    case STEP_OPEN:
        breaker->state = BREAKER_OPEN;
        breaker->probe_at_us = now_us + limits->open_us;
        break;
    case STEP_RETRY:
        breaker->state = BREAKER_OPEN;
        breaker->probe_at_us = now_us;
        break;
    case STEP_CLOSE:
        *breaker = (struct breaker){.state = BREAKER_CLOSED};
        break;
    case STEP_NONE:
    case STEP_COUNT:
        break;
    }
}

const char *breaker_state_name(enum breaker_state state)
{
    return states[state].name;
}
