/* SPDX-License-Identifier: MIT */
/* A numeric TCP address as people write it: "127.0.0.1:10000", "[::1]:10000". Pure: names are never looked up. */
#ifndef BLOBPROXYD_ADDRESS_H
#define BLOBPROXYD_ADDRESS_H

#include "../lib/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage socket;
    socklen_t socket_bytes;
    uint16_t port; /* 0: the kernel chooses */
};

/* 0; -EINVAL, and then *ret_problem says what is wrong and what to write (a static text). */
int address_parse(const char *text, struct address *ret_address, const char **ret_problem) MUST_CHECK;

/* 127.0.0.0/8 (also mapped into IPv6) and ::1. */
bool address_is_loopback(const struct address *address);

/* A socket bound to the address and listening: non-blocking, close-on-exec, SO_REUSEADDR, IPv6 only for IPv6. Negative errno. */
int address_listen(const struct address *address, int *ret_fd) MUST_CHECK;

/* The bound address of a TCP socket, as address_parse() reads it. Untouched when that cannot be told. */
void address_describe(int fd, char *text, size_t text_bytes);

#endif
