/* SPDX-License-Identifier: MIT */
/* Seccomp user notification. */
#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no filter for this architecture"
#endif

/* Headers of Linux before 5.14 and 5.19 lack these. */
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define PAGE_BYTES 4096u
#define PATH_BYTES_MAX 4096u

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
/* When the loaded word is value, returns what. */
#define RETURN_IF(value, what) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), RETURN(what)
/* When it is not, skips that many statements. */
#define SKIP_UNLESS(value, statements) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, statements)
#define NOTIFY SECCOMP_RET_USER_NOTIF
#define ALLOW SECCOMP_RET_ALLOW

static const struct sock_filter statements[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
    RETURN(ALLOW),
    LOAD(nr),
    SKIP_UNLESS(__NR_ioctl, 6),
    /* Arguments are little-endian words of 64 bits; a command has 32. */
    LOAD(args[1]),
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
    RETURN_IF('R', NOTIFY),
    RETURN(ALLOW),
    SKIP_UNLESS(__NR_prctl, 6),
    LOAD(args[0]),
    RETURN_IF(PR_CAPBSET_DROP, NOTIFY),
    RETURN_IF(PR_SET_SECUREBITS, NOTIFY),
    RETURN(ALLOW),
#ifdef __NR_open
    RETURN_IF(__NR_open, NOTIFY),
#endif
    RETURN_IF(__NR_openat, NOTIFY),
    RETURN_IF(__NR_openat2, NOTIFY),
    RETURN_IF(__NR_setuid, NOTIFY),
    RETURN_IF(__NR_setgid, NOTIFY),
    RETURN_IF(__NR_setreuid, NOTIFY),
    RETURN_IF(__NR_setregid, NOTIFY),
    RETURN_IF(__NR_setresuid, NOTIFY),
    RETURN_IF(__NR_setresgid, NOTIFY),
    RETURN_IF(__NR_setfsuid, NOTIFY),
    RETURN_IF(__NR_setfsgid, NOTIFY),
    RETURN_IF(__NR_setgroups, NOTIFY),
    RETURN_IF(__NR_capset, NOTIFY),
    RETURN(ALLOW),
};

static int seccomp(unsigned operation, unsigned long flags, void *argument)
{
    long r = syscall(SYS_seccomp, operation, flags, argument);

    return r < 0 ? -errno : (int)r;
}

int trap_install(bool *ret_is_killable_only)
{
    struct sock_filter copy[sizeof(statements) / sizeof(statements[0])];
    struct sock_fprog program = {.len = sizeof(statements) / sizeof(statements[0]), .filter = copy};

    memcpy(copy, statements, sizeof(copy));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int listener =
        seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
    *ret_is_killable_only = listener >= 0;
    if (listener == -EINVAL)
        listener = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return listener;
}

static enum trap_kind kind_of(int number)
{
    switch (number) {
    case __NR_ioctl:
        return TRAP_IOCTL;
#ifdef __NR_open
    case __NR_open:
#endif
    case __NR_openat:
    case __NR_openat2:
        return TRAP_OPEN;
    default:
        return TRAP_CREDENTIALS;
    }
}

static struct trap_call call_of(const struct seccomp_notif *notif)
{
    const uint64_t *args = (const uint64_t *)(const void *)notif->data.args;
    struct trap_call call = {.id = notif->id, .tid = (pid_t)notif->pid, .kind = kind_of(notif->data.nr)};

    switch (notif->data.nr) {
    case __NR_ioctl:
        call.ioctl.fd = (int)args[0];
        call.ioctl.command = (uint32_t)args[1];
        call.ioctl.argument = args[2];
        break;
    case __NR_openat:
        call.open.path = args[1];
        call.open.flags = args[2];
        break;
    case __NR_openat2:
        call.open.path = args[1];
        call.open.how = args[2];
        break;
    default: /* open; of the others nothing is asked */
        call.open.path = args[0];
        call.open.flags = args[1];
        break;
    }
    return call;
}

int trap_receive(int listener, struct trap_call *ret_call)
{
    /* A newer kernel's struct may be longer than ours. */
    union {
        struct seccomp_notif notif;
        uint8_t bytes[1024];
    } received;

    memset(&received, 0, sizeof(received));
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &received.notif) < 0)
        return errno == ENOENT || errno == EINTR ? -ENOENT : -ENODEV;
    *ret_call = call_of(&received.notif);
    return 0;
}

bool trap_is_waiting(int listener, uint64_t id)
{
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static int respond(int listener, const struct seccomp_notif_resp *response)
{
    union {
        struct seccomp_notif_resp response;
        uint8_t bytes[1024];
    } sent;

    memset(&sent, 0, sizeof(sent));
    sent.response = *response;
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &sent.response) < 0 ? -ENOENT : 0;
}

void trap_let_through(int listener, uint64_t id)
{
    (void)respond(listener, &(struct seccomp_notif_resp){.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE});
}

int trap_answer(int listener, uint64_t id, long value)
{
    struct seccomp_notif_resp response = {.id = id};

    if (value < 0)
        response.error = (int)value;
    else
        response.val = value;
    return respond(listener, &response);
}

int trap_answer_fd(int listener, uint64_t id, int fd, bool close_on_exec)
{
    struct seccomp_notif_addfd add = {
        .id = id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (uint32_t)fd,
        .newfd_flags = close_on_exec ? O_CLOEXEC : 0,
    };
    int r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

    return r < 0 ? -errno : r;
}

int trap_read(pid_t tid, uint64_t address, void *buffer, size_t bytes)
{
    struct iovec here = {buffer, bytes}, there = {(void *)(uintptr_t)address, bytes};
    ssize_t got = bytes > 0 ? process_vm_readv(tid, &here, 1, &there, 1, 0) : 0;

    return got < 0 ? -errno : (size_t)got < bytes ? -EFAULT : 0;
}

int trap_write(pid_t tid, uint64_t address, const void *buffer, size_t bytes)
{
    struct iovec here = {(void *)(uintptr_t)buffer, bytes}, there = {(void *)(uintptr_t)address, bytes};
    ssize_t put = bytes > 0 ? process_vm_writev(tid, &here, 1, &there, 1, 0) : 0;

    return put < 0 ? -errno : (size_t)put < bytes ? -EFAULT : 0;
}

/* A string may end right before a page that is not mapped, so what lies behind the page's end is asked for apart. */
bool trap_string_is(pid_t tid, uint64_t address, const char *text)
{
    char read[PATH_BYTES_MAX];
    size_t bytes = strlen(text) + 1, of_page = PAGE_BYTES - address % PAGE_BYTES;
    size_t first = bytes < of_page ? bytes : of_page;

    if (bytes > sizeof(read) || trap_read(tid, address, read, first) < 0 || memcmp(read, text, first) != 0)
        return false;
    return trap_read(tid, address + first, read + first, bytes - first) == 0 && memcmp(read, text, bytes) == 0;
}
