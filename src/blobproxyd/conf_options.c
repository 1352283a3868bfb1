/* SPDX-License-Identifier: MIT */
/* The command line: one table of options from which getopt's and the help text come. */
#include "conf_private.h"

#include <getopt.h>
#include <string.h>

enum option_act { OPTION_SET, OPTION_FILE, OPTION_CHECK, OPTION_EMULATED, OPTION_HELP, OPTION_VERSION };

struct option_row {
    const char *name; /* with the dashes */
    const char *form; /* of the argument, for the help text; NULL: none */
    int has_arg;
    enum option_act act;
    enum conf_key key; /* of OPTION_SET */
    const char *help;
};

static const struct option_row option_rows[] = {
    {"--config", "FILE", required_argument, OPTION_FILE, 0, "read FILE instead of " CONF_DEFAULT_PATH},
    {"--check-config", NULL, no_argument, OPTION_CHECK, 0, "check the configuration and the key files, then exit"},
    {"--emulated", "[=DIR]", optional_argument, OPTION_EMULATED, 0, "start a blobhostd of its own that keeps its data in DIR"},
    {"--listen", "ADDR:PORT", required_argument, OPTION_SET, CONF_listen_tcp, "instead of listen.tcp; may be repeated"},
    {"--listen-tls", "ADDR:PORT", required_argument, OPTION_SET, CONF_listen_tls, "instead of listen.tls; may be repeated"},
    {"--listen-unix", "PATH", required_argument, OPTION_SET, CONF_listen_unix, "instead of listen.unix"},
    {"--metrics", "ADDR:PORT", required_argument, OPTION_SET, CONF_listen_metrics, "instead of listen.metrics"},
    {"--log-level", "LEVEL", required_argument, OPTION_SET, CONF_log_level, "instead of log.level"},
    {"--log-format", "FORMAT", required_argument, OPTION_SET, CONF_log_format, "instead of log.format"},
    {"--help", NULL, no_argument, OPTION_HELP, 0, "print this text"},
    {"--version", NULL, no_argument, OPTION_VERSION, 0, "print the version"},
};
#define OPTION_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))
#define OPTION_VALUE_BASE 256 /* getopt's values, above every character */

static const char *candidate_option(size_t index, const void *arg)
{
    (void)arg;
    return index < OPTION_COUNT ? option_rows[index].name : NULL;
}

/* A repeated option replaces its value, except for lists, which it makes longer. */
static void option_set(struct conf_options *options, const struct option_row *row, const char *value,
                       struct conf_problems *problems)
{
    char **held = &options->values[row->key];
    char *joined = NULL;

    if (conf_rows[row->key].kind == CONF_ADDRESSES && *held) {
        if (asprintf(&joined, "%s %s", *held, value) < 0)
            joined = NULL;
    } else {
        joined = strdup(value);
    }
    if (!joined) {
        conf_problem(problems, NULL, NULL, "%s: no memory", row->name);
        return;
    }
    free(*held);
    *held = joined;
    options->option_names[row->key] = row->name;
}

static void option_act(struct conf_options *options, size_t index, const char *value, struct conf_problems *problems)
{
    const struct option_row *row = &option_rows[index];

    switch (row->act) {
    case OPTION_SET:
        option_set(options, row, value, problems);
        break;
    case OPTION_FILE:
        options->file = value;
        break;
    case OPTION_CHECK:
        options->is_check = true;
        break;
    case OPTION_EMULATED:
        options->emulated_directory = value ? value : "";
        break;
    case OPTION_HELP:
        options->is_help = true;
        break;
    case OPTION_VERSION:
        options->is_version = true;
        break;
    }
}

static void option_unknown(const char *word, struct conf_problems *problems)
{
    const char *nearest = conf_suggest((struct slice){word, strcspn(word, "=")}, candidate_option, NULL);

    if (nearest)
        conf_problem(problems, NULL, NULL, "%.64s: unknown option, did you mean %s?", word, nearest);
    else
        conf_problem(problems, NULL, NULL, "%.64s: unknown option, see blobproxyd --help", word);
}

static void option_bad(int answer, const char *word, struct conf_problems *problems)
{
    const struct option_row *row = optopt >= OPTION_VALUE_BASE ? &option_rows[optopt - OPTION_VALUE_BASE] : NULL;

    if (!row && optopt)
        conf_problem(problems, NULL, NULL, "-%c: unknown option, see blobproxyd --help", optopt);
    else if (!row)
        option_unknown(word, problems);
    else if (answer == ':')
        conf_problem(problems, NULL, NULL, "%s: its value is missing, write %s=%s", row->name, row->name, row->form);
    else
        conf_problem(problems, NULL, NULL, "%s: takes no value, write %s alone", row->name, row->name);
}

void conf_options_read(int argc, char **argv, struct conf_options *options, struct conf_problems *problems)
{
    struct option longs[OPTION_COUNT + 1] = {0};
    int answer;

    for (size_t i = 0; i < OPTION_COUNT; i++)
        longs[i] = (struct option){option_rows[i].name + 2, option_rows[i].has_arg, NULL, (int)(OPTION_VALUE_BASE + i)};
    optind = 0; /* glibc: start anew, also after an earlier call */
    opterr = 0;
    while (optopt = 0, (answer = getopt_long(argc, argv, "+:", longs, NULL)) != -1) {
        if (answer >= OPTION_VALUE_BASE) {
            option_act(options, (size_t)(answer - OPTION_VALUE_BASE), optarg, problems);
            continue;
        }
        option_bad(answer, argv[optind - 1], problems);
        if (optopt && optopt < OPTION_VALUE_BASE) /* "-config": its other letters say nothing new */
            return;
    }
    for (int i = optind; i < argc; i++)
        conf_problem(problems, NULL, NULL, "%.64s: not an option, see blobproxyd --help", argv[i]);
}

void conf_options_free(struct conf_options *options)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++)
        free(options->values[key]);
}

void conf_options_help(FILE *out)
{
    fputs("Usage: blobproxyd [OPTION]...\n"
          "Serves the Azure Blob REST API on this machine and carries each request over the channel to the host.\n\n",
          out);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        char left[40];
        const char *gap = row->has_arg == required_argument ? "=" : "";
        snprintf(left, sizeof(left), "%s%s%s", row->name, gap, row->form ? row->form : "");
        fprintf(out, "  %-22s %s\n", left, row->help);
    }
    fputs("\nKeys of the configuration file and their defaults:\n", out);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_row *row = &conf_rows[key];
        if (key == 0 || strcmp(row->section, conf_rows[key - 1].section) != 0)
            fprintf(out, "[%s]\n", row->section);
        fprintf(out, "  %s = %s\n      %s\n", row->key, row->fallback, row->why);
    }
    fputs("\nSee blobproxyd(8) and blobproxyd.conf(5).\n", out);
}
