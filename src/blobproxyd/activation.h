/* SPDX-License-Identifier: MIT */
/* Listening sockets that systemd hands over, by the name of their FileDescriptorName=: "blob" (TCP and Unix, as they are), "tls",
 * "metrics" and "control". They survive a restart, so that nobody is refused meanwhile. */
#ifndef BLOBPROXYD_ACTIVATION_H
#define BLOBPROXYD_ACTIVATION_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <stdbool.h>

#define ACTIVATION_SOCKETS_MAX 64

enum activation_kind { ACTIVATION_BLOB, ACTIVATION_TLS, ACTIVATION_METRICS, ACTIVATION_CONTROL, ACTIVATION_KINDS };

struct activation_socket {
    enum activation_kind kind;
    int fd;       /* owned by whoever took it; -1: taken */
    bool is_unix; /* else TCP */
};

struct activation {
    struct activation_socket sockets[ACTIVATION_SOCKETS_MAX];
    unsigned count;
};

/* Takes what $LISTEN_FDS names for this process, and the variables away. Every socket is checked: a known name, a stream,
 * listening; TLS and metrics are TCP, metrics on loopback, control a Unix socket. Nothing handed over: 0 and count 0. -EINVAL:
 * err says which socket, and what its unit has to say instead; -ENOTSOCK and others of the kernel. Descriptors become
 * close-on-exec and non-blocking; on failure they stay open, since the program ends. */
int activation_take(struct activation *ret_activation, struct err *err) MUST_CHECK;

/* The parser alone: the same for these descriptors and names. */
int activation_sort(const int *fds, const char *const *names, unsigned count, struct activation *ret_activation,
                    struct err *err) MUST_CHECK;

bool activation_has(const struct activation *activation, enum activation_kind kind);

/* The next one of that kind, which is the caller's then; -1: there is none left. *ret_is_unix may be NULL. */
int activation_next(struct activation *activation, enum activation_kind kind, bool *ret_is_unix);

/* Closes what nobody took. */
void activation_close(struct activation *activation);

#endif
