/* SPDX-License-Identifier: MIT */
/* The INI parser: what is a section, a pair, a comment, and which lines are refused. */
#include "../../src/blobproxyd/ini.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ini_item first_of(const char *text)
{
    struct ini ini;
    ini_open(&ini, text, strlen(text));
    return ini_next(&ini);
}

static void expect_slice(struct slice slice, const char *text)
{
    cr_expect(slice.len == strlen(text) && memcmp(slice.bytes, text, slice.len) == 0, "expected \"%s\", got \"%.*s\"", text,
              (int)slice.len, slice.bytes);
}

static void expect_bad(const char *text, const char *problem)
{
    struct ini_item item = first_of(text);
    cr_expect_eq(item.kind, INI_BAD, "\"%s\" was taken", text);
    cr_expect(item.problem && strstr(item.problem, problem), "\"%s\": %s", text, item.problem ? item.problem : "no problem");
}

Test(ini, an_empty_text_ends_at_once_and_stays_ended)
{
    struct ini ini;
    ini_open(&ini, "", 0);
    cr_expect_eq(ini_next(&ini).kind, INI_END);
    cr_expect_eq(ini_next(&ini).kind, INI_END);
}

Test(ini, blanks_around_names_and_values_do_not_count)
{
    struct ini_item item = first_of("  \tkey\t =  a b \t\r\n");
    cr_expect_eq(item.kind, INI_PAIR);
    expect_slice(item.name, "key");
    expect_slice(item.value, "a b");
}

Test(ini, a_section_stands_in_brackets)
{
    struct ini_item item = first_of(" [ listen ] \n");
    cr_expect_eq(item.kind, INI_SECTION);
    expect_slice(item.name, "listen");
}

Test(ini, a_value_may_be_empty_or_hold_equals_signs_and_brackets)
{
    expect_slice(first_of("key =").value, "");
    expect_slice(first_of("key=a=b==").value, "a=b==");
    expect_slice(first_of("tcp=[::1]:1").value, "[::1]:1");
}

Test(ini, comments_and_empty_lines_count_as_lines)
{
    struct ini_item item = first_of("# one\n\n  ; three\nkey = 1\n");
    cr_expect_eq(item.kind, INI_PAIR);
    cr_expect_eq(item.line, 4u);
}

Test(ini, a_last_line_needs_no_newline)
{
    struct ini_item item = first_of("key = end");
    cr_expect_eq(item.kind, INI_PAIR);
    expect_slice(item.value, "end");
}

Test(ini, a_byte_order_mark_is_skipped)
{
    cr_expect_eq(first_of("\xef\xbb\xbf[log]\n").kind, INI_SECTION);
}

Test(ini, a_line_may_be_longer_than_any_fixed_buffer)
{
    static char text[100000];
    memset(text, 'v', sizeof(text) - 1);
    memcpy(text, "key=", 4);
    cr_expect_eq(first_of(text).value.len, sizeof(text) - 1 - 4);
}

Test(ini, a_comment_behind_a_value_is_refused)
{
    expect_bad("key = 20s # seconds", "comment behind a value");
    expect_bad("key = 20s\t; seconds", "comment behind a value");
    expect_bad("key = #none", "comment behind a value");
    expect_slice(first_of("key = a#b;c").value, "a#b;c");
}

Test(ini, lines_that_are_nothing_are_refused)
{
    expect_bad("hello", "neither a section nor a key");
    expect_bad("[listen", "section without its end");
    expect_bad("[", "section without its end");
    expect_bad("[listen] tcp = 1", "section without its end");
    expect_bad("= 1", "no key before '='");
}

Test(ini, control_bytes_are_refused_and_parsing_goes_on)
{
    static const char text[] = "a = 1\0"
                               "2\nb = \x1b[0m\nc = \x7f\nd = 4\n";
    struct ini ini;
    ini_open(&ini, text, sizeof(text) - 1);
    cr_expect_eq(ini_next(&ini).kind, INI_BAD);
    cr_expect_eq(ini_next(&ini).kind, INI_BAD);
    cr_expect_eq(ini_next(&ini).kind, INI_BAD);
    struct ini_item item = ini_next(&ini);
    cr_expect_eq(item.kind, INI_PAIR);
    cr_expect_eq(item.line, 4u);
}

Test(ini, bytes_above_ascii_pass)
{
    expect_slice(first_of("file = /srv/\xc3\xa4").value, "/srv/\xc3\xa4");
}
