/* SPDX-License-Identifier: MIT */
/* The last exchanges of a shard that failed, kept in memory, so that nothing has to be switched on before something goes wrong.
 * One writer, the shard; readers on any thread. The lock is taken by failures alone, never for an exchange that succeeds. */
#ifndef BLOBPROXYD_FAILURES_H
#define BLOBPROXYD_FAILURES_H

#include "../lib/buf.h"
#include "access.h"

/* Entries of one shard. Answers that programs provoke on purpose (404, 409, 412, 416: does it exist, has it changed?) have places
 * of their own, so that they push nothing else out. About 1.3 KiB an entry, touched when it is needed. */
#define FAILURES_MAX 256u
#define FAILURES_ORDINARY 64u

struct failures;

struct failures *failures_new(void); /* NULL: no memory */
struct failures *failures_free(struct failures *failures);

/* Keeps a copy in place of the oldest. NULL is fine, and keeps none. */
void failures_add(struct failures *failures, const struct access *access);

/* The newest of all these lists (entries of it may be NULL), the newest first. entries has room for max + FAILURES_MAX. Returns
 * how many there are, at most max. */
size_t failures_read(struct failures *const *lists, size_t list_count, struct access *entries, size_t max);

/* The same as a JSON array of access_format()'s objects. 0, -ENOMEM, -ENOBUFS. */
int failures_write(struct failures *const *lists, size_t list_count, size_t max, struct buf *text) MUST_CHECK;

#endif
