/* SPDX-License-Identifier: MIT */
/* Tests of the clock seam and of the date forms. */
#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define S INT64_C(1000000)
#define RFC_EXAMPLE_US (INT64_C(784111777) * S) /* the moment that RFC 9110 shows in its three forms */
#define UNTOUCHED INT64_C(-42)

struct parse_row {
    const char *text;
    int64_t wall_us;
};

Test(clock, monotonic_time_does_not_go_back)
{
    uint64_t before_us = clock_mono_us();

    for (int i = 0; i < 1000; i++) {
        uint64_t now_us = clock_mono_us();
        cr_assert_geq(now_us, before_us);
        before_us = now_us;
    }
}

Test(clock, wall_time_is_that_of_the_system)
{
    int64_t before_us = (int64_t)time(NULL) * S;
    int64_t wall_us = clock_wall_us();

    cr_assert_geq(wall_us, before_us - S);
    cr_assert_leq(wall_us, ((int64_t)time(NULL) + 1) * S);
}

Test(clock, a_faked_clock_stands_still_until_it_is_real_again)
{
    clock_fake(17, -5);
    cr_assert_eq(clock_mono_us(), 17);
    cr_assert_eq(clock_wall_us(), -5);
    clock_fake(18, 6);
    cr_assert_eq(clock_mono_us(), 18);
    cr_assert_eq(clock_wall_us(), 6);
    clock_real();
    cr_assert_gt(clock_mono_us(), 18);
    cr_assert_gt(clock_wall_us(), RFC_EXAMPLE_US);
}

static void check_http(int64_t wall_us, const char *expected)
{
    char text[CLOCK_HTTP_DATE_BYTES];

    clock_format_http(wall_us, text);
    cr_assert_eq(strcmp(text, expected), 0, "%s is not %s", text, expected);
}

Test(clock, http_dates_are_written_in_the_fixed_form)
{
    check_http(RFC_EXAMPLE_US, "Sun, 06 Nov 1994 08:49:37 GMT");
    check_http(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_http(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    check_http(S - 1, "Thu, 01 Jan 1970 00:00:00 GMT");
    check_http(951782400 * S, "Tue, 29 Feb 2000 00:00:00 GMT");
}

Test(clock, times_without_a_four_digit_year_become_the_nearest_that_has_one)
{
    check_http(INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    check_http(INT64_MIN, "Mon, 01 Jan 0001 00:00:00 GMT");
}

Test(clock, iso_times_have_seven_digits_of_which_the_last_is_zero)
{
    char text[CLOCK_ISO_BYTES];

    clock_format_iso(RFC_EXAMPLE_US + 123456, text);
    cr_assert_str_eq(text, "1994-11-06T08:49:37.1234560Z");
    clock_format_iso(-1, text);
    cr_assert_str_eq(text, "1969-12-31T23:59:59.9999990Z");
}

static void check_parsed(const struct parse_row *rows, size_t count, int (*parse)(const char *text, int64_t *ret_wall_us))
{
    for (size_t i = 0; i < count; i++) {
        int64_t wall_us = UNTOUCHED;
        cr_assert_eq(parse(rows[i].text, &wall_us), 0, "%s", rows[i].text);
        cr_assert_eq(wall_us, rows[i].wall_us, "%s", rows[i].text);
    }
}

static void check_refused(const char *const *texts, size_t count, int (*parse)(const char *text, int64_t *ret_wall_us))
{
    for (size_t i = 0; i < count; i++) {
        int64_t wall_us = UNTOUCHED;
        cr_assert_eq(parse(texts[i], &wall_us), -EINVAL, "%s", texts[i]);
        cr_assert_eq(wall_us, UNTOUCHED, "%s", texts[i]);
    }
}

Test(clock, http_dates_are_read_in_all_three_forms)
{
    static const struct parse_row rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", RFC_EXAMPLE_US},
        {"Sunday, 06-Nov-94 08:49:37 GMT", RFC_EXAMPLE_US},
        {"Sun Nov  6 08:49:37 1994", RFC_EXAMPLE_US},
        {"Sun Nov 06 08:49:37 1994", RFC_EXAMPLE_US},
        {"Sun Nov 16 08:49:37 1994", RFC_EXAMPLE_US + 10 * 86400 * S},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -S},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400 * S},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 * S},
    };

    check_parsed(rows, sizeof(rows) / sizeof(rows[0]), clock_parse_http);
}

