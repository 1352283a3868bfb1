/* SPDX-License-Identifier: MIT */
/* An executor in front of another: answers no sooner than a host with limits for each transfer would. */
#ifndef BLOBHOSTD_LIMITER_H
#define BLOBHOSTD_LIMITER_H

#include "executor.h"

struct event_base;
struct limiter;

struct limiter_options {
    uint64_t bytes_per_second;               /* of each transfer, body in and body out; 0: no limit */
    unsigned latency_ms;                     /* of each transfer, before its first byte */
    struct event_base *(*thread_base)(void); /* the loop of the calling thread */
};

/* inner is borrowed and must outlive the limiter. */
int limiter_new(struct executor *inner, const struct limiter_options *options, struct limiter **ret_limiter) MUST_CHECK;
struct limiter *limiter_free(struct limiter *limiter); /* NULL is fine; returns NULL */

/* Answers later, from the loop. What was executed stays executed at once: only the answer is held back. */
struct executor *limiter_executor(struct limiter *limiter);

#endif
