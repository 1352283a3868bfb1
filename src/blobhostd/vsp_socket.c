/* SPDX-License-Identifier: MIT */
/* The Unix socket that the bus is offered on. */
#include "vsp_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* 0: nobody listens there; -EADDRINUSE; another negative errno: cannot tell. */
static int socket_probe(const struct sockaddr_un *address)
{
    CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return -EADDRINUSE;
    switch (errno) {
    case ECONNREFUSED:
    case ENOENT:
        return 0;
    case EAGAIN:     /* its backlog is full */
    case EPROTOTYPE: /* it listens with another type of socket */
        return -EADDRINUSE;
    default:
        return -errno;
    }
}

/* Removes a socket file that an earlier process left behind. */
static int socket_remove_stale(const struct sockaddr_un *address, struct err *err)
{
    struct stat file;

    if (lstat(address->sun_path, &file) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %s", address->sun_path, strerror(errno));
    if (!S_ISSOCK(file.st_mode))
        return err_set(err, -EADDRINUSE, "%s is not a socket: remove it or choose another --socket", address->sun_path);
    const int rc = socket_probe(address);
    if (rc == -EADDRINUSE)
        return err_set(err, rc, "%s: another process listens there: stop it or choose another --socket", address->sun_path);
    if (rc < 0)
        return err_set(err, rc, "%s: cannot tell whether it is in use: %s", address->sun_path, strerror(-rc));
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return err_set(err, -errno, "%s: cannot remove the stale socket: %s", address->sun_path, strerror(errno));
    return 0;
}

static int socket_bind(int fd, const struct sockaddr_un *address, struct err *err)
{
    /* On Linux the file gets the mode of the unbound socket, so there is no moment in which others may connect. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        const int code = -errno;
        return err_set(err, code, "cannot make %s: %s: create its directory or choose another --socket", address->sun_path,
                       strerror(-code));
    }
    if (listen(fd, SOMAXCONN) < 0)
        return err_set(err, -errno, "cannot listen on %s: %s", address->sun_path, strerror(errno));
    return 0;
}

int vsp_socket_open(const char *path, struct vsp_socket *ret_socket, struct err *err)
{
    struct vsp_socket opened = {.address.sun_family = AF_UNIX};
    struct stat file;

    if (strlen(path) >= sizeof(opened.address.sun_path))
        return err_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes: choose a shorter --socket", path,
                       sizeof(opened.address.sun_path) - 1);
    memcpy(opened.address.sun_path, path, strlen(path));
    int rc = socket_remove_stale(&opened.address, err);
    if (rc < 0)
        return rc;
    CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, -errno, "cannot make a socket: %s", strerror(errno));
    rc = socket_bind(fd, &opened.address, err);
    if (rc < 0)
        return rc;
    if (stat(path, &file) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    opened.device = file.st_dev;
    opened.inode = file.st_ino;
    opened.fd = TAKE_FD(fd);
    *ret_socket = opened;
    return 0;
}

void vsp_socket_close(struct vsp_socket *socket)
{
    struct stat file;

    if (lstat(socket->address.sun_path, &file) == 0 && file.st_dev == socket->device && file.st_ino == socket->inode)
        (void)unlink(socket->address.sun_path);
    cleanup_fd(&socket->fd);
    socket->fd = -1;
}

int vsp_socket_check_peer(int fd, uid_t *ret_uid)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
        return -errno;
    *ret_uid = peer.uid;
    return peer.uid == geteuid() || peer.uid == 0 ? 0 : -EACCES;
}
