/* SPDX-License-Identifier: MIT */
/* Every limit of the programs, each with its reason. */
#ifndef BLOBPROXY_LIMITS_H
#define BLOBPROXY_LIMITS_H

/* One message head, request or response. The longest legal one: a name of 1,024 characters percent-encoded (12 KiB), 8 KiB of
 * metadata, a token of 2-4 KiB; 32 KiB is safe, this is generous. */
#define LIMIT_HEAD_BYTES 65536u

/* Header fields in one head. A blob can carry 8 KiB of metadata in fields of at least 14 bytes. */
#define LIMIT_HEAD_FIELDS 256u

/* The published device refuses more than 8192 pages over the three buffers of a transfer. */
#define LIMIT_TRANSFER_PAGES 8192u

/* Request and response buffers of a slot: a head and its 32-byte envelope. */
#define LIMIT_SLOT_REQUEST_BYTES (LIMIT_HEAD_BYTES + 4096u)
#define LIMIT_SLOT_RESPONSE_BYTES 32768u

/* Path part of a target: 1,024 characters of up to 12 encoded bytes, the container and the account. */
#define LIMIT_TARGET_BYTES 24576u

/* XML that a client sends: a block list has up to 50,000 ids of about 110 bytes (5.5 MiB). */
#define LIMIT_REQUEST_XML_BYTES (6u * 1024 * 1024)

/* Documented limits of the Blob service. */
#define LIMIT_BLOB_NAME_CHARS 1024u
#define LIMIT_METADATA_BYTES 8192u
#define LIMIT_BLOCKS_COMMITTED 50000u
#define LIMIT_BLOCKS_UNCOMMITTED 100000u
#define LIMIT_BLOCK_ID_BYTES 64u
#define LIMIT_APPEND_BLOCKS 50000u
#define LIMIT_LIST_RESULTS 5000u
#define LIMIT_PUT_PAGE_BYTES (4u * 1024 * 1024)

/* What of x-ms-client-request-id is echoed: the documented maximum. */
#define LIMIT_CLIENT_REQUEST_ID_BYTES 1024u

/* Clock difference that a SharedKey signature may have: 15 minutes, as the service documents. */
#define LIMIT_SIGNATURE_SKEW_S 900

/* The head of a request as clients may send it. libmicrohttpd keeps head, parsed fields and the response's head in one pool per
 * connection (LIMIT_CONNECTION_POOL_BYTES), which it zeroes after each request: larger pools cost memory and time on every one.
 */
#define LIMIT_FIRST_HEAD_BYTES 32768u
#define LIMIT_CONNECTION_POOL_BYTES (48u * 1024)

/* What libmicrohttpd 0.9.72 to 1.0.1 takes of the pool for each header field, query parameter and cookie (56 bytes, aligned), and
 * what a head may take with these: the rest holds a response's head with 8 KiB of metadata. */
#define LIMIT_HEAD_RECORD_BYTES 64u
#define LIMIT_PARSED_HEAD_BYTES (38u * 1024)

/* What is read and thrown away of a refused request's body, so that the client reads the answer instead of a reset. */
#define LIMIT_DISCARD_BYTES (64u * 1024 * 1024)

/* A body must have shown this many bytes (or all of it) before it gets a slot: who only drips never holds one. */
#define LIMIT_BODY_PROOF_BYTES 4096u

#endif
