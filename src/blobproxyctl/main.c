/* SPDX-License-Identifier: MIT */
/* blobproxyctl: looks after blobproxyd from the command line. */
#include "../blobproxyd/version.h"
#include "verb.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

/* Dispatch, --help and shell completion in one. */
static const struct verb verbs[] = {
    {"status", "[--json]", "one look at the daemon: state, channel, listeners, load, configuration", verb_status},
    {"stats", "[--json] [--once] [--count N] [--interval SECONDS]",
     "requests, bytes, latencies, slots and errors, live until q or Ctrl-C", verb_stats},
    {"connection-string", "[--json] [--account NAME] [--tls] [--unix]",
     "what an SDK is given to reach an account through the daemon", verb_connection_string},
    {"channels", "[--json]", "each shard's channel to the host, and its slots", verb_channels},
    {"errors", "[--json] [--count N]", "the last requests that failed, the newest first; kept in memory, whatever is logged",
     verb_errors},
    {"exchanges", "[--json]", "what is under way, the oldest first, with the transfer that the host has", verb_exchanges},
    {"drain", "[--json] [--no-wait] [--timeout SECONDS]", "stop the daemon as soon as what is under way has ended", verb_drain},
    {"log-level", "[--json] [error|warning|notice|info|debug]", "tell or change how much is logged, until the next reload",
     verb_log_level},
    {"reload", "[--json]", "read the configuration again; a wrong one is refused and changes nothing", verb_reload},
    {"wait-ready", "[--json] [--timeout SECONDS]", "wait until clients are served, at most 60 seconds", verb_wait_ready},
    {"probe", "[--json] [--device PATH]", "what this machine has of the acceleration device; sends it no request", verb_probe},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* The options that stand in front of the verb; value is what a value of it is, NULL: it takes none. */
static const struct general {
    const char *name, *value, *help;
    char code;
} generals[] = {
    {"json", NULL, "print JSON, for programs; also behind the verb", 'j'},
    {"socket", "PATH", "the daemon's control socket; also behind the verb", 's'},
    {"complete", NULL, "print what may stand next, or behind a verb, a word a line, for shells", 'c'},
    {"help", NULL, "show this and exit", 'h'},
    {"version", NULL, "show the version and exit", 'v'},
};

#define GENERALS (sizeof(generals) / sizeof(generals[0]))

static void print_help(FILE *out)
{
    (void)fputs("Usage: blobproxyctl [--json] [--socket PATH] VERB [ARGUMENT]...\n"
                "Looks after blobproxyd.\n"
                "\n",
                out);
    for (size_t i = 0; i < VERBS; i++)
        (void)fprintf(out, "  %s %s\n      %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
    (void)fputc('\n', out);
    for (size_t i = 0; i < GENERALS; i++) {
        const char *value = generals[i].value ? generals[i].value : "";

        (void)fprintf(out, "  --%s %-*s  %s\n", generals[i].name, (int)(12 - strlen(generals[i].name)), value, generals[i].help);
    }
    (void)fputs("\nExit status: 0 done, 1 not done or not as hoped for, 2 a wrong command line.\n", out);
}

/* The words and options that "[--json] [--device PATH] [a|b]" names, each option with its value's name behind it. */
static void print_words_of(const char *arguments, FILE *out)
{
    for (const char *word = strchr(arguments, '['); word; word = strchr(word, '[')) {
        size_t len = strcspn(++word, "]");

        for (size_t i = 0; i < len; i++)
            (void)fputc(word[i] == '|' ? '\n' : word[i], out);
        (void)fputc('\n', out);
    }
}

static enum ctl_exit complete(const struct ctl *ctl, const char *name)
{
    for (size_t i = 0; i < VERBS; i++) {
        if (!name)
            (void)fprintf(ctl->out, "%s\n", verbs[i].name);
        else if (strcmp(name, verbs[i].name) == 0)
            print_words_of(verbs[i].arguments, ctl->out);
    }
    for (size_t i = 0; i < GENERALS && !name; i++)
        (void)fprintf(ctl->out, "--%s%s%s\n", generals[i].name, generals[i].value ? " " : "",
                      generals[i].value ? generals[i].value : "");
    return CTL_EXIT_OK;
}

static enum ctl_exit run_verb(const struct verb *verb, struct ctl *ctl, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fprintf(ctl->out, "Usage: blobproxyctl %s %s\n%s\n", verb->name, verb->arguments, verb->help);
        return CTL_EXIT_OK;
    }
    return verb->run(ctl, argc, argv);
}

static enum ctl_exit dispatch(struct ctl *ctl, int argc, char **argv)
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
    struct option options[GENERALS + 1] = {{0}};
    int code;

    for (size_t i = 0; i < GENERALS; i++)
        options[i] =
            (struct option){generals[i].name, generals[i].value ? required_argument : no_argument, NULL, generals[i].code};
    opterr = 0;
    while ((code = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
        switch (code) {
        case 'c':
            return complete(ctl, argv[optind]);
        case 'j':
            ctl->is_json = true;
            break;
        case 's':
            ctl->socket = optarg;
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
