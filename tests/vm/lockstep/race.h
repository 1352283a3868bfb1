/* SPDX-License-Identifier: MIT */
/* Ours and the kernel's at the two ends of one channel, each on a thread of its own that sleeps whenever the protocol lets it and
 * is woken by the other's signals alone: a decision that comes out wrong only in a race is a wake-up that never comes. (An
 * emulated processor is too slow and orderly to miss a memory barrier, though: that is for tests/bus/test_ring_threads.c.) */
#ifndef BLOBPROXY_LOCKSTEP_RACE_H
#define BLOBPROXY_LOCKSTEP_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RACES 4u

/* Runs race number i, that many packets each way, and says in the text which it was and how it went. False: a wrong byte, a
 * failed call, or a sleeper that nobody woke. Of each end's signals only so many arrive (UINT64_MAX: all). */
bool race_run(unsigned i, uint64_t packets, uint64_t signals_max, char *ret_text, size_t capacity);

#endif
