/* SPDX-License-Identifier: MIT */
/* An exchange over a channel that the test plays by hand: it sees each submitted transfer and completes it when and how it likes.
 */
#ifndef EXCHANGE_FIXTURE_H
#define EXCHANGE_FIXTURE_H

#include "../../src/blobproxyd/exchange.h"

#define FIXTURE_TRANSFERS 32
#define FIXTURE_LARGE_BYTES (256u * 1024)

struct fixture {
    struct channel channel; /* first */
    struct event_base *base;
    struct conf *conf;
    struct metrics *metrics;
    struct exchange_env env;
    struct slot_region region;
    struct transfer *submitted[FIXTURE_TRANSFERS]; /* in flight, oldest first */
    unsigned in_flight, submits, wakes;
    unsigned ring_room; /* submits that still fit */
    struct head seen;   /* of the transfer looked at last */
    struct buf seen_bytes;
};

struct fixture *fixture_new(unsigned small_slots, unsigned large_slots);
void fixture_free(struct fixture *fixture);

/* A request from head lines ("GET /devstoreaccount1/c/b", "Host: 127.0.0.1", ..., NULL). fields must live as long as it. */
struct exchange *fixture_request(struct fixture *fixture, const char *method, const char *target, const char *const *fields);

/* Decodes the request head of the oldest transfer in flight into fixture->seen. */
const struct head *fixture_look(struct fixture *fixture);

/* Answers the oldest transfer: head lines without the final empty line, body copied into the data buffer. */
void fixture_answer(struct fixture *fixture, uint32_t status, const char *head, const void *body, size_t body_bytes);

/* The oldest transfer ends with that result. */
void fixture_fail(struct fixture *fixture, int result);

/* The oldest transfer is lost with the channel. */
void fixture_lose(struct fixture *fixture);

/* Runs what is due on the loop. */
void fixture_turn(struct fixture *fixture);

#endif
