/* SPDX-License-Identifier: MIT */
/* Whatever stands in a packet, the decoders accept only what keeps its promises, and encoding that again gives the same. */
#include "../../src/lib/vmbus/packet.h"

#include <string.h>

#define CHECK(fact)                                                                                                              \
    do {                                                                                                                         \
        if (!(fact))                                                                                                             \
            __builtin_trap();                                                                                                    \
    } while (0)

static void check_buffer(const struct packet_request *request, uint32_t offset, uint32_t bytes)
{
    CHECK((uint64_t)offset + bytes <= (uint64_t)request->page_count * PACKET_PAGE_BYTES);
}

static void try_request(const void *packet, size_t bytes)
{
    struct packet_request request;

    if (packet_decode_request(packet, bytes, &request) < 0)
        return;
    CHECK(request.transaction_id != 0);
    CHECK(request.page_count >= 1 && request.page_count <= LIMIT_TRANSFER_PAGES);
    CHECK(bytes == PACKET_REQUEST_BYTES(request.page_count));
    CHECK((const uint8_t *)request.pages == (const uint8_t *)packet + 32);
    CHECK(request.vsp.data_valid_bytes <= request.vsp.data_bytes);
    CHECK(request.vsp.request_bytes > 0 && request.vsp.response_bytes > 0);
    check_buffer(&request, request.vsp.data_offset, request.vsp.data_bytes);
    check_buffer(&request, request.vsp.request_offset, request.vsp.request_bytes);
    check_buffer(&request, request.vsp.response_offset, request.vsp.response_bytes);
}

static void try_completion(const void *packet, size_t bytes)
{
    uint8_t again[PACKET_COMPLETION_BYTES];
    struct vsp_reply reply, reply_again;
    uint64_t id, id_again;

    if (packet_decode_completion(packet, bytes, &id, &reply) < 0)
        return;
    CHECK(id != 0);
    packet_encode_completion(id, &reply, again);
    CHECK(packet_decode_completion(again, sizeof(again), &id_again, &reply_again) == 0);
    CHECK(id == id_again && reply.status == reply_again.status && reply.response_bytes == reply_again.response_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    /* As a receiver has it: a copy of its own of just that size, aligned. */
    size_t whole = len < PACKET_REQUEST_BYTES_MAX ? len / 8 * 8 : PACKET_REQUEST_BYTES_MAX;
    void *packet = malloc(whole ? whole : 1);

    if (!packet)
        return 0;
    memcpy(packet, bytes, whole);
    try_request(packet, whole);
    try_completion(packet, whole);
    free(packet);
    return 0;
}
