/* SPDX-License-Identifier: MIT */
/* Messages of the emulated bus over a socket pair, and the memory a host accepts. */
#include "../../src/lib/vmbus/bus.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int guest = -1, host = -1;
static struct err err;
static const uint8_t instance[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void connect_pair(void)
{
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    guest = pair[0];
    host = pair[1];
}

static void close_pair(void)
{
    cleanup_fd(&guest);
    cleanup_fd(&host);
}

TestSuite(bus, .init = connect_pair, .fini = close_pair);

Test(bus, an_offer_names_the_device_and_arrives_whole)
{
    const uint8_t class_guid[16] = {0x92, 0xb7, 0x90, 0x05, 0x64, 0xdb, 0xcc, 0x45,
                                    0x81, 0xdb, 0xb8, 0xd7, 0x0c, 0x57, 0x7c, 0x9e};
    struct bus_offer offer;

    cr_assert_eq(bus_send_offer(host, instance, 8192, &err), 0);
    cr_assert_eq(bus_receive_offer(guest, &offer, &err), 0);
    cr_assert_arr_eq(offer.header.magic, "BlobBus1", 8);
    cr_assert_eq(offer.header.version, 1);
    cr_assert_arr_eq(offer.class_guid, class_guid, 16);
    cr_assert_arr_eq(offer.instance_guid, instance, 16);
    cr_assert_eq(offer.max_pages, 8192);
}

Test(bus, nothing_sent_yet_is_EAGAIN_and_a_closed_peer_EPIPE)
{
    struct bus_offer offer;
    uint32_t status = 0;

    cr_assert_eq(bus_receive_offer(guest, &offer, &err), -EAGAIN);
    cleanup_fd(&host);
    host = -1;
    cr_assert_eq(bus_receive_opened(guest, &status, &err), -EPIPE);
    cr_assert_eq(bus_send_opened(guest, 0, &err), -EPIPE);
}

static void send_header(int socket, const char *magic, uint32_t version, uint16_t type, uint16_t bytes, size_t sent)
{
    uint8_t message[256] = {0};
    struct bus_header header = {.version = version, .type = type, .bytes = bytes};

    memcpy(header.magic, magic, 8);
    memcpy(message, &header, sizeof(header));
    cr_assert_eq(send(socket, message, sent, 0), (ssize_t)sent);
}

Test(bus, messages_that_are_not_the_one_due_are_refused)
{
    const struct {
        const char *magic;
        uint32_t version;
        uint16_t type, bytes;
        size_t sent;
        int expected;
    } cases[] = {
        {"BlobBus1", 1, BUS_OPENED, 24, 24, 0},
        {"BlobBus2", 1, BUS_OPENED, 24, 24, -EPROTO},
        {"BlobBus1", 1, BUS_OFFER, 24, 24, -EPROTO},
        {"BlobBus1", 1, BUS_OPENED, 23, 24, -EPROTO},
        {"BlobBus1", 1, BUS_OPENED, 24, 23, -EPROTO},
        {"BlobBus1", 1, BUS_OPENED, 24, 25, -EPROTO},
        {"BlobBus1", 1, BUS_OPENED, 24, 15, -EPROTO},
        {"BlobBus1", 2, BUS_OPENED, 24, 24, -EPROTONOSUPPORT},
        {"BlobBus1", 2, BUS_OPENED, 99, 99, -EPROTONOSUPPORT},
        {"BlobBus1", 1, BUS_OPENED, 24, 1, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t status = 77;
        send_header(host, cases[i].magic, cases[i].version, cases[i].type, cases[i].bytes, cases[i].sent);
        cr_assert_eq(bus_receive_opened(guest, &status, &err), cases[i].expected, "case %zu", i);
        cr_assert_eq(status, cases[i].expected == 0 ? 0 : 77);
    }
}

Test(bus, a_version_mismatch_names_both_versions)
{
    uint32_t status = 0;

    send_header(host, "BlobBus1", 7, BUS_OPENED, 24, 24);
    cr_assert_eq(bus_receive_opened(guest, &status, &err), -EPROTONOSUPPORT);
    cr_assert_not_null(strstr(err.text, "version 7"));
    cr_assert_not_null(strstr(err.text, "version 1"));
}

Test(bus, the_status_of_the_opening_arrives)
{
    uint32_t status = 0;

    cr_assert_eq(bus_send_opened(host, 0xc000009a, &err), 0);
    cr_assert_eq(bus_receive_opened(guest, &status, &err), 0);
    cr_assert_eq(status, 0xc000009a);
}

static struct bus_memory make_memory(uint64_t bytes)
{
    struct bus_memory memory = {.memory_bytes = bytes, .ring_bytes = 8192};

    cr_assert_eq(bus_memfd("test", bytes, &memory.memfd, &err), 0);
    memory.signal_host = eventfd(0, EFD_CLOEXEC);
    memory.signal_guest = eventfd(0, EFD_CLOEXEC);
    return memory;
}

static void drop_memory(struct bus_memory *memory)
{
    cleanup_fd(&memory->memfd);
    cleanup_fd(&memory->signal_host);
    cleanup_fd(&memory->signal_guest);
}

Test(bus, guest_memory_is_sealed_against_any_change_of_size)
{
    struct stat status;
    int fd;

    cr_assert_eq(bus_memfd("test", 40960, &fd, &err), 0);
    cr_assert_eq(fstat(fd, &status), 0);
    cr_assert_eq(status.st_size, 40960);
    cr_assert_eq(status.st_blocks * 512, 40960, "every page is there");
    cr_assert_neq(ftruncate(fd, 4096), 0);
    cr_assert_neq(ftruncate(fd, 81920), 0);
    close(fd);
}

Test(bus, memory_and_signals_arrive_in_their_places)
{
    struct bus_memory sent = make_memory(65536), got;
    uint64_t one = 1, count = 0;

    sent.ring_offset = 4096;
    cr_assert_eq(bus_send_open(guest, &sent, &err), 0);
    cr_assert_eq(bus_receive_open(host, &got, &err), 0, "%s", err.text);
    cr_assert_eq(got.memory_bytes, 65536);
    cr_assert_eq(got.ring_offset, 4096);
    cr_assert_eq(got.ring_bytes, 8192);
    cr_assert_eq(pwrite(sent.memfd, "here", 4, 100), 4);
    char text[4];
    cr_assert_eq(pread(got.memfd, text, 4, 100), 4);
    cr_assert_arr_eq(text, "here", 4);
    cr_assert_eq(write(sent.signal_host, &one, 8), 8);
    cr_assert_eq(read(got.signal_host, &count, 8), 8);
    cr_assert_eq(read(got.signal_guest, &count, 8), -1, "and never blocks");
    cr_assert_eq(write(got.signal_guest, &one, 8), 8);
    cr_assert_eq(read(sent.signal_guest, &count, 8), 8);
    drop_memory(&sent);
    drop_memory(&got);
}

/* Descriptors that the process holds now. */
static int count_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

Test(bus, memory_that_can_be_cut_is_refused_and_its_descriptors_closed)
{
    struct bus_memory sent = make_memory(65536), got;
    int before;

    cleanup_fd(&sent.memfd);
    sent.memfd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(ftruncate(sent.memfd, 65536), 0);
    before = count_fds();
    cr_assert_eq(bus_send_open(guest, &sent, &err), 0);
    cr_assert_eq(bus_receive_open(host, &got, &err), -EPROTO);
    cr_assert_not_null(strstr(err.text, "sealed"));
    cr_assert_eq(count_fds(), before);
    cr_assert_eq(fcntl(sent.memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    cr_assert_eq(bus_send_open(guest, &sent, &err), 0);
    cr_assert_eq(bus_receive_open(host, &got, &err), 0);
    drop_memory(&got);
    drop_memory(&sent);
}

Test(bus, memory_that_is_no_memfd_is_refused)
{
    struct bus_memory sent = make_memory(65536), got;

    cleanup_fd(&sent.memfd);
    sent.memfd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    cr_assert_eq(bus_send_open(guest, &sent, &err), 0);
    cr_assert_eq(bus_receive_open(host, &got, &err), -EPROTO);
    drop_memory(&sent);
}

Test(bus, impossible_sizes_and_places_are_refused)
{
    const struct {
        uint64_t memory_bytes, ring_offset;
        uint32_t ring_bytes;
        int expected;
    } cases[] = {
        {65536, 0, 8192, 0},
        {65536, 65536 - 16384, 8192, 0},
        {65536, 0, 32768, 0},
        {65536 + 4096, 0, 8192, -EPROTO},
        {65535, 0, 8192, -EPROTO},
        {0, 0, 8192, -EPROTO},
        {65536, 8, 8192, -EPROTO},
        {65536, 65536 - 12288, 8192, -EPROTO},
        {65536, 69632, 8192, -EPROTO},
        {65536, UINT64_MAX - 4095, 8192, -EPROTO},
        {65536, 0, 36864, -EPROTO},
        {65536, 0, 4096, -EPROTO},
        {65536, 0, 0, -EPROTO},
        {65536, 0, 8200, -EPROTO},
        {65536, 0, 0x80000000, -EPROTO},
    };
    struct bus_memory sent = make_memory(65536), got;
    int before = count_fds();

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        sent.memory_bytes = cases[i].memory_bytes;
        sent.ring_offset = cases[i].ring_offset;
        sent.ring_bytes = cases[i].ring_bytes;
        cr_assert_eq(bus_send_open(guest, &sent, &err), 0);
        cr_assert_eq(bus_receive_open(host, &got, &err), cases[i].expected, "case %zu", i);
        if (cases[i].expected == 0)
            drop_memory(&got);
    }
    cr_assert_eq(count_fds(), before);
    drop_memory(&sent);
}

/* Sends an otherwise good open message with that many descriptors. */
static void send_open_with(const struct bus_memory *memory, unsigned count)
{
    struct bus_open open = {.header = {.magic = "BlobBus", .version = 1, .type = BUS_OPEN, .bytes = sizeof(open)},
                            .memory_bytes = memory->memory_bytes,
                            .ring_bytes = memory->ring_bytes};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec vector = {&open, sizeof(open)};
    struct msghdr msg = {.msg_iov = &vector, .msg_iovlen = 1};
    int fds[8] = {memory->memfd,       memory->signal_host, memory->signal_guest, memory->memfd,
                  memory->signal_host, memory->memfd,       memory->memfd,        memory->memfd};

    open.header.magic[7] = '1';
    if (count > 0) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        *cmsg = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
    }
    cr_assert_eq(sendmsg(guest, &msg, 0), (ssize_t)sizeof(open));
}

Test(bus, an_open_with_more_or_fewer_descriptors_is_refused_and_leaks_none)
{
    struct bus_memory sent = make_memory(65536), got;
    int before = count_fds();

    for (unsigned count = 0; count <= 8; count++) {
        send_open_with(&sent, count);
        cr_assert_eq(bus_receive_open(host, &got, &err), count == 3 ? 0 : -EPROTO, "%u descriptors", count);
        if (count == 3)
            drop_memory(&got);
        cr_assert_eq(count_fds(), before, "%u descriptors", count);
    }
    drop_memory(&sent);
}

Test(bus, descriptors_with_an_empty_message_are_closed)
{
    struct bus_memory sent = make_memory(65536), received;
    int before = count_fds();
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr msg = {.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &sent.memfd, sizeof(int));
    cr_assert_eq(sendmsg(guest, &msg, 0), 0);
    cr_assert_eq(bus_receive_open(host, &received, &err), -EPIPE);
    cr_assert_eq(count_fds(), before);
    drop_memory(&sent);
}

Test(bus, descriptors_with_another_message_are_closed)
{
    struct bus_memory sent = make_memory(65536);
    uint32_t status = 0;
    int before = count_fds();

    cr_assert_eq(bus_send_open(host, &sent, &err), 0);
    cr_assert_eq(bus_receive_opened(guest, &status, &err), -EPROTO);
    cr_assert_eq(count_fds(), before);
    drop_memory(&sent);
}
