/* SPDX-License-Identifier: MIT */
/* What is found in a made-up tree, and how the driver is asked. */
#include "probe_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

TestSuite(probe, .init = probe_fixture_begin, .fini = probe_fixture_end);

static struct probe_facts facts;

static void collect(const char *device)
{
    const struct probe_source source = probe_fixture_source();

    memset(&facts, 0x55, sizeof(facts));
    probe_collect(&source, device, &facts);
}

/* ---- guest ---- */

Test(probe, an_empty_tree_is_a_machine_without_anything)
{
    collect(NULL);
    cr_assert_not(facts.guest.is_azure);
    cr_assert_not(facts.guest.is_hyperv);
    cr_assert_str_eq(facts.guest.vendor, "");
    cr_assert_eq(facts.bus_devices, 0);
    cr_assert_eq(facts.device_count, 0);
    cr_assert_eq(facts.node_count, 2);
    cr_assert_eq(facts.kernel.blob_driver, PROBE_CONFIG_UNREADABLE);
    cr_assert_eq(facts.pending_requests, -ENOENT);
    cr_assert_eq(facts.limits.tasks, PROBE_UNLIMITED);
    for (unsigned i = 0; i < PROBE_MODULES; i++)
        cr_assert_eq(facts.modules[i], PROBE_MODULE_UNKNOWN);
}

Test(probe, the_chassis_tells_an_azure_vm)
{
    put_azure();
    collect(NULL);
    cr_assert(facts.guest.is_azure);
    cr_assert(facts.guest.is_hyperv);
    cr_assert_str_eq(facts.guest.vendor, "Microsoft Corporation");
}

Test(probe, hyperv_alone_is_no_azure)
{
    struct probe_source source = probe_fixture_source();

    source.hypervisor = "Microsoft Hv";
    probe_collect(&source, NULL, &facts);
    cr_assert(facts.guest.is_hyperv);
    cr_assert_not(facts.guest.is_azure);
}

Test(probe, what_firmware_writes_reaches_no_terminal)
{
    put_file("/sys/class/dmi/id/sys_vendor", "Evil\033[2J\xff\n");
    collect(NULL);
    cr_assert_str_eq(facts.guest.vendor, "Evil?[2J?");
}

/* ---- kernel and modules ---- */

Test(probe, the_option_is_found_in_boot)
{
    put_file("/boot/config-6.2.0-test", "CONFIG_HYPERV=m\n# CONFIG_HYPERV_AZURE_BLOB is not set\n");
    collect(NULL);
    cr_assert_eq(facts.kernel.blob_driver, PROBE_CONFIG_OFF);
    cr_assert_str_eq(facts.kernel.config_path, "/boot/config-6.2.0-test");
}

Test(probe, the_option_is_found_in_a_compressed_proc_file)
{
    const struct probe_source source = probe_fixture_source();
    char path[256];

    put_file("/proc/config.gz", "");
    (void)snprintf(path, sizeof(path), "%s/proc/config.gz", source.root);
    gzFile file = gzopen(path, "wb");

    cr_assert_gt(gzputs(file, "CONFIG_X=y\nCONFIG_HYPERV_AZURE_BLOB=m\n"), 0);
    cr_assert_eq(gzclose(file), Z_OK);
    collect(NULL);
    cr_assert_eq(facts.kernel.blob_driver, PROBE_CONFIG_MODULE);
    cr_assert_str_eq(facts.kernel.config_path, "/proc/config.gz");
}

Test(probe, a_configuration_without_the_option_is_that_of_sources_without_the_driver)
{
    put_file("/boot/config-6.2.0-test", "CONFIG_HYPERV=m\n");
    collect(NULL);
    cr_assert_eq(facts.kernel.blob_driver, PROBE_CONFIG_UNKNOWN);
}

Test(probe, modules_are_loaded_built_in_on_the_disk_or_absent)
{
    put_file("/lib/modules/6.2.0-test/modules.dep",
             "kernel/drivers/hv/hv_azure_blob.ko.zst: kernel/drivers/hv/hv_vmbus.ko.zst\n");
    put_file("/lib/modules/6.2.0-test/modules.builtin", "kernel/drivers/uio/uio_hv_generic.ko\n");
    collect(NULL);
    cr_assert_eq(facts.modules[0], PROBE_MODULE_AVAILABLE);
    cr_assert_eq(facts.modules[1], PROBE_MODULE_ABSENT);
    cr_assert_eq(facts.modules[2], PROBE_MODULE_BUILT_IN);
    put_file("/proc/modules", "hv_azure_blob 16384 0 - Live 0x0\n");
    collect(NULL);
    cr_assert_eq(facts.modules[0], PROBE_MODULE_LOADED);
}

