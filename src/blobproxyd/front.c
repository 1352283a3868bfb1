/* SPDX-License-Identifier: MIT */
/* libmicrohttpd under libevent, one daemon per shard.
 *
 * What is particular here:
 * - raw targets: the URI log callback sees the target before anything is unescaped, and the unescape callback does nothing;
 * - between requests a connection is suspended until admission has checked the next head, so the library never reads a head that
 *   it would refuse with a page of its own;
 * - an exchange that waits suspends its connection; libmicrohttpd then sees neither time-outs nor a client that leaves, so the
 *   sweep (front_deadline.c) keeps the deadlines and, from the second sweep on, watches the socket for a hang-up;
 * - idle time-outs alone do not stop a client that drips bytes: every phase of a connection has a deadline fixed when it begins.
 */
#include "front_internal.h"
#include "mhdloop.h"

#include "../lib/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BLOCK_BYTES (128u * 1024)

/* 0.9.72 neither knows the option nor needs it. */
#if MHD_VERSION >= 0x00097300
#define SIGPIPE_IS_IGNORED MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
#else
#define SIGPIPE_IS_IGNORED
#endif

/* Before 0.9.74 a response's fields are written in the reverse of the order in which they were added. */
#if MHD_VERSION >= 0x00097400
#define IS_ADDED_FROM_THE_END false
#else
#define IS_ADDED_FROM_THE_END true
#endif

/* To be suspended when this turn of the library is over: from then on it needs neither a read that finds nothing nor an epoll
 * registration to go on, as it does after being suspended inside of a callback. */
static void client_halt(struct client *client)
{
    if (!client->is_halting)
        TAILQ_INSERT_TAIL(&client->front->halting, client, halting_link);
    client->is_halting = true;
}

static void client_unhalt(struct client *client)
{
    if (client->is_halting)
        TAILQ_REMOVE(&client->front->halting, client, halting_link);
    client->is_halting = false;
}

static void client_suspend(struct client *client)
{
    client_unhalt(client);
    client->is_suspended = true;
    client->front->suspended_count++;
    MHD_suspend_connection(client->connection);
}

void client_resume(struct client *client)
{
    if (client->is_suspended) {
        client->is_suspended = false;
        client->front->suspended_count--;
        MHD_resume_connection(client->connection);
    } else if (!client->is_halting) {
        return;
    }
    client_unhalt(client);
    mhdloop_kick(client->front->loop);
}

static void front_wake(void *arg)
{
    client_resume(arg);
}

/* ---- one request ---- */

static void *front_target_seen(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct front *front = cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;

    if (!client)
        return NULL;
    client_enter(client, CLIENT_HEADER, client_conf(client)->limits_header_timeout_ms);
    connection_begin_request(client->admitted);
    client->exchange = exchange_new(front->env, uri, strlen(uri), client);
    if (client->exchange) {
        exchange_set_caller(client->exchange, &client->caller);
        front->exchange_count++;
    }
    return client;
}

static size_t front_keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

struct field_taker {
    struct head *head;
    bool has_more;
};

static enum MHD_Result take_field(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value,
                                  size_t value_len)
{
    struct field_taker *taker = cls;
    struct slice text = {value ? value : "", value ? value_len : 0};

    (void)kind;
    taker->has_more = head_add(taker->head, (struct slice){key, key_len}, text) < 0;
    return taker->has_more ? MHD_NO : MHD_YES;
}

static enum exchange_next begin_exchange(struct client *client, const char *method)
{
    struct exchange *x = client->exchange;
    struct field_taker taker = {exchange_request(x), false};

    taker.head->method = slice_of(method);
    MHD_get_connection_values_n(client->connection, MHD_HEADER_KIND, take_field, &taker);
    return exchange_begin(x, taker.has_more);
}

/* In the middle of a body, or of a stream: the library must not go on in this turn. */
static enum MHD_Result client_wait_now(struct client *client)
{
    client_begin_wait(client);
    client->wait_since_us = clock_mono_us();
    client_suspend(client);
    return MHD_YES;
}

/* The whole request is there: the library asks again until it has a response. */
static enum MHD_Result client_wait(struct client *client)
{
    client_begin_wait(client);
    client_halt(client);
    return MHD_YES;
}

