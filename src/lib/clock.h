/* SPDX-License-Identifier: MIT */
/* The seam through which the program sees time. */
#ifndef BLOBPROXY_CLOCK_H
#define BLOBPROXY_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic microseconds: all deadlines and durations. */
uint64_t clock_mono_us(void);

/* Microseconds since 1970-01-01 UTC: what clients see (Date, Last-Modified, signatures). */
int64_t clock_wall_us(void);

/* Tests only: both clocks stand still at these values until clock_real(). */
void clock_fake(uint64_t mono_us, int64_t wall_us);
void clock_real(void);

#define CLOCK_HTTP_DATE_BYTES 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */

/* RFC 9110 IMF-fixdate of a wall time, always in English. text has CLOCK_HTTP_DATE_BYTES. */
void clock_format_http(int64_t wall_us, char *text);

/* IMF-fixdate, RFC 850 and asctime forms. 0 or -EINVAL. */
int clock_parse_http(const char *text, int64_t *ret_wall_us);

#define CLOCK_ISO_BYTES 29 /* "2026-01-31T08:49:37.1234567Z" and NUL: seven digits as Azure writes them */

/* Azure's snapshot time form, seven fractional digits (the last is always 0 here). text has CLOCK_ISO_BYTES. */
void clock_format_iso(int64_t wall_us, char *text);

/* ISO 8601 in the forms SAS allow: date only, minutes, seconds, up to seven fractional digits; Z or +hh:mm. 0 or -EINVAL. */
int clock_parse_iso(const char *text, size_t len, int64_t *ret_wall_us);

#endif
