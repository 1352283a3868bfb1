/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a client's connection, as far as it matters for rights. */
#ifndef BLOBPROXYD_PEER_H
#define BLOBPROXYD_PEER_H

#include <stdbool.h>
#include <sys/types.h>

enum peer_kind {
    PEER_TCP, /* plain HTTP; the kind with the fewest rights comes first: it is what a zeroed struct says */
    PEER_UNIX,
    PEER_TLS,
};

struct peer {
    enum peer_kind kind;
    bool is_loopback; /* TCP and TLS: nobody between the two ends can listen in */
    bool has_uid;     /* Unix: the kernel said whose process has connected */
    uid_t uid;
};

/* Looks at a connected socket. What is no Unix socket is PEER_TCP: who knows of TLS says so afterwards. */
struct peer peer_of(int socket);

#endif
