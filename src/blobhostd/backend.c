/* SPDX-License-Identifier: MIT */
/* Transfers as HTTP requests to an endpoint. The request's body is sent straight out of the guest's pages and the answer's body
 * is written straight into them; heads are the host's own copies.
 *
 * An answer that does not fit:
 * - to a read, of known length: given up at its head;
 * - to a read, of unknown length: counted to its end, so that the guest learns the size it needs; a request body that the answer
 * has overwritten meanwhile is put back, because the guest sends it again;
 * - to anything else: it has been executed, and the guest is told that its outcome is unknown.
 *
 * A request whose connection ends before any answer is sent once more if it is safe to repeat, else its outcome is unknown. */
#include "backend.h"

#include "../lib/azure/error.h"
#include "../lib/azure/operation.h"
#include "../lib/httpclient.h"
#include "../lib/log.h"
#include "../lib/vmbus/vsp_status.h"
#include "backend_url.h"
#include "guest_memory.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 5000u
#define STALL_TIMEOUT_MS 30000u

/* To one origin, of one channel: as many transfers as a channel with large slots has in flight. */
#define CONNECTIONS_MAX 64u

/* An answer of unknown length is counted up to here; listings, the longest of them, end at about 10 MiB. */
#define COUNTED_BYTES_MAX (64u * 1024 * 1024)

struct backend {
    struct executor executor;
    struct event_base *(*thread_base)(void);
    struct httpclient_options client_options;
    char *url;
    char *ca_file;
};

/* A place in the guest's data buffer. */
struct cursor {
    const struct iovec *iov;
    size_t within;
};

struct backend_transfer {
    struct backend *backend;
    const struct host_request *request;
    struct host_response *response;
    void (*done)(void *arg, uint32_t status);
    void *done_arg;
    struct cursor from, to; /* request's and answer's body */
    uint8_t *saved_body;    /* of a request that the guest may have to send again */
    uint64_t body_bytes;    /* of the answer, so far */
    bool is_read;           /* executing it changes nothing */
    bool may_repeat;        /* executing it twice is as good as once, and it has not been repeated */
    bool has_head;          /* of an answer */
    bool has_length;        /* the answer's head says it, or it has no body */
    uint32_t status;        /* why the transfer gave the request up */
};

static _Thread_local struct httpclient *thread_client;

/* ---- the guest's pages ---- */

/* Copies between private memory and the data buffer and moves on; the caller has checked the room. */
static void cursor_copy(struct cursor *cursor, char *out, const char *in, size_t len)
{
    while (len > 0) {
        const size_t room = cursor->iov->iov_len - cursor->within;
        const size_t piece = room < len ? room : len;
        char *const pages = (char *)cursor->iov->iov_base + cursor->within;

        if (out) {
            memcpy(out, pages, piece);
            out += piece;
        } else {
            memcpy(pages, in, piece);
            in += piece;
        }
        cursor->within += piece;
        len -= piece;
        if (cursor->within == cursor->iov->iov_len)
            *cursor = (struct cursor){cursor->iov + 1, 0};
    }
}

static ssize_t backend_read_body(void *owner, char *bytes, size_t max)
{
    struct backend_transfer *transfer = owner;

    cursor_copy(&transfer->from, bytes, NULL, max);
    return (ssize_t)max;
}

/* ---- heads ---- */

/* The request's head for the endpoint. 0 or -E2BIG. */
static int backend_compose(const struct host_request *request, struct slice host, struct head *composed)
{
    int rc = 0;

    composed->method = request->head->method;
    composed->target = request->head->target;
    composed->field_count = 0;
    for (unsigned i = 0; rc == 0 && i < request->head->field_count; i++) {
        const struct head_field *field = &request->head->fields[i];

        if (slice_equal_nocase(field->name, SLICE("Expect")) || head_is_hop_by_hop(request->head, field->name))
            continue;
        rc = head_add(composed, field->name, slice_equal_nocase(field->name, SLICE("Host")) ? host : field->value);
    }
    return rc;
}

