/* SPDX-License-Identifier: MIT */
/* What executes a transfer at the host's end: the embedded store (service.h) or any Blob endpoint (backend.h). */
#ifndef BLOBHOSTD_EXECUTOR_H
#define BLOBHOSTD_EXECUTOR_H

#include "../lib/buf.h"
#include "../lib/head.h"

#include <stdint.h>
#include <sys/uio.h>

/* One transfer as the VSP hands it over. Everything but the data pages is the host's own copy; the data pages are the guest's and
 * may change under the reader. */
struct host_request {
    uint8_t guid[16];
    const struct head *head;  /* host style: Host "<account>.blob.<suffix>", target "/<container>/<blob>?query" */
    const struct iovec *data; /* the data buffer: request body on the way in, room for the answer's body on the way out */
    int data_iov_count;
    uint64_t data_capacity; /* bytes in data */
    uint64_t body_bytes;    /* of these, request body */
    uint64_t deadline_us;   /* monotonic; after it nothing may be started; 0: none */
};

/* The answer. The executor fills it and hands it back through done(). */
struct host_response {
    struct buf head;     /* complete HTTP/1.1 response head, Content-Length included (but for 204 and 304) */
    uint64_t body_bytes; /* bytes written to the data buffer; 0 for HEAD */
    /* The body does not fit data_capacity: nothing was executed or written; head is the head of the answer that would have been
     * given, so its Content-Length is the size needed. */
    bool is_too_small;
};

struct executor {
    /* Answers through done(done_arg, status), at once or later on the thread that called; status 0 or an HRESULT-like code. */
    void (*execute)(struct executor *self, const struct host_request *request, struct host_response *response,
                    void (*done)(void *arg, uint32_t status), void *done_arg);
    /* On a thread that executed, when it ends and everything is answered: gives back what it kept for that thread. NULL: nothing.
     */
    void (*thread_end)(struct executor *self);
};

#endif
