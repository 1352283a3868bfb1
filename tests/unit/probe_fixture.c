/* SPDX-License-Identifier: MIT */
#include "probe_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FD 900
#define DEVICE_DIRECTORY "/sys/bus/vmbus/devices/" FIXTURE_INSTANCE

struct fake_driver fake_driver;
static char root[64];
static pid_t opener;

static int fake_open(const char *path)
{
    fake_driver.opens++;
    if (fake_driver.path && strcmp(path + strlen(root), fake_driver.path) != 0)
        return -ENOENT;
    opener = getpid();
    return fake_driver.open < 0 ? fake_driver.open : FD;
}

static int fake_ioctl(int fd, unsigned long number, void *argument)
{
    fake_driver.ioctls++;
    fake_driver.arguments += argument != NULL;
    if (fd != FD)
        return -EBADF;
    for (unsigned i = 0; i < PROBE_NUMBERS; i++)
        if (number == probe_number(i))
            return fake_driver.numbers[i] == -EFAULT && getpid() != opener && !fake_driver.ignores_credentials
                       ? -EACCES
                       : fake_driver.numbers[i];
    return -ENOTTY;
}

static int fake_close(int fd)
{
    fake_driver.closes++;
    return fd == FD ? 0 : -EBADF;
}

static long fake_page_bytes(void)
{
    return fake_driver.page_bytes;
}

static const struct device_calls calls = {fake_open, fake_ioctl, fake_close, fake_page_bytes};

struct probe_source probe_fixture_source(void)
{
    return (struct probe_source){.root = root, .release = "6.2.0-test", .hypervisor = "", .calls = &calls};
}

void probe_fixture_begin(void)
{
    fake_driver = (struct fake_driver){.open = -ENOENT, .page_bytes = 4096};
    for (unsigned i = 0; i < PROBE_NUMBERS; i++)
        fake_driver.numbers[i] = -EINVAL;
    (void)snprintf(root, sizeof(root), "/tmp/probe-test-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void probe_fixture_end(void)
{
    (void)nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void path_in_tree(char *path, size_t path_bytes, const char *name)
{
    (void)snprintf(path, path_bytes, "%s%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST, "%s: %s", path, strerror(errno));
        *slash = '/';
    }
}

void put_file(const char *path, const char *text)
{
    char whole[512];

    path_in_tree(whole, sizeof(whole), path);
    FILE *file = fopen(whole, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

void put_link(const char *path, const char *target)
{
    char whole[512];

    path_in_tree(whole, sizeof(whole), path);
    cr_assert_eq(symlink(target, whole), 0);
}

void put_azure(void)
{
    put_file("/sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n");
    put_file("/sys/class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n");
    put_file("/sys/bus/vmbus/devices/00000000-0000-8899-0000-000000000000/class_id", "{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}\n");
}

void put_blob_device(const char *driver)
{
    put_file(DEVICE_DIRECTORY "/class_id", "{0590B792-db64-45cc-81db-b8d70c577c9e}\n");
    put_file(DEVICE_DIRECTORY "/id", "21\n");
    put_file(DEVICE_DIRECTORY "/state", "3\n");
    put_file(DEVICE_DIRECTORY "/monitor_id", "5\n");
    put_file(DEVICE_DIRECTORY "/out_read_bytes_avail", "8360\n");
    put_file(DEVICE_DIRECTORY "/out_write_bytes_avail", "118616\n");
    put_file(DEVICE_DIRECTORY "/channels/21/subchannel_id", "0\n");
    if (driver) {
        char target[128];

        (void)snprintf(target, sizeof(target), "../../../../bus/vmbus/drivers/%s", driver);
        put_link(DEVICE_DIRECTORY "/driver", target);
    }
}
