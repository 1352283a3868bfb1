/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a client's connection, as far as it matters for rights. */
#ifndef BLOBPROXYD_CALLER_H
#define BLOBPROXYD_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

enum caller_kind {
    CALLER_TCP, /* plain HTTP; the kind with the fewest rights comes first: it is what a zeroed struct says */
    CALLER_UNIX,
    CALLER_TLS,
};

struct caller {
    enum caller_kind kind;
    bool is_loopback; /* TCP and TLS: nobody between the two ends can listen in */
    bool has_uid;     /* Unix: the kernel said whose process has connected */
    uid_t uid;
};

/* Looks at a socket that was accepted. What is not by a Unix socket with a name is CALLER_TCP: who knows of TLS says so
 * afterwards. */
struct caller caller_of(int socket);

#endif
