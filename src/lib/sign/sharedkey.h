/* SPDX-License-Identifier: MIT */
/* SharedKey authorization: the string to sign, signing and verifying. Pure but for the caller's clock value. */
#ifndef BLOBPROXY_SHAREDKEY_H
#define BLOBPROXY_SHAREDKEY_H

#include "../buf.h"
#include "../head.h"
#include "accounts.h"

#include <stdint.h>

/* What is signed beside the fields of the head. */
struct sharedkey_request {
    const struct head *head; /* method and fields; Content-Length as the client sent it */
    const char *account;
    struct slice path;  /* raw, exactly as encoded on the wire of that hop; for path style with the account in it */
    struct slice query; /* raw */
};

enum sharedkey_order {
    SHAREDKEY_ORDER_CULTURE, /* x-ms-* fields sorted as the service sorts them */
    SHAREDKEY_ORDER_BYTES,   /* sorted bytewise, as older clients do */
};

/* Of SharedKey. Blob, version 2009-09-19 and later; a '+' in a query value is a blank, as the service reads it.
 * 0, -ENOBUFS (text too long, or more than 128 query parameters), -ENOMEM, -EBADMSG (a query value that does not decode). */
int sharedkey_string_to_sign(const struct sharedkey_request *request, enum sharedkey_order order,
                             struct buf *ret_text) MUST_CHECK;

#define SHAREDKEY_SIGNATURE_BYTES 45 /* base64 of 32 bytes and NUL */

void sharedkey_sign(const struct account_key *key, const char *text, size_t len, char signature[SHAREDKEY_SIGNATURE_BYTES]);

enum sharedkey_scheme { SHAREDKEY_FULL, SHAREDKEY_LITE };

/* "SharedKey account:signature", or SharedKeyLite. 0; -EINVAL: another scheme or malformed. The slices point into value. */
int sharedkey_parse(struct slice value, enum sharedkey_scheme *ret_scheme, struct slice *ret_account,
                    struct slice *ret_signature) MUST_CHECK;

enum sharedkey_verdict {
    SHAREDKEY_OK,
    SHAREDKEY_MALFORMED, /* no parsable Authorization, date absent or unreadable */
    SHAREDKEY_SKEWED,    /* x-ms-date or Date is more than LIMIT_SIGNATURE_SKEW_S away from wall_us */
    SHAREDKEY_MISMATCH,  /* wrong account, or no key and no form of the resource gives this signature */
};

/* SharedKey and SharedKeyLite. Tries both keys, both orders, both forms of '+' in query values and, when alternative_path is not
 * empty, that path too (the secondary's forms). Comparisons take constant time. */
enum sharedkey_verdict sharedkey_verify(const struct sharedkey_request *request, struct slice alternative_path,
                                        const struct account *account, int64_t wall_us);

/* A copy of a string to sign for the log: keys, tokens and signatures that stand in signed fields are replaced by "redacted". */
void sharedkey_redact(const struct buf *text, struct buf *ret_text);

/* Order of two x-ms-* names as the service sorts them. <0, 0, >0. */
int sharedkey_compare_names(struct slice a, struct slice b);

#endif
