/* SPDX-License-Identifier: MIT */
/* An HTTP client in a libevent loop: streams both ways and never blocks. The one user of libcurl. */
#ifndef BLOBPROXY_HTTPCLIENT_H
#define BLOBPROXY_HTTPCLIENT_H

#include "err.h"
#include "head.h"

#include <sys/types.h>

struct event_base;
struct httpclient;  /* a pool of connections; belongs to one loop and its thread */
struct httprequest; /* one request under way */

struct httpclient_options {
    const char *ca_file;         /* PEM bundle instead of the system's; NULL: the system's. Certificates are always verified */
    unsigned connect_timeout_ms; /* for name, TCP and TLS */
    unsigned stall_timeout_ms;   /* without a byte either way, while neither side is paused; 0: none */
    unsigned connections_max;    /* to one origin; further requests wait their turn */
    bool no_http2;               /* HTTP/1.1 even where TLS offers more */
};

/* Copies what it needs of options. 0; -ENOMEM; -EINVAL or -ENOENT with err: the CA file cannot be read. */
int httpclient_new(struct event_base *base, const struct httpclient_options *options, struct httpclient **ret_client,
                   struct err *err) MUST_CHECK;

/* Cancels what is under way and closes the connections; never from one of its callbacks. NULL is fine; returns NULL. */
struct httpclient *httpclient_free(struct httpclient *client);

struct httpresult {
    /* 0; -ECONNREFUSED: no connection (name, TCP or TLS, refused or not in time); -ETIMEDOUT: stalled, or the deadline; -EPROTO:
     * not HTTP, or cut short; -ECANCELED: a callback said so. */
    int result;
    bool may_have_run;  /* request bytes may have reached the peer: only false makes a repetition safe for every operation */
    const char *reason; /* for the log, of the moment */
};

/* All callbacks come from the loop, never inside httpclient_start(), httprequest_resume() or httprequest_cancel(), and may call
 * all three, for any request. done comes exactly once, last, unless the request was cancelled; the request is gone when it
 * returns. */
struct httprequest_hooks {
    /* Next bytes of the request's body, at most max. 0: none yet, httprequest_resume() follows; negative: gives the request up.
     * Not called once all body_bytes were given, nor after an answer of 300 or more has come before that. */
    ssize_t (*read_body)(void *owner, char *bytes, size_t max);
    /* The head of the final answer (never of a 1xx). It points into memory that is valid until it returns. Fields as they came,
     * hop-by-hop ones included; the start line always reads HTTP/1.1. Negative: gives the request up. */
    int (*take_head)(void *owner, const struct head *head);
    /* All of bytes is taken (0) or nothing (-EAGAIN: they come again after httprequest_resume(), perhaps in other pieces). Other
     * negative: gives up. Chunks are joined; content encodings stay as they are. */
    int (*take_body)(void *owner, const char *bytes, size_t len);
    void (*done)(void *owner, const struct httpresult *result);
    void *owner;
};

/* origin: "http://127.0.0.1:10000", "https://name[:port]": where to connect, and the name the certificate must have. head:
 * method, raw target (sent as it is) and all fields, Host and Content-Length included; Host is sent first, the others in their
 * order; nothing is added to them and no redirect, proxy variable, cookie or encoding is followed. body_bytes: what read_body()
 * will give, and what Content-Length must say when it is not 0. deadline_us (monotonic, 0: none): then the request ends with
 * -ETIMEDOUT. A request is sent once; only a GET or HEAD without a body is sent again, when a kept connection dies before any
 * answer. 0, -ENOMEM, -EINVAL (an origin that is no URL or has more than an authority; a head that cannot be sent). Everything is
 * copied. */
int httpclient_start(struct httpclient *client, const char *origin, const struct head *head, uint64_t body_bytes,
                     uint64_t deadline_us, const struct httprequest_hooks *hooks, struct httprequest **ret_request) MUST_CHECK;

void httprequest_resume(struct httprequest *request); /* a body callback that had nothing, or took nothing, can go on */
void httprequest_cancel(struct httprequest *request); /* no callback afterwards; NULL is fine */

/* 0 or -EINVAL: may this be an origin for httpclient_start()? */
int httpclient_check_origin(const char *origin) MUST_CHECK;

/* Of libcurl as it is loaded: "7.88.1". */
const char *httpclient_library_version(void);

#endif
