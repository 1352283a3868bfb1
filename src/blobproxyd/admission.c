/* SPDX-License-Identifier: MIT */
/* Looks at request heads before the HTTP library does.
 *
 * A connection is WAITING while no head is whole: the library has never seen it, or is suspended. Its socket has one
 * edge-triggered event for its whole life, so waiting costs no system call per request but the look itself, and a library that is
 * suspended between requests needs neither its own epoll registration nor a read that finds nothing.
 *
 * The library reads as much as the socket has, so of a client that does not wait for responses (pipelining) all requests that are
 * visible are checked together, and one whose head is incomplete is waited for while the socket has room for the rest. The
 * library reads the last part of a body (TAIL) piece by piece as it arrives, so that what follows it is seen, too. What arrives
 * between the look and the read reaches the library unseen, and is checked as the library parsed it (guard_check() in
 * exchange_begin()). Where the library may hold the beginning of such a head, the rest of it must not be refused here.
 */
#include "admission.h"

#include "guard.h"

#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <unistd.h>

#define FIRST_LOOK_BYTES 8192u /* enough for nearly every head; bodies that follow are not copied at length */
#define LOOK_BYTES (LIMIT_FIRST_HEAD_BYTES + 1024u)
#define TAIL_BYTES LIMIT_CONNECTION_POOL_BYTES /* more than the library reads at once */
#define SCRATCH_BYTES (TAIL_BYTES + LOOK_BYTES)
#define ERROR_BYTES_MAX 8192u
#define SKIPPED_LINE_BYTES 2u /* libmicrohttpd 1.0 skips one empty line between requests */
#define CLOSE_WAIT 8          /* of TCP; netinet/tcp.h and linux/tcp.h do not go together */
#define LINGER_US 1000000u    /* a refused client may read its error this long before the socket is closed */

enum stage {
    STAGE_WAITING, /* for a whole head */
    STAGE_OPEN,    /* the library has at least one checked request */
    STAGE_TAIL,    /* the library is suspended until the rest of the body in hand has arrived */
    STAGE_REFUSED, /* has its error; its bytes are read away until it closes */
    STAGE_ENDED,   /* the library has been told to close */
};

struct connection {
    struct admission *admission;
    void *client; /* NULL: not open yet */
    int socket;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct event *event;
    enum stage stage;
    uint64_t deadline_us;  /* WAITING, REFUSED */
    uint64_t hidden_bytes; /* of the last checked request: what had not arrived when it was looked at */
    uint64_t tail_bytes;   /* TAIL: what is awaited */
    uint64_t head_at;      /* how many bytes the client sent before the first one that is in the socket now, while in step */
    uint64_t checked_end;  /* the same for the end of the last checked request */
    unsigned admitted;     /* checked requests whose head the library has not read */
    bool is_tls;
    bool has_begun;  /* WAITING: the first byte of a head is there */
    bool has_news;   /* OPEN: the socket has become readable since, or was not seen to its end */
    bool has_flowed; /* the client has sent something before the response to what came before it */
    bool has_excess; /* what follows the checked requests is invalid */
    bool has_unseen; /* the library has read a head that was not looked at: it may have the beginning of the next one, too */
    bool was_swept;  /* WAITING: a sweep has looked for an end of stream that came together with the last request */
    TAILQ_ENTRY(connection) link;
};

struct admission {
    struct event_base *base;
    struct exchange_env *env;
    struct admission_hooks hooks;
    TAILQ_HEAD(, connection) connections;
    char *bytes;       /* SCRATCH_BYTES, and a NUL */
    struct head *head; /* scratch */
};

int connection_socket(const struct connection *connection)
{
    return connection->socket;
}

bool connection_is_tls(const struct connection *connection)
{
    return connection->is_tls;
}

const struct sockaddr *connection_address(const struct connection *connection, socklen_t *ret_len)
{
    *ret_len = connection->address_len;
    return (const struct sockaddr *)&connection->address;
}

