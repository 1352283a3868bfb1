/* SPDX-License-Identifier: MIT */
/* The listener for metrics and health, apart from the blob port because "metrics" and "healthz" are legal account names.
 * All calls and callbacks on the thread of the event base; nothing blocks. */
#ifndef BLOBPROXYD_ADMIN_H
#define BLOBPROXYD_ADMIN_H

#include "../lib/buf.h"
#include "../lib/err.h"
#include "address.h"

#include <event2/event.h>
#include <stdbool.h>

#define ADMIN_REASON_BYTES 128

struct admin_callbacks {
    /* Writes the exposition; the caller refreshes its gauges first. 0 or a negative errno (answered with 500). */
    int (*metrics)(void *arg, struct buf *text);
    /* Writes what a page or a program shows of the daemon, as JSON; likewise. */
    int (*status)(void *arg, struct buf *text);
    /* true: ready. Otherwise reason gets a word or two: "draining", "no listener". */
    bool (*ready)(void *arg, char reason[ADMIN_REASON_BYTES]);
    /* A name of this machine's own. NULL: every name is taken. */
    bool (*is_own_host)(void *arg, const char *host);
    void *arg;
};

struct admin;
struct adminhttp_call;

/* Answers one of these paths, or that there is none such; also for other servers. */
void admin_answer(const struct admin_callbacks *callbacks, struct adminhttp_call *call);

/* Serves GET and HEAD of / (the status page), /metrics, /status, /healthz and /readyz. At most 64 connections, each closed after
 * 10 idle seconds. A Host that is not an own one gets 421: a web page may have made a name of its own lead here, to read what is
 * for programs of this machine. listen_fd: a listening socket, which admin then owns, or -1 to bind address. 0 or a negative
 * errno; err says what failed, the caller knows where. */
int admin_new(struct event_base *base, const struct address *address, int listen_fd, const struct admin_callbacks *callbacks,
              struct admin **ret_admin, struct err *err) MUST_CHECK;

/* The port it is bound to, also when the kernel chose it. */
uint16_t admin_port(const struct admin *admin);

struct admin *admin_free(struct admin *admin); /* NULL is fine; returns NULL */

#endif
