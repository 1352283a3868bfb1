/* SPDX-License-Identifier: MIT */
/* Sockets that are handed over: sorted by name, and what is refused. */
#include "../../src/blobproxyd/activation.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int tcp(uint32_t address)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

static int unix_socket(int type)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX}; /* the kernel gives it a name of its own */
    int fd = socket(AF_UNIX, type, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
    if (type == SOCK_STREAM)
        cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

Test(activation, sockets_are_sorted_by_name_and_made_ready)
{
    int fds[] = {tcp(INADDR_LOOPBACK), unix_socket(SOCK_STREAM), tcp(INADDR_LOOPBACK), tcp(INADDR_LOOPBACK),
                 unix_socket(SOCK_STREAM)};
    const char *const names[] = {"blob", "blob", "tls", "metrics", "control"};
    struct activation activation = {.count = 0};
    struct err err = {""};
    bool is_unix = false;

    cr_assert_eq(activation_sort(fds, names, 5, &activation, &err), 0, "%s", err.text);
    cr_expect_eq(activation_next(&activation, ACTIVATION_BLOB, &is_unix), fds[0]);
    cr_expect_not(is_unix);
    cr_expect_eq(activation_next(&activation, ACTIVATION_BLOB, &is_unix), fds[1]);
    cr_expect(is_unix);
    cr_expect_eq(activation_next(&activation, ACTIVATION_BLOB, &is_unix), -1);
    cr_expect_not(activation_has(&activation, ACTIVATION_BLOB));
    cr_expect(activation_has(&activation, ACTIVATION_TLS));
    cr_expect_eq(activation_next(&activation, ACTIVATION_METRICS, NULL), fds[3]);
    cr_expect_eq(activation_next(&activation, ACTIVATION_CONTROL, NULL), fds[4]);
    cr_expect_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    cr_expect(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    activation_close(&activation);
    cr_expect_eq(fcntl(fds[2], F_GETFD), -1, "what nobody took is closed");
    cr_expect_neq(fcntl(fds[0], F_GETFD), -1, "what was taken is not");
}

static void expect_refusal(int fd, const char *name, const char *says)
{
    struct activation activation = {.count = 0};
    struct err err = {""};

    cr_expect_eq(activation_sort(&fd, &name, 1, &activation, &err), -EINVAL, "%s", name);
    cr_expect_not_null(strstr(err.text, says), "%s", err.text);
    close(fd);
}

Test(activation, what_it_cannot_use_is_refused_with_what_to_write)
{
    int not_listening = socket(AF_INET, SOCK_STREAM, 0);

    expect_refusal(tcp(INADDR_LOOPBACK), "blobs", "write FileDescriptorName=blob, tls, metrics or control");
    expect_refusal(not_listening, "blob", "write ListenStream=");
    expect_refusal(unix_socket(SOCK_DGRAM), "blob", "write ListenStream=");
    expect_refusal(unix_socket(SOCK_STREAM), "tls", "must be a TCP socket");
    expect_refusal(unix_socket(SOCK_STREAM), "metrics", "must be a TCP socket");
    expect_refusal(tcp(INADDR_LOOPBACK), "control", "must be a Unix socket");
    expect_refusal(tcp(INADDR_ANY), "metrics", "must be on loopback");
    expect_refusal(open("/dev/null", O_RDWR), "blob", "write ListenStream=");
}

Test(activation, one_socket_for_metrics_is_enough)
{
    int fds[] = {tcp(INADDR_LOOPBACK), tcp(INADDR_LOOPBACK)};
    const char *const names[] = {"metrics", "metrics"};
    struct activation activation = {.count = 0};
    struct err err = {""};

    cr_expect_eq(activation_sort(fds, names, 2, &activation, &err), -EINVAL);
    cr_expect_str_eq(err.text, "systemd hands over two sockets as \"metrics\", one is enough");
}

Test(activation, without_the_variables_nothing_is_taken)
{
    struct activation activation = {.count = 0};
    struct err err = {""};

    unsetenv("LISTEN_FDS");
    cr_assert_eq(activation_take(&activation, &err), 0);
    cr_expect_eq(activation.count, 0u);
}
