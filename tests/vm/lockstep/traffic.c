/* SPDX-License-Identifier: MIT */
/* Packets of random bytes, made again from a few numbers whenever they are needed. */
#include "traffic.h"

#include <stdlib.h>
#include <string.h>

#define POOL_BYTES (LOCKSTEP_WRITE_BYTES_MAX + 65536u)

static uint8_t pool[POOL_BYTES];
static _Alignas(8) uint8_t staging[LOCKSTEP_WRITE_BYTES_MAX + 8];

static uint64_t random_next(struct random *random)
{
    uint64_t x = random->state += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}

static void pool_fill(void)
{
    static bool is_filled;
    struct random random = {1};

    if (is_filled)
        return;
    is_filled = true;
    for (uint32_t i = 0; i < POOL_BYTES; i++)
        pool[i] = (uint8_t)random_next(&random);
}

static uint32_t header_units(struct random *random, uint32_t units)
{
    return units == 2 || random_below(random, 2) ? 2 : 2 + random_below(random, units - 1);
}

static int compare_cuts(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

struct packet packet_random(struct random *random, uint32_t bytes)
{
    struct packet packet = {
        .bytes = bytes,
        .header_bytes = 8 * header_units(random, (bytes + 7) / 8),
        .flags = (uint16_t)random_below(random, 2),
        .transaction_id = random_next(random) | 1,
        .source = random_below(random, 65536),
        .alignment = random_below(random, 3) ? 0 : random_below(random, 8),
    };

    for (int i = 0; i < 3; i++)
        packet.cuts[i] = 16 + random_below(random, bytes - 16 + 1);
    qsort(packet.cuts, 3, sizeof(*packet.cuts), compare_cuts);
    return packet;
}

static void put_descriptor(const struct packet *packet, uint8_t descriptor[PACKET_DESCRIPTOR_BYTES])
{
    uint16_t words[4] = {PACKET_IN_BAND, (uint16_t)(packet->header_bytes / 8), (uint16_t)((packet->bytes + 7) / 8),
                         packet->flags};

    memcpy(descriptor, words, sizeof(words));
    memcpy(descriptor + 8, &packet->transaction_id, sizeof(packet->transaction_id));
}

static const uint8_t *packet_payload(const struct packet *packet)
{
    pool_fill();
    return pool + packet->source;
}

struct parcel packet_parcel(const struct packet *packet)
{
    struct parcel parcel = {.bytes = packet->bytes, .transaction_id = packet->transaction_id};
    uint8_t *bytes = staging + packet->alignment;
    uint32_t from = 0;

    put_descriptor(packet, bytes);
    memcpy(bytes + PACKET_DESCRIPTOR_BYTES, packet_payload(packet), packet->bytes - PACKET_DESCRIPTOR_BYTES);
    for (int i = 0; i <= 3; i++) {
        uint32_t to = i < 3 ? packet->cuts[i] : packet->bytes;
        parcel.vectors[parcel.vector_count++] = (struct iovec){bytes + from, to - from};
        from = to;
    }
    return parcel;
}

bool packet_matches(const struct packet *packet, uint32_t skipped, const uint8_t *bytes, uint32_t count)
{
    static const uint8_t zeros[8];
    uint8_t descriptor[PACKET_DESCRIPTOR_BYTES];
    uint32_t padded = (packet->bytes + 7) / 8 * 8, payload = skipped;

    if (count != padded - skipped)
        return false;
    if (skipped == 0) {
        put_descriptor(packet, descriptor);
        if (memcmp(bytes, descriptor, sizeof(descriptor)) != 0)
            return false;
        payload = PACKET_DESCRIPTOR_BYTES;
        bytes += payload;
    }
    uint32_t data = packet->bytes > payload ? packet->bytes - payload : 0;
    return memcmp(bytes, packet_payload(packet) + payload - PACKET_DESCRIPTOR_BYTES, data) == 0 &&
           memcmp(bytes + data, zeros, padded - payload - data) == 0;
}

bool log_open(struct log *log)
{
    *log = (struct log){.packets = malloc(LOG_PACKETS * sizeof(*log->packets))};
    return log->packets;
}

void log_close(struct log *log)
{
    free(log->packets);
}

void log_push(struct log *log, const struct packet *packet)
{
    log->packets[log->next++ % LOG_PACKETS] = *packet;
}

const struct packet *log_front(const struct log *log)
{
    return log->first == log->next ? NULL : &log->packets[log->first % LOG_PACKETS];
}

void log_pop(struct log *log)
{
    log->first++;
}
