/* SPDX-License-Identifier: MIT */
/* Tests of the byte buffer. */
#include "../../src/lib/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

/* The sanitizers end the program when an allocation is absurdly large; one test wants to see what buf makes of the failure. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

Test(buf, init_allocates_nothing)
{
    struct buf buf;

    buf_init(&buf, 100);
    cr_assert_null(buf.bytes);
    cr_assert_eq(buf.cap, 0);
    buf_free(&buf);
}

Test(buf, appends_stand_one_behind_the_other_with_a_nul_at_the_end)
{
    struct buf buf;

    buf_init(&buf, 100);
    cr_assert_eq(buf_append(&buf, "ab\0c", 4), 0);
    cr_assert_eq(buf_puts(&buf, "de"), 0);
    cr_assert_eq(buf_printf(&buf, "%03d", 7), 0);
    cr_assert_eq(buf.len, 9);
    cr_assert_eq(memcmp(buf.bytes, "ab\0cde007", 10), 0);
    buf_free(&buf);
}

Test(buf, grows_across_many_appends)
{
    struct buf buf;

    buf_init(&buf, 1000000);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(buf_printf(&buf, "%05d,", i), 0);
    cr_assert_eq(buf.len, 60000);
    for (int i = 0; i < 10000; i++)
        cr_assert_eq(atoi(buf.bytes + 6 * i), i);
    buf_free(&buf);
}

Test(buf, exactly_the_maximum_fits_and_one_more_does_not)
{
    struct buf buf;

    buf_init(&buf, 5);
    cr_assert_eq(buf_puts(&buf, "12345"), 0);
    cr_assert_eq(buf_puts(&buf, "6"), -ENOBUFS);
    cr_assert_str_eq(buf.bytes, "12345");
    buf_free(&buf);
}

Test(buf, a_maximum_of_zero_takes_only_nothing)
{
    struct buf buf;

    buf_init(&buf, 0);
    cr_assert_eq(buf_puts(&buf, ""), 0);
    cr_assert_eq(buf_puts(&buf, "x"), -ENOBUFS);
    buf_free(&buf);
}

Test(buf, a_failure_sticks_until_clear)
{
    struct buf buf;

    buf_init(&buf, 3);
    (void)buf_puts(&buf, "ab");
    cr_assert_eq(buf_puts(&buf, "cd"), -ENOBUFS);
    cr_assert_eq(buf_puts(&buf, "c"), -ENOBUFS);
    cr_assert_eq(buf_printf(&buf, "c"), -ENOBUFS);
    cr_assert_eq(buf_reserve(&buf, 0), -ENOBUFS);
    cr_assert_eq(buf.failed, -ENOBUFS);
    cr_assert_str_eq(buf.bytes, "ab");
    buf_clear(&buf);
    cr_assert_eq(buf_puts(&buf, "c"), 0);
    cr_assert_str_eq(buf.bytes, "c");
    buf_free(&buf);
}

Test(buf, lengths_near_the_end_of_the_address_space_are_refused)
{
    struct buf buf;

    buf_init(&buf, SIZE_MAX);
    (void)buf_puts(&buf, "a");
    cr_assert_eq(buf_reserve(&buf, SIZE_MAX - 1), -ENOBUFS);
    buf_clear(&buf);
    cr_assert_eq(buf_reserve(&buf, SIZE_MAX), -ENOBUFS);
    buf_free(&buf);
}

Test(buf, memory_that_does_not_exist_fails_and_keeps_the_contents)
{
    struct buf buf;

    buf_init(&buf, SIZE_MAX);
    (void)buf_puts(&buf, "kept");
    cr_assert_eq(buf_reserve(&buf, (size_t)PTRDIFF_MAX), -ENOMEM);
    cr_assert_eq(buf.failed, -ENOMEM);
    cr_assert_str_eq(buf.bytes, "kept");
    buf_free(&buf);
}

Test(buf, reserved_memory_can_be_written_by_the_caller)
{
    struct buf buf;

    buf_init(&buf, 5000);
    cr_assert_eq(buf_reserve(&buf, 5000), 0);
    memset(buf.bytes, 'r', 5000);
    buf.len += 5000;
    cr_assert_eq(buf_puts(&buf, ""), 0);
    cr_assert_eq(strlen(buf.bytes), 5000);
    buf_free(&buf);
}

Test(buf, clear_keeps_the_memory)
{
    struct buf buf;

    buf_init(&buf, 100);
    (void)buf_puts(&buf, "abc");
    char *bytes = buf.bytes;
    buf_clear(&buf);
    cr_assert_eq(buf.bytes, bytes);
    cr_assert_eq(buf.len, 0);
    cr_assert_str_eq(buf.bytes, "");
    buf_free(&buf);
}

Test(buf, free_and_wipe_leave_an_empty_buffer_with_the_same_maximum)
{
    struct buf buf;

    buf_init(&buf, 7);
    buf_wipe(&buf);
    (void)buf_puts(&buf, "secret!");
    buf_wipe(&buf);
    cr_assert_null(buf.bytes);
    cr_assert_eq(buf.len, 0);
    cr_assert_eq(buf.max_bytes, 7);
    cr_assert_eq(buf_puts(&buf, "again"), 0);
    buf_free(&buf);
    cr_assert_null(buf.bytes);
    cr_assert_eq(buf.max_bytes, 7);
}

#define REPLACED "\xEF\xBF\xBD"

Test(buf, xml_escapes_and_replaces_as_the_table_says)
{
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } rows[] = {
        {"plain text", 10, "plain text"},
        {"a&b<c>d\"e'f", 11, "a&amp;b&lt;c&gt;d&quot;e&apos;f"},
        {"\t\n", 2, "\t\n"},
        {"\r", 1, "&#13;"},
        {"a\0b", 3, "a" REPLACED "b"},
        {"\x01\x1F", 2, REPLACED REPLACED},
        {"\x7F", 1, "\x7F"},
        {"\xC3\xA9", 2, "\xC3\xA9"},
        {"\xE2\x82\xAC", 3, "\xE2\x82\xAC"},
        {"\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80"},
        {"\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF"},
        {"\x80", 1, REPLACED},
        {"\xC3", 1, REPLACED},
        {"\xC3(", 2, REPLACED "("},
        {"\xC3<", 2, REPLACED "&lt;"},
        {"\xC0\xAF", 2, REPLACED REPLACED},
        {"\xE0\x80\xAF", 3, REPLACED REPLACED REPLACED},
        {"\xED\xA0\x80", 3, REPLACED REPLACED REPLACED},
        {"\xEF\xBF\xBE", 3, REPLACED REPLACED REPLACED},
        {"\xEF\xBF\xBF", 3, REPLACED REPLACED REPLACED},
        {"\xF4\x90\x80\x80", 4, REPLACED REPLACED REPLACED REPLACED},
        {"\xFF", 1, REPLACED},
        {"\xE2\x82", 2, REPLACED REPLACED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf buf;
        char *in = malloc(rows[i].len); /* exact, so that reading past the end is seen */
        memcpy(in, rows[i].in, rows[i].len);
        buf_init(&buf, 100);
        cr_assert_eq(buf_put_xml(&buf, in, rows[i].len), 0);
        cr_assert_str_eq(buf.bytes, rows[i].out, "row %zu", i);
        buf_free(&buf);
        free(in);
    }
}

Test(buf, xml_that_does_not_fit_leaves_the_contents_unchanged)
{
    struct buf buf;

    buf_init(&buf, 10);
    (void)buf_puts(&buf, "kept");
    cr_assert_eq(buf_put_xml(&buf, "ab&cd", 5), -ENOBUFS);
    cr_assert_str_eq(buf.bytes, "kept");
    cr_assert_eq(buf.len, 4);
    buf_free(&buf);
}
