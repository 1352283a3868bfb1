/* SPDX-License-Identifier: MIT */
/* Listening on a Unix socket of the file system. */
#include "unixsocket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A socket file that nobody listens on is left over from a crash. */
static int remove_stale(const char *path, const struct sockaddr_un *address)
{
    struct stat status;
    int probe CLEANUP(cleanup_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (lstat(path, &status) < 0)
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    if (probe < 0 || connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(path) < 0 ? -errno : 0;
}

int unixsocket_listen(const char *path, mode_t mode, gid_t group, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd CLEANUP(cleanup_fd) = -1;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int r = remove_stale(path, &address);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* Until listen() nobody can connect, so the mode is right before it matters. */
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        (group != UNIXSOCKET_NO_GROUP && chown(path, (uid_t)-1, group) < 0) || chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

const char *unixsocket_reason(int error)
{
    switch (error) {
    case -EEXIST:
        return "there is a file of that name that is no socket";
    case -EADDRINUSE:
        return "another program listens on it";
    default:
        return strerror(-error);
    }
}
