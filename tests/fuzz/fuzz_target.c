/* SPDX-License-Identifier: MIT */
/* First line: host; second line: raw target. What parses must lie inside the target and classify without harm. */
#include "../../src/lib/azure/operation.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void require_inside(struct slice part, struct slice whole)
{
    require(part.len == 0 || (part.bytes >= whole.bytes && part.bytes + part.len <= whole.bytes + whole.len) ||
            (part.len == 1 && part.bytes[0] == '/'));
}

static void classify(const struct target *target)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS"};
    char text[256];
    ssize_t len = target_decode(target->blob, text, sizeof(text));

    require(len < 0 || strlen(text) == (size_t)len);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct head head = {.method = slice_of(methods[i])};

        require(operation_of(target, &head) < OPERATION_COUNT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const suffixes[] = {"blob.localhost", NULL};
    static const char *const domains[] = {"files.example.org=acct", NULL};
    static const struct target_hosts hosts = {.account_suffixes = suffixes, .domains = domains};
    const char *bytes = (const char *)data;
    const char *line = size > 0 ? memchr(bytes, '\n', size) : NULL;
    struct target target;
    struct slice raw;

    if (!line)
        return 0;
    raw = (struct slice){line + 1, size - (size_t)(line + 1 - bytes)};
    if (target_parse((struct slice){bytes, (size_t)(line - bytes)}, raw, &hosts, &target) < 0)
        return 0;
    require(strlen(target.account) >= 3);
    require(target.path.len > 0 && target.path.bytes[0] == '/');
    require_inside(target.path, raw);
    require_inside(target.container, raw);
    require_inside(target.blob, raw);
    require_inside(target.query, raw);
    classify(&target);
    return 0;
}
