/* SPDX-License-Identifier: MIT */
/* The error table, its XML form, and request ids. */
#include "error.h"

#include "../clock.h"

#include <string.h>

struct error_row {
    unsigned status;
    const char *code;
    const char *message;
};

static const struct error_row error_rows[AZURE_ERROR_COUNT] = {
    [AZURE_OK] = {200, "", ""},
#define X(name, status, code, message) [AZURE_##name] = {(status), (code), (message)},
#include "error.def"
#undef X
};

static const struct error_row *error_row(enum azure_error error)
{
    return &error_rows[(unsigned)error < AZURE_ERROR_COUNT ? error : AZURE_InternalError];
}

unsigned azure_error_status(enum azure_error error)
{
    return error_row(error)->status;
}

const char *azure_error_code(enum azure_error error)
{
    return error_row(error)->code;
}

const char *azure_error_message(enum azure_error error)
{
    return error_row(error)->message;
}

static void put_escaped(struct buf *buf, const char *text)
{
    (void)buf_put_xml(buf, text, strlen(text));
}

int azure_error_xml(struct buf *buf, enum azure_error error, const char *detail, const char *request_id, int64_t wall_us)
{
    char time_text[CLOCK_ISO_BYTES];

    clock_format_iso(wall_us, time_text);
    (void)buf_puts(buf, "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>");
    put_escaped(buf, azure_error_code(error));
    (void)buf_puts(buf, "</Code><Message>");
    put_escaped(buf, azure_error_message(error));
    if (detail && *detail) {
        (void)buf_puts(buf, " ");
        put_escaped(buf, detail);
    }
    (void)buf_puts(buf, "\nRequestId:");
    put_escaped(buf, request_id);
    (void)buf_puts(buf, "\nTime:");
    put_escaped(buf, time_text);
    return buf_puts(buf, "</Message></Error>") ? buf->failed : 0;
}

void azure_guid_text(const uint8_t guid[16], char text[AZURE_REQUEST_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *out = text;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[guid[i] >> 4];
        *out++ = digits[guid[i] & 15];
    }
    *out = '\0';
}

/* getentropy gives at most 256 bytes a call: one system call for sixteen ids. */
struct guid_pool {
    uint8_t bytes[256];
    size_t left;
};

void azure_guid_random(uint8_t guid[16])
{
    static _Thread_local struct guid_pool pool;

    if (pool.left == 0) {
        /* Fails only on kernels without getrandom(2); an id that repeats would mix up transfers, so there is no second source. */
        if (getentropy(pool.bytes, sizeof(pool.bytes)) < 0)
            abort();
        pool.left = sizeof(pool.bytes);
    }
    pool.left -= 16;
    memcpy(guid, pool.bytes + pool.left, 16);
    guid[6] = (uint8_t)((guid[6] & 0x0f) | 0x40);
    guid[8] = (uint8_t)((guid[8] & 0x3f) | 0x80);
}
