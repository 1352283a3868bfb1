/* SPDX-License-Identifier: MIT */
/* Listening sockets that systemd hands over. */
#include "activation.h"

#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-daemon.h>

static const char *const kind_names[ACTIVATION_KINDS] = {
    [ACTIVATION_BLOB] = "blob",
    [ACTIVATION_TLS] = "tls",
    [ACTIVATION_METRICS] = "metrics",
    [ACTIVATION_CONTROL] = "control",
};

static int find_kind(const char *name, enum activation_kind *ret_kind)
{
    for (enum activation_kind kind = 0; kind < ACTIVATION_KINDS; kind++) {
        if (strcmp(name, kind_names[kind]) == 0) {
            *ret_kind = kind;
            return 0;
        }
    }
    return -ENOENT;
}

static bool is_loopback(int fd)
{
    struct address address = {.socket_bytes = sizeof(address.socket)};

    return getsockname(fd, (struct sockaddr *)&address.socket, &address.socket_bytes) == 0 && address_is_loopback(&address);
}

/* What is wrong with it, or NULL. */
static const char *find_fault(const struct activation_socket *socket)
{
    if (sd_is_socket(socket->fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return "is no listening stream socket: write ListenStream= and Accept=no";
    if (!socket->is_unix && sd_is_socket(socket->fd, AF_INET, 0, -1) <= 0 && sd_is_socket(socket->fd, AF_INET6, 0, -1) <= 0)
        return "is neither a TCP nor a Unix socket";
    if (socket->kind == ACTIVATION_CONTROL && !socket->is_unix)
        return "must be a Unix socket: write a path in ListenStream=";
    if ((socket->kind == ACTIVATION_TLS || socket->kind == ACTIVATION_METRICS) && socket->is_unix)
        return "must be a TCP socket: write 127.0.0.1:PORT in ListenStream=";
    if (socket->kind == ACTIVATION_METRICS && !is_loopback(socket->fd))
        return "must be on loopback: write 127.0.0.1:PORT in ListenStream=";
    return NULL;
}

static int make_ready(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

static int add_socket(struct activation *activation, int fd, const char *name, struct err *err)
{
    struct activation_socket socket = {.fd = fd, .is_unix = sd_is_socket(fd, AF_UNIX, 0, -1) > 0};

    if (find_kind(name, &socket.kind) < 0)
        return err_set(err, -EINVAL,
                       "systemd hands over a socket named \"%.64s\": write FileDescriptorName=blob, tls, metrics or control",
                       name);
    const char *fault = find_fault(&socket);
    if (fault)
        return err_set(err, -EINVAL, "the socket that systemd hands over as \"%s\" %s", name, fault);
    for (unsigned i = 0; i < activation->count; i++) {
        bool is_single = socket.kind == ACTIVATION_METRICS || socket.kind == ACTIVATION_CONTROL;
        if (is_single && activation->sockets[i].kind == socket.kind)
            return err_set(err, -EINVAL, "systemd hands over two sockets as \"%s\", one is enough", name);
    }
    int r = make_ready(fd);
    if (r < 0)
        return err_set(err, r, "the socket that systemd hands over as \"%s\": %s", name, strerror(-r));
    activation->sockets[activation->count++] = socket;
    return 0;
}

int activation_sort(const int *fds, const char *const *names, unsigned count, struct activation *ret_activation, struct err *err)
{
    struct activation activation = {.count = 0};

    if (count > ACTIVATION_SOCKETS_MAX)
        return err_set(err, -EINVAL, "systemd hands over %u sockets, at most %d are taken", count, ACTIVATION_SOCKETS_MAX);
    for (unsigned i = 0; i < count; i++) {
        int r = add_socket(&activation, fds[i], names[i], err);
        if (r < 0)
            return r;
    }
    *ret_activation = activation;
    return 0;
}

static void free_names(char ***names)
{
    for (char **name = *names; name && *name; name++)
        free(*name);
    free(*names);
}

int activation_take(struct activation *ret_activation, struct err *err)
{
    CLEANUP(free_names) char **names = NULL;
    int fds[ACTIVATION_SOCKETS_MAX];
    int count = sd_listen_fds_with_names(1, &names);

    if (count < 0)
        return err_set(err, count, "LISTEN_FDS: %s", strerror(-count));
    for (int i = 0; i < count && i < ACTIVATION_SOCKETS_MAX; i++)
        fds[i] = SD_LISTEN_FDS_START + i;
    return activation_sort(fds, (const char *const *)names, (unsigned)count, ret_activation, err);
}

bool activation_has(const struct activation *activation, enum activation_kind kind)
{
    for (unsigned i = 0; i < activation->count; i++)
        if (activation->sockets[i].kind == kind && activation->sockets[i].fd >= 0)
            return true;
    return false;
}

int activation_next(struct activation *activation, enum activation_kind kind, bool *ret_is_unix)
{
    for (unsigned i = 0; i < activation->count; i++) {
        struct activation_socket *socket = &activation->sockets[i];

        if (socket->kind != kind || socket->fd < 0)
            continue;
        if (ret_is_unix)
            *ret_is_unix = socket->is_unix;
        return TAKE_FD(socket->fd);
    }
    return -1;
}

void activation_close(struct activation *activation)
{
    for (unsigned i = 0; i < activation->count; i++)
        cleanup_fd(&activation->sockets[i].fd);
    activation->count = 0;
}
