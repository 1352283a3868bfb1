/* SPDX-License-Identifier: MIT */
/* What all verbs say in the same way. */
#include "verb.h"
#include "client.h"
#include "shown.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#define LINE_BYTES 1024

__attribute__((format(printf, 2, 0))) static void say(const struct ctl *ctl, const char *format, va_list arguments,
                                                      const char *end)
{
    char text[LINE_BYTES], shown[SHOWN_BYTES(LINE_BYTES)];

    (void)vsnprintf(text, sizeof(text), format, arguments);
    (void)fprintf(ctl->err, "blobproxyctl: %s%s\n", shown_text(text, shown, sizeof(shown)), end);
}

enum ctl_exit ctl_refuse(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(ctl, format, arguments, ": see blobproxyctl --help");
    va_end(arguments);
    return CTL_EXIT_USAGE;
}

enum ctl_exit ctl_refuse_option(const struct ctl *ctl, int code, char **argv)
{
    const char *word = argv[optind - 1];
    const char letter[] = {'-', (char)optopt, '\0'};

    if (strncmp(word, "--", 2) != 0) /* letters in one word: the word counts as read after its last one only */
        word = letter;
    if (code == ':')
        return ctl_refuse(ctl, "%s needs a value", word);
    return ctl_refuse(ctl, "%s is not an option or takes no value", word);
}

enum ctl_exit ctl_fail(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(ctl, format, arguments, "");
    va_end(arguments);
    return CTL_EXIT_FAILED;
}

void ctl_note(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(ctl, format, arguments, "");
    va_end(arguments);
}

enum ctl_exit ctl_get(const struct ctl *ctl, const char *target, json_t **ret_value)
{
    CLEANUP(client_cleanup) struct client *client = NULL;
    struct err err = {0};
    int r = client_open(ctl->socket, &client, &err);

    r = r < 0 ? r : client_get_json(client, target, ret_value, &err);
    return r < 0 ? ctl_fail(ctl, "%s", err.text) : CTL_EXIT_OK;
}

static enum ctl_exit print_json(const struct ctl *ctl, json_t *value, size_t flags)
{
    int r = value ? json_dumpf(value, ctl->out, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12)) : -1;

    json_decref(value);
    if (r < 0)
        return ctl_fail(ctl, "the result could not be written");
    (void)fputc('\n', ctl->out);
    return CTL_EXIT_OK;
}

enum ctl_exit ctl_print_json(const struct ctl *ctl, json_t *value)
{
    return print_json(ctl, value, JSON_INDENT(2));
}

enum ctl_exit ctl_print_json_line(const struct ctl *ctl, json_t *value)
{
    return print_json(ctl, value, JSON_COMPACT);
}
