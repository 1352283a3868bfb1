/* SPDX-License-Identifier: MIT */
/* blobproxyctl errors: the last requests that failed. */
#include "arguments.h"
#include "field.h"
#include "table.h"

#define COUNT_DEFAULT 30u
#define COUNT_MAX 2048u
#define TARGET_CHARACTERS 80 /* whole ones are in the JSON */
#define PROBLEM_CHARACTERS 80

static void add(struct table *table, const json_t *failure)
{
    char shown[FIELD_BYTES];

    table_cell(table, "%s", field_text(failure, "time"));
    table_cell(table, "%s", field_shown(failure, "status", shown));
    table_cell(table, "%s", field_text(failure, "code"));
    table_cell(table, "%s", field_text(failure, "operation"));
    table_cell(table, "%s", field_text(failure, "route"));
    table_cell(table, "%s", field_shown(failure, "duration_us", shown));
    table_cell(table, "%s", field_text(failure, "transfer"));
    table_cell(table, "%s", field_text(failure, "client_request_id"));
    table_cell_cut(table, TARGET_CHARACTERS, field_text(failure, "target"));
    table_cell_cut(table, PROBLEM_CHARACTERS, field_text(failure, "problem"));
}

static int print(const json_t *failures, FILE *out)
{
    static const char *const headings[] = {"<TIME",   "<STATUS",  "<CODE",     "<OPERATION",
                                           "<ROUTE",  ">TOOK US", "<TRANSFER", "<CLIENT REQUEST ID",
                                           "<TARGET", "<PROBLEM", ""};

    return table_print_objects(headings, failures, add, out);
}

enum ctl_exit verb_errors(struct ctl *ctl, int argc, char **argv)
{
    unsigned count = COUNT_DEFAULT;
    const struct argument arguments[] = {{.name = "count", .count = &count, .min = 1, .max = COUNT_MAX}, {0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, arguments, NULL);
    json_auto_t *answer = NULL;
    char target[32];

    snprintf(target, sizeof(target), "/errors?max=%u", count);
    if (result == CTL_EXIT_OK)
        result = ctl_get(ctl, target, &answer);
    if (result != CTL_EXIT_OK)
        return result;
    if (ctl->is_json)
        return ctl_print_json(ctl, json_incref(answer));
    return print(json_object_get(answer, "errors"), ctl->out) < 0 ? ctl_fail(ctl, "no memory") : CTL_EXIT_OK;
}
