/* SPDX-License-Identifier: MIT */
/* blobproxyctl: looks after blobproxyd from the command line. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "verb.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

/* Dispatch, --help and shell completion in one. */
static const struct verb verbs[] = {
    {"probe", "[--json] [--device PATH]", "what this machine has of the acceleration device; sends it no request", verb_probe},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct option options[] = {
    {"complete", no_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

static void print_help(FILE *out)
{
    (void)fputs("Usage: blobproxyctl [--json] VERB [ARGUMENT]...\n"
                "Looks after blobproxyd.\n"
                "\n",
                out);
    for (size_t i = 0; i < VERBS; i++)
        (void)fprintf(out, "  %s %s\n      %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
    (void)fputs("\n"
                "  --json             print JSON, for programs\n"
                "  --complete [VERB]  print what may stand next, a word a line, for shells\n"
                "  --help             show this and exit\n"
                "  --version          show the version and exit\n",
                out);
}

/* The options that "[--json] [--device PATH]" names, each with its value's name behind it. */
static void print_options_of(const char *arguments, FILE *out)
{
    for (const char *option = strstr(arguments, "[--"); option; option = strstr(option + 1, "[--"))
        (void)fprintf(out, "%.*s\n", (int)strcspn(option + 1, "]"), option + 1);
}

static enum ctl_exit complete(const struct ctl *ctl, const char *name)
{
    for (size_t i = 0; i < VERBS; i++) {
        if (!name)
            (void)fprintf(ctl->out, "%s\n", verbs[i].name);
        else if (strcmp(name, verbs[i].name) == 0)
            print_options_of(verbs[i].arguments, ctl->out);
    }
    for (const struct option *option = options; option->name && !name; option++)
        (void)fprintf(ctl->out, "--%s\n", option->name);
    return CTL_EXIT_OK;
}

static enum ctl_exit run_verb(const struct verb *verb, const struct ctl *ctl, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fprintf(ctl->out, "Usage: blobproxyctl %s %s\n%s\n", verb->name, verb->arguments, verb->help);
        return CTL_EXIT_OK;
    }
    return verb->run(ctl, argc, argv);
}

static enum ctl_exit dispatch(const struct ctl *ctl, int argc, char **argv)
{
    if (argc == 0)
        return ctl_refuse(ctl, "say what to do, such as \"blobproxyctl %s\"", verbs[0].name);
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(argv[0], verbs[i].name) == 0)
            return run_verb(&verbs[i], ctl, argc, argv);
    return ctl_refuse(ctl, "%s is no verb", argv[0]);
}

static enum ctl_exit run(struct ctl *ctl, int argc, char **argv)
{
    int code;

    opterr = 0;
    while ((code = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (code) {
        case 'c':
            return complete(ctl, argv[optind]);
        case 'j':
            ctl->is_json = true;
            break;
        case 'h':
            print_help(ctl->out);
            return CTL_EXIT_OK;
        case 'v':
            (void)fprintf(ctl->out, "blobproxyctl %s\n", PACKAGE_VERSION);
            return CTL_EXIT_OK;
        default:
            return ctl_refuse_option(ctl, code, argv);
        }
    }
    return dispatch(ctl, argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.out = stdout, .err = stderr};
    enum ctl_exit code = run(&ctl, argc, argv);

    /* Half a report is none. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "blobproxyctl: cannot write: %s\n", strerror(errno));
        return CTL_EXIT_FAILED;
    }
    return (int)code;
}
