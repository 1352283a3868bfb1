/* SPDX-License-Identifier: MIT */
/* TLS connections: bytes from the client's socket through the session into a socket pair, and back.
 *
 * Each direction holds at most one record that its other side did not take; until that is gone the direction is not read, so a
 * slow end is felt at the other one. All events are level-triggered; GnuTLS reads one record at a time and hands all of it over,
 * so nothing is left inside that the socket would not tell of. */
#include "tunnel.h"

#include "tls.h"

#include "../lib/clock.h"
#include "../lib/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <unistd.h>

#define RECORDS_IN_A_ROW 16      /* 256 KiB, then others get their turn */
#define LINGER_US 1000000u       /* a client may read the last bytes this long before the socket goes */
#define RECORD_TYPE_HANDSHAKE 22 /* the first byte of every TLS connection, RFC 8446 section 5.1 */
#define ANSWER_BYTES_MAX 8192u

enum tunnel_phase {
    TUNNEL_SILENT,    /* the client has not sent a byte */
    TUNNEL_HANDSHAKE, /* has a deadline from the first byte on */
    TUNNEL_OPEN,      /* the front keeps the deadlines */
    TUNNEL_ENDING,    /* the front has gone; what it left goes to the client */
    TUNNEL_LINGER,    /* all is sent; waits for the client to read and close */
};

/* What one side did not take of a record; NULL: nothing. */
struct leftover {
    char *bytes;
    size_t at, len;
};

struct tunnel {
    struct tunnels *tunnels;
    enum tunnel_phase phase;
    bool has_entered; /* the front counts it */
    bool is_broken;   /* what comes from the front is not all */
    int outer, inner; /* the client's socket; our end of the pair, -1: none */
    int front;        /* the other end of the pair; a number only, for tunnels_break() */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct tls_session *session; /* NULL: SILENT */
    struct event *outer_readable, *outer_writable, *inner_readable, *inner_writable;
    struct leftover to_inner, to_client;
    uint64_t deadline_us; /* not in OPEN */
    TAILQ_ENTRY(tunnel) link;
};

struct tunnels {
    struct event_base *base;
    const struct exchange_env *env;
    struct tunnels_hooks hooks;
    TAILQ_HEAD(tunnel_list, tunnel) list;
    unsigned open;
    char *scratch; /* TLS_RECORD_BYTES */
};

static void count(const struct tunnel *tunnel, enum metric metric)
{
    metrics_add(tunnel->tunnels->env->metrics, metric, 1);
}

/* ---- the end ---- */

