/* SPDX-License-Identifier: MIT */
/* An open channel's work. */
#include "vsp_queue.h"

#include "../lib/clock.h"
#include "../lib/vmbus/ring.h"
#include "../lib/vmbus/vsp_status.h"
#include "vsp_transfer.h"

#include <assert.h>
#include <errno.h>

/* A transfer with more data than this is told to the guest at once: the guest can send it on while the next one is executed. */
#define LARGE_TRANSFER_BYTES 65536u

STAILQ_HEAD(transfer_list, vsp_transfer);

struct vsp_queue {
    struct executor *executor;
    struct vsp_queue_owner owner;
    struct guest_memory memory;
    struct ring ring;
    int signal_guest;
    struct transfer_list unused;   /* for reuse */
    struct transfer_list waiting;  /* taken from the ring, not started */
    struct transfer_list answered; /* completion not in the ring yet */
    unsigned taken_count;          /* waiting, executing or answered */
    unsigned executing_count;
    bool is_blocked; /* pending_send_sz is set: the guest signals when it has read */
    bool is_starved; /* the limit of transfers kept packets in the ring */
    bool is_pumping;
    bool owes_signal; /* to be given when the turn is over: one for all its completions */
    bool is_closed;
    int failed;                            /* first error found while sending an answer */
    uint8_t sealed[VSP_MESSAGE_BYTES_MAX]; /* where responses are composed */
    _Alignas(8) uint8_t packet[PACKET_REQUEST_BYTES_MAX];
};

int vsp_queue_new(const struct bus_memory *memory, struct executor *executor, const struct vsp_queue_owner *owner,
                  struct vsp_queue **ret_queue, struct err *err)
{
    struct vsp_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return err_set(err, -ENOMEM, "out of memory");
    queue->executor = executor;
    queue->owner = *owner;
    queue->signal_guest = memory->signal_guest;
    STAILQ_INIT(&queue->unused);
    STAILQ_INIT(&queue->waiting);
    STAILQ_INIT(&queue->answered);
    int rc = guest_memory_map(memory->memfd, memory->memory_bytes, &queue->memory, err);
    if (rc == 0) {
        rc = ring_attach(&queue->ring, queue->memory.base + memory->ring_offset, memory->ring_bytes);
        if (rc < 0)
            err_set(err, rc, "the guest's rings are not freshly initialised or of a wrong size");
    }
    if (rc < 0) {
        vsp_queue_free(queue);
        return rc;
    }
    *ret_queue = queue;
    return 0;
}

static struct vsp_transfer *queue_take(struct vsp_queue *queue)
{
    struct vsp_transfer *transfer = STAILQ_FIRST(&queue->unused);

    if (transfer)
        STAILQ_REMOVE_HEAD(&queue->unused, link);
    else
        transfer = vsp_transfer_new();
    if (transfer) {
        transfer->owner = queue;
        queue->taken_count++;
    }
    return transfer;
}

static void queue_put(struct vsp_queue *queue, struct vsp_transfer *transfer)
{
    queue->taken_count--;
    STAILQ_INSERT_HEAD(&queue->unused, transfer, link);
}

static void queue_give_signal(struct vsp_queue *queue)
{
    const uint64_t one = 1;

    queue->owes_signal = false;
    /* Fails only when the counter is full, and then the guest has been signalled already. */
    (void)!write(queue->signal_guest, &one, sizeof(one));
}

/* At the end of a turn, so that one signal stands for all its completions. */
static void queue_signal(struct vsp_queue *queue)
{
    if (queue->is_pumping)
        queue->owes_signal = true;
    else
        queue_give_signal(queue);
}

static int queue_send(struct vsp_queue *queue, const struct vsp_transfer *transfer)
{
    uint8_t packet[PACKET_COMPLETION_BYTES];
    const struct iovec vector = {packet, sizeof(packet)};
    bool signal = false;

    packet_encode_completion(transfer->transaction_id, &transfer->reply, packet);
    const int rc = ring_send(&queue->ring, &vector, 1, &signal);
    if (rc == 0 && signal)
        queue_signal(queue);
    return rc;
}

/* Sends the completions that are due, as far as the guest makes room. */
static int queue_send_answers(struct vsp_queue *queue)
{
    struct vsp_transfer *transfer;

    if (queue->is_blocked)
        ring_unblock(&queue->ring);
    queue->is_blocked = false;
    while ((transfer = STAILQ_FIRST(&queue->answered))) {
        const int rc = queue_send(queue, transfer);
        if (rc == -EAGAIN && ring_block(&queue->ring, PACKET_COMPLETION_BYTES)) {
            queue->is_blocked = true;
            return 0;
        }
        if (rc == -EAGAIN) /* the guest has just made room */
            continue;
        if (rc < 0)
            return rc;
        STAILQ_REMOVE_HEAD(&queue->answered, link);
        queue_put(queue, transfer);
    }
    return 0;
}

/* The transfer's reply is set: sends it when its turn has come. */
static void queue_answer(struct vsp_queue *queue, struct vsp_transfer *transfer)
{
    if (queue->is_closed) {
        queue_put(queue, transfer);
        return;
    }
    STAILQ_INSERT_TAIL(&queue->answered, transfer, link);
    if (queue->is_blocked || queue->failed)
        return;
    const int rc = queue_send_answers(queue);
    if (rc < 0)
        queue->failed = rc;
}

