/* SPDX-License-Identifier: MIT */
/* The published 32-byte header in front of what the request and response buffers carry; all integers little-endian.
 * Pure. Test vectors: tests/vectors/envelope.txt. Format 2 (an HTTP/1.1 head, head.h) is this project's definition. */
#ifndef BLOBPROXY_ENVELOPE_H
#define BLOBPROXY_ENVELOPE_H

#include "cleanup.h"

#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_HEADER_BYTES 32u
#define ENVELOPE_FORMAT_JSON 1u
#define ENVELOPE_FORMAT_HTTP 2u

enum envelope_kind { ENVELOPE_REQUEST, ENVELOPE_RESPONSE };

struct envelope {
    uint32_t format;
    uint32_t method;     /* format 1: 1 open, 2 read, 3 close; format 2: always 0 */
    const void *payload; /* points into the decoded bytes */
    size_t payload_bytes;
};

/* Writes the header in front of a payload that already stands at message + ENVELOPE_HEADER_BYTES. message has
 * ENVELOPE_HEADER_BYTES + payload_bytes bytes; that sum is also what goes on the wire. */
void envelope_seal(enum envelope_kind kind, uint32_t format, uint32_t method, void *message, size_t payload_bytes);

/* Checks magic, format (1 or 2), method range, the zero field and the CRC over all len bytes.
 * 0; -EMSGSIZE: shorter than a header; -EBADMSG: wrong magic, field or format; -EILSEQ: wrong CRC.
 * The bytes must not change meanwhile: copy out of shared memory first. */
int envelope_open(enum envelope_kind kind, const void *message, size_t len, struct envelope *ret_envelope) MUST_CHECK;

#endif