static void event_end(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

static void inner_close(struct tunnel *tunnel)
{
    event_end(&tunnel->inner_readable);
    event_end(&tunnel->inner_writable);
    if (tunnel->inner >= 0)
        (void)close(tunnel->inner);
    tunnel->inner = -1;
}

static void tunnel_close(struct tunnel *tunnel)
{
    struct tunnels *tunnels = tunnel->tunnels;
    bool has_entered = tunnel->has_entered;

    if (has_entered)
        metrics_set(tunnels->env->metrics, METRIC_TLS_OPEN, --tunnels->open);
    inner_close(tunnel);
    event_end(&tunnel->outer_readable);
    event_end(&tunnel->outer_writable);
    tls_session_free(tunnel->session);
    (void)close(tunnel->outer);
    free(tunnel->to_inner.bytes);
    free(tunnel->to_client.bytes);
    TAILQ_REMOVE(&tunnels->list, tunnel, link);
    free(tunnel);
    if (!has_entered)
        tunnels->hooks.closed(tunnels->hooks.arg);
}

static void tunnel_linger(struct tunnel *tunnel)
{
    tunnel->phase = TUNNEL_LINGER;
    tunnel->deadline_us = clock_mono_us() + LINGER_US;
    (void)shutdown(tunnel->outer, SHUT_WR);
    event_del(tunnel->outer_writable);
    event_add(tunnel->outer_readable, NULL);
}

/* Reads away what the client still sends: closing over unread bytes would reset the connection under the answer. */
static void tunnel_discard(struct tunnel *tunnel)
{
    for (int i = 0; i < RECORDS_IN_A_ROW; i++) {
        ssize_t n = recv(tunnel->outer, tunnel->tunnels->scratch, TLS_RECORD_BYTES, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            tunnel_close(tunnel);
            return;
        }
    }
}

static void tunnel_say_bye(struct tunnel *tunnel)
{
    int r = tls_session_bye(tunnel->session);

    if (r == -EAGAIN)
        event_add(tunnel->outer_writable, NULL);
    else if (r < 0)
        tunnel_close(tunnel);
    else
        tunnel_linger(tunnel);
}

static uint64_t patience_us(const struct tunnel *tunnel)
{
    return tunnel->tunnels->env->conf->limits_body_grace_ms * 1000;
}

/* The front has gone, so nothing of the client's is wanted any more. */
static void tunnel_end(struct tunnel *tunnel)
{
    event_del(tunnel->outer_readable);
    free(tunnel->to_inner.bytes);
    tunnel->to_inner = (struct leftover){0};
    tunnel->phase = TUNNEL_ENDING;
    tunnel->deadline_us = clock_mono_us() + patience_us(tunnel);
}

/* Nothing can be read before the socket takes what the session has to send. */
static void wait_for_session(struct tunnel *tunnel)
{
    if (!tls_session_wants_write(tunnel->session))
        return;
    event_del(tunnel->outer_readable);
    event_add(tunnel->outer_writable, NULL);
}

/* ---- moving bytes; each returns false when the tunnel is gone or must wait ---- */

static bool leave_over(struct leftover *leftover, const char *bytes, size_t len)
{
    leftover->bytes = malloc(len);
    if (!leftover->bytes)
        return false;
    memcpy(leftover->bytes, bytes, len);
    leftover->at = 0;
    leftover->len = len;
    return true;
}

static void leftover_moved(struct leftover *leftover, size_t moved)
{
    leftover->at += moved;
    if (leftover->at < leftover->len)
        return;
    free(leftover->bytes);
    *leftover = (struct leftover){0};
}

/* How much of it the inner end took; 0 when it is full, negative when it is closed. */
static ssize_t write_inner(const struct tunnel *tunnel, const char *bytes, size_t len)
{
    ssize_t n = send(tunnel->inner, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

static bool flush_to_inner(struct tunnel *tunnel)
{
    struct leftover *left = &tunnel->to_inner;

    if (!left->bytes)
        return true;
    ssize_t n = write_inner(tunnel, left->bytes + left->at, left->len - left->at);

    if (n < 0) { /* what it left is still to be read */
        tunnel_end(tunnel);
        return false;
    }
    leftover_moved(left, (size_t)n);
    if (!left->bytes) {
        event_add(tunnel->outer_readable, NULL);
        return true;
    }
    event_del(tunnel->outer_readable);
    event_add(tunnel->inner_writable, NULL);
    return false;
}

static bool take_record(struct tunnel *tunnel)
{
    char *bytes = tunnel->tunnels->scratch;
    ssize_t got = tls_session_recv(tunnel->session, bytes, TLS_RECORD_BYTES);

    if (got == -EAGAIN) {
        wait_for_session(tunnel);
        return false;
    }
    if (got <= 0) { /* gone, with or without a word: as on any connection nobody is answered any more */
        tunnel_close(tunnel);
        return false;
    }
    ssize_t written = write_inner(tunnel, bytes, (size_t)got);

    if (written == got)
        return true;
    if (written >= 0 && leave_over(&tunnel->to_inner, bytes + written, (size_t)(got - written)))
        return flush_to_inner(tunnel);
    if (written < 0)
        tunnel_end(tunnel);
    else
        tunnel_close(tunnel);
    return false;
}

static void pump_in(struct tunnel *tunnel)
{
    if (!flush_to_inner(tunnel))
        return;
    for (int i = 0; i < RECORDS_IN_A_ROW; i++)
        if (!take_record(tunnel))
            return;
}

/* Sends what it can; what is left over waits for the client's socket. */
static bool send_all(struct tunnel *tunnel, const char *bytes, size_t len)
{
    size_t at = 0;

    while (at < len) {
        ssize_t n = tls_session_send(tunnel->session, bytes + at, len - at);

        if (n == -EAGAIN && leave_over(&tunnel->to_client, bytes + at, len - at)) {
            if (tunnel->inner_readable)
                event_del(tunnel->inner_readable);
            event_add(tunnel->outer_writable, NULL);
            return false;
        }
        if (n < 0) {
            tunnel_close(tunnel);
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

static bool flush_to_client(struct tunnel *tunnel)
{
    struct leftover *left = &tunnel->to_client;

    while (left->bytes) {
        ssize_t n = tls_session_send(tunnel->session, left->bytes + left->at, left->len - left->at);

        if (n == -EAGAIN) {
            event_add(tunnel->outer_writable, NULL);
            return false;
        }
        if (n < 0) {
            tunnel_close(tunnel);
            return false;
        }
        leftover_moved(left, (size_t)n);
        tunnel->deadline_us = clock_mono_us() + patience_us(tunnel);
    }
    if (tunnel->inner_readable)
        event_add(tunnel->inner_readable, NULL);
    return true;
}

static void pump_out(struct tunnel *tunnel)
{
    char *bytes = tunnel->tunnels->scratch;

    if (!flush_to_client(tunnel))
        return;
    if (tunnel->inner < 0) {
        tunnel_say_bye(tunnel);
        return;
    }
    for (int i = 0; i < RECORDS_IN_A_ROW; i++) {
        ssize_t n = recv(tunnel->inner, bytes, TLS_RECORD_BYTES, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 && tunnel->is_broken) {
            tunnel_close(tunnel);
            return;
        }
        if (n <= 0) {
            tunnel_end(tunnel);
            inner_close(tunnel);
            tunnel_say_bye(tunnel);
            return;
        }
        if (!send_all(tunnel, bytes, (size_t)n))
            return;
    }
}

static void inner_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    if (what & EV_READ)
        pump_out(arg);
    else
        pump_in(arg);
}

/* ---- the handshake ---- */

static int make_pair(struct tunnel *tunnel, int *ret_front)
{
    struct event_base *base = tunnel->tunnels->base;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    tunnel->inner = pair[0];
    tunnel->inner_readable = event_new(base, pair[0], EV_READ | EV_PERSIST, inner_event, tunnel);
    tunnel->inner_writable = event_new(base, pair[0], EV_WRITE, inner_event, tunnel);
    if (!tunnel->inner_readable || !tunnel->inner_writable || event_add(tunnel->inner_readable, NULL) < 0) {
        (void)close(pair[1]);
        return -ENOMEM;
    }
    *ret_front = tunnel->front = pair[1];
    return 0;
}

static void tunnel_open(struct tunnel *tunnel)
{
    struct tunnels *tunnels = tunnel->tunnels;
    int front = -1;

    if (make_pair(tunnel, &front) < 0) {
        log_warning("tls-refused", "no memory or descriptors for a TLS connection; raise LimitNOFILE, or lower "
                                   "limits.connections");
        tunnel_close(tunnel);
        return;
    }
    tunnel->phase = TUNNEL_OPEN;
    tunnel->has_entered = true;
    count(tunnel, METRIC_TLS_DONE);
    metrics_set(tunnels->env->metrics, METRIC_TLS_OPEN, ++tunnels->open);
    tunnels->hooks.enter(tunnels->hooks.arg, front, (struct sockaddr *)&tunnel->address, tunnel->address_len);
    pump_in(tunnel);
}

/* A record that was cut short looks like a wrong one otherwise. To be asked before an alert, which makes clients leave. */
static bool client_has_left(const struct tunnel *tunnel)
{
    char byte;

    return recv(tunnel->outer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void tunnel_handshake(struct tunnel *tunnel)
{
    int r = tls_session_handshake(tunnel->session);

    if (r == 0) {
        tunnel_open(tunnel);
    } else if (r == -EAGAIN) {
        wait_for_session(tunnel);
    } else {
        count(tunnel, r == -ECONNRESET || client_has_left(tunnel) ? METRIC_TLS_GONE : METRIC_TLS_FAILED);
        if (r == -EPROTO)
            tls_session_alert(tunnel->session);
        log_debug("tls-failed", "a TLS handshake failed: %s", tls_session_problem(tunnel->session));
        tunnel_close(tunnel);
    }
}

/* Somebody speaks something else; who speaks HTTP is told what is wrong. */
static void tunnel_refuse(struct tunnel *tunnel)
{
    struct buf text CLEANUP(buf_free);

    buf_init(&text, ANSWER_BYTES_MAX);
    count(tunnel, METRIC_TLS_PLAIN);
    log_debug("tls-failed", "a client speaks no TLS on the TLS listener; its endpoint must begin with https://");
    if (exchange_error_text(&text, NULL, AZURE_MalformedRequest, "This port speaks TLS: write https:// instead of http://.", NULL) == 0)
        (void)send(tunnel->outer, text.bytes, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    tunnel_linger(tunnel);
    tunnel_discard(tunnel);
}

static void tunnel_begin(struct tunnel *tunnel)
{
    const struct conf *conf = tunnel->tunnels->env->conf;
    unsigned char first;
    ssize_t n = recv(tunnel->outer, &first, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        tunnel_close(tunnel);
    } else if (first != RECORD_TYPE_HANDSHAKE) {
        tunnel_refuse(tunnel);
    } else if (tls_session_new(conf->tls, tunnel->outer, &tunnel->session) < 0) {
        tunnel_close(tunnel);
    } else {
        tunnel->phase = TUNNEL_HANDSHAKE;
        tunnel->deadline_us = clock_mono_us() + conf->limits_header_timeout_ms * 1000;
        tunnel_handshake(tunnel);
    }
}

static void outer_event(evutil_socket_t fd, short what, void *arg)
{
    struct tunnel *tunnel = arg;

    (void)fd;
    switch (tunnel->phase) {
    case TUNNEL_SILENT:
        tunnel_begin(tunnel);
        break;
    case TUNNEL_HANDSHAKE:
        event_add(tunnel->outer_readable, NULL);
        tunnel_handshake(tunnel);
        break;
    case TUNNEL_OPEN:
        if (what & EV_READ) {
            pump_in(tunnel);
            break;
        }
        if (!tunnel->to_inner.bytes)
            event_add(tunnel->outer_readable, NULL);
        pump_out(tunnel);
        break;
    case TUNNEL_ENDING:
        pump_out(tunnel);
        break;
    case TUNNEL_LINGER:
        tunnel_discard(tunnel);
        break;
    }
}

/* ---- all of them ---- */

int tunnels_new(struct event_base *base, const struct exchange_env *env, const struct tunnels_hooks *hooks,
                struct tunnels **ret_tunnels)
{
    struct tunnels *tunnels = calloc(1, sizeof(*tunnels));

    if (!tunnels)
        return -ENOMEM;
    tunnels->base = base;
    tunnels->env = env;
    tunnels->hooks = *hooks;
    TAILQ_INIT(&tunnels->list);
    tunnels->scratch = malloc(TLS_RECORD_BYTES);
    if (!tunnels->scratch) {
        free(tunnels);
        return -ENOMEM;
    }
    *ret_tunnels = tunnels;
    return 0;
}

struct tunnels *tunnels_free(struct tunnels *tunnels)
{
    struct tunnel *tunnel, *next;

    if (!tunnels)
        return NULL;
    for (tunnel = TAILQ_FIRST(&tunnels->list); tunnel; tunnel = next) {
        next = TAILQ_NEXT(tunnel, link);
        if (tunnel->phase == TUNNEL_OPEN || tunnel->phase == TUNNEL_ENDING)
            pump_out(tunnel);
    }
    while (!TAILQ_EMPTY(&tunnels->list))
        tunnel_close(TAILQ_FIRST(&tunnels->list));
    free(tunnels->scratch);
    free(tunnels);
    return NULL;
}

int tunnels_add(struct tunnels *tunnels, int socket, const struct sockaddr *address, socklen_t address_len)
{
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));

    if (!tunnel)
        return -ENOMEM;
    tunnel->outer_readable = event_new(tunnels->base, socket, EV_READ | EV_PERSIST, outer_event, tunnel);
    tunnel->outer_writable = event_new(tunnels->base, socket, EV_WRITE, outer_event, tunnel);
    if (!tunnel->outer_readable || !tunnel->outer_writable || event_add(tunnel->outer_readable, NULL) < 0) {
        event_end(&tunnel->outer_readable);
        event_end(&tunnel->outer_writable);
        free(tunnel);
        return -ENOMEM;
    }
    tunnel->tunnels = tunnels;
    tunnel->outer = socket;
    tunnel->inner = -1;
    memcpy(&tunnel->address, address, address_len < sizeof(tunnel->address) ? address_len : sizeof(tunnel->address));
    tunnel->address_len = address_len;
    tunnel->deadline_us = clock_mono_us() + tunnels->env->conf->limits_keepalive_timeout_ms * 1000;
    TAILQ_INSERT_TAIL(&tunnels->list, tunnel, link);
    return 0;
}

/* The newest first: an older one may have had the same number, and only wait for its end. */
void tunnels_break(struct tunnels *tunnels, int socket)
{
    struct tunnel *tunnel;

    TAILQ_FOREACH_REVERSE(tunnel, &tunnels->list, tunnel_list, link)
    if (tunnel->inner >= 0 && tunnel->front == socket) {
        tunnel->is_broken = true;
        return;
    }
}

static bool has_hung_up(int socket)
{
    struct pollfd state = {.fd = socket, .events = POLLRDHUP};

    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* An end that is not read, because the other one takes nothing, shows only here that it has gone. */
static void look_at_ends(struct tunnel *tunnel)
{
    if (tunnel->to_inner.bytes && has_hung_up(tunnel->outer))
        tunnel_close(tunnel);
    else if (tunnel->to_client.bytes && has_hung_up(tunnel->inner))
        tunnel_end(tunnel);
}

void tunnels_sweep(struct tunnels *tunnels, uint64_t now_us)
{
    struct tunnel *tunnel, *next;

    for (tunnel = TAILQ_FIRST(&tunnels->list); tunnel; tunnel = next) {
        next = TAILQ_NEXT(tunnel, link);
        if (tunnel->phase == TUNNEL_OPEN) {
            look_at_ends(tunnel);
        } else if (now_us >= tunnel->deadline_us) {
            if (tunnel->phase == TUNNEL_HANDSHAKE)
                count(tunnel, METRIC_TLS_DEADLINE);
            tunnel_close(tunnel);
        }
    }
}

void tunnels_drain(struct tunnels *tunnels)
{
    struct tunnel *tunnel, *next;

    for (tunnel = TAILQ_FIRST(&tunnels->list); tunnel; tunnel = next) {
        next = TAILQ_NEXT(tunnel, link);
        if (tunnel->phase < TUNNEL_OPEN)
            tunnel_close(tunnel);
    }
}

static bool has_unsent(const struct tunnel *tunnel)
{
    int unread = 0;

    if (tunnel->inner >= 0 && ioctl(tunnel->inner, FIONREAD, &unread) < 0)
        unread = 0;
    return tunnel->to_client.bytes || unread > 0;
}

unsigned tunnels_unsent(const struct tunnels *tunnels)
{
    const struct tunnel *tunnel;
    unsigned unsent = 0;

    TAILQ_FOREACH(tunnel, &tunnels->list, link)
    unsent += has_unsent(tunnel);
    return unsent;
}
