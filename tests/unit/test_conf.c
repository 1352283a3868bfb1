/* SPDX-License-Identifier: MIT */
/* The configuration: defaults, file, options, precedence, and the exact line for everything that is wrong. */
#include "../../src/blobproxyd/conf.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_MAX 12

static char directory[64]; /* of this test */

static void make_directory(void)
{
    strcpy(directory, "/tmp/test_conf.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    /* A service manager's variables must not reach in from outside. */
    unsetenv("STATE_DIRECTORY");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_RUNTIME_DIR");
}

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

static char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path_of(name), mode), 0);
}

struct loaded {
    enum conf_action action;
    struct conf *conf;
    char *out;
    char *err;
};

/* Loads text as the file "x" (none when NULL) with further options up to a NULL. */
static struct loaded load(const char *text, const char *const *options)
{
    static char config[160];
    char *argv[ARGS_MAX + 1] = {(char[]){"blobproxyd"}};
    int argc = 1;
    struct loaded loaded = {0};
    size_t out_bytes, err_bytes;
    FILE *out = open_memstream(&loaded.out, &out_bytes), *err = open_memstream(&loaded.err, &err_bytes);

    if (text) {
        write_file("x", text, 0644);
        snprintf(config, sizeof(config), "--config=%s", path_of("x"));
        argv[argc++] = config;
    }
    for (; options && *options; options++)
        argv[argc++] = (char *)(uintptr_t)*options;
    loaded.action = conf_load(argc, argv, out, err, &loaded.conf);
    fclose(out);
    fclose(err);
    return loaded;
}

static void loaded_free(struct loaded *loaded)
{
    loaded->conf = conf_free(loaded->conf);
    free(loaded->out);
    free(loaded->err);
}
#define LOAD(name, text, ...) CLEANUP(loaded_free) struct loaded name = load(text, (const char *const[]){__VA_ARGS__, NULL})

/* "blobproxyd: " in front, "PATH" replaced by the file's path. */
static void expect_line(const char *text, const char *expected)
{
    LOAD(loaded, text, NULL);
    char line[512];
    const char *place = strncmp(expected, "PATH", 4) == 0 ? path_of("x") : "";
    snprintf(line, sizeof(line), "blobproxyd: %s%s\n", place, expected + (*place ? 4 : 0));
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE, "was accepted: %s", text);
    cr_expect_str_eq(loaded.err, line);
}

