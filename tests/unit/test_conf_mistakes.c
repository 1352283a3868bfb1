/* SPDX-License-Identifier: MIT */
/* The exact line for everything that can be wrong in a configuration. */
#include "conf_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

/* The file's path is "~/x". */
static void expect_line(const char *text, const char *expected)
{
    LOAD(loaded, text, NULL);
    char line[512];

    snprintf(line, sizeof(line), "blobproxyd: %s\n", expected);
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE, "was accepted: %s", text);
    cr_expect_str_eq(conf_fixture_said(loaded.err), line);
}

static const struct wrong {
    const char *text, *line;
} wrong[] = {
    {"[lisen]\ntcp = 1\n", "~/x:1: [lisen]: unknown section, did you mean [listen]?"},
    {"[network]\n",
     "~/x:1: [network]: unknown section, write [listen], [tls], [channel], [upstream], [slots], [limits], [accounts] or [log]"},
    {"[listen]\ntpc = 127.0.0.1:1\n", "~/x:2: listen.tpc: unknown key, did you mean tcp?"},
    {"[limits]\nheader_timout = 1s\n", "~/x:2: limits.header_timout: unknown key, did you mean header_timeout?"},
    {"[limits]\nbananas = 1\n", "~/x:2: limits.bananas: unknown key, see blobproxyd --help for the keys there are"},
    {"[limits]\nlarge_bytes = 8M\n", "~/x:2: limits.large_bytes: unknown key, write it under [slots]"},
    {"[log]\nLevel = info\n", "~/x:2: log.Level: unknown key, did you mean level?"},
    {"level = info\n", "~/x:1: level: key outside of a section, write [section] above it"},
    {"[log]\nlevel\n", "~/x:2: neither a section nor a key, write [section] or key = value"},
    {"[log\n", "~/x:1: section without its end, write [name] alone on the line"},
    {"[log]\n= info\n", "~/x:2: no key before '=', write key = value"},
    {"[log]\nlevel = info # more\n", "~/x:2: comment behind a value, write it on a line of its own"},
    {"[log]\nlevel = \x01\n", "~/x:2: control byte in the line, write plain text"},
    {"[log]\nlevel = info\nlevel = debug\n", "~/x:3: log.level: set twice, remove this line or line 2"},
    {"[log]\nlevel = info\n[slots]\n[log]\nlevel = info\n", "~/x:5: log.level: set twice, remove this line or line 2"},
    {"[log]\nlevel = loud\n", "~/x:2: log.level: \"loud\" is not a level, write error, warning, notice, info or debug"},
    {"[log]\nformat = xml\n", "~/x:2: log.format: \"xml\" is not a format, write auto, text, json or journal"},
    {"[log]\naccess = some\n", "~/x:2: log.access: \"some\" says nothing of the access log, write none, errors or all"},
    {"[log]\naccess_sample = 0\n", "~/x:2: log.access_sample: 0 is out of range, write 1 to 1000000"},
    {"[log]\nlevel =\n", "~/x:2: log.level: \"\" is not a level, write error, warning, notice, info or debug"},
    {"[listen]\ntcp = 10000\n", "~/x:2: listen.tcp: \"10000\" has no port, write ADDRESS:PORT, for example 127.0.0.1:10000"},
    {"[listen]\ntcp = [::1]\n", "~/x:2: listen.tcp: \"[::1]\" has no port, write ADDRESS:PORT, for example 127.0.0.1:10000"},
    {"[listen]\ntcp = localhost:1\n",
     "~/x:2: listen.tcp: \"localhost:1\" is not a numeric address, write one such as 127.0.0.1:10000 or [::1]:10000"},
    {"[listen]\ntcp = :1\n",
     "~/x:2: listen.tcp: \":1\" is not a numeric address, write one such as 127.0.0.1:10000 or [::1]:10000"},
    {"[listen]\ntcp = ::1:80\n",
     "~/x:2: listen.tcp: \"::1:80\" is IPv6 without brackets, write [ADDRESS]:PORT, for example [::1]:10000"},
    {"[listen]\ntcp = 127.0.0.1:65536\n",
     "~/x:2: listen.tcp: \"127.0.0.1:65536\" has a bad port, write 0 to 65535 behind the last colon"},
    {"[listen]\ntcp = 127.0.0.1:1 127.0.0.1:1\n", "~/x:2: listen.tcp: 127.0.0.1:1 stands twice, write it once"},
    {"[listen]\ntcp = 127.0.0.1:1 0.0.0.0:1\n",
     "~/x:2: listen.tcp: 0.0.0.0:1 is not loopback, write 127.0.0.1 or [::1], or listen.allow_remote = yes"},
    {"[listen]\ntcp = [::]:1\n",
     "~/x:2: listen.tcp: [::]:1 is not loopback, write 127.0.0.1 or [::1], or listen.allow_remote = yes"},
    {"[listen]\nallow_remote = yes\nmetrics = 10.0.0.1:80\n", "~/x:3: listen.metrics: 10.0.0.1:80 is not loopback and metrics "
                                                              "never leave the machine, write 127.0.0.1:PORT or [::1]:PORT"},
    {"[listen]\nmetrics = 127.0.0.1:10000\n", "~/x:2: listen.metrics: 127.0.0.1:10000 is also in listen.tcp, write another port"},
    {"[listen]\nmetrics = here\n",
     "~/x:2: listen.metrics: \"here\" has no port, write ADDRESS:PORT, for example 127.0.0.1:10000"},
    {"[listen]\nallow_remote = true\n", "~/x:2: listen.allow_remote: \"true\" is not a switch, write yes or no"},
    {"[listen]\ntcp =\nunix =\n", "~/x:2: listen.tcp: nothing to listen on, write an address here or a path in listen.unix"},
    {"[listen]\nunix = blob.sock\n",
     "~/x:2: listen.unix: \"blob.sock\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[listen]\nunix = \"/x\"\n",
     "~/x:2: listen.unix: \"\"/x\"\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[listen]\nunix = /run/blobhostd/bus.sock\n",
     "~/x:2: listen.unix: /run/blobhostd/bus.sock is also in channel.socket, write another path"},
    {"[listen]\nunix_mode = 0888\n", "~/x:2: listen.unix_mode: \"0888\" is not a mode, write octal digits such as 0660"},
    {"[listen]\nunix_mode = 1777\n", "~/x:2: listen.unix_mode: \"1777\" is not a mode, write octal digits such as 0660"},
    {"[listen]\nhosts = A.example\n",
     "~/x:2: listen.hosts: \"A.example\" is not a host name, write lower-case letters, digits, - and . and no port"},
    {"[listen]\naccount_suffixes = blob.localhost:10000\n", "~/x:2: listen.account_suffixes: \"blob.localhost:10000\" is not a "
                                                            "host name, write lower-case letters, digits, - and . and no port"},
    {"[listen]\nunix_trusted_uids = root\n", "~/x:2: listen.unix_trusted_uids: \"root\" is not a user id, write its number"},
    {"[listen]\nunix_trusted_uids = 4294967295\n",
     "~/x:2: listen.unix_trusted_uids: \"4294967295\" is not a user id, write its number"},
    {"[listen]\nunix_trusted_uids = 1000 65534\n",
     "~/x:2: listen.unix_trusted_uids: 65534 stands for users that cannot be told apart, write another user"},
    {"[accounts]\nallow = acct My-Account\n",
     "~/x:2: accounts.allow: \"My-Account\" is not an account name, write 3 to 24 lower-case letters and digits"},
    {"[accounts]\ndomains = files.example.org\n",
     "~/x:2: accounts.domains: \"files.example.org\" names no account, write HOST=ACCOUNT"},
    {"[accounts]\ndomains = files.example.org:1=acct\n", "~/x:2: accounts.domains: \"files.example.org:1\" is not a host name, "
                                                         "write lower-case letters, digits, - and . and no port"},
    {"[accounts]\ndomains = files.example.org=a\n",
     "~/x:2: accounts.domains: \"a\" is not an account name, write 3 to 24 lower-case letters and digits"},
    {"[accounts]\nendpoint = {account}.blob.localhost\n",
     "~/x:2: accounts.endpoint: \"{account}.blob.localhost\" is not an endpoint, write for example "
     "https://{account}.blob.core.windows.net"},
    {"[accounts]\nendpoint = https://{account}.blob.localhost/\n",
     "~/x:2: accounts.endpoint: \"https://{account}.blob.localhost/\" is not an endpoint, write for example "
     "https://{account}.blob.core.windows.net"},
    {"[accounts]\nendpoint = https://blob.localhost\n",
     "~/x:2: accounts.endpoint: \"https://blob.localhost\" is not an endpoint, write for example "
     "https://{account}.blob.core.windows.net"},
    {"[listen]\nhosts = a b c d e f g h i j k l m n o p q\n", "~/x:2: listen.hosts: more than 16 entries, write fewer"},
    {"[channel]\ntype = Device\n", "~/x:2: channel.type: \"Device\" is not a channel, write emulated, device or auto"},
    {"[channel]\ndevice = azure_blob\n",
     "~/x:2: channel.device: \"azure_blob\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[channel]\ndepth = 0\n", "~/x:2: channel.depth: 0 is out of range, write 1 to 1024"},
    {"[channel]\ndepth = 3\n[limits]\nshards = 4\n",
     "~/x:2: channel.depth: fewer than limits.shards, write at least 4, or fewer shards"},
    {"[channel]\nsocket =\n",
     "~/x:2: channel.socket: \"\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[channel]\nsuffix = .x\n",
     "~/x:2: channel.suffix: \".x\" is not a host name, write lower-case letters, digits, - and . and no port"},
    {"[channel]\nring_bytes = 260K\n", "~/x:2: channel.ring_bytes: 266240 is not a power of two, write 128K, 256K or 512K"},
    {"[channel]\nring_bytes = 4K\n", "~/x:2: channel.ring_bytes: 4K is out of range, write 8K to 16M"},
    {"[channel]\nring_bytes = 16K\n",
     "~/x:2: channel.ring_bytes: too small for one transfer of slots.large_bytes, write at least 32K"},
    {"[channel]\nring_bytes = 64K\n[slots]\nlarge_bytes = 31M\n",
     "~/x:2: channel.ring_bytes: too small for one transfer of slots.large_bytes, write at least 128K"},
    {"[channel]\ntimeout = 60\n",
     "~/x:2: channel.timeout: \"60\" is not a duration, write a number and ms, s, m or h, such as 20s"},
    {"[channel]\ntimeout = 1.5s\n",
     "~/x:2: channel.timeout: \"1.5s\" is not a duration, write a number and ms, s, m or h, such as 20s"},
    {"[channel]\ntimeout = 500ms\n", "~/x:2: channel.timeout: 500ms is out of range, write 1s to 10m"},
    {"[limits]\nkeepalive_timeout = 25h\n", "~/x:2: limits.keepalive_timeout: 25h is out of range, write 1s to 24h"},
    {"[limits]\ndrain_timeout = 18446744073709551616s\n",
     "~/x:2: limits.drain_timeout: 18446744073709551616s is out of range, write 0s to 10m"},
    {"[upstream]\nfallback = https\nca_file = /nonexistent/ca.pem\n",
     "~/x:3: upstream.ca_file: cannot read /nonexistent/ca.pem: No such file or directory, write the path of a file that this "
     "user can read, or nothing"},
    {"[upstream]\nfallback = http\n", "~/x:2: upstream.fallback: \"http\" is not a fallback, write off or https"},
    {"[upstream]\nurl = blob.core.windows.net\n",
     "~/x:2: upstream.url: \"blob.core.windows.net\" is no URL, write one that begins with https://"},
    {"[upstream]\nurl = https://a.example/path\n", "~/x:2: upstream.url: \"https://a.example/path\" is not an endpoint, write "
                                                   "https://HOST or https://HOST:PORT without a path"},
    {"[upstream]\nurl = https://u@a.example\n",
     "~/x:2: upstream.url: \"https://u@a.example\" is not an endpoint, write https://HOST or https://HOST:PORT without a path"},
    {"[upstream]\nurl = https://{account}.{account}.example\n",
     "~/x:2: upstream.url: \"https://{account}.{account}.example\" is not an endpoint, write https://HOST or https://HOST:PORT "
     "without a path"},
    {"[upstream]\nurl = https://a.example:\n",
     "~/x:2: upstream.url: \"https://a.example:\" is not an endpoint, write https://HOST or https://HOST:PORT without a path"},
    {"[upstream]\nurl = http://a.example\n",
     "~/x:2: upstream.url: \"http://a.example\" would send signatures over the network in plain HTTP, write https://"},
    {"[upstream]\nurl = http://127.evil.example\n",
     "~/x:2: upstream.url: \"http://127.evil.example\" would send signatures over the network in plain HTTP, write https://"},
    {"[limits]\nconnections = many\n", "~/x:2: limits.connections: \"many\" is not a number, write digits alone"},
    {"[limits]\nconnections = -1\n", "~/x:2: limits.connections: \"-1\" is not a number, write digits alone"},
    {"[limits]\nconnections = 0\n", "~/x:2: limits.connections: 0 is out of range, write 1 to 1000000"},
    {"[limits]\nshards = 25\n", "~/x:2: limits.shards: more than slots.large, write at most 24, or set that to more"},
    {"[limits]\nshards = 8\n[slots]\nsmall = 4\n",
     "~/x:4: slots.small: fewer than limits.shards, write at least 8, or fewer shards"},
    {"[limits]\nbody_rate = 16k\n",
     "~/x:2: limits.body_rate: \"16k\" is not a size, write a number of bytes or one with K, M or G, such as 8M"},
    {"[slots]\nlarge_bytes = 32M\n", "~/x:2: slots.large_bytes: 32M is out of range, write 64K to 31M"},
    {"[slots]\nlarge_bytes = 63K\n", "~/x:2: slots.large_bytes: 63K is out of range, write 64K to 31M"},
    {"[slots]\nlarge_bytes = 65537\n",
     "~/x:2: slots.large_bytes: 65537 is not a multiple of 4096, write it in K or M, such as 8M"},
    {"[slots]\nlarge_bytes = 99999999999999999999G\n",
     "~/x:2: slots.large_bytes: 99999999999999999999G is out of range, write 64K to 31M"},
    {"[accounts]\nfile = keys\n",
     "~/x:2: accounts.file: \"keys\" is not an absolute path, write one that begins with / and has no quotes"},
    {"[accounts]\ndevelopment = 1\n", "~/x:2: accounts.development: \"1\" is not a switch, write yes or no"},
};

