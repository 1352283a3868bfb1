/* SPDX-License-Identifier: MIT */
/* Writes and checks the 32-byte header. */
#include "envelope.h"
#include "crc64.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC_BYTES 8u
#define FORMAT_AT 8u
#define METHOD_AT 12u
#define CRC_AT 16u
#define ZERO_AT 24u

#define METHOD_OPEN 1u
#define METHOD_CLOSE 3u

static const char *magic_of(enum envelope_kind kind)
{
    return kind == ENVELOPE_REQUEST ? "HsReq001" : "HsRes001";
}

static uint32_t get_u32(const unsigned char *at)
{
    uint32_t raw;

    memcpy(&raw, at, sizeof(raw));
    return le32toh(raw);
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t raw;

    memcpy(&raw, at, sizeof(raw));
    return le64toh(raw);
}

static void put_u32(unsigned char *at, uint32_t value)
{
    uint32_t raw = htole32(value);

    memcpy(at, &raw, sizeof(raw));
}

static void put_u64(unsigned char *at, uint64_t value)
{
    uint64_t raw = htole64(value);

    memcpy(at, &raw, sizeof(raw));
}

/* Over everything, with zeros where the CRC itself stands. */
static uint64_t crc_of(const unsigned char *message, size_t len)
{
    static const unsigned char zeros[ZERO_AT - CRC_AT];
    uint64_t crc = crc64_update(0, message, CRC_AT);

    crc = crc64_update(crc, zeros, sizeof(zeros));
    return crc64_update(crc, message + ZERO_AT, len - ZERO_AT);
}

void envelope_seal(enum envelope_kind kind, uint32_t format, uint32_t method, void *message, size_t payload_bytes)
{
    unsigned char *header = message;

    memcpy(header, magic_of(kind), MAGIC_BYTES);
    put_u32(header + FORMAT_AT, format);
    put_u32(header + METHOD_AT, method);
    put_u64(header + ZERO_AT, 0);
    put_u64(header + CRC_AT, crc_of(header, ENVELOPE_HEADER_BYTES + payload_bytes));
}

/* A published (format 1) response does not use method and the zero field, so whatever stands there is let pass. */
static bool has_valid_fields(enum envelope_kind kind, uint32_t format, uint32_t method, uint64_t zero)
{
    if (format == ENVELOPE_FORMAT_HTTP)
        return method == 0 && zero == 0;
    if (format != ENVELOPE_FORMAT_JSON)
        return false;
    return kind == ENVELOPE_RESPONSE || (method >= METHOD_OPEN && method <= METHOD_CLOSE && zero == 0);
}

int envelope_open(enum envelope_kind kind, const void *message, size_t len, struct envelope *ret_envelope)
{
    const unsigned char *header = message;

    if (len < ENVELOPE_HEADER_BYTES)
        return -EMSGSIZE;
    uint32_t format = get_u32(header + FORMAT_AT);
    uint32_t method = get_u32(header + METHOD_AT);
    if (memcmp(header, magic_of(kind), MAGIC_BYTES) != 0 || !has_valid_fields(kind, format, method, get_u64(header + ZERO_AT)))
        return -EBADMSG;
    if (get_u64(header + CRC_AT) != crc_of(header, len))
        return -EILSEQ;
    *ret_envelope = (struct envelope){.format = format,
                                      .method = method,
                                      .payload = header + ENVELOPE_HEADER_BYTES,
                                      .payload_bytes = len - ENVELOPE_HEADER_BYTES};
    return 0;
}
