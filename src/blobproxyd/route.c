/* SPDX-License-Identifier: MIT */
/* Seats and endpoints of the way past the channel. */
#include "route.h"

#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Endpoints that failed and that nobody uses: what is known of them is forgotten beyond this number, the oldest first. */
#define IDLE_ENDPOINTS_MAX 64u

struct route_endpoint {
    char *origin; /* owned */
    struct breaker breaker;
    unsigned users;
    TAILQ_ENTRY(route_endpoint) link;
};
TAILQ_HEAD(endpoint_list, route_endpoint);
TAILQ_HEAD(seat_list, route_seat);

struct route {
    char *url; /* owned; may hold CONF_URL_ACCOUNT */
    struct metrics_shard *metrics;
    struct httpclient *client;
    struct breaker_limits limits;
    struct endpoint_list endpoints; /* most recently used last */
    unsigned endpoint_count, states[BREAKER_STATES];
    struct seat_list waiting;
    unsigned seats_free, seats_used, seats_waiting;
    struct event *delivery;
    bool is_told, is_channel_up; /* as it was logged last */
};

/* ---- seats ---- */

static void publish_seats(struct route *route)
{
    metrics_set(route->metrics, METRIC_UPSTREAM_EXCHANGES, route->seats_used);
    metrics_set(route->metrics, METRIC_UPSTREAM_WAITING, route->seats_waiting);
}

static void occupy(struct route *route, struct route_seat *seat)
{
    seat->is_taken = true;
    route->seats_free--;
    route->seats_used++;
}

static void unqueue(struct route *route, struct route_seat *seat)
{
    seat->is_queued = false;
    TAILQ_REMOVE(&route->waiting, seat, link);
    route->seats_waiting--;
}

static void arm(struct route *route)
{
    if (route->seats_free > 0 && !TAILQ_EMPTY(&route->waiting))
        event_active(route->delivery, 0, 0);
}

/* One a turn: ready() may do anything, also leave again. */
static void deliver(evutil_socket_t fd, short what, void *arg)
{
    struct route *route = arg;
    struct route_seat *seat = TAILQ_FIRST(&route->waiting);

    (void)fd;
    (void)what;
    if (!seat || route->seats_free == 0)
        return;
    unqueue(route, seat);
    occupy(route, seat);
    publish_seats(route);
    arm(route);
    seat->ready(seat);
}

bool route_take_seat(struct route *route, struct route_seat *seat)
{
    if (route->seats_free == 0 || !TAILQ_EMPTY(&route->waiting))
        return false;
    occupy(route, seat);
    publish_seats(route);
    return true;
}

void route_wait_seat(struct route *route, struct route_seat *seat)
{
    seat->is_queued = true;
    TAILQ_INSERT_TAIL(&route->waiting, seat, link);
    route->seats_waiting++;
    publish_seats(route);
    arm(route);
}

void route_leave_seat(struct route *route, struct route_seat *seat)
{
    if (seat->is_queued)
        unqueue(route, seat);
    if (seat->is_taken) {
        seat->is_taken = false;
        route->seats_free++;
        route->seats_used--;
        arm(route);
    }
    publish_seats(route);
}

/* ---- endpoints ---- */

static char *origin_of(const struct route *route, const char *account)
{
    const char *url = route->url;
    const char *place = strstr(url, CONF_URL_ACCOUNT);
    char *origin = NULL;

    if (!place)
        return strdup(url);
    int r = asprintf(&origin, "%.*s%s%s", (int)(place - url), url, account, place + strlen(CONF_URL_ACCOUNT));

    return r < 0 ? NULL : origin;
}

static struct route_endpoint *find_endpoint(struct route *route, const char *origin)
{
    struct route_endpoint *endpoint;

    TAILQ_FOREACH(endpoint, &route->endpoints, link)
    if (strcmp(endpoint->origin, origin) == 0)
        return endpoint;
    return NULL;
}

static void forget_endpoint(struct route *route, struct route_endpoint *endpoint)
{
    TAILQ_REMOVE(&route->endpoints, endpoint, link);
    route->endpoint_count--;
    route->states[endpoint->breaker.state]--;
    free(endpoint->origin);
    free(endpoint);
}

static void publish_states(struct route *route)
{
    metrics_set(route->metrics, METRIC_BREAKERS_OPEN, route->states[BREAKER_OPEN]);
    metrics_set(route->metrics, METRIC_BREAKERS_HALF_OPEN, route->states[BREAKER_HALF_OPEN]);
}

/* Of those that nobody uses, only failures are worth remembering. */
static void forget_idle(struct route *route)
{
    struct route_endpoint *endpoint, *next;

    for (endpoint = TAILQ_FIRST(&route->endpoints); endpoint; endpoint = next) {
        bool is_blank = endpoint->breaker.state == BREAKER_CLOSED && endpoint->breaker.failures == 0;

        next = TAILQ_NEXT(endpoint, link);
        if (endpoint->users == 0 && (is_blank || route->endpoint_count > IDLE_ENDPOINTS_MAX + route->seats_used))
            forget_endpoint(route, endpoint);
    }
    publish_states(route);
}

static struct route_endpoint *add_endpoint(struct route *route, const char *origin)
{
    struct route_endpoint *endpoint = calloc(1, sizeof(*endpoint));

    if (endpoint)
        endpoint->origin = strdup(origin);
    if (!endpoint || !endpoint->origin) {
        free(endpoint);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&route->endpoints, endpoint, link);
    route->endpoint_count++;
    route->states[BREAKER_CLOSED]++;
    return endpoint;
}

