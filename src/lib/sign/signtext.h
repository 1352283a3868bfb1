/* SPDX-License-Identifier: MIT */
/* What the strings to sign of SharedKey and SAS have in common: decoded query text and the test of a signature. */
#ifndef BLOBPROXY_SIGNTEXT_H
#define BLOBPROXY_SIGNTEXT_H

#include "../buf.h"
#include "../head.h"
#include "accounts.h"

/* How a '+' in a query is read: the service takes it for a blank, other servers leave it. */
enum signtext_plus { SIGNTEXT_PLUS_BLANK, SIGNTEXT_PLUS_LITERAL };

/* Takes one decoded byte off the front of *rest (which must not be empty). -EBADMSG: a '%' without two hex digits (taken alone).
 */
int signtext_next_byte(struct slice *rest, enum signtext_plus plus);

/* Appends raw percent-decoded. 0, -EBADMSG, -ENOBUFS, -ENOMEM. */
int signtext_put_decoded(struct buf *text, struct slice raw, enum signtext_plus plus) MUST_CHECK;

/* Is signature the base64 HMAC-SHA256 of the text under one of the account's keys? Constant time in the signature. */
bool signtext_matches(const struct account *account, const struct buf *text, struct slice signature);

#endif
