/* SPDX-License-Identifier: MIT */
/* Tests of peer: what the kernel says of both ends of a connection. */
#include "../../src/blobproxyd/peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection over the loopback: *ret_accepted is its server's end. */
static int connect_loopback(int family, int *ret_client, int *ret_accepted)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t len = family == AF_INET ? sizeof(v4) : sizeof(v6);
    int listener = socket(family, SOCK_STREAM, 0);

    if (listener < 0 || bind(listener, address, len) < 0 || listen(listener, 1) < 0)
        return -1; /* a machine without IPv6 */
    cr_assert_eq(getsockname(listener, address, &len), 0);
    *ret_client = socket(family, SOCK_STREAM, 0);
    cr_assert_eq(connect(*ret_client, address, len), 0);
    *ret_accepted = accept(listener, NULL, NULL);
    cr_assert_geq(*ret_accepted, 0);
    close(listener);
    return 0;
}

Test(peer, tcp_over_the_loopback_is_known)
{
    static const int families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < 2; i++) {
        int client, accepted;

        if (connect_loopback(families[i], &client, &accepted) < 0)
            continue;
        struct peer peer = peer_of(accepted);

        cr_expect_eq(peer.kind, PEER_TCP);
        cr_expect(peer.is_loopback);
        cr_expect_not(peer.has_uid);
        close(client);
        close(accepted);
    }
}

Test(peer, unix_socket_tells_the_user)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct peer peer = peer_of(ends[0]);

    cr_expect_eq(peer.kind, PEER_UNIX);
    cr_expect(peer.has_uid);
    cr_expect_eq(peer.uid, geteuid());
    close(ends[0]);
    close(ends[1]);
}

Test(peer, what_is_not_connected_has_no_rights)
{
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    struct peer peer = peer_of(unconnected);

    cr_expect_eq(peer.kind, PEER_TCP);
    cr_expect_not(peer.is_loopback);
    close(unconnected);
    peer = peer_of(-1);
    cr_expect_eq(peer.kind, PEER_TCP);
    cr_expect_not(peer.is_loopback);
    cr_expect_not(peer.has_uid);
}
