/* SPDX-License-Identifier: MIT */
/* blobproxyctl probe. */
#include "report.h"
#include "verb.h"

#include <getopt.h>
#include <string.h>

static const struct option options[] = {
    {"device", required_argument, NULL, 'd'},
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

enum ctl_exit verb_probe(const struct ctl *ctl, int argc, char **argv)
{
    bool is_json = ctl->is_json;
    const char *device = NULL;
    struct probe_facts facts;
    struct report report;
    int code;

    optind = 0; /* from the start: main() has read its own options with it */
    while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (code == 'j')
            is_json = true;
        else if (code == 'd')
            device = optarg;
        else
            return ctl_refuse_option(ctl, code, argv);
    }
    if (optind < argc)
        return ctl_refuse(ctl, "%s: probe takes options only", argv[optind]);
    if (device && (device[0] != '/' || strlen(device) >= PROBE_TEXT_BYTES))
        return ctl_refuse(ctl, "--device %s: give a whole path, of at most %d bytes", device, PROBE_TEXT_BYTES - 1);
    const struct probe_source source = probe_source_system();

    probe_collect(&source, device, &facts);
    report_make(&facts, &report);
    if (!is_json)
        report_print(&report, ctl->out);
    else if (report_print_json(&facts, &report, ctl->out) < 0) {
        (void)fputs("blobproxyctl: cannot write the report\n", ctl->err);
        return CTL_EXIT_FAILED;
    }
    return report.verdict.is_usable ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}
