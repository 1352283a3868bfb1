/* SPDX-License-Identifier: MIT */
/* Fuzzes text for terminals: no control byte is left, nothing is longer than it may be, and shown text is shown as it is. */
#include "../../src/blobproxyctl/shown.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_harmless(const char *shown)
{
    for (const unsigned char *byte = (const unsigned char *)shown; *byte; byte++)
        if (*byte < 0x20 || *byte == 0x7f || (byte[0] == 0xc2 && byte[1] < 0xa0))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = strndup((const char *)bytes, len);
    size_t room = SHOWN_BYTES(len);
    char *shown = malloc(room), *again = malloc(room), *cut = malloc(8);

    if (!text || !shown || !again || !cut)
        abort();
    (void)shown_text(text, shown, room);
    check_harmless(shown);
    if (strcmp(shown_text(shown, again, room), shown) != 0)
        abort();
    check_harmless(shown_text(text, cut, 8));
    if (strlen(cut) > 7 || strncmp(cut, shown, strlen(cut)) != 0)
        abort();
    free(text);
    free(shown);
    free(again);
    free(cut);
    return 0;
}
