/* SPDX-License-Identifier: MIT */
/* Where values come from: the file, its drop-ins, the environment, options; which wins, and what a dump says of it. */
#include "conf_fixture.h"

#include "../../src/blobproxyd/conf_private.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCOUNT_KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

TestSuite(conf_sources, .init = conf_fixture_begin, .fini = conf_fixture_end);

Test(conf_sources, drop_ins_are_read_behind_the_file_in_the_order_of_their_names)
{
    conf_fixture_write("conf.d/9.conf", "[slots]\nsmall = 9\nlarge = 9\n", 0644);
    conf_fixture_write("conf.d/10.conf", "[slots]\nsmall = 10\n[limits]\nshards = 3\n", 0644);
    conf_fixture_write("conf.d/a.conf", "[slots]\nlarge = 11\n", 0644);
    LOAD(loaded, "[slots]\nsmall = 8\nlarge = 8\n[limits]\nconnections = 8\n", NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->slots_small, 9u, "bytes decide, not numbers");
    cr_expect_eq(loaded.conf->slots_large, 11u);
    cr_expect_eq(loaded.conf->limits_shards, 3u);
    cr_expect_eq(loaded.conf->limits_connections, 8u);
}

Test(conf_sources, only_names_in_conf_that_are_not_hidden_are_drop_ins)
{
    static const char *const names[] = {"conf.d/.hidden.conf", "conf.d/a.conf.dpkg-old", "conf.d/a.conf~", "conf.d/README",
                                        "conf.d/conf"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        conf_fixture_write(names[i], "nonsense\n", 0644);
    LOAD(loaded, "", NULL);
    cr_expect_eq(loaded.action, CONF_RUN, "%s", loaded.err);
}

Test(conf_sources, a_mistake_in_a_drop_in_is_told_with_its_own_file_and_line)
{
    conf_fixture_write("conf.d/a.conf", "[log]\nlevl = debug\n", 0644);
    conf_fixture_write("conf.d/b.conf", "\n[slots]\nsmall = 0\n", 0644);
    LOAD(loaded, "[slots]\nsmall = 7\n", NULL);
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(conf_fixture_said(loaded.err), "blobproxyd: ~/conf.d/a.conf:2: log.levl: unknown key, did you mean level?\n"
                                                    "blobproxyd: ~/conf.d/b.conf:3: slots.small: 0 is out of range, write 1 to "
                                                    "65536\n");
}

Test(conf_sources, a_bad_value_is_an_error_even_where_a_later_file_has_a_good_one)
{
    conf_fixture_write("conf.d/a.conf", "[slots]\nsmall = 7\n", 0644);
    LOAD(loaded, "[slots]\nsmall = none\n", NULL);
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(conf_fixture_said(loaded.err),
                     "blobproxyd: ~/x:2: slots.small: \"none\" is not a number, write digits alone\n");
}

Test(conf_sources, what_goes_wrong_between_keys_is_told_of_the_line_that_won)
{
    conf_fixture_write("conf.d/a.conf", "[limits]\nshards = 30\n", 0644);
    conf_fixture_write("conf.d/b.conf", "[slots]\nlarge = 20\n", 0644);
    LOAD(loaded, "[slots]\nlarge = 40\n", NULL);
    cr_expect_str_eq(
        conf_fixture_said(loaded.err),
        "blobproxyd: ~/conf.d/b.conf:2: slots.large: fewer than limits.shards, write at least 30, or fewer shards\n");
}

Test(conf_sources, a_drop_in_that_cannot_be_read_is_an_error)
{
    cr_assert_eq(mkdir(conf_fixture_path("conf.d"), 0755), 0);
    cr_assert_eq(mkdir(conf_fixture_path("conf.d/folder.conf"), 0755), 0);
    cr_assert_eq(symlink("/nonexistent/b", conf_fixture_path("conf.d/gone.conf")), 0);
    LOAD(loaded, "", NULL);
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(conf_fixture_said(loaded.err),
                     "blobproxyd: ~/conf.d/folder.conf: cannot read it: Is a directory, it has to be "
                     "one that this user can read\n"
                     "blobproxyd: ~/conf.d/gone.conf: cannot read it: No such file or directory, it "
                     "has to be one that this user can read\n");
}

Test(conf_sources, conf_d_that_is_no_directory_is_an_error)
{
    conf_fixture_write("conf.d", "", 0644);
    LOAD(loaded, "", NULL);
    cr_expect_str_eq(conf_fixture_said(loaded.err),
                     "blobproxyd: ~/conf.d: cannot read it: Not a directory, it has to be one that this user can read\n");
}

Test(conf_sources, a_directory_that_somebody_else_put_beside_the_file_is_not_read)
{
    if (geteuid() != 0)
        cr_skip_test("only root can give a directory away");
    conf_fixture_write("conf.d/a.conf", "[log]\nlevel = debug\n", 0644);
    conf_fixture_write("x", "", 0644);
    cr_assert_eq(chown(conf_fixture_path("conf.d"), 12345, 12345), 0);
    {
        LOAD(loaded, "", NULL);
        cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
        cr_expect_str_eq(conf_fixture_said(loaded.err),
                         "blobproxyd: ~/conf.d: belongs to user 12345, chown it to the owner of the file "
                         "beside it, or remove it\n");
    }
    cr_assert_eq(chown(conf_fixture_path("x"), 12345, 12345), 0);
    LOAD(loaded, "", NULL);
    cr_expect_eq(loaded.action, CONF_RUN, "%s", loaded.err);
}

Test(conf_sources, check_config_counts_the_drop_ins)
{
    conf_fixture_write("conf.d/a.conf", "", 0644);
    conf_fixture_write("conf.d/b.conf", "", 0644);
    LOAD(loaded, "", "--check-config");
    cr_expect_str_eq(conf_fixture_said(loaded.out), "configuration ok: ~/x, and 2 of ~/conf.d\n");
}

Test(conf_sources, every_key_has_a_variable)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        char name[96];
        snprintf(name, sizeof(name), "BLOBPROXYD_%s_%s", conf_rows[key].section, conf_rows[key].key);
        for (char *at = name; *at; at++)
            *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
        cr_assert_eq(setenv(name, conf_rows[key].fallback, 1), 0);
    }
    LOAD(loaded, NULL, NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const char *name = loaded.conf->origins[key].name;
        cr_expect(name && strncmp(name, "BLOBPROXYD_", 11) == 0, "%s came from %s", conf_rows[key].key, name ? name : "nowhere");
    }
}

