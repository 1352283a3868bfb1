/* SPDX-License-Identifier: MIT */
/* Listening and accepting. */
#include "listen.h"

#include "address.h"
#include "unixsocket.h"

#include "../lib/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKETS_MAX (ACTIVATION_SOCKETS_MAX > 2 * CONF_LIST_MAX + 1 ? ACTIVATION_SOCKETS_MAX : 2 * CONF_LIST_MAX + 1)
#define ACCEPTS_IN_A_ROW 64
#define PAUSE_MS 100 /* without descriptors or memory: listening rests this long instead of spinning */

enum kind { KIND_TCP, KIND_TLS, KIND_UNIX };

struct listener {
    struct listen *listen;
    int fd;
    enum kind kind;
    struct event *event, *pause;
    char text[128];
};

struct listen {
    struct event_base *base;
    struct metrics_shard *metrics;
    struct listen_hooks hooks;
    struct listener listeners[SOCKETS_MAX];
    unsigned count;
    bool is_full;
    char *unix_path; /* removed at the end; owned */
};

static void listener_resume(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;

    (void)fd;
    (void)what;
    event_add(listener->event, NULL);
}

static void listener_rest(struct listener *listener, int code)
{
    struct timeval delay = {0, PAUSE_MS * 1000};

    log_warning("accept-failed", "cannot accept connections on %s: %s; raise LimitNOFILE, or lower limits.connections",
                listener->text, strerror(code));
    event_del(listener->event);
    event_add(listener->pause, &delay);
}

static const enum metric accepted[] = {
    [KIND_TCP] = METRIC_CONNECTIONS_TCP, [KIND_TLS] = METRIC_CONNECTIONS_TLS, [KIND_UNIX] = METRIC_CONNECTIONS_UNIX};

