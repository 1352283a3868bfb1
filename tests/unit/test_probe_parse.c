/* SPDX-License-Identifier: MIT */
#include "../../src/blobproxyctl/parse.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- modules ---- */

static const char modules[] = "hv_azure_blob_extra 1 0 - Live 0x0\nuio_hv_generic 20480 0 - Live 0x0000000000000000\n"
                              "uio 28672 1 uio_hv_generic, Live 0x0000000000000000\n";

Test(probe_parse, a_loaded_module_is_the_first_word_of_a_line)
{
    cr_assert(parse_modules(modules, "uio_hv_generic"));
    cr_assert(parse_modules(modules, "uio"));
    cr_assert_not(parse_modules(modules, "hv_azure_blob"), "the beginning of another name");
    cr_assert_not(parse_modules("", "uio"));
}

Test(probe_parse, module_files_have_any_compression_and_either_dash)
{
    static const char *const lists[] = {
        "kernel/drivers/hv/hv_azure_blob.ko: kernel/drivers/hv/hv_vmbus.ko\n",
        "kernel/a.ko:\nupdates/dkms/hv-azure-blob.ko.xz:\n",
        "hv_azure_blob.ko.zst:\n",
        "kernel/drivers/hv/hv_azure_blob.ko\nkernel/b.ko\n",
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        cr_assert(parse_module_files(lists[i], "hv_azure_blob"), "list %zu", i);
}

Test(probe_parse, a_module_that_others_need_or_whose_name_is_longer_is_not_it)
{
    static const char *const lists[] = {
        "",
        "kernel/x.ko: kernel/hv_azure_blob.ko\n",
        "kernel/hv_azure_blob2.ko:\n",
        "kernel/my_hv_azure_blob.ko:\n",
        "kernel/hv_azure_blob:\n",
        "kernel/hv_azure_blob/other.ko:\n",
        "hv_azure_blob",
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        cr_assert_not(parse_module_files(lists[i], "hv_azure_blob"), "list %zu", i);
}

/* ---- kernel configuration ---- */

Test(probe_parse, an_option_is_y_m_or_not_set)
{
    cr_assert_eq(parse_config_line("CONFIG_A=y\n", "CONFIG_A"), 'y');
    cr_assert_eq(parse_config_line("CONFIG_A=m\n", "CONFIG_A"), 'm');
    cr_assert_eq(parse_config_line("# CONFIG_A is not set\n", "CONFIG_A"), 'n');
}

Test(probe_parse, other_lines_of_a_configuration_say_nothing)
{
    static const char *const lines[] = {
        "",           "\n",        "CONFIG_AB=y\n", "# CONFIG_AB is not set\n", "# CONFIG_A\n", "# Hyper-V: CONFIG_A=y\n",
        "CONFIG_A\n", "CONFIG_A=", "CONFIG_A=128\n"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cr_assert_eq(parse_config_line(lines[i], "CONFIG_A"), 0, "line %zu", i);
}

/* ---- control groups ---- */

static const char groups[] = "12:pids:/user.slice\n4:memory,hugetlb:/a/b\n1:name=systemd:/x\n0::/unified/here\n";

static const char *group(const char *text, const char *controller)
{
    static char path[32];

    return parse_cgroup(text, controller, path, sizeof(path)) ? path : NULL;
}

Test(probe_parse, each_controller_has_its_path_and_the_unified_hierarchy_none)
{
    cr_assert_str_eq(group(groups, "pids"), "/user.slice");
    cr_assert_str_eq(group(groups, "memory"), "/a/b");
    cr_assert_str_eq(group(groups, "hugetlb"), "/a/b");
    cr_assert_str_eq(group(groups, NULL), "/unified/here");
    cr_assert_str_eq(group("0::/", NULL), "/");
}

Test(probe_parse, no_group_is_made_up)
{
    cr_assert_null(group(groups, "cpu"));
    cr_assert_null(group(groups, "mem"));
    cr_assert_null(group("", NULL));
    cr_assert_null(group("garbage\n", NULL));
    cr_assert_null(group("1:cpu:/\n", NULL));
    cr_assert_null(group("0::/a-path-that-is-longer-than-what-there-is-room-for\n", NULL));
}

Test(probe_parse, a_limit_is_a_number_or_max)
{
    uint64_t limit = 7;

    cr_assert(parse_limit("1024", &limit));
    cr_assert_eq(limit, 1024);
    cr_assert(parse_limit("max", &limit));
    cr_assert_eq(limit, UINT64_MAX);
    cr_assert_not(parse_limit("", &limit));
    cr_assert_not(parse_limit("-1", &limit));
    cr_assert_not(parse_limit("10k", &limit));
    cr_assert_not(parse_limit("99999999999999999999999", &limit));
    cr_assert_eq(limit, UINT64_MAX, "untouched by what is no limit");
}

/* ---- the rest ---- */

Test(probe_parse, a_choice_stands_in_brackets)
{
    char choice[16];

    parse_choice("always [madvise] never", choice, sizeof(choice));
    cr_assert_str_eq(choice, "madvise");
    parse_choice("always madvise", choice, sizeof(choice));
    cr_assert_str_eq(choice, "");
    parse_choice("[always", choice, sizeof(choice));
    cr_assert_str_eq(choice, "");
    parse_choice("[a-choice-longer-than-its-room]", choice, sizeof(choice));
    cr_assert_eq(strlen(choice), sizeof(choice) - 1);
}

Test(probe_parse, a_guid_is_compared_without_braces_and_case)
{
    static const char guid[] = "0590b792-db64-45cc-81db-b8d70c577c9e";

    cr_assert(parse_is_guid("0590b792-db64-45cc-81db-b8d70c577c9e", guid));
    cr_assert(parse_is_guid("{0590B792-DB64-45CC-81DB-B8D70C577C9E}", guid));
    cr_assert_not(parse_is_guid("0590b792-db64-45cc-81db-b8d70c577c9", guid));
    cr_assert_not(parse_is_guid("0590b792-db64-45cc-81db-b8d70c577c9e0", guid));
    cr_assert_not(parse_is_guid("", guid));
    cr_assert_not(parse_is_guid("{", guid));
}

/* The figures that were measured with the published driver: 15 of 4 MiB in 128 KiB, 250 in 2 MiB. */
Test(probe_parse, a_ring_holds_as_many_transfers_as_its_data_area_has_room_for)
{
    cr_assert_eq(parse_ring_depth(126976, 4u << 20), 15);
    cr_assert_eq(parse_ring_depth(2093056, 4u << 20), 250);
    cr_assert_eq(parse_ring_depth(8361, 4u << 20), 1);
    cr_assert_eq(parse_ring_depth(8360, 4u << 20), 0, "a ring is never quite full");
    cr_assert_eq(parse_ring_depth(0, 4u << 20), 0);
}
