/* SPDX-License-Identifier: MIT */
/* Text, durations and times for people. */
#include "shown.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The bytes of the character at text: 1 to 4; 0 when it is no UTF-8. */
static size_t character(const unsigned char *text, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
    uint32_t code = len < 2 ? text[0] : text[0] & (0x7fu >> len);

    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) /* also the text's end */
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    if (len == 0 || code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return len;
}

/* Control characters, line and paragraph separators, and those that turn the direction of writing around. */
static bool is_harmless(uint32_t code)
{
    bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff;
    bool is_direction = code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
                        (code >= 0x2066 && code <= 0x2069);

    return !is_control && !is_direction;
}

const char *shown_text(const char *text, char *shown, size_t shown_bytes)
{
    size_t used = 0;

    while (*text) {
        uint32_t code = 0;
        size_t len = character((const unsigned char *)text, &code);
        bool is_copied = len > 0 && is_harmless(code);
        size_t taken = len > 0 ? len : 1, need = is_copied ? taken : 4 * taken;

        if (used + need >= shown_bytes)
            break;
        for (size_t i = 0; i < taken && !is_copied; i++)
            (void)snprintf(shown + used + 4 * i, 5, "\\x%02x", (unsigned)(unsigned char)text[i]);
        if (is_copied)
            memcpy(shown + used, text, taken);
        used += need;
        text += taken;
    }
    shown[used] = '\0';
    return shown;
}

size_t shown_columns(const char *shown)
{
    size_t columns = 0;

    for (; *shown; shown++)
        columns += (*shown & 0xc0) != 0x80;
    return columns;
}

const char *shown_duration(double seconds, char shown[SHOWN_DURATION_BYTES])
{
    static const struct {
        unsigned great_s, small_s;
        const char *great, *small;
    } forms[] = {{86400, 3600, "d", "h"}, {3600, 60, "h", "min"}, {60, 1, "min", "s"}};

    if (!(seconds >= 0 && seconds < 1e15)) {
        (void)snprintf(shown, SHOWN_DURATION_BYTES, "unknown");
        return shown;
    }
    unsigned long long whole = (unsigned long long)seconds;

    (void)snprintf(shown, SHOWN_DURATION_BYTES, whole ? "%.0f s" : "%.3f s", whole ? floor(seconds) : seconds);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (whole >= forms[i].great_s) {
            (void)snprintf(shown, SHOWN_DURATION_BYTES, "%llu %s %02llu %s", whole / forms[i].great_s, forms[i].great,
                           whole % forms[i].great_s / forms[i].small_s, forms[i].small);
            break;
        }
    }
    return shown;
}

const char *shown_time(int64_t unix_seconds, char shown[SHOWN_TIME_BYTES])
{
    struct tm parts;
    time_t moment = (time_t)unix_seconds;

    if (unix_seconds <= 0 || !gmtime_r(&moment, &parts) ||
        strftime(shown, SHOWN_TIME_BYTES, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        (void)snprintf(shown, SHOWN_TIME_BYTES, "unknown");
    return shown;
}
