/* SPDX-License-Identifier: MIT */
/* The host's end of the bus, seen by guests that do not behave, and by others that want its socket. */
#include "../../src/blobhostd/vsp.h"

#include "../../src/lib/vmbus/vsp_status.h"
#include "fake.h"
#include "guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define RING_BYTES 65536u
#define HEAD "GET /c/b HTTP/1.1\r\nHost: acct.blob.local\r\n\r\n"
#define WRITE_INDEX_AT 0 /* in a ring's header page */
#define READ_INDEX_AT 4

static char directory[] = "/tmp/test_vsp_XXXXXX";
static char path[64];
static struct fake fake;
static struct vsp *vsp;
static struct guest bad, good;
static struct err err;

static void set_up_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/bus.sock", directory);
    fake_init(&fake);
}

static void set_up(void)
{
    const struct vsp_options options = {.open_timeout_ms = 60000};

    set_up_directory();
    cr_assert_eq(vsp_start(path, &fake.executor, &options, &vsp, &err), 0, "%s", err.text);
}

static void tear_down(void)
{
    vsp_stop(vsp);
    cr_assert_eq(rmdir(directory), 0, "%s", strerror(errno));
}

TestSuite(vsp_garbage, .init = set_up, .fini = tear_down, .timeout = 60);
TestSuite(vsp_socket, .init = set_up_directory, .fini = tear_down, .timeout = 60);

static void start(struct guest *guest)
{
    cr_assert_eq(guest_start(guest, path, RING_BYTES, &err), 0, "%s", err.text);
}

static void expect_service(struct guest *guest)
{
    const struct guest_transfer transfer = guest_simple(guest, 3, HEAD);
    struct vsp_reply reply = {.status = 1};
    uint64_t id = 0;

    cr_assert_eq(guest_submit(guest, &transfer, true), 0);
    cr_assert_eq(guest_complete(guest, &id, &reply), 0);
    cr_assert_eq(reply.status, VSP_STATUS_OK);
}

static void start_both(void)
{
    start(&good);
    start(&bad);
    expect_service(&bad);
}

/* The bad guest's channel is closed and nothing it asked for was executed; the good one's works. */
static void expect_only_bad_closed(void)
{
    cr_assert_eq(guest_wait_closed(&bad), 0);
    expect_service(&good);
    fake_wait_executed(&fake, 2);
    cr_assert_eq(fake.executed_count, 2);
    guest_stop(&bad);
    guest_stop(&good);
}

/* A valid packet of one transfer, to be spoilt. The page list is at 32, data 1 page, request 1, response 8. */
struct packet {
    _Alignas(8) uint8_t bytes[PACKET_REQUEST_BYTES(10)];
};

static struct packet valid_packet(void)
{
    const struct page_run data = {bad.first_page + 20, 1}, request = {bad.first_page, 1}, response = {bad.first_page + 1, 8};
    const struct guest_transfer transfer = guest_simple(&bad, 4, HEAD);
    const struct packet_submission submission = {
        .transaction_id = 4,
        .data = {&data, 1, 0, 4096},
        .request = {&request, 1, 0, transfer.request_bytes},
        .response = {&response, 1, 0, transfer.response_bytes},
    };
    struct packet packet;
    uint32_t packet_bytes = 0;

    cr_assert_eq(packet_encode_request(&submission, packet.bytes, sizeof(packet.bytes), &packet_bytes), 0);
    cr_assert_eq(packet_bytes, sizeof(packet.bytes));
    return packet;
}

static void send_spoilt(const struct packet *packet)
{
    cr_assert_eq(guest_send(&bad, packet->bytes, sizeof(packet->bytes), true), 0);
    expect_only_bad_closed();
}

Test(vsp_garbage, a_wrong_write_index_closes_only_that_guest)
{
    start_both();
    const uint32_t garbage = 0x7ffffff1;
    memcpy(bad.base + WRITE_INDEX_AT, &garbage, sizeof(garbage));
    guest_signal(&bad);
    expect_only_bad_closed();
}

Test(vsp_garbage, a_wrong_read_index_closes_only_that_guest)
{
    start(&good);
    start(&bad);
    const struct guest_transfer transfer = guest_simple(&bad, 1, HEAD);
    const uint32_t garbage = 0x7ffffff1;
    memcpy(bad.base + RING_BYTES + READ_INDEX_AT, &garbage, sizeof(garbage));
    cr_assert_eq(guest_submit(&bad, &transfer, true), 0); /* is executed; its completion finds the garbage */
    expect_only_bad_closed();
}

