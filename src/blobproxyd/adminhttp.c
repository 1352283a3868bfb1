/* SPDX-License-Identifier: MIT */
/* A small HTTP server on the main loop, a libmicrohttpd daemon of its own. */
#include "adminhttp.h"

#include "mhdloop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_MAX 64u
#define IDLE_TIMEOUT_S 10u

struct adminhttp {
    struct MHD_Daemon *daemon;
    struct mhdloop *loop;
    adminhttp_handler handler;
    void *arg;
};

struct adminhttp_call {
    struct adminhttp *http;
    struct MHD_Connection *connection;
    const char *path, *method; /* the library's, until the request ends */
    bool is_handled, is_suspended, is_answered;
    struct MHD_Response *response; /* answered without one: no memory, the connection is closed */
    unsigned status;
};

/* The handler runs when the request is whole. Bodies are read and forgotten, so that the connection stays usable. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *body, size_t *body_bytes, void **state)
{
    struct adminhttp *http = arg;
    struct adminhttp_call *call = *state;

    (void)version;
    (void)body;
    if (!call) {
        *state = call = calloc(1, sizeof(*call));
        if (call)
            *call = (struct adminhttp_call){.http = http, .connection = connection};
        return call ? MHD_YES : MHD_NO;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    if (!call->is_handled) {
        call->is_handled = true;
        call->path = path;
        call->method = method;
        http->handler(http->arg, call);
    }
    if (call->is_answered)
        return call->response ? MHD_queue_response(connection, call->status, call->response) : MHD_NO;
    call->is_suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    struct adminhttp_call *call = *state;

    (void)arg;
    (void)connection;
    (void)how;
    *state = NULL;
    if (call && call->response)
        MHD_destroy_response(call->response);
    free(call);
}

int adminhttp_new(struct event_base *base, int fd, adminhttp_handler handler, void *arg, struct adminhttp **ret_http)
{
    struct adminhttp *http = calloc(1, sizeof(*http));

    if (http)
        http->daemon =
            MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET,
                             fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
                             MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
    if (!http || !http->daemon) {
        (void)close(fd);
        free(http);
        return -ENOMEM;
    }
    http->handler = handler;
    http->arg = arg;
    int r = mhdloop_new(base, http->daemon, NULL, NULL, &http->loop); /* the library closes fd from here on */
    if (r < 0) {
        adminhttp_free(http);
        return r;
    }
    *ret_http = http;
    return 0;
}

struct adminhttp *adminhttp_free(struct adminhttp *http)
{
    if (!http)
        return NULL;
    mhdloop_free(http->loop);
    MHD_stop_daemon(http->daemon);
    free(http);
    return NULL;
}

const char *adminhttp_path(const struct adminhttp_call *call)
{
    return call->path;
}

bool adminhttp_is(const struct adminhttp_call *call, const char *method)
{
    return strcmp(call->method, method) == 0;
}

const char *adminhttp_argument(const struct adminhttp_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *adminhttp_field(const struct adminhttp_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

int adminhttp_socket(const struct adminhttp_call *call)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? (int)info->connect_fd : -1;
}

static struct MHD_Response *make_response(const char *type, const char *text, size_t len, const char *allow)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

    if (!response)
        return NULL;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
        (!allow || MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow) == MHD_YES))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

static void give(struct adminhttp_call *call, unsigned status, struct MHD_Response *response)
{
    call->response = response;
    call->status = status;
    call->is_answered = true;
    if (!call->is_suspended)
        return;
    call->is_suspended = false;
    MHD_resume_connection(call->connection);
    mhdloop_kick(call->http->loop);
}

void adminhttp_answer(struct adminhttp_call *call, unsigned status, const char *type, const char *text, size_t len)
{
    give(call, status, make_response(type, text, len, NULL));
}

void adminhttp_add_field(struct adminhttp_call *call, const char *name, const char *value)
{
    if (!call->response || MHD_add_response_header(call->response, name, value) == MHD_YES)
        return;
    MHD_destroy_response(call->response);
    call->response = NULL;
}

bool adminhttp_must_be(struct adminhttp_call *call, const char *first, const char *second)
{
    char allow[32], text[80];

    if (adminhttp_is(call, first) || (second && adminhttp_is(call, second)))
        return true;
    (void)snprintf(allow, sizeof(allow), "%s%s%s", first, second ? ", " : "", second ? second : "");
    (void)snprintf(text, sizeof(text), "Only %s%s%s %s answered here.\n", first, second ? " and " : "", second ? second : "",
                   second ? "are" : "is");
    give(call, MHD_HTTP_METHOD_NOT_ALLOWED, make_response(ADMINHTTP_TYPE_TEXT, text, strlen(text), allow));
    return false;
}

void adminhttp_answer_text(struct adminhttp_call *call, unsigned status, const char *text)
{
    adminhttp_answer(call, status, ADMINHTTP_TYPE_TEXT, text, strlen(text));
}
