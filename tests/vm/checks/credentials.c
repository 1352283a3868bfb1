/* SPDX-License-Identifier: MIT */
/* Who may use a descriptor: the process that opened it, with the credentials it had then. */
#include "checks.h"
#include "device.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Answers one request. */
static void *answer_one(void *arg)
{
    int host = *(int *)arg;

    host_complete(host, host_take(host).id, 0, 1);
    return NULL;
}

/* A call that the host answers. */
static void must_work(int fd)
{
    struct argument argument = argument_new(0);
    int host = host_open();
    pthread_t thread;

    pthread_create(&thread, NULL, answer_one, &host);
    must_be("a call", device_call(fd, commands[0], &argument), 0);
    pthread_join(thread, NULL);
    close(host);
}

static void must_be_refused(int fd)
{
    struct argument argument = argument_new(0);

    for (unsigned i = 0; i < 2; i++) {
        must_be("a good call", device_call(fd, commands[i], &argument), -EACCES);
        must_be("a call without a struct", device_call(fd, commands[i], NULL), -EACCES);
    }
    must_be("an unknown command", device_call(fd, 1, NULL), -EINVAL);
}

static void use_inherited(void *what)
{
    must_be_refused(*(int *)what);
    must_work(device_open());
}

static void after_fork(void)
{
    int fd = device_open();

    must_be("the child", in_child(use_inherited, &fd), 0);
    must_work(fd);
}

int inherited_main(int fd)
{
    must_be_refused(fd);
    must_work(device_open());
    return EXIT_SUCCESS;
}

static void exec_self(void *what)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", *(int *)what);
    execl("/proc/self/exe", "device_checks", "--inherited", number, NULL);
    err(EXIT_FAILURE, "exec");
}

static void after_exec(void)
{
    int fd = device_open();

    exec_self(&fd); /* the same process, its image replaced */
}

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_descriptor(int to, int fd)
{
    char byte = 'x';
    struct iovec part = {&byte, 1};
    union control control = {.bytes = ""};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    must_be("sendmsg", sendmsg(to, &message, 0), 1);
}

static int receive_descriptor(int from)
{
    char byte;
    struct iovec part = {&byte, 1};
    union control control = {.bytes = ""};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    int fd;

    must_be("recvmsg", recvmsg(from, &message, 0), 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

static void use_received(void *what)
{
    must_be_refused(receive_descriptor(*(int *)what));
}

static void passed_over_a_socket(void)
{
    int sockets[2], fd;

    must_be("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    fd = device_open();
    send_descriptor(sockets[0], fd);
    must_be("the receiver", in_child(use_received, &sockets[1]), 0);
    must_work(fd);
}

static void *work_with(void *what)
{
    must_work(*(int *)what);
    return NULL;
}

static void threads_of_the_opener(void)
{
    int fd = device_open();

    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work_with, &fd);
        pthread_join(thread, NULL);
    }
}

static void after_a_change_of_user(void)
{
    int fd = device_open();

    must_be("setresgid", setresgid(1, 1, 1), 0);
    must_be_refused(fd);
}

/* The same ids again are not the same credentials. */
static void after_a_change_and_back(void)
{
    int fd = device_open();

    must_be("seteuid", seteuid(1), 0);
    must_be("seteuid", seteuid(0), 0);
    must_be_refused(fd);
    must_work(device_open());
}

const struct check credential_checks[] = {
    {"after a fork the inherited descriptor is EACCES, before the struct is read; the child's own works", after_fork},
    {"after an exec the inherited descriptor is EACCES", after_exec},
    {"a descriptor that came over a Unix socket is EACCES", passed_over_a_socket},
    {"threads of the opener work", threads_of_the_opener},
    {"after a change of group the process's own descriptor is EACCES", after_a_change_of_user},
    {"so it is after a change of user and back", after_a_change_and_back},
    {NULL, NULL},
};
