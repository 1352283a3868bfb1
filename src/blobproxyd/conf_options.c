/* SPDX-License-Identifier: MIT */
/* The command line: one table of options from which getopt's and the help text come. */
#include "conf_private.h"

#include <getopt.h>
#include <string.h>

enum option_act {
    OPTION_SET,
    OPTION_SET_KEY,
    OPTION_FILE,
    OPTION_CHECK,
    OPTION_DUMP,
    OPTION_EMULATED,
    OPTION_HELP,
    OPTION_VERSION
};

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
    {"--dump-config", NULL, no_argument, OPTION_DUMP, 0, "print the configuration in force and where it comes from, then exit"},
    {"--emulated", "[=DIR]", optional_argument, OPTION_EMULATED, 0, "start a blobhostd of its own that keeps its data in DIR"},
    {"--listen", "ADDR:PORT", required_argument, OPTION_SET, CONF_listen_tcp, "instead of listen.tcp; may be repeated"},
    {"--listen-tls", "ADDR:PORT", required_argument, OPTION_SET, CONF_listen_tls, "instead of listen.tls; may be repeated"},
    {"--listen-unix", "PATH", required_argument, OPTION_SET, CONF_listen_unix, "instead of listen.unix"},
    {"--metrics", "ADDR:PORT", required_argument, OPTION_SET, CONF_listen_metrics, "instead of listen.metrics"},
    {"--log-level", "LEVEL", required_argument, OPTION_SET, CONF_log_level, "instead of log.level"},
    {"--log-format", "FORMAT", required_argument, OPTION_SET, CONF_log_format, "instead of log.format"},
    {"--set", "SECTION.KEY=VALUE", required_argument, OPTION_SET_KEY, 0, "instead of that key's value; may be repeated"},
    {"--help", NULL, no_argument, OPTION_HELP, 0, "print this text"},
    {"--version", NULL, no_argument, OPTION_VERSION, 0, "print the version"},
};
#define OPTION_COUNT (sizeof(option_rows) / sizeof(option_rows[0]))
#define DASHES 2
#define OPTION_VALUE_BASE 256 /* getopt's values, above every character */

static const char *candidate_option(size_t index, const void *arg)
{
    (void)arg;
    return index < OPTION_COUNT ? option_rows[index].name + DASHES : NULL;
}

static void option_keep(struct conf_options *options, size_t key, const char *name, char *value, struct conf_problems *problems)
{
    if (!value) {
        conf_problem(problems, NULL, NULL, "%s: no memory", name);
        return;
    }
    free(options->values[key]);
    options->values[key] = value;
    options->option_names[key] = name;
}

/* What comes later replaces what came before, except that a repeated option makes its list longer. */
static void option_set(struct conf_options *options, const struct option_row *row, const char *value,
                       struct conf_problems *problems)
{
    bool is_repeated = options->option_names[row->key] == row->name;
    char *joined = NULL;

    if (conf_rows[row->key].kind == CONF_ADDRESSES && is_repeated) {
        if (asprintf(&joined, "%s %s", options->values[row->key], value) < 0)
            joined = NULL;
    } else {
        joined = strdup(value);
    }
    option_keep(options, row->key, row->name, joined, problems);
}

/* "section.key=value"; the value is never told, it may be a secret. */
static void option_set_key(struct conf_options *options, const struct option_row *row, const char *text,
                           struct conf_problems *problems)
{
    const struct conf_origin origin = {.name = row->name};
    const char *equals = strchr(text, '='), *dot = strchr(text, '.');

    if (!equals || !dot || dot > equals) {
        struct slice shown = conf_shown((struct slice){text, equals ? (size_t)(equals - text) : strlen(text)});
        conf_problem(problems, &origin, NULL, "%.*s: no %s, write %s=%s", (int)shown.len, shown.bytes,
                     equals ? "section" : "value", row->name, row->form);
        return;
    }
    const char *section = conf_find_section((struct slice){text, (size_t)(dot - text)});
    struct slice name = {dot + 1, (size_t)(equals - dot - 1)};
    size_t key = section ? conf_find_key(section, name) : CONF_KEY_COUNT;

    if (!section)
        conf_unknown_section((struct slice){text, (size_t)(dot - text)}, &origin, problems);
    else if (key == CONF_KEY_COUNT)
        conf_unknown_key(section, name, &origin, problems);
    else
        option_keep(options, key, row->name, strdup(equals + 1), problems);
}

static void option_act(struct conf_options *options, size_t index, const char *value, struct conf_problems *problems)
{
    const struct option_row *row = &option_rows[index];

    switch (row->act) {
    case OPTION_SET:
        option_set(options, row, value, problems);
        break;
    case OPTION_SET_KEY:
        option_set_key(options, row, value, problems);
        break;
    case OPTION_FILE:
        options->file = value;
        break;
    case OPTION_CHECK:
        options->is_check = true;
        break;
    case OPTION_DUMP:
        options->is_dump = true;
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

/* Without what stands behind '=', which may be a secret. */
static void option_unknown(const char *word, struct conf_problems *problems)
{
    struct slice name = {word, strcspn(word, "=")}, shown = conf_shown(name);
    struct slice letters = name.len > DASHES ? (struct slice){word + DASHES, name.len - DASHES} : name;
    const char *nearest = conf_suggest(letters, candidate_option, NULL);

    if (nearest)
        conf_problem(problems, NULL, NULL, "%.*s: unknown option, did you mean --%s?", (int)shown.len, shown.bytes, nearest);
    else
        conf_problem(problems, NULL, NULL, "%.*s: unknown option, see blobproxyd --help", (int)shown.len, shown.bytes);
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

static void word_unknown(const char *word, struct conf_problems *problems)
{
    const char *shown = conf_may_be_secret(slice_of(word)) ? "?" : word;

    conf_problem(problems, NULL, NULL, "%.64s: not an option, see blobproxyd --help", shown);
}

void conf_options_read(int argc, char **argv, struct conf_options *options, struct conf_problems *problems)
{
    struct option longs[OPTION_COUNT + 1] = {0};
    int answer;

    for (size_t i = 0; i < OPTION_COUNT; i++)
        longs[i] = (struct option){option_rows[i].name + DASHES, option_rows[i].has_arg, NULL, (int)(OPTION_VALUE_BASE + i)};
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
        word_unknown(argv[i], problems);
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
        fprintf(out, "  %-23s %s\n", left, row->help);
    }
    fputs("\nKeys of the configuration file and their defaults. The environment sets them too, as BLOBPROXYD_LISTEN_TCP sets tcp "
          "of\n"
          "[listen]; files are read before it, options after it, and what comes later wins.\n",
          out);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_row *row = &conf_rows[key];
        if (key == 0 || strcmp(row->section, conf_rows[key - 1].section) != 0)
            fprintf(out, "[%s]\n", row->section);
        fprintf(out, "  %s = %s\n      %s\n", row->key, row->fallback, row->why);
    }
    fputs("\nSee blobproxyd(8) and blobproxyd.conf(5).\n", out);
}