static const struct wrong {
    const char *text, *line;
} wrong[] = {
    {"[lisen]\ntcp = 1\n", "PATH:1: [lisen]: unknown section, did you mean [listen]?"},
    {"[network]\n",
     "PATH:1: [network]: unknown section, write [listen], [tls], [channel], [upstream], [slots], [limits], [accounts] or [log]"},
    {"[listen]\ntpc = 127.0.0.1:1\n", "PATH:2: listen.tpc: unknown key, did you mean tcp?"},
    {"[limits]\nheader_timout = 1s\n", "PATH:2: limits.header_timout: unknown key, did you mean header_timeout?"},
    {"[limits]\nbananas = 1\n", "PATH:2: limits.bananas: unknown key, see blobproxyd --help for the keys there are"},
    {"[limits]\nlarge_bytes = 8M\n", "PATH:2: limits.large_bytes: unknown key, write it under [slots]"},
    {"[log]\nLevel = info\n", "PATH:2: log.Level: unknown key, did you mean level?"},
    {"level = info\n", "PATH:1: level: key outside of a section, write [section] above it"},
    {"[log]\nlevel\n", "PATH:2: neither a section nor a key, write [section] or key = value"},
    {"[log\n", "PATH:1: section without its end, write [name] alone on the line"},
    {"[log]\n= info\n", "PATH:2: no key before '=', write key = value"},
    {"[log]\nlevel = info # more\n", "PATH:2: comment behind a value, write it on a line of its own"},
    {"[log]\nlevel = \x01\n", "PATH:2: control byte in the line, write plain text"},
    {"[log]\nlevel = info\nlevel = debug\n", "PATH:3: log.level: set twice, remove this line or line 2"},
    {"[log]\nlevel = info\n[slots]\n[log]\nlevel = info\n", "PATH:5: log.level: set twice, remove this line or line 2"},
    {"[log]\nlevel = loud\n", "PATH:2: log.level: \"loud\" is not a level, write error, warning, notice, info or debug"},
    {"[log]\nlevel =\n", "PATH:2: log.level: \"\" is not a level, write error, warning, notice, info or debug"},
    {"[listen]\ntcp = 10000\n", "PATH:2: listen.tcp: \"10000\" has no port, write ADDRESS:PORT, for example 127.0.0.1:10000"},
    {"[listen]\ntcp = [::1]\n", "PATH:2: listen.tcp: \"[::1]\" has no port, write ADDRESS:PORT, for example 127.0.0.1:10000"},
    {"[listen]\ntcp = localhost:1\n",
     "PATH:2: listen.tcp: \"localhost:1\" is not a numeric address, write one such as 127.0.0.1:10000 or [::1]:10000"},
    {"[listen]\ntcp = :1\n",
     "PATH:2: listen.tcp: \":1\" is not a numeric address, write one such as 127.0.0.1:10000 or [::1]:10000"},
    {"[listen]\ntcp = ::1:80\n",
     "PATH:2: listen.tcp: \"::1:80\" is IPv6 without brackets, write [ADDRESS]:PORT, for example [::1]:10000"},
    {"[listen]\ntcp = 127.0.0.1:65536\n",
     "PATH:2: listen.tcp: \"127.0.0.1:65536\" has a bad port, write 0 to 65535 behind the last colon"},
    {"[listen]\ntcp = 127.0.0.1:1 127.0.0.1:1\n", "PATH:2: listen.tcp: 127.0.0.1:1 stands twice, write it once"},
    {"[listen]\ntcp = 127.0.0.1:1 0.0.0.0:1\n",
     "PATH:2: listen.tcp: 0.0.0.0:1 is not loopback, write 127.0.0.1 or [::1], or listen.allow_remote = yes"},
    {"[listen]\ntcp = [::]:1\n",
     "PATH:2: listen.tcp: [::]:1 is not loopback, write 127.0.0.1 or [::1], or listen.allow_remote = yes"},
    {"[listen]\nallow_remote = yes\nmetrics = 10.0.0.1:80\n", "PATH:3: listen.metrics: 10.0.0.1:80 is not loopback and metrics "
                                                              "never leave the machine, write 127.0.0.1:PORT or [::1]:PORT"},
    {"[listen]\nmetrics = 127.0.0.1:10000\n",
     "PATH:2: listen.metrics: 127.0.0.1:10000 is also in listen.tcp, write another port"},
    {"[listen]\nmetrics = here\n",
     "PATH:2: listen.metrics: \"here\" has no port, write ADDRESS:PORT, for example 127.0.0.1:10000"},
    {"[listen]\nallow_remote = true\n", "PATH:2: listen.allow_remote: \"true\" is not a switch, write yes or no"},
    {"[listen]\ntcp =\nunix =\n", "PATH:2: listen.tcp: nothing to listen on, write an address here or a path in listen.unix"},
    {"[listen]\nunix = blob.sock\n",
     "PATH:2: listen.unix: \"blob.sock\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[listen]\nunix = \"/x\"\n",
     "PATH:2: listen.unix: \"\"/x\"\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[listen]\nunix = /run/blobhostd/bus.sock\n",
     "PATH:2: listen.unix: /run/blobhostd/bus.sock is also channel.socket, write another path"},
    {"[listen]\nunix_mode = 0888\n", "PATH:2: listen.unix_mode: \"0888\" is not a mode, write octal digits such as 0660"},
    {"[listen]\nunix_mode = 1777\n", "PATH:2: listen.unix_mode: \"1777\" is not a mode, write octal digits such as 0660"},
    {"[listen]\nhosts = A.example\n",
     "PATH:2: listen.hosts: \"A.example\" is not a host name, write lower-case letters, digits, - and . and no port"},
    {"[listen]\naccount_suffixes = blob.localhost:10000\n", "PATH:2: listen.account_suffixes: \"blob.localhost:10000\" is not a "
                                                            "host name, write lower-case letters, digits, - and . and no port"},
    {"[listen]\nunix_trusted_uids = root\n", "PATH:2: listen.unix_trusted_uids: \"root\" is not a user id, write its number"},
    {"[listen]\nunix_trusted_uids = 4294967295\n",
     "PATH:2: listen.unix_trusted_uids: \"4294967295\" is not a user id, write its number"},
    {"[listen]\nunix_trusted_uids = 1000 65534\n",
     "PATH:2: listen.unix_trusted_uids: 65534 stands for users that cannot be told apart, write another user"},
    {"[accounts]\nallow = acct My-Account\n",
     "PATH:2: accounts.allow: \"My-Account\" is not an account name, write 3 to 24 lower-case letters and digits"},
    {"[accounts]\ndomains = files.example.org\n",
     "PATH:2: accounts.domains: \"files.example.org\" names no account, write HOST=ACCOUNT"},
    {"[accounts]\ndomains = files.example.org:1=acct\n", "PATH:2: accounts.domains: \"files.example.org:1\" is not a host name, "
                                                         "write lower-case letters, digits, - and . and no port"},
    {"[accounts]\ndomains = files.example.org=a\n",
     "PATH:2: accounts.domains: \"a\" is not an account name, write 3 to 24 lower-case letters and digits"},
    {"[accounts]\nendpoint = {account}.blob.localhost\n",
     "PATH:2: accounts.endpoint: \"{account}.blob.localhost\" is not an endpoint, write for example "
     "https://{account}.blob.core.windows.net"},
    {"[accounts]\nendpoint = https://{account}.blob.localhost/\n",
     "PATH:2: accounts.endpoint: \"https://{account}.blob.localhost/\" is not an endpoint, write for example "
     "https://{account}.blob.core.windows.net"},
    {"[accounts]\nendpoint = https://blob.localhost\n",
     "PATH:2: accounts.endpoint: \"https://blob.localhost\" is not an endpoint, write for example "
     "https://{account}.blob.core.windows.net"},
    {"[listen]\nhosts = a b c d e f g h i j k l m n o p q\n", "PATH:2: listen.hosts: more than 16 entries, write fewer"},
    {"[channel]\ntype = Device\n", "PATH:2: channel.type: \"Device\" is not a channel, write emulated, device or auto"},
    {"[channel]\ndevice = azure_blob\n",
     "PATH:2: channel.device: \"azure_blob\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[channel]\ndepth = 0\n", "PATH:2: channel.depth: 0 is out of range, write 1 to 1024"},
    {"[channel]\ndepth = 3\n[limits]\nshards = 4\n",
     "PATH:2: channel.depth: fewer than limits.shards, write at least 4, or fewer shards"},
    {"[channel]\nsocket =\n",
     "PATH:2: channel.socket: \"\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[channel]\nsuffix = .x\n",
     "PATH:2: channel.suffix: \".x\" is not a host name, write lower-case letters, digits, - and . and no port"},
    {"[channel]\nring_bytes = 260K\n", "PATH:2: channel.ring_bytes: 266240 is not a power of two, write 128K, 256K or 512K"},
    {"[channel]\nring_bytes = 4K\n", "PATH:2: channel.ring_bytes: 4K is out of range, write 8K to 16M"},
    {"[channel]\nring_bytes = 16K\n",
     "PATH:2: channel.ring_bytes: too small for one transfer of slots.large_bytes, write at least 32K"},
    {"[channel]\nring_bytes = 64K\n[slots]\nlarge_bytes = 31M\n",
     "PATH:2: channel.ring_bytes: too small for one transfer of slots.large_bytes, write at least 128K"},
    {"[channel]\ntimeout = 60\n",
     "PATH:2: channel.timeout: \"60\" is not a duration, write a number and ms, s, m or h, such as 20s"},
    {"[channel]\ntimeout = 1.5s\n",
     "PATH:2: channel.timeout: \"1.5s\" is not a duration, write a number and ms, s, m or h, such as 20s"},
    {"[channel]\ntimeout = 500ms\n", "PATH:2: channel.timeout: 500ms is out of range, write 1s to 10m"},
    {"[limits]\nkeepalive_timeout = 25h\n", "PATH:2: limits.keepalive_timeout: 25h is out of range, write 1s to 24h"},
    {"[limits]\ndrain_timeout = 18446744073709551616s\n",
     "PATH:2: limits.drain_timeout: 18446744073709551616s is out of range, write 0s to 10m"},
    {"[upstream]\nfallback = https\nca_file = /nonexistent/ca.pem\n",
     "PATH:3: upstream.ca_file: cannot read /nonexistent/ca.pem: No such file or directory"},
    {"[upstream]\nfallback = http\n", "PATH:2: upstream.fallback: \"http\" is not a fallback, write off or https"},
    {"[upstream]\nurl = blob.core.windows.net\n",
     "PATH:2: upstream.url: \"blob.core.windows.net\" is no URL, write one that begins with https://"},
    {"[upstream]\nurl = https://a.example/path\n", "PATH:2: upstream.url: \"https://a.example/path\" is not an endpoint, write "
                                                   "https://HOST or https://HOST:PORT without a path"},
    {"[upstream]\nurl = https://u@a.example\n",
     "PATH:2: upstream.url: \"https://u@a.example\" is not an endpoint, write https://HOST or https://HOST:PORT without a path"},
    {"[upstream]\nurl = https://{account}.{account}.example\n",
     "PATH:2: upstream.url: \"https://{account}.{account}.example\" is not an endpoint, write https://HOST or https://HOST:PORT "
     "without a path"},
    {"[upstream]\nurl = https://a.example:\n",
     "PATH:2: upstream.url: \"https://a.example:\" is not an endpoint, write https://HOST or https://HOST:PORT without a path"},
    {"[upstream]\nurl = http://a.example\n",
     "PATH:2: upstream.url: \"http://a.example\" would send signatures over the network in plain HTTP, write https://"},
    {"[upstream]\nurl = http://127.evil.example\n",
     "PATH:2: upstream.url: \"http://127.evil.example\" would send signatures over the network in plain HTTP, write https://"},
    {"[limits]\nconnections = many\n", "PATH:2: limits.connections: \"many\" is not a number, write digits alone"},
    {"[limits]\nconnections = -1\n", "PATH:2: limits.connections: \"-1\" is not a number, write digits alone"},
    {"[limits]\nconnections = 0\n", "PATH:2: limits.connections: 0 is out of range, write 1 to 1000000"},
    {"[limits]\nshards = 25\n", "slots.large: fewer than limits.shards, write at least 25, or fewer shards"},
    {"[limits]\nshards = 8\n[slots]\nsmall = 4\n",
     "PATH:4: slots.small: fewer than limits.shards, write at least 8, or fewer shards"},
    {"[limits]\nbody_rate = 16k\n",
     "PATH:2: limits.body_rate: \"16k\" is not a size, write a number of bytes or one with K, M or G, such as 8M"},
    {"[slots]\nlarge_bytes = 32M\n", "PATH:2: slots.large_bytes: 32M is out of range, write 64K to 31M"},
    {"[slots]\nlarge_bytes = 63K\n", "PATH:2: slots.large_bytes: 63K is out of range, write 64K to 31M"},
    {"[slots]\nlarge_bytes = 65537\n",
     "PATH:2: slots.large_bytes: 65537 is not a multiple of 4096, write it in K or M, such as 8M"},
    {"[slots]\nlarge_bytes = 99999999999999999999G\n",
     "PATH:2: slots.large_bytes: 99999999999999999999G is out of range, write 64K to 31M"},
    {"[accounts]\nfile = keys\n",
     "PATH:2: accounts.file: \"keys\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[accounts]\ndevelopment = 1\n", "PATH:2: accounts.development: \"1\" is not a switch, write yes or no"},
};