Test(conf_sources, the_environment_wins_over_files_and_options_over_both)
{
    conf_fixture_write("conf.d/a.conf", "[slots]\nsmall = 2\nlarge = 2\n[log]\nlevel = info\n", 0644);
    setenv("BLOBPROXYD_SLOTS_LARGE", " 3 ", 1); /* blanks around it do not count, as in a file */
    setenv("BLOBPROXYD_LOG_LEVEL", "warning", 1);
    setenv("BLOBPROXYD_LISTEN_UNIX", "", 1);
    LOAD(loaded, "[slots]\nsmall = 1\nlarge = 1\n[listen]\nunix = /run/a\n", "--log-level=error", "--set=channel.timeout=2m");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->slots_small, 2u);
    cr_expect_eq(loaded.conf->slots_large, 3u);
    cr_expect_eq(loaded.conf->log_level, LOG_LEVEL_ERROR);
    cr_expect_str_eq(loaded.conf->listen_unix, "");
    cr_expect_eq(loaded.conf->channel_timeout_ms, 120000u);
}

Test(conf_sources, of_options_for_one_key_the_last_one_wins)
{
    LOAD(set_last, "", "--listen=127.0.0.1:1", "--listen=127.0.0.1:2", "--set=listen.tcp=127.0.0.1:3 127.0.0.1:4");
    cr_assert_eq(set_last.action, CONF_RUN, "%s", set_last.err);
    cr_expect_str_eq(set_last.conf->listen_tcp.items[0], "127.0.0.1:3");
    LOAD(set_first, "", "--set", "listen.tcp=127.0.0.1:3", "--set=listen.tcp=127.0.0.1:4", "--listen=127.0.0.1:1",
         "--listen=127.0.0.1:2");
    cr_assert_eq(set_first.action, CONF_RUN, "%s", set_first.err);
    cr_expect_str_eq(set_first.conf->listen_tcp.items[0], "127.0.0.1:1");
    cr_expect_str_eq(set_first.conf->listen_tcp.items[1], "127.0.0.1:2");
    cr_expect_null(set_first.conf->listen_tcp.items[2]);
}

