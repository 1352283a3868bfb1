/* SPDX-License-Identifier: MIT */
#include "../../src/lib/pages.h"

#include <criterion/criterion.h>

#define KIB 1024u

static uint8_t *at(uintptr_t address)
{
    return (uint8_t *)address;
}

static void expect(struct page_span span, uintptr_t start, size_t bytes)
{
    cr_assert_eq(span.bytes, bytes);
    cr_assert(bytes == 0 || span.start == at(start), "%p", (void *)span.start);
}

Test(pages, whole_pages_of_4_kib_are_all_there)
{
    expect(pages_inside(at(0x10000), 36 * KIB, 4 * KIB), 0x10000, 36 * KIB);
    expect(pages_inside(at(0x11000), 4 * KIB, 4 * KIB), 0x11000, 4 * KIB);
}

Test(pages, of_64_kib_those_that_neighbours_share_are_left_out)
{
    expect(pages_inside(at(0x11000), 4132 * KIB, 64 * KIB), 0x20000, 4032 * KIB);
    expect(pages_inside(at(0x20000), 4132 * KIB, 64 * KIB), 0x20000, 4096 * KIB);
    expect(pages_inside(at(0x11000), 60 * KIB + 64 * KIB, 64 * KIB), 0x20000, 64 * KIB);
}

Test(pages, a_range_within_one_page_of_64_kib_has_none)
{
    expect(pages_inside(at(0x11000), 36 * KIB, 64 * KIB), 0, 0);
    expect(pages_inside(at(0x11000), 60 * KIB, 64 * KIB), 0, 0);
    expect(pages_inside(at(0x1c000), 36 * KIB, 64 * KIB), 0, 0);
    expect(pages_inside(at(0x10000), 64 * KIB - 1, 64 * KIB), 0, 0);
    expect(pages_inside(at(0x10000), 0, 64 * KIB), 0, 0);
}
