/* SPDX-License-Identifier: MIT */
/* The two clocks, their stand-ins for tests, and the date forms of HTTP and Azure. */
#include "clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)

static atomic_bool is_fake;
static _Atomic uint64_t fake_mono_us;
static _Atomic int64_t fake_wall_us;

static const char *const month_names[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[7] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

struct date {
    int year, month, day; /* month 1..12 */
    int hour, minute, second;
};

/* The text that is still to be parsed; a failure sticks. */
struct cursor {
    const char *at;
    const char *end;
    bool has_failed;
};

static int64_t read_clock_us(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
    if (atomic_load_explicit(&is_fake, memory_order_acquire))
        return atomic_load_explicit(&fake_mono_us, memory_order_relaxed);
    return (uint64_t)read_clock_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    if (atomic_load_explicit(&is_fake, memory_order_acquire))
        return atomic_load_explicit(&fake_wall_us, memory_order_relaxed);
    return read_clock_us(CLOCK_REALTIME);
}

void clock_fake(uint64_t mono_us, int64_t wall_us)
{
    atomic_store_explicit(&fake_mono_us, mono_us, memory_order_relaxed);
    atomic_store_explicit(&fake_wall_us, wall_us, memory_order_relaxed);
    atomic_store_explicit(&is_fake, true, memory_order_release);
}

void clock_real(void)
{
    atomic_store_explicit(&is_fake, false, memory_order_release);
}

/* Times outside the years 1 to 9999 have no four-digit form: they are shown as the nearest one that has. */
static void split_wall(int64_t wall_us, struct tm *ret_tm, int *ret_us)
{
    const int64_t first_s = -62135596800; /* 0001-01-01T00:00:00Z */
    const int64_t last_s = 253402300799;  /* 9999-12-31T23:59:59Z */
    int64_t seconds = wall_us / US_PER_S;
    int64_t rest_us = wall_us % US_PER_S;

    if (rest_us < 0) {
        rest_us += US_PER_S;
        seconds--;
    }
    time_t shown_s = seconds < first_s ? first_s : seconds > last_s ? last_s : seconds;
    (void)gmtime_r(&shown_s, ret_tm);
    *ret_us = (int)rest_us;
}

static void write_http(int64_t wall_us, char *text)
{
    struct tm tm;
    int us;
    char wide[96]; /* room for what the compiler thinks an int may be */

    split_wall(wall_us, &tm, &us);
    (void)snprintf(wide, sizeof(wide), "%.3s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday], tm.tm_mday,
                   month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(text, wide, CLOCK_HTTP_DATE_BYTES);
}

void clock_format_http(int64_t wall_us, char *text)
{
    /* Every answer has a Date, and thousands of them the same. */
    static _Thread_local struct {
        int64_t second;
        char text[CLOCK_HTTP_DATE_BYTES];
    } last;
    int64_t second = wall_us / 1000000 - (wall_us % 1000000 < 0);

    if (last.second != second || last.text[0] == '\0') {
        write_http(wall_us, last.text);
        last.second = second;
    }
    memcpy(text, last.text, CLOCK_HTTP_DATE_BYTES);
}

#define ISO_SECOND_BYTES 20 /* "2026-01-31T08:49:37." */

static void write_iso_second(int64_t wall_us, char *text)
{
    struct tm tm;
    int us;
    char wide[96];

    split_wall(wall_us, &tm, &us);
    (void)snprintf(wide, sizeof(wide), "%04d-%02d-%02dT%02d:%02d:%02d.", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                   tm.tm_min, tm.tm_sec);
    memcpy(text, wide, ISO_SECOND_BYTES);
}

void clock_format_iso(int64_t wall_us, char *text)
{
    /* A busy log has many lines a second. */
    static _Thread_local struct {
        int64_t second;
        char text[ISO_SECOND_BYTES];
    } last;
    int64_t second = wall_us / US_PER_S - (wall_us % US_PER_S < 0);
    int64_t us = wall_us - second * US_PER_S;

    if (last.second != second || last.text[0] == '\0') {
        write_iso_second(wall_us, last.text);
        last.second = second;
    }
    memcpy(text, last.text, ISO_SECOND_BYTES);
    memcpy(text + ISO_SECOND_BYTES, "0000000Z", sizeof("0000000Z"));
    for (size_t i = ISO_SECOND_BYTES + 6; us > 0; us /= 10)
        text[--i] = (char)('0' + us % 10);
}

static bool take_char(struct cursor *cursor, char wanted)
{
    if (cursor->has_failed || cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

static void expect(struct cursor *cursor, const char *literal)
{
    for (; *literal != '\0'; literal++)
        if (!take_char(cursor, *literal))
            cursor->has_failed = true;
}

static bool at_digit(const struct cursor *cursor)
{
    return !cursor->has_failed && cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static int expect_number(struct cursor *cursor, int digits)
{
    int value = 0;

    for (; digits > 0; digits--) {
        if (!at_digit(cursor)) {
            cursor->has_failed = true;
            return 0;
        }
        value = value * 10 + (*cursor->at++ - '0');
    }
    return value;
}

static int expect_month(struct cursor *cursor)
{
    for (int i = 0; i < 12; i++) {
        if (cursor->end - cursor->at >= 3 && memcmp(cursor->at, month_names[i], 3) == 0) {
            cursor->at += 3;
            return i + 1;
        }
    }
    cursor->has_failed = true;
    return 1;
}

static void expect_time(struct cursor *cursor, struct date *date)
{
    date->hour = expect_number(cursor, 2);
    expect(cursor, ":");
    date->minute = expect_number(cursor, 2);
    expect(cursor, ":");
    date->second = expect_number(cursor, 2);
}

static int date_to_wall(const struct date *date, int64_t *ret_wall_us)
{
    static const int month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;

    if (date->year < 1 || date->month < 1 || date->month > 12 || date->day < 1)
        return -EINVAL;
    if (date->day > month_days[date->month - 1] + (date->month == 2 && is_leap ? 1 : 0))
        return -EINVAL;
    if (date->hour > 23 || date->minute > 59 || date->second > 60)
        return -EINVAL;
    struct tm tm = {.tm_year = date->year - 1900,
                    .tm_mon = date->month - 1,
                    .tm_mday = date->day,
                    .tm_hour = date->hour,
                    .tm_min = date->minute,
                    .tm_sec = date->second};
    *ret_wall_us = timegm(&tm) * US_PER_S;
    return 0;
}

/* " 06 Nov 1994 08:49:37 GMT" behind the "Sun," of an IMF-fixdate. */
static void expect_imf(struct cursor *cursor, struct date *date)
{
    expect(cursor, " ");
    date->day = expect_number(cursor, 2);
    expect(cursor, " ");
    date->month = expect_month(cursor);
    expect(cursor, " ");
    date->year = expect_number(cursor, 4);
    expect(cursor, " ");
    expect_time(cursor, date);
    expect(cursor, " GMT");
}

/* RFC 9110: a two-digit year that would lie more than 50 years ahead is one of the past. */
static int full_year(int two_digits)
{
    struct tm now;
    int us;

    split_wall(clock_wall_us(), &now, &us);
    int this_year = now.tm_year + 1900;
    int year = this_year - this_year % 100 + two_digits;
    return year > this_year + 50 ? year - 100 : year;
}

/* " 06-Nov-94 08:49:37 GMT" behind the "Sunday," of an RFC 850 date. */
static void expect_rfc850(struct cursor *cursor, struct date *date)
{
    expect(cursor, " ");
    date->day = expect_number(cursor, 2);
    expect(cursor, "-");
    date->month = expect_month(cursor);
    expect(cursor, "-");
    date->year = full_year(expect_number(cursor, 2));
    expect(cursor, " ");
    expect_time(cursor, date);
    expect(cursor, " GMT");
}

/* " Nov  6 08:49:37 1994" behind the "Sun" of what asctime() writes. */
static void expect_asctime(struct cursor *cursor, struct date *date)
{
    expect(cursor, " ");
    date->month = expect_month(cursor);
    expect(cursor, " ");
    date->day = take_char(cursor, ' ') ? expect_number(cursor, 1) : expect_number(cursor, 2);
    expect(cursor, " ");
    expect_time(cursor, date);
    expect(cursor, " ");
    date->year = expect_number(cursor, 4);
}

/* Takes the weekday and chooses the form by it; a weekday that does not fit the date is let pass, as most readers do. */
static void expect_http_date(struct cursor *cursor, struct date *date)
{
    size_t len = strcspn(cursor->at, ", ");

    for (int i = 0; i < 7; i++) {
        bool is_long = len == strlen(day_names[i]);
        if ((len != 3 && !is_long) || strncmp(cursor->at, day_names[i], len) != 0)
            continue;
        cursor->at += len;
        if (is_long) {
            expect(cursor, ",");
            expect_rfc850(cursor, date);
        } else if (take_char(cursor, ',')) {
            expect_imf(cursor, date);
        } else {
            expect_asctime(cursor, date);
        }
        return;
    }
    cursor->has_failed = true;
}

int clock_parse_http(const char *text, int64_t *ret_wall_us)
{
    struct cursor cursor = {.at = text, .end = text + strlen(text)};
    struct date date = {.year = 1};

    expect_http_date(&cursor, &date);
    if (cursor.has_failed || cursor.at != cursor.end)
        return -EINVAL;
    return date_to_wall(&date, ret_wall_us);
}

/* Up to seven digits behind the dot; what is finer than a microsecond is dropped. */
static int64_t expect_fraction_us(struct cursor *cursor)
{
    int64_t ticks = 0; /* of 100 ns */
    int digits = 0;

    for (; digits < 7 && at_digit(cursor); digits++)
        ticks = ticks * 10 + (*cursor->at++ - '0');
    if (digits == 0)
        cursor->has_failed = true;
    for (; digits < 7; digits++)
        ticks *= 10;
    return ticks / 10;
}

/* "Z", "+hh:mm" or "-hh:mm", in microseconds east of UTC. */
static int64_t expect_zone_us(struct cursor *cursor)
{
    if (take_char(cursor, 'Z'))
        return 0;
    int64_t sign = take_char(cursor, '-') ? -1 : 1;
    if (sign > 0)
        expect(cursor, "+");
    int hours = expect_number(cursor, 2);
    expect(cursor, ":");
    int minutes = expect_number(cursor, 2);
    if (hours > 14 || minutes > 59)
        cursor->has_failed = true;
    return sign * (hours * 60 + minutes) * 60 * US_PER_S;
}

int clock_parse_iso(const char *text, size_t len, int64_t *ret_wall_us)
{
    struct cursor cursor = {.at = text, .end = text + len};
    struct date date = {.hour = 0};
    int64_t fraction_us = 0;
    int64_t zone_us = 0;
    int64_t wall_us;

    date.year = expect_number(&cursor, 4);
    expect(&cursor, "-");
    date.month = expect_number(&cursor, 2);
    expect(&cursor, "-");
    date.day = expect_number(&cursor, 2);
    if (take_char(&cursor, 'T')) {
        date.hour = expect_number(&cursor, 2);
        expect(&cursor, ":");
        date.minute = expect_number(&cursor, 2);
        if (take_char(&cursor, ':')) {
            date.second = expect_number(&cursor, 2);
            fraction_us = take_char(&cursor, '.') ? expect_fraction_us(&cursor) : 0;
        }
        zone_us = expect_zone_us(&cursor);
    }
    if (cursor.has_failed || cursor.at != cursor.end || date_to_wall(&date, &wall_us) != 0)
        return -EINVAL;
    *ret_wall_us = wall_us + fraction_us - zone_us;
    return 0;
}
