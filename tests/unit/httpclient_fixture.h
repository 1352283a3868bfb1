/* SPDX-License-Identifier: MIT */
/* For the tests of the HTTP client: a peer that plays a script on a thread of its own, and a request that writes down what
 * happens. */
#ifndef HTTPCLIENT_FIXTURE_H
#define HTTPCLIENT_FIXTURE_H

#include "../../src/lib/httpclient.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define PEER_HEARD_BYTES (256u * 1024)

/* Listens on a free port of 127.0.0.1. The script uses the peer_ functions; the test looks at what was heard after peer_join().
 */
struct peer {
    int listener;
    int fd; /* the connection at hand */
    char origin[64];
    pthread_t thread;
    void (*play)(struct peer *peer);
    unsigned accepted;
    char heard[PEER_HEARD_BYTES]; /* everything read, NUL behind it */
    size_t heard_len;
    atomic_size_t sent;
    bool is_joined;
};

void peer_start(struct peer *peer, void (*play)(struct peer *peer));
void peer_join(struct peer *peer);

/* For scripts. */
void peer_accept(struct peer *peer);           /* the next connection, in place of the one at hand */
void peer_read_head(struct peer *peer);        /* up to and with an empty line */
void peer_read(struct peer *peer, size_t len); /* so many more bytes; fewer when the client closes */
bool peer_read_eof(struct peer *peer);         /* true: the client has closed, and nothing came before */
void peer_send(struct peer *peer, const char *text);
void peer_close(struct peer *peer); /* with a FIN; what was not read makes it a reset */

/* What a callback does instead of its work. */
enum call_behaviour {
    CALL_WORKS,
    CALL_CANCELS_IN_READ,
    CALL_CANCELS_IN_HEAD,
    CALL_CANCELS_IN_BODY,
    CALL_CANCELS_IN_DONE,
    CALL_FAILS_IN_READ,
    CALL_FAILS_IN_HEAD,
    CALL_FAILS_IN_BODY,
};

/* One request of the test. Fields may be set before call_start(). */
struct call {
    struct event_base *base;
    struct httpclient *client;
    struct httprequest *request;
    const char *body; /* of the request; NULL: 'u' repeated */
    size_t body_bytes;
    size_t body_given;
    size_t read_max;      /* bytes given at a time; 0: as many as fit */
    unsigned read_pauses; /* so many times there is nothing yet, each resumed in a later turn */
    unsigned take_pauses; /* so many times a piece is not taken, likewise */
    bool is_pause_every;  /* and again after each piece that was taken */
    bool keeps_paused;    /* resumed by the test alone */
    uint64_t deadline_us;
    enum call_behaviour behaviour;
    void (*in_head)(struct call *call); /* extra, may be NULL */
    void (*in_body)(struct call *call);
    void (*in_done)(struct call *call);
    struct peer *watched; /* its lead over what was taken is kept in lead_max */
    struct call *other;
    struct event *on_resume;
    unsigned status;
    char head[LIMIT_HEAD_BYTES]; /* "name: value\n" of each field */
    char taken[4096];            /* the first bytes of the answer's body */
    size_t taken_len;
    size_t lead_max;
    unsigned heads;
    unsigned dones;
    struct httpresult result;
    char reason[256];
    bool ends_loop; /* done, or a cancel, breaks the loop */
};

void call_init(struct call *call, struct event_base *base, struct httpclient *client);

/* text: the request's head as it is to be sent. */
int call_try(struct call *call, const char *origin, const char *text);
void call_start(struct call *call, const char *origin, const char *text);

/* Starts, and runs the loop until it is over. */
void call_run(struct call *call, const char *origin, const char *text);
void call_clean(struct call *call);

#endif