Test(vsp_garbage, random_bytes_in_the_ring_close_only_that_guest)
{
    start_both();
    uint32_t write_index;
    memcpy(&write_index, bad.base + WRITE_INDEX_AT, sizeof(write_index));
    memset(bad.base + RING_HEADER_BYTES + write_index, 0xa5, 256);
    write_index += 256;
    memcpy(bad.base + WRITE_INDEX_AT, &write_index, sizeof(write_index));
    guest_signal(&bad);
    expect_only_bad_closed();
}

Test(vsp_garbage, a_packet_of_another_type_closes_only_that_guest)
{
    start_both();
    struct packet packet = valid_packet();
    packet.bytes[0] = PACKET_IN_BAND;
    send_spoilt(&packet);
}

Test(vsp_garbage, a_data_page_behind_the_memory_closes_only_that_guest)
{
    start_both();
    struct packet packet = valid_packet();
    const uint64_t page = bad.memory.memory_bytes / BUS_PAGE_BYTES;
    memcpy(packet.bytes + 32, &page, sizeof(page));
    send_spoilt(&packet);
}

Test(vsp_garbage, a_page_number_that_overflows_closes_only_that_guest)
{
    start_both();
    struct packet packet = valid_packet();
    const uint64_t page = UINT64_MAX / BUS_PAGE_BYTES + 1 + bad.first_page;
    memcpy(packet.bytes + 32 + 8, &page, sizeof(page));
    send_spoilt(&packet);
}

Test(vsp_garbage, a_response_page_behind_the_memory_closes_only_that_guest)
{
    start_both();
    struct packet packet = valid_packet();
    const uint64_t page = UINT64_MAX;
    memcpy(packet.bytes + 32 + 9 * 8, &page, sizeof(page));
    send_spoilt(&packet);
}

Test(vsp_garbage, a_message_on_the_socket_of_an_open_channel_closes_only_that_guest)
{
    start_both();
    cr_assert_eq(send(bad.socket, "hello", 5, 0), 5);
    expect_only_bad_closed();
}

/* Opening fails; the host says so, closes, and serves others. */
static void expect_open_refused(void)
{
    cr_assert_eq(guest_open(&bad, RING_BYTES, &err), -ECONNREFUSED, "%s", err.text);
    cr_assert_eq(guest_wait_closed(&bad), 0);
    guest_stop(&bad);
    start(&good);
    expect_service(&good);
    guest_stop(&good);
}

Test(vsp_garbage, memory_that_could_shrink_is_refused)
{
    struct bus_offer offer;

    cr_assert_eq(guest_connect(&bad, path, &offer, &err), 0);
    bad.memory.memfd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(ftruncate(bad.memory.memfd, 2 * RING_BYTES + GUEST_PAGES * BUS_PAGE_BYTES), 0);
    expect_open_refused();
}

