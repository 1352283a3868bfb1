/* SPDX-License-Identifier: MIT */
/* Two things that libcurl must do for the HTTP client, and how to have them of versions that cannot. The library that is loaded
 * decides, not the one that was compiled with.
 *
 * A callback right before a request is sent (PREREQFUNCTION, 7.80). Before that, the progress callback comes between any two
 * steps of libcurl's state machine, so also between "connected" and "send", and libcurl's timer for connecting grows with each
 * connection that is ready, new or kept.
 *
 * Freeing without waiting for a name that is still being looked up (QUICK_EXIT, 7.87). Before that, libcurl waits for its thread
 * in getaddrinfo() when a handle is removed and when its timeout for connecting ends. So a request that is over stays in libcurl
 * until the lookup has ended, and its own timer ends what takes too long to connect. */
#include "httpclient_internal.h"

#include "clock.h"

#include <pthread.h>
#include <signal.h>

static int compat_before_send(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    (void)peer_ip;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    return httprequest_begin_attempt(arg) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static curl_off_t compat_timer(const struct httprequest *request, CURLINFO timer)
{
    curl_off_t time_us = 0;

    (void)curl_easy_getinfo(request->easy, timer, &time_us);
    return time_us;
}

static CURLcode compat_set_connect_timeout(struct httprequest *request, unsigned timeout_ms)
{
    return curl_easy_setopt(request->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
}

/* Without a timeout of ours libcurl has one of 300 s, which no lookup takes. */
static int compat_on_lookup(void *resolver, void *reserved, void *arg)
{
    struct httprequest *request = arg;

    (void)resolver;
    (void)reserved;
    request->compat.is_looking_up = true;
    request->compat.looked_up_us = compat_timer(request, CURLINFO_NAMELOOKUP_TIME_T);
    return compat_set_connect_timeout(request, 0) != CURLE_OK;
}

bool httpcompat_is_looking_up(const struct httprequest *request)
{
    return request->compat.is_looking_up && compat_timer(request, CURLINFO_NAMELOOKUP_TIME_T) == request->compat.looked_up_us;
}

static bool compat_may_send(struct httprequest *request)
{
    const CURLINFO timer = request->compat.is_https ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T;
    const curl_off_t connected_us = compat_timer(request, timer);

    if (!request->compat.counts_connections || connected_us == request->compat.connected_us)
        return true;
    request->compat.connected_us = connected_us;
    return httprequest_begin_attempt(request);
}

/* Comes after each step of a request that has a connection, or is making one. */
static int compat_on_progress(void *arg, curl_off_t down_max, curl_off_t down, curl_off_t up_max, curl_off_t up)
{
    struct httprequest *request = arg;

    (void)down_max;
    (void)down;
    (void)up_max;
    (void)up;
    if (request->compat.is_looking_up && !httpcompat_is_looking_up(request)) {
        request->compat.is_looking_up = false;
        if (compat_set_connect_timeout(request, request->client->options.connect_timeout_ms))
            return 1;
    }
    if (request->is_over)
        return !request->compat.is_looking_up;
    if (!request->compat.connecting_us) {
        request->compat.connecting_us = clock_mono_us();
        httprequest_arm(request);
    }
    return !compat_may_send(request);
}

static CURLcode compat_set_progress(struct httprequest *request)
{
    CURL *easy = request->easy;

    if (curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, compat_on_lookup) ||
        curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, request) ||
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, compat_on_progress) ||
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, request))
        return CURLE_OUT_OF_MEMORY;
    return curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

CURLcode httpcompat_set(struct httprequest *request, bool is_https)
{
    CURL *easy = request->easy;
    CURLcode rc = compat_set_connect_timeout(request, request->client->options.connect_timeout_ms);

    if (rc)
        return rc;
    request->compat.is_https = is_https;
    rc = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, compat_before_send);
    request->compat.counts_connections = rc == CURLE_UNKNOWN_OPTION;
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
    if (rc && rc != CURLE_UNKNOWN_OPTION)
        return rc;
    rc = curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return rc == CURLE_UNKNOWN_OPTION ? compat_set_progress(request) : rc;
}

uint64_t httpcompat_connect_end_us(const struct httprequest *request)
{
    if (request->attempts > 0 || !request->compat.connecting_us)
        return UINT64_MAX;
    return request->compat.connecting_us + (uint64_t)request->client->options.connect_timeout_ms * 1000;
}

static int compat_ignore_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    (void)fd;
    (void)what;
    (void)arg;
    (void)socket_arg;
    return 0;
}

static int compat_ignore_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    (void)timeout_ms;
    (void)arg;
    return 0;
}

struct compat_search {
    const struct httpclient *client;
    struct event *found;
};

/* The client's timers have no descriptor. */
static int compat_find_socket(const struct event_base *base, const struct event *event, void *arg)
{
    struct compat_search *search = arg;

    (void)base;
    if (event_get_callback_arg(event) != search->client || event_get_fd(event) < 0)
        return 0;
    search->found = (struct event *)(uintptr_t)event;
    return 1;
}

/* Afterwards nothing of the client is in its loop. */
static void compat_leave_loop(struct httpclient *client)
{
    struct compat_search search = {.client = client};
    struct httprequest *request;

    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, compat_ignore_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, compat_ignore_timer);
    while (event_base_foreach_event(client->base, compat_find_socket, &search) > 0)
        event_free(search.found);
    event_free(client->on_timer);
    event_free(client->on_turn);
    client->on_timer = client->on_turn = NULL;
    TAILQ_FOREACH(request, &client->requests, link)
    {
        event_free(request->on_time);
        request->on_time = NULL;
    }
}

static void *compat_wait_and_dispose(void *arg)
{
    struct httpclient *client = arg;
    struct httprequest *request;

    while ((request = TAILQ_FIRST(&client->requests))) {
        request->compat.is_looking_up = false;
        httprequest_free(request);
    }
    httpclient_dispose(client);
    return NULL;
}

/* Signals are the main thread's. */
void httpcompat_dispose(struct httpclient *client)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    compat_leave_loop(client);
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, &attributes, compat_wait_and_dispose, client);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed)
        compat_wait_and_dispose(client);
}
