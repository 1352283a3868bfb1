/* SPDX-License-Identifier: MIT */
/* Errors of the proxy's own, as Azure would write them. */
#include "exchange_internal.h"

#include "../lib/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT_BYTES 16384u
#define RETRY_AFTER_S "1" /* whole seconds: one client's parser throws at anything else */

/* Gives back, or leaves to the host, whatever the exchange held. */
static void let_go(struct exchange *x)
{
    exchange_leave_upstream(x); /* first: it may read from what follows */
    exchange_env_unwatch(x->env, &x->watch);
    slots_cancel(x->env->slots, &x->waiter);
    exchange_env_cancel(x->env, &x->submission);
    upload_release(x->upload);
    if (x->slot)
        slots_abandon(x->slot, x->env->slots);
    if (x->old_slot)
        slots_abandon(x->old_slot, x->env->slots);
    x->slot = x->old_slot = NULL;
}

static void add_field(struct head *head, const char *name, const char *value)
{
    int r = head_add(head, slice_of(name), slice_of(value));

    (void)r; /* a handful of fields always fits */
}

/* Copies a field of the request as it is echoed in every response of the service. */
static void echo_field(struct head *head, const struct head *request, const char *name, char *text, size_t text_bytes)
{
    struct slice value = request ? head_value(request, name) : (struct slice){NULL, 0};

    if (value.len == 0 || value.len >= text_bytes)
        return;
    memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
    add_field(head, name, text);
}

static bool is_head_request(const struct head *request)
{
    return request && slice_equal(request->method, SLICE("HEAD"));
}

/* Fields of an error in the order the service uses. request: NULL where it could not be parsed. */
static void error_fields(struct head *head, const struct head *request, enum azure_error error, struct own_values *values)
{
    head->status = (uint16_t)azure_error_status(error);
    head->reason = slice_of(head_reason(head->status));
    head->field_count = 0;
    if (!is_head_request(request)) /* a body that is not sent must not be announced: SDKs try to read it */
        add_field(head, "Content-Type", "application/xml");
    add_field(head, "x-ms-error-code", azure_error_code(error));
    add_field(head, "x-ms-request-id", values->request_id);
    echo_field(head, request, "x-ms-client-request-id", values->client_request_id, sizeof(values->client_request_id));
    echo_field(head, request, "x-ms-version", values->version, sizeof(values->version));
    clock_format_http(clock_wall_us(), values->date);
    add_field(head, "Date", values->date);
    if (head->status == 503)
        add_field(head, "Retry-After", RETRY_AFTER_S);
}

static void write_error(struct exchange *x, enum azure_error error, const char *detail)
{
    azure_guid_text(x->guid, x->own_values.request_id);
    error_fields(&x->response, &x->request, error, &x->own_values);
    snprintf(x->own_values.detail, sizeof(x->own_values.detail), "%.*s", (int)sizeof(x->own_values.detail) - 1, detail);
    buf_clear(&x->response_bytes);
    if (is_head_request(&x->request) ||
        azure_error_xml(&x->response_bytes, error, detail, x->own_values.request_id, clock_wall_us()) < 0)
        buf_clear(&x->response_bytes);
    x->answer_body = x->response_bytes.bytes;
    x->answer_bytes = x->response_bytes.len;
}

static void log_refusal(const struct exchange *x, enum azure_error error, const char *detail)
{
    enum log_level level = azure_error_status(error) >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
    char target[ACCESS_TARGET_BYTES], client_request_id[ACCESS_ID_BYTES];

    if (!log_enabled(level))
        return;
    log_copy_foreign(x->raw_target, x->raw_target_bytes, target, sizeof(target));
    exchange_client_request_id(x, client_request_id);
    struct log_field fields[] = {{"request_id", x->own_values.request_id},
                                 {"client_request_id", client_request_id},
                                 {"operation", operation_row(x->operation)->label},
                                 {"code", azure_error_code(error)},
                                 {"target", target}};

    log_event(level, "exchange-refused", fields, sizeof(fields) / sizeof(fields[0]), "%s", detail);
}

/* Before its body is complete a client reads no answer: what it still sends is read away. Only before the first byte of a body
 * can the answer go out at once, and the connection is closed then. */
void exchange_answered(struct exchange *x)
{
    uint64_t to_come = x->body_bytes - x->body_received;
    bool may_close_now = x->state == EX_NEW && (x->expects_continue || x->must_close || to_come > LIMIT_DISCARD_BYTES);

    if (to_come > 0 && !may_close_now) {
        exchange_move(x, EX_DISCARD);
    } else {
        x->must_close |= to_come > 0;
        exchange_move(x, x->has_stream ? EX_STREAM : EX_READY);
    }
    exchange_wake(x);
}

void exchange_refuse(struct exchange *x, enum azure_error error, enum metric kind, const char *detail, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list arguments;

    if (x->state == EX_READY || x->state == EX_STREAM || x->state == EX_DISCARD)
        return; /* it has its answer */
    va_start(arguments, detail);
    vsnprintf(text, sizeof(text), detail, arguments);
    va_end(arguments);
    let_go(x);
    x->has_stream = x->is_length_unknown = false;
    write_error(x, error, text);
    metrics_add(x->env->metrics, kind, 1);
    log_refusal(x, error, text);
    exchange_answered(x);
}

void exchange_refuse_overwritten(struct exchange *x)
{
    exchange_refuse(x, AZURE_OperationTimedOut, METRIC_ERROR_CHANNEL_LOST,
                    "The channel to the host was lost while the host wrote its answer over the request's body; the outcome is "
                    "unknown.");
}

int exchange_error_text(struct buf *text, const struct head *request, enum azure_error error, const char *detail,
                        char *ret_request_id)
{
    struct buf xml CLEANUP(buf_free);
    struct own_values values;
    char length[24];
    struct head head;
    uint8_t guid[16];

    buf_init(&xml, ERROR_TEXT_BYTES);
    azure_guid_random(guid);
    azure_guid_text(guid, values.request_id);
    if (ret_request_id)
        memcpy(ret_request_id, values.request_id, sizeof(values.request_id));
    error_fields(&head, request, error, &values);
    if (!is_head_request(request) && azure_error_xml(&xml, error, detail, values.request_id, clock_wall_us()) < 0)
        return -ENOMEM;
    snprintf(length, sizeof(length), "%zu", xml.len);
    add_field(&head, "Content-Length", length);
    add_field(&head, "Connection", "close");
    head_write_status_line(text, head.status, head.reason);
    for (unsigned i = 0; i < head.field_count; i++)
        head_write_field(text, head.fields[i].name, head.fields[i].value);
    head_write_end(text);
    return buf_append(text, xml.bytes, xml.len);
}
