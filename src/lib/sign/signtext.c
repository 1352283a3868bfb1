/* SPDX-License-Identifier: MIT */
/* Decoding into strings to sign, and comparing signatures. */
#include "signtext.h"

#include "sharedkey.h"

#include <errno.h>
#include <nettle/memops.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int signtext_next_byte(struct slice *rest, enum signtext_plus plus)
{
    const char *bytes = rest->bytes;
    int high, low;

    rest->bytes++;
    rest->len--;
    if (bytes[0] == '+' && plus == SIGNTEXT_PLUS_BLANK)
        return ' ';
    if (bytes[0] != '%')
        return (unsigned char)bytes[0];
    if (rest->len < 2)
        return -EBADMSG;
    high = hex_digit(bytes[1]);
    low = hex_digit(bytes[2]);
    if (high < 0 || low < 0)
        return -EBADMSG;
    rest->bytes += 2;
    rest->len -= 2;
    return high * 16 + low;
}

int signtext_put_decoded(struct buf *text, struct slice raw, enum signtext_plus plus)
{
    size_t len = text->len;
    int r;

    r = buf_reserve(text, raw.len);
    if (r < 0)
        return r;
    while (raw.len > 0) {
        int byte = signtext_next_byte(&raw, plus);

        if (byte < 0)
            return byte;
        text->bytes[len++] = (char)byte;
    }
    text->len = len;
    text->bytes[len] = '\0';
    return 0;
}

bool signtext_matches(const struct account *account, const struct buf *text, struct slice signature)
{
    char expected[SHAREDKEY_SIGNATURE_BYTES];
    bool is_match = false;

    if (signature.len != sizeof(expected) - 1)
        return false;
    for (size_t i = 0; i < ACCOUNT_KEYS && !is_match; i++) {
        if (account->keys[i].len == 0)
            continue;
        sharedkey_sign(&account->keys[i], text->bytes, text->len, expected);
        is_match = memeql_sec(expected, signature.bytes, sizeof(expected) - 1) != 0;
    }
    explicit_bzero(expected, sizeof(expected));
    return is_match;
}
