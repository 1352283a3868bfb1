/* SPDX-License-Identifier: MIT */
/* Reads TCP addresses and opens listening sockets on them. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static int address_read_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;

    if (!*text || strlen(text) > 5)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        port = port * 10 + (unsigned)(*text - '0');
    }
    if (port > UINT16_MAX)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

static int address_fill(const char *host, bool is_ipv6, struct address *address)
{
    if (is_ipv6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->socket;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
        address->socket_bytes = sizeof(*in6);
        return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)&address->socket;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
    address->socket_bytes = sizeof(*in);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

/* Finds where host and port begin; host_bytes without brackets. */
static int address_split(const char *text, size_t *ret_host_bytes, const char **ret_port, const char **ret_problem)
{
    bool is_bracketed = text[0] == '[';
    const char *colon = is_bracketed ? strchr(text, ']') : strchr(text, ':');

    if (is_bracketed && colon) {
        *ret_host_bytes = (size_t)(colon - text - 1);
        colon++;
    } else if (colon) {
        *ret_host_bytes = (size_t)(colon - text);
    }
    if (!colon || *colon != ':') {
        *ret_problem = "has no port, write ADDRESS:PORT, for example 127.0.0.1:10000";
        return -EINVAL;
    }
    if (!is_bracketed && strchr(colon + 1, ':')) {
        *ret_problem = "is IPv6 without brackets, write [ADDRESS]:PORT, for example [::1]:10000";
        return -EINVAL;
    }
    *ret_port = colon + 1;
    return 0;
}

int address_parse(const char *text, struct address *ret_address, const char **ret_problem)
{
    bool is_ipv6 = text[0] == '[';
    struct address address = {0};
    char host[INET6_ADDRSTRLEN + 1];
    size_t host_bytes = 0;
    const char *port = NULL;

    if (address_split(text, &host_bytes, &port, ret_problem) < 0)
        return -EINVAL;
    if (address_read_port(port, &address.port) < 0) {
        *ret_problem = "has a bad port, write 0 to 65535 behind the last colon";
        return -EINVAL;
    }
    if (host_bytes < sizeof(host)) {
        memcpy(host, text + is_ipv6, host_bytes);
        host[host_bytes] = '\0';
    }
    if (host_bytes >= sizeof(host) || address_fill(host, is_ipv6, &address) < 0) {
        *ret_problem = "is not a numeric address, write one such as 127.0.0.1:10000 or [::1]:10000";
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

bool address_is_loopback(const struct address *address)
{
    if (address->socket.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->socket;
        return (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&address->socket)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == IN_LOOPBACKNET);
}

int address_listen(const struct address *address, int *ret_fd)
{
    int yes = 1;
    int family = address->socket.ss_family;
    CLEANUP(cleanup_fd) int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
        return -errno;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void address_describe(int fd, char *text, size_t text_bytes)
{
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&bound;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&bound;

    if (getsockname(fd, (struct sockaddr *)&bound, &bound_len) < 0)
        return;
    if (bound.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, text_bytes, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text, text_bytes, "%s:%u", host, ntohs(v4->sin_port));
    }
}
