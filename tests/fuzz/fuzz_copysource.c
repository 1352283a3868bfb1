/* SPDX-License-Identifier: MIT */
/* First line: Host; second line: URL. What is taken for the proxy's own is one of its names, and what is written begins with the
 * endpoint. */
#include "../../src/blobproxyd/copysource.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENDPOINT "https://{account}.blob.core.windows.net"

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const suffixes[] = {"blob.localhost", "blob.core.windows.net", NULL};
    static const char *const domains[] = {"files.example.org=acct", NULL};
    static const char *const listeners[] = {"127.0.0.1:10000", "[::1]:10000", NULL};
    static const struct target_hosts hosts = {.account_suffixes = suffixes, .domains = domains};
    const char *bytes = (const char *)data;
    const char *line = size > 0 ? memchr(bytes, '\n', size) : NULL;
    struct buf text CLEANUP(buf_free);
    struct target target;
    struct slice url;

    buf_init(&text, LIMIT_HEAD_BYTES);
    if (!line)
        return 0;
    struct copysource_self self = {.hosts = &hosts, .listeners = listeners, .request_host = {bytes, (size_t)(line - bytes)}};

    url = (struct slice){line + 1, size - self.request_host.len - 1};
    if (!copysource_is_own(url, &self, &target))
        return 0;
    require(strlen(target.account) >= 3);
    if (copysource_write(&target, ENDPOINT, &text) < 0)
        return 0;
    require(text.len > 8 && memcmp(text.bytes, "https://", 8) == 0);
    require(memcmp(text.bytes + 8, target.account, strlen(target.account)) == 0);
    require(!memchr(text.bytes, '\n', text.len) && !memchr(text.bytes, '\r', text.len));
    return 0;
}
