/* SPDX-License-Identifier: MIT */
/* Turns what is known of an exchange into fields of the log. */
#include "access.h"

#include "../lib/clock.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES 160 /* an operation, a status, a code */

struct field_list {
    struct log_field *fields;
    size_t count;
};

static const char *const routes[] = {
    [ACCESS_ROUTE_NONE] = "none", [ACCESS_ROUTE_CHANNEL] = "channel", [ACCESS_ROUTE_UPSTREAM] = "upstream"};

void access_init(struct access *access)
{
    memset(access, 0, offsetof(struct access, method));
    access->route_reason = "";
    access->method[0] = access->code[0] = access->account[0] = access->container[0] = access->target[0] = '\0';
    access->transfer[0] = access->request_id[0] = access->client_request_id[0] = access->user_agent[0] = '\0';
    access->problem[0] = '\0';
}

void access_copy(struct slice from, char *text, size_t text_bytes)
{
    log_copy_foreign(from.bytes, from.len, text, text_bytes);
}

bool access_is_failure(const struct access *access)
{
    return access->status >= 400 || !access->is_delivered;
}

/* snprintf() is what a line would spend most of its time in. */
static const char *number_text(uint64_t value, char *text, size_t text_bytes)
{
    char *at = text + text_bytes - 1;

    *at = '\0';
    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return at;
}

static void add(struct field_list *list, const char *key, const char *value)
{
    list->fields[list->count++] = (struct log_field){key, value};
}

static void add_known(struct field_list *list, const char *key, const char *value)
{
    if (*value != '\0')
        add(list, key, value);
}

static const char *peer_name(const struct caller *caller)
{
    switch (caller->kind) {
    case CALLER_UNIX:
        return "unix";
    case CALLER_TLS:
        return "tls";
    default:
        return caller->is_loopback ? "tcp-loopback" : "tcp";
    }
}

static void add_numbers(struct field_list *list, const struct access *access, struct access_numbers *numbers)
{
    add(list, "status", number_text(access->status, numbers->status, sizeof(numbers->status)));
    add_known(list, "code", access->code);
    add(list, "duration_us", number_text(access->duration_us, numbers->duration_us, sizeof(numbers->duration_us)));
    add(list, "bytes_in", number_text(access->bytes_in, numbers->bytes_in, sizeof(numbers->bytes_in)));
    add(list, "bytes_out", number_text(access->bytes_out, numbers->bytes_out, sizeof(numbers->bytes_out)));
}

static void add_peer(struct field_list *list, const struct caller *caller, struct access_numbers *numbers)
{
    add(list, "peer", peer_name(caller));
    if (caller->has_uid)
        add(list, "peer_uid", number_text(caller->uid, numbers->peer_uid, sizeof(numbers->peer_uid)));
}

size_t access_fields(const struct access *access, struct access_numbers *numbers, struct log_field fields[ACCESS_FIELDS])
{
    struct field_list list = {fields, 0};

    add(&list, "operation", operation_row(access->operation)->label);
    add_numbers(&list, access, numbers);
    if (!access->is_delivered)
        add(&list, "delivered", "no");
    add(&list, "route", routes[access->route]);
    add_known(&list, "route_reason", access->route_reason);
    add_known(&list, "account", access->account);
    add_known(&list, "container", access->container);
    add_known(&list, "method", access->method);
    add_known(&list, "target", access->target);
    add_peer(&list, &access->caller, numbers);
    add_known(&list, "transfer", access->transfer);
    add_known(&list, "request_id", access->request_id);
    add_known(&list, "client_request_id", access->client_request_id);
    add_known(&list, "user_agent", access->user_agent);
    add_known(&list, "problem", access->problem);
    if (access->sample > 1)
        add(&list, "sample", number_text(access->sample, numbers->sample, sizeof(numbers->sample)));
    return list.count;
}

void access_write(const struct access *access)
{
    struct log_field fields[ACCESS_FIELDS];
    struct access_numbers numbers;
    size_t count = access_fields(access, &numbers, fields);
    char message[MESSAGE_BYTES];
    char *end = stpcpy(stpcpy(stpcpy(message, operation_row(access->operation)->label), " "), fields[1].value);

    if (access->code[0] != '\0')
        (void)stpcpy(stpcpy(end, " "), access->code);
    log_record("access", fields, count, message);
}

size_t access_format(const struct access *access, char text[ACCESS_TEXT_BYTES])
{
    struct log_field fields[1 + ACCESS_FIELDS];
    struct access_numbers numbers;
    char time[CLOCK_ISO_BYTES];

    clock_format_iso(access->ended_us, time);
    fields[0] = (struct log_field){"time", time};
    return log_format_object(fields, 1 + access_fields(access, &numbers, fields + 1), text, ACCESS_TEXT_BYTES);
}
