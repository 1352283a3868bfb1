/* SPDX-License-Identifier: MIT */
/* The pool: libcurl's sockets and timer in the loop, and the list of requests.
 *
 * libcurl must not be entered from its own callbacks, and callbacks must not come from inside the public functions. So a request
 * that begins, is resumed, or is cancelled from within a callback, becomes a chore that the next turn of the loop does. */
#include "httpclient_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

/* Idle connections kept, over all origins, as a multiple of what one origin may have. */
#define KEPT_CONNECTIONS_FACTOR 4

/* No CA bundle is larger: the system's has about 200 KiB. */
#define CA_FILE_BYTES_MAX (16u * 1024 * 1024)

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_is_ready;

static void client_init_curl(void)
{
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void client_reap(struct httpclient *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct httprequest *request = NULL;
        const CURLcode code = message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
        httprequest_conclude(request, code);
    }
}

static void client_act(struct httpclient *client, curl_socket_t fd, int what)
{
    int running;

    client->is_in_curl = true;
    (void)curl_multi_socket_action(client->multi, fd, what, &running);
    client->is_in_curl = false;
    client_reap(client);
}

static void client_on_socket(evutil_socket_t fd, short what, void *arg)
{
    client_act(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void client_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    client_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void client_begin(struct httpclient *client, struct httprequest *request)
{
    request->is_added = curl_multi_add_handle(client->multi, request->easy) == CURLM_OK;
    if (!request->is_added)
        httprequest_finish(request, -ECONNREFUSED, "out of memory");
}

static void client_resume(struct httpclient *client, struct httprequest *request)
{
    if (!request->is_take_paused && !request->is_read_paused)
        return;
    request->is_take_paused = false;
    request->is_read_paused = false;
    client->is_in_curl = true;
    const CURLcode code = curl_easy_pause(request->easy, CURLPAUSE_CONT);
    client->is_in_curl = false;
    if (code != CURLE_OK)
        httprequest_conclude(request, code);
    client_reap(client);
}

/* Only what was there when it began: a callback that resumes at once gets its next turn later. */
static void client_on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct httpclient *client = arg;
    struct httprequest *request;
    size_t left = 0;

    (void)fd;
    (void)what;
    TAILQ_FOREACH(request, &client->chores, chore_link)
    left++;
    for (; left > 0 && (request = TAILQ_FIRST(&client->chores)); left--) {
        TAILQ_REMOVE(&client->chores, request, chore_link);
        request->has_chore = false;
        if (request->is_over)
            httprequest_free(request);
        else if (!request->is_added)
            client_begin(client, request);
        else
            client_resume(client, request);
    }
}

static void client_add_chore(struct httprequest *request)
{
    struct httpclient *client = request->client;
    const struct timeval at_once = {0, 0};

    if (request->has_chore)
        return;
    request->has_chore = true;
    TAILQ_INSERT_TAIL(&client->chores, request, chore_link);
    evtimer_add(client->on_turn, &at_once);
}

/* libcurl wants another timeout; negative: none. */
static int client_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct httpclient *client = arg;
    const struct timeval timeout = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};

    (void)multi;
    if (timeout_ms < 0)
        evtimer_del(client->on_timer);
    else
        evtimer_add(client->on_timer, &timeout);
    return 0;
}

/* libcurl wants to hear other things of a socket, or no more. Each one's event is what libcurl keeps with it. */
static int client_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct httpclient *client = arg;
    struct event *event = socket_arg;
    short wanted = EV_PERSIST;

    (void)easy;
    if (event)
        event_free(event);
    curl_multi_assign(client->multi, fd, NULL);
    if (what == CURL_POLL_REMOVE)
        return 0;
    if (what & CURL_POLL_IN)
        wanted = (short)(wanted | EV_READ);
    if (what & CURL_POLL_OUT)
        wanted = (short)(wanted | EV_WRITE);
    event = event_new(client->base, fd, wanted, client_on_socket, client);
    if (!event || event_add(event, NULL) < 0) {
        if (event)
            event_free(event);
        return -1;
    }
    curl_multi_assign(client->multi, fd, event);
    return 0;
}

