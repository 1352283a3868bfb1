/* SPDX-License-Identifier: MIT */
/* The guest's end of one opened channel: transaction ids, submission and completion. */
#include "vsc.h"

#include "../clock.h"

#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#define COMPLETION_BYTES_MAX 4096u /* inbound packets larger than that are refused by other guests too */
#define RUNS_MAX 32u               /* of one buffer: 32 MiB in huge pages of 2 MiB, unaligned, need 17 */
#define NONE UINT32_MAX

/* A place in the table of transfers. Its transaction id is generation << 32 | index + 1: never 0, and a late or repeated id does
 * not meet a later transfer in the same place. */
struct vsc_entry {
    struct transfer *transfer; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct vsc {
    struct ring ring;
    struct ring_port *port;
    struct channel_counters *counters;
    uint32_t entry_count;
    uint32_t first_free;
    struct vsc_entry *entries;
    alignas(8) uint8_t packet[PACKET_REQUEST_BYTES_MAX];
    alignas(8) uint8_t completion[COMPLETION_BYTES_MAX];
};

int vsc_new(struct ring_port *port, void *ring_memory, uint32_t ring_bytes, uint32_t transfers_max,
            struct channel_counters *counters, struct vsc **ret_vsc)
{
    struct vsc *vsc = calloc(1, sizeof(*vsc));
    struct vsc_entry *entries = calloc(transfers_max ? transfers_max : 1, sizeof(*entries));
    int r = vsc && entries ? ring_init(&vsc->ring, ring_memory, ring_bytes) : -ENOMEM;

    if (r < 0) {
        free(entries);
        free(vsc);
        return r;
    }
    vsc->port = port;
    vsc->counters = counters;
    vsc->entries = entries;
    vsc->entry_count = transfers_max;
    vsc->first_free = transfers_max ? 0 : NONE;
    for (uint32_t i = 0; i < transfers_max; i++)
        entries[i].next_free = i + 1 < transfers_max ? i + 1 : NONE;
    *ret_vsc = vsc;
    return 0;
}

struct vsc *vsc_free(struct vsc *vsc)
{
    if (vsc)
        free(vsc->entries);
    free(vsc);
    return NULL;
}

static struct slot *slot_of(struct transfer *transfer)
{
    return (struct slot *)(void *)((char *)transfer - offsetof(struct slot, transfer));
}

static uint64_t transaction_id(const struct vsc *vsc, uint32_t index)
{
    return (uint64_t)vsc->entries[index].generation << 32 | (index + 1);
}

static void entry_take(struct vsc *vsc, struct transfer *transfer)
{
    uint32_t index = vsc->first_free;
    struct vsc_entry *entry = &vsc->entries[index];

    vsc->first_free = entry->next_free;
    entry->transfer = transfer;
    transfer->transaction_id = transaction_id(vsc, index);
    transfer->submitted_us = clock_mono_us();
    vsc->counters->submitted++;
    vsc->counters->in_flight++;
}

/* Frees the place before done runs, so that done may submit again. */
static void entry_end(struct vsc *vsc, uint32_t index, int result)
{
    struct vsc_entry *entry = &vsc->entries[index];
    struct transfer *transfer = entry->transfer;

    entry->transfer = NULL;
    entry->generation++;
    entry->next_free = vsc->first_free;
    vsc->first_free = index;
    transfer->transaction_id = 0;
    transfer->completed_us = clock_mono_us();
    vsc->counters->in_flight--;
    if (result == 0)
        vsc->counters->completed++;
    else
        vsc->counters->lost++;
    transfer->done(transfer, result);
}

/* The runs of the pages that these bytes need; the buffer starts at a page boundary. -EINVAL: scattered over too many runs. */
static int buffer_place(const struct vsc *vsc, const uint8_t *address, uint32_t bytes, struct page_run *runs,
                        struct packet_buffer *ret_buffer)
{
    uint32_t pages = (bytes + PACKET_PAGE_BYTES - 1) / PACKET_PAGE_BYTES;
    uint32_t count = 0;

