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

static bool is_as_claimed(struct slice claimed, const char *text)
{
    return !claimed.bytes || slice_equal(claimed, slice_of(text));
}

static bool is_md5(struct slice text)
{
    struct base64_decode_ctx decoder;
    uint8_t md5[BASE64_DECODE_LENGTH(BASE64_ENCODE_RAW_LENGTH(MD5_DIGEST_SIZE))];
    size_t len = sizeof(md5);

    base64_decode_init(&decoder);
    return text.len == BASE64_ENCODE_RAW_LENGTH(MD5_DIGEST_SIZE) &&
           base64_decode_update(&decoder, &len, md5, text.len, text.bytes) && base64_decode_final(&decoder) &&
           len == MD5_DIGEST_SIZE;
}

enum azure_error digests_check(const struct digests *digests, const struct head *request)
{
    static const char *const fields[] = {"Content-MD5", "x-ms-blob-content-md5"};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct slice claimed = head_value(request, fields[i]);

        if (claimed.bytes && !is_md5(claimed))
            return AZURE_InvalidMd5;
        if (!is_as_claimed(claimed, digests->md5_text))
            return AZURE_Md5Mismatch;
    }
    return is_as_claimed(head_value(request, "x-ms-content-crc64"), digests->crc_text) ? AZURE_OK : AZURE_Crc64Mismatch;
}