Test(clock, two_digit_years_lie_at_most_fifty_years_ahead)
{
    int64_t wall_us = 0;

    clock_fake(1, 1767225600 * S); /* 2026 */
    cr_assert_eq(clock_parse_http("Wednesday, 01-Jan-76 00:00:00 GMT", &wall_us), 0);
    cr_assert_eq(wall_us, INT64_C(3345062400) * S);
    cr_assert_eq(clock_parse_http("Saturday, 01-Jan-77 00:00:00 GMT", &wall_us), 0);
    cr_assert_eq(wall_us, 220924800 * S);
}

Test(clock, http_dates_out_of_form_are_refused)
{
    static const char *const texts[] = {
        "",
        "Sun",
        "Sun,",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Su, 06 Nov 1994 08:49:37 GMT",
        "Sund, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Tue, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday Nov  6 08:49:37 1994",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  6 08:49:37 19945",
        "1994-11-06T08:49:37Z",
    };

    check_refused(texts, sizeof(texts) / sizeof(texts[0]), clock_parse_http);
}

static int parse_iso(const char *text, int64_t *ret_wall_us)
{
    return clock_parse_iso(text, strlen(text), ret_wall_us);
}

Test(clock, iso_times_are_read_in_the_forms_that_tokens_may_use)
{
    static const struct parse_row rows[] = {
        {"1994-11-06", RFC_EXAMPLE_US - (8 * 3600 + 49 * 60 + 37) * S},
        {"1994-11-06T08:49Z", RFC_EXAMPLE_US - 37 * S},
        {"1994-11-06T08:49:37Z", RFC_EXAMPLE_US},
        {"1994-11-06T08:49:37.5Z", RFC_EXAMPLE_US + 500000},
        {"1994-11-06T08:49:37.000001Z", RFC_EXAMPLE_US + 1},
        {"1994-11-06T08:49:37.1234567Z", RFC_EXAMPLE_US + 123456},
        {"1994-11-06T10:19:37+01:30", RFC_EXAMPLE_US},
        {"1994-11-06T00:49:37-08:00", RFC_EXAMPLE_US},
        {"1994-11-06T09:49+01:00", RFC_EXAMPLE_US - 37 * S},
        {"9999-12-31T23:59:59.9999999Z", INT64_C(253402300799) * S + 999999},
        {"1969-12-31T23:59:59.5Z", -500000},
    };

    check_parsed(rows, sizeof(rows) / sizeof(rows[0]), parse_iso);
}

Test(clock, iso_times_out_of_form_are_refused)
{
    static const char *const texts[] = {
        "",
        "1994",
        "1994-11",
        "1994-11-6",
        "94-11-06",
        "19941106",
        "1994-13-06",
        "1994-00-06",
        "1994-11-31",
        "1995-02-29",
        "0000-01-01",
        "1994-11-06Z",
        "1994-11-06T",
        "1994-11-06T08Z",
        "1994-11-06T08:49",
        "1994-11-06T08:49:37",
        "1994-11-06 08:49:37Z",
        "1994-11-06t08:49:37Z",
        "1994-11-06T08:49:37z",
        "1994-11-06T08:49:37.Z",
        "1994-11-06T08:49.5Z",
        "1994-11-06T08:49:37.12345678Z",
        "1994-11-06T08:49:37,5Z",
        "1994-11-06T24:00:00Z",
        "1994-11-06T08:60:00Z",
        "1994-11-06T08:49:37+1:00",
        "1994-11-06T08:49:37+0100",
        "1994-11-06T08:49:37+15:00",
        "1994-11-06T08:49:37+01:60",
        "1994-11-06T08:49:37Z ",
        " 1994-11-06",
        "-994-11-06",
        "+994-11-06",
    };

    check_refused(texts, sizeof(texts) / sizeof(texts[0]), parse_iso);
}

Test(clock, iso_length_counts_and_not_a_nul)
{
    int64_t wall_us = UNTOUCHED;

    cr_assert_eq(clock_parse_iso("1970-01-01garbage", 10, &wall_us), 0);
    cr_assert_eq(wall_us, 0);
    cr_assert_eq(clock_parse_iso("1970-01-01\0", 11, &wall_us), -EINVAL);
}

Test(clock, what_is_formatted_parses_back)
{
    for (int64_t wall_us = 0; wall_us < INT64_C(4000000000) * S; wall_us += INT64_C(86399999) * S + 7) {
        char http[CLOCK_HTTP_DATE_BYTES];
        char iso[CLOCK_ISO_BYTES];
        int64_t parsed_us = UNTOUCHED;
        clock_format_http(wall_us, http);
        clock_format_iso(wall_us, iso);
        cr_assert_eq(clock_parse_http(http, &parsed_us), 0);
        cr_assert_eq(parsed_us, wall_us / S * S);
        cr_assert_eq(parse_iso(iso, &parsed_us), 0);
        cr_assert_eq(parsed_us, wall_us);
    }
}
