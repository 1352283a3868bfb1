/* SPDX-License-Identifier: MIT */
/* The packets of the Azure Blob device inside a VMBus ring: GPA-direct requests and their completions. Pure: bytes in, struct
 * out. All integers on the wire are little-endian. Layouts: reference of the bus, sections 2, 3, 4 and 7; they stand in packet.c.
 */
#ifndef BLOBPROXY_PACKET_H
#define BLOBPROXY_PACKET_H

#include "../cleanup.h"
#include "../limits.h"

#include <stddef.h>
#include <stdint.h>

#define PACKET_PAGE_BYTES 4096u
#define PACKET_DESCRIPTOR_BYTES 16u
#define PACKET_FOOTER_BYTES 8u                           /* behind every packet in a ring; its length does not count it */
#define PACKET_BYTES_MAX (65535u * 8)                    /* the length field has 16 bits, in units of 8 bytes */
#define PACKET_REQUEST_BYTES(pages) (88u + 8u * (pages)) /* of a request over that many pages */
#define PACKET_REQUEST_BYTES_MAX PACKET_REQUEST_BYTES(LIMIT_TRANSFER_PAGES) /* 65,624 */
#define PACKET_COMPLETION_BYTES 32u

enum packet_type { PACKET_IN_BAND = 6, PACKET_TRANSFER_PAGES = 7, PACKET_GPA_DIRECT = 9, PACKET_COMPLETION = 0xb };

#define PACKET_COMPLETION_REQUESTED 1u /* the only legal flag */

/* What every packet starts with. */
struct packet_descriptor {
    uint16_t type;
    uint16_t flags;
    uint32_t header_bytes; /* where the payload starts */
    uint32_t packet_bytes; /* without the footer */
    uint64_t transaction_id;
};

/* Adjacent pages of the guest: first, first + 1, ... */
struct page_run {
    uint64_t first;
    uint32_t count;
};

/* The VSP request, 56 bytes on the wire. Offsets count from the start of the packet's pages. */
struct vsp_request {
    uint32_t version;    /* always 0 */
    uint32_t timeout_ms; /* the host cancels after it; 0: never */
    uint32_t data_offset;
    uint32_t data_bytes;
    uint32_t data_valid_bytes; /* of these, bytes on their way to the host */
    uint32_t operation_type;   /* VSP_OPERATION_USER_REQUEST */
    uint32_t request_offset;
    uint32_t request_bytes;
    uint32_t response_offset;
    uint32_t response_bytes; /* room, not length */
    uint8_t guid[16];
};

#define VSP_OPERATION_USER_REQUEST 0x100u

/* The VSP reply, 12 bytes on the wire: the payload of a completion. */
struct vsp_reply {
    uint32_t length;         /* no published guest reads it; packet_encode_completion() ignores it and writes 12 */
    uint32_t status;         /* 0, or an HRESULT-like code */
    uint32_t response_bytes; /* written to the response buffer */
};

/* The guest's buffer: runs cover exactly the pages from the one with the first byte to the one with the last. */
struct packet_buffer {
    const struct page_run *runs;
    uint32_t run_count;
    uint32_t offset; /* of the first byte in the first page, below 4096 */
    uint32_t bytes;
};

/* What the guest asks for. data.bytes may be 0 (then it has no runs); the other two may not. */
struct packet_submission {
    uint64_t transaction_id; /* never 0: a host does not acknowledge that one */
    uint8_t guid[16];
    uint32_t timeout_ms;
    uint32_t data_valid_bytes;
    struct packet_buffer data, request, response;
};

/* What the host got. */
struct packet_request {
    uint64_t transaction_id;
    struct vsp_request vsp;
    const uint64_t *pages; /* points into the decoded packet; their numbers are the guest's and not checked */
    uint32_t page_count;
};

/* The first 16 bytes of a packet; checks nothing (ring_receive() has checked the lengths). */
struct packet_descriptor packet_descriptor(const void *packet);

/* Writes a whole GPA-direct packet (its length is a multiple of 8). 0; -EMSGSIZE: over LIMIT_TRANSFER_PAGES pages or over
 * capacity; -EINVAL: transaction id 0, an empty request or response, more valid bytes than data, or runs that do not match the
 * bytes. */
int packet_encode_request(const struct packet_submission *submission, void *packet, size_t capacity,
                          uint32_t *ret_packet_bytes) MUST_CHECK;

/* Checks one packet as ring_receive() returned it, which must be the reader's own copy and 8-byte aligned: type, flags (exactly
 * "completion requested"), transaction id not 0, one range of 1 to LIMIT_TRANSFER_PAGES whole pages that starts at offset 0,
 * lengths, version, operation type, all three buffers inside the pages, request and response not empty, data_valid_bytes <=
 * data_bytes. After success every offset + bytes is <= page_count * 4096. The buffers may overlap: that harms only the guest.
 * 0 or -EPROTO. */
int packet_decode_request(const void *packet, size_t packet_bytes, struct packet_request *ret_request) MUST_CHECK;

/* Writes a whole completion. */
void packet_encode_completion(uint64_t transaction_id, const struct vsp_reply *reply, uint8_t packet[PACKET_COMPLETION_BYTES]);

/* Checks type, flags, lengths (at least 12 bytes of payload) and that the transaction id is not 0. 0 or -EPROTO. */
int packet_decode_completion(const void *packet, size_t packet_bytes, uint64_t *ret_transaction_id,
                             struct vsp_reply *ret_reply) MUST_CHECK;

#endif
