/* SPDX-License-Identifier: MIT */
/* Decides which events are written, where, and how many of them. */
#include "log_private.h"

#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket" /* libsystemd drops what it sends there when it is missing, silently */
#define MESSAGE_BYTES 1024u
#define RATE_EVENTS 128u /* more than there are event words */
#define RATE_WORD_BYTES 48u
#define RATE_BURST 20u
#define RATE_WINDOW_US UINT64_C(10000000)
#define TOLD_AT_ONCE 4u

struct rate {
    char word[RATE_WORD_BYTES];
    uint64_t window_start_us;
    unsigned written;
    unsigned suppressed;
    enum log_level level; /* of the last one suppressed */
};

static const char *const format_names[] = {
    [LOG_FORMAT_AUTO] = "auto",
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_JSON] = "json",
    [LOG_FORMAT_JOURNAL] = "journal",
};

static const char *_Atomic open_program = "";
static atomic_int open_level = LOG_LEVEL_INFO;
static atomic_int open_sink = LOG_SINK_TEXT;
static pthread_mutex_t rate_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rate rates[RATE_EVENTS];
static atomic_uint rates_suppressed; /* rows that have a count to tell */
static _Atomic uint64_t lines_written[LOG_LEVEL_DEBUG + 1], lines_suppressed;

/* ---- where to ---- */

/* systemd names the device and inode of the stream it connected; stderr may have been redirected since. */
static bool stderr_is_journal(const char *stream, const struct stat *status)
{
    char own[64];

    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status->st_dev, (uintmax_t)status->st_ino);
    return strcmp(stream, own) == 0;
}

/* What reads the other end of a service's pipe or socket most likely passes it on to the journal. */
static enum log_sink find_sink(enum log_format format)
{
    const char *stream = getenv("JOURNAL_STREAM");
    bool has_journal = access(JOURNAL_SOCKET, W_OK) == 0;
    struct stat status;

    if (format == LOG_FORMAT_JSON)
        return LOG_SINK_JSON;
    if (format == LOG_FORMAT_JOURNAL && has_journal)
        return LOG_SINK_JOURNAL;
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return LOG_SINK_TEXT;
    if (stderr_is_journal(stream, &status))
        return format == LOG_FORMAT_AUTO && has_journal ? LOG_SINK_JOURNAL : LOG_SINK_PREFIXED;
    return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) ? LOG_SINK_PREFIXED : LOG_SINK_TEXT;
}

const char *log_priority_prefix(enum log_level level)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;

    return stream && fstat(STDERR_FILENO, &status) == 0 && stderr_is_journal(stream, &status) ? log_level_prefix(level) : "";
}

int log_set_format(enum log_format format)
{
    enum log_sink sink = find_sink(format);

    atomic_store(&open_sink, (int)sink);
    return format == LOG_FORMAT_JOURNAL && sink != LOG_SINK_JOURNAL ? -ENOENT : 0;
}

void log_open(const char *program, enum log_level level)
{
    atomic_store(&open_program, program);
    (void)log_set_format(LOG_FORMAT_AUTO);
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&open_level, (int)level);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load(&open_level);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&open_level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    const char *name;

    for (enum log_level level = LOG_LEVEL_ERROR; (name = log_level_name(level)) != NULL; level++) {
        if (strcmp(text, name) == 0) {
            *ret_level = level;
            return 0;
        }
    }
    return -EINVAL;
}

