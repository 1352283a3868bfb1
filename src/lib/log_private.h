/* SPDX-License-Identifier: MIT */
/* What the files of the log share: text of bounded length, and the forms in which an event is written. */
#ifndef BLOBPROXY_LOG_PRIVATE_H
#define BLOBPROXY_LOG_PRIVATE_H

#include "log.h"

/* Text of bounded length. Each append is whole or not at all; behind the first one that did not fit nothing is taken any more. */
struct log_text {
    char *bytes;
    size_t len;
    size_t max_bytes;
    bool is_cut;
};

void log_text_put(struct log_text *text, const char *bytes, size_t len);
void log_text_puts(struct log_text *text, const char *string);

/* Quoted where it could be mistaken, and then escaped: never more than one line, nothing that moves a terminal's cursor. */
void log_text_put_value(struct log_text *text, const char *value);

/* {"key":"value",...} at the end of text. A value that does not fit is cut with "...", and what is behind it is left out: it
 * stays one valid object of valid UTF-8. */
void log_text_put_object(struct log_text *text, const struct log_field *fields, size_t count);

struct log_line {
    enum log_level level;
    const char *word;
    const char *message;
    const struct log_field *fields;
    size_t field_count;
    unsigned suppressed; /* repeats that were not written before it */
};

enum log_sink {
    LOG_SINK_TEXT,     /* "TIME LEVEL event key=value ..." on stderr */
    LOG_SINK_PREFIXED, /* the same behind "<N>", which a service manager takes off as the priority */
    LOG_SINK_JSON,     /* an object a line on stderr */
    LOG_SINK_JOURNAL,  /* fields for journald; what it does not take goes to stderr, prefixed */
};

/* "<N>" */
const char *log_level_prefix(enum log_level level);

/* What is not collected is written at once, behind what was. Any thread. */
void log_write(enum log_sink sink, const char *program, const struct log_line *line, bool is_collected);

#endif
