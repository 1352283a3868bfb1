/* SPDX-License-Identifier: MIT */
/* Keeps a blobhostd of the daemon's own running for --emulated: starts it, starts it again when it ends, stops it.
 * All calls and callbacks on the thread of the event base, which must be the one that lives longest: blobhostd ends with it. */
#ifndef BLOBPROXYD_SUPERVISE_H
#define BLOBPROXYD_SUPERVISE_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervise_config {
    const char *program;       /* path of blobhostd; copied */
    const char *directory;     /* --store and the place of bus.sock; made when missing, mode 0700; copied */
    uint32_t backoff_min_ms;   /* first delay before starting again, doubles up to backoff_max_ms; 0: 100 */
    uint32_t backoff_max_ms;   /* 0: 5000 */
    uint32_t backoff_reset_ms; /* a run of that length makes the next delay the first one again; 0: 10000 */
    const char *accounts_file; /* --accounts; NULL or "": none; copied */
    bool with_development_account;
    const char *log_format; /* --log-format; NULL: its own default; static */
    /* The first run ended by itself, with that status, before backoff_reset_ms: it cannot work as it is asked to. The caller ends
     * (then it is not started again) or returns. NULL: it is always started again. */
    void (*failed)(void *arg, int status);
    void *failed_arg;
};

struct supervise;

/* Starts the program. It gets an own process group, so that a terminal's Ctrl-C reaches only the daemon, which drains first; its
 * stdin is /dev/null, stdout and stderr are our stderr, no other descriptor and nothing of the service manager's notify and
 * socket protocol is handed down. 0 or a negative errno; err names the file. */
int supervise_new(struct event_base *base, const struct supervise_config *config, struct supervise **ret_supervise,
                  struct err *err) MUST_CHECK;

/* SIGTERM, after grace_ms SIGKILL; stopped runs from the loop, once, when the program has gone. Not again before that. */
void supervise_stop(struct supervise *supervise, uint32_t grace_ms, void (*stopped)(void *arg), void *arg);

pid_t supervise_pid(const struct supervise *supervise);         /* 0: not running now */
unsigned supervise_starts(const struct supervise *supervise);   /* times it was started */
uint32_t supervise_delay_ms(const struct supervise *supervise); /* the delay that a next unexpected end would cause */

/* Kills what still runs and waits for it; NULL is fine; returns NULL. */
struct supervise *supervise_free(struct supervise *supervise);

#endif