void connection_forget(struct connection *connection)
{
    TAILQ_REMOVE(&connection->admission->connections, connection, link);
    event_free(connection->event);
    free(connection);
}

static void connection_end(struct connection *connection)
{
    struct admission *admission = connection->admission;

    if (connection->client) {
        connection->stage = STAGE_ENDED;
        admission->hooks.end(connection->client);
        return;
    }
    int socket = connection->socket;

    connection_forget(connection);
    (void)close(socket);
    admission->hooks.closed(admission->hooks.arg);
}

/* ---- refusing ---- */

/* Reads away what the client has sent, so that closing does not reset the connection before the error has been read. */
static bool discard_input(const struct connection *connection)
{
    ssize_t n;

    do
        n = recv(connection->socket, connection->admission->bytes, SCRATCH_BYTES, MSG_DONTWAIT);
    while (n > 0);
    return n < 0 && errno == EAGAIN;
}

static void log_refusal(const struct connection *connection, struct guard_verdict verdict, const char *request_id)
{
    struct log_field fields[] = {{"code", azure_error_code(verdict.error)}, {"request_id", request_id}};
    struct exchange_env *env = connection->admission->env;
    struct access access;

    if (env->conf->log_access == CONF_ACCESS_NONE) /* the access log says the same */
        log_event(LOG_LEVEL_INFO, "request-refused", fields, sizeof(fields) / sizeof(fields[0]), "%s", verdict.detail);
    access_init(&access);
    access.ended_us = clock_wall_us();
    access.operation = OPERATION_Unknown;
    access.status = azure_error_status(verdict.error);
    access.is_delivered = true;
    access.caller = connection->is_tls ? (struct caller){.kind = CALLER_TLS} : caller_of(connection->socket);
    access_set(access.code, slice_of(azure_error_code(verdict.error)));
    access_set(access.request_id, slice_of(request_id));
    access_set(access.problem, slice_of(verdict.detail));
    exchange_tell_refused(env, &access);
}

