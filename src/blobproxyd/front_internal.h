/* SPDX-License-Identifier: MIT */
/* What the parts of the front share: its clients, and the deadlines of their phases. */
#ifndef BLOBPROXYD_FRONT_INTERNAL_H
#define BLOBPROXYD_FRONT_INTERNAL_H

#include "front.h"

#include <microhttpd.h>
#include <sys/queue.h>

enum client_phase {
    CLIENT_HEADER,  /* the library reads a head that has been checked */
    CLIENT_IDLE,    /* between exchanges: suspended, until admission has checked the next head */
    CLIENT_BODY,    /* the request's body is coming in */
    CLIENT_WAITING, /* suspended: slot queue, host, or the next part of a stream */
    CLIENT_SENDING,
};

struct client {
    struct front *front;
    struct connection *admitted; /* what admission knows of it */
    struct MHD_Connection *connection;
    int fd;
    struct caller caller;
    enum client_phase phase;
    uint64_t deadline_us; /* of the phase; IDLE has none here */
    /* BODY and SENDING: who moves nothing for limits.body_grace, or less than limits.body_rate on the average, is cut. */
    uint64_t credit_until_us; /* grace, and the time that what was moved so far has earned */
    int unsent_bytes;         /* in the socket, as the last sweep saw it */
    size_t untaken_bytes;     /* BODY: what the library has of it and the exchange has not taken */
    enum exchange_phase wait_phase;
    uint64_t wait_since_us;
    bool is_suspended, is_cut;
    bool is_tls;      /* fd is the inner end of a tunnel */
    bool has_no_body; /* the first call for this request has been, and there is nothing to wait for */
    bool must_abort;  /* the exchange cannot go on: the handler answers MHD_NO */
    struct exchange *exchange;
    bool is_halting; /* is on that list */
    TAILQ_ENTRY(client) halting_link;
    TAILQ_ENTRY(client) link;
};
TAILQ_HEAD(client_list, client);

struct front {
    struct event_base *base;
    struct exchange_env *env;
    struct front_hooks hooks;
    struct MHD_Daemon *daemon;
    struct mhdloop *loop;
    struct client_list clients;
    struct client_list entering; /* given to the library, which opens them in its next turn */
    struct client_list halting;  /* idle or waiting since this turn of the library: to be suspended when it is over */
    unsigned client_count, suspended_count, exchange_count;
};

/* The client is in that phase now, for so long at most. */
void client_enter(struct client *client, enum client_phase phase, uint64_t allowance_ms);

/* As above, for BODY and SENDING; credit_bytes are those whose time is granted from the start. */
void client_enter_moving(struct client *client, enum client_phase phase, uint64_t credit_bytes);

/* It has moved something: the time without any begins anew, but never beyond what the average allows. */
void client_moved(struct client *client, uint64_t bytes);

/* The deadline of the wait that it is in now. A stream that waits for its next part keeps the deadline of its answer. */
void client_begin_wait(struct client *client);

/* Ends the connection, and counts why: libmicrohttpd finds it closed and cleans up. */
void client_cut(struct client *client, enum metric kind);

/* Of an answer whose rest never comes, before the connection is closed: HTTP/1.0 takes the end of the connection for that of a
 * body without a length, unless it is a reset, or of TLS one without a goodbye. A Unix socket has no such end. */
void client_reset(const struct client *client);

/* Fine when it is not suspended. */
void client_resume(struct client *client);

static inline const struct conf *client_conf(const struct client *client)
{
    return client->front->env->conf;
}

#endif
