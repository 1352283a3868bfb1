/* SPDX-License-Identifier: MIT */
/* Packets of the Azure Blob device: the wire layouts and their codecs. */
#include "packet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct wire_descriptor {
    uint16_t type;
    uint16_t offset8; /* of the payload, in units of 8 bytes */
    uint16_t length8; /* of the packet without its footer */
    uint16_t flags;
    uint64_t transaction_id;
} __attribute__((packed));

/* In front of the page numbers of a GPA-direct packet with one range. */
struct wire_gpa_direct {
    struct wire_descriptor descriptor;
    uint32_t reserved;
    uint32_t range_count;
    uint32_t range_bytes;
    uint32_t range_offset;
} __attribute__((packed));

struct wire_request {
    uint32_t version;
    uint32_t timeout_ms;
    uint32_t data_offset;
    uint32_t data_bytes;
    uint32_t data_valid;
    uint32_t operation_type;
    uint32_t request_offset;
    uint32_t request_bytes;
    uint32_t response_offset;
    uint32_t response_bytes;
    uint8_t guid[16];
} __attribute__((packed));

struct wire_completion {
    struct wire_descriptor descriptor;
    uint32_t length;
    uint32_t status;
    uint32_t response_bytes;
    uint32_t padding;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_descriptor) == PACKET_DESCRIPTOR_BYTES, "descriptor");
_Static_assert(sizeof(struct wire_gpa_direct) == 32, "page numbers start at 32");
_Static_assert(sizeof(struct wire_request) == 56, "VSP request");
_Static_assert(sizeof(struct wire_completion) == PACKET_COMPLETION_BYTES, "completion");
_Static_assert(PACKET_REQUEST_BYTES(0) == sizeof(struct wire_gpa_direct) + sizeof(struct wire_request), "request");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bus is little-endian and so are its guests");

#define REPLY_BYTES 12u
#define UNIT_BYTES 8u

struct packet_descriptor packet_descriptor(const void *packet)
{
    struct wire_descriptor wire;

    memcpy(&wire, packet, sizeof(wire));
    return (struct packet_descriptor){
        .type = wire.type,
        .flags = wire.flags,
        .header_bytes = wire.offset8 * UNIT_BYTES,
        .packet_bytes = wire.length8 * UNIT_BYTES,
        .transaction_id = wire.transaction_id,
    };
}

static struct wire_descriptor wire_descriptor(enum packet_type type, uint32_t header_bytes, uint32_t packet_bytes, uint16_t flags,
                                              uint64_t transaction_id)
{
    return (struct wire_descriptor){
        .type = (uint16_t)type,
        .offset8 = (uint16_t)(header_bytes / UNIT_BYTES),
        .length8 = (uint16_t)(packet_bytes / UNIT_BYTES),
        .flags = flags,
        .transaction_id = transaction_id,
    };
}

/* The pages of a buffer, when its runs cover just the pages that its bytes touch. */
static int buffer_pages(const struct packet_buffer *buffer, uint64_t *ret_pages)
{
    uint64_t pages = 0;
    uint64_t needed = buffer->bytes == 0 ? 0 : ((uint64_t)buffer->offset + buffer->bytes - 1) / PACKET_PAGE_BYTES + 1;

    for (uint32_t i = 0; i < buffer->run_count; i++)
        pages += buffer->runs[i].count;
    if (buffer->offset >= PACKET_PAGE_BYTES || pages != needed)
        return -EINVAL;
    *ret_pages = pages;
    return 0;
}

static uint8_t *put_pages(const struct packet_buffer *buffer, uint8_t *at)
{
    for (uint32_t i = 0; i < buffer->run_count; i++) {
        for (uint32_t k = 0; k < buffer->runs[i].count; k++) {
            uint64_t page = buffer->runs[i].first + k;
            memcpy(at, &page, sizeof(page));
            at += sizeof(page);
        }
    }
    return at;
}

