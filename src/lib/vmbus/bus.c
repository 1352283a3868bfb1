/* SPDX-License-Identifier: MIT */
/* The emulated bus: its messages over a SOCK_SEQPACKET Unix socket, and the memory that a guest shares. */
#include "bus.h"

#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

const uint8_t bus_blob_class[16] = {0x92, 0xb7, 0x90, 0x05, 0x64, 0xdb, 0xcc, 0x45,
                                    0x81, 0xdb, 0xb8, 0xd7, 0x0c, 0x57, 0x7c, 0x9e};

#define OPEN_FDS 3 /* memfd, signal_host, signal_guest: in this order */

/* Descriptors received with a message; closed unless taken. */
struct bus_fds {
    int fds[OPEN_FDS];
    unsigned count; /* as received, may exceed OPEN_FDS */
};

union bus_control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(OPEN_FDS * sizeof(int))];
};

_Static_assert(sizeof(struct bus_header) == 16, "header on the wire");
_Static_assert(sizeof(struct bus_offer) == 56, "offer on the wire");
_Static_assert(sizeof(struct bus_open) == 40, "open on the wire");
_Static_assert(sizeof(struct bus_opened) == 24, "opened on the wire");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bus is little-endian");

static struct bus_header bus_header(enum bus_message_type type, size_t bytes)
{
    struct bus_header header = {.version = BUS_VERSION, .type = (uint16_t)type, .bytes = (uint16_t)bytes};

    memcpy(header.magic, BUS_MAGIC, sizeof(header.magic));
    return header;
}

static int bus_send(int socket, const void *message, size_t bytes, const int *fds, struct err *err)
{
    struct iovec vector = {(void *)(uintptr_t)message, bytes};
    struct msghdr msg = {.msg_iov = &vector, .msg_iovlen = 1};
    union bus_control control = {0};

    if (fds) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(OPEN_FDS * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, OPEN_FDS * sizeof(int));
    }
    if (sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 0;
    int code = errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET ? -EPIPE : -errno;
    return err_set(err, code, "bus: send: %s", strerror(-code));
}

static void bus_fds_close(struct bus_fds *received)
{
    for (unsigned i = 0; i < received->count && i < OPEN_FDS; i++)
        cleanup_fd(&received->fds[i]);
}

static void bus_fds_collect(struct msghdr *msg, struct bus_fds *received)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
            if (received->count < OPEN_FDS)
                received->fds[received->count] = fd;
            else
                (void)close(fd);
            received->count++;
        }
    }
}

static int bus_check_header(const struct bus_header *header, size_t got, enum bus_message_type type, size_t bytes,
                            struct err *err)
{
    if (got < sizeof(*header) || memcmp(header->magic, BUS_MAGIC, sizeof(header->magic)) != 0)
        return err_set(err, -EPROTO, "bus: the peer does not speak the protocol of the emulated bus");
    if (header->version != BUS_VERSION)
        return err_set(err, -EPROTONOSUPPORT, "bus: the peer speaks version %u, this program version %u", header->version,
                       BUS_VERSION);
    if (header->type != type || header->bytes != bytes || got != bytes)
        return err_set(err, -EPROTO, "bus: message of type %u with %zu bytes where type %u with %zu was due", header->type, got,
                       (unsigned)type, bytes);
    return 0;
}

/* Receives one message of that type and size into message, and its descriptors, which the caller closes or takes on success. */
static int bus_receive(int socket, enum bus_message_type type, void *message, size_t bytes, struct bus_fds *ret_fds,
                       struct err *err)
{
    union bus_control control;
    struct iovec vector = {message, bytes};
    struct msghdr msg = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    CLEANUP(bus_fds_close) struct bus_fds received = {0};
    unsigned expected_fds = type == BUS_OPEN ? OPEN_FDS : 0;
    ssize_t got = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return -EAGAIN;
    if (got < 0 && errno != ECONNRESET)
        return err_set(err, -errno, "bus: receive: %s", strerror(errno));
    if (got >= 0)
        bus_fds_collect(&msg, &received); /* an empty message may carry descriptors, too */
    if (got <= 0)
        return err_set(err, -EPIPE, "bus: closed by the peer");
    int r = bus_check_header(message, (size_t)got, type, bytes, err);
    if (r < 0)
        return r;
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || received.count != expected_fds)
        return err_set(err, -EPROTO, "bus: message of type %u is too long or has %u descriptors instead of %u", (unsigned)type,
                       received.count, expected_fds);
    *ret_fds = received;
    received.count = 0;
    return 0;
}

