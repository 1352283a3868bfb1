/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a maximum. The first failure sticks, so a run of appends is checked once at its end. */
#ifndef BLOBPROXY_BUF_H
#define BLOBPROXY_BUF_H

#include "cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *bytes;      /* NUL kept behind the last byte once anything was appended; owned */
    size_t len;       /* bytes in use, without that NUL */
    size_t cap;       /* bytes allocated */
    size_t max_bytes; /* len never exceeds this */
    int failed;       /* 0, -ENOBUFS (maximum reached) or -ENOMEM; sticks */
};

/* Cannot fail: nothing is allocated until the first append. */
void buf_init(struct buf *buf, size_t max_bytes);

/* Frees and leaves an empty buffer with the same maximum. */
void buf_free(struct buf *buf);

/* As buf_free, after overwriting the bytes: for secrets. */
void buf_wipe(struct buf *buf);

/* Empties, keeps the memory, forgets a failure. */
void buf_clear(struct buf *buf);

/* Each returns 0, -ENOBUFS or -ENOMEM; the contents are unchanged on failure. */
int buf_append(struct buf *buf, const void *bytes, size_t len);
int buf_puts(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for len more bytes; the memory at bytes + len may then be written and len advanced by the caller. */
int buf_reserve(struct buf *buf, size_t len);

/* Text with & < > " ' escaped for XML. Bytes that XML 1.0 cannot hold become U+FFFD. */
int buf_put_xml(struct buf *buf, const char *bytes, size_t len);

#endif