Test(conf, each_mistake_gives_its_line_and_no_other, .init = make_directory, .fini = remove_directory)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_line(wrong[i].text, wrong[i].line);
}

Test(conf, a_socket_path_has_at_most_107_bytes, .init = make_directory, .fini = remove_directory)
{
    char text[160] = "[listen]\nunix = /";
    size_t start = strlen(text) - 1;

    memset(text + start + 1, 'x', 106);
    {
        LOAD(loaded, text, NULL);
        cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
        cr_expect_eq(strlen(loaded.conf->listen_unix), 107u);
    }
    text[start + 107] = 'x';
    expect_line(text, "PATH:2: listen.unix: the path has 108 bytes, write one of at most 107");
}

Test(conf, endpoints_of_every_legal_form_are_taken, .init = make_directory, .fini = remove_directory)
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

Test(conf, all_mistakes_are_told_at_once, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, "[log]\nlevel = x\n[slots]\nsmall = y\nlarge = z\n", "--metrics=w", "--nonsense", "word");
    unsigned lines = 0;
    for (const char *at = loaded.err; *at; at++)
        lines += *at == '\n';
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_eq(lines, 6u, "%s", loaded.err);
    cr_expect_null(loaded.conf);
}

Test(conf, a_bad_value_causes_no_second_complaint, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, "[slots]\nlarge_bytes = 99M\n[channel]\nring_bytes = 8K\n", NULL);
    cr_expect_null(strstr(loaded.err, "ring_bytes"), "%s", loaded.err);
}