static void refuse(struct connection *connection, struct guard_verdict verdict)
{
    struct exchange_env *env = connection->admission->env;
    struct buf text CLEANUP(buf_free);
    char request_id[AZURE_REQUEST_ID_BYTES] = "";

    buf_init(&text, ERROR_BYTES_MAX);
    metrics_add(env->metrics, METRIC_ERROR_GUARD, 1);
    metrics_answer(env->metrics, OPERATION_Unknown, azure_error_status(verdict.error));
    if (exchange_error_text(&text, verdict.is_parsed ? connection->admission->head : NULL, verdict.error, verdict.detail,
                            request_id) == 0)
        (void)send(connection->socket, text.bytes, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    log_refusal(connection, verdict, request_id);
    (void)shutdown(connection->socket, SHUT_WR);
    connection->stage = STAGE_REFUSED;
    connection->deadline_us = clock_mono_us() + LINGER_US;
    if (!discard_input(connection))
        connection_end(connection);
}

/* ---- looking ---- */

static bool is_empty_lines(const char *bytes, size_t len)
{
    return len <= GUARD_EMPTY_LINE_BYTES && strspn(bytes, "\r\n") >= len;
}

/* Counts the requests that are whole and valid from "at" on, in the len bytes that begin at head_at. INCOMPLETE: another one has
 * begun. */
static enum guard_scan count_following(struct connection *connection, size_t len, uint64_t at)
{
    struct admission *admission = connection->admission;
    struct guard_verdict verdict;

    connection->has_excess = false;
    connection->checked_end = connection->head_at + at;
    while (at < len && !is_empty_lines(admission->bytes + at, len - at)) {
        enum guard_scan found = guard_scan(admission->bytes + at, len - at, admission->head, &verdict);

        connection->has_flowed = true;
        if (found == GUARD_COMPLETE && verdict.empty_line_bytes > SKIPPED_LINE_BYTES)
            found = GUARD_REFUSED;
        connection->has_excess = found == GUARD_REFUSED;
        if (found != GUARD_COMPLETE)
            return found;
        connection->admitted++;
        at += verdict.empty_line_bytes + verdict.request_bytes;
        connection->checked_end = connection->head_at + at;
    }
    connection->hidden_bytes = at > len ? at - len : 0;
    return GUARD_COMPLETE;
}

/* Whether the socket takes much more than what is in it. What it has counts with all of a segment that was partly read, so a TCP
 * socket may be full with little to read. */
static bool has_room(const struct connection *connection)
{
    uint32_t memory[SK_MEMINFO_VARS];
    socklen_t len = sizeof(memory);

    return getsockopt(connection->socket, SOL_SOCKET, SO_MEMINFO, memory, &len) == 0 &&
           memory[SK_MEMINFO_RMEM_ALLOC] < memory[SK_MEMINFO_RCVBUF] / 2;
}

/* The library stops between requests or inside of a request line, whose rest never looks like this. */
static bool begins_like_request(const char *bytes)
{
    static const char *const beginnings[] = {"GET /", "PUT /", "HEAD /", "POST /", "DELETE /", "OPTIONS /", NULL};

    for (const char *const *beginning = beginnings; *beginning; beginning++)
        if (strncmp(bytes, *beginning, strlen(*beginning)) == 0)
            return true;
    return false;
}

/* Has the library read more than checked requests? Then the bytes in the socket go on where it stopped. Only TCP tells how much
 * has come; of other clients those are believed that do not wait for responses. */
static bool is_behind_library(const struct connection *connection)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    int before = 0, queued = 0;

    if (!connection->client || begins_like_request(connection->admission->bytes))
        return false;
    if (connection->has_unseen)
        return true;
    do {
        if (ioctl(connection->socket, FIONREAD, &before) < 0 ||
            getsockopt(connection->socket, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
            ioctl(connection->socket, FIONREAD, &queued) < 0)
            return connection->has_flowed;
    } while (before != queued);
    uint64_t received = info.tcpi_bytes_received - (info.tcpi_state == CLOSE_WAIT); /* a FIN counts as one */

    return received - (uint64_t)queued > connection->head_at;
}

/* is_whole: all that the socket has was looked at. */
static void admit(struct connection *connection, size_t empty_line_bytes, bool is_whole)
{
    struct admission *admission = connection->admission;

    connection->stage = STAGE_OPEN;
    connection->has_news = !is_whole;
    /* Some versions of the library stop at an empty line. */
    if (empty_line_bytes > 0)
        (void)!recv(connection->socket, admission->bytes, empty_line_bytes, MSG_DONTWAIT);
    if (connection->client) {
        admission->hooks.proceed(connection->client);
    } else {
        admission->hooks.open(admission->hooks.front, connection, &connection->client);
    }
}

static void begin_head(struct connection *connection)
{
    if (connection->has_begun)
        return;
    connection->has_begun = true;
    connection->deadline_us = clock_mono_us() + connection->admission->env->conf->limits_header_timeout_ms * 1000;
}

struct sight {
    ssize_t len;              /* as recv() returns it */
    enum guard_scan first;    /* the request at the front */
    enum guard_scan last;     /* the last one of those that follow it */
    size_t empty_line_bytes;  /* in front of the first */
    struct guard_verdict why; /* with REFUSED */
};

static void peek(struct connection *connection, size_t max, struct sight *ret_sight)
{
    struct admission *admission = connection->admission;
    ssize_t n = recv(connection->socket, admission->bytes, max, MSG_PEEK | MSG_DONTWAIT);

    *ret_sight = (struct sight){.len = n, .first = GUARD_INCOMPLETE, .last = GUARD_INCOMPLETE};
    connection->admitted = 0;
    if (n <= 0)
        return;
    admission->bytes[n] = '\0';
    begin_head(connection);
    ret_sight->first = guard_scan(admission->bytes, (size_t)n, admission->head, &ret_sight->why);
    if (ret_sight->first != GUARD_COMPLETE)
        return;
    ret_sight->empty_line_bytes = ret_sight->why.empty_line_bytes;
    connection->admitted = 1;
    ret_sight->last = count_following(connection, (size_t)n, ret_sight->empty_line_bytes + ret_sight->why.request_bytes);
}

/* A deeper look: what follows may be read together with what was seen. */
static bool is_cut_short(const struct connection *connection, const struct sight *sight)
{
    return sight->len == FIRST_LOOK_BYTES && (sight->last == GUARD_INCOMPLETE || connection->hidden_bytes < LOOK_BYTES);
}

/* is_overdue: an incomplete head after whole requests has had its time. Returns whether the connection still waits for a head;
 * otherwise it may be gone. */
static bool look(struct connection *connection, bool is_overdue)
{
    struct sight sight;

    peek(connection, FIRST_LOOK_BYTES, &sight);
    if (is_cut_short(connection, &sight))
        peek(connection, LOOK_BYTES, &sight);
    if (sight.len < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    bool is_valid = sight.first == GUARD_COMPLETE &&
                    (sight.last != GUARD_INCOMPLETE || is_overdue || sight.len == LOOK_BYTES || !has_room(connection));

    if (sight.len <= 0)
        connection_end(connection);
    else if (is_valid || (sight.first == GUARD_REFUSED && is_behind_library(connection)))
        admit(connection, sight.empty_line_bytes, sight.last != GUARD_INCOMPLETE && sight.len < LOOK_BYTES);
    else if (sight.first == GUARD_REFUSED)
        refuse(connection, sight.why);
    else
        return true;
    return false;
}

/* ---- the end of a body ---- */

static void end_tail(struct connection *connection)
{
    connection->stage = STAGE_OPEN;
    connection->admission->hooks.proceed(connection->client);
}

/* The tail is all there. Is the whole of any head that follows, too? */
static bool is_followed_by_whole(struct connection *connection)
{
    char *bytes = connection->admission->bytes;
    ssize_t n = recv(connection->socket, bytes, SCRATCH_BYTES, MSG_PEEK | MSG_DONTWAIT);

    if (n <= 0)
        return true; /* the library finds out why */
    bytes[n] = '\0';
    connection->admitted = 0;
    bool is_whole = count_following(connection, (size_t)n, connection->tail_bytes) != GUARD_INCOMPLETE;

    connection->has_news = !is_whole || n == (ssize_t)SCRATCH_BYTES;
    return is_whole || n == (ssize_t)SCRATCH_BYTES || !has_room(connection);
}

/* What there is of the tail may be read unless something follows that has not been checked. */
static bool may_read_tail(struct connection *connection, uint64_t queued)
{
    if (queued > connection->tail_bytes)
        return is_followed_by_whole(connection);
    if (queued == connection->tail_bytes) {
        connection->hidden_bytes = 0;
        connection->has_news = false;
    }
    return true;
}

static uint64_t count_queued(const struct connection *connection)
{
    int queued = 0;

    return ioctl(connection->socket, FIONREAD, &queued) == 0 && queued > 0 ? (uint64_t)queued : 0;
}

bool connection_await_tail(struct connection *connection, uint64_t bytes)
{
    if (connection->admitted > 0 || connection->hidden_bytes == 0 || bytes > TAIL_BYTES)
        return false;
    uint64_t queued = count_queued(connection);

    connection->tail_bytes = bytes;
    connection->head_at = connection->checked_end - bytes;
    if (queued > 0 && may_read_tail(connection, queued))
        return false;
    connection->stage = STAGE_TAIL;
    return true;
}

/* ---- events ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;

    (void)fd;
    (void)what;
    switch (connection->stage) {
    case STAGE_WAITING:
        (void)look(connection, false);
        break;
    case STAGE_OPEN:
        connection->has_news = connection->has_flowed = true;
        break;
    case STAGE_TAIL:
        if (may_read_tail(connection, count_queued(connection))) /* nothing: its end */
            end_tail(connection);
        break;
    case STAGE_REFUSED:
        if (!discard_input(connection))
            connection_end(connection);
        break;
    case STAGE_ENDED:
        break;
    }
}

