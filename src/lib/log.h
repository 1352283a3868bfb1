/* SPDX-License-Identifier: MIT */
/* One line per event: native journal fields when stderr is the journal, else "<ISO time> LEVEL event key=value ..." on stderr.
 * Values that hold blanks, quotes or control bytes are quoted and escaped, so an event is always one line. Thread-safe. */
#ifndef BLOBPROXY_LOG_H
#define BLOBPROXY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *key; /* lower case, [a-z_]; becomes BLOBPROXY_KEY in the journal */
    const char *value;
};

/* program is kept, not copied. */
void log_open(const char *program, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_level_name(enum log_level level); /* "notice" */
bool log_enabled(enum log_level level);

/* "error", "warning", "notice", "info", "debug". 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level);

/* event is a stable word ("channel-lost"); message is for people and may be formatted. fields may be NULL. Repeats of one event
 * above 20 in 10 seconds are counted instead of written, and the count is told with the next one. Debug is never limited. */
void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t field_count, const char *message,
               ...) __attribute__((format(printf, 5, 6)));

#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, NULL, 0, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, event, NULL, 0, __VA_ARGS__)
#define log_notice(event, ...) log_event(LOG_LEVEL_NOTICE, event, NULL, 0, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_LEVEL_INFO, event, NULL, 0, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, NULL, 0, __VA_ARGS__)

/* Copies a raw target for the log with the value of sig replaced by "redacted": in any case, however it is percent-encoded,
 * also inside a URL that is the value of another parameter (then up to the next bare '&').
 * text is always terminated; a longer target is cut with "...". */
void log_redact_target(const char *target, size_t len, char *text, size_t text_bytes);

#endif
