/* SPDX-License-Identifier: MIT */
#include "../../src/blobhostd/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct options options;
static struct err err;

#define PARSE(...) parse((char *[]){(char *)"blobhostd", ##__VA_ARGS__, NULL})

static int parse(char **argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    memset(&options, 0x55, sizeof(options));
    return options_parse(argc, argv, &options, &err);
}

static void expect_complaint(int rc, const char *about)
{
    cr_assert_eq(rc, -EINVAL);
    cr_assert_not_null(strstr(err.text, about), "\"%s\" does not mention %s", err.text, about);
}

Test(options, has_defaults_for_everything)
{
    cr_assert_eq(PARSE(), 0);
    cr_assert_eq(options.action, OPTIONS_RUN);
    cr_assert_str_eq(options.socket_path, "/run/blobhostd/bus.sock");
    cr_assert_str_eq(options.store_directory, "/var/lib/blobhostd");
    cr_assert_null(options.accounts_path);
    cr_assert_not(options.sync);
    cr_assert_not(options.no_content_md5);
    cr_assert_not(options.exit_with_parent);
    cr_assert_eq(options.parent_fd, -1);
    cr_assert_eq(options.log_level, LOG_LEVEL_NOTICE);
}

Test(options, takes_every_value_given)
{
    cr_assert_eq(PARSE((char *)"--socket", (char *)"/s", (char *)"--store=/d", (char *)"--sync", (char *)"--no-content-md5",
                       (char *)"--exit-with-parent", (char *)"--parent-fd", (char *)"0", (char *)"--log-level", (char *)"debug"),
                 0);
    cr_assert_str_eq(options.socket_path, "/s");
    cr_assert_str_eq(options.store_directory, "/d");
    cr_assert(options.sync);
    cr_assert(options.no_content_md5);
    cr_assert(options.exit_with_parent);
    cr_assert_eq(options.parent_fd, 0);
    cr_assert_eq(options.log_level, LOG_LEVEL_DEBUG);
}

Test(options, serves_the_development_account_unless_accounts_are_given)
{
    cr_assert_eq(PARSE(), 0);
    cr_assert(options.with_development_account);
    cr_assert_eq(PARSE((char *)"--accounts", (char *)"/a"), 0);
    cr_assert_not(options.with_development_account);
    cr_assert_eq(PARSE((char *)"--accounts", (char *)"/a", (char *)"--development-account"), 0);
    cr_assert(options.with_development_account);
}

Test(options, help_and_version_need_nothing_else)
{
    cr_assert_eq(PARSE((char *)"--help", (char *)"rest"), 0);
    cr_assert_eq(options.action, OPTIONS_HELP);
    cr_assert_eq(PARSE((char *)"--version"), 0);
    cr_assert_eq(options.action, OPTIONS_VERSION);
}

Test(options, names_the_option_that_it_does_not_know)
{
    expect_complaint(PARSE((char *)"--sockets-of-doom"), "--sockets-of-doom");
    expect_complaint(PARSE((char *)"-x"), "-x");
}

Test(options, names_the_option_that_lacks_its_value)
{
    expect_complaint(PARSE((char *)"--store"), "--store");
}

Test(options, takes_no_arguments)
{
    expect_complaint(PARSE((char *)"--sync", (char *)"leftover"), "leftover");
}

Test(options, takes_a_form_of_the_log_and_refuses_unknown_ones)
{
    cr_assert_eq(PARSE(), 0);
    cr_assert_eq(options.log_format, LOG_FORMAT_AUTO);
    cr_assert_eq(PARSE((char *)"--log-format", (char *)"json"), 0);
    cr_assert_eq(options.log_format, LOG_FORMAT_JSON);
    expect_complaint(PARSE((char *)"--log-format", (char *)"xml"), "xml");
}

Test(options, refuses_unknown_log_levels)
{
    expect_complaint(PARSE((char *)"--log-level", (char *)"loud"), "loud");
}

Test(options, refuses_descriptors_that_are_not_open)
{
    expect_complaint(PARSE((char *)"--parent-fd", (char *)"987654"), "987654");
    expect_complaint(PARSE((char *)"--parent-fd", (char *)"-1"), "-1");
    expect_complaint(PARSE((char *)"--parent-fd", (char *)"1x"), "1x");
}

Test(options, backend_takes_the_place_of_the_store)
{
    cr_assert_eq(PARSE((char *)"--backend", (char *)"https://{account}.blob.core.windows.net", (char *)"--backend-ca=/ca"), 0);
    cr_assert_str_eq(options.backend_url, "https://{account}.blob.core.windows.net");
    cr_assert_str_eq(options.backend_ca_path, "/ca");
    expect_complaint(PARSE((char *)"--backend=http://h", (char *)"--store=/d"), "--store");
    expect_complaint(PARSE((char *)"--backend=http://h", (char *)"--accounts=/a"), "accounts");
    expect_complaint(PARSE((char *)"--backend=http://h", (char *)"--development-account"), "accounts");
    expect_complaint(PARSE((char *)"--backend=http://h/devstoreaccount1"), "paths come from the requests");
    expect_complaint(PARSE((char *)"--backend-ca=/ca"), "--backend-ca");
}

Test(options, limits_of_a_transfer)
{
    static const char *const wrong[] = {"", "x", "-1", "0", "60G", "60MM", "99999999999999999999", "9999999999M"};

    cr_assert_eq(PARSE((char *)"--transfer-rate=60M", (char *)"--transfer-latency=5"), 0);
    cr_assert_eq(options.transfer_rate, 60u * 1024 * 1024);
    cr_assert_eq(options.transfer_latency_ms, 5);
    cr_assert_eq(PARSE((char *)"--transfer-rate=100K"), 0);
    cr_assert_eq(options.transfer_rate, 102400);
    cr_assert_eq(options.transfer_latency_ms, 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_complaint(PARSE((char *)"--transfer-rate", (char *)wrong[i]), "--transfer-rate");
    expect_complaint(PARSE((char *)"--transfer-latency=60001"), "--transfer-latency");
    expect_complaint(PARSE((char *)"--transfer-latency=soon"), "--transfer-latency");
}
