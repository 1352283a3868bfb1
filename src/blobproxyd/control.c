/* SPDX-License-Identifier: MIT */
/* The control socket. */
#include "control.h"

#include "access.h"
#include "adminhttp.h"

#include "../lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define KEPT_BYTES_MAX 1024u
#define ERRORS_DEFAULT 100u
#define ERRORS_MAX 2048u
#define ERRORS_BYTES_MAX (ERRORS_MAX * (size_t)ACCESS_TEXT_BYTES)

/* A call that waits for the shards' answers. */
struct question {
    struct control *control;
    struct adminhttp_call *call;
    enum survey_topic topic;
    struct survey *survey;
    TAILQ_ENTRY(question) link;
};

struct control {
    struct adminhttp *http;
    struct control_callbacks callbacks;
    gid_t group;
    TAILQ_HEAD(, question) questions;
};

/* ---- who may ---- */

static bool is_in_group(int socket, gid_t group)
{
    gid_t groups[256];
    socklen_t bytes = sizeof(groups);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0)
        return false;
    for (size_t i = 0; i < bytes / sizeof(gid_t); i++)
        if (groups[i] == group)
            return true;
    return false;
}

static bool is_allowed(const struct control *control, int socket)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    return control->group != (gid_t)-1 && (peer.gid == control->group || is_in_group(socket, control->group));
}

/* ---- answers ---- */

/* Takes the value over. */
static void answer_json(struct adminhttp_call *call, unsigned status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    if (text)
        adminhttp_answer(call, status, ADMINHTTP_TYPE_JSON, text, strlen(text));
    else
        adminhttp_answer_text(call, 500, "no memory\n");
    free(text);
    json_decref(value);
}

static json_t *collect_channels(json_t *const *answers, unsigned count)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < count; i++) {
        json_t *row = answers[i] ? json_incref(answers[i]) : json_pack("{s:i, s:b}", "shard", (int)i, "stuck", 1);
        (void)json_array_append_new(list, row);
    }
    return json_pack("{s:o}", "channels", list);
}

static json_t *collect_exchanges(json_t *const *answers, unsigned count)
{
    json_t *list = json_array(), *stuck = json_array();

    for (unsigned i = 0; i < count; i++) {
        if (answers[i])
            (void)json_array_extend(list, answers[i]);
        else
            (void)json_array_append_new(stuck, json_integer((json_int_t)i));
    }
    return json_pack("{s:o, s:o}", "exchanges", list, "stuck", stuck);
}

static void question_answered(void *arg, json_t *const *answers, unsigned count)
{
    struct question *question = arg;

    TAILQ_REMOVE(&question->control->questions, question, link);
    answer_json(question->call, 200,
                question->topic == SURVEY_CHANNELS ? collect_channels(answers, count) : collect_exchanges(answers, count));
    free(question);
}

static void ask(struct control *control, struct adminhttp_call *call, enum survey_topic topic)
{
    struct question *question = malloc(sizeof(*question));

    if (question)
        *question = (struct question){.control = control, .call = call, .topic = topic};
    if (!question ||
        control->callbacks.survey(control->callbacks.arg, topic, question_answered, question, &question->survey) < 0) {
        free(question);
        adminhttp_answer_text(call, 500, "no memory\n");
        return;
    }
    TAILQ_INSERT_TAIL(&control->questions, question, link);
}

/* ---- orders ---- */

static void answer_channels(struct control *control, struct adminhttp_call *call)
{
    ask(control, call, SURVEY_CHANNELS);
}

static void answer_exchanges(struct control *control, struct adminhttp_call *call)
{
    ask(control, call, SURVEY_EXCHANGES);
}

