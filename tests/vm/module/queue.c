// SPDX-License-Identifier: GPL-2.0
/* The ring as far as a caller can tell: its capacity, by packets of the published sizes, and the table of transaction ids. */
#include "queue.h"

#include <linux/list.h>
#include <linux/spinlock.h>

/* 128 KiB with a page of indices. A GPA-direct packet has a header of 32 bytes, 8 for each page, a request of 56 and a footer
 * of 8. One that would fill the ring to the last byte does not fit. */
#define RING_DATA_BYTES (131072u - 4096u)
#define PACKET_BYTES(pages) (32u + 8u * (pages) + 56u + 8u)
#define TABLE_SIZE 1024u

static DEFINE_SPINLOCK(lock);
static LIST_HEAD(ring);
static LIST_HEAD(taken);
static DECLARE_WAIT_QUEUE_HEAD(filled);
static DECLARE_WAIT_QUEUE_HEAD(drained);
static unsigned int ring_used;
static bool is_held;
static u64 last_id;
static struct azb_queue_counters counters;

unsigned int azb_request_pages(const struct azb_request *request)
{
    unsigned int pages = 0;

    for (unsigned int i = 0; i < AZB_AREAS; i++)
        pages += request->buffers[i].page_count;
    return pages;
}

static unsigned int packet_bytes(const struct azb_request *request)
{
    return PACKET_BYTES(azb_request_pages(request));
}

/* With the lock. */
static int send(struct azb_request *request)
{
    if (request->pending->is_removing)
        return -ENODEV;
    if (counters.in_ring + counters.at_host >= TABLE_SIZE) {
        counters.table_full++;
        return -EAGAIN;
    }
    if (RING_DATA_BYTES - ring_used <= packet_bytes(request)) {
        counters.ring_full++;
        return -EAGAIN;
    }
    ring_used += packet_bytes(request);
    request->id = ++last_id;
    request->pending->count++;
    list_add_tail(&request->link, &ring);
    counters.in_ring++;
    counters.sent++;
    return 0;
}

int azb_queue_send(struct azb_request *request)
{
    int r;

    spin_lock(&lock);
    r = send(request);
    spin_unlock(&lock);
    if (r == 0)
        wake_up(&filled);
    return r;
}

static bool is_drained(struct azb_pending *pending)
{
    bool is_empty;

    spin_lock(&lock);
    is_empty = pending->count == 0;
    spin_unlock(&lock);
    return is_empty;
}

void azb_queue_drain(struct azb_pending *pending)
{
    spin_lock(&lock);
    pending->is_removing = true;
    spin_unlock(&lock);
    wait_event(drained, is_drained(pending));
}

void azb_queue_hold(bool shall_hold)
{
    spin_lock(&lock);
    is_held = shall_hold;
    spin_unlock(&lock);
    wake_up(&filled);
}

static struct azb_request *take(bool even_if_held)
{
    struct azb_request *request = NULL;

    spin_lock(&lock);
    if ((even_if_held || !is_held) && !list_empty(&ring)) {
        request = list_first_entry(&ring, struct azb_request, link);
        list_move_tail(&request->link, &taken);
        ring_used -= packet_bytes(request);
        counters.in_ring--;
        counters.at_host++;
    }
    spin_unlock(&lock);
    return request;
}

int azb_queue_take(struct azb_request **ret_request, bool may_wait)
{
    if (may_wait)
        return wait_event_interruptible(filled, (*ret_request = take(false)) != NULL);
    *ret_request = take(false);
    return *ret_request ? 0 : -EAGAIN;
}

struct azb_request *azb_queue_find(u64 id)
{
    struct azb_request *request, *found = NULL;

    spin_lock(&lock);
    list_for_each_entry(request, &taken, link)
    {
        if (request->id == id) {
            found = request;
            break;
        }
    }
    spin_unlock(&lock);
    return found;
}

void azb_queue_complete(struct azb_request *request, const struct azb_outcome *outcome)
{
    spin_lock(&lock);
    request->argument.outcome = *outcome;
    list_del(&request->link);
    request->pending->count--;
    counters.at_host--;
    counters.completed++;
    spin_unlock(&lock);
    complete(&request->done);
    wake_up(&drained);
}

void azb_queue_abort_taken(void)
{
    const struct azb_outcome aborted = {AZB_HOST_ABORTED, 0};
    struct azb_request *request;

    for (;;) {
        spin_lock(&lock);
        request = list_first_entry_or_null(&taken, struct azb_request, link);
        spin_unlock(&lock);
        if (!request)
            return;
        azb_queue_complete(request, &aborted);
    }
}

void azb_queue_abort_all(void)
{
    while (take(true))
        ;
    azb_queue_abort_taken();
}

__poll_t azb_queue_poll(struct file *file, struct poll_table_struct *table)
{
    __poll_t ready;

    poll_wait(file, &filled, table);
    spin_lock(&lock);
    ready = !is_held && !list_empty(&ring) ? EPOLLIN | EPOLLRDNORM : 0;
    spin_unlock(&lock);
    return ready;
}

struct azb_queue_counters azb_queue_counters(void)
{
    struct azb_queue_counters copy;

    spin_lock(&lock);
    copy = counters;
    spin_unlock(&lock);
    return copy;
}
