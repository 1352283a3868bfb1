/* SPDX-License-Identifier: MIT */
/* The budget of slots: order, classes, deferred delivery, regions that come and go, quarantine. */
#include "../../src/lib/slots.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#define WAITERS 16

static const struct slot_geometry geometry = {.count = {2, 1}, .data_bytes = {8192, 65536}};

struct region {
    struct slot_region region;
    unsigned releases;
};

static struct event_base *base;
static struct slots *slots;
static struct region regions[2];
static struct slot_waiter waiters[WAITERS];
static struct slot *got[WAITERS];
static int order[WAITERS];
static int delivered;
static bool is_inside_call; /* of slots_*: nothing may be delivered then */

static void on_ready(struct slot_waiter *waiter, struct slot *slot)
{
    long i = waiter - waiters;

    cr_assert_not(is_inside_call);
    cr_assert_not(waiter->is_queued);
    cr_assert_null(got[i], "delivered twice");
    got[i] = slot;
    order[delivered++] = (int)i;
}

static void release(struct slot_region *self)
{
    struct region *region = (struct region *)(void *)self;

    region->releases++;
    free(self->base);
}

static void attach(int i)
{
    size_t bytes = slots_region_bytes(&geometry);

    regions[i].region = (struct slot_region){.base = aligned_alloc(4096, bytes), .release = release};
    memset(regions[i].region.base, 0, bytes);
    is_inside_call = true;
    cr_assert_eq(slots_attach(slots, &regions[i].region), 0);
    is_inside_call = false;
}

static void wait_for(int i, enum slot_class class)
{
    waiters[i] = (struct slot_waiter){.class = class, .ready = on_ready};
    is_inside_call = true;
    slots_wait(slots, &waiters[i]);
    is_inside_call = false;
}

static void put(struct slot *slot)
{
    is_inside_call = true;
    slots_put(slot, slots);
    is_inside_call = false;
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void open_slots(void)
{
    base = event_base_new();
    cr_assert_eq(slots_new(base, &geometry, &slots), 0);
}

static void close_slots(void)
{
    slots = slots_free(slots);
    event_base_free(base);
}

TestSuite(slots, .init = open_slots, .fini = close_slots);

Test(slots, data_sizes_that_are_not_whole_pages_are_refused)
{
    struct slot_geometry odd = geometry;
    struct slots *none = NULL;

    odd.data_bytes[SLOT_LARGE]++;
    cr_assert_eq(slots_new(base, &odd, &none), -EINVAL);
    cr_assert_null(none);
}

Test(slots, a_region_has_room_for_all_buffers_of_all_slots)
{
    size_t fixed = LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES;

    cr_assert_eq(slots_region_bytes(&geometry), 2 * (fixed + 8192) + fixed + 65536);
}

Test(slots, buffers_are_aligned_inside_the_region_and_do_not_overlap)
{
    struct slot *all[3];
    size_t bytes = slots_region_bytes(&geometry);

    attach(0);
    for (int i = 0; i < 3; i++) {
        all[i] = slots_take(slots, i < 2 ? SLOT_SMALL : SLOT_LARGE);
        cr_assert_not_null(all[i]);
        cr_assert_eq(all[i]->class, i < 2 ? SLOT_SMALL : SLOT_LARGE);
        cr_assert_eq(all[i]->request_capacity, LIMIT_SLOT_REQUEST_BYTES);
        cr_assert_eq(all[i]->response_capacity, LIMIT_SLOT_RESPONSE_BYTES);
        cr_assert_eq(all[i]->data_capacity, geometry.data_bytes[all[i]->class]);
        cr_assert_eq(((uintptr_t)all[i]->request | (uintptr_t)all[i]->response | (uintptr_t)all[i]->data) % 4096, 0);
        memset(all[i]->request, 3 * i + 1, all[i]->request_capacity);
        memset(all[i]->response, 3 * i + 2, all[i]->response_capacity);
        memset(all[i]->data, 3 * i + 3, all[i]->data_capacity);
    }
    size_t counts[10] = {0};
    for (size_t i = 0; i < bytes; i++)
        counts[regions[0].region.base[i]]++;
    cr_assert_eq(counts[0], 0, "every byte belongs to a buffer");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(counts[3 * i + 1], all[i]->request_capacity);
        cr_assert_eq(counts[3 * i + 2], all[i]->response_capacity);
        cr_assert_eq(counts[3 * i + 3], all[i]->data_capacity);
        put(all[i]);
    }
}

Test(slots, without_a_region_there_are_none)
{
    cr_assert_null(slots_take(slots, SLOT_SMALL));
    cr_assert_null(slots_take(slots, SLOT_LARGE));
}

Test(slots, a_small_request_may_take_a_large_slot_but_not_the_other_way_round)
{
    attach(0);
    struct slot *first = slots_take(slots, SLOT_SMALL), *second = slots_take(slots, SLOT_SMALL);
    struct slot *third = slots_take(slots, SLOT_SMALL);
    cr_assert_eq(third->class, SLOT_LARGE);
    cr_assert_null(slots_take(slots, SLOT_SMALL));
    put(first);
    cr_assert_null(slots_take(slots, SLOT_LARGE));
    put(second);
    put(third);
}