/* So that a wrong file is an error at the start and not one in every request. */
static int client_check_ca(const char *path, struct err *err)
{
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(cleanup_free) char *text = NULL;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return err_set(err, errno == ENOENT ? -ENOENT : -EINVAL, "%s: %s", path, strerror(errno));
    if (status.st_size <= 0 || status.st_size > CA_FILE_BYTES_MAX)
        return err_set(err, -EINVAL, "%s: this is no file of PEM certificates", path);
    text = calloc((size_t)status.st_size + 1, 1);
    if (!text)
        return err_set(err, -ENOMEM, "out of memory");
    if (read(fd, text, (size_t)status.st_size) != status.st_size || !strstr(text, "-----BEGIN CERTIFICATE-----"))
        return err_set(err, -EINVAL, "%s: this is no file of PEM certificates", path);
    return 0;
}

static int client_set_up(struct httpclient *client)
{
    CURLM *multi = client->multi;
    const long connections = (long)client->options.connections_max;

    if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, client_set_socket) ||
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client) ||
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, client_set_timer) ||
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client) ||
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) ||
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections * KEPT_CONNECTIONS_FACTOR))
        return -ENOMEM;
    return 0;
}

static int client_fill(struct httpclient *client, const struct httpclient_options *options, struct err *err)
{
    client->options = *options;
    if (options->ca_file) {
        int rc = client_check_ca(options->ca_file, err);

        if (rc < 0)
            return rc;
        client->ca_file = strdup(options->ca_file);
    }
    client->options.ca_file = client->ca_file;
    client->multi = curl_multi_init();
    client->on_timer = evtimer_new(client->base, client_on_timer, client);
    client->on_turn = evtimer_new(client->base, client_on_turn, client);
    if ((options->ca_file && !client->ca_file) || !client->multi || !client->on_timer || !client->on_turn ||
        client_set_up(client) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    return 0;
}

int httpclient_new(struct event_base *base, const struct httpclient_options *options, struct httpclient **ret_client,
                   struct err *err)
{
    struct httpclient *client = NULL;

    (void)pthread_once(&curl_once, client_init_curl);
    if (curl_is_ready == CURLE_OK)
        client = calloc(1, sizeof(*client));
    if (!client)
        return err_set(err, -ENOMEM, "out of memory");
    client->base = base;
    TAILQ_INIT(&client->requests);
    TAILQ_INIT(&client->chores);
    const int rc = client_fill(client, options, err);
    if (rc < 0) {
        httpclient_free(client);
        return rc;
    }
    *ret_client = client;
    return 0;
}

void httpclient_dispose(struct httpclient *client)
{
    if (client->multi)
        curl_multi_cleanup(client->multi);
    if (client->on_timer)
        event_free(client->on_timer);
    if (client->on_turn)
        event_free(client->on_turn);
    free(client->ca_file);
    free(client);
}

struct httpclient *httpclient_free(struct httpclient *client)
{
    struct httprequest *request, *next;

    if (!client)
        return NULL;
    assert(!client->is_in_curl);
    for (request = TAILQ_FIRST(&client->requests); request; request = next) {
        next = TAILQ_NEXT(request, link);
        request->is_over = true;
        httprequest_free(request);
    }
    if (TAILQ_EMPTY(&client->requests))
        httpclient_dispose(client);
    else
        httpcompat_dispose(client);
    return NULL;
}

int httpclient_start(struct httpclient *client, const char *origin, const struct head *head, uint64_t body_bytes,
                     uint64_t deadline_us, const struct httprequest_hooks *hooks, struct httprequest **ret_request)
{
    struct httprequest *request = calloc(1, sizeof(*request));

    if (!request)
        return -ENOMEM;
    request->client = client;
    request->hooks = *hooks;
    request->body_bytes = body_bytes;
    request->deadline_us = deadline_us;
    buf_init(&request->head, LIMIT_HEAD_BYTES);
    TAILQ_INSERT_TAIL(&client->requests, request, link);
    const int rc = httprequest_prepare(request, origin, head);
    if (rc < 0) {
        request->is_over = true;
        httprequest_free(request);
        return rc;
    }
    *ret_request = request;
    client_add_chore(request);
    return 0;
}

void httprequest_resume(struct httprequest *request)
{
    if (!request->is_over)
        client_add_chore(request);
}

void httprequest_cancel(struct httprequest *request)
{
    if (!request || request->is_over)
        return;
    request->is_over = true;
    if (request->client->is_in_curl)
        client_add_chore(request);
    else
        httprequest_free(request);
}

const char *httpclient_library_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}
