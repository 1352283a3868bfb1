/* SPDX-License-Identifier: MIT */
/* What is made of the facts: marks, verdicts, the table and the JSON. */
#include "../../src/blobproxyctl/report.h"
#include "probe_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

TestSuite(probe_report, .init = probe_fixture_begin, .fini = probe_fixture_end);

static struct probe_facts facts;
static struct report report;

static void make(void)
{
    const struct probe_source source = probe_fixture_source();

    probe_collect(&source, NULL, &facts);
    report_make(&facts, &report);
}

static const struct report_row *row(const char *name)
{
    for (unsigned i = 0; i < report.row_count; i++)
        if (strcmp(report.rows[i].name, name) == 0)
            return &report.rows[i];
    cr_assert_fail("no row \"%s\"", name);
    return NULL;
}

static void expect_verdict(const char *channel, const char *why, const char *next)
{
    cr_assert_str_eq(report.verdict.channel, channel);
    cr_assert_not_null(strstr(report.verdict.why, why), "\"%s\" does not say %s", report.verdict.why, why);
    cr_assert_not_null(strstr(report.verdict.next, next), "\"%s\" does not say %s", report.verdict.next, next);
    cr_assert_eq(report.verdict.is_usable, strcmp(channel, "device") == 0);
}

static void driver_answers(int list, int vendor, int first)
{
    fake_driver.open = 0;
    fake_driver.path = DEVICE_PATH;
    fake_driver.numbers[DEVICE_COMMAND_LIST] = list;
    fake_driver.numbers[DEVICE_COMMAND_VENDOR] = vendor;
    fake_driver.numbers[DEVICE_COMMANDS] = first;
}

/* ---- verdicts ---- */

Test(probe_report, a_machine_that_is_no_azure_vm_has_the_emulated_channel)
{
    make();
    expect_verdict("emulated", "no Azure VM", "blobproxyd --emulated=");
}

Test(probe_report, an_azure_vm_without_the_device_goes_upstream)
{
    put_azure();
    make();
    expect_verdict("upstream", "does not offer", "upstream.fallback = https");
    cr_assert_eq(row("blob device")->mark, REPORT_BAD);
}

Test(probe_report, either_number_makes_the_device_usable)
{
    put_azure();
    put_blob_device("hv_azure_blob");
    driver_answers(-EFAULT, -EINVAL, -EINVAL);
    make();
    expect_verdict("device", "/dev/azure_blob opens", "channel.type = auto");
    driver_answers(-EINVAL, -EFAULT, -EINVAL);
    make();
    expect_verdict("device", "/dev/azure_blob opens", "channel.type = auto");
}

Test(probe_report, a_device_is_of_no_use_to_a_kernel_with_pages_of_64_kib)
{
    put_azure();
    put_blob_device("hv_azure_blob");
    driver_answers(-EFAULT, -EINVAL, -EINVAL);
    fake_driver.page_bytes = 65536;
    make();
    expect_verdict("upstream", "pages of 4096 bytes only", "upstream.fallback = https");
    cr_assert_eq(row("page size")->mark, REPORT_BAD);
    cr_assert_str_eq(row("page size")->value, "65536");
}

Test(probe_report, a_device_of_another_name_has_to_be_configured)
{
    const struct probe_source source = probe_fixture_source();

    driver_answers(-EINVAL, -EFAULT, -EINVAL);
    fake_driver.path = "/dev/other";
    probe_collect(&source, "/dev/other", &facts);
    report_make(&facts, &report);
    expect_verdict("device", "/dev/other opens", "channel.device = /dev/other");
}

Test(probe_report, a_device_of_somebody_else_is_asked_for_as_root)
{
    static const int results[] = {-EACCES, -EPERM};

    for (size_t i = 0; i < 2; i++) {
        fake_driver.open = results[i];
        make();
        expect_verdict("upstream", "may not be opened", "sudo blobproxyctl probe");
    }
}

Test(probe_report, a_device_on_its_way_out_is_waited_for)
{
    driver_answers(-ENODEV, -ENODEV, -ENODEV);
    make();
    expect_verdict("upstream", "being removed", "blobproxyctl probe");
}

Test(probe_report, the_first_version_of_the_driver_is_of_no_use)
{
    driver_answers(-EIO, -EIO, -EFAULT);
    make();
    expect_verdict("upstream", "first version", "docs/hardware.md");
    cr_assert_eq(row("  ioctl 0xc040520a")->mark, REPORT_LOOK);
}

Test(probe_report, a_driver_that_knows_no_number_is_another_one)
{
    driver_answers(-ENOTTY, -ENOTTY, -ENOTTY);
    make();
    expect_verdict("upstream", "none of the published numbers", "docs/hardware.md");
}