Test(conf, a_file_that_cannot_be_read_is_an_error, .init = make_directory, .fini = remove_directory)
{
    LOAD(missing, NULL, "--config", "/nonexistent/x.conf");
    cr_expect_eq(missing.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(missing.err, "blobproxyd: /nonexistent/x.conf: cannot read the file: No such file or directory\n");
    LOAD(folder, NULL, "--config", directory);
    cr_expect(strstr(folder.err, "Is a directory"), "%s", folder.err);
}

Test(conf, options_are_checked, .init = make_directory, .fini = remove_directory)
{
    static const struct {
        const char *option, *line;
    } cases[] = {
        {"--lissten=1", "blobproxyd: --lissten=1: unknown option, did you mean --listen?\n"},
        {"--frobnicate", "blobproxyd: --frobnicate: unknown option, see blobproxyd --help\n"},
        {"-x", "blobproxyd: -x: unknown option, see blobproxyd --help\n"},
        {"-config", "blobproxyd: -c: unknown option, see blobproxyd --help\n"},
        {"word", "blobproxyd: word: not an option, see blobproxyd --help\n"},
        {"--listen", "blobproxyd: --listen: its value is missing, write --listen=ADDR:PORT\n"},
        {"--check-config=yes", "blobproxyd: --check-config: takes no value, write --check-config alone\n"},
        {"--log-level=loud", "blobproxyd: --log-level: log.level: \"loud\" is not a level, write error, warning, notice, info or "
                             "debug\n"},
        {"--listen=0.0.0.0:1", "blobproxyd: --listen: listen.tcp: 0.0.0.0:1 is not loopback, write 127.0.0.1 or [::1], or "
                               "listen.allow_remote = yes\n"},
        {"--listen-unix=x\ny", "blobproxyd: --listen-unix: listen.unix: \"x?y\" is not an absolute path, write one that begins "
                               "with / and has no quotes\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        LOAD(loaded, "", cases[i].option);
        cr_expect_eq(loaded.action, CONF_EXIT_USAGE, "%s", cases[i].option);
        cr_expect_str_eq(loaded.err, cases[i].line);
    }
}

Test(conf, an_empty_file_gives_the_defaults, .init = make_directory, .fini = remove_directory)
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

Test(conf, the_file_overrides_defaults_and_options_override_the_file, .init = make_directory, .fini = remove_directory)
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

Test(conf, durations_and_sizes_take_every_unit, .init = make_directory, .fini = remove_directory)
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

Test(conf, remote_addresses_pass_with_the_explicit_word, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, "[listen]\ntcp = 0.0.0.0:10000\nallow_remote = yes\n", NULL);
    cr_expect_eq(loaded.action, CONF_RUN, "%s", loaded.err);
}

Test(conf, a_device_is_asked_for_accounts_by_their_own_names, .init = make_directory, .fini = remove_directory)
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

Test(conf, the_whole_loopback_net_is_loopback, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, "[listen]\ntcp = 127.8.9.10:0 [::1]:0\nmetrics = 127.0.0.2:0\n", NULL);
    cr_expect_eq(loaded.action, CONF_RUN, "%s", loaded.err);
}

