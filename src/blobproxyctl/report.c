/* SPDX-License-Identifier: MIT */
/* The report as a table for people. */
#include "report.h"

#include <stdarg.h>
#include <string.h>

#define VALUE_COLUMNS 38 /* a longer value has its meaning on the next line */

static const struct {
    const char *name, *shown;
} marks[] = {
    [REPORT_GOOD] = {"good", "ok"},
    [REPORT_BAD] = {"bad", "NO"},
    [REPORT_LOOK] = {"look", "!"},
    [REPORT_FACT] = {"fact", "-"},
};

const char *report_mark_name(enum report_mark mark)
{
    return marks[mark].name;
}

struct report_row *report_add(struct report *report, enum report_mark mark, const char *name, const char *meaning,
                              const char *value, ...)
{
    struct report_row *row = &report->rows[report->row_count < REPORT_ROWS_MAX ? report->row_count++ : REPORT_ROWS_MAX - 1];
    va_list arguments;

    row->mark = mark;
    (void)snprintf(row->name, sizeof(row->name), "%s", name);
    (void)snprintf(row->meaning, sizeof(row->meaning), "%s", meaning);
    va_start(arguments, value);
    (void)vsnprintf(row->value, sizeof(row->value), value, arguments);
    va_end(arguments);
    return row;
}

void report_make(const struct probe_facts *facts, struct report *ret_report)
{
    memset(ret_report, 0, sizeof(*ret_report));
    report_system(facts, ret_report);
    report_bus(facts, ret_report);
    report_nodes(facts, ret_report);
    report_limits(facts, ret_report);
    ret_report->verdict = report_verdict(facts);
}

static int name_columns(const struct report *report)
{
    size_t columns = 0;

    for (unsigned i = 0; i < report->row_count; i++) {
        size_t len = strlen(report->rows[i].name);

        columns = len > columns ? len : columns;
    }
    return (int)columns;
}

static void print_row(const struct report_row *row, int columns, FILE *out)
{
    (void)fprintf(out, "%-2s  %-*s  ", marks[row->mark].shown, columns, row->name);
    if (row->meaning[0] == '\0')
        (void)fprintf(out, "%s\n", row->value);
    else if (strlen(row->value) <= VALUE_COLUMNS)
        (void)fprintf(out, "%-*s  %s\n", VALUE_COLUMNS, row->value, row->meaning);
    else
        (void)fprintf(out, "%s\n%*s%s\n", row->value, 4 + columns + 2 + VALUE_COLUMNS + 2, "", row->meaning);
}

void report_print(const struct report *report, FILE *out)
{
    const struct report_verdict *verdict = &report->verdict;
    int columns = name_columns(report);

    for (unsigned i = 0; i < report->row_count; i++)
        print_row(&report->rows[i], columns, out);
    (void)fprintf(out, "\nverdict: %s: %s.\n   next: %s\n", verdict->channel, verdict->why, verdict->next);
}
