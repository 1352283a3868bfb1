/* SPDX-License-Identifier: MIT */
/* What the parts of the exchange share: state, composing of transfers, splitting of reads. */
#ifndef BLOBPROXYD_EXCHANGE_INTERNAL_H
#define BLOBPROXYD_EXCHANGE_INTERNAL_H

#include "bodymark.h"
#include "exchange.h"
#include "upstream.h"

#include "../lib/clock.h"
#include "../lib/log.h"

/* A lifecycle is a table: exchange_move() asserts that a step is in it. */
enum exchange_state {
    EX_NEW,      /* being looked at */
    EX_BODY,     /* the client sends its body: into a slot, into blocks or upstream */
    EX_DISCARD,  /* the client sends a body that nobody wants; the answer is known */
    EX_SLOT,     /* waits for a slot, or for a seat upstream */
    EX_HOST,     /* its transfer is at the host, or waits for room in the ring */
    EX_UPSTREAM, /* the whole request has been handed to upstream */
    EX_READY,    /* the answer is there */
    EX_STREAM,   /* the answer's body comes in parts */
    EX_STATES
};

/* Where its time goes: each state is in one of them, but EX_NEW. The order is that of the histograms. */
enum exchange_stage { STAGE_REQUEST_BODY, STAGE_QUEUE, STAGE_HOST, STAGE_RESPONSE_BODY, STAGE_COUNT };

/* How the request proves its rights, and so whether the proxy may change it. */
enum exchange_rights {
    RIGHTS_PASS,   /* SAS, Bearer or anonymous: passes; a range may be added */
    RIGHTS_SEALED, /* SharedKey that only the host can verify: nothing may be changed */
    RIGHTS_SIGN,   /* SharedKey, verified here, or nothing at all from a trusted caller: signed with the account's key */
};

#define OWN_URLS_MAX 2 /* x-ms-copy-source, x-ms-previous-snapshot-url */

struct split;
struct upload;

/* Values of the fields of the proxy's own errors. */
struct own_values {
    char request_id[AZURE_REQUEST_ID_BYTES], date[CLOCK_HTTP_DATE_BYTES], version[64];
    char client_request_id[LIMIT_CLIENT_REQUEST_ID_BYTES + 1];
    char detail[256]; /* "": the answer is not of the proxy's own */
};

struct exchange {
    struct exchange_env *env;
    struct conf *conf; /* counted: it keeps what it began with, whatever is loaded meanwhile; NULL: not begun */
    void *client;
    enum exchange_state state;
    bool is_waiting;  /* the client's side sleeps until wake */
    char *raw_target; /* owned */
    size_t raw_target_bytes;

    struct head request;
    struct target target;
    enum operation operation;
    enum exchange_rights rights;
    const struct account *account; /* of RIGHTS_SIGN and of keys that could sign */
    struct caller caller;
    char *own_urls[OWN_URLS_MAX]; /* owned: fields of the request that named this proxy, rewritten */
    bool is_body_rewritten;
    char length_text[24]; /* Content-Length of a rewritten body */
    uint64_t body_bytes, body_received;
    bool expects_continue;
    unsigned attempts; /* transfers made for the whole request */

    struct slot *slot;
    struct slot *old_slot; /* keeps the body while a request is sent again with a slot of another size or channel */
    struct slot_waiter waiter;
    struct submission submission;
    struct body_mark mark; /* of the body that was handed to the host */
    uint8_t guid[16];

    enum metric route; /* METRIC_ROUTE_CHANNEL, or why it goes upstream */
    struct channel_watch watch;
    struct route_seat seat;
    struct upstream *upstream;
    char *kept; /* owned; the first body_received bytes of a body that goes upstream and stand in no slot */
    bool is_second_try;

    struct buf response_bytes; /* private copy of the host's head, or the proxy's own error body */
    struct head response;
    struct own_values own_values;
    const void *answer_body;
    uint64_t answer_bytes;
    bool must_close;
    bool has_stream;        /* the answer's body comes from upstream */
    bool is_length_unknown; /* answer_bytes counts what has been read */
    struct split *split;
    struct upload *upload;

    uint64_t begun_us, stage_begun_us;
    uint64_t stage_us[STAGE_COUNT];
    bool was_in_stage[STAGE_COUNT];
    uint64_t bytes_read; /* of a stream */
    const char *blame;   /* see exchange_blame(); NULL: nothing to say */
    struct exchange *next_spare;
    TAILQ_ENTRY(exchange) live_link;
};

