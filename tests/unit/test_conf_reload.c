/* SPDX-License-Identifier: MIT */
/* The [tls] section and a configuration in place of a running one. */
#include "../../src/blobproxyd/conf.h"
#include "../../src/blobproxyd/tls.h"

#include "tls_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_US (86400ll * 1000000)
#define KEY1 "a2V5MQ=="
#define KEY2 "a2V5Mg=="

static void begin(void)
{
    tls_fixture_begin();
    unsetenv("STATE_DIRECTORY");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_RUNTIME_DIR");
}

TestSuite(conf_reload, .init = begin, .fini = tls_fixture_end);

/* Text with each % replaced by the directory; good until the next call. */
static const char *expand(const char *text)
{
    static char expanded[4096];
    size_t len = 0;

    for (expanded[0] = '\0'; *text; text++)
        len += (size_t)snprintf(expanded + len, sizeof(expanded) - len, *text == '%' ? "%s" : "%.1s",
                                *text == '%' ? tls_fixture_path("") : text);
    return expanded;
}

static void write_config(const char *text)
{
    tls_fixture_write("conf", expand(text), 0644);
}

static enum conf_action load(const char *text, const char *option, struct conf **ret_conf, char errors[1024])
{
    static char program[] = "blobproxyd", config[160], second[160];
    static char *argv[] = {program, config, second, NULL};
    char *out_text = NULL, *err_text = NULL;
    size_t out_bytes, err_bytes;
    FILE *out = open_memstream(&out_text, &out_bytes), *err = open_memstream(&err_text, &err_bytes);

    write_config(text);
    snprintf(config, sizeof(config), "--config=%s", tls_fixture_path("conf"));
    snprintf(second, sizeof(second), "%s", option ? option : "--log-level=notice");
    enum conf_action action = conf_load(3, argv, out, err, ret_conf);

    fclose(out);
    fclose(err);
    snprintf(errors, 1024, "%s", err_text);
    free(out_text);
    free(err_text);
    return action;
}

static struct conf *must_load(const char *text, const char *option)
{
    struct conf *conf = NULL;
    char errors[1024];

    cr_assert_eq(load(text, option, &conf, errors), CONF_RUN, "%s", errors);
    return conf;
}

static int reload(const struct conf *running, const char *text, struct conf **ret_conf, char kept_text[256], struct err *err)
{
    struct buf kept;

    write_config(text);
    buf_init(&kept, 256);
    int r = conf_reload(running, ret_conf, &kept, err);

    snprintf(kept_text, 256, "%s", kept.len > 0 ? kept.bytes : "");
    buf_free(&kept);
    return r;
}

static struct conf *must_reload(const struct conf *running, const char *text, char kept[256])
{
    struct conf *conf = NULL;
    struct err err = {""};

    cr_assert_eq(reload(running, text, &conf, kept, &err), 0, "%s", err.text);
    return conf;
}

Test(conf_reload, certificate_and_key_go_together_and_with_listen_tls)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"[listen]\ntls = 127.0.0.1:1\n", ":2: listen.tls: there is no certificate, write tls.certificate and tls.key"},
        {"[tls]\ncertificate = %a.crt\n", ":2: tls.certificate: its key is missing, write tls.key = FILE"},
        {"[tls]\nkey = %a.key\n", ":2: tls.key: its certificate is missing, write tls.certificate = FILE"},
        {"[tls]\ncertificate = %a.crt\nkey = %b.key\n", ":3: tls.key: %b.key: not the key of the certificate in %a.crt, write "},
        {"[tls]\ncertificate = a.crt\nkey = %a.key\n", ":2: tls.certificate: \"a.crt\" is not an absolute path"},
        {"[tls]\ncertificate = %a.crt\nkey = %a.key\n[listen]\ntls = 0.0.0.0:1\n", ":5: listen.tls: 0.0.0.0:1 is not loopback"},
        {"[tls]\ncertificate = %a.crt\nkey = %a.key\n[listen]\ntls = 127.0.0.1:10000\n",
         ":5: listen.tls: 127.0.0.1:10000 is also in listen.tcp"},
        {"[tls]\ncertificate = %a.crt\nkey = %a.key\n[listen]\ntls = 127.0.0.1:10080\n",
         ":5: listen.tls: 127.0.0.1:10080 is also in listen.metrics, write another port"},
        {"[listen]\nmetrics = 127.0.0.1:7\ntls = 127.0.0.1:7\n[tls]\ncertificate = %a.crt\nkey = %a.key\n",
         ":2: listen.metrics: 127.0.0.1:7 is also in listen.tls, write another port"},
        {"[tls]\ncertificate = %none.crt\nkey = %a.key\n",
         ":2: tls.certificate: %none.crt: No such file or directory, write the path "},
        {"[tls]\ncertificate = %a.key\nkey = %a.key\n",
         ":2: tls.certificate: %a.key: holds no certificate in PEM, write the paths "},
        {"[tls]\ncertificate = %a.crt\nkey = %none.key\n", ":3: tls.key: %none.key: No such file or directory, write the path "},
    };

    tls_fixture_make("a", 1, 2000000000);
    tls_fixture_make("b", 1, 2000000000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conf *conf = NULL;
        char errors[1024];

        cr_expect_eq(load(cases[i].text, NULL, &conf, errors), CONF_EXIT_USAGE, "case %zu", i);
        cr_expect(strstr(errors, expand(cases[i].words)), "case %zu: %s", i, errors);
        cr_expect_eq(strchr(errors, '\n') + 1, errors + strlen(errors), "case %zu has more than a line: %s", i, errors);
    }
}

