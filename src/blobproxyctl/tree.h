/* SPDX-License-Identifier: MIT */
/* Small files, links and directories below a root, as sysfs and procfs have them. Blocks as files do. */
#ifndef BLOBPROXYCTL_TREE_H
#define BLOBPROXYCTL_TREE_H

#include "../lib/buf.h"

#include <stdint.h>

#define TREE_PATH_BYTES 512

/* Each path is made of root and the printf format behind it. 0 or a negative errno: -ENAMETOOLONG, or what the call gave. */

/* The path itself. */
int tree_path(char path[TREE_PATH_BYTES], const char *root, const char *format, ...)
    __attribute__((format(printf, 3, 4))) MUST_CHECK;

/* The first line without its end and blanks around it, '?' for what is not printable ASCII; cut to what text holds, and empty on
 * failure. */
int tree_line(char *text, size_t text_bytes, const char *root, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* All of it, up to text->max_bytes. */
int tree_read(struct buf *text, const char *root, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A file that is one whole number, or otherwise -1. */
int64_t tree_number(const char *root, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last part of what a link points to; empty on failure. */
int tree_link(char *text, size_t text_bytes, const char *root, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Calls visit with each name in the directory but those that begin with a dot, in order. 0, or a negative errno and no visit. */
int tree_list(void (*visit)(void *owner, const char *name), void *owner, const char *root, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
