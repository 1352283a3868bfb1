/* SPDX-License-Identifier: MIT */
/* Reads from the kernel who has connected. */
#include "caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    if (address->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    if (address->ss_family != AF_INET6)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) || (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

static struct caller unix_caller(int socket)
{
    struct caller caller = {.kind = CALLER_UNIX};
    struct ucred credentials;
    socklen_t len = sizeof(credentials);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0 && len == sizeof(credentials)) {
        caller.has_uid = true;
        caller.uid = credentials.uid;
    }
    return caller;
}

/* A Unix socket without a name was accepted by nobody: it is one of a pair of the program's own, and says nothing of a client.
 * Of TCP both ends are looked at: a client that reaches the loopback from elsewhere, or leaves from it, is none of the loopback.
 */
struct caller caller_of(int socket)
{
    struct sockaddr_storage here = {0}, there = {0};
    socklen_t here_len = sizeof(here), there_len = sizeof(there);

    if (getsockname(socket, (struct sockaddr *)&here, &here_len) < 0)
        return (struct caller){.kind = CALLER_TCP};
    if (here.ss_family == AF_UNIX)
        return here_len > offsetof(struct sockaddr_un, sun_path) ? unix_caller(socket) : (struct caller){.kind = CALLER_TCP};
    return (struct caller){.kind = CALLER_TCP,
                           .is_loopback = is_loopback(&here) && getpeername(socket, (struct sockaddr *)&there, &there_len) == 0 &&
                                          is_loopback(&there)};
}
