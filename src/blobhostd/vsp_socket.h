/* SPDX-License-Identifier: MIT */
/* The Unix socket that the bus is offered on: its file, its mode, its peers. */
#ifndef BLOBHOSTD_VSP_SOCKET_H
#define BLOBHOSTD_VSP_SOCKET_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

struct vsp_socket {
    int fd; /* listening, non-blocking SOCK_SEQPACKET */
    struct sockaddr_un address;
    dev_t device; /* of the socket file, so that only the own file is removed */
    ino_t inode;
};

/* The file has mode 0600 from the moment it exists. One that nobody listens on is replaced. Negative errno with err. */
int vsp_socket_open(const char *path, struct vsp_socket *ret_socket, struct err *err) MUST_CHECK;

/* Removes the file unless somebody has put another in its place, and closes. */
void vsp_socket_close(struct vsp_socket *socket);

/* 0; -EACCES: neither the own effective uid nor root (*ret_uid is set all the same); another negative errno: cannot tell. */
int vsp_socket_check_peer(int fd, uid_t *ret_uid) MUST_CHECK;

#endif
