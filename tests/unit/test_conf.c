/* SPDX-License-Identifier: MIT */
/* The configuration: defaults, values, what --emulated makes of them, the files that it names. */
#include "conf_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(conf, endpoints_of_every_legal_form_are_taken, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    static const char *const urls[] = {"https://{account}.blob.core.windows.net",
                                       "https://files.example.com:8443",
                                       "https://{account}.blob.localhost:10000",
                                       "https://10.1.2.3",
                                       "https://[fd00::1]:443",
                                       "http://127.0.0.1:10000",
                                       "http://[::1]:10000",
                                       "http://{account}.blob.localhost:10000",
                                       "http://localhost"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char text[160];

        snprintf(text, sizeof(text), "[upstream]\nfallback = https\nurl = %s\n", urls[i]);
        LOAD(loaded, text, NULL);
        cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
        cr_expect_str_eq(loaded.conf->upstream_url, urls[i]);
        cr_expect_eq(loaded.conf->upstream_fallback, FALLBACK_HTTPS);
    }
}

Test(conf, an_empty_file_gives_the_defaults, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "", NULL);
    const struct conf *conf = loaded.conf;
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(conf->listen_tcp.items[0], "127.0.0.1:10000");
    cr_expect_str_eq(conf->listen_tcp.items[1], "[::1]:10000");
    cr_expect_null(conf->listen_tcp.items[2]);
    cr_expect(conf->listen_tcp.is_default);
    cr_expect_not(conf->listen_allow_remote);
    cr_expect_eq(conf->listen_unix_mode, 0660u);
    cr_expect_str_eq(conf->listen_metrics, "127.0.0.1:10080");
    cr_expect_null(conf->listen_hosts.items[0]);
    cr_expect_str_eq(conf->listen_account_suffixes.items[0], "blob.localhost");
    cr_expect_eq(conf->channel_type, CONF_CHANNEL_EMULATED);
    cr_expect_str_eq(conf->channel_device, "/dev/azure_blob");
    cr_expect_eq(conf->channel_depth, 64u);
    cr_expect_str_eq(conf->channel_socket, "/run/blobhostd/bus.sock");
    cr_expect_eq(conf->channel_ring_bytes, 262144u);
    cr_expect_eq(conf->channel_timeout_ms, 60000u);
    cr_expect_eq(conf->slots_small, 256u);
    cr_expect_eq(conf->slots_large, 24u);
    cr_expect_eq(conf->slots_large_bytes, 8u << 20);
    cr_expect_eq(conf->slots_read_window, 12u);
    cr_expect_eq(conf->limits_connections, 16384u);
    cr_expect_eq(conf->limits_keepalive_timeout_ms, 300000u);
    cr_expect_eq(conf->limits_body_rate, 16384u);
    cr_expect_str_eq(conf->accounts_file, "");
    cr_expect_not(conf->accounts_development);
    cr_expect_eq(conf->log_level, LOG_LEVEL_NOTICE);
    cr_expect_null(conf->emulated_directory);
    cr_expect_eq(accounts_count(conf->accounts), 0u);
}

Test(conf, the_file_overrides_defaults_and_options_override_the_file, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "[listen]\ntcp = 127.0.0.1:1\nunix = /run/a\nmetrics = 127.0.0.1:2\n[log]\nlevel = error\n[slots]\nsmall = 9\n",
         "--listen=127.0.0.1:3", "--listen", "[::1]:4", "--listen-unix=/run/b", "--metrics=127.0.0.1:5", "--log-level=debug");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->listen_tcp.items[0], "127.0.0.1:3");
    cr_expect_str_eq(loaded.conf->listen_tcp.items[1], "[::1]:4");
    cr_expect_null(loaded.conf->listen_tcp.items[2]);
    cr_expect_not(loaded.conf->listen_tcp.is_default);
    cr_expect_str_eq(loaded.conf->listen_unix, "/run/b");
    cr_expect_str_eq(loaded.conf->listen_metrics, "127.0.0.1:5");
    cr_expect_eq(loaded.conf->log_level, LOG_LEVEL_DEBUG);
    cr_expect_eq(loaded.conf->slots_small, 9u);
}

Test(conf, durations_and_sizes_take_every_unit, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded,
         "[limits]\nheader_timeout = 500ms\nslot_timeout = 2m\nexchange_timeout = 1h\nbody_rate = 1\n[slots]\nlarge_bytes = "
         "65536\n[channel]\nring_bytes = 1M\n",
         NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->limits_header_timeout_ms, 500u);
    cr_expect_eq(loaded.conf->limits_slot_timeout_ms, 120000u);
    cr_expect_eq(loaded.conf->limits_exchange_timeout_ms, 3600000u);
    cr_expect_eq(loaded.conf->limits_body_rate, 1u);
    cr_expect_eq(loaded.conf->slots_large_bytes, 65536u);
    cr_expect_eq(loaded.conf->channel_ring_bytes, 1u << 20);
}

