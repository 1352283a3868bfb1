/* SPDX-License-Identifier: MIT */
/* What the two halves of the HTTP client share: the pool (httpclient.c) and a request (httpclient_request.c). */
#ifndef BLOBPROXY_HTTPCLIENT_INTERNAL_H
#define BLOBPROXY_HTTPCLIENT_INTERNAL_H

#include "httpclient.h"

#include <curl/curl.h>
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
    char error[CURL_ERROR_SIZE];
};

/* Makes the libcurl side of a request that the client has filled in so far. 0, -ENOMEM or -EINVAL. */
int httprequest_prepare(struct httprequest *request, const char *origin, const struct head *head) MUST_CHECK;

/* Out of libcurl and of all lists, and gone. */
void httprequest_free(struct httprequest *request);

/* Tells the owner, unless it is over already, and frees. */
void httprequest_finish(struct httprequest *request, int result, const char *reason);

/* When libcurl says that it has ended. */
void httprequest_conclude(struct httprequest *request, CURLcode code);

#endif