/* "NAME=VALUE", or NULL for none: then name is "". */
static void set_variable(const char *variable, char name[64])
{
    name[0] = '\0';
    if (!variable)
        return;
    snprintf(name, 64, "%.*s", (int)strcspn(variable, "="), variable);
    cr_assert_eq(setenv(name, strchr(variable, '=') + 1, 1), 0);
}

Test(conf_sources, names_of_variables_and_of_set_are_checked)
{
    static const struct {
        const char *variable, *option, *line;
    } cases[] = {
        {"BLOBPROXYD_LISTN_TCP=x", NULL, "BLOBPROXYD_LISTN_TCP: unknown variable, did you mean BLOBPROXYD_LISTEN_TCP?"},
        {"BLOBPROXYD_listen_tcp=x", NULL, "BLOBPROXYD_listen_tcp: unknown variable, did you mean BLOBPROXYD_LISTEN_TCP?"},
        {"BLOBPROXYD_TCP=x", NULL, "BLOBPROXYD_TCP: unknown variable, write BLOBPROXYD_SECTION_KEY, see blobproxyd --help"},
        {"BLOBPROXYD_LOG_LEVEL=loud", NULL,
         "BLOBPROXYD_LOG_LEVEL: log.level: \"loud\" is not a level, write error, warning, notice, info or debug"},
        {"BLOBPROXYD_LISTEN_UNIX=/a ;b", NULL,
         "BLOBPROXYD_LISTEN_UNIX: listen.unix: a comment begins in the value, write it without a blank before # or ;"},
        {NULL, "--set=listn.tcp=x", "--set: [listn]: unknown section, did you mean [listen]?"},
        {NULL, "--set=listen.tpc=x", "--set: listen.tpc: unknown key, did you mean tcp?"},
        {NULL, "--set=log.large_byte=x", "--set: log.large_byte: unknown key, did you mean large_bytes under [slots]?"},
        {NULL, "--set=log.file=x", "--set: log.file: unknown key, write it under [accounts]"},
        {NULL, "--set=level=debug", "--set: level: no section, write --set=SECTION.KEY=VALUE"},
        {NULL, "--set=log.level", "--set: log.level: no value, write --set=SECTION.KEY=VALUE"},
        {NULL, "--set=log.level=", "--set: log.level: \"\" is not a level, write error, warning, notice, info or debug"},
        {NULL, "--set", "--set: its value is missing, write --set=SECTION.KEY=VALUE"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64], line[256];

        set_variable(cases[i].variable, name);
        LOAD(loaded, "", cases[i].option);
        snprintf(line, sizeof(line), "blobproxyd: %s\n", cases[i].line);
        cr_expect_eq(loaded.action, CONF_EXIT_USAGE, "case %zu", i);
        cr_expect_str_eq(loaded.err, line);
        if (*name)
            unsetenv(name);
    }
}

