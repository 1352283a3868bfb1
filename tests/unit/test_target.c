/* SPDX-License-Identifier: MIT */
/* Tests of azure/target: hosts, styles, raw paths, decoding, queries. */
#include "../../src/lib/azure/target.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const char *const suffixes[] = {"blob.localhost", "blob.core.windows.net", NULL};
static const char *const names[] = {"proxy.internal", NULL};
static const char *const domains[] = {"files.example.org=acct1", "broken", "wrong.example.org=NO", NULL};
static const struct target_hosts hosts = {.account_suffixes = suffixes, .extra_names = names, .domains = domains};

static int parse(const char *host, const char *raw, struct target *target)
{
    return target_parse(slice_of(host), slice_of(raw), &hosts, target);
}

#define expect_slice(slice, text) cr_expect(slice_equal((slice), slice_of(text)), "\"%.*s\"", (int)(slice).len, (slice).bytes)

Test(target, hosts_decide_the_style)
{
    static const struct {
        const char *host;
        int result;
        enum target_style style;
    } cases[] = {
        {"127.0.0.1", 0, TARGET_PATH_STYLE},
        {"127.0.0.1:10000", 0, TARGET_PATH_STYLE},
        {"127.3.2.1:1", 0, TARGET_PATH_STYLE},
        {"[::1]", 0, TARGET_PATH_STYLE},
        {"[::1]:65535", 0, TARGET_PATH_STYLE},
        {"[0:0:0:0:0:0:0:1]", 0, TARGET_PATH_STYLE},
        {"localhost", 0, TARGET_PATH_STYLE},
        {"LocalHost:80", 0, TARGET_PATH_STYLE},
        {"Proxy.Internal:10000", 0, TARGET_PATH_STYLE},
        {"acct1.blob.localhost", 0, TARGET_HOST_STYLE},
        {"ACCT1.Blob.Localhost:10000", 0, TARGET_HOST_STYLE},
        {"acct1.blob.core.windows.net", 0, TARGET_HOST_STYLE},
        {"files.example.org", 0, TARGET_HOST_STYLE},
        {"Files.Example.Org:10000", 0, TARGET_HOST_STYLE},
        {"acct1.files.example.org", -EHOSTUNREACH, 0},
        {"files.example.org.evil.example", -EHOSTUNREACH, 0},
        {"broken", -EHOSTUNREACH, 0},
        {"wrong.example.org", -EINVAL, 0},
        {"user@127.0.0.1", -EHOSTUNREACH, 0},
        {"acct1@blob.localhost", -EHOSTUNREACH, 0},
        {"127.0.0.1:80@evil.example", -EHOSTUNREACH, 0},
        {"", -EHOSTUNREACH, 0},
        {":10000", -EHOSTUNREACH, 0},
        {"127.0.0.1:", 0, TARGET_PATH_STYLE},
        {"127.0.0.1:65536", -EHOSTUNREACH, 0},
        {"127.0.0.1:1000000", -EHOSTUNREACH, 0},
        {"127.0.0.1:80x", -EHOSTUNREACH, 0},
        {"127.0.0.1.evil.example", -EHOSTUNREACH, 0},
        {"127.0.0", -EHOSTUNREACH, 0},
        {"128.0.0.1", -EHOSTUNREACH, 0},
        {"[::2]", -EHOSTUNREACH, 0},
        {"[::1", -EHOSTUNREACH, 0},
        {"[::1]x", -EHOSTUNREACH, 0},
        {"[", -EHOSTUNREACH, 0},
        {"[]", -EHOSTUNREACH, 0},
        {"blob.localhost", -EHOSTUNREACH, 0},
        {"a.acct1.blob.localhost", -EHOSTUNREACH, 0},
        {"acct1.blob.localhost.", -EHOSTUNREACH, 0},
        {"example.org", -EHOSTUNREACH, 0},
        {"localhost.", -EHOSTUNREACH, 0},
        {"my_acct.blob.localhost", -EINVAL, 0},
        {"ab.blob.localhost", -EINVAL, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target target;
        int result = parse(cases[i].host, "/acct1/c", &target);

        cr_expect_eq(result, cases[i].result, "%s: %d", cases[i].host, result);
        if (result == 0)
            cr_expect_eq(target.style, cases[i].style, "%s", cases[i].host);
        if (result == 0)
            cr_expect_str_eq(target.account, "acct1");
    }
}

Test(target, path_style_takes_the_account_off_the_path)
{
    struct target target;

    cr_assert_eq(parse("127.0.0.1:10000", "/acct/c/b?x", &target), 0);
    cr_expect_str_eq(target.account, "acct");
    expect_slice(target.path, "/c/b");
    expect_slice(target.container, "c");
    expect_slice(target.blob, "b");
    expect_slice(target.query, "x");
    cr_expect_not(target.is_secondary);
}

Test(target, path_style_account_alone_has_the_path_of_the_service)
{
    static const char *const raws[] = {"/acct", "/acct/", "/acct?", "/acct/?"};

    for (size_t i = 0; i < 4; i++) {
        struct target target;

        cr_assert_eq(parse("localhost", raws[i], &target), 0);
        expect_slice(target.path, "/");
        cr_expect_eq(target.container.len + target.blob.len + target.query.len, 0);
    }
}

Test(target, no_query_is_told_from_an_empty_one)
{
    struct target target;

    cr_assert_eq(parse("127.0.0.1", "/acct/c", &target), 0);
    cr_expect_null(target.query.bytes);
    cr_assert_eq(parse("127.0.0.1", "/acct/c?", &target), 0);
    cr_expect_not_null(target.query.bytes);
    cr_expect_eq(target.query.len, 0);
}

Test(target, host_style_keeps_the_whole_path)
{
    struct target target;

    cr_assert_eq(parse("Acct.blob.localhost", "/c/b/d?comp=block", &target), 0);
    cr_expect_str_eq(target.account, "acct");
    expect_slice(target.path, "/c/b/d");
    expect_slice(target.blob, "b/d");
    expect_slice(target.query, "comp=block");
}

Test(target, secondary_is_recognised_in_both_styles)
{
    struct target target;

    cr_assert_eq(parse("127.0.0.1", "/acct-secondary/c", &target), 0);
    cr_expect(target.is_secondary);
    cr_expect_str_eq(target.account, "acct");
    cr_assert_eq(parse("acct-secondary.blob.localhost", "/c", &target), 0);
    cr_expect(target.is_secondary);
    cr_expect_str_eq(target.account, "acct");
}

Test(target, nothing_in_the_path_is_normalised)
{
    struct target target;

    cr_assert_eq(parse("127.0.0.1", "/acct/c//a/../%2e%2F/./trail./?a?b", &target), 0);
    expect_slice(target.path, "/c//a/../%2e%2F/./trail./");
    expect_slice(target.blob, "/a/../%2e%2F/./trail./");
    expect_slice(target.query, "a?b");
}

Test(target, slash_behind_the_container_is_no_blob)
{
    struct target target;

    cr_assert_eq(parse("127.0.0.1", "/acct/c/", &target), 0);
    expect_slice(target.container, "c");
    cr_expect_eq(target.blob.len, 0);
    cr_assert_eq(parse("127.0.0.1", "/acct//b", &target), 0);
    cr_expect_eq(target.container.len, 0);
    expect_slice(target.blob, "b");
}

Test(target, what_is_not_an_origin_form_target_is_refused)
{
    static const char *const raws[] = {
        "",        "*",           "acct/c",      "http://127.0.0.1/acct/c", "/acct/a b", "/acct/a\tb",
        "/acct/#", "/acct/c\x7f", "/acct/c%00b", "/acct/c?x=%00",           "/acct/\x01"};

    for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
        struct target target = {.account = "untouched"};

        cr_expect_eq(parse("127.0.0.1", raws[i], &target), -EINVAL, "%s", raws[i]);
        cr_expect_str_eq(target.account, "untouched");
    }
}

