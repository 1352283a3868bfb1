/* SPDX-License-Identifier: MIT */
/* Blob Batch in path style: the requests inside name and sign "/account/container/blob", and must go to the host in host style.
 * Pure: bytes in, bytes out. */
#ifndef BLOBPROXYD_BATCH_H
#define BLOBPROXYD_BATCH_H

#include "../lib/head.h"
#include "../lib/sign/accounts.h"

#include <stdint.h>

#define BATCH_BYTES_MAX (4u * 1024 * 1024) /* documented limits of the service */
#define BATCH_PARTS_MAX 256u

struct batch {
    struct slice content_type;  /* of the whole: names the boundary */
    const char *account;        /* of the whole */
    const struct account *keys; /* NULL: none is known */
    struct head *scratch;       /* for one part's head */
    struct buf *sign_text;      /* scratch */
    int64_t wall_us;
};

/* Appends body to ret_body, each request inside rewritten:
 * - "/ACCOUNT" (or "/ACCOUNT-secondary") is taken off its path; a path without it stays, since one SDK leaves the account out;
 * - what then is signed with SharedKey, and was signed right over the path as it came, is signed anew over the new path. A
 *   signature that is wrong, or that no key can verify, stays as it is: the host answers 403 for that part alone;
 * - a Content-Length in front of the request follows its length;
 * - everything else stays byte for byte.
 * 0; -EBADMSG: no boundary, none of its delimiters, or a part that is no request with a path, and so cannot be rewritten; -E2BIG: more than BATCH_PARTS_MAX parts; -ENOBUFS, -ENOMEM: of ret_body. */
int batch_rewrite(struct slice body, const struct batch *batch, struct buf *ret_body) MUST_CHECK;

#endif