static struct wire_request wire_request(const struct packet_submission *submission, uint32_t data_pages, uint32_t request_pages)
{
    struct wire_request wire = {
        .timeout_ms = submission->timeout_ms,
        .data_offset = data_pages == 0 ? 0 : submission->data.offset,
        .data_bytes = submission->data.bytes,
        .data_valid = submission->data_valid_bytes,
        .operation_type = VSP_OPERATION_USER_REQUEST,
        .request_offset = data_pages * PACKET_PAGE_BYTES + submission->request.offset,
        .request_bytes = submission->request.bytes,
        .response_offset = (data_pages + request_pages) * PACKET_PAGE_BYTES + submission->response.offset,
        .response_bytes = submission->response.bytes,
    };

    memcpy(wire.guid, submission->guid, sizeof(wire.guid));
    return wire;
}

int packet_encode_request(const struct packet_submission *submission, void *packet, size_t capacity, uint32_t *ret_packet_bytes)
{
    uint64_t data_pages, request_pages, response_pages;

    if (submission->transaction_id == 0 || submission->request.bytes == 0 || submission->response.bytes == 0 ||
        submission->data_valid_bytes > submission->data.bytes)
        return -EINVAL;
    if (buffer_pages(&submission->data, &data_pages) < 0 || buffer_pages(&submission->request, &request_pages) < 0 ||
        buffer_pages(&submission->response, &response_pages) < 0)
        return -EINVAL;
    uint64_t pages = data_pages + request_pages + response_pages;
    if (pages > LIMIT_TRANSFER_PAGES || PACKET_REQUEST_BYTES(pages) > capacity)
        return -EMSGSIZE;

    uint32_t header_bytes = (uint32_t)(sizeof(struct wire_gpa_direct) + pages * sizeof(uint64_t));
    uint32_t packet_bytes = (uint32_t)PACKET_REQUEST_BYTES(pages);
    struct wire_gpa_direct head = {
        .descriptor = wire_descriptor(PACKET_GPA_DIRECT, header_bytes, packet_bytes, PACKET_COMPLETION_REQUESTED,
                                      submission->transaction_id),
        .range_count = 1,
        .range_bytes = (uint32_t)pages * PACKET_PAGE_BYTES,
    };
    struct wire_request request = wire_request(submission, (uint32_t)data_pages, (uint32_t)request_pages);
    uint8_t *at = packet;
    memcpy(at, &head, sizeof(head));
    at = put_pages(&submission->data, at + sizeof(head));
    at = put_pages(&submission->request, at);
    at = put_pages(&submission->response, at);
    memcpy(at, &request, sizeof(request));
    *ret_packet_bytes = packet_bytes;
    return 0;
}

/* Is it one range of whole pages, with a VSP request behind it? */
static int decode_range(const void *packet, size_t packet_bytes, uint32_t *ret_pages)
{
    struct packet_descriptor descriptor;
    struct wire_gpa_direct head;

    if (packet_bytes < PACKET_REQUEST_BYTES(1))
        return -EPROTO;
    descriptor = packet_descriptor(packet);
    memcpy(&head, packet, sizeof(head));
    uint32_t pages = head.range_bytes / PACKET_PAGE_BYTES;
    if (descriptor.type != PACKET_GPA_DIRECT || descriptor.flags != PACKET_COMPLETION_REQUESTED || descriptor.transaction_id == 0)
        return -EPROTO;
    if (head.range_count != 1 || head.range_offset != 0 || head.range_bytes % PACKET_PAGE_BYTES != 0)
        return -EPROTO;
    if (pages == 0 || pages > LIMIT_TRANSFER_PAGES)
        return -EPROTO;
    if (descriptor.header_bytes != sizeof(head) + pages * sizeof(uint64_t) ||
        descriptor.packet_bytes != PACKET_REQUEST_BYTES(pages) || descriptor.packet_bytes != packet_bytes)
        return -EPROTO;
    *ret_pages = pages;
    return 0;
}

