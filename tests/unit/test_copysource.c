/* SPDX-License-Identifier: MIT */
/* Tests of copysource: which URLs name the proxy, and what is written instead. */
#include "../../src/blobproxyd/copysource.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const char *const suffixes[] = {"blob.localhost", "blob.core.windows.net", NULL};
static const char *const names[] = {"proxy.internal", NULL};
static const char *const domains[] = {"files.example.org=acct", NULL};
static const char *const tls_listeners[] = {"127.0.0.1:10100", NULL};
static const char *const listeners[] = {"127.0.0.1:10000", "[::1]:10001", NULL};
static const struct target_hosts hosts = {.account_suffixes = suffixes, .extra_names = names, .domains = domains};

static bool is_own(const char *url, const char *host, struct target *target)
{
    const struct copysource_self self = {
        .hosts = &hosts, .listeners = listeners, .tls_listeners = tls_listeners, .request_host = slice_of(host)};

    return copysource_is_own(slice_of(url), &self, target);
}

static void expect_url(const char *url, const char *host, const char *endpoint, const char *expected)
{
    struct buf text CLEANUP(buf_free);
    struct target target;

    buf_init(&text, 4096);
    cr_assert(is_own(url, host, &target), "%s", url);
    cr_assert_eq(copysource_write(&target, endpoint, &text), 0);
    cr_expect_str_eq(text.bytes, expected);
}

#define CLOUD "https://{account}.blob.core.windows.net"

Test(copysource, own_urls_become_those_of_the_account)
{
    static const char *const own[] = {
        "http://127.0.0.1:10000/acct/c/b",      "https://127.0.0.1:10000/acct/c/b",
        "HTTP://LocalHost:10000/acct/c/b",      "http://[::1]:10001/acct/c/b",
        "http://127.0.0.1:10001/acct/c/b",      "http://proxy.internal:10000/acct/c/b",
        "http://acct.blob.localhost:10000/c/b", "http://ACCT.blob.localhost:10000/c/b",
        "https://files.example.org:10000/c/b",  "http://acct.blob.core.windows.net:10000/c/b",
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        expect_url(own[i], "127.0.0.1:10000", CLOUD, "https://acct.blob.core.windows.net/c/b");
}

Test(copysource, path_and_query_stay_raw)
{
    expect_url("http://127.0.0.1:10000/acct/c/a%2Fb//..%20%c3%a9?snapshot=x&sv=1&sig=a%2Bb%3D", "127.0.0.1:10000", CLOUD,
               "https://acct.blob.core.windows.net/c/a%2Fb//..%20%c3%a9?snapshot=x&sv=1&sig=a%2Bb%3D");
    expect_url("http://127.0.0.1:10000/acct-secondary/c/b", "127.0.0.1:10000", CLOUD,
               "https://acct-secondary.blob.core.windows.net/c/b");
    expect_url("http://127.0.0.1:10000/acct/c/b", "127.0.0.1", "http://127.0.0.1:11000/{account}",
               "http://127.0.0.1:11000/acct/c/b");
}

Test(copysource, port_of_the_request_is_ours_whatever_was_mapped)
{
    struct target target;

    cr_expect(is_own("http://localhost:18000/acct/c/b", "localhost:18000", &target));
    cr_expect_not(is_own("http://localhost:18000/acct/c/b", "localhost:18001", &target));
    cr_expect(is_own("http://localhost/acct/c/b", "localhost", &target)); /* through a Unix socket */
    cr_expect_not(is_own("http://localhost/acct/c/b", "localhost:18000", &target));
    cr_expect(is_own("http://acct.blob.localhost/c/b", "acct.blob.localhost", &target));
}

Test(copysource, everything_else_is_data)
{
    static const char *const foreign[] = {
        "",
        "http://",
        "http:///acct/c/b",
        "/acct/c/b",
        "127.0.0.1:10000/acct/c/b",
        "ftp://127.0.0.1:10000/acct/c/b",
        "http://127.0.0.1:9000/acct/c/b",
        "http://127.0.0.1:10000",
        "http://127.0.0.1:10000?acct",
        "http://127.0.0.1:10000/",
        "http://127.0.0.1:10000/UPPER/c/b",
        "http://127.0.0.1:10000/acct/c/b#x",
        "http://127.0.0.1:10000/acct/c/b c",
        "http://user@127.0.0.1:10000/acct/c/b",
        "http://127.0.0.1:10000@evil.example/acct/c/b",
        "http://127.0.0.1:100000/acct/c/b",
        "http://127.0.0.1.evil.example:10000/acct/c/b",
        "http://evil.example:10000/acct/c/b",
        "https://acct.blob.core.windows.net/c/b",
        "https://acct.blob.core.windows.net:443/c/b",
        "http://acct.blob.core.windows.net/c/b?sig=a",
        "https://files.example.org/c/b",
        "https://a.acct.blob.localhost:10000/c/b",
    };

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        struct target target;

        cr_expect_not(is_own(foreign[i], "127.0.0.1:10000", &target), "%s", foreign[i]);
    }
}

Test(copysource, the_real_url_of_an_account_is_data_whoever_asks_under_it)
{
    struct target target;

    cr_expect_not(is_own("https://acct.blob.core.windows.net/c/b", "acct.blob.core.windows.net", &target));
    cr_expect_not(is_own("https://files.example.org/c/b", "files.example.org", &target));
}

Test(copysource, what_does_not_fit_is_said)
{
    struct buf text CLEANUP(buf_free);
    struct target target;

    buf_init(&text, 20);
    cr_assert(is_own("http://127.0.0.1:10000/acct/c/b", "x", &target));
    cr_expect_eq(copysource_write(&target, CLOUD, &text), -ENOBUFS);
}
