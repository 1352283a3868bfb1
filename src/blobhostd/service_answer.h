/* SPDX-License-Identifier: MIT */
/* Composing answers: the response head, XML bodies, errors. Failures stick in response->head and are looked at once, at the end.
 */
#ifndef BLOBHOSTD_SERVICE_ANSWER_H
#define BLOBHOSTD_SERVICE_ANSWER_H

#include "service_call.h"

/* Status line and the fields that every answer has; forgets what was composed before. */
void answer_begin(struct call *call, unsigned status);

/* A whole field line that is known to be well-formed: answer_line(call, "Accept-Ranges: bytes\r\n"). */
#define answer_line(call, literal) (void)buf_append(&(call)->response->head, (literal), sizeof(literal) - 1)

/* name is a literal; a value that would break the framing fails the answer. */
void answer_field(struct call *call, const char *name, struct slice value);
void answer_text(struct call *call, const char *name, const char *value); /* nothing when value is NULL */
void answer_number(struct call *call, const char *name, uint64_t value);
void answer_date(struct call *call, const char *name, int64_t wall_us);

#define ETAG_BYTES 24 /* quotes, "0x", 16 digits and NUL fit */

/* Without and with the quotes. text has ETAG_BYTES; the length is returned. */
size_t etag_text(uint64_t etag, char *text);
size_t etag_quoted(uint64_t etag, char *text);

/* ETag and Last-Modified. */
void answer_version(struct call *call, uint64_t etag, int64_t modified_us);

/* Content-Length: 0 and the end of the head. */
void answer_end_empty(struct call *call);

/* Content-Length and the end of the head, for a body of body_bytes that stands in the data buffer (none for HEAD). */
void answer_end(struct call *call, uint64_t body_bytes);

/* The same for an answer whose body does not fit: only its head is given. */
void answer_end_too_small(struct call *call, uint64_t body_bytes);

/* Content-Type, and an XML body copied to the data buffer if it fits. */
enum azure_error answer_xml(struct call *call, const struct buf *body);

/* The whole answer to an error, composed anew. */
void answer_error(struct call *call, enum azure_error error);

#endif
