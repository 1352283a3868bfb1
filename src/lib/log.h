/* SPDX-License-Identifier: MIT */
/* One line per event: native journal fields, or text or JSON on stderr. Whatever a value holds, an event is one line. What is
 * known of each event word stands in message.def. Thread-safe; nothing here allocates. */
#ifndef BLOBPROXY_LOG_H
#define BLOBPROXY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format {
    LOG_FORMAT_AUTO,    /* the journal where stderr leads there, else text */
    LOG_FORMAT_TEXT,    /* "<ISO time> LEVEL event key=value ..."; below a service manager behind "<N>", the priority */
    LOG_FORMAT_JSON,    /* an object a line */
    LOG_FORMAT_JOURNAL, /* fields for journald, wherever stderr leads */
};

struct log_field {
    const char *key; /* lower case, [a-z_]; becomes BLOBPROXY_KEY in the journal; a row of message.def */
    const char *value;
};

/* program is kept, not copied. The format is LOG_FORMAT_AUTO until log_set_format(). */
void log_open(const char *program, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_level_name(enum log_level level); /* "notice"; NULL: no level */
bool log_enabled(enum log_level level);

/* 0; -ENOENT: the journal was asked for and is not there, so it is text. */
int log_set_format(enum log_format format);

/* What a line begins with that is written to stderr by other means: "<3>" as sd-daemon(3) has it where the journal reads stderr,
 * "" elsewhere. */
const char *log_priority_prefix(enum log_level level);

/* "error", "warning", "notice", "info", "debug". 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level);

/* "auto", "text", "json", "journal". 0 or -EINVAL. */
int log_format_parse(const char *text, enum log_format *ret_format);
const char *log_format_name(enum log_format format);

/* event is a stable word ("channel-lost"); message is for people and may be formatted. fields may be NULL. Repeats of one event
 * above 20 in 10 seconds are counted instead of written. The count is told with the next one, or when there is none by
 * log_tell_suppressed(). Debug is never limited. */
void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t field_count, const char *message,
               ...) __attribute__((format(printf, 5, 6)));

#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, NULL, 0, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, event, NULL, 0, __VA_ARGS__)
#define log_notice(event, ...) log_event(LOG_LEVEL_NOTICE, event, NULL, 0, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_LEVEL_INFO, event, NULL, 0, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, NULL, 0, __VA_ARGS__)

/* For what somebody has asked to be told of, whatever the level: level info, no limit. Lines for stderr are collected, up to
 * PIPE_BUF bytes for each thread, and written with the thread's next event or log_flush(). */
void log_record(const char *event, const struct log_field *fields, size_t field_count, const char *message);

/* From each thread that calls log_record(): now and then, and before it ends. */
void log_flush(void);

/* For a timer: counts of events whose ten seconds are over without a next one, a line each and at most four lines. Costs nothing
 * when there are none. */
void log_tell_suppressed(void);

/* Since the start: lines of log_event() by level, and repeats that were not written. */
struct log_figures {
    uint64_t lines[LOG_LEVEL_DEBUG + 1], suppressed;
};
struct log_figures log_figures(void);

/* At the end of the program: all such counts. Events may still be logged afterwards. */
void log_close(void);

/* The fields as one JSON object, as in LOG_FORMAT_JSON, always terminated; what does not fit is left out. Returns its length. At
 * least 8 bytes. */
size_t log_format_object(const struct log_field *fields, size_t field_count, char *text, size_t text_bytes);

/* Copies a raw target for the log with the value of sig replaced by "redacted": in any case, however it is percent-encoded,
 * also inside a URL that is the value of another parameter (then up to the next bare '&').
 * text is always terminated; a longer target is cut with "...". */
void log_redact_target(const char *target, size_t len, char *text, size_t text_bytes);

/* The same for any text that came from outside; bytes that are no printable ASCII become "%XX" besides. */
void log_copy_foreign(const char *bytes, size_t len, char *text, size_t text_bytes);

#endif