/* The client has sent all of its body. */
static inline bool exchange_has_whole_body(const struct exchange *x)
{
    return x->body_received == x->body_bytes;
}

/* No body follows the head of the answer, whatever length that names. */
static inline bool exchange_answers_no_body(const struct exchange *x)
{
    return slice_equal(x->request.method, SLICE("HEAD")) || x->response.status == 204 || x->response.status == 304;
}

void exchange_move(struct exchange *x, enum exchange_state state);
const char *exchange_state_name(const struct exchange *x);
void exchange_leave_stage(struct exchange *x, uint64_t now_us); /* the time since it was entered belongs to the present state */
void exchange_wake(struct exchange *x);

/* What the client's side has to do in the present state. */
enum exchange_next exchange_next_step(struct exchange *x);

/* The proxy's own error: fills the answer, gives resources back, counts, logs. The state becomes READY or DISCARD. Nothing
 * happens when there is an answer already. */
void exchange_refuse(struct exchange *x, enum azure_error error, enum metric kind, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

/* The answer stands in x: the state becomes READY, or DISCARD while the client still sends a body. */
void exchange_answered(struct exchange *x);

/* The channel was lost, and where the body stood the host has written: it cannot be sent again. */
void exchange_refuse_overwritten(struct exchange *x);

/* Decides x->rights; refuses what cannot pass. 0 or -EACCES after a refusal. */
int exchange_authorize(struct exchange *x) MUST_CHECK;

/* x->target, and x->body_bytes with x->expects_continue. 0, or a negative errno after a refusal. */
int exchange_find_target(struct exchange *x) MUST_CHECK;
int exchange_find_body_length(struct exchange *x) MUST_CHECK;

/* May fields be added to the request for the host, and may it be split? Verifies a host-style SharedKey signature when that is
 * what it takes. A SAS that signs fields forbids any change; one that only creates lets no blocks be written. */
bool exchange_may_change(struct exchange *x);

/* May that account be reached? Refuses otherwise: 0 or -EACCES. */
int exchange_allow_account(struct exchange *x, const char *account) MUST_CHECK;

/* Rewrites fields whose URL names this proxy (x-ms-copy-source). 0 or -EACCES after a refusal. */
int exchange_rewrite_urls(struct exchange *x) MUST_CHECK;

/* A batch whose body must be complete before it can go on, because it is rewritten. */
bool exchange_is_path_style_batch(const struct exchange *x);

/* Rewrites such a body, x->body_bytes at bytes, in place and once; others stay. 0 or -EBADMSG after a refusal. */
int exchange_rewrite_body(struct exchange *x, char *bytes, size_t capacity) MUST_CHECK;

/* Frees what was rewritten. */
void exchange_rewrite_done(struct exchange *x);

/* What a transfer carries of the client's request. */
enum exchange_shape_kind {
    SHAPE_WHOLE,      /* all of it, as it is */
    SHAPE_RANGE,      /* a read: bytes [first, last] of the blob, pinned by ETag */
    SHAPE_BLOCK,      /* an upload: Put Block with body_bytes of the body */
    SHAPE_BLOCK_LIST, /* an upload: Put Block List with the request's fields and conditions */
};

struct exchange_shape {
    enum exchange_shape_kind kind;
    uint64_t first, last;
    struct slice etag;
    const char *query;   /* blocks: appended to the client's query */
    uint64_t body_bytes; /* blocks: in the slot's data buffer */
    const char *md5;     /* block list: base64, becomes x-ms-blob-content-md5 */
};

/* Values that stand in a composed head until it is used. */
struct composed_text {
    char range[64], length[24], date[CLOCK_HTTP_DATE_BYTES], authorization[128];
};

#define EXCHANGE_HOST_BYTES 320 /* an account and a DNS name */

/* Composes and signs the request into env->composed, whose slices point into the request, env and ret_text. authority becomes the
 * Host. 0, -E2BIG, -ENOBUFS, -ENOMEM. */
int exchange_compose_head(struct exchange *x, const struct exchange_shape *shape, const char *authority,
                          struct composed_text *ret_text) MUST_CHECK;

/* Composes, signs and seals the request into the slot and fills in its transfer, done excepted.
 * 0; -ENOBUFS: the head does not fit a slot. */
int exchange_compose(struct exchange *x, struct slot *slot, const struct exchange_shape *shape) MUST_CHECK;

/* Copies the response head out of the slot, decodes and checks it. 0 or -EBADMSG. *ret_body_bytes: Content-Length, 0 if none. */
int exchange_open_response(struct slot *slot, struct buf *bytes, struct head *ret_head, uint64_t *ret_body_bytes) MUST_CHECK;

/* Does the answer's head in x->response say enough to read the rest in parts? */
bool split_is_possible(const struct exchange *x);

/* Begins to fetch the answer's body (whose head stands in x->response) in parts. 0, -EBADMSG, -ENOMEM. */
int split_begin(struct exchange *x, uint64_t body_bytes) MUST_CHECK;
ssize_t split_read(struct split *split, char *bytes, size_t max);
struct split *split_free(struct split *split); /* NULL is fine; what is at the host is quarantined */

/* A Put Blob that is larger than a slot: Put Block for each slot full, Put Block List at the end. */
int upload_begin(struct exchange *x) MUST_CHECK;                 /* 0, -ENOMEM */
bool upload_list_fits(uint64_t body_bytes, uint32_t slot_bytes); /* its block list, into one slot and the service's limit */
/* As exchange_body(). */
enum exchange_next upload_body(struct upload *upload, const char *bytes, size_t len, size_t *taken);
/* The body is complete: sends the last block, then, when all are stored, the block list. The state is EX_HOST or an end. */
void upload_finish(struct upload *upload);
/* Gives back, or leaves to the host, whatever it holds; no completion of it does anything afterwards. NULL is fine. */
void upload_release(struct upload *upload);
struct upload *upload_free(struct upload *upload);   /* NULL is fine; what is at the host is quarantined */
bool upload_is_waiting(const struct upload *upload); /* for a slot or for the host, not for the client */
bool upload_is_queued(const struct upload *upload);  /* for its first slot */
/* Before the body: the first slot is there (true), or the state is EX_SLOT and becomes EX_BODY with it. */
bool upload_take_first(struct upload *upload);

/* The completed answer stands in the slot: x owns the slot from now on and answers with it. */
void exchange_take_answer(struct exchange *x, struct slot *slot);

/* Which slot the first transfer takes: by the body, or by what is known of the answer. */
enum slot_class exchange_first_class(const struct exchange *x);

/* A read of unknown size that may well need a large slot: it takes one that is free, because asking twice costs more. */
bool exchange_wants_large(const struct exchange *x);

/* A read of data or a listing: to ask elsewhere is the same. */
bool exchange_only_reads(const struct exchange *x);

/* The answer to a read, or one that did not fit, has that many bytes: a hint for the next read. */
void exchange_learn_size(struct exchange *x, uint64_t body_bytes);

/* ---- the way past the channel (exchange_upstream.c) ---- */

/* The channel does not carry this exchange: it goes upstream, if there is such a way. Nothing of it may be at the host, or what
 * was there has not run or may run twice. What was received of its body stands in its slot, or in x->upload. false: there is
 * none, and nothing has happened. Otherwise the state is EX_BODY, EX_SLOT, EX_UPSTREAM or an end. */
bool exchange_fall_back(struct exchange *x, enum metric why) MUST_CHECK;

/* While it waits for something of the channel: falls back when that goes down. exchange_env_unwatch() ends it. */
void exchange_watch_channel(struct exchange *x);

/* Its body begins now, and the channel may have gone since the head came: falls back then. */
void exchange_leave_lost_channel(struct exchange *x);

/* As exchange_body(), for an exchange that goes upstream. */
enum exchange_next exchange_upstream_body(struct exchange *x, const char *bytes, size_t len, size_t *taken);
/* The body is complete. */
void exchange_upstream_finish(struct exchange *x);
ssize_t exchange_upstream_read(struct exchange *x, char *bytes, size_t max);

/* The deadline has passed. */
void exchange_upstream_expire(struct exchange *x);

/* Cancels what is under way and gives the seat back. */
void exchange_leave_upstream(struct exchange *x);

/* The endpoint's breaker admits a request for this exchange, whose head then stands in env->composed and *ret_text.
 * 0; -EBUSY: the breaker is open; -ENOMEM, -E2BIG, -ENOBUFS. */
int exchange_admit_upstream(struct exchange *x, const struct exchange_shape *shape, struct composed_text *ret_text,
                            struct route_endpoint **ret_endpoint) MUST_CHECK;

/* x-ms-client-request-id of the request, fit for a line of the log; "" without. */
void exchange_client_request_id(const struct exchange *x, char text[ACCESS_ID_BYTES]);

/* The access log and the counters, at the end. */
void exchange_tell_end(struct exchange *x, bool is_delivered);

void exchange_transfer_begun(struct exchange_env *env);
void exchange_transfer_ended(struct exchange_env *env, const struct transfer *transfer, int result);

#endif
