/* SPDX-License-Identifier: MIT */
/* Tells when a file of that name comes into its directory or goes, or its permissions change there. */
#ifndef BLOBPROXY_DEVICE_WATCH_H
#define BLOBPROXY_DEVICE_WATCH_H

#include "../cleanup.h"

#include <stdbool.h>

struct event_base;
struct device_watch;

/* path is copied. changed runs on the loop, sometimes for nothing; has_gone: what was there before has gone, perhaps something
 * else is there now. -ENOMEM, -EMFILE or another errno of inotify. */
int device_watch_new(struct event_base *base, const char *path, void (*changed)(void *arg, bool has_gone), void *arg,
                     struct device_watch **ret_watch) MUST_CHECK;
struct device_watch *device_watch_free(struct device_watch *watch); /* NULL is fine; returns NULL */

#endif