/* One line and one count for each change of state. */
static void tell_change(struct route *route, const struct route_endpoint *endpoint, enum breaker_state before)
{
    static const struct {
        enum metric metric;
        enum log_level level;
        const char *text;
    } changes[BREAKER_STATES] = {
        [BREAKER_CLOSED] = {METRIC_BREAKER_CLOSED_AGAIN, LOG_LEVEL_NOTICE, "the endpoint answers again"},
        [BREAKER_OPEN] = {METRIC_BREAKER_OPENED, LOG_LEVEL_WARNING,
                          "the endpoint cannot be reached; it is left alone for a while"},
        [BREAKER_HALF_OPEN] = {METRIC_BREAKER_HALF_OPENED, LOG_LEVEL_NOTICE, "one request tries the endpoint again"},
    };
    enum breaker_state now = endpoint->breaker.state;

    if (now == before)
        return;
    route->states[before]--;
    route->states[now]++;
    publish_states(route);
    metrics_add(route->metrics, changes[now].metric, 1);
    struct log_field fields[] = {{"endpoint", endpoint->origin}, {"state", breaker_state_name(now)}};

    log_event(changes[now].level, "upstream-breaker", fields, sizeof(fields) / sizeof(fields[0]), "%s", changes[now].text);
}

bool route_would_admit(struct route *route, const char *account)
{
    CLEANUP(cleanup_free) char *origin = origin_of(route, account);
    struct route_endpoint *endpoint = origin ? find_endpoint(route, origin) : NULL;

    return !endpoint || breaker_would_admit(&endpoint->breaker, clock_mono_us());
}

int route_admit(struct route *route, const char *account, struct route_endpoint **ret_endpoint)
{
    CLEANUP(cleanup_free) char *origin = origin_of(route, account);
    struct route_endpoint *endpoint = origin ? find_endpoint(route, origin) : NULL;

    if (origin && !endpoint)
        endpoint = add_endpoint(route, origin);
    if (!endpoint)
        return -ENOMEM;
    enum breaker_state before = endpoint->breaker.state;

    if (!breaker_admit(&endpoint->breaker, &route->limits, clock_mono_us()))
        return -EBUSY;
    endpoint->users++;
    tell_change(route, endpoint, before);
    *ret_endpoint = endpoint;
    return 0;
}

void route_report(struct route *route, struct route_endpoint *endpoint, enum breaker_outcome outcome)
{
    enum breaker_state before = endpoint->breaker.state;

    if (outcome == BREAKER_FAILURE)
        metrics_add(route->metrics, METRIC_UPSTREAM_FAILURES, 1);
    breaker_report(&endpoint->breaker, &route->limits, outcome, clock_mono_us());
    tell_change(route, endpoint, before);
    endpoint->users--;
    TAILQ_REMOVE(&route->endpoints, endpoint, link);
    TAILQ_INSERT_TAIL(&route->endpoints, endpoint, link);
    forget_idle(route);
}

const char *route_origin(const struct route_endpoint *endpoint)
{
    return endpoint->origin;
}

const char *route_authority(const struct route_endpoint *endpoint)
{
    return strstr(endpoint->origin, "://") + 3;
}

/* ---- life ---- */

struct httpclient *route_client(struct route *route)
{
    return route->client;
}

void route_count(struct route *route, enum metric metric, uint64_t amount)
{
    metrics_add(route->metrics, metric, amount);
}

void route_channel_changed(struct route *route, bool is_channel_up)
{
    if (route->is_told ? route->is_channel_up == is_channel_up : is_channel_up) {
        route->is_told = true;
        route->is_channel_up = is_channel_up;
        return;
    }
    route->is_told = true;
    route->is_channel_up = is_channel_up;
    struct log_field fields[] = {{"route", is_channel_up ? "channel" : "upstream"}, {"url", route->url}};

    log_event(LOG_LEVEL_NOTICE, "route-changed", fields, sizeof(fields) / sizeof(fields[0]), "%s",
              is_channel_up ? "exchanges go over the channel again" : "the channel is down, exchanges go upstream");
}

static int open_client(struct route *route, struct event_base *base, const struct conf *conf, unsigned seats, struct err *err)
{
    struct httpclient_options options = {
        .ca_file = *conf->upstream_ca_file ? conf->upstream_ca_file : NULL,
        .connect_timeout_ms = (unsigned)conf->upstream_connect_timeout_ms,
        .stall_timeout_ms = (unsigned)conf->limits_exchange_timeout_ms,
        .connections_max = seats,
        /* Fields keep the case they came in, and no large body waits behind another one on a shared connection. */
        .no_http2 = true,
    };

    return httpclient_new(base, &options, &route->client, err);
}

int route_new(struct event_base *base, const struct conf *conf, unsigned seats, struct metrics_shard *metrics,
              struct route **ret_route, struct err *err)
{
    struct route *route = calloc(1, sizeof(*route));

    if (!route)
        return err_set(err, -ENOMEM, "no memory");
    route->url = strdup(conf->upstream_url);
    route->metrics = metrics;
    route->seats_free = seats;
    route->limits = (struct breaker_limits){conf->upstream_breaker_failures, conf->upstream_breaker_time_ms * 1000};
    TAILQ_INIT(&route->endpoints);
    TAILQ_INIT(&route->waiting);
    route->delivery = event_new(base, -1, 0, deliver, route);
    int r = route->url && route->delivery ? open_client(route, base, conf, seats, err) : err_set(err, -ENOMEM, "no memory");

    if (r < 0) {
        route_free(route);
        return r;
    }
    *ret_route = route;
    return 0;
}

struct route *route_free(struct route *route)
{
    if (!route)
        return NULL;
    httpclient_free(route->client);
    while (!TAILQ_EMPTY(&route->endpoints))
        forget_endpoint(route, TAILQ_FIRST(&route->endpoints));
    if (route->delivery)
        event_free(route->delivery);
    free(route->url);
    free(route);
    return NULL;
}
