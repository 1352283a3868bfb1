/* SPDX-License-Identifier: MIT */
/* The command line of blobhostd. */
#include "options.h"

#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>

#define DEFAULT_SOCKET "/run/blobhostd/bus.sock"
#define DEFAULT_STORE "/var/lib/blobhostd"

#define RATE_MAX (1024ull * 1024 * 1024 * 1024) /* more is no limit */
#define LATENCY_MAX_MS 60000u                   /* longer than any client waits */

const char options_help[] =
    "Usage: blobhostd [OPTION]...\n"
    "The emulated host of blobproxyd: executes Blob requests on a store of its own, or on any Blob endpoint.\n"
    "\n"
    "  --socket PATH          Unix socket to offer the bus on (" DEFAULT_SOCKET ")\n"
    "  --store DIR            directory of the store, made when missing (" DEFAULT_STORE ")\n"
    "  --accounts FILE        accounts and keys, \"NAME BASE64KEY [BASE64KEY2]\" a line\n"
    "  --development-account  also serve devstoreaccount1 with its well-known key (default without --accounts)\n"
    "  --sync                 fsync before a write is acknowledged\n"
    "  --no-content-md5       store no MD5 of an upload that carries none: saves its computing\n"
    "  --backend URL          execute on this endpoint instead of a store: http://127.0.0.1:10000 or\n"
    "                         https://" BACKEND_ACCOUNT_MARK ".blob.core.windows.net\n"
    "  --backend-ca FILE      PEM certificates to trust instead of the system's\n"
    "  --transfer-rate BYTES  limit of each transfer, bytes a second; K and M mean 1024 and 1024^2\n"
    "  --transfer-latency MS  answer no transfer sooner than this\n"
    "  --log-level LEVEL      error, warning, notice (default), info or debug\n"
    "  --log-format FORMAT    auto (default: the journal where stderr leads there, else text), text, json or journal\n"
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
    OPTION_BACKEND,
    OPTION_BACKEND_CA,
    OPTION_TRANSFER_RATE,
    OPTION_TRANSFER_LATENCY,
    OPTION_LOG_FORMAT,
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
    {"backend", required_argument, NULL, OPTION_BACKEND},
    {"backend-ca", required_argument, NULL, OPTION_BACKEND_CA},
    {"transfer-rate", required_argument, NULL, OPTION_TRANSFER_RATE},
    {"transfer-latency", required_argument, NULL, OPTION_TRANSFER_LATENCY},
    {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
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

/* A number with an optional K or M behind it. 0 or -EINVAL. */
static int options_parse_bytes(const char *text, uint64_t *ret_bytes)
{
    uint64_t unit = 1;
    char *end = NULL;

    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || *text < '0' || *text > '9')
        return -EINVAL;
    if (*end == 'K' || *end == 'M') {
        unit = *end == 'K' ? 1024 : 1024 * 1024;
        end++;
    }
    if (*end || number == 0 || number > RATE_MAX / unit)
        return -EINVAL;
    *ret_bytes = number * unit;
    return 0;
}

static int options_set_limit(struct options *options, int code, const char *value, struct err *err)
{
    uint64_t number = 0;
    const int rc = options_parse_bytes(value, &number);

    if (code == OPTION_TRANSFER_RATE && rc < 0)
        return err_set(err, -EINVAL, "--transfer-rate %s: give bytes a second, as in 60M", value);
    if (code == OPTION_TRANSFER_RATE) {
        options->transfer_rate = number;
        return 0;
    }
    if (rc < 0 || number > LATENCY_MAX_MS)
        return err_set(err, -EINVAL, "--transfer-latency %s: give 1 to %u milliseconds", value, LATENCY_MAX_MS);
    options->transfer_latency_ms = (unsigned)number;
    return 0;
}

/* What the backend takes the place of. */
static int options_check_backend(const struct options *options, struct err *err)
{
    if (options->backend_ca_path && !options->backend_url)
        return err_set(err, -EINVAL, "--backend-ca is for --backend only");
    if (!options->backend_url)
        return 0;
    if (options->store_directory || options->accounts_path || options->with_development_account)
        return err_set(err, -EINVAL, "--backend takes no --store and no accounts: the endpoint has its own");
    return backend_check_url(options->backend_url, err);
}

static int options_set(struct options *options, int code, const char *value, struct err *err)
{
    switch (code) {
    case OPTION_BACKEND:
        options->backend_url = value;
        return 0;
    case OPTION_BACKEND_CA:
        options->backend_ca_path = value;
        return 0;
    case OPTION_TRANSFER_RATE:
    case OPTION_TRANSFER_LATENCY:
        return options_set_limit(options, code, value, err);
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
    case OPTION_LOG_FORMAT:
        if (log_format_parse(value, &options->log_format) < 0)
            return err_set(err, -EINVAL, "--log-format %s: use auto, text, json or journal", value);
        return 0;
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
    const int rc = options_check_backend(&options, err);
    if (rc < 0)
        return rc;
    if (!options.store_directory)
        options.store_directory = DEFAULT_STORE;
    if (!options.accounts_path)
        options.with_development_account = true;
    *ret_options = options;
    return 0;
}
