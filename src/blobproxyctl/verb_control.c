/* SPDX-License-Identifier: MIT */
/* blobproxyctl reload, log-level: one order, one answer. */
#include "arguments.h"
#include "client.h"
#include "field.h"
#include "shown.h"

#include <string.h>

#define LEVEL_BYTES 64

/* Sends the order; the answer is one of JSON when its status is good or bad, otherwise it is said and a failure. */
static enum ctl_exit order(const struct ctl *ctl, const char *method, const char *target, unsigned good, unsigned bad,
                           json_t **ret_answer)
{
    CLEANUP(client_cleanup) struct client *client = NULL;
    CLEANUP(buf_free) struct buf body;
    struct err err = {0};
    unsigned status = 0;

    buf_init(&body, CLIENT_ANSWER_MAX_BYTES);
    int r = client_open(ctl->socket, &client, &err);

    r = r < 0 ? r : client_ask(client, method, target, &status, &body, &err);
    if (r == 0)
        r = status == good || status == bad ? client_parse_json(target, &body, ret_answer, &err)
                                            : client_refused(target, status, &body, &err);
    return r < 0 ? ctl_fail(ctl, "%s", err.text) : CTL_EXIT_OK;
}

enum ctl_exit verb_reload(struct ctl *ctl, int argc, char **argv)
{
    static const struct argument none[] = {{0}};
    enum ctl_exit result = arguments_read(ctl, argc, argv, none, NULL);
    json_auto_t *answer = NULL;

    if (result == CTL_EXIT_OK)
        result = order(ctl, "POST", "/reload", 200, 409, &answer);
    if (result != CTL_EXIT_OK)
        return result;
    bool is_done = json_is_true(json_object_get(answer, "ok"));
    const char *kept = field_text(answer, "kept");

    if (ctl->is_json)
        result = ctl_print_json(ctl, json_incref(answer));
    else if (is_done)
        (void)fputs("the configuration was read again and is in use\n", ctl->out);
    if (result != CTL_EXIT_OK)
        return result;
    if (!is_done)
        return ctl_fail(ctl, "refused, the configuration before is kept: %s", field_text(answer, "error"));
    if (*kept)
        ctl_note(ctl, "kept as they were until a restart: %s", kept);
    return CTL_EXIT_OK;
}

static enum ctl_exit ask_level(const struct ctl *ctl, const char *level, json_t **ret_answer)
{
    CLEANUP(cleanup_free) char *encoded = level ? client_encode(level) : strdup("");
    char target[512];

    if (!encoded || snprintf(target, sizeof(target), "/log-level?level=%s", encoded) >= (int)sizeof(target))
        return ctl_refuse(ctl, "%s: no log level", level);
    return level ? order(ctl, "POST", target, 200, 200, ret_answer) : order(ctl, "GET", "/log-level", 200, 200, ret_answer);
}

enum ctl_exit verb_log_level(struct ctl *ctl, int argc, char **argv)
{
    static const struct argument none[] = {{0}};
    const char *level = NULL;
    enum ctl_exit result = arguments_read(ctl, argc, argv, none, &level);
    json_auto_t *answer = NULL;
    char shown[LEVEL_BYTES];

    if (result == CTL_EXIT_OK)
        result = ask_level(ctl, level, &answer);
    if (result != CTL_EXIT_OK)
        return result;
    if (ctl->is_json)
        return ctl_print_json(ctl, json_incref(answer));
    (void)fprintf(ctl->out, "%s\n", shown_text(field_text(answer, "log_level"), shown, sizeof(shown)));
    return CTL_EXIT_OK;
}
