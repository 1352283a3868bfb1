/* SPDX-License-Identifier: MIT */
/* Starting the command under the trap. */
#include "child.h"

#include "trap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const char not_killable_only[] =
    "blobdevsim: this kernel is older than 5.19: signals interrupt waits that are uninterruptible with the real driver\n";

/* One descriptor with a message of one byte. */
union descriptor_message {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_descriptor(int socket, int fd)
{
    union descriptor_message control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    char nothing = 0;
    struct iovec byte = {&nothing, 1};
    struct msghdr message = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

static int receive_descriptor(int socket, int *ret_fd)
{
    union descriptor_message control;
    char read;
    struct iovec byte = {&read, 1};
    struct msghdr message = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

    if (got < 0)
        return -errno;
    struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_type != SCM_RIGHTS)
        return -EPROTO;
    memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return 0;
}

/* In the child. The listener goes to the supervisor before anything is called that waits for him. */
static int become(char *const *command, const sigset_t *mask, pid_t parent, int socket)
{
    bool is_killable_only;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return -ESRCH;
    int listener = trap_install(&is_killable_only);
    if (listener < 0)
        return listener;
    int r = send_descriptor(socket, listener);
    if (r < 0)
        return r;
    (void)close(listener);
    if (!is_killable_only)
        (void)!write(STDERR_FILENO, not_killable_only, sizeof(not_killable_only) - 1);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    (void)execvp(command[0], command);
    return -errno;
}

int child_start(char *const *command, const sigset_t *mask, pid_t *ret_pid, int *ret_listener, struct err *err)
{
    int sockets[2];
    pid_t parent = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return err_set(err, -errno, "socketpair: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        int failed = become(command, mask, parent, sockets[1]);
        (void)fprintf(stderr, "blobdevsim: %s: %s\n", command[0], strerror(-failed));
        _exit(CHILD_EXIT_NOT_RUN);
    }
    int r = pid < 0 ? -errno : 0;
    (void)close(sockets[1]);
    if (r == 0)
        r = receive_descriptor(sockets[0], ret_listener);
    (void)close(sockets[0]);
    *ret_pid = pid;
    return r < 0 ? err_set(err, r, "the command could not be trapped: %s", strerror(-r)) : 0;
}
