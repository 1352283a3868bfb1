/* SPDX-License-Identifier: MIT */
/* The daemon's state as JSON. */
#include "status.h"

#include "tls.h"
#include "version.h"

#include "../lib/clock.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *words(const char *text)
{
    json_t *list = json_array();

    while (*text) {
        size_t len = strcspn(text, " ");

        (void)json_array_append_new(list, json_stringn(text, len));
        text += len + (text[len] == ' ');
    }
    return list;
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static json_t *write_channel(const struct status *status)
{
    static const char *const types[] = {
        [CONF_CHANNEL_EMULATED] = "emulated", [CONF_CHANNEL_DEVICE] = "device", [CONF_CHANNEL_AUTO] = "auto"};
    char command[16] = "";

    if (status->command)
        snprintf(command, sizeof(command), "0x%08x", status->command);
    return json_pack("{s:s, s:o, s:i, s:i}", "type", types[status->conf->channel_type], "ioctl", text_or_null(command), "up",
                     (int)status->channels_up, "total", (int)status->channels);
}

static json_t *write_config(const struct status *status)
{
    return json_pack("{s:b, s:I}", "last_reload_success", status->was_reload_good, "last_reload_timestamp",
                     (json_int_t)status->reload_s);
}

static json_t *write_accounts(const struct status *status)
{
    json_t *list = json_array();

    for (size_t i = 0; i < accounts_count(status->conf->accounts); i++)
        (void)json_array_append_new(list, json_string(accounts_at(status->conf->accounts, i)->name));
    return list;
}

static json_t *write_all(const struct status *status)
{
    const struct tls_identity *tls = status->conf->tls;

    return json_pack("{s:s, s:i, s:f, s:s, s:b, s:s, s:o, s:o, s:o, s:s, s:i, s:i, s:i, s:I, s:o, s:o, s:s, s:o}", "version",
                     PACKAGE_VERSION, "pid", (int)getpid(), "uptime_seconds",
                     (double)(clock_mono_us() - status->started_us) / 1e6, "state", status->state, "ready", status->is_ready,
                     "reason", status->reason, "listeners", words(status->listeners), "metrics", text_or_null(status->metrics),
                     "channel", write_channel(status), "fallback",
                     status->conf->upstream_fallback == FALLBACK_OFF ? "off" : "https", "connections", (int)status->connections,
                     "exchanges", (int)status->exchanges, "transfers", (int)status->transfers, "exchanges_ended",
                     (json_int_t)status->exchanges_ended, "config", write_config(status), "tls_expires",
                     tls ? json_integer((json_int_t)(tls_identity_expires_us(tls) / 1000000)) : json_null(), "log_level",
                     log_level_name(log_level()), "accounts", write_accounts(status));
}

int status_write(const struct status *status, struct buf *text)
{
    json_t *value = write_all(status);
    char *json = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    json_decref(value);
    if (!json)
        return -ENOMEM;
    buf_puts(text, json);
    buf_puts(text, "\n");
    free(json);
    return text->failed;
}
