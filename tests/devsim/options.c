/* SPDX-License-Identifier: MIT */
/* The options of blobdevsim. */
#include "options.h"

#include "azblob.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

const char options_help[] =
    "Usage: blobdevsim --bus SOCKET [OPTION]... -- COMMAND [ARGUMENT]...\n"
    "Runs a command that finds the device /dev/azure_blob, as its published driver would answer, and carries what it asks for to "
    "a\n"
    "blobhostd. Needs no rights: the command's open and ioctl calls are answered through seccomp user notification, and those "
    "of\n"
    "all its descendants. Ends when the command does, with its exit status: 127 if it could not be run, 128 and the number of "
    "the\n"
    "signal that ended it, or 97 in place of 0 if it gave the device a buffer that a driver must not be given.\n"
    "\n"
    "  --bus SOCKET         bus socket of blobhostd\n"
    "  --device PATH        the device's name (/dev/azure_blob)\n"
    "  --control SOCKET     take commands on this Unix socket, a line each\n"
    "  --fault COMMAND      run this command at the start; may be repeated\n"
    "  --depth N            requests in flight (1024)\n"
    "  --ring BYTES         of the channel, one direction (131072)\n"
    "  --knows WHAT         list, vendor or both (default): the ioctl numbers\n"
    "  --unknown-errno E    what the others get: EINVAL (default), ENOTTY or EIO\n"
    "  --slots SMALL,LARGE  transfers the host executes at a time, up to 64 KiB and up to 31.9 MiB of data each (128,8)\n"
    "  --wait SECONDS       for the host, before the command starts (30)\n"
    "  --absent             there is no device at the start\n"
    "  --allow-violations   do not let them change the exit status\n"
    "  --help               show this and exit\n"
    "\n"
    "Commands:\n";

#define SLOTS_MAX 4096u
#define DEPTH_MAX 1000000u
#define RING_BYTES_MAX (64u << 20)

enum option_code {
    OPTION_BUS = 256,
    OPTION_DEVICE,
    OPTION_CONTROL,
    OPTION_FAULT,
    OPTION_DEPTH,
    OPTION_RING,
    OPTION_KNOWS,
    OPTION_UNKNOWN_ERRNO,
    OPTION_SLOTS,
    OPTION_WAIT,
    OPTION_ABSENT,
    OPTION_ALLOW_VIOLATIONS,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"bus", required_argument, NULL, OPTION_BUS},
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"fault", required_argument, NULL, OPTION_FAULT},
    {"depth", required_argument, NULL, OPTION_DEPTH},
    {"ring", required_argument, NULL, OPTION_RING},
    {"knows", required_argument, NULL, OPTION_KNOWS},
    {"unknown-errno", required_argument, NULL, OPTION_UNKNOWN_ERRNO},
    {"slots", required_argument, NULL, OPTION_SLOTS},
    {"wait", required_argument, NULL, OPTION_WAIT},
    {"absent", no_argument, NULL, OPTION_ABSENT},
    {"allow-violations", no_argument, NULL, OPTION_ALLOW_VIOLATIONS},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int parse_number(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *ret_number, struct err *err)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number < min || number > max)
        return err_set(err, -EINVAL, "--%s %s: not a number from %u to %u", option, text, min, max);
    *ret_number = (uint32_t)number;
    return 0;
}

static int parse_slots(struct options *options, const char *text, struct err *err)
{
    char end;
    int got = sscanf(text, "%5u,%5u%c", &options->slots_small, &options->slots_large, &end);

    if (got != 2 || options->slots_small > SLOTS_MAX || options->slots_large == 0 || options->slots_large > SLOTS_MAX)
        return err_set(err, -EINVAL, "--slots %s: not two numbers up to %u with a comma between, the second not 0", text,
                       SLOTS_MAX);
    return 0;
}

static int parse_knows(struct options *options, const char *text, struct err *err)
{
    bool both = strcmp(text, "both") == 0;

    options->knows_list = both || strcmp(text, "list") == 0;
    options->knows_vendor = both || strcmp(text, "vendor") == 0;
    if (!options->knows_list && !options->knows_vendor)
        return err_set(err, -EINVAL, "--knows %s: not list, vendor or both", text);
    return 0;
}

static int parse_unknown_errno(struct options *options, const char *text, struct err *err)
{
    if (strcmp(text, "EINVAL") == 0)
        options->unknown_errno = -EINVAL;
    else if (strcmp(text, "ENOTTY") == 0)
        options->unknown_errno = -ENOTTY;
    else if (strcmp(text, "EIO") == 0)
        options->unknown_errno = -EIO;
    else
        return err_set(err, -EINVAL, "--unknown-errno %s: not EINVAL, ENOTTY or EIO", text);
    return 0;
}

static int add_fault(struct options *options, const char *text, struct err *err)
{
    if (options->fault_count == OPTIONS_FAULTS_MAX)
        return err_set(err, -EINVAL, "--fault: more than %d", OPTIONS_FAULTS_MAX);
    options->faults[options->fault_count++] = text;
    return 0;
}

static int parse_valued(struct options *options, enum option_code code, const char *value, struct err *err)
{
    switch (code) {
    case OPTION_BUS:
        options->bus_socket = value;
        return 0;
    case OPTION_DEVICE:
        options->device_path = value;
        return 0;
    case OPTION_CONTROL:
        options->control_path = value;
        return 0;
    case OPTION_FAULT:
        return add_fault(options, value, err);
    case OPTION_DEPTH:
        return parse_number("depth", value, 1, DEPTH_MAX, &options->depth, err);
    case OPTION_RING:
        return parse_number("ring", value, 2 * AZBLOB_PAGE_BYTES, RING_BYTES_MAX, &options->ring_bytes, err);
    case OPTION_KNOWS:
        return parse_knows(options, value, err);
    case OPTION_UNKNOWN_ERRNO:
        return parse_unknown_errno(options, value, err);
    case OPTION_SLOTS:
        return parse_slots(options, value, err);
    default:
        return parse_number("wait", value, 0, 3600, &options->wait_s, err);
    }
}

static int parse_one(struct options *options, int code, struct err *err)
{
    switch (code) {
    case '?':
    case ':':
        return err_set(err, -EINVAL, "unknown option or missing value; see --help");
    case OPTION_HELP:
        options->wants_help = true;
        return 0;
    case OPTION_ABSENT:
        options->is_absent = true;
        return 0;
    case OPTION_ALLOW_VIOLATIONS:
        options->allows_violations = true;
        return 0;
    default:
        return parse_valued(options, (enum option_code)code, optarg, err);
    }
}

int options_parse(int argc, char **argv, struct options *ret_options, struct err *err)
{
    struct options options = {
        .device_path = "/dev/azure_blob",
        .depth = 1024,
        .ring_bytes = AZBLOB_RING_BYTES,
        .slots_small = 128,
        .slots_large = 8,
        .wait_s = 30,
        .knows_list = true,
        .knows_vendor = true,
        .unknown_errno = -EINVAL,
    };
    int code, r;

    opterr = 0;
    while ((code = getopt_long(argc, argv, "+:", option_table, NULL)) != -1) {
        r = parse_one(&options, code, err);
        if (r < 0)
            return r;
    }
    options.command = argv + optind;
    if (!options.wants_help && !options.bus_socket)
        return err_set(err, -EINVAL, "--bus is needed; see --help");
    if (!options.wants_help && !options.command[0])
        return err_set(err, -EINVAL, "a command is needed; see --help");
    *ret_options = options;
    return 0;
}