/* ---- requests of open connections ---- */

void connection_begin_request(struct connection *connection)
{
    if (connection->admitted > 0)
        connection->admitted--;
    else
        connection->has_unseen = true;
}

bool connection_must_close(const struct connection *connection)
{
    return connection->has_excess && connection->admitted == 0;
}

bool connection_end_request(struct connection *connection)
{
    return connection->admitted == 0;
}

void connection_wait(struct connection *connection, uint64_t allowance_ms)
{
    connection->stage = STAGE_WAITING;
    connection->has_begun = connection->was_swept = false;
    connection->head_at = connection->checked_end;
    connection->deadline_us = clock_mono_us() + allowance_ms * 1000;
    if (connection->has_news)
        (void)look(connection, false);
}

/* ---- all of them ---- */

int admission_new(struct event_base *base, struct exchange_env *env, const struct admission_hooks *hooks,
                  struct admission **ret_admission)
{
    struct admission *admission = calloc(1, sizeof(*admission));

    if (!admission)
        return -ENOMEM;
    admission->bytes = malloc(SCRATCH_BYTES + 1);
    admission->head = malloc(sizeof(*admission->head));
    TAILQ_INIT(&admission->connections);
    admission->base = base;
    admission->env = env;
    admission->hooks = *hooks;
    if (!admission->bytes || !admission->head) {
        admission_free(admission);
        return -ENOMEM;
    }
    *ret_admission = admission;
    return 0;
}

