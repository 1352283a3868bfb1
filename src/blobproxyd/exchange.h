/* SPDX-License-Identifier: MIT */
/* One client request and its response, carried by one or more transfers. Knows nothing of the HTTP server in front of it.
 * An exchange lives and ends on one shard. */
#ifndef BLOBPROXYD_EXCHANGE_H
#define BLOBPROXYD_EXCHANGE_H

#include "../lib/azure/error.h"
#include "../lib/azure/operation.h"
#include "../lib/channel/channel.h"
#include "caller.h"
#include "conf.h"
#include "failures.h"
#include "metrics.h"
#include "route.h"

/* Data buffer of a small slot: most answers and many bodies. */
#define SLOT_SMALL_DATA_BYTES 65536u

struct exchange;

/* A transfer that wants into the ring; embedded by whoever owns the transfer. */
struct submission {
    struct transfer *transfer;
    void (*failed)(struct submission *submission); /* the channel went down before it got in; from the loop */
    bool is_queued;
    TAILQ_ENTRY(submission) link;
};
TAILQ_HEAD(submission_queue, submission);

/* Somebody who waits for something of the channel and has another way when it goes down. */
struct channel_watch {
    void (*lost)(struct channel_watch *watch); /* from exchange_env_channel_down(); the watch has ended */
    void *owner;
    bool is_listed;
    TAILQ_ENTRY(channel_watch) link;
};
TAILQ_HEAD(channel_watch_list, channel_watch);
TAILQ_HEAD(exchange_list, exchange);

/* What the exchanges of one shard share. Made by exchange_env_init, fields below are set by the caller. */
struct exchange_env {
    const struct conf *conf;   /* for what begins from now on; see exchange_env_set_conf() */
    struct target_hosts hosts; /* of conf */
    struct metrics_shard *metrics;
    struct slots *slots;
    struct channel *channel;
    struct route *route;        /* the way past the channel; NULL: there is none */
    void (*wake)(void *client); /* an exchange that answered EXCHANGE_WAIT (or a stream read of 0) can go on */
    bool is_draining;           /* answers ask clients to close */

    struct submission_queue submissions; /* waiting for room in the ring, in order */
    struct channel_watch_list watches;
    struct exchange_list live;                    /* begun and not ended, oldest first */
    struct head composed;                         /* scratch for one head being composed */
    struct buf target_text, head_text, sign_text; /* scratch */
    struct exchange *spare;                       /* free list */
    unsigned spares, exchanges, transfers;
    uint64_t exchanges_ended;
    struct failures *failures;    /* the last of this shard; NULL: there was no memory for it */
    unsigned successes_unwritten; /* since the last one in the access log */
    bool reads_are_large;         /* the last read of a whole blob needed a large slot, and one was enough */
};

void exchange_env_init(struct exchange_env *env);
void exchange_env_done(struct exchange_env *env);

/* conf replaces env->conf and must live until the next call. What has begun goes on with the one it began with. */
void exchange_env_set_conf(struct exchange_env *env, const struct conf *conf);

/* Submits, or queues when the ring is full. 0 or -ENODEV. */
int exchange_env_submit(struct exchange_env *env, struct submission *submission) MUST_CHECK;
void exchange_env_cancel(struct exchange_env *env, struct submission *submission); /* fine when not queued */

/* After completions and in every sweep: submits what waits. */
void exchange_env_pump(struct exchange_env *env);

/* The channel has gone down: what waits for it goes another way, where there is one. */
void exchange_env_channel_down(struct exchange_env *env);
void exchange_env_watch(struct exchange_env *env, struct channel_watch *watch);
void exchange_env_unwatch(struct exchange_env *env, struct channel_watch *watch); /* fine when not listed */

#define ANSWER_BYTES_UNKNOWN UINT64_MAX

enum exchange_next {
    EXCHANGE_BODY,   /* hand over the request's body: exchange_body(), then exchange_continue() */
    EXCHANGE_WAIT,   /* nothing to do until env->wake(client); then exchange_continue() (or go on with the body) */
    EXCHANGE_ANSWER, /* exchange_answer() */
};

struct answer {
    unsigned status;
    const struct head *head; /* its fields; valid until exchange_end */
    const void *body;        /* valid until exchange_end */
    uint64_t body_bytes;     /* also of a stream (ANSWER_BYTES_UNKNOWN: to its end), and for HEAD the Content-Length to name */
    bool is_stream;          /* body comes from exchange_read() */
    bool must_close;
};

/* raw_target is copied. client is what env->wake gets. NULL: no memory. */
struct exchange *exchange_new(struct exchange_env *env, const char *raw_target, size_t len, void *client);

/* Who sent it. Without, it is a stranger on plain TCP. */
void exchange_set_caller(struct exchange *x, const struct caller *caller);

/* The head of the request: method and fields are to be filled in by the caller (they point into memory that lives until
 * exchange_end). */
struct head *exchange_request(struct exchange *x);

/* has_more_fields: the request has more fields than the head could take. */
enum exchange_next exchange_begin(struct exchange *x, bool has_more_fields);

/* Takes what it can of the body; *taken tells how much. EXCHANGE_WAIT: the rest later. EXCHANGE_BODY: go on. */
enum exchange_next exchange_body(struct exchange *x, const char *bytes, size_t len, size_t *taken);

/* Bytes of the body that it has not taken yet. */
uint64_t exchange_body_left(const struct exchange *x);

/* After a wake, and when the body is complete. */
enum exchange_next exchange_continue(struct exchange *x);

void exchange_answer(struct exchange *x, struct answer *ret_answer);

/* Next bytes of a stream. 0: not there yet, env->wake follows; -ENODATA: that was all, where the length was unknown; -EIO: it
 * cannot be finished, cut the connection. */
ssize_t exchange_read(struct exchange *x, char *bytes, size_t max);

/* The exchange is over for the client: delivered or not. x is gone afterwards; what the host still has is quarantined. */
void exchange_end(struct exchange *x, bool is_delivered);

enum exchange_phase { EXCHANGE_IN_BODY, EXCHANGE_IN_SLOT_QUEUE, EXCHANGE_AT_HOST, EXCHANGE_IN_ANSWER };

enum exchange_phase exchange_phase(const struct exchange *x);

/* The deadline of its phase has passed: becomes an answer (503 in the queue, 500 at the host or upstream). */
void exchange_expire(struct exchange *x);

/* Why the client will not get the whole answer, for the log; why is static. The first reason counts. */
void exchange_blame(struct exchange *x, const char *why);

/* For errors found before an exchange could begin (a malformed head): the whole response as bytes, Connection: close. request is
 * what its fields echo; NULL where it could not be parsed. request_id may be NULL; else it has AZURE_REQUEST_ID_BYTES. */
int exchange_error_text(struct buf *text, const struct head *request, enum azure_error error, const char *detail,
                        char *ret_request_id);

/* What was refused before it became an exchange: into the list of failures and, as configured, the access log. */
void exchange_tell_refused(struct exchange_env *env, const struct access *access);

#endif