int bus_send_offer(int socket, const uint8_t instance_guid[16], uint32_t max_pages, struct err *err)
{
    struct bus_offer offer = {.header = bus_header(BUS_OFFER, sizeof(offer)), .max_pages = max_pages};

    memcpy(offer.class_guid, bus_blob_class, sizeof(offer.class_guid));
    memcpy(offer.instance_guid, instance_guid, sizeof(offer.instance_guid));
    return bus_send(socket, &offer, sizeof(offer), NULL, err);
}

int bus_receive_offer(int socket, struct bus_offer *ret_offer, struct err *err)
{
    struct bus_offer offer;
    struct bus_fds none;
    int r = bus_receive(socket, BUS_OFFER, &offer, sizeof(offer), &none, err);

    if (r == 0)
        *ret_offer = offer;
    return r;
}

int bus_send_open(int socket, const struct bus_memory *memory, struct err *err)
{
    struct bus_open open = {
        .header = bus_header(BUS_OPEN, sizeof(open)),
        .memory_bytes = memory->memory_bytes,
        .ring_offset = memory->ring_offset,
        .ring_bytes = memory->ring_bytes,
    };
    const int fds[OPEN_FDS] = {memory->memfd, memory->signal_host, memory->signal_guest};

    return bus_send(socket, &open, sizeof(open), fds, err);
}

/* Without the seal the guest could cut the memory under a host that reads it (SIGBUS). */
static int bus_check_memory(const struct bus_open *open, int memfd, struct err *err)
{
    struct stat status;
    int seals = fcntl(memfd, F_GET_SEALS);

    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return err_set(err, -EPROTO, "bus: the guest's memory is not sealed against shrinking");
    if (fstat(memfd, &status) < 0 || status.st_size < 0 || (uint64_t)status.st_size < open->memory_bytes)
        return err_set(err, -EPROTO, "bus: the guest's memory is smaller than it says");
    if (open->memory_bytes == 0 || open->memory_bytes % BUS_PAGE_BYTES || open->ring_offset % BUS_PAGE_BYTES ||
        open->ring_bytes % BUS_PAGE_BYTES || open->ring_bytes < RING_BYTES_MIN || open->ring_bytes > RING_BYTES_MAX)
        return err_set(err, -EPROTO, "bus: the guest's memory or rings have an impossible size or alignment");
    if (open->ring_offset > open->memory_bytes || open->memory_bytes - open->ring_offset < 2 * (uint64_t)open->ring_bytes)
        return err_set(err, -EPROTO, "bus: the rings do not lie in the guest's memory");
    return 0;
}

/* A peer's eventfd must not block whoever writes to it. */
static int bus_unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int bus_receive_open(int socket, struct bus_memory *ret_memory, struct err *err)
{
    struct bus_open open;
    CLEANUP(bus_fds_close) struct bus_fds received = {0};
    int r = bus_receive(socket, BUS_OPEN, &open, sizeof(open), &received, err);

    if (r < 0)
        return r;
    r = bus_check_memory(&open, received.fds[0], err);
    if (r < 0)
        return r;
    if (bus_unblock(received.fds[1]) < 0 || bus_unblock(received.fds[2]) < 0)
        return err_set(err, -EPROTO, "bus: unusable signal descriptors");
    *ret_memory = (struct bus_memory){
        .memfd = TAKE_FD(received.fds[0]),
        .signal_host = TAKE_FD(received.fds[1]),
        .signal_guest = TAKE_FD(received.fds[2]),
        .memory_bytes = open.memory_bytes,
        .ring_offset = open.ring_offset,
        .ring_bytes = open.ring_bytes,
    };
    return 0;
}

int bus_send_opened(int socket, uint32_t status, struct err *err)
{
    struct bus_opened opened = {.header = bus_header(BUS_OPENED, sizeof(opened)), .status = status};

    return bus_send(socket, &opened, sizeof(opened), NULL, err);
}

int bus_receive_opened(int socket, uint32_t *ret_status, struct err *err)
{
    struct bus_opened opened;
    struct bus_fds none;
    int r = bus_receive(socket, BUS_OPENED, &opened, sizeof(opened), &none, err);

    if (r == 0)
        *ret_status = opened.status;
    return r;
}

int bus_memfd(const char *name, uint64_t bytes, int *ret_fd, struct err *err)
{
    CLEANUP(cleanup_fd) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return err_set(err, -errno, "memfd: %s", strerror(errno));
    /* Allocates: a lack of memory shows here and not as a SIGBUS later. */
    if (fallocate(fd, 0, 0, (off_t)bytes) < 0)
        return err_set(err, -errno, "memfd of %llu bytes: %s", (unsigned long long)bytes, strerror(errno));
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_set(err, -errno, "memfd: seal: %s", strerror(errno));
    *ret_fd = TAKE_FD(fd);
    return 0;
}
