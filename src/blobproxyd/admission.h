/* SPDX-License-Identifier: MIT */
/* Admission: every request head of every connection is looked at as raw bytes (MSG_PEEK) and must pass the guard before the HTTP
 * library may read it. Invalid heads get an Azure error here, slow ones are closed at a deadline, idle connections wait here. A
 * connection is in the library's hands only from a valid head to the end of its response. One thread. */
#ifndef BLOBPROXYD_ADMISSION_H
#define BLOBPROXYD_ADMISSION_H

#include "exchange.h"

#include <event2/event.h>
#include <sys/socket.h>

struct admission;
struct connection; /* one accepted socket; lives until it is closed */

struct admission_hooks {
    /* The first head of the connection is valid: takes the socket over, and gives what the other hooks get as client. Where that
     * fails the socket has been closed and the connection forgotten, and counted, when it returns. */
    void (*open)(void *front, struct connection *connection, void **ret_client);
    void (*proceed)(void *client); /* a later head is valid, or the end of a body is there: the library may go on reading */
    void (*end)(void *client);     /* it is over: the library is to close the socket, then comes connection_forget() */
    void (*closed)(void *arg);     /* the connection has ended before open() */
    void *front, *arg;
};

/* env must outlive it. 0 or -ENOMEM. */
int admission_new(struct event_base *base, struct exchange_env *env, const struct admission_hooks *hooks,
                  struct admission **ret_admission) MUST_CHECK;

/* Closes every connection that was never opened; those that were must have been forgotten. NULL is fine; returns NULL. */
struct admission *admission_free(struct admission *admission);

/* Takes the non-blocking socket over. is_tls: it is the inner end of a tunnel, address that of the client. 0 or -ENOMEM (then it
 * is still the caller's). */
int admission_add(struct admission *admission, int socket, bool is_tls, const struct sockaddr *address,
                  socklen_t address_len) MUST_CHECK;

void admission_sweep(struct admission *admission, uint64_t now_us);

/* Closes the connections on which no request has begun. */
void admission_drain(struct admission *admission);

/* ---- for the owner of an open connection ---- */

int connection_socket(const struct connection *connection);
bool connection_is_tls(const struct connection *connection);
const struct sockaddr *connection_address(const struct connection *connection, socklen_t *ret_len);

/* The library has read a request line. */
void connection_begin_request(struct connection *connection);

/* So many bytes of the body in hand have not been read. True: the library must stop reading until proceed(), because it might
 * read the head of a next request together with them. */
bool connection_await_tail(struct connection *connection, uint64_t bytes) MUST_CHECK;

/* What the client has sent after the request in hand is invalid: its response is the last one. */
bool connection_must_close(const struct connection *connection);

/* A response is complete. False: a further checked request is on its way through the library. True: it must stop reading until
 * proceed(), which comes from inside connection_wait() at the earliest. */
bool connection_end_request(struct connection *connection) MUST_CHECK;

/* Waits for the next head, for so long at most. */
void connection_wait(struct connection *connection, uint64_t allowance_ms);

/* The socket is about to be closed. */
void connection_forget(struct connection *connection);

#endif
