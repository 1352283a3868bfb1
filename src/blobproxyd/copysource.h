/* SPDX-License-Identifier: MIT */
/* URLs in header fields that name the proxy itself: the service could not fetch them. Pure. */
#ifndef BLOBPROXYD_COPYSOURCE_H
#define BLOBPROXYD_COPYSOURCE_H

#include "../lib/azure/target.h"

/* What is known of the proxy's own endpoint. */
struct copysource_self {
    const struct target_hosts *hosts;
    const char *const *listeners; /* NULL-terminated, "ADDRESS:PORT": their ports are ours */
    const char *const *tls_listeners;
    struct slice request_host; /* Host of the request: its port is ours too, whatever was mapped on the way */
};

/* Is it a URL of the proxy's own endpoint, and of what? In path style: http or https, a loopback name or one of
 * hosts->extra_names, and one of our ports. In host style likewise, but under a name outside of localhost only with a port other
 * than 80 and 443: without, it is the account's real URL. Anything else is data: false. ret_target points into url. */
bool copysource_is_own(struct slice url, const struct copysource_self *self, struct target *ret_target);

/* Appends the account's own URL: endpoint with {account} replaced, the raw path, the raw query (a SAS stays). 0, -ENOBUFS,
 * -ENOMEM. */
int copysource_write(const struct target *target, const char *endpoint, struct buf *text) MUST_CHECK;

#endif
