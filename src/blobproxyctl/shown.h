/* SPDX-License-Identifier: MIT */
/* Values as people read them, and text of others made harmless for a terminal. Pure. */
#ifndef BLOBPROXYCTL_SHOWN_H
#define BLOBPROXYCTL_SHOWN_H

#include <stddef.h>
#include <stdint.h>

/* What a text of this many bytes may become. */
#define SHOWN_BYTES(bytes) (4 * (bytes) + 1)

/* Copies the text: what would move the cursor, change the direction of writing or is no UTF-8 becomes \xNN, byte by byte, and a
 * backslash stays one. Cut at the end of a character when shown is too short. Returns shown. */
const char *shown_text(const char *text, char *shown, size_t shown_bytes);

/* Columns that a text from shown_text() takes: its characters. */
size_t shown_columns(const char *shown);

#define SHOWN_DURATION_BYTES 48
/* "12 s", "4 min 07 s", "3 h 20 min", "12 d 04 h"; below a second "0.123 s". */
const char *shown_duration(double seconds, char shown[SHOWN_DURATION_BYTES]);

#define SHOWN_TIME_BYTES 40
/* "2026-01-31 08:49:37 UTC"; "unknown" when it is 0 or no time that a calendar has. */
const char *shown_time(int64_t unix_seconds, char shown[SHOWN_TIME_BYTES]);

#endif