Test(conf, remote_addresses_pass_with_the_explicit_word, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "[listen]\ntcp = 0.0.0.0:10000\nallow_remote = yes\n", NULL);
    cr_expect_eq(loaded.action, CONF_RUN, "%s", loaded.err);
}

Test(conf, a_device_is_asked_for_accounts_by_their_own_names, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(device, "[channel]\ntype = device\ndevice = /dev/other\ndepth = 7\n", NULL);
    cr_assert_eq(device.action, CONF_RUN, "%s", device.err);
    cr_expect_eq(device.conf->channel_type, CONF_CHANNEL_DEVICE);
    cr_expect_str_eq(device.conf->channel_suffix, "blob.core.windows.net");
    cr_expect_str_eq(device.conf->channel_device, "/dev/other");
    cr_expect_eq(device.conf->channel_depth, 7u);
    LOAD(named, "[channel]\ntype = auto\nsuffix = blob.core.chinacloudapi.cn\n", NULL);
    cr_expect_eq(named.conf->channel_type, CONF_CHANNEL_AUTO);
    cr_expect_str_eq(named.conf->channel_suffix, "blob.core.chinacloudapi.cn");
}

Test(conf, the_whole_loopback_net_is_loopback, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "[listen]\ntcp = 127.8.9.10:0 [::1]:0\nmetrics = 127.0.0.2:0\n", NULL);
    cr_expect_eq(loaded.action, CONF_RUN, "%s", loaded.err);
}

Test(conf, check_config_says_ok_and_does_not_run, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    char line[160];
    LOAD(loaded, "[log]\nlevel = info\n", "--check-config");
    snprintf(line, sizeof(line), "configuration ok: %s\n", conf_fixture_path("x"));
    cr_expect_eq(loaded.action, CONF_EXIT_OK);
    cr_expect_str_eq(loaded.out, line);
    cr_expect_str_eq(loaded.err, "");
    cr_expect_null(loaded.conf);
}

Test(conf, check_config_fails_on_a_bad_file, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "[log]\nlevel = loud\n", "--check-config");
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(loaded.out, "");
}

Test(conf, version_is_printed, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, NULL, "--version");
    cr_expect_eq(loaded.action, CONF_EXIT_OK);
    cr_expect_eq(strncmp(loaded.out, "blobproxyd ", 11), 0);
}

/* Puts an executable named blobhostd first in PATH. */
static void make_blobhostd(void)
{
    conf_fixture_write("blobhostd", "#!/bin/sh\n", 0755);
    setenv("PATH", conf_fixture_directory, 1);
}