Test(conf_sources, secrets_are_refused_everywhere_and_never_repeated)
{
    static const struct {
        const char *text, *variable, *option;
    } cases[] = {
        {"[accounts]\nkey = " ACCOUNT_KEY "\n", NULL, NULL},
        {"[accounts]\nmyaccount " ACCOUNT_KEY "\n", NULL, NULL},
        {"[accounts]\naccount_key = " ACCOUNT_KEY "\n", NULL, NULL},
        {"[upstream]\naccountkey = " ACCOUNT_KEY "\n", NULL, NULL},
        {"[accounts]\nfile = " ACCOUNT_KEY "\n", NULL, NULL},
        {"[accounts]\nallow = devstoreaccount1:" ACCOUNT_KEY "\n", NULL, NULL},
        {"[tls]\nkey = -----BEGIN PRIVATE KEY-----\n" ACCOUNT_KEY "\n", NULL, NULL},
        {"[upstream]\nurl = https://a.blob.core.windows.net/?sig=" ACCOUNT_KEY "\n", NULL, NULL},
        {ACCOUNT_KEY "\n", NULL, NULL},
        {"[" ACCOUNT_KEY "]\n", NULL, NULL},
        {"", "BLOBPROXYD_ACCOUNTS_KEY=" ACCOUNT_KEY, NULL},
        {"", "BLOBPROXYD_ACCOUNT_KEY=" ACCOUNT_KEY, NULL},
        {"", "BLOBPROXYD_ACCOUNTS_FILE=" ACCOUNT_KEY, NULL},
        {"", NULL, "--set=accounts.key=" ACCOUNT_KEY},
        {"", NULL, "--set=accounts." ACCOUNT_KEY},
        {"", NULL, "--account-key=" ACCOUNT_KEY},
        {"", NULL, ACCOUNT_KEY},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];

        set_variable(cases[i].variable, name);
        LOAD(loaded, cases[i].text, cases[i].option);
        cr_expect_eq(loaded.action, CONF_EXIT_USAGE, "case %zu", i);
        cr_expect_not(strstr(loaded.err, "Eby8"), "case %zu: %s", i, loaded.err);
        if (*name)
            unsetenv(name);
    }
}

Test(conf_sources, who_writes_a_key_into_the_configuration_is_told_where_it_goes)
{
#define WHERE "account keys are never taken from here, write them into a file of mode 0600 and its path into accounts.file\n"
    setenv("BLOBPROXYD_ACCOUNTS_KEY", "x", 1);
    LOAD(loaded, "[accounts]\nkey = x\nmyaccount " ACCOUNT_KEY "\n[tls]\nconnection_string = x\n", "--set=accounts.sas=x");
    cr_expect_str_eq(conf_fixture_said(loaded.err),
                     "blobproxyd: --set: accounts.sas: " WHERE "blobproxyd: ~/x:2: accounts.key: " WHERE
                     "blobproxyd: ~/x:3: accounts.?: " WHERE "blobproxyd: ~/x:5: tls.connection_string: " WHERE
                     "blobproxyd: BLOBPROXYD_ACCOUNTS_KEY: " WHERE);
}

/* The line above "key = value" in the section of a dump; "" when there is no such line. The text is good until the next call. */
static const char *said_above(const char *dump, const char *section, const char *pair)
{
    static char line[256];
    char heading[64];

    snprintf(heading, sizeof(heading), "\n[%s]\n", section);
    snprintf(line, sizeof(line), "\n%s\n", pair);
    const char *start = strstr(dump, heading), *at = start ? strstr(start, line) : NULL,
               *next = start ? strstr(start + 1, "\n[") : NULL;
    if (!at || (next && at > next))
        return "";
    const char *above = at;
    while (above > dump && above[-1] != '\n')
        above--;
    snprintf(line, sizeof(line), "%.*s", (int)(at - above), above);
    return line;
}

