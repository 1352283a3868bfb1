/* SPDX-License-Identifier: MIT */
/* Fuzzes the configuration's parser: one line for each error, values within their limits, a dump that means the same, nothing
 * leaks. The first byte says what the rest is: a file, an option, or a value of the environment. */
#include "../../src/blobproxyd/conf_private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define ERRORS_MAX_BYTES (4u << 20)
#define DUMP_MAX_BYTES (4u << 20)

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

/* What is printed is a file that sets every key to the same value again. */
static void check_dump(const struct conf *conf)
{
    struct conf *again = conf_new();
    struct buf dump, errors;

    buf_init(&dump, DUMP_MAX_BYTES);
    buf_init(&errors, ERRORS_MAX_BYTES);
    conf_dump(conf, &dump);
    if (again && !dump.failed) {
        if (conf_parse_text(again, "dump", dump.bytes, dump.len, &errors) != 0)
            abort();
        for (size_t key = 0; key < CONF_KEY_COUNT; key++)
            if (!again->origins[key].name || !conf_value_equals(again, conf, &conf_rows[key]))
                abort();
    }
    buf_free(&dump);
    buf_free(&errors);
    conf_free(again);
}

static void read_file(struct conf *conf, const char *text, size_t len, struct conf_problems *problems)
{
    problems->count += conf_parse_text(conf, "fuzz", text, len, problems->lines);
}

static void read_option(struct conf *conf, char *text, struct conf_problems *problems)
{
    struct conf_options options = {0};
    char *argv[] = {(char[]){"blobproxyd"}, (char[]){"--set"}, text, NULL};

    conf_options_read(3, argv, &options, problems);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++)
        if (options.values[key])
            conf_set(conf, (enum conf_key)key, slice_of(options.values[key]),
                     &(struct conf_origin){.name = options.option_names[key]}, problems);
    conf_options_free(&options);
}

/* "NAME=VALUE", as a variable BLOBPROXYD_NAME. */
static void read_variable(struct conf *conf, const char *text, struct conf_problems *problems)
{
    char entry[4096], *variables[] = {entry, NULL}, **own = environ;

    snprintf(entry, sizeof(entry), "BLOBPROXYD_%s", text);
    environ = variables;
    conf_apply_environment(conf, problems);
    environ = own;
}

static void read_any(struct conf *conf, char kind, char *text, size_t len, struct conf_problems *problems)
{
    if (kind == 'o')
        read_option(conf, text, problems);
    else if (kind == 'v')
        read_variable(conf, text, problems);
    else
        read_file(conf, text, len, problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct conf *conf = conf_new();
    char *text = calloc(1, len + 1);
    struct buf errors;
    struct conf_problems problems = {.lines = &errors};

    buf_init(&errors, ERRORS_MAX_BYTES);
    if (conf && text && len > 0) {
        memcpy(text, bytes + 1, len - 1);
        read_any(conf, (char)bytes[0], text, len - 1, &problems);
        if (!errors.failed && problems.count != count_lines(&errors))
            abort();
        check_limits(conf);
        if (problems.count == 0)
            check_dump(conf);
    }
    free(text);
    buf_free(&errors);
    conf_free(conf);
    return 0;
}
