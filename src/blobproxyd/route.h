/* SPDX-License-Identifier: MIT */
/* The way past the channel, of one shard: the HTTP client, a bounded number of seats on it, and a breaker for each endpoint.
 *
 * Breakers are kept by endpoint, because {account} in upstream.url makes every account an endpoint of its own and a client that
 * names an account that does not exist must not shut out the others; and by shard, because nothing on a request's path leaves its
 * shard. All calls and callbacks on the shard's thread. */
#ifndef BLOBPROXYD_ROUTE_H
#define BLOBPROXYD_ROUTE_H

#include "breaker.h"
#include "conf.h"
#include "metrics.h"

#include "../lib/cleanup.h"
#include "../lib/httpclient.h"

#include <event2/event.h>
#include <sys/queue.h>

struct route;
struct route_endpoint;

/* Copies what it needs of conf. 0; -ENOMEM; -ENOENT or -EINVAL: the CA file cannot be read. */
int route_new(struct event_base *base, const struct conf *conf, unsigned seats, struct metrics_shard *metrics,
              struct route **ret_route, struct err *err) MUST_CHECK;
struct route *route_free(struct route *route); /* nobody may sit or wait; NULL is fine; returns NULL */

struct httpclient *route_client(struct route *route);
void route_count(struct route *route, enum metric metric, uint64_t amount);

/* The channel has come or gone: one line when that changes where exchanges go. */
void route_channel_changed(struct route *route, bool is_channel_up);

/* ---- seats: who has one may hold buffers ---- */

struct route_seat {
    void (*ready)(struct route_seat *seat); /* it has one now; from the loop, never inside a call below */
    void *owner;
    bool is_taken, is_queued;
    TAILQ_ENTRY(route_seat) link;
};

bool route_take_seat(struct route *route, struct route_seat *seat);  /* false: none is free, or somebody waits already */
void route_wait_seat(struct route *route, struct route_seat *seat);  /* in order of arrival */
void route_leave_seat(struct route *route, struct route_seat *seat); /* gives it back, or waits no more; fine in any state */

/* ---- endpoints ---- */

/* account: as it stands in the host name. false: its breaker is open, do not even begin. */
bool route_would_admit(struct route *route, const char *account);

/* Takes part in the endpoint's breaker. 0: route_report() must follow; -EBUSY: the breaker is open; -ENOMEM. */
int route_admit(struct route *route, const char *account, struct route_endpoint **ret_endpoint) MUST_CHECK;
void route_report(struct route *route, struct route_endpoint *endpoint, enum breaker_outcome outcome);

const char *route_origin(const struct route_endpoint *endpoint);    /* "https://acct.blob.core.windows.net" */
const char *route_authority(const struct route_endpoint *endpoint); /* the same without the scheme: the Host field */

#endif