static bool has_no_body(const struct host_request *request, unsigned status)
{
    return slice_equal(request->head->method, SLICE("HEAD")) || status == 204 || status == 304;
}

/* The answer's head for the guest, but for a Content-Length that is not known yet, and the end. */
static int backend_keep_head(struct backend_transfer *transfer, const struct head *head)
{
    struct buf *text = &transfer->response->head;
    const bool is_chunked = head_find(head, "Transfer-Encoding") != NULL;

    head_write_status_line(text, head->status, head->reason);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];

        if (head_is_hop_by_hop(head, field->name) || (is_chunked && slice_equal_nocase(field->name, SLICE("Content-Length"))))
            continue;
        head_write_field(text, field->name, field->value);
    }
    return text->failed;
}

static int backend_give_up(struct backend_transfer *transfer, uint32_t status)
{
    transfer->status = status;
    return -ECANCELED;
}

/* Does not fit: a read is told the size, anything else has been executed. */
static int backend_too_small(struct backend_transfer *transfer)
{
    transfer->response->is_too_small = transfer->is_read;
    return backend_give_up(transfer, transfer->is_read ? VSP_STATUS_OK : VSP_STATUS_INSUFFICIENT_BUFFER);
}

static int backend_save_body(struct backend_transfer *transfer)
{
    const size_t len = (size_t)transfer->request->body_bytes;

    if (!transfer->is_read || len == 0)
        return 0;
    transfer->saved_body = malloc(len);
    if (!transfer->saved_body)
        return backend_give_up(transfer, VSP_STATUS_OUT_OF_MEMORY);
    guest_memory_copy_out(transfer->saved_body, transfer->request->data, len);
    return 0;
}

static int backend_take_head(void *owner, const struct head *head)
{
    struct backend_transfer *transfer = owner;
    const bool is_bare = has_no_body(transfer->request, head->status);
    const bool is_chunked = head_find(head, "Transfer-Encoding") != NULL;
    uint64_t length = 0;
    const int rc = head_content_length(head, &length);

    transfer->has_head = true;
    if ((rc == -EBADMSG && !is_chunked) || backend_keep_head(transfer, head) < 0)
        return backend_give_up(transfer, VSP_STATUS_INTERNAL);
    transfer->has_length = is_bare || (rc == 0 && !is_chunked);
    if (!is_bare && !is_chunked && length > transfer->request->data_capacity)
        return backend_too_small(transfer);
    return transfer->has_length ? 0 : backend_save_body(transfer);
}

static int backend_take_body(void *owner, const char *bytes, size_t len)
{
    struct backend_transfer *transfer = owner;
    const uint64_t capacity = transfer->request->data_capacity;
    const uint64_t room = transfer->body_bytes < capacity ? capacity - transfer->body_bytes : 0;

    transfer->body_bytes += len;
    cursor_copy(&transfer->to, NULL, bytes, len < room ? len : (size_t)room);
    if (len <= room)
        return 0;
    if (!transfer->is_read)
        return backend_too_small(transfer);
    transfer->response->is_too_small = true;
    return transfer->body_bytes > COUNTED_BYTES_MAX ? backend_give_up(transfer, VSP_STATUS_INSUFFICIENT_BUFFER) : 0;
}

/* ---- the end ---- */

static uint32_t backend_finish_head(struct backend_transfer *transfer)
{
    struct host_response *response = transfer->response;
    char length[24];

    if (!transfer->has_length && transfer->status == VSP_STATUS_OK) {
        snprintf(length, sizeof(length), "%" PRIu64, transfer->body_bytes);
        head_write_field(&response->head, SLICE("Content-Length"), slice_of(length));
    }
    head_write_end(&response->head);
    response->body_bytes = response->is_too_small ? 0 : transfer->body_bytes;
    return response->head.failed ? VSP_STATUS_INTERNAL : VSP_STATUS_OK;
}