Test(target, raw_utf8_is_let_through)
{
    struct target target;

    cr_assert_eq(parse("127.0.0.1", "/acct/c/\xc3\xa9", &target), 0);
    expect_slice(target.blob, "\xc3\xa9");
}

Test(target, account_names_have_3_to_24_lower_case_letters_and_digits)
{
    static const struct {
        const char *raw;
        int result;
    } cases[] = {
        {"/abc", 0},
        {"/abcdefghijklmnopqrstuvw0", 0},
        {"/abcdefghijklmnopqrstuvw0-secondary", 0},
        {"/abcdefghijklmnopqrstuvwx0", -EINVAL},
        {"/ab/c", -EINVAL},
        {"/Abc/c", -EINVAL},
        {"/ab-c/c", -EINVAL},
        {"/-secondary/c", -EINVAL},
        {"/ab%63/c", -EINVAL},
        {"/", -ENOENT},
        {"/?comp=list", -ENOENT},
        {"//c/b", -ENOENT},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target target;

        cr_expect_eq(parse("127.0.0.1", cases[i].raw, &target), cases[i].result, "%s", cases[i].raw);
    }
}

Test(target, no_path_leads_to_another_account)
{
    static const struct {
        const char *raw;
        int result;
        const char *path;
    } cases[] = {
        {"/acct/../other/c/b", 0, "/../other/c/b"},
        {"/acct/..%2fother/c/b", 0, "/..%2fother/c/b"},
        {"/acct%2fother/c", -EINVAL, NULL},
        {"/acct%2F..%2Fother/c", -EINVAL, NULL},
        {"/../other/c", -EINVAL, NULL},
        {"/./acct/c", -EINVAL, NULL},
        {"/acct\\..\\other/c", -EINVAL, NULL},
        {"//other/c", -ENOENT, NULL},
        {"/acct@evil.example/c", -EINVAL, NULL},
        {"/http://evil.example/c", -EINVAL, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target target;
        int result = parse("127.0.0.1", cases[i].raw, &target);

        cr_expect_eq(result, cases[i].result, "%s: %d", cases[i].raw, result);
        if (result == 0) {
            cr_expect_str_eq(target.account, "acct");
            expect_slice(target.path, cases[i].path);
        }
    }
}

Test(target, own_hosts_are_loopback_and_what_is_listed)
{
    static const char *const more[] = {"proxy.internal", NULL};
    static const char *const own[] = {"localhost", "LOCALHOST:10080", "127.0.0.1:10080",
                                      "127.9.9.9", "[::1]:1",         "proxy.INTERNAL:7"};
    static const char *const foreign[] = {"",      "localhost.example",   "128.0.0.1",
                                          "[::2]", "acct.blob.localhost", "proxy.internal:x"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        cr_expect(target_is_own_host(slice_of(own[i]), more), "%s", own[i]);
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        cr_expect_not(target_is_own_host(slice_of(foreign[i]), more), "%s", foreign[i]);
    cr_expect_not(target_is_own_host(SLICE("proxy.internal"), NULL));
}

Test(target, lists_of_hosts_may_be_missing)
{
    const struct target_hosts none = {NULL, NULL, NULL};
    struct target target;

    cr_expect_eq(target_parse(SLICE("localhost"), SLICE("/acct"), &none, &target), 0);
    cr_expect_eq(target_parse(SLICE("acct.blob.localhost"), SLICE("/c"), &none, &target), -EHOSTUNREACH);
}

Test(target, decode_leaves_plus_and_takes_escapes)
{
    char text[32];

    cr_expect_eq(target_decode(SLICE("a+b%20%2Fc%c3%A9"), text, sizeof(text)), 8);
    cr_expect_str_eq(text, "a+b /c\xc3\xa9");
    cr_expect_eq(target_decode(SLICE(""), text, sizeof(text)), 0);
    cr_expect_str_eq(text, "");
}

Test(target, decode_refuses_bad_escapes_nul_and_what_is_not_utf8)
{
    static const char *const raws[] = {"%",    "%4",     "a%",        "%zz",          "%00",       "%C3",
                                       "%ff",  "%C0%AF", "%ED%A0%80", "%F4%90%80%80", "%E0%80%AF", "%F0%80%80%AF",
                                       "\x80", "%C3%28", "%E2%82",    "%F5%80%80%80", "%E2%82%28"};
    char text[32];

    for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++)
        cr_expect_eq(target_decode(slice_of(raws[i]), text, sizeof(text)), -EBADMSG, "%s", raws[i]);
    cr_expect_eq(target_decode(SLICE("%E2%82%AC%F0%9F%98%80%EF%BF%BD"), text, sizeof(text)), 10);
}

Test(target, decode_says_when_the_room_is_too_small)
{
    char text[4];

    cr_expect_eq(target_decode(SLICE("abc"), text, 4), 3);
    cr_expect_eq(target_decode(SLICE("abcd"), text, 4), -ENOBUFS);
    cr_expect_eq(target_decode(SLICE(""), text, 0), -ENOBUFS);
}

Test(target, query_is_walked_piece_by_piece)
{
    struct slice query = SLICE("&&a=1&b&=v&c==x&"), name, value;

    cr_assert(target_next_query(&query, &name, &value));
    expect_slice(name, "a");
    expect_slice(value, "1");
    cr_assert(target_next_query(&query, &name, &value));
    expect_slice(name, "b");
    expect_slice(value, "");
    cr_expect_not_null(value.bytes);
    cr_assert(target_next_query(&query, &name, &value));
    expect_slice(name, "");
    expect_slice(value, "v");
    cr_assert(target_next_query(&query, &name, &value));
    expect_slice(name, "c");
    expect_slice(value, "=x");
    cr_expect_not(target_next_query(&query, &name, &value));
}

Test(target, query_parameter_is_found_whatever_its_case_or_encoding)
{
    cr_expect(slice_equal(target_query(SLICE("x=1&Comp=list&comp=2"), "comp"), SLICE("list")));
    cr_expect(slice_equal(target_query(SLICE("%63om%50=list"), "comp"), SLICE("list")));
    cr_expect_null(target_query(SLICE("comps=1&com=2&co%6=3"), "comp").bytes);
    cr_expect_not_null(target_query(SLICE("comp"), "comp").bytes);
    cr_expect_null(target_query(SLICE(""), "comp").bytes);
}
