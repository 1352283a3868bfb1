/* SPDX-License-Identifier: MIT */
/* Writes events to the journal or to stderr, limits their rate, and keeps secrets out of logged targets. */
#include "log.h"
#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LINE_BYTES 4096u /* PIPE_BUF: lines of several writers to one pipe never mix */
#define MESSAGE_BYTES 1024u
#define ENTRY_BYTES 16384u /* all fields of a journal entry */
#define ENTRY_FIELDS 32u   /* of the caller; further ones are left out */
#define RATE_EVENTS 64u    /* more than there are event words */
#define RATE_WORD_BYTES 48u
#define RATE_BURST 20u
#define RATE_WINDOW_US UINT64_C(10000000)

struct event {
    enum log_level level;
    const char *word;
    const char *message;
    const struct log_field *fields;
    size_t field_count;
    unsigned suppressed; /* repeats that were not written since the last one that was */
};

/* Text of bounded length; what does not fit is dropped. */
struct text {
    char *bytes;
    size_t len;
    size_t max_bytes;
    bool is_cut;
};

struct rate {
    char word[RATE_WORD_BYTES];
    uint64_t window_start_us;
    unsigned written;
    unsigned suppressed;
};

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},      [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_NOTICE] = {"notice", LOG_NOTICE}, [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static const char *_Atomic open_program = "";
static atomic_int open_level = LOG_LEVEL_INFO;
static atomic_bool is_journal;
static pthread_mutex_t rate_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rate rates[RATE_EVENTS];

/* systemd names the device and inode of the stream it connected; stderr may have been redirected since. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, own) == 0;
}

void log_open(const char *program, enum log_level level)
{
    atomic_store(&open_program, program);
    atomic_store(&is_journal, stderr_is_journal());
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

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&open_level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *ret_level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Whole or not at all; behind the first part that did not fit nothing is taken any more. */
static void text_put(struct text *text, const char *bytes, size_t len)
{
    if (text->is_cut || len > text->max_bytes - text->len) {
        text->is_cut = true;
        return;
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void text_puts(struct text *text, const char *string)
{
    text_put(text, string, strlen(string));
}

static void put_escaped_byte(struct text *text, char byte)
{
    unsigned char raw = (unsigned char)byte;
    char escaped[8] = {byte, '\0'};

    if (byte == '\n')
        strcpy(escaped, "\\n");
    else if (byte == '\r')
        strcpy(escaped, "\\r");
    else if (byte == '\t')
        strcpy(escaped, "\\t");
    else if (byte == '"' || byte == '\\')
        (void)snprintf(escaped, sizeof(escaped), "\\%c", byte);
    else if (raw < 0x20 || raw == 0x7F)
        (void)snprintf(escaped, sizeof(escaped), "\\x%02x", raw);
    text_puts(text, escaped);
}

static bool needs_quotes(const char *value)
{
    if (*value == '\0')
        return true;
    for (; *value != '\0'; value++)
        if ((unsigned char)*value <= ' ' || *value == 0x7F || strchr("\"\\=", *value) != NULL)
            return true;
    return false;
}

static void put_value(struct text *text, const char *value)
{
    if (!needs_quotes(value)) {
        text_puts(text, value);
        return;
    }
    text_puts(text, "\"");
    for (; *value != '\0'; value++)
        put_escaped_byte(text, *value);
    text_puts(text, "\"");
}

static void put_pair(struct text *text, const char *key, const char *value)
{
    text_puts(text, " ");
    text_puts(text, key);
    text_puts(text, "=");
    put_value(text, value == NULL ? "" : value);
}

static void write_line(const struct event *event)
{
    char bytes[LINE_BYTES];
    char time[CLOCK_ISO_BYTES];
    char number[16];
    struct text line = {.bytes = bytes, .max_bytes = sizeof(bytes) - sizeof("...\n")};

    clock_format_iso(clock_wall_us(), time);
    text_puts(&line, time);
    text_puts(&line, " ");
    text_puts(&line, levels[event->level].name);
    text_puts(&line, " ");
    text_puts(&line, event->word);
    put_pair(&line, "message", event->message);
    for (size_t i = 0; i < event->field_count; i++)
        put_pair(&line, event->fields[i].key, event->fields[i].value);
    if (event->suppressed > 0) {
        (void)snprintf(number, sizeof(number), "%u", event->suppressed);
        put_pair(&line, "suppressed", number);
    }
    const char *end = line.is_cut ? "...\n" : "\n";
    memcpy(bytes + line.len, end, strlen(end));
    (void)!write(STDERR_FILENO, bytes, line.len + strlen(end)); /* there is nobody left to tell */
}

/* The fields of a journal entry, each "NAME=value". */
struct entry {
    struct text text; /* what the parts point into */
    struct iovec parts[ENTRY_FIELDS + 6];
    int count;
};

static void entry_put(struct entry *entry, const char *prefix, const char *key, const char *value)
{
    size_t start = entry->text.len;

    text_puts(&entry->text, prefix);
    for (; *key != '\0'; key++) {
        char upper = *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
        text_put(&entry->text, &upper, 1);
    }
    text_puts(&entry->text, "=");
    text_puts(&entry->text, value == NULL ? "" : value);
    if (entry->text.is_cut) { /* this one is left out, a shorter one may still fit */
        entry->text.len = start;
        entry->text.is_cut = false;
        return;
    }
    entry->parts[entry->count++] = (struct iovec){entry->text.bytes + start, entry->text.len - start};
}

static int send_entry(const struct event *event)
{
    char bytes[ENTRY_BYTES];
    char number[16];
    struct entry entry = {.text = {.bytes = bytes, .max_bytes = sizeof(bytes)}};

    entry_put(&entry, "", "message", event->message);
    (void)snprintf(number, sizeof(number), "%d", levels[event->level].priority);
    entry_put(&entry, "", "priority", number);
    entry_put(&entry, "", "syslog_identifier", atomic_load(&open_program));
    entry_put(&entry, "BLOBPROXY_", "event", event->word);
    if (event->suppressed > 0) {
        (void)snprintf(number, sizeof(number), "%u", event->suppressed);
        entry_put(&entry, "BLOBPROXY_", "suppressed", number);
    }
    for (size_t i = 0; i < event->field_count && i < ENTRY_FIELDS; i++)
        entry_put(&entry, "BLOBPROXY_", event->fields[i].key, event->fields[i].value);
    return sd_journal_sendv(entry.parts, entry.count);
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
    *oldest = (struct rate){.window_start_us = clock_mono_us()};
    (void)snprintf(oldest->word, sizeof(oldest->word), "%s", word);
    return oldest;
}

/* Whether the event may be written now; then ret_suppressed tells how many before it were not. */
static bool pass_rate(const char *word, unsigned *ret_suppressed)
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
        *ret_suppressed = rate->suppressed;
        rate->suppressed = 0;
    } else {
        rate->suppressed++;
    }
    (void)pthread_mutex_unlock(&rate_lock);
    return may_pass;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t field_count, const char *message,
               ...)
{
    int kept_errno = errno;
    char text[MESSAGE_BYTES] = "";
    struct event whole = {.level = level, .word = event, .message = text, .fields = fields, .field_count = field_count};
    va_list args;

    if (!log_enabled(level) || (level != LOG_LEVEL_DEBUG && !pass_rate(event, &whole.suppressed)))
        return;
    errno = kept_errno; /* the message may use %m */
    va_start(args, message);
    (void)vsnprintf(text, sizeof(text), message, args);
    va_end(args);
    if (!atomic_load_explicit(&is_journal, memory_order_relaxed) || send_entry(&whole) < 0)
        write_line(&whole);
    errno = kept_errno;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
        return (byte | 0x20) - 'a' + 10;
    return -1;
}

/* The byte at *at after all levels of percent-encoding ("%3D", "%253D", ...); advances *at behind it. */
static char take_decoded(const char **at, const char *end)
{
    char byte = *(*at)++;

    while (byte == '%' && end - *at >= 2 && hex_digit((*at)[0]) >= 0 && hex_digit((*at)[1]) >= 0) {
        byte = (char)(hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]));
        *at += 2;
    }
    return byte;
}