Test(probe, modules_of_another_kernel_do_not_count)
{
    put_file("/lib/modules/6.1.0-other/modules.dep", "kernel/drivers/hv/hv_azure_blob.ko:\n");
    collect(NULL);
    cr_assert_eq(facts.modules[0], PROBE_MODULE_UNKNOWN);
}

Test(probe, the_drivers_list_of_requests_is_found_under_both_names)
{
    put_file("/sys/kernel/debug/xs_fastpath/pending_requests", "");
    collect(NULL);
    cr_assert_eq(facts.pending_requests, 0);
    put_file("/sys/kernel/debug/az_blob/pending_requests", "List of pending requests\n");
    collect(NULL);
    cr_assert_eq(facts.pending_requests, 0);
}

/* ---- limits ---- */

Test(probe, the_least_limit_on_the_way_up_is_the_one_that_counts)
{
    put_file("/proc/self/cgroup", "0::/system.slice/a.service\n");
    put_file("/sys/fs/cgroup/system.slice/a.service/pids.max", "max\n");
    put_file("/sys/fs/cgroup/system.slice/pids.max", "300\n");
    put_file("/sys/fs/cgroup/system.slice/a.service/memory.max", "1073741824\n");
    put_file("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    collect(NULL);
    cr_assert_eq(facts.limits.tasks, 300);
    cr_assert_eq(facts.limits.memory_bytes, 1073741824);
}

Test(probe, older_control_groups_have_a_tree_for_each_controller)
{
    put_file("/proc/self/cgroup", "8:pids:/user\n4:memory:/\n0::/\n");
    put_file("/sys/fs/cgroup/pids/user/pids.max", "77\n");
    put_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    collect(NULL);
    cr_assert_eq(facts.limits.tasks, 77);
    cr_assert_eq(facts.limits.memory_bytes, PROBE_UNLIMITED, "no limit, as they write it");
}

/* ---- bus ---- */

Test(probe, the_device_is_found_among_others_by_its_class)
{
    put_azure();
    put_blob_device("hv_azure_blob");
    collect(NULL);
    cr_assert_eq(facts.bus_devices, 2);
    cr_assert_eq(facts.device_count, 1);
    const struct probe_device *device = &facts.devices[0];

    cr_assert_str_eq(device->instance, FIXTURE_INSTANCE);
    cr_assert_str_eq(device->driver, "hv_azure_blob");
    cr_assert_str_eq(device->uio, "");
    cr_assert_not(device->is_sibling);
    cr_assert_eq(device->channels, 1);
    cr_assert_eq(device->attributes[PROBE_ID], 21);
    cr_assert_eq(device->attributes[PROBE_STATE], 3);
    cr_assert_eq(device->attributes[PROBE_MONITOR_ID], 5);
    cr_assert_eq(device->attributes[PROBE_OUT_READ_BYTES], 8360);
    cr_assert_eq(device->attributes[PROBE_OUT_WRITE_BYTES], 118616);
    cr_assert_eq(device->attributes[PROBE_IN_INTR_MASK], PROBE_NO_VALUE);
}

Test(probe, a_device_that_nobody_drives_has_no_driver)
{
    put_blob_device(NULL);
    collect(NULL);
    cr_assert_eq(facts.device_count, 1);
    cr_assert_str_eq(facts.devices[0].driver, "");
}

Test(probe, the_vpci_sibling_is_known_by_its_instance)
{
    put_file("/sys/bus/vmbus/devices/d4573da2-2caa-4711-a8f9-bbabf4ee9685/class_id", "{44c4f61d-4444-4400-9d52-802e27ede19f}\n");
    put_link("/sys/bus/vmbus/devices/d4573da2-2caa-4711-a8f9-bbabf4ee9685/driver", "../../hv_pci");
    collect(NULL);
    cr_assert_eq(facts.device_count, 1);
    cr_assert(facts.devices[0].is_sibling);
    cr_assert_str_eq(facts.devices[0].driver, "hv_pci");
}

Test(probe, more_devices_than_there_can_be_are_counted_and_left_out)
{
    char path[128];

    for (int i = 0; i < PROBE_DEVICES_MAX + 3; i++) {
        (void)snprintf(path, sizeof(path), "/sys/bus/vmbus/devices/device-%d/class_id", i);
        put_file(path, "{0590b792-db64-45cc-81db-b8d70c577c9e}\n");
    }
    collect(NULL);
    cr_assert_eq(facts.bus_devices, PROBE_DEVICES_MAX + 3);
    cr_assert_eq(facts.device_count, PROBE_DEVICES_MAX);
}

/* ---- nodes ---- */

static void driver_knows(unsigned number)
{
    fake_driver.open = 0;
    fake_driver.path = DEVICE_PATH;
    fake_driver.numbers[number] = -EFAULT;
}

Test(probe, a_driver_is_asked_for_every_number_and_given_nothing)
{
    driver_knows(DEVICE_COMMAND_VENDOR);
    collect(NULL);
    const struct probe_node *node = &facts.nodes[0];

    cr_assert_str_eq(node->path, DEVICE_PATH);
    cr_assert_eq(node->opened, 0);
    cr_assert_eq(node->numbers[DEVICE_COMMAND_LIST], -EINVAL);
    cr_assert_eq(node->numbers[DEVICE_COMMAND_VENDOR], 0);
    cr_assert_eq(node->numbers[DEVICE_COMMANDS], -EINVAL);
    cr_assert_eq(fake_driver.ioctls, PROBE_NUMBERS);
    cr_assert_eq(fake_driver.arguments, 0);
    cr_assert_eq(fake_driver.closes, 1);
}

Test(probe, a_child_is_refused_over_the_descriptor_that_it_inherits)
{
    driver_knows(DEVICE_COMMAND_LIST);
    collect(NULL);
    cr_assert_eq(facts.nodes[0].inherited, -EACCES);
}

Test(probe, a_driver_without_the_credentials_rule_is_found_out)
{
    driver_knows(DEVICE_COMMAND_LIST);
    fake_driver.ignores_credentials = true;
    collect(NULL);
    cr_assert_eq(facts.nodes[0].inherited, 0);
}

Test(probe, without_a_known_number_no_child_asks)
{
    fake_driver.open = 0;
    collect(NULL);
    cr_assert_eq(facts.nodes[0].numbers[0], -EINVAL);
    cr_assert_eq(facts.nodes[0].inherited, PROBE_NOT_ASKED);
}

Test(probe, a_node_that_cannot_be_opened_is_not_asked)
{
    fake_driver.open = -EACCES;
    collect(NULL);
    cr_assert_eq(facts.nodes[0].opened, -EACCES);
    cr_assert_eq(facts.nodes[0].numbers[0], PROBE_NOT_ASKED);
    cr_assert_eq(fake_driver.ioctls, 0);
    cr_assert_eq(fake_driver.closes, 0);
}

Test(probe, what_is_no_device_is_not_even_opened)
{
    driver_knows(DEVICE_COMMAND_LIST);
    put_file(DEVICE_PATH, "a file");
    collect(DEVICE_PATH);
    cr_assert_eq(facts.nodes[0].status, 0);
    cr_assert_not(facts.nodes[0].is_device);
    cr_assert_eq(facts.nodes[0].opened, PROBE_NOT_ASKED);
    cr_assert_eq(fake_driver.opens, 0);
}

Test(probe, a_device_that_is_named_is_looked_at_alone)
{
    driver_knows(DEVICE_COMMAND_LIST);
    fake_driver.path = "/dev/other";
    collect("/dev/other");
    cr_assert_eq(facts.node_count, 1);
    cr_assert_str_eq(facts.nodes[0].path, "/dev/other");
    cr_assert_eq(facts.nodes[0].numbers[DEVICE_COMMAND_LIST], 0);
    cr_assert_eq(fake_driver.opens, 1);
}

Test(probe, a_character_device_is_described)
{
    struct probe_source source = probe_fixture_source();

    source.root = "";
    fake_driver.open = -ENXIO;
    probe_collect(&source, "/dev/null", &facts);
    const struct probe_node *node = &facts.nodes[0];

    cr_assert_eq(node->status, 0);
    cr_assert(node->is_device);
    cr_assert_eq(node->major, 1);
    cr_assert_eq(node->minor, 3);
    cr_assert_eq(node->opened, -ENXIO);
}

Test(probe, a_uio_node_is_never_opened)
{
    put_blob_device("uio_hv_generic");
    put_file("/sys/bus/vmbus/devices/" FIXTURE_INSTANCE "/uio/uio3/name", "hv_uio\n");
    put_file("/dev/uio3", "");
    fake_driver.path = "/dev/uio3";
    fake_driver.open = 0;
    collect(NULL);
    cr_assert_str_eq(facts.devices[0].uio, "uio3");
    cr_assert_eq(facts.node_count, 3);
    cr_assert_str_eq(facts.nodes[2].path, "/dev/uio3");
    cr_assert(facts.nodes[2].is_uio);
    cr_assert_eq(facts.nodes[2].opened, 0, "could be opened");
    cr_assert_eq(facts.nodes[2].numbers[0], PROBE_NOT_ASKED);
    cr_assert_eq(fake_driver.opens, 2, "the two published paths");
}