Test(conf, emulated_moves_sockets_into_its_directory_and_knows_the_development_account, .init = conf_fixture_begin)
{
    char option[96];
    make_blobhostd();
    snprintf(option, sizeof(option), "--emulated=%s", conf_fixture_directory);
    LOAD(loaded, "[channel]\ntype = device\nsocket = /run/other.sock\n", option);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->channel_type, CONF_CHANNEL_EMULATED, "the option wins over the file");
    cr_expect_str_eq(loaded.conf->channel_suffix, "blob.localhost");
    cr_expect_str_eq(loaded.conf->emulated_directory, conf_fixture_directory);
    cr_expect_str_eq(loaded.conf->channel_socket, conf_fixture_path("bus.sock"));
    cr_expect_str_eq(loaded.conf->listen_unix, conf_fixture_path("blobproxyd.sock"));
    cr_expect(loaded.conf->accounts_development);
    cr_expect_not_null(accounts_find(loaded.conf->accounts, "devstoreaccount1"));
    cr_expect_not_null(strstr(loaded.conf->host_program, "/blobhostd"));
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, with_emulated_the_file_still_decides_on_socket_and_development, .init = conf_fixture_begin)
{
    char text[256];
    make_blobhostd();
    conf_fixture_write("keys", "myaccount AAAA\n", 0600);
    snprintf(text, sizeof(text), "[listen]\nunix = /run/mine.sock\n[accounts]\ndevelopment = no\nfile = %s\n",
             conf_fixture_path("keys"));
    LOAD(loaded, text, "--emulated=/srv/emulated");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->listen_unix, "/run/mine.sock");
    cr_expect_not(loaded.conf->accounts_development);
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, emulated_without_any_account_is_refused, .init = conf_fixture_begin)
{
    make_blobhostd();
    LOAD(loaded, "[accounts]\ndevelopment = no\n", "--emulated=/srv/emulated");
    cr_assert_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_not_null(strstr(loaded.err, "no account is left to serve"), "%s", loaded.err);
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, emulated_without_directory_uses_the_state_directory, .init = conf_fixture_begin)
{
    make_blobhostd();
    setenv("XDG_STATE_HOME", "/srv/state", 1);
    LOAD(by_xdg, "", "--emulated");
    cr_assert_eq(by_xdg.action, CONF_RUN, "%s", by_xdg.err);
    cr_expect_str_eq(by_xdg.conf->emulated_directory, "/srv/state/blobproxyd");
    setenv("STATE_DIRECTORY", "/srv/first:/srv/second", 1);
    LOAD(by_manager, "", "--emulated");
    cr_assert_eq(by_manager.action, CONF_RUN, "%s", by_manager.err);
    cr_expect_str_eq(by_manager.conf->emulated_directory, "/srv/first");
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, emulated_without_any_place_uses_home_or_var_lib, .init = conf_fixture_begin)
{
    make_blobhostd();
    setenv("HOME", "/srv/home", 1);
    LOAD(loaded, "", "--emulated");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->emulated_directory,
                     geteuid() == 0 ? "/var/lib/blobproxyd" : "/srv/home/.local/state/blobproxyd");
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, a_relative_emulated_directory_becomes_absolute, .init = conf_fixture_begin)
{
    make_blobhostd();
    cr_assert_eq(chdir("/"), 0);
    LOAD(loaded, "", "--emulated=srv/data");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->emulated_directory[0], '/');
    cr_expect_not_null(strstr(loaded.conf->emulated_directory, "/srv/data"));
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, emulated_with_a_directory_too_deep_for_its_sockets_is_refused, .init = conf_fixture_begin)
{
    static const char option[] = "--emulated=/12345678901234567890123456789012345678901234567890"
                                 "12345678901234567890123456789012345678901234567890";
    make_blobhostd();
    LOAD(loaded, "", option);
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect(strstr(loaded.err, "blobproxyd: --emulated: channel.socket: the path has 110 bytes"), "%s", loaded.err);
    setenv("PATH", "/usr/bin:/bin", 1);
    conf_fixture_end();
}

Test(conf, the_default_unix_socket_depends_on_who_runs_it, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    LOAD(loaded, "", NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->listen_unix, geteuid() == 0 ? "/run/blobproxyd.sock" : "/run/user/7/blobproxyd.sock");
}

#define KEYS "myaccount MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"

Test(conf, the_key_file_is_loaded, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    char text[160];
    conf_fixture_write("keys", KEYS, 0600);
    snprintf(text, sizeof(text), "[accounts]\nfile = %s\n", conf_fixture_path("keys"));
    LOAD(loaded, text, NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_not_null(accounts_find(loaded.conf->accounts, "myaccount"));
}

Test(conf, a_key_file_that_others_can_read_is_refused, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    char text[160], start[200];
    conf_fixture_write("keys", KEYS, 0644);
    snprintf(text, sizeof(text), "[accounts]\nfile = %s\n", conf_fixture_path("keys"));
    LOAD(loaded, text, NULL);
    snprintf(start, sizeof(start), "blobproxyd: %s:2: accounts.file: ", conf_fixture_path("x"));
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_eq(strncmp(loaded.err, start, strlen(start)), 0, "%s", loaded.err);
    cr_expect(strstr(loaded.err, "chmod"), "%s", loaded.err);
}

Test(conf, the_credential_of_the_service_manager_is_loaded, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    conf_fixture_write("accounts", KEYS, 0400);
    setenv("CREDENTIALS_DIRECTORY", conf_fixture_directory, 1);
    LOAD(loaded, "", NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_not_null(accounts_find(loaded.conf->accounts, "myaccount"));
}

Test(conf, shards_follow_the_slots_when_nobody_sets_them)
{
    struct conf *conf = conf_new();
    conf->slots_large = 1;
    cr_expect_eq(conf_shards(conf), 1u);
    conf->slots_large = 4096;
    conf->slots_small = 4096;
    cr_expect_geq(conf_shards(conf), 1u);
    conf->slots_large = 11;
    cr_expect_eq(conf_shards(conf), 1u, "two would have fewer than six each");
    conf->limits_shards = 3;
    cr_expect_eq(conf_shards(conf), 3u);
    conf_free(conf);
}
