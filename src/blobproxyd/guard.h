/* SPDX-License-Identifier: MIT */
/* What no request may look like, whatever a lenient HTTP parser made of it. Pure: bytes in, verdict out.
 * A refusal always closes the connection, because the framing of what follows is in doubt. */
#ifndef BLOBPROXYD_GUARD_H
#define BLOBPROXYD_GUARD_H

#include "../lib/azure/error.h"
#include "../lib/head.h"

/* Empty lines before a request line (RFC 9112, 2.2) that are tolerated: two. */
#define GUARD_EMPTY_LINE_BYTES 4u

struct guard_verdict {
    enum azure_error error; /* AZURE_OK: let it in */
    const char *detail;     /* what is wrong, for the client's error body; static text */
    bool is_parsed;         /* of guard_scan(), with GUARD_REFUSED: *head has the request */
    /* Of guard_scan(), with GUARD_COMPLETE: where the head begins, and how long it is with the body that it announces. */
    size_t empty_line_bytes;
    uint64_t request_bytes;
};

/* Checks method, target and fields of a request as parsed by anybody: token names, no control characters, exactly one valid
 * Host, at most one all-digit Content-Length, known methods, origin-form target without '#' or "%00", Expect only
 * 100-continue, no Transfer-Encoding, Connection only with the options of HTTP. */
struct guard_verdict guard_check(const struct head *request);

enum guard_scan { GUARD_INCOMPLETE, GUARD_COMPLETE, GUARD_REFUSED };

/* Looks at the bytes of a request before any other parser does. INCOMPLETE: the head has not ended yet and is within
 * LIMIT_FIRST_HEAD_BYTES; COMPLETE: one whole head of HTTP/1.0 or 1.1 that passes guard_check and that the HTTP library has room
 * for (ret_verdict is AZURE_OK). *head is scratch. */
enum guard_scan guard_scan(const char *bytes, size_t len, struct head *head, struct guard_verdict *ret_verdict);

#endif
