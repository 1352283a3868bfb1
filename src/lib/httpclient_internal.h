/* SPDX-License-Identifier: MIT */
/* What the parts of the HTTP client share: the pool (httpclient.c), a request (httpclient_request.c) and what older versions of
 * libcurl need (httpclient_compat.c). */
#ifndef BLOBPROXY_HTTPCLIENT_INTERNAL_H
#define BLOBPROXY_HTTPCLIENT_INTERNAL_H

#include "curlcompat.h"
#include "httpclient.h"

#include <event2/event.h>
#include <sys/queue.h>

TAILQ_HEAD(httprequest_list, httprequest);

struct httpclient {
    struct event_base *base;
    CURLM *multi;
    struct event *on_timer; /* libcurl's own timer */
    struct event *on_turn;  /* does the chores, outside of every callback */
    struct httpclient_options options;
    char *ca_file;
    struct httprequest_list requests;
    struct httprequest_list chores; /* of these, to be begun, resumed or freed */
    bool is_in_curl;                /* libcurl must not be entered again */
};

/* What httpclient_compat.c knows of a request where libcurl is old. */
struct httpcompat {
    bool is_https;
    bool counts_connections; /* for want of a callback before sending */
    bool is_looking_up;      /* a thread of libcurl's may be in getaddrinfo() */
    curl_off_t looked_up_us; /* libcurl's timers, which grow with each lookup and connection */
    curl_off_t connected_us;
    uint64_t connecting_us; /* when the first connection was begun; 0: not yet */
};

struct httprequest {
    TAILQ_ENTRY(httprequest) link;
    TAILQ_ENTRY(httprequest) chore_link;
    bool has_chore;
    struct httpclient *client;
    struct httprequest_hooks hooks;
    CURL *easy;
    struct curl_slist *fields;
    struct buf head;       /* of the answer, as far as it has come */
    struct event *on_time; /* deadline or stall, whichever is next */
    uint64_t deadline_us;
    uint64_t active_us;  /* when bytes moved last */
    curl_off_t uploaded; /* at the last look */
    uint64_t body_bytes;
    uint64_t body_given;
    unsigned attempts;  /* times its first byte was about to be sent */
    bool is_repeatable; /* by libcurl, when a kept connection turns out to be dead */
    bool is_added;      /* to the multi handle */
    bool is_head_taken;
    bool is_over; /* cancelled or told: no callback any more */
    bool is_take_paused;
    bool is_read_paused;
    int verdict; /* what libcurl's own error is overruled by; 0: nothing */
    const char *verdict_reason;
    struct httpcompat compat;
    char error[CURL_ERROR_SIZE];
};

/* Makes the libcurl side of a request that the client has filled in so far. 0, -ENOMEM or -EINVAL. */
int httprequest_prepare(struct httprequest *request, const char *origin, const struct head *head) MUST_CHECK;

/* Out of libcurl and of all lists, and gone; where that would wait for a lookup, when the lookup has ended. */
void httprequest_free(struct httprequest *request);

/* When everything is ready to send and nothing was sent. false: it must not be sent, and the verdict says why. */
bool httprequest_begin_attempt(struct httprequest *request) MUST_CHECK;

/* Tells the owner, unless it is over already, and frees. */
void httprequest_finish(struct httprequest *request, int result, const char *reason);

/* When libcurl says that it has ended. */
void httprequest_conclude(struct httprequest *request, CURLcode code);

/* The timer that is due next: the deadline, or the end of a connect or stall timeout. */
void httprequest_arm(struct httprequest *request);

/* The pool, when no request is left. */
void httpclient_dispose(struct httpclient *client);

/* Has httprequest_begin_attempt() called, and sets the timeout for connecting. */
CURLcode httpcompat_set(struct httprequest *request, bool is_https) MUST_CHECK;

/* Would removing the handle wait for a lookup? Then httprequest_conclude() comes when the lookup has ended. */
bool httpcompat_is_looking_up(const struct httprequest *request);

/* When the timeout for connecting ends that libcurl does not enforce itself; UINT64_MAX: none. */
uint64_t httpcompat_connect_end_us(const struct httprequest *request);

/* The pool and its last requests, which are in a lookup: a thread of its own waits for that. */
void httpcompat_dispose(struct httpclient *client);

#endif