int log_format_parse(const char *text, enum log_format *ret_format)
{
    for (size_t i = 0; i < sizeof(format_names) / sizeof(format_names[0]); i++) {
        if (strcmp(text, format_names[i]) == 0) {
            *ret_format = (enum log_format)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *log_format_name(enum log_format format)
{
    return format_names[format];
}

static void write_line(const struct log_line *line, bool is_collected)
{
    enum log_sink sink = (enum log_sink)atomic_load_explicit(&open_sink, memory_order_relaxed);

    log_write(sink, atomic_load_explicit(&open_program, memory_order_relaxed), line, is_collected);
}

/* ---- how many ---- */

/* With rate_lock held: what was not written before, which is told now. */
static unsigned take_suppressed(struct rate *rate)
{
    unsigned suppressed = rate->suppressed;

    if (suppressed > 0)
        atomic_fetch_sub_explicit(&rates_suppressed, 1, memory_order_relaxed);
    rate->suppressed = 0;
    return suppressed;
}

/* The row of the word, else a free one; when all are taken, the one whose window began first makes room. */
static struct rate *find_rate(const char *word)
{
    struct rate *oldest = &rates[0];

    for (size_t i = 0; i < RATE_EVENTS; i++) {
        if (strncmp(rates[i].word, word, RATE_WORD_BYTES - 1) == 0)
            return &rates[i];
        if (rates[i].window_start_us < oldest->window_start_us || rates[i].word[0] == '\0')
            oldest = &rates[i];
        if (oldest->word[0] == '\0')
            break; /* rows are filled in order */
    }
    (void)take_suppressed(oldest);
    *oldest = (struct rate){.window_start_us = clock_mono_us()};
    (void)snprintf(oldest->word, sizeof(oldest->word), "%s", word);
    return oldest;
}

static void suppress(struct rate *rate, enum log_level level)
{
    atomic_fetch_add_explicit(&lines_suppressed, 1, memory_order_relaxed);
    if (rate->suppressed++ == 0)
        atomic_fetch_add_explicit(&rates_suppressed, 1, memory_order_relaxed);
    rate->level = level;
}

/* Whether the event may be written now; then ret_suppressed tells how many before it were not. */
static bool pass_rate(enum log_level level, const char *word, unsigned *ret_suppressed)
{
    uint64_t now_us = clock_mono_us();

    (void)pthread_mutex_lock(&rate_lock);
    struct rate *rate = find_rate(word);
    if (now_us - rate->window_start_us >= RATE_WINDOW_US) {
        rate->window_start_us = now_us;
        rate->written = 0;
    }
    bool may_pass = rate->written < RATE_BURST;
    if (may_pass) {
        rate->written++;
        *ret_suppressed = take_suppressed(rate);
    } else {
        suppress(rate, level);
    }
    (void)pthread_mutex_unlock(&rate_lock);
    return may_pass;
}

/* A row whose window is over (or any) and which has something to tell; *ret is a copy of it. */
static bool next_suppressed(bool is_any, struct rate *ret)
{
    uint64_t now_us = clock_mono_us();
    bool is_found = false;

    (void)pthread_mutex_lock(&rate_lock);
    for (size_t i = 0; i < RATE_EVENTS && !is_found; i++) {
        is_found = rates[i].suppressed > 0 && (is_any || now_us - rates[i].window_start_us >= RATE_WINDOW_US);
        if (is_found) {
            *ret = rates[i];
            (void)take_suppressed(&rates[i]);
        }
    }
    (void)pthread_mutex_unlock(&rate_lock);
    return is_found;
}

static void tell_suppressed(bool is_all)
{
    struct rate rate;

    if (atomic_load_explicit(&rates_suppressed, memory_order_relaxed) == 0)
        return;
    for (unsigned told = 0; (is_all || told < TOLD_AT_ONCE) && next_suppressed(is_all, &rate); told++) {
        struct log_line line = {.level = rate.level,
                                .word = rate.word,
                                .message = "more of these came and were not written",
                                .suppressed = rate.suppressed};

        write_line(&line, false);
    }
}

void log_tell_suppressed(void)
{
    tell_suppressed(false);
}

struct log_figures log_figures(void)
{
    struct log_figures figures = {.suppressed = atomic_load_explicit(&lines_suppressed, memory_order_relaxed)};

    for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++)
        figures.lines[level] = atomic_load_explicit(&lines_written[level], memory_order_relaxed);
    return figures;
}

void log_close(void)
{
    tell_suppressed(true);
}

/* ---- what ---- */

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t field_count, const char *message,
               ...)
{
    int kept_errno = errno;
    char text[MESSAGE_BYTES] = "";
    struct log_line line = {.level = level, .word = event, .message = text, .fields = fields, .field_count = field_count};
    va_list args;

    if (!log_enabled(level) || (level != LOG_LEVEL_DEBUG && !pass_rate(level, event, &line.suppressed)))
        return;
    errno = kept_errno; /* the message may use %m */
    va_start(args, message);
    (void)vsnprintf(text, sizeof(text), message, args);
    va_end(args);
    atomic_fetch_add_explicit(&lines_written[level], 1, memory_order_relaxed);
    write_line(&line, false);
    errno = kept_errno;
}

void log_record(const char *event, const struct log_field *fields, size_t field_count, const char *message)
{
    struct log_line line = {
        .level = LOG_LEVEL_INFO, .word = event, .message = message, .fields = fields, .field_count = field_count};
    int kept_errno = errno;

    write_line(&line, true);
    errno = kept_errno;
}
