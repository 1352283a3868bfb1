/* SPDX-License-Identifier: MIT */
/* The options of a verb, by its table. */
#include "arguments.h"

#include <getopt.h>
#include <math.h>

enum { CODE_JSON = 256, CODE_SOCKET, CODE_FIRST };

static enum ctl_exit take_number(const struct ctl *ctl, const struct argument *argument)
{
    char *end;
    double value = strtod(optarg, &end);
    bool is_number = end != optarg && *end == '\0' && value >= argument->min && value <= argument->max;

    if (!is_number || (argument->count && value > floor(value)))
        return ctl_refuse(ctl, "--%s %s: give %s from %g to %g", argument->name, optarg,
                          argument->count ? "a whole number" : "seconds", argument->min, argument->max);
    if (argument->count)
        *argument->count = (unsigned)value;
    else
        *argument->seconds = value;
    return CTL_EXIT_OK;
}

static enum ctl_exit take(struct ctl *ctl, int code, const struct argument *arguments)
{
    const struct argument *argument = &arguments[code >= CODE_FIRST ? code - CODE_FIRST : 0];

    if (code == CODE_JSON)
        ctl->is_json = true;
    else if (code == CODE_SOCKET)
        ctl->socket = optarg;
    else if (argument->flag)
        *argument->flag = true;
    else if (argument->text)
        *argument->text = optarg;
    else
        return take_number(ctl, argument);
    return CTL_EXIT_OK;
}

enum ctl_exit arguments_read(struct ctl *ctl, int argc, char **argv, const struct argument *arguments, const char **word)
{
    struct option options[ARGUMENTS_OPTIONS_MAX + 3] = {
        {"json", no_argument, NULL, CODE_JSON},
        {"socket", required_argument, NULL, CODE_SOCKET},
    };
    int code;

    for (int i = 0; arguments[i].name && i < ARGUMENTS_OPTIONS_MAX; i++)
        options[2 + i] =
            (struct option){arguments[i].name, arguments[i].flag ? no_argument : required_argument, NULL, CODE_FIRST + i};
    optind = 0; /* from the start: main() has read its own options with it */
    while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        enum ctl_exit result = code < CODE_JSON ? ctl_refuse_option(ctl, code, argv) : take(ctl, code, arguments);

        if (result != CTL_EXIT_OK)
            return result;
    }
    if (word && optind < argc)
        *word = argv[optind++];
    if (optind < argc)
        return ctl_refuse(ctl, word ? "%s: one word too many for %s" : "%s: %s takes options only", argv[optind], argv[0]);
    return CTL_EXIT_OK;
}