struct admission *admission_free(struct admission *admission)
{
    if (!admission)
        return NULL;
    while (!TAILQ_EMPTY(&admission->connections))
        connection_end(TAILQ_FIRST(&admission->connections));
    free(admission->bytes);
    free(admission->head);
    free(admission);
    return NULL;
}

int admission_add(struct admission *admission, int socket, bool is_tls, const struct sockaddr *address, socklen_t address_len)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return -ENOMEM;
    connection->event = event_new(admission->base, socket, EV_READ | EV_PERSIST | EV_ET, on_readable, connection);
    if (!connection->event || event_add(connection->event, NULL) < 0) {
        if (connection->event)
            event_free(connection->event);
        free(connection);
        return -ENOMEM;
    }
    connection->admission = admission;
    connection->socket = socket;
    connection->is_tls = is_tls;
    connection->address_len = address_len < sizeof(connection->address) ? address_len : sizeof(connection->address);
    memcpy(&connection->address, address, connection->address_len);
    connection->deadline_us = clock_mono_us() + admission->env->conf->limits_keepalive_timeout_ms * 1000;
    TAILQ_INSERT_TAIL(&admission->connections, connection, link);
    (void)look(connection, false);
    return 0;
}

static void connection_expire(struct connection *connection)
{
    if (connection->stage == STAGE_WAITING && connection->has_begun) {
        if (!look(connection, true))
            return;
        metrics_add(connection->admission->env->metrics, METRIC_ERROR_HEADER_DEADLINE, 1);
    }
    connection_end(connection);
}

static void connection_sweep(struct connection *connection, uint64_t now_us)
{
    if (connection->stage == STAGE_TAIL) /* a slow client, one that has closed, or a socket with little room */
        end_tail(connection);
    if (connection->stage != STAGE_WAITING && connection->stage != STAGE_REFUSED)
        return;
    if (now_us >= connection->deadline_us) {
        connection_expire(connection);
    } else if (connection->stage == STAGE_WAITING && (!connection->was_swept || connection->admitted > 0)) {
        bool is_overdue = connection->was_swept;

        connection->was_swept = true;
        (void)look(connection, is_overdue);
    }
}

void admission_sweep(struct admission *admission, uint64_t now_us)
{
    struct connection *connection, *next;

    for (connection = TAILQ_FIRST(&admission->connections); connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        connection_sweep(connection, now_us);
    }
}

void admission_drain(struct admission *admission)
{
    struct connection *connection, *next;

    for (connection = TAILQ_FIRST(&admission->connections); connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        if (connection->stage == STAGE_WAITING && !connection->has_begun)
            connection_end(connection);
    }
}
