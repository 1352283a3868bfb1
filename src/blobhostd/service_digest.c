/* SPDX-License-Identifier: MIT */
/* Checksums over the pieces of the data buffer. */
#include "service_digest.h"

#include "../lib/crc64.h"
#include "service_answer.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <string.h>

#define CRC64_BYTES 8

_Static_assert(DIGEST_MD5_BYTES == MD5_DIGEST_SIZE, "an MD5 is an MD5");

ssize_t digest_base64_decode(struct slice text, uint8_t *bytes, size_t max_bytes)
{
    struct base64_decode_ctx ctx;
    uint8_t group[3];
    size_t len = 0, got;

    if (text.len % 4 != 0)
        return -EBADMSG;
    base64_decode_init(&ctx);
    for (size_t i = 0; i < text.len; i += 4) {
        for (size_t k = i; k < i + 4; k++)
            if (text.bytes[k] == ' ' || (text.bytes[k] >= '\t' && text.bytes[k] <= '\r'))
                return -EBADMSG; /* the library skips blanks */
        got = sizeof(group);
        if (!base64_decode_update(&ctx, &got, group, 4, text.bytes + i))
            return -EBADMSG;
        if (len + got > max_bytes)
            return -ENOBUFS;
        memcpy(bytes + len, group, got);
        len += got;
    }
    return base64_decode_final(&ctx) ? (ssize_t)len : -EBADMSG;
}

size_t digest_base64_encode(const uint8_t *bytes, size_t len, char *text)
{
    base64_encode_raw(text, len, bytes);
    text[BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
    return BASE64_ENCODE_RAW_LENGTH(len);
}

void digest_md5(const struct call *call, uint64_t len, uint8_t md5[DIGEST_MD5_BYTES])
{
    struct md5_ctx ctx;

    md5_init(&ctx);
    for (int i = 0; i < call->request->data_iov_count && len > 0; i++) {
        const struct iovec *iov = &call->request->data[i];
        size_t step = iov->iov_len < len ? iov->iov_len : (size_t)len;

        md5_update(&ctx, step, iov->iov_base);
        len -= step;
    }
    md5_digest(&ctx, DIGEST_MD5_BYTES, md5);
}

uint64_t digest_crc64(const struct call *call, uint64_t len)
{
    uint64_t crc = 0;

    for (int i = 0; i < call->request->data_iov_count && len > 0; i++) {
        const struct iovec *iov = &call->request->data[i];
        size_t step = iov->iov_len < len ? iov->iov_len : (size_t)len;

        crc = crc64_update(crc, iov->iov_base, step);
        len -= step;
    }
    return crc;
}

enum azure_error digest_parse_md5(struct call *call, const char *name, bool *ret_has, uint8_t md5[DIGEST_MD5_BYTES])
{
    struct slice value;

    *ret_has = call_field(call, name, &value);
    if (*ret_has && digest_base64_decode(value, md5, DIGEST_MD5_BYTES) != DIGEST_MD5_BYTES)
        return call_refuse(call, AZURE_InvalidMd5, "The field is %s.", name);
    return AZURE_OK;
}

static enum azure_error parse_crc64(struct call *call, bool *ret_has, uint64_t *ret_crc)
{
    uint8_t bytes[CRC64_BYTES];
    struct slice value;
    uint64_t crc = 0;

    *ret_has = call_field(call, "x-ms-content-crc64", &value);
    if (!*ret_has)
        return AZURE_OK;
    if (digest_base64_decode(value, bytes, sizeof(bytes)) != CRC64_BYTES)
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-content-crc64 is not the base64 of 8 bytes.");
    for (unsigned i = 0; i < CRC64_BYTES; i++)
        crc |= (uint64_t)bytes[i] << (8 * i);
    *ret_crc = crc;
    return AZURE_OK;
}

enum azure_error digest_verify_body(struct call *call, bool wants_md5, struct digest *ret_digest)
{
    struct digest digest = {.has_md5 = false};
    uint8_t md5[DIGEST_MD5_BYTES];
    bool names_md5;
    uint64_t crc64 = 0;
    enum azure_error error = digest_parse_md5(call, "Content-MD5", &names_md5, md5);

    if (error == AZURE_OK)
        error = parse_crc64(call, &digest.has_crc64, &crc64);
    if (error)
        return error;
    if (names_md5 && digest.has_crc64)
        return AZURE_BothCrc64AndMd5HeaderPresent;
    digest.has_md5 = names_md5 || wants_md5;
    if (digest.has_md5)
        digest_md5(call, call->request->body_bytes, digest.md5);
    if (names_md5 && memcmp(md5, digest.md5, sizeof(md5)) != 0)
        return AZURE_Md5Mismatch;
    if (digest.has_crc64)
        digest.crc64 = digest_crc64(call, call->request->body_bytes);
    if (digest.crc64 != crc64)
        return AZURE_Crc64Mismatch;
    *ret_digest = digest;
    return AZURE_OK;
}

void digest_answer_md5(struct call *call, const char *name, const uint8_t md5[DIGEST_MD5_BYTES])
{
    char text[DIGEST_BASE64_BYTES(DIGEST_MD5_BYTES)];

    answer_field(call, name, (struct slice){text, digest_base64_encode(md5, DIGEST_MD5_BYTES, text)});
}

void digest_answer_crc64(struct call *call, uint64_t crc64)
{
    uint8_t bytes[CRC64_BYTES];
    char text[DIGEST_BASE64_BYTES(CRC64_BYTES)];

    for (unsigned i = 0; i < CRC64_BYTES; i++)
        bytes[i] = (uint8_t)(crc64 >> (8 * i));
    answer_field(call, "x-ms-content-crc64", (struct slice){text, digest_base64_encode(bytes, sizeof(bytes), text)});
}

void digest_answer(struct call *call, const struct digest *digest)
{
    if (digest->has_md5)
        digest_answer_md5(call, "Content-MD5", digest->md5);
    if (digest->has_crc64)
        digest_answer_crc64(call, digest->crc64);
}