/* Back from a wait in the middle of a body: that time was not the client's. */
static void client_end_wait(struct client *client, enum client_phase phase)
{
    if (client->phase != CLIENT_WAITING)
        return;
    client->phase = phase;
    client->credit_until_us += clock_mono_us() - client->wait_since_us;
    client_moved(client, 0);
}

static ssize_t front_read_stream(void *cls, uint64_t position, char *bytes, size_t max)
{
    struct client *client = cls;
    ssize_t n = client->must_abort ? -EIO : exchange_read(client->exchange, bytes, max);

    (void)position;
    client_end_wait(client, CLIENT_SENDING);
    if (n > 0) {
        client_moved(client, (uint64_t)n);
        return n;
    }
    if (n == 0) {
        client_wait_now(client);
        return 0;
    }
    if (n == -ENODATA)
        return (ssize_t)MHD_CONTENT_READER_END_OF_STREAM;
    client_reset(client);
    return (ssize_t)MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *make_response(struct client *client, const struct answer *answer)
{
    uint64_t stream_bytes = answer->body_bytes == ANSWER_BYTES_UNKNOWN ? MHD_SIZE_UNKNOWN : answer->body_bytes;

    if (answer->is_stream)
        return MHD_create_response_from_callback(stream_bytes, STREAM_BLOCK_BYTES, front_read_stream, client, NULL);
    /* The body lies in the exchange, which outlives the response. For HEAD the bytes are never read, only their number told. */
    void *body = (void *)(uintptr_t)(answer->body ? answer->body : "");

    return MHD_create_response_from_buffer((size_t)answer->body_bytes, body, MHD_RESPMEM_PERSISTENT);
}

static bool is_ours_to_write(struct slice name)
{
    static const char *const names[] = {"Content-Length", "Connection", "Keep-Alive", "Transfer-Encoding", NULL};

    for (const char *const *known = names; *known; known++)
        if (slice_equal_nocase(name, slice_of(*known)))
            return true;
    return false;
}

static enum MHD_Result queue_answer(struct client *client)
{
    struct answer answer;

    exchange_answer(client->exchange, &answer);
    struct MHD_Response *response = make_response(client, &answer);

    if (!response)
        return MHD_NO;
    for (unsigned i = 0; i < answer.head->field_count; i++) {
        const struct head_field *field = &answer.head->fields[IS_ADDED_FROM_THE_END ? answer.head->field_count - 1 - i : i];

        /* An empty value is legal and kept; the library takes none, and blanks around a value mean nothing. */
        if (!is_ours_to_write(field->name))
            MHD_add_response_header(response, field->name.bytes, field->value.len > 0 ? field->value.bytes : " ");
    }
    if (answer.must_close || connection_must_close(client->admitted))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    client_enter_moving(client, CLIENT_SENDING, answer.is_stream ? 0 : answer.body_bytes);
    enum MHD_Result queued = MHD_queue_response(client->connection, answer.status, response);

    MHD_destroy_response(response);
    return queued;
}

static void client_read_on(struct client *client)
{
    uint64_t to_come = exchange_body_left(client->exchange) - client->untaken_bytes;

    if (to_come > 0 && connection_await_tail(client->admitted, to_come))
        client_suspend(client);
}

static enum MHD_Result take_body(struct client *client, const char *bytes, size_t *bytes_left)
{
    size_t taken;
    enum exchange_next next = exchange_body(client->exchange, bytes, *bytes_left, &taken);

    *bytes_left -= taken;
    client_end_wait(client, CLIENT_BODY);
    if (taken > 0)
        client_moved(client, taken);
    if (next == EXCHANGE_ANSWER) /* no answer can be queued in the middle of a body */
        return MHD_NO;
    if (next == EXCHANGE_WAIT)
        return client_wait_now(client);
    client->untaken_bytes = *bytes_left;
    client_halt(client);
    return MHD_YES;
}

/* The head is there. A library that has nothing of the body yet reads it in its next turn, or asks for it first. */
static enum MHD_Result begin_body(struct client *client)
{
    client_enter_moving(client, CLIENT_BODY, 0);
    client->untaken_bytes = 0;
    if (MHD_lookup_connection_value(client->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT))
        client_unhalt(client);
    else
        client_halt(client);
    return MHD_YES;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static enum MHD_Result front_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                    const char *version, const char *upload, size_t *upload_bytes, void **context)
{
    struct client *client = *context;
    enum exchange_next next;

    (void)cls;
    (void)url;
    (void)version;
    if (!client || !client->exchange || client->must_abort)
        return MHD_NO;
    if (client->is_halting && client->phase == CLIENT_WAITING)
        return MHD_YES;
    if (client->phase == CLIENT_HEADER) {
        /* A response queued before the request is complete closes the connection: what has no body begins in the last call. */
        if (!client->has_no_body && !has_body(connection)) {
            client->has_no_body = true;
            return MHD_YES;
        }
        bool is_whole = client->has_no_body;

        client->has_no_body = false;
        client->phase = CLIENT_BODY;
        next = begin_exchange(client, method);
        if (next == EXCHANGE_BODY)
            return begin_body(client);
        if (next == EXCHANGE_WAIT && !is_whole)
            return client_wait_now(client);
    } else if (*upload_bytes > 0) {
        return take_body(client, upload, upload_bytes);
    } else {
        next = exchange_continue(client->exchange);
    }
    if (next == EXCHANGE_WAIT)
        return client_wait(client);
    return next == EXCHANGE_ANSWER ? queue_answer(client) : MHD_YES;
}

static void front_completed(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    struct front *front = cls;
    struct client *client = *context;

    (void)connection;
    *context = NULL;
    if (!client || !client->exchange)
        return;
    bool is_delivered = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;

    if (!is_delivered && !client->is_cut)
        metrics_add(front->env->metrics, METRIC_ERROR_CLIENT_GONE, 1);
    exchange_end(client->exchange, is_delivered);
    client->exchange = NULL;
    front->exchange_count--;
    client->phase = CLIENT_IDLE;
    client_halt(client);
}

/* ---- connections ---- */

static struct client *find_entering(struct front *front, int socket)
{
    struct client *client;

    TAILQ_FOREACH(client, &front->entering, link)
    if (client->fd == socket)
        return client;
    return NULL;
}

static void client_opened(struct front *front, struct MHD_Connection *connection, void **socket_context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct client *client = find_entering(front, info->connect_fd);

    TAILQ_REMOVE(&front->entering, client, link);
    TAILQ_INSERT_TAIL(&front->clients, client, link);
    front->client_count++;
    client->connection = connection;
    *socket_context = client;
}

static void client_free(struct front *front, struct client *client)
{
    connection_forget(client->admitted);
    free(client);
    front->hooks.closed(front->hooks.arg);
}

static void client_closed(struct front *front, struct client *client)
{
    if (client->exchange) { /* a head that the parser refused although the guard did not */
        metrics_add(front->env->metrics, METRIC_ERROR_GUARD, 1);
        exchange_end(client->exchange, false);
        front->exchange_count--;
    }
    client_unhalt(client);
    front->suspended_count -= client->is_suspended;
    TAILQ_REMOVE(&front->clients, client, link);
    front->client_count--;
    client_free(front, client);
}

static void front_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                             enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        client_opened(cls, connection, socket_context);
    else
        client_closed(cls, *socket_context);
}

