/* SPDX-License-Identifier: MIT */
/* Composes the one line of text that explains a failure. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void err_put(struct err *err, const char *format, ...)
{
    char text[ERR_TEXT_BYTES]; /* the arguments may point into err itself */
    va_list args;

    if (err == NULL)
        return;
    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    memcpy(err->text, text, strlen(text) + 1);
}

int err_wrap(struct err *err, int code, const char *format, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;

    if (err == NULL)
        return code;
    va_start(args, format);
    int written = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (written < 0)
        return code;
    size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, err->text[0] == '\0' ? "%s" : ": %s", err->text);
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}
