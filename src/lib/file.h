/* SPDX-License-Identifier: MIT */
/* Reads small files whole: configuration, keys, certificates. Blocks as files do; not for a shard's thread. */
#ifndef BLOBPROXY_FILE_H
#define BLOBPROXY_FILE_H

#include "buf.h"
#include "err.h"

/* Appends the regular file to text, up to text->max_bytes. A negative errno; err is "PATH: why". */
int file_read(const char *path, struct buf *text, struct err *err) MUST_CHECK;

/* The same for a secret: the file must belong to this user or root, and only its owner (or root) may read or write it: -EPERM
 * otherwise, and err says which chmod helps. A file of root:root may be readable for its group: systemd's credentials are. The
 * caller wipes text, also after a failure. */
int file_read_secret(const char *path, struct buf *text, struct err *err) MUST_CHECK;

#endif
