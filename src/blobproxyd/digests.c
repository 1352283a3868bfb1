/* SPDX-License-Identifier: MIT */
/* MD5 and, where somebody asked for it, CRC-64 over the same bytes. */
#include "digests.h"

#include "../lib/crc64.h"

void digests_begin(struct digests *digests, bool with_crc)
{
    *digests = (struct digests){.has_crc = with_crc};
    md5_init(&digests->md5);
}

void digests_update(struct digests *digests, const char *bytes, size_t len)
{
    md5_update(&digests->md5, len, (const uint8_t *)bytes);
    if (digests->has_crc)
        digests->crc = crc64_update(digests->crc, bytes, len);
}

void digests_end(struct digests *digests)
{
    uint8_t md5[MD5_DIGEST_SIZE], crc[8];

    md5_digest(&digests->md5, sizeof(md5), md5);
    base64_encode_raw(digests->md5_text, sizeof(md5), md5);
    digests->md5_text[sizeof(digests->md5_text) - 1] = '\0';
    for (unsigned i = 0; i < sizeof(crc); i++)
        crc[i] = (uint8_t)(digests->crc >> (8 * i));
    base64_encode_raw(digests->crc_text, sizeof(crc), crc);
    digests->crc_text[sizeof(digests->crc_text) - 1] = '\0';
}
