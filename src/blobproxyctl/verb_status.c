/* SPDX-License-Identifier: MIT */
/* blobproxyctl status: one look at the daemon. */
#include "arguments.h"
#include "field.h"
#include "shown.h"
#include "table.h"

#include <string.h>
#include <time.h>

static void add(struct table *table, const char *name, const char *value)
{
    table_cell(table, "%s", name);
    table_cell(table, "%s", value);
}

/* A list of texts, each on a line of its own. */
static void add_list(struct table *table, const char *name, const json_t *list, const char *none)
{
    size_t count = json_array_size(list);

    if (count == 0)
        add(table, name, none);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        add(table, i == 0 ? name : TABLE_BLANK, text ? text : "");
    }
}

static void add_state(struct table *table, const json_t *status)
{
    const char *reason = field_text(status, "reason");
    char text[512], up[SHOWN_DURATION_BYTES];

    (void)snprintf(text, sizeof(text), "%s, %s%s%s", field_text(status, "state"),
                   json_is_true(field_at(status, "ready")) ? "ready" : "not ready", *reason ? ": " : "", reason);
    add(table, "state", text);
    (void)snprintf(text, sizeof(text), "%s, process %lld, up %s", field_text(status, "version"), field_count(status, "pid"),
                   shown_duration(field_number(status, "uptime_seconds"), up));
    add(table, "version", text);
}

static void add_channel(struct table *table, const json_t *status)
{
    const char *ioctl = field_text(status, "channel.ioctl");
    char text[256];

    (void)snprintf(text, sizeof(text), "%s%s%s, %lld of %lld up", field_text(status, "channel.type"), *ioctl ? ", ioctl " : "",
                   ioctl, field_count(status, "channel.up"), field_count(status, "channel.total"));
    add(table, "channel", text);
    add(table, "fallback", field_text(status, "fallback"));
}

static void add_load(struct table *table, const json_t *status)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "connections %lld, exchanges %lld, transfers at the host %lld, exchanges ended %lld",
                   field_count(status, "connections"), field_count(status, "exchanges"), field_count(status, "transfers"),
                   field_count(status, "exchanges_ended"));
    add(table, "load", text);
}

static void add_config(struct table *table, const json_t *status)
{
    bool is_good = json_is_true(field_at(status, "config.last_reload_success"));
    char text[256], when[SHOWN_TIME_BYTES];

    (void)snprintf(text, sizeof(text), "%s %s", is_good ? "read" : "REFUSED, the one before is kept; read",
                   shown_time(field_count(status, "config.last_reload_timestamp"), when));
    add(table, "configuration", text);
}

static void add_certificate(struct table *table, const json_t *status)
{
    long long expires = field_count(status, "tls_expires");
    double left = (double)expires - (double)time(NULL);
    char text[256], when[SHOWN_TIME_BYTES], span[SHOWN_DURATION_BYTES];

    if (expires == 0)
        return;
    if (left > 0)
        (void)snprintf(text, sizeof(text), "expires %s, in %s", shown_time(expires, when), shown_duration(left, span));
    else
        (void)snprintf(text, sizeof(text), "HAS EXPIRED %s", shown_time(expires, when));
    add(table, "certificate", text);
}

static int print(const json_t *status, FILE *out)
{
    static const char *const headings[] = {"<", "<", ""};
    CLEANUP(table_free) struct table table;

    table_init(&table, headings);
    add_state(&table, status);
    add_channel(&table, status);
    add_list(&table, "listening", field_at(status, "listeners"), "nowhere");
    add(&table, "metrics", field_text(status, "metrics"));
    add_load(&table, status);
    add_config(&table, status);
    add_certificate(&table, status);
    add_list(&table, "accounts", field_at(status, "accounts"), "any, without their keys");
    add(&table, "log level", field_text(status, "log_level"));
    return table_print(&table, out);
}

enum ctl_exit verb_status(struct ctl *ctl, int argc, char **argv)
{
    static const struct argument none[] = {{0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, none, NULL);
    json_auto_t *status = NULL;

    if (result == CTL_EXIT_OK)
        result = ctl_get(ctl, "/status", &status);
    if (result != CTL_EXIT_OK)
        return result;
    if (ctl->is_json)
        return ctl_print_json(ctl, json_incref(status));
    return print(status, ctl->out) < 0 ? ctl_fail(ctl, "no memory") : CTL_EXIT_OK;
}
