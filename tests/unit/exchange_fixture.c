/* SPDX-License-Identifier: MIT */
/* A channel played by the test. */
#include "exchange_fixture.h"

#include "../../src/lib/envelope.h"
#include "../../src/lib/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int fixture_submit(struct channel *channel, struct transfer *transfer)
{
    struct fixture *fixture = (struct fixture *)channel;

    if (channel->state != CHANNEL_UP)
        return -ENODEV;
    if (fixture->ring_room == 0)
        return -EAGAIN;
    fixture->ring_room--;
    cr_assert_lt(fixture->in_flight, FIXTURE_TRANSFERS);
    transfer->transaction_id = ++fixture->submits;
    fixture->submitted[fixture->in_flight++] = transfer;
    return 0;
}

static void fixture_close(struct channel *channel)
{
    (void)channel;
}

static const struct channel_ops fixture_ops = {.name = "fixture", .submit = fixture_submit, .close = fixture_close};

static void fixture_wake(void *client)
{
    ((struct fixture *)client)->wakes++;
}

static void fixture_release(struct slot_region *region)
{
    free(region->base);
}

struct fixture *fixture_new(unsigned small_slots, unsigned large_slots)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct slot_geometry geometry = {{small_slots, large_slots}, {SLOT_SMALL_DATA_BYTES, FIXTURE_LARGE_BYTES}};
    struct err err;

    log_set_level(LOG_LEVEL_ERROR); /* refusals are what these tests are about */
    fixture->base = event_base_new();
    fixture->conf = conf_new();
    fixture->conf->slots_large_bytes = FIXTURE_LARGE_BYTES;
    fixture->conf->accounts = accounts_new();
    cr_assert_eq(accounts_add_development(fixture->conf->accounts, &err), 0);
    cr_assert_eq(metrics_new(1, &fixture->metrics), 0);
    exchange_env_init(&fixture->env);
    fixture->env.conf = fixture->conf;
    fixture->env.metrics = metrics_shard(fixture->metrics, 0);
    fixture->env.wake = fixture_wake;
    fixture->env.channel = &fixture->channel;
    fixture->env.hosts.account_suffixes = (const char *const *)fixture->conf->listen_account_suffixes.items;
    fixture->env.hosts.extra_names = (const char *const *)fixture->conf->listen_hosts.items;
    fixture->env.hosts.domains = (const char *const *)fixture->conf->accounts_domains.items;
    fixture->channel.ops = &fixture_ops;
    fixture->channel.state = CHANNEL_UP;
    fixture->ring_room = FIXTURE_TRANSFERS;
    buf_init(&fixture->seen_bytes, LIMIT_HEAD_BYTES * 2);
    cr_assert_eq(slots_new(fixture->base, &geometry, &fixture->env.slots), 0);
    fixture->region.base = aligned_alloc(4096, slots_region_bytes(&geometry));
    fixture->region.release = fixture_release;
    cr_assert_eq(slots_attach(fixture->env.slots, &fixture->region), 0);
    return fixture;
}

void fixture_free(struct fixture *fixture)
{
    while (fixture->in_flight > 0)
        fixture_lose(fixture);
    slots_detach(fixture->env.slots);
    slots_free(fixture->env.slots);
    exchange_env_done(&fixture->env);
    metrics_free(fixture->metrics);
    conf_free(fixture->conf);
    event_base_free(fixture->base);
    buf_free(&fixture->seen_bytes);
    free(fixture);
}

struct exchange *fixture_request(struct fixture *fixture, const char *method, const char *target, const char *const *fields)
{
    struct exchange *x = exchange_new(&fixture->env, target, strlen(target), fixture);
    struct head *head = exchange_request(x);

    head->method = slice_of(method);
    for (; *fields; fields++) {
        const char *colon = strchr(*fields, ':');
        const char *value = colon + 1 + strspn(colon + 1, " ");

        cr_assert_eq(head_add(head, (struct slice){*fields, (size_t)(colon - *fields)}, slice_of(value)), 0);
    }
    return x;
}

const struct head *fixture_look(struct fixture *fixture)
{
    cr_assert_gt(fixture->in_flight, 0u, "no transfer in flight");
    struct transfer *transfer = fixture->submitted[0];
    struct slot *slot = (struct slot *)((char *)transfer - offsetof(struct slot, transfer));
    struct envelope envelope;

    buf_clear(&fixture->seen_bytes);
    buf_append(&fixture->seen_bytes, slot->request, transfer->request_bytes);
    cr_assert_eq(envelope_open(ENVELOPE_REQUEST, fixture->seen_bytes.bytes, fixture->seen_bytes.len, &envelope), 0);
    cr_assert_eq(head_parse_request(envelope.payload, envelope.payload_bytes, &fixture->seen), 0);
    return &fixture->seen;
}

static struct transfer *take_oldest(struct fixture *fixture)
{
    struct transfer *transfer = fixture->submitted[0];

    fixture->in_flight--;
    memmove(fixture->submitted, fixture->submitted + 1, fixture->in_flight * sizeof(fixture->submitted[0]));
    transfer->transaction_id = 0;
    return transfer;
}

void fixture_answer(struct fixture *fixture, uint32_t status, const char *head, const void *body, size_t body_bytes)
{
    struct transfer *transfer = take_oldest(fixture);
    struct slot *slot = (struct slot *)((char *)transfer - offsetof(struct slot, transfer));
    size_t head_bytes = strlen(head);

    transfer->status = status;
    transfer->response_bytes = 0;
    if (head_bytes > 0) {
        memcpy(slot->response + ENVELOPE_HEADER_BYTES, head, head_bytes);
        memcpy(slot->response + ENVELOPE_HEADER_BYTES + head_bytes, "\r\n", 2);
        envelope_seal(ENVELOPE_RESPONSE, ENVELOPE_FORMAT_HTTP, 0, slot->response, head_bytes + 2);
        transfer->response_bytes = (uint32_t)(ENVELOPE_HEADER_BYTES + head_bytes + 2);
    }
    if (body)
        memcpy(slot->data, body, body_bytes);
    transfer->done(transfer, 0);
}

void fixture_fail(struct fixture *fixture, int result)
{
    struct transfer *transfer = take_oldest(fixture);

    transfer->done(transfer, result);
}

void fixture_lose(struct fixture *fixture)
{
    fixture_fail(fixture, -ENODEV);
}

void fixture_turn(struct fixture *fixture)
{
    event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}