Test(slots, a_small_request_leaves_the_large_slot_to_those_who_wait_for_it)
{
    attach(0);
    struct slot *large = slots_take(slots, SLOT_LARGE);
    struct slot *first = slots_take(slots, SLOT_SMALL), *second = slots_take(slots, SLOT_SMALL);
    wait_for(0, SLOT_LARGE);
    put(large);
    cr_assert_null(slots_take(slots, SLOT_SMALL));
    turn();
    cr_assert_eq(got[0], large);
    put(large);
    put(first);
    put(second);
}

Test(slots, waiters_are_served_in_order_and_only_from_the_loop)
{
    attach(0);
    struct slot *first = slots_take(slots, SLOT_LARGE), *second = slots_take(slots, SLOT_SMALL),
                *third = slots_take(slots, SLOT_SMALL);
    for (int i = 0; i < 4; i++)
        wait_for(i, SLOT_SMALL);
    put(second);
    put(third);
    cr_assert_eq(delivered, 0);
    turn();
    cr_assert_eq(delivered, 2);
    put(got[0]);
    put(first);
    turn();
    cr_assert_eq(delivered, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(order[i], i);
    for (int i = 1; i < 4; i++)
        put(got[i]);
}

Test(slots, nobody_overtakes_a_waiter)
{
    attach(0);
    struct slot *first = slots_take(slots, SLOT_SMALL), *second = slots_take(slots, SLOT_SMALL),
                *third = slots_take(slots, SLOT_SMALL);
    wait_for(0, SLOT_SMALL);
    put(first);
    cr_assert_null(slots_take(slots, SLOT_SMALL));
    turn();
    cr_assert_eq(got[0], first);
    put(got[0]);
    put(second);
    put(third);
}

Test(slots, a_small_waiter_gets_a_large_slot_when_nobody_waits_for_it)
{
    attach(0);
    struct slot *small[2] = {slots_take(slots, SLOT_SMALL), slots_take(slots, SLOT_SMALL)};
    struct slot *large = slots_take(slots, SLOT_LARGE);
    wait_for(0, SLOT_SMALL);
    wait_for(1, SLOT_LARGE);
    put(large);
    turn();
    cr_assert_eq(delivered, 1);
    cr_assert_eq(got[1], large, "it was waited for");
    put(large);
    turn();
    cr_assert_eq(got[0], large);
    put(large);
    put(small[0]);
    put(small[1]);
}

Test(slots, a_large_waiter_who_gives_up_lets_small_ones_through)
{
    attach(0);
    struct slot *small[2] = {slots_take(slots, SLOT_SMALL), slots_take(slots, SLOT_SMALL)};
    struct slot *large = slots_take(slots, SLOT_LARGE);
    wait_for(0, SLOT_SMALL);
    wait_for(1, SLOT_LARGE);
    put(large);
    slots_cancel(slots, &waiters[1]);
    turn();
    cr_assert_null(got[1]);
    cr_assert_eq(got[0], large);
    put(large);
    put(small[0]);
    put(small[1]);
}

Test(slots, a_cancelled_waiter_gets_nothing_and_cancelling_again_is_harmless)
{
    wait_for(0, SLOT_SMALL);
    wait_for(1, SLOT_SMALL);
    slots_cancel(slots, &waiters[0]);
    slots_cancel(slots, &waiters[0]);
    attach(0);
    turn();
    cr_assert_null(got[0]);
    cr_assert_not_null(got[1]);
    put(got[1]);
}

Test(slots, waiters_get_theirs_when_a_region_is_attached)
{
    wait_for(0, SLOT_LARGE);
    wait_for(1, SLOT_SMALL);
    turn();
    cr_assert_eq(delivered, 0);
    attach(0);
    turn();
    cr_assert_eq(delivered, 2);
    put(got[0]);
    put(got[1]);
}

static int requeues, requeues_seen;
static struct event *bystander;

static void put_and_wait_again(struct slot_waiter *waiter, struct slot *slot)
{
    struct timeval none = {0};

    slots_put(slot, slots);
    if (++requeues == 1)
        event_add(bystander, &none);
    if (requeues < 1000)
        slots_wait(slots, waiter);
}

static void on_bystander(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    requeues_seen = requeues;
}

Test(slots, a_waiter_who_comes_back_from_its_callback_does_not_hold_up_the_loop)
{
    struct slot_waiter waiter = {.ready = put_and_wait_again};

    bystander = event_new(base, -1, 0, on_bystander, NULL);
    attach(0);
    slots_wait(slots, &waiter);
    event_base_dispatch(base);
    cr_assert_eq(requeues, 1000);
    cr_assert_lt(requeues_seen, 10, "%d", requeues_seen);
    event_free(bystander);
}

Test(slots, a_second_region_is_refused_while_one_is_current)
{
    struct region other = {.region.release = release};

    attach(0);
    cr_assert_eq(slots_attach(slots, &other.region), -EBUSY);
}

Test(slots, detaching_with_nothing_out_releases_at_once_and_once)
{
    attach(0);
    slots_detach(slots);
    cr_assert_eq(regions[0].releases, 1);
    cr_assert_null(slots_take(slots, SLOT_SMALL));
    slots_detach(slots);
    cr_assert_eq(regions[0].releases, 1);
}

static size_t discarded_bytes;

static void discard(struct slot_region *self, void *address, size_t bytes)
{
    cr_assert_geq((uint8_t *)address, self->base);
    cr_assert_leq((uint8_t *)address + bytes, self->base + slots_region_bytes(&geometry));
    discarded_bytes += bytes;
}

Test(slots, an_old_region_keeps_no_more_memory_than_the_slots_that_are_out)
{
    attach(0);
    regions[0].region.discard = discard;
    struct slot *large = slots_take(slots, SLOT_LARGE);
    struct slot *small = slots_take(slots, SLOT_SMALL);
    size_t fixed = LIMIT_SLOT_REQUEST_BYTES + LIMIT_SLOT_RESPONSE_BYTES;
    size_t out = 2 * fixed + small->data_capacity + large->data_capacity;

    slots_detach(slots);
    cr_assert_eq(discarded_bytes, slots_region_bytes(&geometry) - out);
    slots_put(small, slots);
    cr_assert_eq(discarded_bytes, slots_region_bytes(&geometry) - fixed - large->data_capacity);
    slots_put(large, slots);
    cr_assert_eq(regions[0].releases, 1);
}

Test(slots, an_old_region_lives_until_its_last_slot_is_back_and_serves_nobody)
{
    attach(0);
    struct slot *old[2] = {slots_take(slots, SLOT_SMALL), slots_take(slots, SLOT_LARGE)};
    slots_detach(slots);
    cr_assert_eq(regions[0].releases, 0);
    memset(old[0]->data, 1, old[0]->data_capacity);
    wait_for(0, SLOT_SMALL);
    put(old[0]);
    turn();
    cr_assert_eq(delivered, 0, "slots of the old region are not dealt again");
    attach(1);
    turn();
    cr_assert_eq(got[0]->region, &regions[1].region);
    put(old[1]);
    cr_assert_eq(regions[0].releases, 1);
    cr_assert_eq(regions[1].releases, 0);
    put(got[0]);
}

Test(slots, an_abandoned_slot_that_is_not_in_flight_is_free_at_once)
{
    attach(0);
    struct slot *slot = slots_take(slots, SLOT_LARGE);
    slots_abandon(slot, slots);
    cr_assert_eq(slots_figures(slots).quarantined, 0);
    cr_assert_eq(slots_take(slots, SLOT_LARGE), slot);
    put(slot);
}

static void exchange_done(struct transfer *transfer, int result)
{
    (void)transfer;
    (void)result;
    cr_assert_fail("the exchange has gone");
}

Test(slots, an_abandoned_slot_in_flight_is_quarantined_until_the_host_is_done)
{
    attach(0);
    struct slot *slot = slots_take(slots, SLOT_LARGE);
    slot->transfer.transaction_id = 5;
    slot->transfer.done = exchange_done;
    slots_abandon(slot, slots);
    wait_for(0, SLOT_LARGE);
    turn();
    cr_assert_eq(delivered, 0);
    cr_assert_eq(slots_figures(slots).quarantined, 1);
    cr_assert_eq(slots_figures(slots).used[SLOT_LARGE], 1);
    slot->transfer.transaction_id = 0;
    slot->transfer.done(&slot->transfer, 0);
    cr_assert_eq(slots_figures(slots).quarantined, 0);
    turn();
    cr_assert_eq(got[0], slot);
    put(slot);
}

Test(slots, the_figures_count_budget_use_and_waiters)
{
    attach(0);
    struct slot *small = slots_take(slots, SLOT_SMALL), *large = slots_take(slots, SLOT_LARGE);
    wait_for(0, SLOT_LARGE);
    struct slots_figures figures = slots_figures(slots);
    cr_assert_eq(figures.total[SLOT_SMALL], 2);
    cr_assert_eq(figures.total[SLOT_LARGE], 1);
    cr_assert_eq(figures.used[SLOT_SMALL], 1);
    cr_assert_eq(figures.used[SLOT_LARGE], 1);
    cr_assert_eq(figures.waiting[SLOT_SMALL], 0);
    cr_assert_eq(figures.waiting[SLOT_LARGE], 1);
    slots_cancel(slots, &waiters[0]);
    put(small);
    put(large);
    figures = slots_figures(slots);
    cr_assert_eq(figures.used[SLOT_SMALL] + figures.used[SLOT_LARGE] + figures.waiting[SLOT_LARGE], 0);
}
