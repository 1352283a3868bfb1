/* SPDX-License-Identifier: MIT */
/* What a client may write into a line of the log: it stays printable, keeps no signature, and JSON of it stays one whole object.
 */
#include "../../src/lib/log.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

/* Every "sig=" behind a separator has nothing but the word that stands for its value. */
static void check_no_signature(const char *text)
{
    static const char word[] = "redacted";

    for (const char *at = text; (at = strcasestr(at, "sig=")); at += 4) {
        bool is_name = at == text || !((at[-1] >= '0' && at[-1] <= '9') || ((at[-1] | 0x20) >= 'a' && (at[-1] | 0x20) <= 'z'));
        size_t value_len = strcspn(at + 4, "&");
        bool is_cut = value_len >= 3 && strncmp(at + 4 + value_len - 3, "...", 3) == 0;

        must(!is_name || is_cut || value_len == 0 || strncmp(at + 4, word, strlen(word)) == 0);
    }
}

static void check_object(const char *value)
{
    const struct log_field fields[] = {{"target", value}, {"status", value}, {"problem", value}};
    char object[TEXT_BYTES + 64];
    size_t len = log_format_object(fields, 3, object, sizeof(object));
    bool is_quoted = false;

    must(len < sizeof(object) && object[0] == '{' && object[len - 1] == '}' && object[len] == '\0');
    for (const char *at = object; *at; at++) {
        must((unsigned char)*at >= ' ');
        if (*at == '\\')
            must(is_quoted && *++at);
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (*at == '{' || *at == '}')
            must(is_quoted || at == object || at == object + len - 1);
    }
    must(!is_quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char foreign[TEXT_BYTES], target[TEXT_BYTES], small[8];
    char *raw = malloc(size + 1);

    must(raw != NULL);
    if (size > 0)
        memcpy(raw, data, size);
    raw[size] = '\0';
    log_copy_foreign(raw, size, foreign, sizeof(foreign));
    for (const char *at = foreign; *at; at++)
        must(*at >= ' ' && *at < 0x7F);
    check_no_signature(foreign);
    log_redact_target(raw, size, target, sizeof(target));
    check_no_signature(target);
    log_copy_foreign(raw, size, small, sizeof(small));
    must(strlen(small) < sizeof(small));
    check_object(raw);
    check_object(foreign);
    free(raw);
    return 0;
}
