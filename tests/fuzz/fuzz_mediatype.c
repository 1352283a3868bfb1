/* SPDX-License-Identifier: MIT */
/* A Content-Type: what is found in it reads the same when it is written again as a quoted string. */
#include "../../src/blobproxyd/mediatype.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

/* Type "a/b", the parameter in quotes with every byte escaped. */
static void must_read_again(const char *value)
{
    struct buf text CLEANUP(buf_free);
    char again[32];

    buf_init(&text, 256);
    buf_puts(&text, "a/b; c=d; Boundary=\"");
    for (size_t i = 0; value[i]; i++) {
        buf_puts(&text, "\\");
        buf_append(&text, value + i, 1);
    }
    buf_puts(&text, "\"; e=f");
    require(mediatype_parameter((struct slice){text.bytes, text.len}, "boundary", again, sizeof(again)) == 0);
    require(strcmp(again, value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char value[32] = "";
    char *copy = malloc(size > 0 ? size : 1); /* of the exact size, so that reading behind the end is seen */
    int r;

    memcpy(copy, data, size);
    r = mediatype_parameter((struct slice){copy, size}, "boundary", value, sizeof(value));
    require(r == 0 || r == -ENOENT || r == -EBADMSG || r == -ENOBUFS);
    require(r != 0 || strlen(value) < sizeof(value));
    if (r == 0)
        must_read_again(value);
    free(copy);
    return 0;
}
