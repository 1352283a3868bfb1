/* SPDX-License-Identifier: MIT */
/* The files under data/ and the scattered memory that is written to and read from them. */
#include "store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDERS 256u
#define PATH_BYTES 24     /* "xx/0123456789abcdef" and NUL */
#define PARTS_AT_ONCE 256 /* iovecs per system call: 4 KiB of stack, 1 MiB of guest pages */

int (*store_step_hook)(enum store_step step);

int store_step(enum store_step step)
{
    return store_step_hook ? store_step_hook(step) : 0;
}

/* Up to max pieces that hold together at most len bytes from the cursor on; the cursor stays. */
static int cursor_peek(const struct store_cursor *cursor, uint64_t len, struct iovec *parts, int max)
{
    size_t offset = cursor->offset;
    int count = 0;
    for (int i = 0; i < cursor->iov_count && count < max && len; i++, offset = 0) {
        uint64_t bytes = cursor->iov[i].iov_len - offset;
        if (bytes > len)
            bytes = len;
        if (!bytes)
            continue;
        parts[count++] = (struct iovec){(char *)cursor->iov[i].iov_base + offset, (size_t)bytes};
        len -= bytes;
    }
    return count;
}

static void cursor_advance(struct store_cursor *cursor, uint64_t len)
{
    while (cursor->iov_count && len >= cursor->iov->iov_len - cursor->offset) {
        len -= cursor->iov->iov_len - cursor->offset;
        cursor->iov++;
        cursor->iov_count--;
        cursor->offset = 0;
    }
    cursor->offset += (size_t)len;
}

int store_cursor_fill(struct store_cursor *cursor, const void *bytes, uint64_t len)
{
    const char *from = bytes;
    while (len) {
        struct iovec part;
        if (!cursor_peek(cursor, len, &part, 1))
            return -EINVAL;
        if (from)
            memcpy(part.iov_base, from, part.iov_len);
        else
            memset(part.iov_base, 0, part.iov_len);
        from = from ? from + part.iov_len : NULL;
        len -= part.iov_len;
        cursor_advance(cursor, part.iov_len);
    }
    return 0;
}

int store_cursor_drain(struct store_cursor *cursor, void *bytes, uint64_t len)
{
    char *to = bytes;
    while (len) {
        struct iovec part;
        if (!cursor_peek(cursor, len, &part, 1))
            return -EINVAL;
        memcpy(to, part.iov_base, part.iov_len);
        to += part.iov_len;
        len -= part.iov_len;
        cursor_advance(cursor, part.iov_len);
    }
    return 0;
}

/* Ids count up, so their low byte spreads files evenly. */
static void file_path(uint64_t id, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%02x/%016llx", (unsigned)(id % FOLDERS), (unsigned long long)id);
}

int store_file_open(struct store *store, uint64_t id, int flags, int *ret_fd)
{
    char path[PATH_BYTES];
    file_path(id, path);
    int fd = openat(store->data_fd, path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int store_file_create(struct store *store, uint64_t id, int *ret_fd)
{
    int r = store_step(STORE_STEP_CREATE);
    return r ? r : store_file_open(store, id, O_RDWR | O_CREAT | O_EXCL, ret_fd);
}

int store_file_write(int fd, uint64_t offset, struct store_cursor *from, uint64_t len)
{
    while (len) {
        struct iovec parts[PARTS_AT_ONCE];
        int count = cursor_peek(from, len, parts, PARTS_AT_ONCE);
        if (!count)
            return -EINVAL;
        int r = store_step(STORE_STEP_WRITE);
        if (r)
            return r;
        ssize_t written = pwritev(fd, parts, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        cursor_advance(from, (uint64_t)written);
        offset += (uint64_t)written;
        len -= (uint64_t)written;
    }
    return 0;
}

int store_file_read(int fd, uint64_t offset, struct store_cursor *to, uint64_t len)
{
    while (len) {
        struct iovec parts[PARTS_AT_ONCE];
        int count = cursor_peek(to, len, parts, PARTS_AT_ONCE);
        if (!count)
            return -EINVAL;
        ssize_t got = preadv(fd, parts, count, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -EIO;
        cursor_advance(to, (uint64_t)got);
        offset += (uint64_t)got;
        len -= (uint64_t)got;
    }
    return 0;
}

int store_file_copy(int from, int to, uint64_t len)
{
    off_t in = 0, out = 0;
    while (len) {
        int r = store_step(STORE_STEP_COPY);
        if (r)
            return r;
        ssize_t copied = copy_file_range(from, &in, to, &out, (size_t)(len < (1u << 30) ? len : 1u << 30), 0);
        if (copied < 0 && errno == EINTR)
            continue;
        if (copied <= 0)
            return copied < 0 ? -errno : -EIO;
        len -= (uint64_t)copied;
    }
    return 0;
}

/* A new file survives a power cut only when its folder's entry does. */
static int folder_sync(struct store *store, uint64_t id)
{
    char path[PATH_BYTES];
    file_path(id, path);
    path[2] = '\0';
    int fd CLEANUP(cleanup_fd) = openat(store->data_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int store_file_sync(struct store *store, uint64_t id, int fd, bool is_new)
{
    if (!store->is_syncing)
        return 0;
    int r = store_step(STORE_STEP_SYNC);
    if (r)
        return r;
    if (fdatasync(fd) < 0)
        return -errno;
    return is_new ? folder_sync(store, id) : 0;
}

void store_file_unlink(struct store *store, uint64_t id)
{
    char path[PATH_BYTES];
    file_path(id, path);
    /* What stays behind is removed by the next store_open(). */
    if (!store_step(STORE_STEP_UNLINK))
        (void)unlinkat(store->data_fd, path, 0);
}

int store_file_make_folders(int data_fd)
{
    for (unsigned i = 0; i < FOLDERS; i++) {
        char name[3];
        (void)snprintf(name, sizeof(name), "%02x", i & 0xffu);
        if (mkdirat(data_fd, name, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static void dir_cleanup(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static int folder_visit(int folder_fd, int (*visit)(void *arg, uint64_t id), void *arg)
{
    DIR *dir CLEANUP(dir_cleanup) = fdopendir(folder_fd);
    if (!dir) {
        int r = -errno;
        (void)close(folder_fd);
        return r;
    }
    for (struct dirent *item; (item = readdir(dir));) {
        if (strlen(item->d_name) != 16 || strspn(item->d_name, "0123456789abcdef") != 16)
            continue;
        int r = visit(arg, strtoull(item->d_name, NULL, 16));
        if (r)
            return r;
    }
    return 0;
}

int store_file_visit(int data_fd, int (*visit)(void *arg, uint64_t id), void *arg)
{
    for (unsigned i = 0; i < FOLDERS; i++) {
        char name[3];
        (void)snprintf(name, sizeof(name), "%02x", i & 0xffu);
        int fd = openat(data_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        int r = folder_visit(fd, visit, arg);
        if (r)
            return r;
    }
    return 0;
}
