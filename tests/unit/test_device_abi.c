/* SPDX-License-Identifier: MIT */
/* The driver is a stand-in that looks at the bytes it is given: offsets here are those of the published header, not of our
 * struct. */
#include "../../src/lib/channel/device_abi.h"
#include "../../src/lib/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define FD 7
#define STRUCT_BYTES 72
#define PAGE 4096

static struct {
    int result;
    bool writes_back;
    uint32_t status, response_bytes;
    unsigned calls;
    int fd;
    unsigned long number;
    void *argument;
    uint8_t seen[STRUCT_BYTES];
} driver;

static int fake_ioctl(int fd, unsigned long number, void *argument)
{
    driver.calls++;
    driver.fd = fd;
    driver.number = number;
    driver.argument = argument;
    if (!argument)
        return driver.result;
    memcpy(driver.seen, argument, STRUCT_BYTES);
    if (driver.result == 0 && driver.writes_back) {
        memcpy((uint8_t *)argument + 64, &driver.status, 4);
        memcpy((uint8_t *)argument + 68, &driver.response_bytes, 4);
    }
    return driver.result;
}

static int fake_open(const char *path)
{
    return strcmp(path, DEVICE_PATH) == 0 ? FD : -ENOENT;
}

static int fake_close(int fd)
{
    return fd == FD ? 0 : -EBADF;
}

static long page_bytes = 4096;

static long fake_page_bytes(void)
{
    return page_bytes;
}

static const struct device_calls calls = {fake_open, fake_ioctl, fake_close, fake_page_bytes};

static uint32_t seen32(size_t offset)
{
    uint32_t value;

    memcpy(&value, driver.seen + offset, sizeof(value));
    return value;
}

static uint64_t seen64(size_t offset)
{
    uint64_t value;

    memcpy(&value, driver.seen + offset, sizeof(value));
    return value;
}

/* ---- numbers ---- */

Test(device_abi, numbers_are_the_published_ones)
{
    cr_assert_eq(device_command_number(DEVICE_COMMAND_LIST), 0xC04852F0u);
    cr_assert_eq(device_command_number(DEVICE_COMMAND_VENDOR), 0xC048520Au);
    cr_assert_eq(DEVICE_V1_NUMBER, 0xC040520Au);
}

Test(device_abi, each_number_says_where_it_comes_from)
{
    for (int i = 0; i < DEVICE_COMMANDS; i++)
        cr_assert_gt(strlen(device_command_origin((enum device_command)i)), 0);
}

/* ---- opening ---- */

Test(device_abi, opening_passes_the_descriptor_or_the_errno_on)
{
    cr_assert_eq(device_open(&calls, DEVICE_PATH), FD);
    cr_assert_eq(device_open(&calls, "/dev/other"), -ENOENT);
}

Test(device_abi, the_system_opens_for_both_directions_and_never_leaks_into_a_child)
{
    int fd = device_open(&device_calls_system, "/dev/null");

    cr_assert_geq(fd, 0);
    cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(device_calls_system.close(fd), 0);
    cr_assert_eq(device_calls_system.close(fd), -EBADF);
    cr_assert_eq(device_open(&device_calls_system, "/dev/no-such-device"), -ENOENT);
}

/* ---- probing ---- */

static int probe_that_answers(int result, enum device_command command)
{
    memset(&driver, 0, sizeof(driver));
    driver.result = result;
    return device_probe(&calls, FD, command);
}

Test(device_abi, a_probe_gives_the_driver_nothing_to_read)
{
    int r = probe_that_answers(-EFAULT, DEVICE_COMMAND_VENDOR);

    cr_assert_eq(r, 0);
    cr_assert_eq(driver.calls, 1);
    cr_assert_eq(driver.fd, FD);
    cr_assert_eq(driver.number, 0xC048520Aul);
    cr_assert_null(driver.argument);
}

Test(device_abi, a_probe_asks_for_the_number_it_was_told)
{
    cr_assert_eq(probe_that_answers(-EFAULT, DEVICE_COMMAND_LIST), 0);
    cr_assert_eq(driver.number, 0xC04852F0ul);
    cr_assert_eq(device_probe_number(&calls, FD, DEVICE_V1_NUMBER), 0);
    cr_assert_eq(driver.number, 0xC040520Aul);
    cr_assert_null(driver.argument);
}

Test(device_abi, a_probe_passes_on_what_is_no_bad_address)
{
    static const int results[] = {-EACCES, -ENODEV, -EINVAL, -ENOTTY, -EIO};

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        cr_assert_eq(probe_that_answers(results[i], DEVICE_COMMAND_LIST), results[i]);
}

Test(device_abi, a_driver_that_takes_no_argument_does_not_know_the_number)
{
    cr_assert_eq(probe_that_answers(0, DEVICE_COMMAND_LIST), -ENOTTY);
}

