/* SPDX-License-Identifier: MIT */
/* What all verbs say in the same way. */
#include "verb.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

enum ctl_exit ctl_refuse(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    (void)fputs("blobproxyctl: ", ctl->err);
    va_start(arguments, format);
    (void)vfprintf(ctl->err, format, arguments);
    va_end(arguments);
    (void)fputs(": see blobproxyctl --help\n", ctl->err);
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