    while (pages > 0) {
        if (count == RUNS_MAX)
            return -EINVAL;
        runs[count] = vsc->port->page_run(vsc->port, address, pages);
        address += (size_t)runs[count].count * PACKET_PAGE_BYTES;
        pages -= runs[count].count;
        count++;
    }
    *ret_buffer = (struct packet_buffer){.runs = runs, .run_count = count, .bytes = bytes};
    return 0;
}

static int encode(struct vsc *vsc, struct transfer *transfer, uint32_t *ret_packet_bytes)
{
    const struct slot *slot = slot_of(transfer);
    struct page_run data_runs[RUNS_MAX], request_runs[RUNS_MAX], response_runs[RUNS_MAX];
    struct packet_submission submission = {
        .transaction_id = transaction_id(vsc, vsc->first_free),
        .timeout_ms = transfer->timeout_ms,
        .data_valid_bytes = transfer->data_valid_bytes,
    };

    if (transfer->request_bytes > slot->request_capacity || transfer->data_bytes > slot->data_capacity)
        return -EINVAL;
    memcpy(submission.guid, transfer->guid, sizeof(submission.guid));
    if (buffer_place(vsc, slot->data, transfer->data_bytes, data_runs, &submission.data) < 0 ||
        buffer_place(vsc, slot->request, transfer->request_bytes, request_runs, &submission.request) < 0 ||
        buffer_place(vsc, slot->response, slot->response_capacity, response_runs, &submission.response) < 0)
        return -EINVAL;
    return packet_encode_request(&submission, vsc->packet, sizeof(vsc->packet), ret_packet_bytes) < 0 ? -EINVAL : 0;
}

int vsc_submit(struct vsc *vsc, struct transfer *transfer, struct err *err)
{
    uint32_t packet_bytes;
    bool must_signal;

    if (transfer->transaction_id != 0)
        return -EINVAL;
    if (vsc->port->is_closed(vsc->port))
        return -ENODEV;
    if (vsc->first_free == NONE) {
        vsc->counters->ring_full++;
        return -EAGAIN;
    }
    int r = encode(vsc, transfer, &packet_bytes);
    if (r < 0)
        return r;
    r = ring_send(&vsc->ring, &(struct iovec){vsc->packet, packet_bytes}, 1, &must_signal);
    if (r == -EAGAIN)
        vsc->counters->ring_full++;
    if (r == -EPROTO)
        return err_set(err, r, "ring: the host's read index is garbage");
    if (r < 0)
        return r == -EMSGSIZE ? -EINVAL : r;
    entry_take(vsc, transfer);
    if (must_signal)
        vsc->port->signal(vsc->port);
    return 0;
}

static int complete_one(struct vsc *vsc, size_t packet_bytes, struct err *err)
{
    uint64_t id;
    struct vsp_reply reply;

    if (packet_decode_completion(vsc->completion, packet_bytes, &id, &reply) < 0)
        return err_set(err, -EPROTO, "ring: the host sent a packet that is no completion");
    uint32_t index = (uint32_t)id - 1;
    if (index >= vsc->entry_count || !vsc->entries[index].transfer || transaction_id(vsc, index) != id)
        return err_set(err, -EPROTO, "ring: the host completed transaction %#llx, which is not in flight",
                       (unsigned long long)id);
    struct transfer *transfer = vsc->entries[index].transfer;
    uint32_t capacity = slot_of(transfer)->response_capacity;
    if (reply.response_bytes > capacity)
        return err_set(err, -EPROTO, "ring: the host claims %u response bytes in a buffer of %u", reply.response_bytes, capacity);
    transfer->status = reply.status;
    transfer->response_bytes = reply.response_bytes;
    entry_end(vsc, index, 0);
    return 0;
}

int vsc_drain(struct vsc *vsc, unsigned budget, struct err *err)
{
    bool must_signal;

    ring_mask_interrupts(&vsc->ring);
    /* Turns that find nothing count too: a peer that plays with its index cannot hold the loop. */
    for (; budget > 0; budget--) {
        int r = ring_receive(&vsc->ring, vsc->completion, sizeof(vsc->completion), &must_signal);
        if (r == -EAGAIN && !ring_unmask_and_recheck(&vsc->ring))
            return 0;
        if (r == -EAGAIN)
            continue;
        if (r < 0)
            return err_set(err, r, "ring: the host's packets are garbage");
        if (must_signal)
            vsc->port->signal(vsc->port);
        r = complete_one(vsc, (size_t)r, err);
        if (r < 0)
            return r;
    }
    return -EAGAIN;
}

void vsc_abort(struct vsc *vsc)
{
    for (uint32_t i = 0; i < vsc->entry_count; i++) {
        if (vsc->entries[i].transfer)
            entry_end(vsc, i, -ENODEV);
    }
}
