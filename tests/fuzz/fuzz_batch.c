/* SPDX-License-Identifier: MIT */
/* First line: Content-Type; the rest: body. What comes out is what went in but for accounts and signatures: never longer than
 * signatures make it, and unchanged where no account is named. */
#include "../../src/blobproxyd/batch.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void rewrite(struct slice type, struct slice body, const char *name, const struct account *keys)
{
    static struct head scratch;
    struct buf sign_text CLEANUP(buf_free), out CLEANUP(buf_free);
    struct batch batch = {.content_type = type,
                          .account = name,
                          .keys = keys,
                          .scratch = &scratch,
                          .sign_text = &sign_text,
                          .wall_us = 1769849377000000};

    buf_init(&sign_text, 2 * LIMIT_HEAD_BYTES);
    buf_init(&out, 2 * BATCH_BYTES_MAX);
    if (batch_rewrite(body, &batch, &out) < 0)
        return;
    require(out.len <= body.len + BATCH_PARTS_MAX * 128u);
    if (!memmem(body.bytes, body.len, name, strlen(name)))
        require(out.len == body.len && memcmp(out.bytes ? out.bytes : "", body.bytes, body.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct account account = {.name = "acct", .keys = {{.bytes = {1, 2, 3}, .len = 3}}};
    const char *bytes = (const char *)data;
    const char *line = size > 0 ? memchr(bytes, '\n', size) : NULL;
    struct slice type, body;

    if (!line)
        return 0;
    type = (struct slice){bytes, (size_t)(line - bytes)};
    body = (struct slice){line + 1, size - type.len - 1};
    rewrite(type, body, "acct", &account);
    rewrite(SLICE("multipart/mixed; boundary=b"), body, "acct", &account);
    rewrite(SLICE("multipart/mixed; boundary=b"), body, "acct", NULL);
    return 0;
}
