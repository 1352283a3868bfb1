/* SPDX-License-Identifier: MIT */
/* The forms in which an event is written: to stderr or to the journal. */
#include "log_private.h"

#include "clock.h"
#include "message.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* it would always be this file */
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LINE_BYTES 4096u   /* PIPE_BUF: lines of several writers to one pipe never mix */
#define ENTRY_BYTES 16384u /* all fields of a journal entry */
#define FIELDS_MAX 32u     /* of the caller; further ones are left out */
#define FIELDS_OWN 7u      /* at most, besides the caller's */

static const struct {
    const char *name, *prefix;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", SD_ERR},      [LOG_LEVEL_WARNING] = {"warning", SD_WARNING},
    [LOG_LEVEL_NOTICE] = {"notice", SD_NOTICE}, [LOG_LEVEL_INFO] = {"info", SD_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", SD_DEBUG},
};

const char *log_level_name(enum log_level level)
{
    return (unsigned)level < sizeof(levels) / sizeof(levels[0]) ? levels[level].name : NULL;
}

const char *log_level_prefix(enum log_level level)
{
    return levels[level].prefix;
}

/* Lines of this thread that are not written yet. */
static _Thread_local struct {
    size_t len;
    char bytes[LINE_BYTES];
} collected;

void log_flush(void)
{
    if (collected.len > 0)
        (void)!write(STDERR_FILENO, collected.bytes, collected.len); /* there is nobody left to tell */
    collected.len = 0;
}

static void write_stderr(const struct log_text *text, bool is_collected)
{
    if (!is_collected || text->len > sizeof(collected.bytes) - collected.len)
        log_flush();
    if (is_collected) {
        memcpy(collected.bytes + collected.len, text->bytes, text->len);
        collected.len += text->len;
    } else {
        (void)!write(STDERR_FILENO, text->bytes, text->len);
    }
}

/* ---- text ---- */

static void put_pair(struct log_text *text, const char *key, const char *value)
{
    log_text_puts(text, " ");
    log_text_puts(text, key);
    log_text_puts(text, "=");
    log_text_put_value(text, value == NULL ? "" : value);
}

static void put_start(struct log_text *text, const struct log_line *line, bool is_prefixed)
{
    char time[CLOCK_ISO_BYTES];

    if (is_prefixed)
        log_text_puts(text, levels[line->level].prefix);
    clock_format_iso(clock_wall_us(), time);
    log_text_puts(text, time);
    log_text_puts(text, " ");
    log_text_puts(text, levels[line->level].name);
    log_text_puts(text, " ");
    log_text_puts(text, line->word);
}

static void write_text(const struct log_line *line, bool is_prefixed, bool is_collected)
{
    char bytes[LINE_BYTES], number[16];
    struct log_text text = {.bytes = bytes, .max_bytes = sizeof(bytes) - sizeof("...\n")};

    put_start(&text, line, is_prefixed);
    put_pair(&text, "message", line->message);
    for (size_t i = 0; i < line->field_count; i++)
        put_pair(&text, line->fields[i].key, line->fields[i].value);
    if (line->suppressed > 0) {
        (void)snprintf(number, sizeof(number), "%u", line->suppressed);
        put_pair(&text, "suppressed", number);
    }
    const char *end = text.is_cut ? "...\n" : "\n";

    text.is_cut = false;
    text.max_bytes = sizeof(bytes);
    log_text_puts(&text, end);
    write_stderr(&text, is_collected);
}

/* ---- JSON ---- */

static void write_json(const char *program, const struct log_line *line, bool is_collected)
{
    char bytes[LINE_BYTES], time[CLOCK_ISO_BYTES], number[16];
    struct log_text text = {.bytes = bytes, .max_bytes = sizeof(bytes) - 1};
    struct log_field fields[FIELDS_MAX + FIELDS_OWN] = {{"time", time},
                                                        {"level", levels[line->level].name},
                                                        {"program", program},
                                                        {"event", line->word},
                                                        {"message", line->message}};
    size_t count = 5;
    const char *id = message_id(line->word);

    clock_format_iso(clock_wall_us(), time);
    if (id != NULL)
        fields[count++] = (struct log_field){"message_id", id};
    if (line->suppressed > 0) {
        (void)snprintf(number, sizeof(number), "%u", line->suppressed);
        fields[count++] = (struct log_field){"suppressed", number};
    }
    for (size_t i = 0; i < line->field_count && i < FIELDS_MAX; i++)
        fields[count++] = line->fields[i];
    log_text_put_object(&text, fields, count);
    text.max_bytes = sizeof(bytes);
    log_text_puts(&text, "\n");
    write_stderr(&text, is_collected);
}

/* ---- the journal ---- */

/* The fields of an entry, each "NAME=value". */
struct entry {
    struct log_text text; /* what the parts point into */
    struct iovec parts[FIELDS_MAX + FIELDS_OWN];
    int count;
};

static void entry_put(struct entry *entry, const char *prefix, const char *key, const char *value)
{
    size_t start = entry->text.len;

    log_text_puts(&entry->text, prefix);
    for (; *key != '\0'; key++) {
        char upper = *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
        log_text_put(&entry->text, &upper, 1);
    }
    log_text_puts(&entry->text, "=");
    log_text_puts(&entry->text, value == NULL ? "" : value);
    if (entry->text.is_cut) { /* this one is left out, a shorter one may still fit */
        entry->text.len = start;
        entry->text.is_cut = false;
        return;
    }
    entry->parts[entry->count++] = (struct iovec){entry->text.bytes + start, entry->text.len - start};
}

static int send_entry(const char *program, const struct log_line *line)
{
    char bytes[ENTRY_BYTES], number[16];
    struct entry entry = {.text = {.bytes = bytes, .max_bytes = sizeof(bytes)}};
    const char *id = message_id(line->word);

    entry_put(&entry, "", "message", line->message);
    (void)snprintf(number, sizeof(number), "%c", log_level_prefix(line->level)[1]);
    entry_put(&entry, "", "priority", number);
    entry_put(&entry, "", "syslog_identifier", program);
    if (id != NULL)
        entry_put(&entry, "", "message_id", id);
    entry_put(&entry, "BLOBPROXY_", "event", line->word);
    if (line->suppressed > 0) {
        (void)snprintf(number, sizeof(number), "%u", line->suppressed);
        entry_put(&entry, "BLOBPROXY_", "suppressed", number);
    }
    for (size_t i = 0; i < line->field_count && i < FIELDS_MAX; i++)
        entry_put(&entry, "BLOBPROXY_", line->fields[i].key, line->fields[i].value);
    return sd_journal_sendv(entry.parts, entry.count);
}

void log_write(enum log_sink sink, const char *program, const struct log_line *line, bool is_collected)
{
    if (sink == LOG_SINK_JSON)
        write_json(program, line, is_collected);
    else if (sink != LOG_SINK_JOURNAL || send_entry(program, line) < 0)
        write_text(line, sink != LOG_SINK_TEXT, is_collected);
}

size_t log_format_object(const struct log_field *fields, size_t field_count, char *text, size_t text_bytes)
{
    struct log_text object = {.bytes = text, .max_bytes = text_bytes - 1};

    log_text_put_object(&object, fields, field_count);
    text[object.len] = '\0';
    return object.len;
}