/* Back from a response: the library stops reading until the next head has been checked. */
static void client_park(struct client *client)
{
    if (!connection_end_request(client->admitted)) {
        client_enter(client, CLIENT_HEADER, client_conf(client)->limits_header_timeout_ms);
        return;
    }
    client_suspend(client);
    connection_wait(client->admitted, client->front->env->is_draining ? 0 : client_conf(client)->limits_keepalive_timeout_ms);
}

/* After each turn of the library, since it closes connections only at the end of one. */
static bool front_turn_over(void *arg)
{
    struct front *front = arg;
    struct client *client;

    while ((client = TAILQ_FIRST(&front->halting))) {
        client_unhalt(client);
        if (client->phase == CLIENT_IDLE)
            client_park(client);
        else if (client->phase == CLIENT_WAITING)
            client_suspend(client);
        else if (client->phase == CLIENT_BODY)
            client_read_on(client);
    }
    /* What the library was given before this turn and has not opened it has closed, for want of memory. */
    while ((client = TAILQ_FIRST(&front->entering))) {
        TAILQ_REMOVE(&front->entering, client, link);
        client_free(front, client);
    }
    return front->client_count > front->suspended_count;
}

void front_open(void *arg, struct connection *connection, void **ret_client)
{
    struct front *front = arg;
    struct client *client = calloc(1, sizeof(*client));
    socklen_t address_len;
    const struct sockaddr *address = connection_address(connection, &address_len);

    int socket = connection_socket(connection);

    if (!client) {
        connection_forget(connection);
        (void)close(socket);
        front->hooks.closed(front->hooks.arg);
        return;
    }
    client->front = front;
    client->admitted = connection;
    client->fd = socket;
    client->is_tls = connection_is_tls(connection);
    client->caller = client->is_tls ? (struct caller){.kind = CALLER_TLS} : caller_of(client->fd);
    client_enter(client, CLIENT_HEADER, client_conf(client)->limits_header_timeout_ms);
    TAILQ_INSERT_TAIL(&front->entering, client, link);
    if (MHD_add_connection(front->daemon, socket, address, address_len) == MHD_YES) {
        *ret_client = client;
        mhdloop_kick(front->loop);
        return;
    }
    /* The library may have opened and closed it in between, which has ended it. */
    client = find_entering(front, socket);
    if (!client)
        return;
    TAILQ_REMOVE(&front->entering, client, link);
    client_free(front, client);
}

