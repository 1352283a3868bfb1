/* SPDX-License-Identifier: MIT */
/* Does a body still stand where it was handed to the host? The host writes its answer into the same pages, from their first byte
 * on. When the channel is lost it may have done so without being able to tell, or do so still: what then stands there must not
 * be sent as the client's body. */
#ifndef BLOBPROXYD_BODYMARK_H
#define BLOBPROXYD_BODYMARK_H

#include <stdbool.h>
#include <stdint.h>

/* No answer begins with as many bytes of the body: an error names its request's id within the first 300. */
#define BODY_MARK_BYTES 512u

/* Zero-initialised: nothing was handed over. */
struct body_mark {
    uint32_t bytes;
    char first[BODY_MARK_BYTES];
};

/* Before it is handed over. */
void body_mark_set(struct body_mark *mark, const void *body, uint64_t body_bytes);

/* Asked of the same place after it was copied from there: nobody had begun to write over it. */
bool body_mark_stands(const struct body_mark *mark, const void *body);

#endif