static bool is_alphanumeric(char byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* Where the value begins if a parameter sig, however its letters are written, begins at "at"; else NULL. */
static const char *find_secret(const char *at, const char *end)
{
    for (const char *name = "sig="; *name != '\0'; name++) {
        if (at == end)
            return NULL;
        char byte = take_decoded(&at, end);
        if (byte != *name && !(*name >= 'a' && byte == *name - 'a' + 'A'))
            return NULL;
    }
    return at;
}

/* "sig=" anywhere behind a separator hides everything up to the next unencoded '&': rather too much than too little, because
 * the secret may stand in a URL that is itself the value of a parameter. */
static void put_redacted(struct text *text, const char *target, size_t len)
{
    const char *end = target + len;
    bool may_begin = true;

    for (const char *at = target; at < end && !text->is_cut;) {
        const char *start = at;
        const char *secret = may_begin ? find_secret(at, end) : NULL;
        if (secret == NULL) {
            may_begin = !is_alphanumeric(take_decoded(&at, end));
            text_put(text, start, (size_t)(at - start));
            continue;
        }
        text_put(text, start, (size_t)(secret - start));
        text_puts(text, "redacted");
        const char *next = memchr(secret, '&', (size_t)(end - secret));
        at = next == NULL ? end : next;
    }
}

void log_redact_target(const char *target, size_t len, char *text, size_t text_bytes)
{
    const char *dots = "...";

    if (text_bytes == 0)
        return;
    struct text out = {.bytes = text, .max_bytes = text_bytes - 1};
    put_redacted(&out, target, len);
    if (out.is_cut) {
        size_t dots_len = strlen(dots) < text_bytes ? strlen(dots) : text_bytes - 1;
        if (out.len > out.max_bytes - dots_len)
            out.len = out.max_bytes - dots_len;
        memcpy(text + out.len, dots, dots_len);
        out.len += dots_len;
    }
    text[out.len] = '\0';
}