static void take(struct listener *listener, int socket, const struct sockaddr *address, socklen_t address_len)
{
    struct listen *listen = listener->listen;
    int one = 1;

    bool was_full = listen->is_full;

    listen->is_full = listen->hooks.connections(listen->hooks.arg) >= listen->hooks.connections_max;
    if (listen->is_full) {
        metrics_add(listen->metrics, METRIC_CONNECTIONS_REFUSED, 1);
        if (!was_full)
            log_warning("connections-full", "%u connections are open (limits.connections): new ones are closed at once",
                        listen->hooks.connections_max);
        (void)close(socket);
        return;
    }
    if (listener->kind != KIND_UNIX)
        (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    metrics_add(listen->metrics, accepted[listener->kind], 1);
    if (listen->hooks.accepted(listen->hooks.arg, socket, listener->kind == KIND_TLS, address, address_len) < 0)
        (void)close(socket);
}

static bool is_passing(int code)
{
    return code == EAGAIN || code == EINTR || code == ECONNABORTED || code == EPROTO || code == EPERM || code == ENETDOWN ||
           code == EHOSTUNREACH || code == ENETUNREACH || code == ETIMEDOUT;
}

static void listener_ready(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;

    (void)what;
    for (int i = 0; i < ACCEPTS_IN_A_ROW; i++) {
        struct sockaddr_storage address = {0};
        socklen_t address_len = sizeof(address);
        int socket = accept4(fd, (struct sockaddr *)&address, &address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (socket >= 0) {
            take(listener, socket, (struct sockaddr *)&address, address_len);
        } else if (is_passing(errno)) {
            return;
        } else {
            listener_rest(listener, errno);
            return;
        }
    }
}

static int add_listener(struct listen *listen, int fd, enum kind kind, const char *text)
{
    struct listener *listener = &listen->listeners[listen->count];

    listener->listen = listen;
    listener->fd = fd;
    listener->kind = kind;
    snprintf(listener->text, sizeof(listener->text), "%s", text);
    listener->event = event_new(listen->base, fd, EV_READ | EV_PERSIST, listener_ready, listener);
    listener->pause = evtimer_new(listen->base, listener_resume, listener);
    listen->count++;
    return listener->event && listener->pause ? 0 : -ENOMEM;
}

static int open_tcp(struct listen *listen, const char *item, enum kind kind, bool is_default, struct err *err)
{
    struct address address;
    const char *key = kind == KIND_TLS ? "tls" : "tcp", *problem = NULL;
    size_t prefix_bytes = kind == KIND_TLS ? 4 : 0;
    char text[128] = "tls:";
    int fd = -1;
    int r = address_parse(item, &address, &problem);

    if (r < 0)
        return err_set(err, r, "listen.%s: %s: %s", key, item, problem);
    r = address_listen(&address, &fd);
    if (r < 0 && is_default && (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)) {
        log_warning("listen-skipped", "%s is not available on this machine, ignoring", item);
        return 0;
    }
    if (r < 0)
        return err_set(err, r, "listen.%s: cannot listen on %s: %s%s", key, item, strerror(-r),
                       r == -EADDRINUSE ? "; stop the other program or choose another port" : "");
    address_describe(fd, text + prefix_bytes, sizeof(text) - prefix_bytes);
    return add_listener(listen, fd, kind, text);
}

static int open_unix(struct listen *listen, const char *path, unsigned mode, struct err *err)
{
    char text[128];
    int fd = -1;
    int r = unixsocket_listen(path, mode, UNIXSOCKET_NO_GROUP, &fd);

    if (r < 0)
        return err_set(err, r, "listen.unix: cannot listen on %s: %s", path, unixsocket_reason(r));
    listen->unix_path = strdup(path);
    snprintf(text, sizeof(text), "unix:%.120s", path);
    return add_listener(listen, fd, KIND_UNIX, text);
}

static bool is_allowed(const struct conf *conf, int fd)
{
    struct address address = {.socket_bytes = sizeof(address.socket)};

    return conf->listen_allow_remote ||
           (getsockname(fd, (struct sockaddr *)&address.socket, &address.socket_bytes) == 0 && address_is_loopback(&address));
}

static void describe_unix(int fd, char *text, size_t text_bytes)
{
    struct sockaddr_un name = {0};
    socklen_t name_bytes = sizeof(name);

    if (getsockname(fd, (struct sockaddr *)&name, &name_bytes) < 0)
        name.sun_path[0] = '\0';
    snprintf(text, text_bytes, "unix:%.107s", name.sun_path[0] ? name.sun_path : "(abstract)");
}

static int add_activated(struct listen *listen, const struct conf *conf, int fd, enum kind kind, struct err *err)
{
    char text[128] = "tls:";
    size_t prefix_bytes = kind == KIND_TLS ? 4 : 0;

    if (kind == KIND_UNIX)
        describe_unix(fd, text, sizeof(text));
    else
        address_describe(fd, text + prefix_bytes, sizeof(text) - prefix_bytes);
    if (kind != KIND_UNIX && !is_allowed(conf, fd)) {
        (void)close(fd);
        return err_set(err, -EINVAL,
                       "systemd hands over %s, which is not loopback: write 127.0.0.1:PORT in ListenStream=, or "
                       "listen.allow_remote = yes",
                       text);
    }
    return add_listener(listen, fd, kind, text);
}

static int take_activated(struct listen *listen, const struct conf *conf, struct activation *activation, struct err *err)
{
    bool is_unix;
    int fd, r = 0;

    while (r == 0 && (fd = activation_next(activation, ACTIVATION_BLOB, &is_unix)) >= 0)
        r = add_activated(listen, conf, fd, is_unix ? KIND_UNIX : KIND_TCP, err);
    if (r == 0 && activation_has(activation, ACTIVATION_TLS) && !conf->tls)
        r = err_set(err, -EINVAL, "systemd hands over a socket for TLS, and there is no certificate: set tls.certificate");
    while (r == 0 && (fd = activation_next(activation, ACTIVATION_TLS, &is_unix)) >= 0)
        r = add_activated(listen, conf, fd, KIND_TLS, err);
    return r;
}

static int bind_all(struct listen *listen, const struct conf *conf, struct err *err)
{
    int r = 0;

    for (char *const *item = conf->listen_tcp.items; *item && r == 0; item++)
        r = open_tcp(listen, *item, KIND_TCP, conf->listen_tcp.is_default, err);
    for (char *const *item = conf->listen_tls.items; *item && r == 0; item++)
        r = open_tcp(listen, *item, KIND_TLS, conf->listen_tls.is_default, err);
    if (r == 0 && conf->listen_unix[0] != '\0')
        r = open_unix(listen, conf->listen_unix, conf->listen_unix_mode, err);
    return r;
}

int listen_new(struct event_base *base, const struct conf *conf, struct activation *activation, struct metrics_shard *metrics,
               const struct listen_hooks *hooks, struct listen **ret_listen, struct err *err)
{
    struct listen *listen = calloc(1, sizeof(*listen));
    bool is_activated = activation_has(activation, ACTIVATION_BLOB) || activation_has(activation, ACTIVATION_TLS);

    if (!listen)
        return err_set(err, -ENOMEM, "no memory");
    listen->base = base;
    listen->metrics = metrics;
    listen->hooks = *hooks;
    int r = is_activated ? take_activated(listen, conf, activation, err) : bind_all(listen, conf, err);

    if (r == 0 && listen->count == 0)
        r = err_set(err, -EADDRNOTAVAIL, "listen: nothing to listen on; set listen.tcp, listen.tls or listen.unix");
    if (r < 0) {
        listen_free(listen);
        return r;
    }
    *ret_listen = listen;
    return 0;
}

void listen_begin(struct listen *listen)
{
    for (unsigned i = 0; i < listen->count; i++)
        if (event_add(listen->listeners[i].event, NULL) < 0)
            log_error("no-memory", "no connection can be accepted on %s", listen->listeners[i].text);
}

struct listen *listen_free(struct listen *listen)
{
    if (!listen)
        return NULL;
    for (unsigned i = 0; i < listen->count; i++) {
        struct listener *listener = &listen->listeners[i];

        if (listener->event)
            event_free(listener->event);
        if (listener->pause)
            event_free(listener->pause);
        (void)close(listener->fd);
    }
    if (listen->unix_path)
        (void)unlink(listen->unix_path);
    free(listen->unix_path);
    free(listen);
    return NULL;
}

void listen_describe(const struct listen *listen, char *text, size_t text_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < listen->count && used + 1 < text_bytes; i++) {
        int n = snprintf(text + used, text_bytes - used, "%s%s", i > 0 ? " " : "", listen->listeners[i].text);

        used += n > 0 ? (size_t)n : 0;
    }
}
