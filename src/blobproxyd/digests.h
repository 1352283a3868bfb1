/* SPDX-License-Identifier: MIT */
/* The digests of a body that passes by, as the Blob service writes them. Pure. */
#ifndef BLOBPROXYD_DIGESTS_H
#define BLOBPROXYD_DIGESTS_H

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

#endif
