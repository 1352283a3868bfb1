/* SPDX-License-Identifier: MIT */
/* Small files, whole. */
#include "file.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define STEP_BYTES 4096u

static int check_access(const struct stat *status, const char *path, struct err *err)
{
    mode_t forbidden = S_IRWXG | S_IRWXO;

    if (status->st_uid != 0 && status->st_uid != geteuid())
        return err_set(err, -EPERM, "%s: belongs to user %u: chown it to the user that reads it", path, status->st_uid);
    /* The access list by which systemd shares a credential of root:root with the service shows as a bit of the group. */
    if (status->st_uid == 0 && status->st_gid == 0)
        forbidden &= ~(mode_t)S_IRGRP;
    if (status->st_mode & forbidden)
        return err_set(err, -EPERM, "%s: others than its owner have access (mode %04o): chmod 0600 %s", path,
                       (unsigned)status->st_mode & 07777u, path);
    return 0;
}

static int open_regular(const char *path, bool is_secret, int *ret_fd, struct err *err)
{
    struct stat status;
    int fd CLEANUP(cleanup_fd) = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int r = 0;

    if (fd < 0 || fstat(fd, &status) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return err_set(err, is_secret ? -EPERM : S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL, "%s: not a regular file, name one", path);
    if (is_secret)
        r = check_access(&status, path, err);
    if (r == 0)
        *ret_fd = TAKE_FD(fd);
    return r;
}

static int read_all(int fd, const char *path, struct buf *text, struct err *err)
{
    char step[STEP_BYTES];
    ssize_t n;
    int r = 0;

    do {
        n = read(fd, step, sizeof(step));
        if (n > 0)
            r = buf_append(text, step, (size_t)n);
        else if (n < 0 && errno != EINTR)
            r = -errno;
    } while (r == 0 && n != 0);
    explicit_bzero(step, sizeof(step));
    if (r == -ENOBUFS)
        return err_set(err, -EFBIG, "%s: longer than %zu KiB", path, text->max_bytes / 1024);
    return r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

static int read_file(const char *path, bool is_secret, struct buf *text, struct err *err)
{
    int fd CLEANUP(cleanup_fd) = -1;
    int r = open_regular(path, is_secret, &fd, err);

    return r < 0 ? r : read_all(fd, path, text, err);
}

int file_read(const char *path, struct buf *text, struct err *err)
{
    return read_file(path, false, text, err);
}

int file_read_secret(const char *path, struct buf *text, struct err *err)
{
    return read_file(path, true, text, err);
}
