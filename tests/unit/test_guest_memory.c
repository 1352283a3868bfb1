/* SPDX-License-Identifier: MIT */
#include "../../src/blobhostd/guest_memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* No mapping is needed: nothing here reads through the ranges but the copies. */
static uint8_t bytes[8 * PAGE];
static const struct guest_memory memory = {bytes, sizeof(bytes)};

static void expect_range(const struct iovec *range, size_t at, size_t len)
{
    cr_assert_eq(range->iov_base, bytes + at, "at %td", (uint8_t *)range->iov_base - bytes);
    cr_assert_eq(range->iov_len, len);
}

Test(guest_memory, merges_pages_that_follow_each_other)
{
    const uint64_t pages[] = {2, 3, 4};
    struct iovec iov[3];

    cr_assert_eq(guest_memory_translate(&memory, pages, 3, 0, 3 * PAGE, iov, 3), 1);
    expect_range(&iov[0], 2 * PAGE, 3 * PAGE);
}

Test(guest_memory, keeps_pages_apart_that_do_not_follow)
{
    const uint64_t pages[] = {5, 4, 6, 7, 7};
    struct iovec iov[5];

    cr_assert_eq(guest_memory_translate(&memory, pages, 5, 0, 5 * PAGE, iov, 5), 4);
    expect_range(&iov[0], 5 * PAGE, PAGE);
    expect_range(&iov[1], 4 * PAGE, PAGE);
    expect_range(&iov[2], 6 * PAGE, 2 * PAGE);
    expect_range(&iov[3], 7 * PAGE, PAGE);
}

Test(guest_memory, begins_and_ends_within_pages)
{
    const uint64_t pages[] = {1, 6, 3};
    struct iovec iov[3];

    cr_assert_eq(guest_memory_translate(&memory, pages, 3, PAGE + 100, PAGE, iov, 3), 2);
    expect_range(&iov[0], 6 * PAGE + 100, PAGE - 100);
    expect_range(&iov[1], 3 * PAGE, 100);
}

Test(guest_memory, gives_nothing_for_an_empty_range)
{
    const uint64_t pages[] = {UINT64_MAX};

    cr_assert_eq(guest_memory_translate(&memory, pages, 1, PAGE, 0, NULL, 0), 0);
    cr_assert_eq(guest_memory_pages(4095, 0), 0);
}

Test(guest_memory, refuses_the_first_page_behind_its_end)
{
    const uint64_t pages[] = {7, 8};
    struct iovec iov[2];

    cr_assert_eq(guest_memory_translate(&memory, pages, 2, 0, PAGE, iov, 2), 1);
    cr_assert_eq(guest_memory_translate(&memory, pages, 2, 0, PAGE + 1, iov, 2), -EFAULT);
}

Test(guest_memory, refuses_page_numbers_whose_address_overflows)
{
    const uint64_t pages[] = {UINT64_MAX / PAGE + 1};
    struct iovec iov[1];

    cr_assert_eq(guest_memory_translate(&memory, pages, 1, 0, 1, iov, 1), -EFAULT);
}

Test(guest_memory, refuses_ranges_outside_the_list_of_pages)
{
    const uint64_t pages[] = {0, 1};
    struct iovec iov[2];

    cr_assert_eq(guest_memory_translate(&memory, pages, 2, 1, 2 * PAGE, iov, 2), -EFAULT);
    cr_assert_eq(guest_memory_translate(&memory, pages, 2, 2 * PAGE + 1, 0, iov, 2), -EFAULT);
    cr_assert_eq(guest_memory_translate(&memory, pages, 2, PAGE, UINT64_MAX, iov, 2), -EFAULT);
}

Test(guest_memory, refuses_more_ranges_than_there_is_room_for)
{
    const uint64_t pages[] = {0, 2};
    struct iovec iov[1];

    cr_assert_eq(guest_memory_translate(&memory, pages, 2, 0, 2 * PAGE, iov, 1), -E2BIG);
}

Test(guest_memory, counts_the_pages_that_a_range_touches)
{
    cr_assert_eq(guest_memory_pages(0, PAGE), 1);
    cr_assert_eq(guest_memory_pages(0, PAGE + 1), 2);
    cr_assert_eq(guest_memory_pages(4095, 2), 2);
    cr_assert_eq(guest_memory_pages(4095, 1), 1);
}

Test(guest_memory, copies_across_ranges_in_both_directions)
{
    const struct iovec iov[] = {{bytes + 100, 3}, {bytes + 10, 4}};
    char text[8] = "";

    guest_memory_copy_in(iov, "abcdef", 6);
    cr_assert_eq(memcmp(bytes + 100, "abc", 3), 0);
    cr_assert_eq(memcmp(bytes + 10, "def\0", 4), 0);
    guest_memory_copy_out(text, iov, 6);
    cr_assert_str_eq(text, "abcdef");
}
