/* SPDX-License-Identifier: MIT */
/* The digests of a body that passes by, as the Blob service writes them. Pure. */
#ifndef BLOBPROXYD_DIGESTS_H
#define BLOBPROXYD_DIGESTS_H

#include "../lib/azure/error.h"
#include "../lib/head.h"

#include <nettle/base64.h>
#include <nettle/md5.h>
#include <stdbool.h>
#include <stddef.h>

struct digests {
    struct md5_ctx md5;
    uint64_t crc;
    bool has_crc;
    /* Base64, NUL-terminated; set by digests_end(). */
    char md5_text[BASE64_ENCODE_RAW_LENGTH(MD5_DIGEST_SIZE) + 1];
    char crc_text[BASE64_ENCODE_RAW_LENGTH(8) + 1]; /* CRC-64/NVME, little-endian; of nothing without with_crc */
};

void digests_begin(struct digests *digests, bool with_crc);
void digests_update(struct digests *digests, const char *bytes, size_t len);
void digests_end(struct digests *digests);

/* Are they what a Put Blob claims? AZURE_OK, InvalidMd5, Md5Mismatch, Crc64Mismatch. Content-MD5 and x-ms-blob-content-md5 both
 * tell the MD5 of its body. */
enum azure_error digests_check(const struct digests *digests, const struct head *request);

#endif