Test(conf_reload, tls_alone_is_enough_to_listen_on)
{
    tls_fixture_make("a", 1, 2000000000);
    struct conf *conf =
        must_load("[listen]\ntcp =\nunix =\ntls = 127.0.0.1:1\n[tls]\ncertificate = %a.crt\nkey = %a.key\n", NULL);

    cr_expect_not_null(conf->tls);
    conf_free(conf);
}

Test(conf_reload, credentials_stand_in_for_files_that_are_not_named)
{
    tls_fixture_make("tls", 1, 2000000000);
    tls_fixture_make("a", 1, 1999999999);
    setenv("CREDENTIALS_DIRECTORY", tls_fixture_path("."), 1);
    struct conf *conf = must_load("[listen]\ntls = 127.0.0.1:1\n", NULL);

    cr_expect_eq(tls_identity_expires_us(conf->tls), 2000000000 * 1000000ll);
    conf_free(conf);
    conf = must_load("[tls]\ncertificate = %a.crt\nkey = %a.key\n", NULL);
    cr_expect_eq(tls_identity_expires_us(conf->tls), 1999999999 * 1000000ll);
    conf_free(conf);
    unsetenv("CREDENTIALS_DIRECTORY");
}

Test(conf_reload, with_emulated_a_certificate_opens_the_default_addresses)
{
    char option[160];

    tls_fixture_make("a", 1, 2000000000);
    snprintf(option, sizeof(option), "--emulated=%s", tls_fixture_path("data"));
    tls_fixture_write("blobhostd", "", 0755); /* one must be there, none is started */
    setenv("PATH", tls_fixture_path("."), 1);
    struct conf *conf = must_load("[tls]\ncertificate = %a.crt\nkey = %a.key\n", option);

    cr_expect_str_eq(conf->listen_tls.items[0], "127.0.0.1:10100");
    cr_expect_str_eq(conf->listen_tls.items[1], "[::1]:10100");
    cr_expect(conf->listen_tls.is_default);
    conf_free(conf);
    conf = must_load("[listen]\ntls =\n[tls]\ncertificate = %a.crt\nkey = %a.key\n", option);
    cr_expect_null(conf->listen_tls.items[0]);
    conf_free(conf);
    conf = must_load("", option);
    cr_expect_null(conf->listen_tls.items[0]);
    conf_free(conf);
}

Test(conf_reload, a_certificate_out_of_its_time_is_a_warning)
{
    time_t begins = 1000000000, expires = begins + 100 * 86400;
    struct err warning = {""};

    tls_fixture_make("a", begins, expires);
    struct conf *conf = must_load("[tls]\ncertificate = %a.crt\nkey = %a.key\n", NULL);
    int64_t begins_us = begins * 1000000ll, expires_us = expires * 1000000ll;

    cr_expect(conf_tls_warning(conf, begins_us - 1, &warning) && strstr(warning.text, "is not valid before"), "%s", warning.text);
    cr_expect_not(conf_tls_warning(conf, begins_us, &warning));
    cr_expect_not(conf_tls_warning(conf, expires_us - 15 * DAY_US, &warning));
    cr_expect(conf_tls_warning(conf, expires_us - 13 * DAY_US, &warning) && strstr(warning.text, "expires on"), "%s",
              warning.text);
    cr_expect(conf_tls_warning(conf, expires_us, &warning) && strstr(warning.text, "has expired on"), "%s", warning.text);
    conf_free(conf);
}

Test(conf_reload, the_file_is_read_anew_and_the_options_still_win)
{
    char kept[256];
    struct conf *running = must_load("[listen]\nhosts = one\n[limits]\nheader_timeout = 5s\n", "--log-level=error");
    struct conf *conf = must_reload(running, "[listen]\nhosts = two\n[log]\nlevel = debug\n", kept);

    cr_expect_str_eq(kept, "");
    cr_expect_str_eq(conf->listen_hosts.items[0], "two");
    cr_expect_eq(conf->limits_header_timeout_ms, 20000u);
    cr_expect_eq(conf->log_level, LOG_LEVEL_ERROR);
    cr_expect_str_eq(running->listen_hosts.items[0], "one");
    conf_free(running);
    struct conf *third = must_reload(conf, "", kept); /* nothing of the first is needed any more */

    cr_expect_null(third->listen_hosts.items[0]);
    conf_free(conf);
    conf_free(third);
}

