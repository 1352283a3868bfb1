/* SPDX-License-Identifier: MIT */
/* One transfer at the host's end. */
#include "vsp_transfer.h"

#include "../lib/vmbus/vsp_status.h"

#include <errno.h>
#include <string.h>

struct vsp_transfer *vsp_transfer_new(void)
{
    struct vsp_transfer *transfer = calloc(1, sizeof(*transfer));

    if (transfer)
        buf_init(&transfer->response.head, LIMIT_HEAD_BYTES);
    return transfer;
}

struct vsp_transfer *vsp_transfer_free(struct vsp_transfer *transfer)
{
    if (transfer) {
        buf_free(&transfer->response.head);
        free(transfer->message);
        free(transfer->iov);
        free(transfer);
    }
    return NULL;
}

static int transfer_reserve_iov(struct vsp_transfer *transfer, const struct vsp_request *vsp)
{
    const size_t needed = guest_memory_pages(vsp->data_offset, vsp->data_bytes) +
                          guest_memory_pages(vsp->request_offset, vsp->request_bytes) +
                          guest_memory_pages(vsp->response_offset, vsp->response_bytes);

    if (needed <= transfer->iov_capacity)
        return 0;
    struct iovec *iov = reallocarray(transfer->iov, needed, sizeof(*iov));
    if (!iov)
        return -ENOMEM;
    transfer->iov = iov;
    transfer->iov_capacity = needed;
    return 0;
}

/* Translates the three buffers one behind the other into iov. */
static int transfer_translate(struct vsp_transfer *transfer, const struct packet_request *packet,
                              const struct guest_memory *memory)
{
    const struct vsp_request *vsp = &packet->vsp;
    const uint32_t ranges[3][2] = {{vsp->data_offset, vsp->data_bytes},
                                   {vsp->request_offset, vsp->request_bytes},
                                   {vsp->response_offset, vsp->response_bytes}};
    int starts[4] = {0};

    for (int i = 0; i < 3; i++) {
        const int count = guest_memory_translate(memory, packet->pages, packet->page_count, ranges[i][0], ranges[i][1],
                                                 transfer->iov + starts[i], transfer->iov_capacity - (size_t)starts[i]);
        if (count < 0)
            return count;
        starts[i + 1] = starts[i] + count;
    }
    transfer->request.data = transfer->iov;
    transfer->request.data_iov_count = starts[1];
    transfer->request_iov = transfer->iov + starts[1];
    transfer->response_iov = transfer->iov + starts[2];
    return 0;
}

int vsp_transfer_begin(struct vsp_transfer *transfer, const struct packet_request *packet, const struct guest_memory *memory,
                       uint64_t now_us)
{
    const struct vsp_request *vsp = &packet->vsp;
    int rc = transfer_reserve_iov(transfer, vsp);

    transfer->transaction_id = packet->transaction_id;
    if (rc == 0)
        rc = transfer_translate(transfer, packet, memory);
    if (rc < 0)
        return rc;
    memcpy(transfer->request.guid, vsp->guid, sizeof(transfer->request.guid));
    transfer->request.data_capacity = vsp->data_bytes;
    transfer->request.body_bytes = vsp->data_valid_bytes;
    transfer->request.deadline_us = vsp->timeout_ms ? now_us + (uint64_t)vsp->timeout_ms * 1000 : 0;
    transfer->message_bytes = vsp->request_bytes;
    transfer->response_capacity = vsp->response_bytes;
    buf_clear(&transfer->response.head);
    transfer->response.body_bytes = 0;
    transfer->response.is_too_small = false;
    return 0;
}

static int transfer_reserve_message(struct vsp_transfer *transfer)
{
    if (transfer->message_bytes <= transfer->message_capacity)
        return 0;
    uint8_t *message = realloc(transfer->message, transfer->message_bytes);
    if (!message)
        return -ENOMEM;
    transfer->message = message;
    transfer->message_capacity = transfer->message_bytes;
    return 0;
}

uint32_t vsp_transfer_open(struct vsp_transfer *transfer)
{
    struct envelope envelope;

    if (transfer->message_bytes > VSP_MESSAGE_BYTES_MAX)
        return VSP_STATUS_INVALID_PARAMETER;
    if (transfer_reserve_message(transfer) < 0)
        return VSP_STATUS_OUT_OF_MEMORY;
    guest_memory_copy_out(transfer->message, transfer->request_iov, transfer->message_bytes);
    const int rc = envelope_open(ENVELOPE_REQUEST, transfer->message, transfer->message_bytes, &envelope);
    if (rc < 0)
        return rc == -EILSEQ ? VSP_STATUS_CRC : VSP_STATUS_INVALID_DATA;
    if (envelope.format != ENVELOPE_FORMAT_HTTP)
        return VSP_STATUS_NOT_SUPPORTED;
    if (head_parse_request(envelope.payload, envelope.payload_bytes, &transfer->head) < 0)
        return VSP_STATUS_INVALID_DATA;
    transfer->request.head = &transfer->head;
    return VSP_STATUS_OK;
}

void vsp_transfer_refuse(struct vsp_transfer *transfer, uint32_t status)
{
    transfer->reply = (struct vsp_reply){.status = status};
}

void vsp_transfer_seal(struct vsp_transfer *transfer, uint32_t status, uint8_t *sealed)
{
    const struct host_response *response = &transfer->response;
    const size_t message_bytes = ENVELOPE_HEADER_BYTES + response->head.len;

    if (status == VSP_STATUS_OK && (response->head.failed || response->head.len == 0))
        status = VSP_STATUS_INTERNAL;
    else if (status == VSP_STATUS_OK && message_bytes > transfer->response_capacity)
        status = VSP_STATUS_INSUFFICIENT_BUFFER;
    if (status != VSP_STATUS_OK) {
        vsp_transfer_refuse(transfer, status);
        return;
    }
    memcpy(sealed + ENVELOPE_HEADER_BYTES, response->head.bytes, response->head.len);
    envelope_seal(ENVELOPE_RESPONSE, ENVELOPE_FORMAT_HTTP, 0, sealed, response->head.len);
    guest_memory_copy_in(transfer->response_iov, sealed, message_bytes);
    transfer->reply = (struct vsp_reply){
        .status = response->is_too_small ? VSP_STATUS_INSUFFICIENT_BUFFER : VSP_STATUS_OK,
        .response_bytes = (uint32_t)message_bytes,
    };
}
