/* SPDX-License-Identifier: MIT */
/* Where the daemon's control socket is. */
#ifndef BLOBPROXYCTL_PLACE_H
#define BLOBPROXYCTL_PLACE_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <sys/un.h>

#define PLACE_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path))

/* given, else $BLOBPROXYD_CONTROL, else the first that exists of
 *   $RUNTIME_DIRECTORY/control.sock and $XDG_RUNTIME_DIR/blobproxyd-control.sock, where a user's own daemon has it,
 *   /run/blobproxyd-control.sock, where root's has it, and /run/blobproxyd/control.sock, where the service has it.
 * Whether anybody listens there is not looked at. 0, -ENOENT, -ENAMETOOLONG; err then names them all. */
int place_find(const char *given, char ret_path[PLACE_BYTES], struct err *err) MUST_CHECK;

#endif
