/* SPDX-License-Identifier: MIT */
/* What others wrote, made harmless; durations and times. */
#include "../../src/blobproxyctl/shown.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define TEXT_BYTES 64

static const char *shown(const char *text)
{
    static char result[SHOWN_BYTES(TEXT_BYTES)];

    return shown_text(text, result, sizeof(result));
}

Test(shown, letters_of_every_language_stay)
{
    cr_expect_str_eq(shown("/c/blob \\ ~"), "/c/blob \\ ~");
    cr_expect_str_eq(shown("Gr\xc3\xbc\xc3\x9f"
                           "e \xe4\xb8\xad \xf0\x9f\x98\x80"),
                     "Gr\xc3\xbc\xc3\x9f"
                     "e \xe4\xb8\xad \xf0\x9f\x98\x80");
}

Test(shown, what_a_terminal_obeys_is_escaped)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"\x1b[2J", "\\x1b[2J"},
        {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},                         /* CSI as one character */
        {"\xe2\x80\xaegpj", "\\xe2\\x80\\xaegpj"}, /* right to left from here */
        {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
        {"\xd8\x9c", "\\xd8\\x9c"},
        {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* line separator */
        {"\xef\xbb\xbf", "\\xef\\xbb\\xbf"}, /* byte order mark */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(shown(cases[i].text), cases[i].shown);
}

Test(shown, what_is_no_utf8_is_escaped_byte_by_byte)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"\xff", "\\xff"},
        {"\x80x", "\\x80x"},
        {"\xc3", "\\xc3"},                            /* cut at the end */
        {"\xe4\xb8", "\\xe4\\xb8"},                   /* likewise */
        {"\xc0\xaf", "\\xc0\\xaf"},                   /* longer than need be */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* half of a pair */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* behind the last one */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(shown(cases[i].text), cases[i].shown);
}

Test(shown, a_long_text_is_cut_between_characters)
{
    char small[8];

    cr_expect_str_eq(shown_text("12345678", small, sizeof(small)), "1234567");
    cr_expect_str_eq(shown_text("123456\xc3\xbc", small, sizeof(small)), "123456");
    cr_expect_str_eq(shown_text("1234\n", small, sizeof(small)), "1234");
}

Test(shown, columns_are_characters)
{
    cr_expect_eq(shown_columns(""), 0u);
    cr_expect_eq(shown_columns("abc"), 3u);
    cr_expect_eq(shown_columns("Gr\xc3\xbc\xc3\x9f"
                               "e"),
                 5u);
}

Test(shown, durations_have_two_units_at_most)
{
    static const struct {
        double seconds;
        const char *shown;
    } cases[] = {
        {0, "0.000 s"},      {0.0123, "0.012 s"},   {1, "1 s"},           {59.9, "59 s"},
        {60, "1 min 00 s"},  {3599, "59 min 59 s"}, {3600, "1 h 00 min"}, {86399, "23 h 59 min"},
        {86400, "1 d 00 h"}, {1e7, "115 d 17 h"},   {-1, "unknown"},      {(double)NAN, "unknown"},
        {1e300, "unknown"},
    };
    char text[SHOWN_DURATION_BYTES];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(shown_duration(cases[i].seconds, text), cases[i].shown, "%g: %s", cases[i].seconds, text);
}

Test(shown, times_are_utc)
{
    char text[SHOWN_TIME_BYTES];

    cr_expect_str_eq(shown_time(1769849377, text), "2026-01-31 08:49:37 UTC");
    cr_expect_str_eq(shown_time(0, text), "unknown");
    cr_expect_str_eq(shown_time(INT64_MAX, text), "unknown");
}