static void answer_errors(struct control *control, struct adminhttp_call *call)
{
    CLEANUP(buf_free) struct buf text;
    const char *max = adminhttp_argument(call, "max");
    unsigned long wanted = max ? strtoul(max, NULL, 10) : ERRORS_DEFAULT;

    buf_init(&text, ERRORS_BYTES_MAX);
    if (control->callbacks.errors(control->callbacks.arg, wanted < ERRORS_MAX ? wanted : ERRORS_MAX, &text) < 0)
        adminhttp_answer_text(call, 500, "no memory\n");
    else
        adminhttp_answer(call, 200, ADMINHTTP_TYPE_JSON, text.bytes, text.len);
}

static void tell_log_level(struct control *control, struct adminhttp_call *call)
{
    (void)control;
    answer_json(call, 200, json_pack("{s:s}", "log_level", log_level_name(log_level())));
}

static void set_log_level(struct control *control, struct adminhttp_call *call)
{
    const char *text = adminhttp_argument(call, "level");
    enum log_level level;

    if (!text || log_level_parse(text, &level) < 0) {
        adminhttp_answer_text(call, 400, "write level=error, warning, notice, info or debug\n");
        return;
    }
    log_set_level(level);
    log_notice("log-level", "the log level is %s until the next reload", text);
    tell_log_level(control, call);
}

static void reload(struct control *control, struct adminhttp_call *call)
{
    CLEANUP(buf_free) struct buf kept;
    struct err err = {""};

    buf_init(&kept, KEPT_BYTES_MAX);
    if (control->callbacks.reload(control->callbacks.arg, &kept, &err) < 0)
        answer_json(call, 409, json_pack("{s:b, s:s}", "ok", 0, "error", err.text));
    else
        answer_json(call, 200, json_pack("{s:b, s:s}", "ok", 1, "kept", kept.bytes ? kept.bytes : ""));
}

static void drain(struct control *control, struct adminhttp_call *call)
{
    answer_json(call, 202, json_pack("{s:b}", "ok", 1));
    control->callbacks.drain(control->callbacks.arg);
}

static const struct {
    const char *path, *method;
    void (*run)(struct control *control, struct adminhttp_call *call);
} orders[] = {
    {"/errors", "GET", answer_errors},
    {"/channels", "GET", answer_channels},
    {"/exchanges", "GET", answer_exchanges},
    {"/log-level", "GET", tell_log_level},
    {"/log-level", "POST", set_log_level},
    {"/reload", "POST", reload},
    {"/drain", "POST", drain},
};

static void on_call(void *arg, struct adminhttp_call *call)
{
    struct control *control = arg;
    const char *other = NULL;

    if (!is_allowed(control, adminhttp_socket(call))) {
        adminhttp_answer_text(call, 403,
                              "only root, the user of blobproxyd and members of listen.control_group are served here\n");
        return;
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (strcmp(adminhttp_path(call), orders[i].path) != 0)
            continue;
        if (adminhttp_is(call, orders[i].method)) {
            orders[i].run(control, call);
            return;
        }
        other = orders[i].method;
    }
    if (!other)
        admin_answer(&control->callbacks.admin, call);
    else if (adminhttp_must_be(call, other, NULL))
        adminhttp_answer_text(call, 404, "");
}

int control_new(struct event_base *base, int fd, gid_t group, const struct control_callbacks *callbacks,
                struct control **ret_control)
{
    struct control *control = calloc(1, sizeof(*control));

    if (!control) {
        (void)close(fd);
        return -ENOMEM;
    }
    control->callbacks = *callbacks;
    control->group = group;
    TAILQ_INIT(&control->questions);
    int r = adminhttp_new(base, fd, on_call, control, &control->http);
    if (r < 0) {
        free(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

struct control *control_free(struct control *control)
{
    struct question *question;

    if (!control)
        return NULL;
    while ((question = TAILQ_FIRST(&control->questions))) {
        TAILQ_REMOVE(&control->questions, question, link);
        survey_cancel(question->survey);
        adminhttp_answer_text(question->call, 503, "stopping\n");
        free(question);
    }
    adminhttp_free(control->http);
    free(control);
    return NULL;
}
