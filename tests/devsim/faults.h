/* SPDX-License-Identifier: MIT */
/* What goes wrong with the device on purpose, and how often. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include "../../src/lib/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

/* Happens the next few times, or to that share of all times. */
struct chance {
    uint32_t next;
    uint32_t percent;
};

/* The errors that can be had at will; names and numbers in faults.c. */
enum fault_error {
    FAULT_EACCES,
    FAULT_EAGAIN,
    FAULT_EFAULT,
    FAULT_EINTR,
    FAULT_EINVAL,
    FAULT_EMFILE,
    FAULT_ENODEV,
    FAULT_ENOENT,
    FAULT_ENOMEM,
    FAULT_ERRORS
};

/* What is said in place of a reply's true length. */
enum fault_reply {
    FAULT_REPLY_ZERO,      /* 0 */
    FAULT_REPLY_LONG,      /* more than the buffer has */
    FAULT_REPLY_SHORT,     /* one byte too few */
    FAULT_REPLY_UNWRITTEN, /* nothing is written back at all */
    FAULT_REPLIES
};

struct faults {
    uint64_t random;                    /* state; the same sequence in each run */
    struct chance ioctls[FAULT_ERRORS]; /* the error is the ioctl's result */
    struct chance opens[FAULT_ERRORS];  /* the open's */
    struct chance replies[FAULT_REPLIES];
    uint32_t delay_min_ms, delay_max_ms; /* of each completion */
    uint32_t lose_every;                 /* each so manieth completion is withheld; 0: none */
    uint32_t lose_count;
    bool scribbles;  /* garbage stands in the caller's response and data buffers while the host has the request */
    bool is_stalled; /* the host takes nothing out of the ring */
};

void faults_init(struct faults *faults);

bool faults_strike(struct faults *faults, struct chance *chance);
uint32_t faults_random(struct faults *faults, uint32_t below); /* below is not 0 */
bool faults_lose(struct faults *faults);

/* Names as commands have them: "EAGAIN", "zero". -EINVAL: no such name. */
int fault_error_parse(const char *name, enum fault_error *ret_error) MUST_CHECK;
int fault_reply_parse(const char *name, enum fault_reply *ret_reply) MUST_CHECK;
const char *fault_error_name(enum fault_error error);
int fault_error_number(enum fault_error error); /* -EAGAIN */

/* "once", "N times", "N%", "off". -EINVAL: none of these. */
int chance_parse(const char *text, struct chance *ret_chance) MUST_CHECK;

#endif