static bool is_inside(uint32_t offset, uint32_t bytes, uint32_t pages)
{
    return (uint64_t)offset + bytes <= (uint64_t)pages * PACKET_PAGE_BYTES;
}

static int check_request(const struct wire_request *wire, uint32_t pages)
{
    if (wire->version != 0 || wire->operation_type != VSP_OPERATION_USER_REQUEST)
        return -EPROTO;
    if (wire->request_bytes == 0 || wire->response_bytes == 0 || wire->data_valid > wire->data_bytes)
        return -EPROTO;
    if (!is_inside(wire->data_offset, wire->data_bytes, pages) || !is_inside(wire->request_offset, wire->request_bytes, pages) ||
        !is_inside(wire->response_offset, wire->response_bytes, pages))
        return -EPROTO;
    return 0;
}

int packet_decode_request(const void *packet, size_t packet_bytes, struct packet_request *ret_request)
{
    const uint8_t *bytes = packet;
    struct wire_request wire;
    uint32_t pages;
    int r = decode_range(packet, packet_bytes, &pages);

    if (r < 0)
        return r;
    memcpy(&wire, bytes + sizeof(struct wire_gpa_direct) + pages * sizeof(uint64_t), sizeof(wire));
    r = check_request(&wire, pages);
    if (r < 0)
        return r;
    *ret_request = (struct packet_request){
        .transaction_id = packet_descriptor(packet).transaction_id,
        .pages = (const uint64_t *)(const void *)(bytes + sizeof(struct wire_gpa_direct)),
        .page_count = pages,
        .vsp =
            {
                .version = wire.version,
                .timeout_ms = wire.timeout_ms,
                .data_offset = wire.data_offset,
                .data_bytes = wire.data_bytes,
                .data_valid_bytes = wire.data_valid,
                .operation_type = wire.operation_type,
                .request_offset = wire.request_offset,
                .request_bytes = wire.request_bytes,
                .response_offset = wire.response_offset,
                .response_bytes = wire.response_bytes,
            },
    };
    memcpy(ret_request->vsp.guid, wire.guid, sizeof(wire.guid));
    return 0;
}

void packet_encode_completion(uint64_t transaction_id, const struct vsp_reply *reply, uint8_t packet[PACKET_COMPLETION_BYTES])
{
    struct wire_completion wire = {
        .descriptor = wire_descriptor(PACKET_COMPLETION, PACKET_DESCRIPTOR_BYTES, PACKET_COMPLETION_BYTES, 0, transaction_id),
        .length = REPLY_BYTES,
        .status = reply->status,
        .response_bytes = reply->response_bytes,
    };

    memcpy(packet, &wire, sizeof(wire));
}

int packet_decode_completion(const void *packet, size_t packet_bytes, uint64_t *ret_transaction_id, struct vsp_reply *ret_reply)
{
    uint32_t words[3];

    if (packet_bytes < PACKET_DESCRIPTOR_BYTES)
        return -EPROTO;
    struct packet_descriptor descriptor = packet_descriptor(packet);
    if (descriptor.type != PACKET_COMPLETION || (descriptor.flags & ~PACKET_COMPLETION_REQUESTED) ||
        descriptor.transaction_id == 0)
        return -EPROTO;
    if (descriptor.packet_bytes != packet_bytes || descriptor.header_bytes < PACKET_DESCRIPTOR_BYTES ||
        descriptor.header_bytes + REPLY_BYTES > packet_bytes)
        return -EPROTO;
    memcpy(words, (const uint8_t *)packet + descriptor.header_bytes, sizeof(words));
    *ret_transaction_id = descriptor.transaction_id;
    *ret_reply = (struct vsp_reply){.length = words[0], .status = words[1], .response_bytes = words[2]};
    return 0;
}
