/* SPDX-License-Identifier: MIT */
/* The fixed budget of slots of one shard. */
#include "slots.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>

#define PAGE_BYTES 4096u

_Static_assert(LIMIT_SLOT_REQUEST_BYTES % PAGE_BYTES == 0 && LIMIT_SLOT_RESPONSE_BYTES % PAGE_BYTES == 0, "whole pages");

STAILQ_HEAD(slot_list, slot);
TAILQ_HEAD(waiter_list, slot_waiter);

struct slots {
    struct slot_geometry geometry;
    struct slot_region *current;         /* borrowed; NULL: no channel */
    struct slot_list idle[SLOT_CLASSES]; /* of the current region */
    struct waiter_list waiters[SLOT_CLASSES];
    struct event *delivery; /* active when a waiter could be served */
    uint32_t used[SLOT_CLASSES], waiting[SLOT_CLASSES];
    uint32_t quarantined;
};

static size_t slot_bytes(const struct slot_geometry *geometry, enum slot_class class)
{
    return LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES + (size_t)geometry->data_bytes[class];
}

size_t slots_region_bytes(const struct slot_geometry *geometry)
{
    size_t bytes = 0;

    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++)
        bytes += geometry->count[class] * slot_bytes(geometry, class);
    return bytes;
}

/* Takes a slot that a waiter or taker of this class may have: an own one, or a larger one that nobody waits for. */
static struct slot *slots_pick(struct slots *slots, enum slot_class class)
{
    for (enum slot_class from = class; from < SLOT_CLASSES; from++) {
        struct slot *slot = STAILQ_FIRST(&slots->idle[from]);
        if (!slot || (from != class && slots->waiting[from] > 0))
            continue;
        STAILQ_REMOVE_HEAD(&slots->idle[from], free_link);
        slots->used[from]++;
        slot->region->slots_out++;
        return slot;
    }
    return NULL;
}

static bool slots_can_serve(const struct slots *slots)
{
    bool has_idle = false;

    for (enum slot_class class = SLOT_CLASSES; class -- > 0;) {
        /* A slot that smaller classes may not have, because somebody waits for it here, serves that one. */
        has_idle = has_idle || !STAILQ_EMPTY(&slots->idle[class]);
        if (slots->waiting[class] > 0 && has_idle)
            return true;
    }
    return false;
}

static void slots_arm(struct slots *slots)
{
    if (slots_can_serve(slots))
        event_active(slots->delivery, EV_TIMEOUT, 0);
}

static void waiter_remove(struct slots *slots, struct slot_waiter *waiter)
{
    TAILQ_REMOVE(&slots->waiters[waiter->class], waiter, link);
    slots->waiting[waiter->class]--;
    waiter->is_queued = false;
}

/* Serves the first waiter that can be served, larger classes first. */
static bool slots_serve_one(struct slots *slots)
{
    for (enum slot_class class = SLOT_CLASSES; class -- > 0;) {
        struct slot_waiter *waiter = TAILQ_FIRST(&slots->waiters[class]);
        struct slot *slot = waiter ? slots_pick(slots, class) : NULL;
        if (!slot)
            continue;
        waiter_remove(slots, waiter);
        waiter->ready(waiter, slot);
        return true;
    }
    return false;
}

static void slots_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct slots *slots = arg;
    uint32_t turns = 0;

    (void)fd;
    (void)what;
    /* Those who wait now; who queues up again from ready() gets a later turn of the loop. */
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++)
        turns += slots->waiting[class];
    while (turns-- > 0 && slots_serve_one(slots))
        ;
    /* A timer and not event_active(): the loop runs those until none is left before it looks at descriptors again. */
    if (slots_can_serve(slots) && event_add(slots->delivery, &(struct timeval){0}) < 0)
        slots_arm(slots);
}

int slots_new(struct event_base *base, const struct slot_geometry *geometry, struct slots **ret_slots)
{
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        if (geometry->data_bytes[class] % PAGE_BYTES != 0)
            return -EINVAL;
    }
    struct slots *slots = calloc(1, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    slots->geometry = *geometry;
    slots->delivery = event_new(base, -1, 0, slots_deliver, slots);
    if (!slots->delivery) {
        free(slots);
        return -ENOMEM;
    }
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        STAILQ_INIT(&slots->idle[class]);
        TAILQ_INIT(&slots->waiters[class]);
    }
    *ret_slots = slots;
    return 0;
}

struct slots *slots_free(struct slots *slots)
{
    if (!slots)
        return NULL;
    slots_detach(slots);
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++)
        assert(slots->waiting[class] == 0 && slots->used[class] == 0);
    event_free(slots->delivery);
    free(slots);
    return NULL;
}