Test(conf_reload, what_needs_a_restart_is_named_and_keeps_its_value)
{
    char kept[256];
    struct conf *running = must_load("[slots]\nsmall = 8\n", NULL);
    struct conf *conf = must_reload(running,
                                    "[listen]\ntcp = 127.0.0.1:7\nunix = /run/x\nunix_mode = 0600\nmetrics =\n[channel]\n"
                                    "socket = /run/y\nring_bytes = 512K\n[slots]\nsmall = 9\nlarge = 17\nlarge_bytes = 1M\n"
                                    "[limits]\nconnections = 5\nshards = 1\nslot_timeout = 1s\n",
                                    kept);

    cr_expect_str_eq(kept, "listen.tcp listen.unix listen.unix_mode listen.metrics channel.socket channel.ring_bytes "
                           "slots.small slots.large slots.large_bytes limits.connections limits.shards");
    cr_expect_str_eq(conf->listen_tcp.items[0], "127.0.0.1:10000");
    cr_expect(conf->listen_tcp.is_default);
    cr_expect_str_eq(conf->listen_unix, running->listen_unix);
    cr_expect_str_eq(conf->channel_socket, "/run/blobhostd/bus.sock");
    cr_expect_eq(conf->slots_small, 8u);
    cr_expect_eq(conf->slots_large_bytes, 8u << 20);
    cr_expect_eq(conf->limits_slot_timeout_ms, 1000u);
    conf_free(running);
    cr_expect_str_eq(conf->listen_tcp.items[1], "[::1]:10000");
    conf_free(conf);
}

Test(conf_reload, a_dump_after_a_reload_says_what_runs_and_where_that_came_from)
{
    char kept[256];
    struct buf dump CLEANUP(buf_free);
    struct conf *running = must_load("[listen]\nhosts = one\n[slots]\nsmall = 8\n", NULL);

    struct conf *conf = must_reload(running, "\n\n[listen]\nhosts = two\n[slots]\nsmall = 9\nlarge = 9\n", kept);
    conf_free(running); /* with the names of its files */
    buf_init(&dump, 65536);
    conf_dump(conf, &dump);
    cr_expect_str_eq(kept, "slots.small slots.large");
    cr_expect(strstr(dump.bytes, expand("# %conf:4; reload\nhosts = two\n")), "%s", dump.bytes);
    cr_expect(strstr(dump.bytes, expand("# %conf:4; restart\nsmall = 8\n")), "%s", dump.bytes);
    cr_expect(strstr(dump.bytes, "# default; restart\nlarge = 24\n"), "%s", dump.bytes);
    conf_free(conf);
}

Test(conf_reload, keys_are_read_anew_and_the_old_ones_last_with_their_configuration)
{
    char kept[256];

    tls_fixture_write("keys", "account " KEY1 "\n", 0600);
    struct conf *running = must_load("[accounts]\nfile = %keys\n", NULL);
    struct conf *counted = conf_ref(running);

    tls_fixture_write("keys", "account " KEY2 " " KEY1 "\nother " KEY1 "\n", 0600);
    struct conf *conf = must_reload(running, "[accounts]\nfile = %keys\n", kept);

    conf_free(running);
    cr_expect_eq(memcmp(accounts_find(conf->accounts, "account")->keys[0].bytes, "key2", 4), 0);
    cr_expect_not_null(accounts_find(conf->accounts, "other"));
    cr_expect_eq(memcmp(accounts_find(counted->accounts, "account")->keys[0].bytes, "key1", 4), 0);
    cr_expect_null(accounts_find(counted->accounts, "other"));
    conf_free(counted);
    conf_free(conf);
}

Test(conf_reload, a_mistake_leaves_everything_as_it_was_and_is_told_in_a_line)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"[log]\nlevel = loud\n", "conf:2: log.level: \"loud\" is not a level"},
        {"[log]\nlevel = loud\n[limits]\nbananas = 1\n[listen]\ntcp = x\n", "; and 2 more, see blobproxyd --check-config"},
        {"[accounts]\nfile = %keys\n", "chmod 0600"},
        {"[tls]\ncertificate = %none\nkey = %none\n", "none: No such file"},
    };
    struct conf *running = must_load("[log]\nlevel = info\n", NULL);

    tls_fixture_write("keys", "account " KEY1 "\n", 0644);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conf *conf = NULL;
        struct err err = {""};
        char kept[256];

        cr_expect_eq(reload(running, cases[i].text, &conf, kept, &err), -EINVAL, "case %zu", i);
        cr_expect(strstr(err.text, cases[i].words), "case %zu: %s", i, err.text);
        cr_expect_not(strchr(err.text, '\n'));
        cr_expect_null(conf);
    }
    conf_free(running);
}

Test(conf_reload, an_open_tls_listener_keeps_a_certificate_that_the_file_no_longer_names)
{
    char kept[256];

    tls_fixture_make("a", 1, 2000000000);
    struct conf *running = must_load("[listen]\ntls = 127.0.0.1:1\n[tls]\ncertificate = %a.crt\nkey = %a.key\n", NULL);
    struct conf *conf = must_reload(running, "", kept);

    cr_expect_str_eq(kept, "listen.tls");
    cr_expect_eq(conf->tls, running->tls);
    conf_free(running);
    cr_expect_eq(tls_identity_expires_us(conf->tls), 2000000000 * 1000000ll);
    conf_free(conf);
}
