/* SPDX-License-Identifier: MIT */
/* Pins the pages of a caller's buffer, as far as one process can another's: sees whether they are there, and whether a driver
 * that pins them for reading only would let the host write where it must not. */
#ifndef TESTS_PAGES_H
#define TESTS_PAGES_H

#include "../../src/lib/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of the process's address space at this moment: after its exec, or its end, the descriptor refers to something dead. A
 * descriptor, or a negative errno. */
int pages_open(pid_t pid) MUST_CHECK;
bool pages_is_alive(int pagemap);

/* Those that the bytes touch. */
uint32_t pages_count(uint64_t address, uint32_t bytes);

/* 0; -EFAULT: not all of them are mapped. *ret_unwritten counts those that are still shared: never written to (the kernel's page
 * of zeros, once it is read), or shared with another process since a fork. Pages of shared mappings are nobody else's. */
int pages_pin(int pagemap, pid_t tid, uint64_t address, uint32_t bytes, uint32_t *ret_unwritten) MUST_CHECK;

#endif