Test(conf, check_config_says_ok_and_does_not_run, .init = make_directory, .fini = remove_directory)
{
    char line[160];
    LOAD(loaded, "[log]\nlevel = info\n", "--check-config");
    snprintf(line, sizeof(line), "configuration ok: %s\n", path_of("x"));
    cr_expect_eq(loaded.action, CONF_EXIT_OK);
    cr_expect_str_eq(loaded.out, line);
    cr_expect_str_eq(loaded.err, "");
    cr_expect_null(loaded.conf);
}

Test(conf, check_config_fails_on_a_bad_file, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, "[log]\nlevel = loud\n", "--check-config");
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(loaded.out, "");
}

Test(conf, help_names_every_option_and_key, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, NULL, "--help");
    static const char *const words[] = {
        "--emulated[=DIR]",
        "--listen=ADDR:PORT",
        "--check-config",
        "[limits]",
#define CONF_KEY(section, key, member, kind, fallback, min, max, why) #key " = " fallback,
#include "../../src/blobproxyd/conf.def"
#undef CONF_KEY
    };
    cr_expect_eq(loaded.action, CONF_EXIT_OK);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        cr_expect(strstr(loaded.out, words[i]), "%s is not in the help", words[i]);
}

Test(conf, version_is_printed, .init = make_directory, .fini = remove_directory)
{
    LOAD(loaded, NULL, "--version");
    cr_expect_eq(loaded.action, CONF_EXIT_OK);
    cr_expect_eq(strncmp(loaded.out, "blobproxyd ", 11), 0);
}