static uint8_t *slot_place(struct slot *slot, struct slot_region *region, uint8_t *at, enum slot_class class, uint32_t data_bytes)
{
    *slot = (struct slot){
        .class = class,
        .region = region,
        .request = at,
        .response = at + LIMIT_SLOT_REQUEST_BYTES,
        .data = at + LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES,
        .request_capacity = LIMIT_SLOT_REQUEST_BYTES,
        .response_capacity = LIMIT_SLOT_RESPONSE_BYTES,
        .data_capacity = data_bytes,
    };
    return slot->data + data_bytes;
}

int slots_attach(struct slots *slots, struct slot_region *region)
{
    const struct slot_geometry *geometry = &slots->geometry;
    size_t total = 0;

    if (slots->current)
        return -EBUSY;
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++)
        total += geometry->count[class];
    region->slots = calloc(total ? total : 1, sizeof(*region->slots));
    if (!region->slots)
        return -ENOMEM;
    region->slots_out = 0;
    region->is_current = true;
    slots->current = region;

    uint8_t *at = region->base;
    struct slot *slot = region->slots;
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        for (uint32_t i = 0; i < geometry->count[class]; i++, slot++) {
            at = slot_place(slot, region, at, class, geometry->data_bytes[class]);
            STAILQ_INSERT_TAIL(&slots->idle[class], slot, free_link);
        }
    }
    slots_arm(slots);
    return 0;
}

static void region_release(struct slot_region *region)
{
    free(region->slots);
    region->slots = NULL;
    region->release(region);
}

static void slot_discard(struct slot *slot)
{
    struct slot_region *region = slot->region;

    if (region->discard)
        region->discard(region, slot->request, (size_t)slot->request_capacity + slot->response_capacity + slot->data_capacity);
}

void slots_detach(struct slots *slots)
{
    struct slot_region *region = slots->current;

    if (!region)
        return;
    slots->current = NULL;
    region->is_current = false;
    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        struct slot *slot;

        if (region->slots_out > 0)
            STAILQ_FOREACH(slot, &slots->idle[class], free_link)
        slot_discard(slot);
        STAILQ_INIT(&slots->idle[class]);
    }
    if (region->slots_out == 0)
        region_release(region);
}

struct slot *slots_take(struct slots *slots, enum slot_class class)
{
    return slots->waiting[class] > 0 ? NULL : slots_pick(slots, class);
}

void slots_put(struct slot *slot, struct slots *slots)
{
    struct slot_region *region = slot->region;

    assert(slot->transfer.transaction_id == 0);
    assert(region->slots_out > 0 && slots->used[slot->class] > 0);
    slots->used[slot->class]--;
    region->slots_out--;
    if (region->is_current) {
        /* The last one used is the warmest. */
        STAILQ_INSERT_HEAD(&slots->idle[slot->class], slot, free_link);
        slots_arm(slots);
    } else if (region->slots_out == 0) {
        region_release(region);
    } else {
        slot_discard(slot);
    }
}

static void quarantine_end(struct transfer *transfer, int result)
{
    struct slot *slot = (struct slot *)(void *)((char *)transfer - offsetof(struct slot, transfer));
    struct slots *slots = transfer->owner;

    (void)result;
    slots->quarantined--;
    slots_put(slot, slots);
}

void slots_abandon(struct slot *slot, struct slots *slots)
{
    if (slot->transfer.transaction_id == 0) {
        slots_put(slot, slots);
        return;
    }
    slots->quarantined++;
    slot->transfer.done = quarantine_end;
    slot->transfer.owner = slots;
}

void slots_wait(struct slots *slots, struct slot_waiter *waiter)
{
    assert(!waiter->is_queued);
    TAILQ_INSERT_TAIL(&slots->waiters[waiter->class], waiter, link);
    slots->waiting[waiter->class]++;
    waiter->is_queued = true;
    slots_arm(slots);
}

void slots_cancel(struct slots *slots, struct slot_waiter *waiter)
{
    if (!waiter->is_queued)
        return;
    waiter_remove(slots, waiter);
    /* Smaller classes may now have what this one was waiting for. */
    slots_arm(slots);
}

struct slots_figures slots_figures(const struct slots *slots)
{
    struct slots_figures figures = {.quarantined = slots->quarantined, .bytes = slots_region_bytes(&slots->geometry)};

    for (enum slot_class class = 0; class < SLOT_CLASSES; class ++) {
        figures.total[class] = slots->geometry.count[class];
        figures.used[class] = slots->used[class];
        figures.waiting[class] = slots->waiting[class];
    }
    return figures;
}
