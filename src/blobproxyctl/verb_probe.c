/* SPDX-License-Identifier: MIT */
/* blobproxyctl probe. */
#include "arguments.h"
#include "report.h"

#include <string.h>

enum ctl_exit verb_probe(struct ctl *ctl, int argc, char **argv)
{
    const char *device = NULL;
    const struct argument arguments[] = {{.name = "device", .text = &device}, {0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, arguments, NULL);
    struct probe_facts facts;
    struct report report;

    if (result != CTL_EXIT_OK)
        return result;
    if (device && (device[0] != '/' || strlen(device) >= PROBE_TEXT_BYTES))
        return ctl_refuse(ctl, "--device %s: give a whole path, of at most %d bytes", device, PROBE_TEXT_BYTES - 1);
    const struct probe_source source = probe_source_system();

    probe_collect(&source, device, &facts);
    report_make(&facts, &report);
    if (!ctl->is_json)
        report_print(&report, ctl->out);
    else if (report_print_json(&facts, &report, ctl->out) < 0)
        return ctl_fail(ctl, "cannot write the report");
    return report.verdict.is_usable ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}
