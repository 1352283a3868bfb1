/* SPDX-License-Identifier: MIT */
/* A scripted guest. */
#include "guest.h"

#include "../../src/lib/envelope.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Nothing waits that long unless it hangs. */
#define PATIENCE_MS 30000

static int guest_wait(const struct guest *guest, bool for_signal)
{
    struct pollfd watched[2] = {{.fd = guest->socket, .events = POLLIN},
                                {.fd = for_signal ? guest->memory.signal_guest : -1, .events = POLLIN}};
    const int ready = poll(watched, 2, PATIENCE_MS);

    return ready > 0 ? 0 : ready == 0 ? -ETIMEDOUT : -errno;
}

int guest_connect(struct guest *guest, const char *path, struct bus_offer *ret_offer, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(guest, 0, sizeof(*guest));
    guest->memory = (struct bus_memory){.memfd = -1, .signal_host = -1, .signal_guest = -1};
    guest->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (connect(guest->socket, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return err_set(err, -errno, "connect: %s", strerror(errno));
    const int rc = guest_wait(guest, false);
    return rc < 0 ? rc : bus_receive_offer(guest->socket, ret_offer, err);
}

static int guest_make_memory(struct guest *guest, uint32_t ring_bytes, struct err *err)
{
    struct bus_memory *memory = &guest->memory;

    memory->ring_bytes = ring_bytes;
    memory->memory_bytes = 2 * (uint64_t)ring_bytes + GUEST_PAGES * BUS_PAGE_BYTES;
    if (memory->memfd < 0) {
        const int rc = bus_memfd("guest", memory->memory_bytes, &memory->memfd, err);
        if (rc < 0)
            return rc;
    }
    memory->signal_host = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    memory->signal_guest = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    void *base = mmap(NULL, memory->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->memfd, 0);
    if (base == MAP_FAILED)
        return err_set(err, -errno, "mmap: %s", strerror(errno));
    guest->base = base;
    guest->first_page = 2 * (uint64_t)ring_bytes / BUS_PAGE_BYTES;
    guest->pages = guest->base + 2 * (size_t)ring_bytes;
    return ring_init(&guest->ring, base, ring_bytes);
}

int guest_wait_opened(struct guest *guest, uint32_t *ret_status, struct err *err)
{
    const int rc = guest_wait(guest, false);

    return rc < 0 ? rc : bus_receive_opened(guest->socket, ret_status, err);
}

int guest_open(struct guest *guest, uint32_t ring_bytes, struct err *err)
{
    uint32_t status = 0;
    int rc = guest_make_memory(guest, ring_bytes, err);

    if (rc == 0)
        rc = bus_send_open(guest->socket, &guest->memory, err);
    if (rc == 0)
        rc = guest_wait_opened(guest, &status, err);
    if (rc < 0)
        return rc;
    return status ? err_set(err, -ECONNREFUSED, "opened with status %#x", status) : 0;
}

int guest_start(struct guest *guest, const char *path, uint32_t ring_bytes, struct err *err)
{
    struct bus_offer offer;
    const int rc = guest_connect(guest, path, &offer, err);

    return rc < 0 ? rc : guest_open(guest, ring_bytes, err);
}

void guest_stop(struct guest *guest)
{
    if (guest->base)
        (void)munmap(guest->base, guest->memory.memory_bytes);
    cleanup_fd(&guest->socket);
    cleanup_fd(&guest->memory.memfd);
    cleanup_fd(&guest->memory.signal_host);
    cleanup_fd(&guest->memory.signal_guest);
}

uint32_t guest_put_message(struct guest *guest, uint32_t page, uint32_t format, const char *text)
{
    uint8_t *message = guest->pages + (size_t)page * BUS_PAGE_BYTES;

    memcpy(message + ENVELOPE_HEADER_BYTES, text, strlen(text));
    envelope_seal(ENVELOPE_REQUEST, format, format == ENVELOPE_FORMAT_JSON ? 1 : 0, message, strlen(text));
    return (uint32_t)(ENVELOPE_HEADER_BYTES + strlen(text));
}

struct guest_transfer guest_simple(struct guest *guest, uint64_t id, const char *head)
{
    return (struct guest_transfer){
        .id = id,
        .request_bytes = guest_put_message(guest, 0, ENVELOPE_FORMAT_HTTP, head),
        .response_page = 1,
        .response_bytes = 32768,
    };
}

/* The run of pages that a buffer covers. */
static struct page_run guest_run(const struct guest *guest, uint32_t page, uint32_t offset, uint32_t bytes)
{
    return (struct page_run){guest->first_page + page, bytes ? (offset + bytes - 1) / BUS_PAGE_BYTES + 1 : 0};
}

int guest_submit(struct guest *guest, const struct guest_transfer *transfer, bool signal)
{
    const struct page_run data = guest_run(guest, transfer->data_page, transfer->data_offset, transfer->data_bytes);
    const struct page_run request = guest_run(guest, transfer->request_page, 0, transfer->request_bytes);
    const struct page_run response = guest_run(guest, transfer->response_page, 0, transfer->response_bytes);
    const struct packet_submission submission = {
        .transaction_id = transfer->id,
        .guid = {(uint8_t)transfer->id, 0xab},
        .timeout_ms = transfer->timeout_ms,
        .data_valid_bytes = transfer->data_valid_bytes,
        .data = {&data, data.count ? 1 : 0, transfer->data_offset, transfer->data_bytes},
        .request = {&request, 1, 0, transfer->request_bytes},
        .response = {&response, 1, 0, transfer->response_bytes},
    };
    _Alignas(8) uint8_t packet[PACKET_REQUEST_BYTES(GUEST_PAGES * 4)];
    uint32_t packet_bytes = 0;
    const int rc = packet_encode_request(&submission, packet, sizeof(packet), &packet_bytes);

    return rc < 0 ? rc : guest_send(guest, packet, packet_bytes, signal);
}

int guest_send(struct guest *guest, const void *packet, uint32_t packet_bytes, bool signal)
{
    const struct iovec vector = {(void *)(uintptr_t)packet, packet_bytes};
    bool is_wanted = false;
    const int rc = ring_send(&guest->ring, &vector, 1, &is_wanted);

    if (rc < 0)
        return rc;
    guest->is_signal_due |= is_wanted;
    if (signal && guest->is_signal_due)
        guest_signal(guest);
    return 0;
}

void guest_signal(struct guest *guest)
{
    const uint64_t one = 1;

    guest->is_signal_due = false;
    (void)!write(guest->memory.signal_host, &one, sizeof(one));
}

static bool guest_is_closed(const struct guest *guest)
{
    char byte;

    return recv(guest->socket, &byte, sizeof(byte), MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

int guest_complete(struct guest *guest, uint64_t *ret_id, struct vsp_reply *ret_reply)
{
    _Alignas(8) uint8_t packet[64];

    for (;;) {
        bool signal = false;
        uint64_t count;
        int rc = ring_receive(&guest->ring, packet, sizeof(packet), &signal);

        if (rc >= 0 && signal)
            guest_signal(guest);
        if (rc >= 0)
            return packet_decode_completion(packet, (size_t)rc, ret_id, ret_reply);
        if (rc != -EAGAIN)
            return rc;
        if (ring_unmask_and_recheck(&guest->ring))
            continue;
        rc = guest_wait(guest, true);
        if (rc < 0)
            return rc;
        if (read(guest->memory.signal_guest, &count, sizeof(count)) < 0 && guest_is_closed(guest))
            return -EPIPE;
    }
}

int guest_wait_closed(struct guest *guest)
{
    const int rc = guest_wait(guest, false);

    return rc < 0 ? rc : guest_is_closed(guest) ? 0 : -EBUSY;
}