Test(device_abi, the_kernel_says_that_dev_null_knows_no_number)
{
    int fd = device_open(&device_calls_system, "/dev/null");

    cr_assert_geq(fd, 0);
    cr_assert_eq(device_probe(&device_calls_system, fd, DEVICE_COMMAND_LIST), -ENOTTY);
    cr_assert_eq(device_probe(&device_calls_system, fd, DEVICE_COMMAND_VENDOR), -ENOTTY);
    cr_assert_eq(device_calls_system.close(fd), 0);
}

/* ---- opening what has a known driver ---- */

static int answers[DEVICE_COMMANDS];
static unsigned closes, ioctls;

static int ioctl_of_a_driver(int fd, unsigned long number, void *argument)
{
    (void)fd;
    (void)argument;
    ioctls++;
    return answers[number == 0xC048520A ? DEVICE_COMMAND_VENDOR : DEVICE_COMMAND_LIST];
}

static int counted_close(int fd)
{
    closes++;
    return fake_close(fd);
}

static int open_known(int list, int vendor, enum device_command *ret_command, struct err *err)
{
    static const struct device_calls known_calls = {fake_open, ioctl_of_a_driver, counted_close, fake_page_bytes};

    answers[DEVICE_COMMAND_LIST] = list;
    answers[DEVICE_COMMAND_VENDOR] = vendor;
    closes = ioctls = 0;
    return device_open_known(&known_calls, DEVICE_PATH, ret_command, err);
}

Test(device_abi, the_number_that_the_driver_knows_is_found)
{
    enum device_command command;
    struct err err;

    cr_assert_eq(open_known(-EFAULT, -EFAULT, &command, &err), FD);
    cr_assert_eq(command, DEVICE_COMMAND_LIST);
    cr_assert_eq(open_known(-EINVAL, -EFAULT, &command, &err), FD);
    cr_assert_eq(command, DEVICE_COMMAND_VENDOR);
    cr_assert_eq(closes, 0);
}

Test(device_abi, a_driver_that_knows_neither_is_closed_and_both_answers_told)
{
    enum device_command command;
    struct err err;

    cr_assert_eq(open_known(-EIO, -ENOTTY, &command, &err), -ENOTSUP);
    cr_assert_eq(closes, 1);
    cr_assert_not_null(strstr(err.text, "0xc04852f0"));
    cr_assert_not_null(strstr(err.text, "0xc048520a"));
    cr_assert_not_null(strstr(err.text, strerror(EIO)));
    cr_assert_not_null(strstr(err.text, strerror(ENOTTY)));
}

Test(device_abi, a_device_that_is_removed_or_somebody_elses_is_not_asked_again)
{
    enum device_command command;
    struct err err;

    cr_assert_eq(open_known(-ENODEV, -EFAULT, &command, &err), -ENODEV);
    cr_assert_eq(closes, 1);
    cr_assert_eq(open_known(-EACCES, -EFAULT, &command, &err), -EACCES);
    cr_assert_not_null(strstr(err.text, DEVICE_PATH));
}

Test(device_abi, a_kernel_with_pages_of_64_kib_is_refused_before_its_driver_is_asked)
{
    enum device_command command;
    struct err err;

    page_bytes = 65536;
    cr_assert_eq(open_known(-EFAULT, -EFAULT, &command, &err), -ENOTSUP);
    cr_assert_eq(closes, 1);
    cr_assert_eq(ioctls, 0);
    cr_assert_str_eq(err.text, DEVICE_PATH ": its driver needs a kernel with pages of 4096 bytes; those of this one have 65536");
}

/* ---- a transfer ---- */

static const struct device_request sample = {
    .guid = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    .timeout_ms = 60000,
    .request = (void *)0x10000000,
    .request_bytes = 321,
    .response = (void *)0x20000000,
    .response_bytes = 32768,
    .data = (void *)0x7fff30000000,
    .data_bytes = 4u << 20,
    .data_valid_bytes = 17,
};

static int transfer(const struct device_request *request, struct device_reply *ret_reply)
{
    return device_request(&calls, FD, DEVICE_COMMAND_LIST, request, ret_reply);
}

Test(device_abi, a_request_has_every_field_where_the_published_struct_has_it)
{
    struct device_reply reply;

    memset(&driver, 0, sizeof(driver));
    cr_assert_eq(transfer(&sample, &reply), 0);
    cr_assert_eq(driver.number, 0xC04852F0ul);
    cr_assert_arr_eq(driver.seen, sample.guid, 16);
    cr_assert_eq(seen32(16), 60000);
    cr_assert_eq(seen32(20), 321);
    cr_assert_eq(seen32(24), 32768);
    cr_assert_eq(seen32(28), 4u << 20);
    cr_assert_eq(seen32(32), 17);
    cr_assert_eq(seen32(36), 0, "padding is kernel-visible memory");
    cr_assert_eq(seen64(40), 0x10000000);
    cr_assert_eq(seen64(48), 0x20000000);
    cr_assert_eq(seen64(56), 0x7fff30000000);
    cr_assert_eq(seen32(64), DEVICE_STATUS_UNSET);
    cr_assert_eq(seen32(68), DEVICE_STATUS_UNSET);
}

