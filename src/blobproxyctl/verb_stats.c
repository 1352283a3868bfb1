/* SPDX-License-Identifier: MIT */
/* blobproxyctl stats: what the daemon does, again and again. */
#include "arguments.h"
#include "client.h"
#include "figures.h"
#include "screen.h"
#include "shown.h"
#include "../lib/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct stats {
    struct ctl *ctl;
    bool is_once; /* from the daemon's start, without waiting */
    unsigned count;
    double interval_s;
};

/* What the daemon said at a time. */
struct reading {
    struct exposition metrics;
    json_t *status;
    double at_s;
};

static void reading_free(struct reading *reading)
{
    exposition_free(&reading->metrics);
    json_decref(reading->status);
    *reading = (struct reading){0};
}

static int read_metrics(struct client *client, struct exposition *ret_metrics, struct err *err)
{
    CLEANUP(buf_free) struct buf text;
    unsigned status;

    buf_init(&text, CLIENT_ANSWER_MAX_BYTES);
    int r = client_ask(client, "GET", "/metrics", &status, &text, err);

    if (r < 0)
        return r;
    if (status != 200)
        return client_refused("/metrics", status, &text, err);
    return exposition_read(text.bytes ? text.bytes : "", text.len, ret_metrics, err);
}

/* A new connection each time, so that it is the daemon of now that answers. */
static int reading_take(const struct ctl *ctl, struct reading *ret_reading, struct err *err)
{
    CLEANUP(client_cleanup) struct client *client = NULL;
    CLEANUP(reading_free) struct reading reading = {0};
    int r = client_open(ctl->socket, &client, err);

    r = r < 0 ? r : client_get_json(client, "/status", &reading.status, err);
    r = r < 0 ? r : read_metrics(client, &reading.metrics, err);
    if (r < 0)
        return r;
    reading.at_s = (double)clock_mono_us() / 1e6;
    *ret_reading = reading;
    reading = (struct reading){0};
    return 0;
}

static double uptime(const json_t *status)
{
    double seconds = json_number_value(json_object_get(status, "uptime_seconds"));

    return seconds > 0.001 ? seconds : 0.001;
}

static void figure(const struct reading *before, const struct reading *now, struct figures *ret_figures)
{
    double seconds = before->status ? now->at_s - before->at_s : 0;

    figures_make(seconds > 0 ? &before->metrics : NULL, &now->metrics, seconds, uptime(now->status), ret_figures);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "unknown";
}

static void print_heading(const struct figures *figures, const json_t *status, FILE *out)
{
    const json_t *channel = json_object_get(status, "channel");
    char up[SHOWN_DURATION_BYTES], span[SHOWN_DURATION_BYTES], time_text[SHOWN_TIME_BYTES], line[512];
    char shown[SHOWN_BYTES(sizeof(line))];

    (void)snprintf(line, sizeof(line), "blobproxyd %s  %s  up %s  %s %lld/%lld up  %s %s  %s", text_of(status, "version"),
                   text_of(status, "state"), shown_duration(uptime(status), up), text_of(channel, "type"),
                   json_integer_value(json_object_get(channel, "up")), json_integer_value(json_object_get(channel, "total")),
                   figures->is_from_start ? "since the start," : "over", shown_duration(figures->seconds, span),
                   shown_time(time(NULL), time_text));
    (void)fprintf(out, "%s\n\n", shown_text(line, shown, sizeof(shown)));
}

static enum ctl_exit show_text(struct screen *screen, const struct ctl *ctl, const struct figures *figures, const json_t *status)
{
    CLEANUP(cleanup_free) char *text = NULL;
    size_t len;
    FILE *memory = open_memstream(&text, &len);
    int r = memory ? 0 : -ENOMEM;

    if (memory) {
        print_heading(figures, status, memory);
        r = figures_print(figures, memory);
        r = fclose(memory) != 0 ? -ENOMEM : r;
    }
    if (r < 0)
        return ctl_fail(ctl, "no memory");
    screen_show(screen, text);
    return CTL_EXIT_OK;
}

static enum ctl_exit show_json(const struct ctl *ctl, const struct figures *figures, json_t *status)
{
    json_t *object = figures_json(figures);
    enum ctl_exit result = CTL_EXIT_FAILED;

    if (json_object_set_new(object, "time", json_integer(time(NULL))) == 0 && json_object_set(object, "status", status) == 0)
        result = ctl_print_json_line(ctl, json_incref(object));
    else
        result = ctl_fail(ctl, "no memory");
    json_decref(object);
    (void)fflush(ctl->out);
    return result;
}

static enum ctl_exit show(struct screen *screen, const struct stats *stats, const struct reading *before,
                          const struct reading *now)
{
    struct figures figures;

    figure(before, now, &figures);
    if (stats->ctl->is_json)
        return show_json(stats->ctl, &figures, now->status);
    return show_text(screen, stats->ctl, &figures, now->status);
}

/* Without a daemon: a terminal waits for its return, everybody else wants to know. */
static enum ctl_exit show_failure(struct screen *screen, const struct stats *stats, const struct err *err)
{
    char shown[SHOWN_BYTES(ERR_TEXT_BYTES)];

    if (!screen->is_terminal || screen->shown == 0)
        return ctl_fail(stats->ctl, "%s", err->text);
    (void)shown_text(err->text, shown, sizeof(shown) - 2);
    screen_show(screen, strcat(shown, "\n"));
    return CTL_EXIT_OK;
}

/* Until the count is reached, or for good. The first reading is shown by itself where somebody watches. */
static enum ctl_exit follow(struct screen *screen, const struct stats *stats)
{
    CLEANUP(reading_free) struct reading before = {0};
    enum ctl_exit result = CTL_EXIT_OK;
    unsigned shown = 0;

    for (bool is_first = true; result == CTL_EXIT_OK; is_first = false) {
        struct reading now = {0};
        struct err err = {0};
        bool is_shown = !is_first || stats->is_once || (screen->is_terminal && stats->count == 0);

        if (reading_take(stats->ctl, &now, &err) < 0)
            result = show_failure(screen, stats, &err);
        else if (is_shown)
            result = show(screen, stats, &before, &now);
        reading_free(&before);
        before = now;
        shown += is_shown;
        if (result != CTL_EXIT_OK || stats->is_once || (stats->count > 0 && shown >= stats->count) ||
            !screen_wait(screen, stats->interval_s))
            break;
    }
    return result;
}

enum ctl_exit verb_stats(struct ctl *ctl, int argc, char **argv)
{
    struct stats stats = {.ctl = ctl, .interval_s = 1};
    const struct argument arguments[] = {
        {.name = "once", .flag = &stats.is_once},
        {.name = "count", .count = &stats.count, .min = 1, .max = 1e9},
        {.name = "interval", .seconds = &stats.interval_s, .min = 0.1, .max = 86400},
        {0},
    };
    enum ctl_exit result = arguments_read(ctl, argc, argv, arguments, NULL);
    struct screen screen;

    if (result != CTL_EXIT_OK)
        return result;
    if (stats.is_once && stats.count > 0)
        return ctl_refuse(ctl, "--once and --count exclude each other");
    if (screen_open(&screen, ctl->out, ctl->is_json || stats.is_once || stats.count > 0) < 0)
        return ctl_fail(ctl, "the terminal cannot be used");
    result = follow(&screen, &stats);
    screen_close(&screen);
    return result;
}
