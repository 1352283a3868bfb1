/* SPDX-License-Identifier: MIT */
/* The ioctl of /dev/azure_blob, read from the published facts anew: no header of the daemon, so that each reading checks the
 * other. */
#ifndef TESTS_AZBLOB_H
#define TESTS_AZBLOB_H

#include <stddef.h>
#include <stdint.h>

/* Direction read and write, size 72, type 'R'. */
#define AZBLOB_COMMAND_LIST 0xC04852F0u   /* versions 2 to 5 of the patch series */
#define AZBLOB_COMMAND_VENDOR 0xC048520Au /* the vendor's library and trees */

#define AZBLOB_LENGTH_MAX (32u << 20) /* of each buffer */
#define AZBLOB_PAGES_MAX 8192u        /* of the three together */
#define AZBLOB_PAGE_BYTES 4096u

struct azblob_request {
    uint8_t guid[16];
    uint32_t timeout_ms;
    uint32_t request_len;
    uint32_t response_len;
    uint32_t data_len;
    uint32_t data_valid;
    uint32_t hole;
    uint64_t request_buffer;
    uint64_t response_buffer;
    uint64_t data_buffer;
};

/* Behind it; all that the driver writes back. */
struct azblob_reply {
    uint32_t status;
    uint32_t response_len;
};

_Static_assert(offsetof(struct azblob_request, data_valid) == 32 && offsetof(struct azblob_request, data_buffer) == 56, "layout");
_Static_assert(sizeof(struct azblob_request) + sizeof(struct azblob_reply) == 72, "layout");

/* The ring that the driver opens: 128 KiB in each direction, a page of each is its header. A request over n pages is a packet of
 * 88 + 8n bytes and its footer of 8, and a ring is never filled to the last byte. */
#define AZBLOB_RING_BYTES (128u << 10)
#define AZBLOB_PACKET_BYTES(pages) (96u + 8u * (pages))

#endif
