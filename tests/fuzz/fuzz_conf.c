/* SPDX-License-Identifier: MIT */
/* Fuzzes the configuration's parser: one line for each error, values within their limits, nothing leaks. */
#include "../../src/blobproxyd/conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define ERRORS_MAX_BYTES (4u << 20)

static unsigned count_lines(const struct buf *errors)
{
    unsigned lines = 0;

    for (size_t i = 0; i < errors->len; i++) {
        if (errors->bytes[i] == '\n')
            lines++;
        else if ((unsigned char)errors->bytes[i] < 0x20)
            abort();
    }
    return lines;
}

static void check_limits(const struct conf *conf)
{
    if (conf->listen_unix_mode > 0777 || conf->slots_large_bytes < 65536 || conf->slots_large_bytes > 31u << 20)
        abort();
    if (conf->channel_timeout_ms < 1000 || conf->channel_timeout_ms > 600000 || conf->slots_large == 0)
        abort();
    if (!conf->listen_unix || !conf->channel_socket || !conf->listen_metrics || !conf->accounts_file)
        abort();
    if (conf->listen_tcp.items[CONF_LIST_MAX] || conf->listen_hosts.items[CONF_LIST_MAX])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct conf *conf = conf_new();
    struct buf errors;

    if (!conf)
        return 0;
    buf_init(&errors, ERRORS_MAX_BYTES);
    unsigned count = conf_parse_text(conf, "fuzz", (const char *)bytes, len, &errors);
    if (!errors.failed && count != count_lines(&errors))
        abort();
    check_limits(conf);
    buf_free(&errors);
    conf_free(conf);
    return 0;
}