Test(conf_mistakes, each_mistake_gives_its_line_and_no_other, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_line(wrong[i].text, wrong[i].line);
}

Test(conf_mistakes, a_socket_path_has_at_most_107_bytes, .init = conf_fixture_begin, .fini = conf_fixture_end)
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
    expect_line(text, "~/x:2: listen.unix: the path has 108 bytes, write one of at most 107");
}

Test(conf_mistakes, all_mistakes_are_told_at_once, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "[log]\nlevel = x\n[slots]\nsmall = y\nlarge = z\n", "--metrics=w", "--nonsense", "word");
    unsigned lines = 0;
    for (const char *at = loaded.err; *at; at++)
        lines += *at == '\n';
    cr_expect_eq(loaded.action, CONF_EXIT_USAGE);
    cr_expect_eq(lines, 6u, "%s", loaded.err);
    cr_expect_null(loaded.conf);
}

Test(conf_mistakes, a_bad_value_causes_no_second_complaint, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(loaded, "[slots]\nlarge_bytes = 99M\n[channel]\nring_bytes = 8K\n", NULL);
    cr_expect_null(strstr(loaded.err, "ring_bytes"), "%s", loaded.err);
}

Test(conf_mistakes, a_file_that_cannot_be_read_is_an_error, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    LOAD(missing, NULL, "--config", "/nonexistent/x.conf");
    cr_expect_eq(missing.action, CONF_EXIT_USAGE);
    cr_expect_str_eq(
        missing.err,
        "blobproxyd: /nonexistent/x.conf: cannot read it: No such file or directory, it has to be one that this user can read\n");
    LOAD(folder, NULL, "--config", conf_fixture_directory);
    cr_expect(strstr(folder.err, "Is a directory"), "%s", folder.err);
}

Test(conf_mistakes, options_are_checked, .init = conf_fixture_begin, .fini = conf_fixture_end)
{
    static const struct {
        const char *option, *line;
    } cases[] = {
        {"--lissten=1", "blobproxyd: --lissten: unknown option, did you mean --listen?\n"},
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
        {"--listen-unix=x\ny", "blobproxyd: --listen-unix: listen.unix: control byte in the value, write plain text\n"},
        {"--listen-unix=/x #y", "blobproxyd: --listen-unix: listen.unix: a comment begins in the value, write it without a blank "
                                "before # or ;\n"},
        {"x\ny", "blobproxyd: x?y: not an option, see blobproxyd --help\n"},
        {"--dump-config=yes", "blobproxyd: --dump-config: takes no value, write --dump-config alone\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        LOAD(loaded, "", cases[i].option);
        cr_expect_eq(loaded.action, CONF_EXIT_USAGE, "%s", cases[i].option);
        cr_expect_str_eq(loaded.err, cases[i].line);
    }
}