Test(vsp_garbage, memory_that_cannot_be_written_is_refused)
{
    const off_t bytes = 2 * RING_BYTES + GUEST_PAGES * BUS_PAGE_BYTES;
    CLEANUP(cleanup_fd) int writable = memfd_create("read-only", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct bus_offer offer;
    char name[64];

    cr_assert_eq(guest_connect(&bad, path, &offer, &err), 0);
    cr_assert_eq(ftruncate(writable, bytes), 0);
    cr_assert_eq(fcntl(writable, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", writable);
    CLEANUP(cleanup_fd) int read_only = open(name, O_RDONLY | O_CLOEXEC);
    bad.memory.signal_host = bad.memory.signal_guest = read_only;
    bad.memory.memfd = read_only;
    bad.memory.memory_bytes = (uint64_t)bytes;
    bad.memory.ring_bytes = RING_BYTES;
    uint32_t status = 0;
    cr_assert_eq(bus_send_open(bad.socket, &bad.memory, &err), 0, "%s", err.text);
    cr_assert_eq(guest_wait_opened(&bad, &status, &err), 0, "%s", err.text);
    cr_assert_eq(status, VSP_STATUS_INVALID_PARAMETER);
    cr_assert_eq(guest_wait_closed(&bad), 0);
    bad.memory = (struct bus_memory){.memfd = -1, .signal_host = -1, .signal_guest = -1};
    guest_stop(&bad);
}

Test(vsp_garbage, another_message_than_an_open_is_refused)
{
    struct bus_offer offer;
    uint32_t status = 0;

    cr_assert_eq(guest_connect(&bad, path, &offer, &err), 0);
    cr_assert_eq(bus_send_opened(bad.socket, 0, &err), 0); /* a message of the wrong type */
    cr_assert_eq(guest_wait_opened(&bad, &status, &err), 0, "%s", err.text);
    cr_assert_eq(status, VSP_STATUS_INVALID_PARAMETER);
    cr_assert_eq(guest_wait_closed(&bad), 0);
    guest_stop(&bad);
}

Test(vsp_socket, a_guest_that_does_not_open_in_time_is_closed)
{
    const struct vsp_options options = {.open_timeout_ms = 10};
    struct bus_offer offer;

    cr_assert_eq(vsp_start(path, &fake.executor, &options, &vsp, &err), 0, "%s", err.text);
    cr_assert_eq(guest_connect(&bad, path, &offer, &err), 0, "%s", err.text);
    cr_assert_eq(guest_wait_closed(&bad), 0);
    guest_stop(&bad);
}

Test(vsp_socket, an_open_channel_outlives_the_time_for_opening)
{
    const struct vsp_options options = {.open_timeout_ms = 500};
    struct bus_offer offer;

    cr_assert_eq(vsp_start(path, &fake.executor, &options, &vsp, &err), 0, "%s", err.text);
    start(&good);
    cr_assert_eq(guest_connect(&bad, path, &offer, &err), 0, "%s", err.text);
    cr_assert_eq(guest_wait_closed(&bad), 0); /* its time is over, so the good one's is, too */
    expect_service(&good);
    guest_stop(&bad);
    guest_stop(&good);
}

Test(vsp_socket, a_peer_of_another_user_is_closed_without_an_offer)
{
    struct bus_offer offer;

    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
    cr_assert_eq(chmod(directory, 0755), 0);
    cr_assert_eq(chmod(path, 0666), 0);
    /* Of this thread alone, unlike setresuid(): the VSP stays what it is. */
    cr_assert_eq(syscall(SYS_setresuid, -1, 65534, -1), 0);
    const int rc = guest_connect(&bad, path, &offer, &err);
    cr_assert_eq(syscall(SYS_setresuid, -1, 0, -1), 0);
    cr_assert_eq(rc, -EPIPE, "%s", err.text);
    guest_stop(&bad);
}

Test(vsp_socket, is_for_its_owner_only_whatever_the_umask)
{
    struct stat file;

    umask(0);
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
    cr_assert_eq(lstat(path, &file), 0);
    cr_assert_eq(file.st_mode, (mode_t)(S_IFSOCK | 0600));
}

Test(vsp_socket, replaces_a_file_that_nobody_listens_on)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int stale = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, sizeof(path));
    cr_assert_eq(bind(stale, (struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
    start(&good);
    expect_service(&good);
    guest_stop(&good);
}

Test(vsp_socket, does_not_replace_one_that_is_in_use)
{
    struct vsp *second = NULL;

    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &second, &err), -EADDRINUSE);
    cr_assert_not_null(strstr(err.text, path));
    start(&good);
    expect_service(&good);
    guest_stop(&good);
}

Test(vsp_socket, does_not_replace_a_file_that_is_no_socket)
{
    struct stat file;

    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), -EADDRINUSE);
    cr_assert_eq(lstat(path, &file), 0);
    cr_assert_eq(unlink(path), 0);
}

Test(vsp_socket, does_not_remove_a_file_that_took_its_place)
{
    cr_assert_eq(vsp_start(path, &fake.executor, NULL, &vsp, &err), 0, "%s", err.text);
    cr_assert_eq(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    vsp = vsp_stop(vsp);
    cr_assert_eq(unlink(path), 0);
}

Test(vsp_socket, says_what_to_do_about_a_missing_directory)
{
    cr_assert_eq(vsp_start("/nonexistent/bus.sock", &fake.executor, NULL, &vsp, &err), -ENOENT);
    cr_assert_not_null(strstr(err.text, "--socket"), "%s", err.text);
}

Test(vsp_socket, refuses_a_path_that_does_not_fit_an_address)
{
    char longer[200];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cr_assert_eq(vsp_start(longer, &fake.executor, NULL, &vsp, &err), -ENAMETOOLONG);
}
