/* SPDX-License-Identifier: MIT */
/* Rows about the device nodes, and what each errno says there. */
#include "../lib/compat.h"
#include "report.h"

#include <errno.h>
#include <string.h>

struct answer {
    int result;
    enum report_mark mark;
    const char *text;
};

/* The last row is for every other result. */
static const struct answer *find_answer(const struct answer *answers, int result)
{
    while (answers->text && answers->result != result)
        answers++;
    return answers;
}

static const char *errno_text(int result)
{
    const char *name = strerrorname_np(-result);

    return name ? name : "an unknown error";
}

/* ---- opening ---- */

static const struct answer open_answers[] = {
    {0, REPORT_GOOD, "this user can open it"},
    {-ENOENT, REPORT_BAD, "no driver has made it"},
    {-EACCES, REPORT_BAD, "not for this user: try as root, then give it to the group of the service"},
    {-EPERM, REPORT_BAD, "a device policy forbids it: DeviceAllow= of the unit, or the container"},
    {-ENXIO, REPORT_BAD, "a node without a driver: made by hand, or left over"},
    {-ENODEV, REPORT_BAD, "a node without a driver: made by hand, or left over"},
    {PROBE_NOT_ASKED, REPORT_BAD, "no device: not opened"},
    {0, REPORT_BAD, NULL},
};

static void add_node_file(const struct probe_node *node, struct report *report)
{
    const struct answer *answer = find_answer(open_answers, node->opened);
    bool is_optional = node->is_uio || (node->opened == -ENOENT && strcmp(node->path, DEVICE_V1_PATH) == 0);
    enum report_mark mark = is_optional ? REPORT_FACT : answer->mark;
    const char *meaning = node->is_uio   ? "not opened, which would open the channel"
                          : is_optional  ? "of the first version of the driver"
                          : answer->text ? answer->text
                                         : errno_text(node->opened);

    if (node->status == -ENOENT && node->opened == 0)
        (void)report_add(report, REPORT_LOOK, node->path, "opens all the same: something stands in for it", "not there");
    else if (node->status < 0)
        (void)report_add(report, mark, node->path, meaning, "%s",
                         node->status == -ENOENT ? "not there" : strerror(-node->status));
    else if (!node->is_device)
        (void)report_add(report, mark, node->path, meaning, "not a character device");
    else
        (void)report_add(report, mark, node->path, meaning, "%u:%u, mode %04o, owner %u:%u%s", node->major, node->minor,
                         node->mode, node->owner, node->group, node->is_uio && node->opened < 0 ? ", not for this user" : "");
}

/* ---- numbers ---- */

static const struct answer number_answers[] = {
    {0, REPORT_GOOD, "known"},
    {-EACCES, REPORT_LOOK, "known, but to other credentials than ours"},
    {-ENODEV, REPORT_BAD, "the device is being removed"},
    {-EINVAL, REPORT_FACT, "not known (EINVAL)"},
    {-EIO, REPORT_FACT, "not known (EIO)"},
    {-ENOTTY, REPORT_FACT, "not known (ENOTTY)"},
    {0, REPORT_LOOK, NULL},
};

static void add_number(const struct probe_node *node, unsigned index, struct report *report)
{
    const struct answer *answer = find_answer(number_answers, node->numbers[index]);
    bool is_v1 = probe_number(index) == DEVICE_V1_NUMBER;
    char name[64];
    struct report_row *row;

    (void)snprintf(name, sizeof(name), "  ioctl 0x%08x", probe_number(index));
    row = report_add(report, is_v1 && node->numbers[index] == 0 ? REPORT_LOOK : answer->mark, name, "", "%s",
                     answer->text ? answer->text : errno_text(node->numbers[index]));
    (void)snprintf(row->meaning, sizeof(row->meaning), "%s%s", probe_number_origin(index),
                   is_v1 ? "; blobproxyd does not use it" : "");
}

static const struct answer inherited_answers[] = {
    {-EACCES, REPORT_GOOD, "refused, as published: each process opens it by itself"},
    {0, REPORT_LOOK, "answered, as no published driver does"},
    {-ENODEV, REPORT_BAD, "the device is being removed"},
    {0, REPORT_LOOK, NULL},
};

static void add_inherited(const struct probe_node *node, struct report *report)
{
    const struct answer *answer = find_answer(inherited_answers, node->inherited);

    (void)report_add(report, answer->mark, "  inherited descriptor", answer->text ? answer->text : "", "%s",
                     node->inherited == 0 ? "taken" : errno_text(node->inherited));
}

void report_nodes(const struct probe_facts *facts, struct report *report)
{
    for (unsigned i = 0; i < facts->node_count; i++) {
        const struct probe_node *node = &facts->nodes[i];

        add_node_file(node, report);
        for (unsigned k = 0; k < PROBE_NUMBERS && node->numbers[k] != PROBE_NOT_ASKED; k++)
            add_number(node, k, report);
        if (node->inherited != PROBE_NOT_ASKED)
            add_inherited(node, report);
    }
}
