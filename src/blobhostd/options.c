/* SPDX-License-Identifier: MIT */
/* The command line of blobhostd. */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>

#define DEFAULT_SOCKET "/run/blobhostd/bus.sock"
#define DEFAULT_STORE "/var/lib/blobhostd"

const char options_help[] =
    "Usage: blobhostd [OPTION]...\n"
    "The emulated host of blobproxyd: executes Blob requests on a store of its own.\n"
    "\n"
    "  --socket PATH          Unix socket to offer the bus on (" DEFAULT_SOCKET ")\n"
    "  --store DIR            directory of the store, made when missing (" DEFAULT_STORE ")\n"
    "  --accounts FILE        accounts and keys, \"NAME BASE64KEY [BASE64KEY2]\" a line\n"
    "  --development-account  also serve devstoreaccount1 with its well-known key (default without --accounts)\n"
    "  --sync                 fsync before a write is acknowledged\n"
    "  --no-content-md5       store no MD5 of an upload that carries none: saves its computing\n"
    "  --log-level LEVEL      error, warning, notice (default), info or debug\n"
    "  --exit-with-parent     end when the parent process ends\n"
    "  --parent-fd N          end when the other end of descriptor N is closed\n"
    "  --help                 show this and exit\n"
    "  --version              show the version and exit\n";

enum option_code {
    OPTION_SOCKET = 256,
    OPTION_STORE,
    OPTION_ACCOUNTS,
    OPTION_DEVELOPMENT_ACCOUNT,
    OPTION_SYNC,
    OPTION_NO_CONTENT_MD5,
    OPTION_LOG_LEVEL,
    OPTION_EXIT_WITH_PARENT,
    OPTION_PARENT_FD,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option option_table[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"store", required_argument, NULL, OPTION_STORE},
    {"accounts", required_argument, NULL, OPTION_ACCOUNTS},
    {"development-account", no_argument, NULL, OPTION_DEVELOPMENT_ACCOUNT},
    {"sync", no_argument, NULL, OPTION_SYNC},
    {"no-content-md5", no_argument, NULL, OPTION_NO_CONTENT_MD5},
    {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
    {"exit-with-parent", no_argument, NULL, OPTION_EXIT_WITH_PARENT},
    {"parent-fd", required_argument, NULL, OPTION_PARENT_FD},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int options_parse_fd(const char *text, int *ret_fd, struct err *err)
{
    char *end = NULL;

    errno = 0;
    const long fd = strtol(text, &end, 10);
    if (errno || end == text || *end || fd < 0 || fd > INT_MAX)
        return err_set(err, -EINVAL, "--parent-fd %s: give the number of an open descriptor", text);
    if (fcntl((int)fd, F_GETFD) < 0)
        return err_set(err, -EINVAL, "--parent-fd %s: this descriptor is not open", text);
    *ret_fd = (int)fd;
    return 0;
}

static int options_set(struct options *options, int code, const char *value, struct err *err)
{
    switch (code) {
    case OPTION_SOCKET:
        options->socket_path = value;
        return 0;
    case OPTION_STORE:
        options->store_directory = value;
        return 0;
    case OPTION_ACCOUNTS:
        options->accounts_path = value;
        return 0;
    case OPTION_DEVELOPMENT_ACCOUNT:
        options->with_development_account = true;
        return 0;
    case OPTION_SYNC:
        options->sync = true;
        return 0;
    case OPTION_NO_CONTENT_MD5:
        options->no_content_md5 = true;
        return 0;
    case OPTION_EXIT_WITH_PARENT:
        options->exit_with_parent = true;
        return 0;
    case OPTION_PARENT_FD:
        return options_parse_fd(value, &options->parent_fd, err);
    case OPTION_LOG_LEVEL:
        if (log_level_parse(value, &options->log_level) < 0)
            return err_set(err, -EINVAL, "--log-level %s: use error, warning, notice, info or debug", value);
        return 0;
    case OPTION_HELP:
        options->action = OPTIONS_HELP;
        return 0;
    case OPTION_VERSION:
        options->action = OPTIONS_VERSION;
        return 0;
    default:
        return -EINVAL;
    }
}

int options_parse(int argc, char **argv, struct options *ret_options, struct err *err)
{
    struct options options = {
        .socket_path = DEFAULT_SOCKET,
        .store_directory = DEFAULT_STORE,
        .parent_fd = -1,
        .log_level = LOG_LEVEL_NOTICE,
    };
    int code;

    opterr = 0;
    optind = 0;
    while ((code = getopt_long(argc, argv, ":", option_table, NULL)) != -1) {
        if (code == ':')
            return err_set(err, -EINVAL, "%s needs a value: see blobhostd --help", argv[optind - 1]);
        if (code == '?')
            return err_set(err, -EINVAL, "%s is not an option or takes no value: see blobhostd --help", argv[optind - 1]);
        const int rc = options_set(&options, code, optarg, err);
        if (rc < 0)
            return rc;
        if (options.action != OPTIONS_RUN)
            break;
    }
    if (options.action == OPTIONS_RUN && optind < argc)
        return err_set(err, -EINVAL, "%s: blobhostd takes options only: see blobhostd --help", argv[optind]);
    if (!options.accounts_path)
        options.with_development_account = true;
    *ret_options = options;
    return 0;
}