/* Puts an executable named blobhostd first in PATH. */
static void make_blobhostd(void)
{
    write_file("blobhostd", "#!/bin/sh\n", 0755);
    setenv("PATH", directory, 1);
}

Test(conf, emulated_moves_sockets_into_its_directory_and_knows_the_development_account, .init = make_directory)
{
    char option[96];
    make_blobhostd();
    snprintf(option, sizeof(option), "--emulated=%s", directory);
    LOAD(loaded, "[channel]\ntype = device\nsocket = /run/other.sock\n", option);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->channel_type, CONF_CHANNEL_EMULATED, "the option wins over the file");
    cr_expect_str_eq(loaded.conf->channel_suffix, "blob.localhost");
    cr_expect_str_eq(loaded.conf->emulated_directory, directory);
    cr_expect_str_eq(loaded.conf->channel_socket, path_of("bus.sock"));
    cr_expect_str_eq(loaded.conf->listen_unix, path_of("blobproxyd.sock"));
    cr_expect(loaded.conf->accounts_development);
    cr_expect_not_null(accounts_find(loaded.conf->accounts, "devstoreaccount1"));
    cr_expect_not_null(strstr(loaded.conf->host_program, "/blobhostd"));
    setenv("PATH", "/usr/bin:/bin", 1);
    remove_directory();
}

