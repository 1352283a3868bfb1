/* SPDX-License-Identifier: MIT */
/* Fuzzes the envelope: no message may be misread, and what is sealed opens again. */
#include "../../src/lib/envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_opened(const uint8_t *bytes, size_t len, enum envelope_kind kind)
{
    struct envelope envelope;

    if (envelope_open(kind, bytes, len, &envelope) != 0)
        return;
    if (envelope.payload != bytes + ENVELOPE_HEADER_BYTES || envelope.payload_bytes != len - ENVELOPE_HEADER_BYTES)
        abort();
}

static void check_sealed(const uint8_t *bytes, size_t len, enum envelope_kind kind)
{
    struct envelope envelope;
    uint8_t *message = malloc(ENVELOPE_HEADER_BYTES + len);

    if (message == NULL)
        return;
    if (len > 0)
        memcpy(message + ENVELOPE_HEADER_BYTES, bytes, len);
    envelope_seal(kind, ENVELOPE_FORMAT_HTTP, 0, message, len);
    if (envelope_open(kind, message, ENVELOPE_HEADER_BYTES + len, &envelope) != 0 || envelope.payload_bytes != len)
        abort();
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    check_opened(bytes, len, ENVELOPE_REQUEST);
    check_opened(bytes, len, ENVELOPE_RESPONSE);
    check_sealed(bytes, len, ENVELOPE_REQUEST);
    check_sealed(bytes, len, ENVELOPE_RESPONSE);
    return 0;
}