void front_proceed(void *arg)
{
    struct client *client = arg;

    if (client->phase == CLIENT_IDLE)
        client_enter(client, CLIENT_HEADER, client_conf(client)->limits_header_timeout_ms);
    client_resume(client);
}

void front_end(void *arg)
{
    struct client *client = arg;

    client->is_cut = client->must_abort = true;
    (void)shutdown(client->fd, SHUT_RDWR);
    client_resume(client);
}

unsigned front_connections(const struct front *front)
{
    return front->client_count;
}

unsigned front_exchanges(const struct front *front)
{
    return front->exchange_count;
}

/* ---- start and stop ---- */

__attribute__((format(printf, 2, 0))) static void log_parser(void *cls, const char *format, va_list arguments)
{
    char text[256];

    (void)cls;
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http-server", "%s", text);
}

int front_new(struct event_base *base, struct exchange_env *env, const struct front_hooks *hooks, struct front **ret_front)
{
    struct front *front = calloc(1, sizeof(*front));

    if (!front)
        return -ENOMEM;
    front->base = base;
    front->env = env;
    front->hooks = *hooks;
    env->wake = front_wake;
    TAILQ_INIT(&front->clients);
    TAILQ_INIT(&front->entering);
    TAILQ_INIT(&front->halting);
    front->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ERROR_LOG,
        0, NULL, NULL, front_handle, front, MHD_OPTION_EXTERNAL_LOGGER, log_parser, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        SIGPIPE_IS_IGNORED MHD_OPTION_CONNECTION_LIMIT, env->conf->limits_connections + 64u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)LIMIT_CONNECTION_POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_URI_LOG_CALLBACK, front_target_seen,
        front, MHD_OPTION_UNESCAPE_CALLBACK, front_keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, front_completed, front,
        MHD_OPTION_NOTIFY_CONNECTION, front_connection, front, MHD_OPTION_END);
    if (!front->daemon || mhdloop_new(base, front->daemon, front_turn_over, front, &front->loop) < 0) {
        if (front->daemon)
            MHD_stop_daemon(front->daemon);
        free(front);
        return -EIO;
    }
    *ret_front = front;
    return 0;
}

unsigned front_free(struct front *front)
{
    if (!front)
        return 0;
    unsigned cut = front->exchange_count;
    struct client *client;

    TAILQ_FOREACH(client, &front->clients, link)
    if (client->exchange)
        client_cut(client, METRIC_ERROR_DRAIN_CUT);
    else
        front_end(client);
    /* Suspended connections must have been resumed before the stop. */
    MHD_run(front->daemon);
    front->loop = mhdloop_free(front->loop);
    MHD_stop_daemon(front->daemon);
    (void)front_turn_over(front);
    free(front);
    return cut;
}
