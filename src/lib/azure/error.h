/* SPDX-License-Identifier: MIT */
/* The Azure errors that the programs answer themselves: one table of {status, code, message}. Callers name a row. */
#ifndef BLOBPROXY_AZURE_ERROR_H
#define BLOBPROXY_AZURE_ERROR_H

#include "../buf.h"

#include <stdint.h>

/* The rows stand in error.def: X(ENUM_NAME, status, "Code", "Message."). */
enum azure_error {
    AZURE_OK = 0,
#define X(name, status, code, message) AZURE_##name,
#include "error.def"
#undef X
    AZURE_ERROR_COUNT
};

unsigned azure_error_status(enum azure_error error);
const char *azure_error_code(enum azure_error error);
const char *azure_error_message(enum azure_error error);

/* The error document as the service writes it: <?xml ...><Error><Code/><Message/></Error>. The message gets detail (may be NULL)
 * as its second sentence and, as the service does, "\nRequestId:...\nTime:...". All text is escaped. */
int azure_error_xml(struct buf *buf, enum azure_error error, const char *detail, const char *request_id, int64_t wall_us);

#define AZURE_REQUEST_ID_BYTES 37 /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and NUL */

/* Text form of 16 bytes as the service writes its request ids. */
void azure_guid_text(const uint8_t guid[16], char text[AZURE_REQUEST_ID_BYTES]);

/* 16 random bytes (version 4), from a generator of this thread: cheap enough for every transfer. */
void azure_guid_random(uint8_t guid[16]);

#endif
