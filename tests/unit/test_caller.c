/* SPDX-License-Identifier: MIT */
/* Tests of caller: what the kernel says of both ends of a connection. */
#include "../../src/blobproxyd/caller.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
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

Test(caller, tcp_over_the_loopback_is_known)
{
    static const int families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < 2; i++) {
        int client, accepted;

        if (connect_loopback(families[i], &client, &accepted) < 0)
            continue;
        struct caller caller = caller_of(accepted);

        cr_expect_eq(caller.kind, CALLER_TCP);
        cr_expect(caller.is_loopback);
        cr_expect_not(caller.has_uid);
        close(client);
        close(accepted);
    }
}

Test(caller, unix_socket_tells_the_user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test_caller.%d", (int)getpid());
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    int accepted = accept(listener, NULL, NULL);
    struct caller caller = caller_of(accepted);

    cr_expect_eq(caller.kind, CALLER_UNIX);
    cr_expect(caller.has_uid);
    cr_expect_eq(caller.uid, geteuid());
    unlink(address.sun_path);
    close(accepted);
    close(client);
    close(listener);
}

Test(caller, one_of_a_pair_is_nobody)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct caller caller = caller_of(ends[0]);

    cr_expect_eq(caller.kind, CALLER_TCP);
    cr_expect_not(caller.has_uid);
    cr_expect_not(caller.is_loopback);
    close(ends[0]);
    close(ends[1]);
}

Test(caller, what_is_not_connected_has_no_rights)
{
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    struct caller caller = caller_of(unconnected);

    cr_expect_eq(caller.kind, CALLER_TCP);
    cr_expect_not(caller.is_loopback);
    close(unconnected);
    caller = caller_of(-1);
    cr_expect_eq(caller.kind, CALLER_TCP);
    cr_expect_not(caller.is_loopback);
    cr_expect_not(caller.has_uid);
}