static uint32_t backend_status(const struct backend_transfer *transfer, const struct httpresult *result)
{
    switch (result->result) {
    case 0:
        return VSP_STATUS_OK;
    case -ECANCELED:
        return transfer->status;
    case -ETIMEDOUT:
        return result->may_have_run ? VSP_STATUS_TIMEOUT : VSP_STATUS_NOT_READY;
    default:
        return result->may_have_run ? VSP_STATUS_INTERNAL : VSP_STATUS_NOT_READY;
    }
}

static void backend_end(struct backend_transfer *transfer, uint32_t status)
{
    if (transfer->response->is_too_small && transfer->saved_body)
        guest_memory_copy_in(transfer->request->data, transfer->saved_body, (size_t)transfer->request->body_bytes);
    if (status != VSP_STATUS_OK)
        transfer->response->is_too_small = false;
    transfer->done(transfer->done_arg, status);
    free(transfer->saved_body);
    free(transfer);
}

static int backend_start(struct backend_transfer *transfer);

/* A kept connection that turns out to be dead ends like this; nothing of the pages has been overwritten yet. */
static bool backend_repeat(struct backend_transfer *transfer, const struct httpresult *result)
{
    if (result->result != -EPROTO || transfer->has_head || !transfer->may_repeat)
        return false;
    transfer->may_repeat = false;
    transfer->from = (struct cursor){transfer->request->data, 0};
    return backend_start(transfer) == 0;
}

static void backend_log_failure(const struct host_request *request, const char *reason)
{
    const struct slice id = head_value(request->head, "x-ms-client-request-id");
    char guid[AZURE_REQUEST_ID_BYTES], client_request_id[128];

    azure_guid_text(request->guid, guid);
    log_copy_foreign(id.bytes, id.len, client_request_id, sizeof(client_request_id));
    const struct log_field fields[] = {{"transfer", guid}, {"client_request_id", client_request_id}};

    log_event(LOG_LEVEL_WARNING, "backend-failed", fields, 2, "the backend gave no answer: %s", reason);
}

static void backend_done(void *owner, const struct httpresult *result)
{
    struct backend_transfer *transfer = owner;
    uint32_t status = backend_status(transfer, result);

    if (backend_repeat(transfer, result))
        return;
    if (result->result < 0 && result->result != -ECANCELED)
        backend_log_failure(transfer->request, result->reason);
    if (status == VSP_STATUS_OK)
        status = backend_finish_head(transfer);
    backend_end(transfer, status);
}

/* ---- the beginning ---- */

/* Unknown when the Host is not ACCOUNT.SUFFIX. */
static enum operation operation_of_head(const struct head *head)
{
    const struct slice host = head_value(head, "Host");
    const char *const dot = host.len > 0 ? memchr(host.bytes, '.', host.len) : NULL;
    const size_t len = dot ? host.len - (size_t)(dot + 1 - host.bytes) : 0;
    char suffix[BACKEND_ORIGIN_BYTES] = "";
    const char *const suffixes[] = {suffix, NULL};
    const struct target_hosts hosts = {.account_suffixes = suffixes};
    struct target target;

    if (len == 0 || len >= sizeof(suffix))
        return OPERATION_Unknown;
    memcpy(suffix, dot + 1, len);
    if (target_parse(host, head->target, &hosts, &target) < 0)
        return OPERATION_Unknown;
    return operation_of(&target, head);
}

/* What is read by another method than these stands in the table of operations. */
static bool is_read(const struct head *head, enum operation operation)
{
    return slice_equal(head->method, SLICE("GET")) || slice_equal(head->method, SLICE("HEAD")) ||
           slice_equal(head->method, SLICE("OPTIONS")) || operation == OPERATION_QueryBlob ||
           operation == OPERATION_GetUserDelegationKey;
}

