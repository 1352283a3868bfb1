/* SPDX-License-Identifier: MIT */
/* A scripted executor. */
#ifndef TESTS_BUS_FAKE_H
#define TESTS_BUS_FAKE_H

#include "../../src/blobhostd/executor.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fake {
    struct executor executor;
    /* When set, it answers in place of "200, the body reversed, the target in a field". */
    void (*answer)(struct fake *fake, const struct host_request *request, struct host_response *response,
                   void (*done)(void *arg, uint32_t status), void *done_arg);
    void *owner; /* the test's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned executed_count; /* calls of execute() that returned */
    uint8_t last_guid[16];
};

void fake_init(struct fake *fake);
void fake_wait_executed(struct fake *fake, unsigned count); /* until at least that many */

/* The standard answer. */
void fake_answer_reversed(const struct host_request *request, struct host_response *response);

#endif
