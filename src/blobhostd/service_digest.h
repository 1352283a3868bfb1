/* SPDX-License-Identifier: MIT */
/* MD5 and CRC-64 of bodies, and base64 between bytes and fields. */
#ifndef BLOBHOSTD_SERVICE_DIGEST_H
#define BLOBHOSTD_SERVICE_DIGEST_H

#include "service_call.h"

#define DIGEST_MD5_BYTES 16

struct digest {
    bool has_md5, has_crc64; /* computed */
    uint8_t md5[DIGEST_MD5_BYTES];
    uint64_t crc64;
};

/* Computes what the request names (Content-MD5, x-ms-content-crc64), and the MD5 when wants_md5, over the request's body, in one
 * pass each. InvalidMd5, InvalidHeaderValue, BothCrc64AndMd5HeaderPresent, Md5Mismatch, Crc64Mismatch. */
enum azure_error digest_verify_body(struct call *call, bool wants_md5, struct digest *ret_digest);

/* Over the first len bytes of the data buffer. */
void digest_md5(const struct call *call, uint64_t len, uint8_t md5[DIGEST_MD5_BYTES]);
uint64_t digest_crc64(const struct call *call, uint64_t len);

/* Fields of the answer. */
void digest_answer(struct call *call, const struct digest *digest);
void digest_answer_md5(struct call *call, const char *name, const uint8_t md5[DIGEST_MD5_BYTES]);
void digest_answer_crc64(struct call *call, uint64_t crc64);

/* A field that holds a base64 MD5. AZURE_OK with *ret_has false when absent; InvalidMd5. */
enum azure_error digest_parse_md5(struct call *call, const char *name, bool *ret_has, uint8_t md5[DIGEST_MD5_BYTES]);

/* Strict base64: no blanks, padding required. Length, or -EBADMSG, or -ENOBUFS: more than max_bytes. */
ssize_t digest_base64_decode(struct slice text, uint8_t *bytes, size_t max_bytes) MUST_CHECK;

/* text has DIGEST_BASE64_BYTES(len). */
#define DIGEST_BASE64_BYTES(len) (((len) + 2) / 3 * 4 + 1)
size_t digest_base64_encode(const uint8_t *bytes, size_t len, char *text);

#endif
