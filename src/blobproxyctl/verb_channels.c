/* SPDX-License-Identifier: MIT */
/* blobproxyctl channels: each shard's way to the host, and its slots. */
#include "arguments.h"
#include "field.h"
#include "shown.h"
#include "table.h"

#include <string.h>

static void count(struct table *table, const json_t *object, const char *path)
{
    char shown[FIELD_BYTES];

    table_cell(table, "%s", field_shown(object, path, shown));
}

static bool is_stuck(const json_t *channel)
{
    return json_is_true(json_object_get(channel, "stuck"));
}

static void add_channel(struct table *table, const json_t *channel)
{
    static const char *const counts[] = {"in_flight", "threads", "submitted",       "completed", "lost",
                                         "full",      "refused", "protocol_errors", "opens"};
    bool has_since = json_is_number(json_object_get(channel, "since_seconds"));
    char since[SHOWN_DURATION_BYTES];

    count(table, channel, "shard");
    table_cell(table, "%s", field_text(channel, "type"));
    table_cell(table, "%s", is_stuck(channel) ? "STUCK" : field_text(channel, "state"));
    table_cell(table, "%s", field_text(channel, "ioctl"));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        count(table, channel, counts[i]);
    table_cell(table, "%s", has_since ? shown_duration(field_number(channel, "since_seconds"), since) : "");
    table_cell(table, "%s",
               is_stuck(channel) ? "the shard does not answer: see blobproxyd's log" : field_text(channel, "reason"));
}

static int print_channels(const json_t *channels, FILE *out)
{
    static const char *const headings[] = {">SHARD",     "<TYPE",      "<STATE",  "<IOCTL", ">IN FLIGHT", ">THREADS",
                                           ">SUBMITTED", ">COMPLETED", ">LOST",   ">FULL",  ">REFUSED",   ">MALFORMED",
                                           ">OPENED",    ">SINCE",     "<REASON", ""};

    return table_print_objects(headings, channels, add_channel, out);
}

static void add_slots(struct table *table, const json_t *channel)
{
    static const char *const counts[] = {"shard",
                                         "slots.small.used",
                                         "slots.small.total",
                                         "slots.small.waiting",
                                         "slots.large.used",
                                         "slots.large.total",
                                         "slots.large.waiting",
                                         "slots.quarantined"};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        count(table, channel, counts[i]);
}

static int print_slots(const json_t *channels, FILE *out)
{
    static const char *const headings[] = {">SHARD", ">SMALL SLOTS USED", ">TOTAL",       ">WAITING", ">LARGE SLOTS USED",
                                           ">TOTAL", ">WAITING",          ">QUARANTINED", ""};

    return table_print_objects(headings, channels, add_slots, out);
}

enum ctl_exit verb_channels(struct ctl *ctl, int argc, char **argv)
{
    static const struct argument none[] = {{0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, none, NULL);
    json_auto_t *answer = NULL;

    if (result == CTL_EXIT_OK)
        result = ctl_get(ctl, "/channels", &answer);
    if (result != CTL_EXIT_OK)
        return result;
    if (ctl->is_json)
        return ctl_print_json(ctl, json_incref(answer));
    const json_t *channels = json_object_get(answer, "channels");
    int r = print_channels(channels, ctl->out);

    (void)fputc('\n', ctl->out);
    r = r < 0 ? r : print_slots(channels, ctl->out);
    return r < 0 ? ctl_fail(ctl, "no memory") : CTL_EXIT_OK;
}