Test(conf_sources, a_dump_says_of_each_key_where_it_comes_from_and_what_takes_another_value)
{
    conf_fixture_write("conf.d/a.conf", "\n[listen]\nhosts = one  two\n", 0644);
    setenv("BLOBPROXYD_LIMITS_BODY_RATE", "32768", 1);
    LOAD(loaded, "[slots]\nsmall = 7\n[listen]\nunix_mode = 600\n", "--dump-config", "--log-level=info", "--set=listen.unix=");
    const char *dump = conf_fixture_said(loaded.out);

    cr_assert_eq(loaded.action, CONF_EXIT_OK, "%s", loaded.err);
    cr_expect_str_eq(said_above(dump, "slots", "small = 7"), "# ~/x:2; restart");
    cr_expect_str_eq(said_above(dump, "listen", "hosts = one two"), "# ~/conf.d/a.conf:3; reload");
    cr_expect_str_eq(said_above(dump, "listen", "unix ="), "# --set; restart");
    cr_expect_str_eq(said_above(dump, "listen", "unix_mode = 0600"), "# ~/x:4; restart");
    cr_expect_str_eq(said_above(dump, "limits", "body_rate = 32K"), "# BLOBPROXYD_LIMITS_BODY_RATE; restart");
    cr_expect_str_eq(said_above(dump, "limits", "drain_timeout = 30s"), "# default; reload");
    cr_expect_str_eq(said_above(dump, "limits", "shards = 0"), "# default; restart");
    cr_expect_str_eq(said_above(dump, "channel", "type = emulated"), "# default; restart");
    cr_expect_str_eq(said_above(dump, "log", "level = info"), "# --log-level; restart");
}

Test(conf_sources, a_dump_read_as_the_file_gives_the_same_configuration)
{
    conf_fixture_write("conf.d/a.conf", "[upstream]\nfallback = https\n[channel]\ntype = auto\n", 0644);
    LOAD(first, "[listen]\nhosts = a b c\nallow_remote = yes\n[limits]\nshards = 2\nheader_timeout = 1500ms\nbody_rate = 1025\n",
         "--dump-config", "--check-config", "--set=accounts.domains=h.example=acc");
    cr_assert_eq(first.action, CONF_EXIT_OK, "%s", first.err);
    cr_expect_eq(strncmp(conf_fixture_said(first.out), "# configuration ok: ~/x, and 1 of ~/conf.d\n#", 44), 0, "%s", first.out);
    LOAD(fresh, first.out, NULL);
    cr_assert_eq(fresh.action, CONF_RUN, "%s", fresh.err);
    CLEANUP(buf_free) struct buf dump;
    buf_init(&dump, 1u << 20);
    conf_dump(fresh.conf, &dump);

    struct conf *again = conf_new();
    CLEANUP(buf_free) struct buf errors;
    buf_init(&errors, 4096);
    cr_expect_eq(conf_parse_text(again, "dump", dump.bytes, dump.len, &errors), 0u, "%s", errors.bytes ? errors.bytes : "");
    for (size_t key = 0; key < CONF_KEY_COUNT; key++)
        cr_expect(conf_value_equals(again, fresh.conf, &conf_rows[key]), "%s differs", conf_rows[key].key);
    cr_expect_eq(again->limits_header_timeout_ms, 1500u);
    cr_expect_eq(again->limits_body_rate, 1025u);
    cr_expect_eq(again->channel_type, CONF_CHANNEL_AUTO);
    cr_expect_str_eq(again->accounts_domains.items[0], "h.example=acc");
    conf_free(again);
}

Test(conf_sources, a_dump_of_a_wrong_configuration_prints_its_mistakes_alone)
{
    LOAD(loaded, "[log]\nlevel = loud\n", "--dump-config");
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(loaded.out, "");
    cr_expect_not_null(strstr(loaded.err, "log.level"));
}

Test(conf_sources, a_dump_needs_no_key_files_but_a_check_does)
{
    const char *text = "[accounts]\nfile = /nonexistent/keys\n";
    LOAD(dump, text, "--dump-config");
    cr_expect_eq(dump.action, CONF_EXIT_OK, "%s", dump.err);
    cr_expect_not_null(strstr(dump.out, "\nfile = /nonexistent/keys\n"));
    LOAD(both, text, "--dump-config", "--check-config");
    cr_expect_eq(both.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(both.out, "");
}
