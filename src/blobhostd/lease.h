/* SPDX-License-Identifier: MIT */
/* Leases of blobs and containers: what is kept of one, and how the five actions change it. Pure; the states, what each action
 * does in each of them, and the error codes are the documented ones ("Lease Blob", "Lease Container"). */
#ifndef BLOBHOSTD_LEASE_H
#define BLOBHOSTD_LEASE_H

#include "../lib/azure/error.h"
#include "../lib/head.h"

#include <stdint.h>

#define LEASE_ID_BYTES 37 /* a GUID of lower-case digits with hyphens, and NUL */
#define LEASE_MIN_S 15
#define LEASE_MAX_S 60
#define LEASE_BREAK_MAX_S 60
#define LEASE_INFINITE (-1) /* as the duration */

/* All zero: never leased, or released. What time has made of it since is lease_state()'s to say. */
struct lease {
    uint8_t kept;       /* enum lease_state as of the last action: AVAILABLE, LEASED or BREAKING */
    int32_t duration_s; /* LEASE_INFINITE, or as acquired */
    int64_t until_us;   /* wall clock: end of the lease or of the break */
    char id[LEASE_ID_BYTES];
};

enum lease_state { LEASE_AVAILABLE, LEASE_LEASED, LEASE_BREAKING, LEASE_BROKEN, LEASE_EXPIRED };

enum lease_state lease_state(const struct lease *lease, int64_t now_us);
bool lease_is_active(const struct lease *lease, int64_t now_us); /* leased or breaking: writers must name it */
const char *lease_state_text(enum lease_state state);

/* A GUID in one of its usual forms, to the one that is kept. */
bool lease_id_parse(struct slice text, char id[LEASE_ID_BYTES]);

/* Each returns AZURE_OK with the lease changed, or a 409 and leaves it alone. */
enum azure_error lease_acquire(struct lease *lease, int64_t now_us, const char *id, int32_t duration_s);
enum azure_error lease_renew(struct lease *lease, int64_t now_us, const char *id);
enum azure_error lease_change(struct lease *lease, int64_t now_us, const char *id, const char *new_id);
enum azure_error lease_release(struct lease *lease, int64_t now_us, const char *id);
/* period_s: negative when none was asked for. *ret_left_s: until another lease can be acquired. */
enum azure_error lease_break(struct lease *lease, int64_t now_us, int64_t period_s, uint64_t *ret_left_s);

/* A write has been done: a lease that ran out or was broken is forgotten with it. */
void lease_settle(struct lease *lease, int64_t now_us);

/* How the id that a request names, or NULL, goes with the lease of what it reads or writes. */
enum lease_verdict { LEASE_FITS, LEASE_IS_MISSING, LEASE_IS_OTHER, LEASE_IS_LOST, LEASE_IS_NONE };
enum lease_verdict lease_judge(const struct lease *lease, int64_t now_us, const char *id, bool is_needed);

#endif