static void queue_executed(void *arg, uint32_t status)
{
    struct vsp_transfer *transfer = arg;
    struct vsp_queue *queue = transfer->owner;

    assert(queue->executing_count > 0);
    queue->executing_count--;
    if (!queue->is_closed)
        vsp_transfer_seal(transfer, status, queue->sealed);
    queue_answer(queue, transfer);
    if (!queue->is_pumping && (queue->is_closed || queue->failed || queue->is_starved))
        queue->owner.wake(queue->owner.arg);
}

static void queue_execute(struct vsp_queue *queue, struct vsp_transfer *transfer)
{
    const uint64_t deadline_us = transfer->request.deadline_us;
    uint32_t status = VSP_STATUS_TIMEOUT;

    if (deadline_us == 0 || clock_mono_us() < deadline_us)
        status = vsp_transfer_open(transfer);
    if (status != VSP_STATUS_OK) {
        vsp_transfer_refuse(transfer, status);
        queue_answer(queue, transfer);
        return;
    }
    queue->executing_count++;
    queue->executor->execute(queue->executor, &transfer->request, &transfer->response, queue_executed, transfer);
}

/* Turns the packet just received into a waiting transfer. */
static int queue_accept(struct vsp_queue *queue, size_t packet_bytes, uint64_t now_us)
{
    struct packet_request packet;
    int rc = packet_decode_request(queue->packet, packet_bytes, &packet);

    if (rc < 0)
        return rc;
    struct vsp_transfer *transfer = queue_take(queue);
    if (!transfer)
        return -ENOMEM;
    rc = vsp_transfer_begin(transfer, &packet, &queue->memory, now_us);
    if (rc == -ENOMEM) {
        vsp_transfer_refuse(transfer, VSP_STATUS_OUT_OF_MEMORY);
        queue_answer(queue, transfer);
        return 0;
    }
    if (rc < 0) {
        queue_put(queue, transfer);
        return rc;
    }
    STAILQ_INSERT_TAIL(&queue->waiting, transfer, link);
    return 0;
}

/* Takes what is in the ring, all of it, so that every transfer's timeout begins when it arrived. 0 or negative errno. */
static int queue_receive(struct vsp_queue *queue)
{
    const uint64_t now_us = clock_mono_us();

    queue->is_starved = false;
    for (;;) {
        bool signal = false;

        if (queue->taken_count >= VSP_QUEUE_TRANSFERS_MAX) {
            queue->is_starved = true;
            return 0;
        }
        int rc = ring_receive(&queue->ring, queue->packet, sizeof(queue->packet), &signal);
        if (rc == -EAGAIN)
            return 0;
        if (rc >= 0 && signal)
            queue_signal(queue);
        if (rc >= 0)
            rc = queue_accept(queue, (size_t)rc, now_us);
        if (rc < 0)
            return rc;
    }
}

static int queue_turn(struct vsp_queue *queue)
{
    struct vsp_transfer *transfer;
    int rc = queue->failed ? queue->failed : queue_send_answers(queue);

    if (rc < 0)
        return rc;
    ring_mask_interrupts(&queue->ring);
    rc = queue_receive(queue);
    if (rc < 0)
        return rc;
    while (!queue->failed && (transfer = STAILQ_FIRST(&queue->waiting))) {
        STAILQ_REMOVE_HEAD(&queue->waiting, link);
        const bool is_large = transfer->request.data_capacity > LARGE_TRANSFER_BYTES;

        if (queue->owes_signal && is_large) /* nobody waits behind it */
            queue_give_signal(queue);
        queue_execute(queue, transfer);
        if (queue->owes_signal && is_large)
            queue_give_signal(queue);
    }
    if (queue->failed)
        return queue->failed;
    if (queue->is_starved) /* interrupts stay masked: the next answer, or the guest reading completions, goes on */
        return queue->taken_count < VSP_QUEUE_TRANSFERS_MAX;
    return ring_unmask_and_recheck(&queue->ring);
}

int vsp_queue_pump(struct vsp_queue *queue)
{
    queue->is_pumping = true;
    const int rc = queue_turn(queue);
    queue->is_pumping = false;
    if (queue->owes_signal)
        queue_give_signal(queue);
    return rc;
}

void vsp_queue_close(struct vsp_queue *queue)
{
    struct vsp_transfer *transfer;

    queue->is_closed = true;
    STAILQ_CONCAT(&queue->answered, &queue->waiting);
    while ((transfer = STAILQ_FIRST(&queue->answered))) {
        STAILQ_REMOVE_HEAD(&queue->answered, link);
        queue_put(queue, transfer);
    }
}

bool vsp_queue_is_idle(const struct vsp_queue *queue)
{
    return queue->executing_count == 0;
}

struct vsp_queue *vsp_queue_free(struct vsp_queue *queue)
{
    struct vsp_transfer *transfer;

    if (!queue)
        return NULL;
    vsp_queue_close(queue);
    assert(queue->taken_count == 0);
    while ((transfer = STAILQ_FIRST(&queue->unused))) {
        STAILQ_REMOVE_HEAD(&queue->unused, link);
        vsp_transfer_free(transfer);
    }
    guest_memory_unmap(&queue->memory);
    free(queue);
    return NULL;
}