static int backend_start(struct backend_transfer *transfer)
{
    struct backend *backend = transfer->backend;
    const struct host_request *request = transfer->request;
    const struct httprequest_hooks hooks = {backend_read_body, backend_take_head, backend_take_body, backend_done, transfer};
    struct httprequest *ignored;
    struct backend_place place;
    struct head composed;
    struct err err = {""};
    int rc = 0;

    if (!thread_client)
        rc = httpclient_new(backend->thread_base(), &backend->client_options, &thread_client, &err);
    if (rc < 0) {
        log_error("backend-client", "%s", err.text);
        return -ENOMEM;
    }
    rc = backend_url_resolve(backend->url, request->head, &place);
    if (rc == 0)
        rc = backend_compose(request, place.host, &composed);
    if (rc < 0)
        return rc;
    return httpclient_start(thread_client, place.origin, &composed, request->body_bytes, request->deadline_us, &hooks, &ignored);
}

static void backend_execute(struct executor *self, const struct host_request *request, struct host_response *response,
                            void (*done)(void *arg, uint32_t status), void *done_arg)
{
    const enum operation operation = operation_of_head(request->head);
    struct backend_transfer *transfer = calloc(1, sizeof(*transfer));

    if (!transfer) {
        done(done_arg, VSP_STATUS_OUT_OF_MEMORY);
        return;
    }
    *transfer = (struct backend_transfer){.request = request,
                                          .response = response,
                                          .done = done,
                                          .done_arg = done_arg,
                                          .from = {request->data, 0},
                                          .to = {request->data, 0},
                                          .backend = (struct backend *)self,
                                          .is_read = is_read(request->head, operation),
                                          .may_repeat = operation_may_resend(operation, request->head)};
    const int rc = backend_start(transfer);
    if (rc < 0)
        backend_end(transfer, rc == -ENOMEM ? VSP_STATUS_OUT_OF_MEMORY : VSP_STATUS_INVALID_DATA);
}

static void backend_thread_end(struct executor *self)
{
    (void)self;
    thread_client = httpclient_free(thread_client);
}

/* Whether the client can be made with these options is better known now than at the first transfer. */
static int backend_try(const struct backend *backend, struct err *err)
{
    struct event_base *base = event_base_new();
    struct httpclient *client = NULL;

    if (!base)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = httpclient_new(base, &backend->client_options, &client, err);
    if (rc < 0)
        rc = err_wrap(err, rc, "--backend-ca");
    httpclient_free(client);
    event_base_free(base);
    return rc;
}

int backend_new(const struct backend_options *options, struct backend **ret_backend, struct err *err)
{
    int rc = backend_check_url(options->url, err);

    if (rc < 0)
        return rc;
    struct backend *backend = calloc(1, sizeof(*backend));
    if (!backend)
        return err_set(err, -ENOMEM, "out of memory");
    backend->executor.execute = backend_execute;
    backend->executor.thread_end = backend_thread_end;
    backend->thread_base = options->thread_base;
    backend->url = strdup(options->url);
    backend->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
    backend->client_options = (struct httpclient_options){
        .ca_file = backend->ca_file,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .stall_timeout_ms = options->stall_timeout_ms ? options->stall_timeout_ms : STALL_TIMEOUT_MS,
        .connections_max = CONNECTIONS_MAX,
    };
    rc = !backend->url || (options->ca_file && !backend->ca_file) ? err_set(err, -ENOMEM, "out of memory")
                                                                  : backend_try(backend, err);
    if (rc < 0) {
        backend_free(backend);
        return rc;
    }
    *ret_backend = backend;
    return 0;
}

struct backend *backend_free(struct backend *backend)
{
    if (!backend)
        return NULL;
    free(backend->url);
    free(backend->ca_file);
    free(backend);
    return NULL;
}

struct executor *backend_executor(struct backend *backend)
{
    return &backend->executor;
}
