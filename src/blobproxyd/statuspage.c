/* SPDX-License-Identifier: MIT */
/* The page as bytes, and the header fields that confine it. */
#include "statuspage.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <string.h>

#ifndef STATUSPAGE_FILE
#define STATUSPAGE_FILE "src/blobproxyd/statuspage.html" /* built without configure, in the source tree */
#endif
#define TYPE_HTML "text/html; charset=utf-8"
#define POLICY_MAX_BYTES 1024u

/* The assembler reads the file; the Makefile knows that this object depends on it. */
__asm__(".pushsection .rodata,\"a\",%progbits\n"
        ".globl statuspage_begin, statuspage_end\n"
        ".hidden statuspage_begin, statuspage_end\n"
        "statuspage_begin: .incbin \"" STATUSPAGE_FILE "\"\n"
        "statuspage_end: .byte 0\n"
        ".popsection");
extern const char statuspage_begin[] __attribute__((visibility("hidden")));
extern const char statuspage_end[] __attribute__((visibility("hidden")));

/* What stands between the tags, which occur once. */
static const char *find_element(const char *page, size_t len, const char *open, const char *close, size_t *ret_len)
{
    const char *begin = memmem(page, len, open, strlen(open));
    const char *end;

    if (!begin)
        return NULL;
    begin += strlen(open);
    end = memmem(begin, (size_t)(page + len - begin), close, strlen(close));
    if (!end)
        return NULL;
    *ret_len = (size_t)(end - begin);
    return begin;
}

static int put_digest(const char *page, size_t len, const char *open, const char *close, struct buf *text)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char encoded[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";
    size_t element_len;
    const char *element = find_element(page, len, open, close, &element_len);

    if (!element)
        return -EINVAL;
    sha256_init(&context);
    sha256_update(&context, element_len, (const uint8_t *)element);
    sha256_digest(&context, sizeof(digest), digest);
    base64_encode_raw(encoded, sizeof(digest), digest);
    return buf_printf(text, "'sha256-%s'; ", encoded);
}

int statuspage_policy(const char *page, size_t len, struct buf *text)
{
    int r;

    (void)buf_puts(text, "default-src 'none'; connect-src 'self'; img-src data:; style-src ");
    r = put_digest(page, len, "<style>", "</style>", text);
    if (r < 0)
        return r;
    (void)buf_puts(text, "script-src ");
    r = put_digest(page, len, "<script>", "</script>", text);
    if (r < 0)
        return r;
    return buf_puts(text, "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                          "require-trusted-types-for 'script'; trusted-types 'none'");
}

void statuspage_answer(struct adminhttp_call *call)
{
    size_t len = (size_t)(statuspage_end - statuspage_begin);
    CLEANUP(buf_free) struct buf policy;

    buf_init(&policy, POLICY_MAX_BYTES);
    if (statuspage_policy(statuspage_begin, len, &policy) < 0) {
        adminhttp_answer_text(call, 500, "the page could not be written\n");
        return;
    }
    adminhttp_answer(call, 200, TYPE_HTML, statuspage_begin, len);
    adminhttp_add_field(call, "Content-Security-Policy", policy.bytes);
    adminhttp_add_field(call, "X-Content-Type-Options", "nosniff");
    adminhttp_add_field(call, "Referrer-Policy", "no-referrer");
    adminhttp_add_field(call, "Cross-Origin-Opener-Policy", "same-origin");
}
