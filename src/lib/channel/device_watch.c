/* SPDX-License-Identifier: MIT */
/* Tells when a file of that name comes into its directory or goes. */
#include "device_watch.h"

#include <errno.h>
#include <event2/event.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>

#define GONE (IN_DELETE | IN_MOVED_FROM)

struct device_watch {
    int fd;
    struct event *event;
    char *path;
    const char *name; /* in path */
    void (*changed)(void *arg, bool has_gone);
    void *arg;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct device_watch *watch = arg;
    _Alignas(struct inotify_event) char bytes[sizeof(struct inotify_event) + NAME_MAX + 1];
    uint32_t seen = 0;
    ssize_t got;

    (void)what;
    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const void *)(bytes + at);

            if (event->len > 0 && strcmp(event->name, watch->name) == 0)
                seen |= event->mask;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    if (seen)
        watch->changed(watch->arg, seen & GONE);
}

static int watch_directory(struct device_watch *watch)
{
    CLEANUP(cleanup_free) char *copy = strdup(watch->path);

    if (!copy)
        return -ENOMEM;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0 || inotify_add_watch(watch->fd, dirname(copy), IN_CREATE | IN_MOVED_TO | IN_ATTRIB | GONE | IN_ONLYDIR) < 0)
        return -errno;
    return 0;
}

int device_watch_new(struct event_base *base, const char *path, void (*changed)(void *arg, bool has_gone), void *arg,
                     struct device_watch **ret_watch)
{
    struct device_watch *watch = malloc(sizeof(*watch));

    if (!watch)
        return -ENOMEM;
    *watch = (struct device_watch){.fd = -1, .path = strdup(path), .changed = changed, .arg = arg};
    int r = watch->path ? watch_directory(watch) : -ENOMEM;

    if (r == 0)
        watch->event = event_new(base, watch->fd, EV_READ | EV_PERSIST, on_readable, watch);
    if (r == 0 && (!watch->event || event_add(watch->event, NULL) < 0))
        r = -ENOMEM;
    if (r < 0) {
        device_watch_free(watch);
        return r;
    }
    const char *slash = strrchr(watch->path, '/');

    watch->name = slash ? slash + 1 : watch->path;
    *ret_watch = watch;
    return 0;
}

struct device_watch *device_watch_free(struct device_watch *watch)
{
    if (!watch)
        return NULL;
    if (watch->event)
        event_free(watch->event);
    cleanup_fd(&watch->fd);
    free(watch->path);
    free(watch);
    return NULL;
}