Test(conf, with_emulated_the_file_still_decides_on_socket_and_development, .init = make_directory)
{
    char text[256];
    make_blobhostd();
    write_file("keys", "myaccount AAAA\n", 0600);
    snprintf(text, sizeof(text), "[listen]\nunix = /run/mine.sock\n[accounts]\ndevelopment = no\nfile = %s\n", path_of("keys"));
    LOAD(loaded, text, "--emulated=/srv/emulated");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->listen_unix, "/run/mine.sock");
    cr_expect_not(loaded.conf->accounts_development);
    setenv("PATH", "/usr/bin:/bin", 1);
    remove_directory();
}

Test(conf, emulated_without_any_account_is_refused, .init = make_directory)
{
    make_blobhostd();
    LOAD(loaded, "[accounts]\ndevelopment = no\n", "--emulated=/srv/emulated");
    cr_assert_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_not_null(strstr(loaded.err, "no account is left to serve"), "%s", loaded.err);
    setenv("PATH", "/usr/bin:/bin", 1);
    remove_directory();
}

Test(conf, emulated_without_directory_uses_the_state_directory, .init = make_directory)
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
    remove_directory();
}

Test(conf, emulated_without_any_place_uses_home_or_var_lib, .init = make_directory)
{
    make_blobhostd();
    setenv("HOME", "/srv/home", 1);
    LOAD(loaded, "", "--emulated");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->emulated_directory,
                     geteuid() == 0 ? "/var/lib/blobproxyd" : "/srv/home/.local/state/blobproxyd");
    setenv("PATH", "/usr/bin:/bin", 1);
    remove_directory();
}

Test(conf, a_relative_emulated_directory_becomes_absolute, .init = make_directory)
{
    make_blobhostd();
    cr_assert_eq(chdir("/"), 0);
    LOAD(loaded, "", "--emulated=srv/data");
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_eq(loaded.conf->emulated_directory[0], '/');
    cr_expect_not_null(strstr(loaded.conf->emulated_directory, "/srv/data"));
    setenv("PATH", "/usr/bin:/bin", 1);
    remove_directory();
}

Test(conf, emulated_with_a_directory_too_deep_for_its_sockets_is_refused, .init = make_directory)
{
    static const char option[] = "--emulated=/12345678901234567890123456789012345678901234567890"
                                 "12345678901234567890123456789012345678901234567890";
    make_blobhostd();
    LOAD(loaded, "", option);
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect(strstr(loaded.err, "blobproxyd: --emulated: channel.socket: the path has 110 bytes"), "%s", loaded.err);
    setenv("PATH", "/usr/bin:/bin", 1);
    remove_directory();
}