Test(probe_report, a_driver_that_is_on_the_disk_is_to_be_loaded)
{
    put_azure();
    put_blob_device(NULL);
    put_file("/lib/modules/6.2.0-test/modules.dep", "extra/az_blob.ko:\n");
    make();
    expect_verdict("upstream", "not loaded", "modprobe az_blob");
    cr_assert_eq(row("  its driver")->mark, REPORT_BAD);
}

Test(probe_report, a_kernel_without_the_driver_is_said_to_be_one)
{
    put_azure();
    put_blob_device(NULL);
    put_file("/lib/modules/6.2.0-test/modules.dep", "");
    make();
    expect_verdict("upstream", "no driver", "docs/hardware.md");
}

Test(probe_report, a_device_that_uio_has_is_to_be_unbound)
{
    put_blob_device("uio_hv_generic");
    make();
    expect_verdict("upstream", "uio_hv_generic", "unbind");
}

Test(probe_report, a_driver_without_a_node_is_looked_for_in_proc_misc)
{
    put_blob_device("hv_azure_blob");
    make();
    expect_verdict("upstream", "no node", "/proc/misc");
}

/* ---- rows ---- */

Test(probe_report, the_ring_tells_how_many_transfers_it_holds)
{
    put_blob_device("hv_azure_blob");
    make();
    cr_assert_eq(row("  its driver")->mark, REPORT_GOOD);
    cr_assert_str_eq(row("  its ring")->value, "126976 bytes, 8360 not yet read");
    cr_assert_str_eq(row("  its ring")->meaning, "room for 15 transfers of 4 MiB at once");
    cr_assert_eq(row("  its ring")->mark, REPORT_LOOK);
    cr_assert_str_eq(row("  its channel")->value, "open, relid 21, 0 subchannels");
}

