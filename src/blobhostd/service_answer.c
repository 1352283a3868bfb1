/* SPDX-License-Identifier: MIT */
/* Response heads and bodies, as the Blob service writes them. */
#include "service_answer.h"

#include <stdio.h>
#include <string.h>

#define VERSION_BYTES 10u             /* "2026-04-06" */
#define ERROR_BODY_BYTES 4096u
#define NUMBER_BYTES 21

/* Digits of value, right-aligned in text; returns the first. */
static const char *number_digits(uint64_t value, char text[NUMBER_BYTES])
{
    char *digit = text + NUMBER_BYTES - 1;

    *digit = '\0';
    do {
        *--digit = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return digit;
}

static bool version_is_echoed(struct slice version)
{
    if (version.len != VERSION_BYTES)
        return false;
    for (size_t i = 0; i < version.len; i++)
        if (i == 4 || i == 7 ? version.bytes[i] != '-' : version.bytes[i] < '0' || version.bytes[i] > '9')
            return false;
    return true;
}

static void answer_echo(struct call *call)
{
    struct slice version = head_value(call->head, "x-ms-version");
    struct slice client_id = head_value(call->head, "x-ms-client-request-id");

    answer_field(call, "x-ms-version", version_is_echoed(version) ? version : SLICE("2023-11-03"));
    if (client_id.len > 0 && client_id.len <= LIMIT_CLIENT_REQUEST_ID_BYTES)
        answer_field(call, "x-ms-client-request-id", client_id);
}

void answer_begin(struct call *call, unsigned status)
{
    struct buf *head = &call->response->head;

    buf_clear(head);
    call->response->body_bytes = 0;
    call->response->is_too_small = false;
    (void)buf_reserve(head, 1024); /* one growth for most answers */
    (void)head_write_status_line(head, status, slice_of(head_reason(status)));
    answer_line(call, "Server: blobhostd/0.1\r\nx-ms-request-id: ");
    (void)buf_append(head, call->request_id, AZURE_REQUEST_ID_BYTES - 1);
    answer_line(call, "\r\n");
    answer_date(call, "Date", call->now_us);
    answer_echo(call);
}

void answer_field(struct call *call, const char *name, struct slice value)
{
    (void)head_write_field(&call->response->head, slice_of(name), value);
}

void answer_text(struct call *call, const char *name, const char *value)
{
    if (value)
        answer_field(call, name, slice_of(value));
}

/* The framing is known to be right: no check needed. */
static void answer_known(struct call *call, const char *name, const char *value, size_t len)
{
    struct buf *head = &call->response->head;

    (void)buf_puts(head, name);
    (void)buf_append(head, ": ", 2);
    (void)buf_append(head, value, len);
    (void)buf_append(head, "\r\n", 2);
}

void answer_number(struct call *call, const char *name, uint64_t value)
{
    char text[NUMBER_BYTES];
    const char *digits = number_digits(value, text);

    answer_known(call, name, digits, strlen(digits));
}

void answer_date(struct call *call, const char *name, int64_t wall_us)
{
    char text[CLOCK_HTTP_DATE_BYTES];

    clock_format_http(wall_us, text);
    answer_known(call, name, text, CLOCK_HTTP_DATE_BYTES - 1);
}

size_t etag_text(uint64_t etag, char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;

    text[len++] = '0';
    text[len++] = 'x';
    for (int shift = 60; shift >= 0; shift -= 4)
        if (shift == 0 || etag >> shift != 0)
            text[len++] = digits[etag >> shift & 15];
    text[len] = '\0';
    return len;
}

size_t etag_quoted(uint64_t etag, char *text)
{
    size_t len = etag_text(etag, text + 1);

    text[0] = text[len + 1] = '"';
    text[len + 2] = '\0';
    return len + 2;
}

void answer_version(struct call *call, uint64_t etag, int64_t modified_us)
{
    char text[ETAG_BYTES];
    size_t len = etag_quoted(etag, text);

    answer_known(call, "ETag", text, len);
    answer_date(call, "Last-Modified", modified_us);
}

void answer_end_empty(struct call *call)
{
    answer_line(call, "Content-Length: 0\r\n\r\n");
}

void answer_end(struct call *call, uint64_t body_bytes)
{
    answer_number(call, "Content-Length", body_bytes);
    answer_line(call, "\r\n");
    call->response->body_bytes = call->is_head ? 0 : body_bytes;
}

void answer_end_too_small(struct call *call, uint64_t body_bytes)
{
    answer_end(call, body_bytes);
    call->response->body_bytes = 0;
    call->response->is_too_small = true;
}

static void body_copy_to_data(const struct call *call, const char *bytes, size_t len)
{
    for (int i = 0; i < call->request->data_iov_count && len > 0; i++) {
        const struct iovec *iov = &call->request->data[i];
        size_t step = iov->iov_len < len ? iov->iov_len : len;

        memcpy(iov->iov_base, bytes, step);
        bytes += step;
        len -= step;
    }
}

enum azure_error answer_xml(struct call *call, const struct buf *body)
{
    if (body->failed)
        return AZURE_InternalError;
    answer_line(call, "Content-Type: application/xml\r\n");
    if (call->is_head) {
        answer_end(call, body->len);
    } else if (body->len > call->request->data_capacity) {
        answer_end_too_small(call, body->len);
    } else {
        body_copy_to_data(call, body->bytes, body->len);
        answer_end(call, body->len);
    }
    return AZURE_OK;
}

static bool error_has_own_detail_element(enum azure_error error)
{
    return error == AZURE_AuthenticationFailed || error == AZURE_InvalidAuthenticationInfo;
}

/* What an authentication lacked has an element of its own in the service's answers. */
static void error_body(struct call *call, enum azure_error error, struct buf *body)
{
    static const char end[] = "</Error>";
    const size_t end_bytes = sizeof(end) - 1;
    bool has_own_element = call->detail[0] && error_has_own_detail_element(error);

    (void)azure_error_xml(body, error, has_own_element ? NULL : call->detail, call->request_id, call->now_us);
    if (!has_own_element || body->failed || body->len < end_bytes)
        return;
    body->len -= end_bytes;
    (void)buf_puts(body, "<AuthenticationErrorDetail>");
    (void)buf_put_xml(body, call->detail, strlen(call->detail));
    (void)buf_puts(body, "</AuthenticationErrorDetail></Error>");
}

static void answer_error_fields(struct call *call, enum azure_error error)
{
    char etag[ETAG_BYTES];

    answer_text(call, "x-ms-error-code", azure_error_code(error));
    if (error == AZURE_NoAuthenticationInformation)
        answer_line(call, "WWW-Authenticate: SharedKey\r\n");
    if (error == AZURE_NotModified && call->has_seen_blob)
        answer_known(call, "ETag", etag, etag_quoted(call->seen_etag, etag));
    if (error == AZURE_InvalidRange && call->has_seen_blob)
        (void)buf_printf(&call->response->head, "Content-Range: bytes */%llu\r\n", (unsigned long long)call->seen_bytes);
}

void answer_error(struct call *call, enum azure_error error)
{
    CLEANUP(buf_free) struct buf body = {.max_bytes = ERROR_BODY_BYTES};

    answer_begin(call, azure_error_status(error));
    answer_error_fields(call, error);
    if (azure_error_status(error) == 304) {
        answer_line(call, "\r\n");
        return;
    }
    if (!call->is_head)
        error_body(call, error, &body);
    if (call->is_head || body.failed || body.len > call->request->data_capacity)
        answer_end_empty(call); /* HEAD: a body that is not sent is not announced either */
    else
        (void)answer_xml(call, &body);
}