Test(conf, the_default_unix_socket_depends_on_who_runs_it, .init = make_directory, .fini = remove_directory)
{
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    LOAD(loaded, "", NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_str_eq(loaded.conf->listen_unix, geteuid() == 0 ? "/run/blobproxyd.sock" : "/run/user/7/blobproxyd.sock");
}

#define KEYS "myaccount MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"

Test(conf, the_key_file_is_loaded, .init = make_directory, .fini = remove_directory)
{
    char text[160];
    write_file("keys", KEYS, 0600);
    snprintf(text, sizeof(text), "[accounts]\nfile = %s\n", path_of("keys"));
    LOAD(loaded, text, NULL);
    cr_assert_eq(loaded.action, CONF_RUN, "%s", loaded.err);
    cr_expect_not_null(accounts_find(loaded.conf->accounts, "myaccount"));
}

Test(conf, a_key_file_that_others_can_read_is_refused, .init = make_directory, .fini = remove_directory)
{
    char text[160], start[200];
    write_file("keys", KEYS, 0644);
    snprintf(text, sizeof(text), "[accounts]\nfile = %s\n", path_of("keys"));
    LOAD(loaded, text, NULL);
    snprintf(start, sizeof(start), "blobproxyd: %s:2: accounts.file: ", path_of("x"));
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_eq(strncmp(loaded.err, start, strlen(start)), 0, "%s", loaded.err);
    cr_expect(strstr(loaded.err, "chmod"), "%s", loaded.err);
}

Test(conf, the_credential_of_the_service_manager_is_loaded, .init = make_directory, .fini = remove_directory)
{
    write_file("accounts", KEYS, 0400);
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
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

/* Takes "#key = value" for "key = value"; prose in comments has no '=' behind its first word. */
static char *uncomment(FILE *file)
{
    char *text = NULL, *line = NULL;
    size_t bytes, line_bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    while (getline(&line, &line_bytes, file) >= 0) {
        char key[64];
        bool is_key = sscanf(line, "#%63[a-z_] =", key) == 1 && strncmp(line + 1 + strlen(key), " =", 2) == 0;
        fputs(is_key ? line + 1 : line, out);
    }
    fclose(out);
    free(line);
    return text;
}

/* AUTOMAKE gives the place of the sources; by hand the tests run in it. */
static FILE *open_sample(void)
{
    const char *source = getenv("srcdir");
    char path[512];
    snprintf(path, sizeof(path), "%s/conf/blobproxyd.conf", source ? source : ".");
    return fopen(path, "r");
}

Test(conf, the_sample_names_every_key_once_with_its_default)
{
    static const struct {
        const char *section, *pair;
    } keys[] = {
#define CONF_KEY(section, key, member, kind, fallback, min, max, why) {"[" #section "]\n", "\n#" #key " = " fallback},
#include "../../src/blobproxyd/conf.def"
#undef CONF_KEY
    };
    char text[65536];
    FILE *file = open_sample();
    cr_assert_not_null(file, "conf/blobproxyd.conf is missing");
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "%s\n", keys[i].pair);
        if (line[strlen(line) - 2] == ' ') /* an empty default: no blank at the line's end */
            strcpy(line + strlen(line) - 2, "\n");
        const char *section = strstr(text, keys[i].section);
        const char *found = section ? strstr(section, line) : NULL;
        cr_expect(section && found, "%s lacks \"%s\"", keys[i].section, line + 1);
        const char *next = section ? strstr(section + 1, "\n[") : NULL;
        cr_expect(!next || found < next, "%s stands outside of %s", line + 1, keys[i].section);
    }
}

Test(conf, the_sample_parses_to_the_defaults_with_and_without_its_comment_signs)
{
    FILE *file = open_sample();
    cr_assert_not_null(file, "conf/blobproxyd.conf is missing");
    CLEANUP(cleanup_free) char *text = uncomment(file);
    CLEANUP(buf_free) struct buf errors;
    buf_init(&errors, 65536);
    struct conf *parsed = conf_new(), *fresh = conf_new();
    fclose(file);

    cr_expect_eq(conf_parse_text(parsed, "sample", text, strlen(text), &errors), 0u, "%s", errors.bytes ? errors.bytes : "");
    cr_expect_str_eq(parsed->listen_tcp.items[1], fresh->listen_tcp.items[1]);
    cr_expect_not(parsed->listen_tcp.is_default, "no line of the sample was read");
    cr_expect_str_eq(parsed->listen_unix, fresh->listen_unix);
    cr_expect_eq(parsed->slots_large_bytes, fresh->slots_large_bytes);
    cr_expect_eq(parsed->slots_read_window, fresh->slots_read_window);
    cr_expect_eq(parsed->limits_body_grace_ms, fresh->limits_body_grace_ms);
    cr_expect_eq(parsed->log_level, fresh->log_level);
    conf_free(parsed);
    conf_free(fresh);
}