Test(probe_report, each_errno_of_a_number_is_told)
{
    static const struct {
        int raw;
        enum report_mark mark;
        const char *value;
    } rows[] = {
        {-EFAULT, REPORT_GOOD, "known"},
        {-EACCES, REPORT_LOOK, "known, but to other credentials than ours"},
        {-ENODEV, REPORT_BAD, "the device is being removed"},
        {-EINVAL, REPORT_FACT, "not known (EINVAL)"},
        {-EIO, REPORT_FACT, "not known (EIO)"},
        {-ENOTTY, REPORT_FACT, "not known (ENOTTY)"},
        {0, REPORT_FACT, "not known (ENOTTY)"},
        {-EBUSY, REPORT_LOOK, "EBUSY"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        driver_answers(rows[i].raw, -EINVAL, -EINVAL);
        make();
        cr_assert_str_eq(row("  ioctl 0xc04852f0")->value, rows[i].value);
        cr_assert_eq(row("  ioctl 0xc04852f0")->mark, rows[i].mark, "row %zu", i);
    }
}

Test(probe_report, each_errno_of_opening_is_told)
{
    static const struct {
        int result;
        const char *meaning;
    } rows[] = {
        {-ENOENT, "no driver has made it"}, {-EACCES, "as root"},          {-EPERM, "DeviceAllow="},
        {-ENXIO, "without a driver"},       {-ENODEV, "without a driver"}, {-EBUSY, "EBUSY"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_driver.open = rows[i].result;
        make();
        const char *meaning = row(DEVICE_PATH)->meaning, *wanted = rows[i].meaning;
        bool is_there = strstr(meaning, wanted) != NULL;

        cr_assert(is_there, "row %zu: %s", i, meaning);
        cr_assert_eq(row(DEVICE_PATH)->mark, REPORT_BAD);
    }
}

Test(probe_report, the_inherited_descriptor_is_judged)
{
    driver_answers(-EFAULT, -EINVAL, -EINVAL);
    make();
    cr_assert_str_eq(row("  inherited descriptor")->value, "EACCES");
    cr_assert_eq(row("  inherited descriptor")->mark, REPORT_GOOD);
    fake_driver.ignores_credentials = true;
    make();
    cr_assert_str_eq(row("  inherited descriptor")->value, "taken");
    cr_assert_eq(row("  inherited descriptor")->mark, REPORT_LOOK);
}

Test(probe_report, rows_beyond_the_last_one_do_no_harm)
{
    memset(&report, 0, sizeof(report));
    for (int i = 0; i < REPORT_ROWS_MAX + 5; i++)
        (void)report_add(&report, REPORT_FACT, "row", "", "%d", i);
    cr_assert_eq(report.row_count, REPORT_ROWS_MAX);
}

/* The most that a machine can have: all devices, all nodes, all numbers known. */
Test(probe_report, the_longest_report_has_room_for_its_rows)
{
    char path[128];

    put_azure();
    for (int i = 0; i < PROBE_DEVICES_MAX; i++) {
        (void)snprintf(path, sizeof(path), "/sys/bus/vmbus/devices/device-%d/class_id", i);
        put_file(path, "{0590b792-db64-45cc-81db-b8d70c577c9e}\n");
        (void)snprintf(path, sizeof(path), "/sys/bus/vmbus/devices/device-%d/uio/uio%d/name", i, i);
        put_file(path, "");
    }
    driver_answers(-EFAULT, -EFAULT, -EFAULT);
    fake_driver.path = NULL;
    make();
    cr_assert_eq(facts.node_count, PROBE_NODES_MAX);
    cr_assert_lt(report.row_count, REPORT_ROWS_MAX);
}

/* ---- output ---- */

static char *printed(bool is_json)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (is_json)
        cr_assert_eq(report_print_json(&facts, &report, out), 0);
    else
        report_print(&report, out);
    cr_assert_eq(fclose(out), 0);
    return text;
}

Test(probe_report, the_table_has_a_mark_for_each_row_and_ends_with_the_verdict)
{
    make();
    char *text CLEANUP(cleanup_free) = printed(false);
    unsigned lines = 0;

    for (const char *line = text; (line = strchr(line, '\n')); line++)
        lines++;
    cr_assert_geq(lines, report.row_count + 3);
    cr_assert_not_null(strstr(text, "NO  VMBus "));
    cr_assert_not_null(strstr(text, "-   kernel "));
    cr_assert_not_null(strstr(text, "\nverdict: emulated: no Azure VM.\n   next: blobproxyd --emulated="));
}

static json_t *json_of(void)
{
    char *text CLEANUP(cleanup_free) = printed(true);
    json_error_t error;
    json_t *all = json_loads(text, 0, &error);

    cr_assert_not_null(all, "%s", error.text);
    return all;
}

Test(probe_report, json_has_the_facts_with_their_numbers)
{
    put_azure();
    put_blob_device("hv_azure_blob");
    driver_answers(-EFAULT, -EINVAL, -EINVAL);
    make();
    json_t *all = json_of();
    const json_t *device = json_array_get(json_object_get(all, "blob_devices"), 0);
    const json_t *attributes = json_object_get(device, "attributes");
    const json_t *node = json_array_get(json_object_get(all, "nodes"), 0);
    const json_t *numbers = json_object_get(node, "ioctls");

    cr_assert(json_is_true(json_object_get(json_object_get(all, "verdict"), "usable")));
    cr_assert_eq(json_array_size(json_object_get(all, "facts")), report.row_count);
    cr_assert(json_is_true(json_object_get(json_object_get(all, "guest"), "is_azure")));
    cr_assert_str_eq(json_string_value(json_object_get(device, "instance")), FIXTURE_INSTANCE);
    cr_assert_eq(json_integer_value(json_object_get(attributes, "id")), 21);
    cr_assert(json_is_null(json_object_get(attributes, "in_intr_mask")));
    cr_assert_str_eq(json_string_value(json_object_get(numbers, "0xc04852f0")), "ok");
    cr_assert_str_eq(json_string_value(json_object_get(numbers, "0xc048520a")), "EINVAL");
    cr_assert_str_eq(json_string_value(json_object_get(numbers, "0xc040520a")), "EINVAL");
    cr_assert_str_eq(json_string_value(json_object_get(node, "inherited")), "EACCES");
    json_decref(all);
}

Test(probe_report, json_says_null_where_nothing_is_known)
{
    make();
    json_t *all = json_of();
    const json_t *node = json_array_get(json_object_get(all, "nodes"), 0);

    cr_assert(json_is_null(json_object_get(json_object_get(all, "limits"), "pids_max")));
    cr_assert(json_is_null(json_object_get(json_object_get(all, "guest"), "asset_tag")));
    cr_assert_str_eq(json_string_value(json_object_get(node, "open")), "ENOENT");
    cr_assert(json_is_null(json_object_get(json_object_get(node, "ioctls"), "0xc04852f0")));
    cr_assert(json_is_null(json_object_get(node, "file")));
    json_decref(all);
}

Test(probe_report, a_path_that_is_no_text_makes_valid_json)
{
    const struct probe_source source = probe_fixture_source();

    probe_collect(&source, "/dev/\xff", &facts);
    report_make(&facts, &report);
    json_t *all = json_of();
    const json_t *node = json_array_get(json_object_get(all, "nodes"), 0);

    cr_assert_str_eq(json_string_value(json_object_get(node, "path")), "/dev/?");
    json_decref(all);
}
