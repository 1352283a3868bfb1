/* SPDX-License-Identifier: MIT */
/* Listening on a Unix socket of the file system. */
#ifndef BLOBPROXYD_UNIXSOCKET_H
#define BLOBPROXYD_UNIXSOCKET_H

#include "../lib/cleanup.h"

#include <sys/types.h>

#define UNIXSOCKET_NO_GROUP ((gid_t)-1)

/* A listening socket with these permissions, and of that group. What a crash left over at path is replaced. Non-blocking,
 * close-on-exec. 0; -EEXIST: there is a file that is no socket; -EADDRINUSE: somebody listens there; -ENAMETOOLONG; or an errno
 * of the calls. The caller unlinks path in the end. */
int unixsocket_listen(const char *path, mode_t mode, gid_t group, int *ret_fd) MUST_CHECK;

/* What to tell of such an error. */
const char *unixsocket_reason(int error);

#endif
