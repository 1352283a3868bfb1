/* SPDX-License-Identifier: MIT */
/* An HTTP/1.1 message head (start line, fields, empty line) as bytes and as a struct: the payload of envelope format 2.
 * Pure: no I/O, no allocation in the decoder. Strict: what RFC 9112 forbids is refused, nothing is repaired. */
#ifndef BLOBPROXY_HEAD_H
#define BLOBPROXY_HEAD_H

#include "buf.h"
#include "limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Points into bytes owned by somebody else; not NUL-terminated. */
struct slice {
    const char *bytes;
    size_t len;
};

struct head_field {
    struct slice name;
    struct slice value; /* without leading and trailing blanks */
};

struct head {
    struct slice method; /* request: "PUT" */
    struct slice target; /* request: raw, origin form, as it came: never decoded, never normalised */
    struct slice reason; /* response: may be empty */
    uint16_t status;     /* response: 100..599 */
    uint16_t field_count;
    struct head_field fields[LIMIT_HEAD_FIELDS]; /* in the order received, repeats kept */
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
struct slice slice_of(const char *text);
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_nocase(struct slice a, struct slice b); /* ASCII case only */

/* Decodes exactly len bytes, which must end with the empty line. The struct points into bytes.
 * 0; -EBADMSG: not a valid head; -E2BIG: more than LIMIT_HEAD_FIELDS fields. */
int head_parse_request(const char *bytes, size_t len, struct head *ret_head) MUST_CHECK;
int head_parse_response(const char *bytes, size_t len, struct head *ret_head) MUST_CHECK;

/* As head_parse_request(), of HTTP/1.0 too: clients still send it, the bus does not. */
int head_parse_client_request(const char *bytes, size_t len, struct head *ret_head) MUST_CHECK;

/* First field of that name (ASCII case ignored), or NULL. */
const struct head_field *head_find(const struct head *head, const char *name);

/* Its value, or an empty slice with bytes == NULL when the field is absent. */
struct slice head_value(const struct head *head, const char *name);

/* Is a field of that name for this hop only (RFC 9110, 7.6.1): one of the standard ones, or named in a Connection field? In a
 * response Host is, too, as it means nothing there. Never Content-Length, which frames the body. */
bool head_is_hop_by_hop(const struct head *head, struct slice name);

/* Takes those fields away. */
void head_drop_hop_by_hop(struct head *head);

/* Appends to a struct of fields that the caller composes by hand (the slices are kept, not copied). -E2BIG when full. */
int head_add(struct head *head, struct slice name, struct slice value) MUST_CHECK;

/* Content-Length. 0; -ENOENT: absent; -EBADMSG: not all digits, over INT64_MAX, or repeated. */
int head_content_length(const struct head *head, uint64_t *ret_bytes) MUST_CHECK;

/* Composing: start line, fields, end. They refuse (-EBADMSG, sticks in the buf) bytes that would break the framing. */
int head_write_request_line(struct buf *buf, struct slice method, struct slice target);
int head_write_status_line(struct buf *buf, unsigned status, struct slice reason);
int head_write_field(struct buf *buf, struct slice name, struct slice value);
int head_write_end(struct buf *buf);

/* The standard reason phrase of a status, "" for unknown ones. */
const char *head_reason(unsigned status);

#endif
