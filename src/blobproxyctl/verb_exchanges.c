/* SPDX-License-Identifier: MIT */
/* blobproxyctl exchanges: what is under way. */
#include "arguments.h"
#include "field.h"
#include "table.h"

#define TARGET_CHARACTERS 100 /* whole ones are in the JSON */
#define MIB (1024.0 * 1024.0)

static double age(const json_t *exchange)
{
    return field_number(exchange, "age_ms");
}

static int compare(const void *a, const void *b)
{
    double left = age(*(json_t *const *)a), right = age(*(json_t *const *)b);

    return left < right ? 1 : left > right ? -1 : 0;
}

static void add(struct table *table, const json_t *exchange)
{
    char shown[FIELD_BYTES];

    table_cell(table, "%.3f", age(exchange) / 1000);
    table_cell(table, "%s", field_shown(exchange, "shard", shown));
    table_cell(table, "%s", field_text(exchange, "state"));
    table_cell(table, "%s", field_text(exchange, "route"));
    table_cell(table, "%s", field_text(exchange, "operation"));
    table_cell(table, "%.2f", field_number(exchange, "body_received") / MIB);
    table_cell(table, "%.2f", field_number(exchange, "body_bytes") / MIB);
    table_cell(table, "%s", field_text(exchange, "transfer"));
    table_cell(table, "%s", field_text(exchange, "client_request_id"));
    table_cell(table, "%s", field_text(exchange, "method"));
    table_cell_cut(table, TARGET_CHARACTERS, field_text(exchange, "target"));
}

/* The oldest first, those of all shards together. */
static int print(const json_t *exchanges, FILE *out)
{
    static const char *const headings[] = {">AGE S",       "<SHARD",     "<STATE",
                                           "<ROUTE",       "<OPERATION", ">MIB RECEIVED",
                                           ">MIB OF BODY", "<TRANSFER",  "<CLIENT REQUEST ID",
                                           "<METHOD",      "<TARGET",    ""};
    size_t count = json_array_size(exchanges);
    CLEANUP(cleanup_free) const json_t **sorted = calloc(count + 1, sizeof(json_t *));
    CLEANUP(table_free) struct table table;

    table_init(&table, headings);
    if (!sorted)
        return -1;
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(exchanges, i);
    qsort(sorted, count, sizeof(json_t *), compare);
    for (size_t i = 0; i < count; i++)
        add(&table, sorted[i]);
    return table_print(&table, out);
}

static void tell_stuck(const struct ctl *ctl, const json_t *stuck)
{
    const json_t *shard;
    size_t i;

    json_array_foreach(stuck, i, shard) ctl_note(
        ctl, "shard %" JSON_INTEGER_FORMAT " does not answer: its exchanges are not in the list", json_integer_value(shard));
}

enum ctl_exit verb_exchanges(struct ctl *ctl, int argc, char **argv)
{
    static const struct argument none[] = {{0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, none, NULL);
    json_auto_t *answer = NULL;

    if (result == CTL_EXIT_OK)
        result = ctl_get(ctl, "/exchanges", &answer);
    if (result != CTL_EXIT_OK)
        return result;
    if (ctl->is_json)
        return ctl_print_json(ctl, json_incref(answer));
    if (print(json_object_get(answer, "exchanges"), ctl->out) < 0)
        return ctl_fail(ctl, "no memory");
    tell_stuck(ctl, json_object_get(answer, "stuck"));
    return CTL_EXIT_OK;
}