Test(device_abi, both_numbers_carry_the_same_bytes)
{
    struct device_reply reply;
    uint8_t first[STRUCT_BYTES];

    memset(&driver, 0, sizeof(driver));
    cr_assert_eq(transfer(&sample, &reply), 0);
    memcpy(first, driver.seen, sizeof(first));
    cr_assert_eq(device_request(&calls, FD, DEVICE_COMMAND_VENDOR, &sample, &reply), 0);
    cr_assert_eq(driver.number, 0xC048520Aul);
    cr_assert_arr_eq(driver.seen, first, sizeof(first));
}

Test(device_abi, no_data_is_a_null_of_no_length)
{
    struct device_request request = sample;
    struct device_reply reply;

    request.data = NULL;
    request.data_bytes = request.data_valid_bytes = 0;
    memset(&driver, 0, sizeof(driver));
    cr_assert_eq(transfer(&request, &reply), 0);
    cr_assert_eq(seen32(28), 0);
    cr_assert_eq(seen32(32), 0);
    cr_assert_eq(seen64(56), 0);
}

Test(device_abi, the_reply_is_what_the_driver_wrote_back)
{
    struct device_reply reply;

    memset(&driver, 0, sizeof(driver));
    driver.writes_back = true;
    driver.status = 0x80070102;
    driver.response_bytes = 99999; /* more than there is room for: checked higher up */
    cr_assert_eq(transfer(&sample, &reply), 0);
    cr_assert_eq(reply.status, 0x80070102);
    cr_assert_eq(reply.response_bytes, 99999);
    cr_assert_not(reply.is_unset);
}

Test(device_abi, a_success_that_wrote_nothing_back_is_recognised)
{
    struct device_reply reply;

    memset(&driver, 0, sizeof(driver));
    cr_assert_eq(transfer(&sample, &reply), 0);
    cr_assert(reply.is_unset);
}

Test(device_abi, either_field_written_back_counts_as_a_reply)
{
    struct device_reply reply;

    memset(&driver, 0, sizeof(driver));
    driver.writes_back = true;
    driver.response_bytes = DEVICE_STATUS_UNSET;
    cr_assert_eq(transfer(&sample, &reply), 0);
    cr_assert_not(reply.is_unset);
    driver.status = DEVICE_STATUS_UNSET;
    driver.response_bytes = 40;
    cr_assert_eq(transfer(&sample, &reply), 0);
    cr_assert_not(reply.is_unset);
}

Test(device_abi, a_failure_is_passed_on_and_leaves_the_reply_alone)
{
    static const int results[] = {-EACCES, -EAGAIN, -EINVAL, -EFAULT, -ENOMEM, -ENODEV, -EINTR};

    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        struct device_reply reply = {.status = 1, .response_bytes = 2, .is_unset = true};

        memset(&driver, 0, sizeof(driver));
        driver.result = results[i];
        cr_assert_eq(transfer(&sample, &reply), results[i]);
        cr_assert_eq(reply.status, 1);
        cr_assert_eq(reply.response_bytes, 2);
        cr_assert(reply.is_unset);
    }
}

/* ---- pages ---- */

static uint32_t pages_of(uintptr_t address, uint32_t bytes)
{
    const struct device_request request = {.data = (void *)address, .data_bytes = bytes};

    return device_request_pages(&request);
}

Test(device_abi, a_buffer_takes_the_pages_that_it_touches)
{
    static const struct {
        uintptr_t address;
        uint32_t bytes, pages;
    } rows[] = {
        {0x100000, 0, 0},
        {0x100000, 1, 1},
        {0x100000, PAGE, 1},
        {0x100000, PAGE + 1, 2},
        {0x100fff, 1, 1},
        {0x100fff, 2, 2},
        {0x100001, PAGE, 2},
        {0x100ffe, PAGE + 4, 3},
        {0x100000, 32u << 20, 8192},
        {0x100008, 32u << 20, 8193},
        {0x100000, UINT32_MAX, 1048576},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(pages_of(rows[i].address, rows[i].bytes), rows[i].pages, "row %zu", i);
}

Test(device_abi, each_buffer_is_counted_by_itself_even_where_two_share_a_page)
{
    const struct device_request request = {
        .request = (void *)0x100000,
        .request_bytes = 100,
        .response = (void *)0x100100, /* in the page of the request */
        .response_bytes = PAGE,
        .data = (void *)0x200000,
        .data_bytes = 3 * PAGE,
    };

    cr_assert_eq(device_request_pages(&request), 1 + 2 + 3);
}

Test(device_abi, thirty_two_mebibytes_of_data_never_fit_beside_the_other_two)
{
    const struct device_request request = {
        .request = (void *)0x100000,
        .request_bytes = 1,
        .response = (void *)0x200000,
        .response_bytes = 1,
        .data = (void *)0x400000,
        .data_bytes = DEVICE_BUFFER_BYTES_MAX,
    };

    cr_assert_gt(device_request_pages(&request), LIMIT_TRANSFER_PAGES);
}
