/* SPDX-License-Identifier: MIT */
/* Between the HTTP client's callbacks and the buffers of one request.
 *
 * - A buffer that is empty (the request's body) or full (the answer's) pauses its side of the connection, so that memory stays
 *   what it is and the slower end sets the pace.
 * - The endpoint's breaker hears of the outcome once: when the head of the answer is there, or when it will never be. */
#include "upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_TEXT_BYTES (2 * LIMIT_HEAD_BYTES)

/* Bytes on their way, in order; a ring. */
struct pipe_buffer {
    char *bytes;
    size_t capacity, first, len;
};

struct upstream {
    struct route *route;
    struct route_endpoint *endpoint; /* NULL: its outcome has been reported */
    struct upstream_hooks hooks;
    struct httprequest *request; /* NULL: it is over */
    const char *kept;
    uint64_t kept_left;
    struct pipe_buffer out, in;
    bool is_starved; /* the client asked for body bytes and there were none */
    bool is_full;    /* the client had body bytes and there was no room */
    bool has_all, has_head, is_cut;
    struct buf head_text;
    struct head head;
};

/* ---- buffers ---- */

static int pipe_open(struct pipe_buffer *pipe, size_t capacity)
{
    char *bytes = malloc(capacity);

    if (!bytes)
        return -ENOMEM;
    free(pipe->bytes);
    *pipe = (struct pipe_buffer){.bytes = bytes, .capacity = capacity};
    return 0;
}

static void pipe_close(struct pipe_buffer *pipe)
{
    free(pipe->bytes);
    *pipe = (struct pipe_buffer){0};
}

static size_t pipe_put(struct pipe_buffer *pipe, const char *bytes, size_t len)
{
    size_t put = 0;

    while (put < len && pipe->len < pipe->capacity) {
        size_t at = (pipe->first + pipe->len) % pipe->capacity;
        size_t room = at < pipe->first ? pipe->first - at : pipe->capacity - at;
        size_t n = len - put < room ? len - put : room;

        memcpy(pipe->bytes + at, bytes + put, n);
        pipe->len += n;
        put += n;
    }
    return put;
}

static size_t pipe_get(struct pipe_buffer *pipe, char *bytes, size_t max)
{
    size_t got = 0;

    while (got < max && pipe->len > 0) {
        size_t run = pipe->capacity - pipe->first;
        size_t n = pipe->len < run ? pipe->len : run;

        n = n < max - got ? n : max - got;
        memcpy(bytes + got, pipe->bytes + pipe->first, n);
        pipe->first = (pipe->first + n) % pipe->capacity;
        pipe->len -= n;
        got += n;
    }
    return got;
}

/* ---- the HTTP client's side ---- */

static void report(struct upstream *upstream, enum breaker_outcome outcome)
{
    if (upstream->endpoint)
        route_report(upstream->route, upstream->endpoint, outcome);
    upstream->endpoint = NULL;
}

static ssize_t give_body(void *owner, char *bytes, size_t max)
{
    struct upstream *upstream = owner;
    size_t n = upstream->kept_left < max ? (size_t)upstream->kept_left : max;

    if (n > 0) {
        memcpy(bytes, upstream->kept, n);
        if (n == upstream->kept_left && upstream->hooks.kept_stand && !upstream->hooks.kept_stand(upstream->hooks.owner))
            return -ECANCELED;
        upstream->kept += n;
        upstream->kept_left -= n;
        route_count(upstream->route, METRIC_UPSTREAM_BYTES_OUT, n);
        return (ssize_t)n;
    }
    n = pipe_get(&upstream->out, bytes, max);
    upstream->is_starved = n == 0;
    route_count(upstream->route, METRIC_UPSTREAM_BYTES_OUT, n);
    if (n > 0)
        upstream->hooks.moved(upstream->hooks.owner);
    return (ssize_t)n;
}

/* Copies text into memory that was reserved for it. */
static struct slice keep_text(struct buf *text, struct slice slice)
{
    struct slice kept = {text->bytes + text->len, slice.len};

    if (slice.len > 0)
        memcpy(text->bytes + text->len, slice.bytes, slice.len);
    text->bytes[text->len + slice.len] = '\0';
    text->len += slice.len + 1;
    return kept;
}

static int keep_head(struct upstream *upstream, const struct head *head)
{
    bool is_chunked = head_find(head, "Transfer-Encoding") != NULL; /* a length beside it means nothing */
    size_t need = head->reason.len + 1;

    for (unsigned i = 0; i < head->field_count; i++)
        need += head->fields[i].name.len + head->fields[i].value.len + 2;
    int r = buf_reserve(&upstream->head_text, need);

    if (r < 0)
        return r;
    upstream->head.status = head->status;
    upstream->head.reason = keep_text(&upstream->head_text, head->reason);
    upstream->head.field_count = 0;
    for (unsigned i = 0; i < head->field_count && r == 0; i++) {
        if (head_is_hop_by_hop(head, head->fields[i].name) ||
            (is_chunked && slice_equal_nocase(head->fields[i].name, SLICE("Content-Length"))))
            continue;
        struct slice name = keep_text(&upstream->head_text, head->fields[i].name);

        r = head_add(&upstream->head, name, keep_text(&upstream->head_text, head->fields[i].value));
    }
    return r;
}

static int take_head(void *owner, const struct head *head)
{
    struct upstream *upstream = owner;
    int r = keep_head(upstream, head);

    report(upstream, BREAKER_SUCCESS);
    if (r < 0)
        return r;
    upstream->has_head = true;
    upstream->hooks.answered(upstream->hooks.owner);
    return 0;
}

/* The client hands over pieces whole: an empty buffer takes one of any size. */
static int make_room(struct pipe_buffer *pipe, size_t len)
{
    if (pipe->len + len <= pipe->capacity)
        return 0;
    if (pipe->len > 0)
        return -EAGAIN;
    return pipe_open(pipe, len > UPSTREAM_BUFFER_BYTES ? len : UPSTREAM_BUFFER_BYTES);
}

static int take_body(void *owner, const char *bytes, size_t len)
{
    struct upstream *upstream = owner;
    int r = make_room(&upstream->in, len);

    if (r < 0) {
        upstream->is_full = r == -EAGAIN;
        return r;
    }
    pipe_put(&upstream->in, bytes, len);
    route_count(upstream->route, METRIC_UPSTREAM_BYTES_IN, len);
    upstream->hooks.moved(upstream->hooks.owner);
    return 0;
}

static void finish(void *owner, const struct httpresult *result)
{
    struct upstream *upstream = owner;

    upstream->request = NULL;
    upstream->is_cut = result->result < 0;
    report(upstream, result->result == -ECANCELED ? BREAKER_ABANDONED : BREAKER_FAILURE);
    if (upstream->has_head)
        upstream->hooks.moved(upstream->hooks.owner);
    else
        upstream->hooks.failed(upstream->hooks.owner, result->may_have_run, result->reason);
}

/* ---- the exchange's side ---- */

int upstream_start(struct route *route, const struct upstream_request *request, const struct upstream_hooks *hooks,
                   struct upstream **ret_upstream)
{
    struct httprequest_hooks client_hooks = {give_body, take_head, take_body, finish, NULL};
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    int r = upstream ? 0 : -ENOMEM;

    if (upstream) {
        upstream->route = route;
        upstream->endpoint = request->endpoint;
        upstream->hooks = *hooks;
        upstream->kept = request->kept;
        upstream->kept_left = request->kept_bytes;
        upstream->has_all = request->kept_bytes == request->body_bytes;
        buf_init(&upstream->head_text, HEAD_TEXT_BYTES);
        client_hooks.owner = upstream;
    } else {
        route_report(route, request->endpoint, BREAKER_ABANDONED);
    }
    if (r == 0 && request->body_bytes > request->kept_bytes)
        r = pipe_open(&upstream->out, UPSTREAM_BUFFER_BYTES);
    if (r == 0)
        r = httpclient_start(route_client(route), route_origin(request->endpoint), request->head, request->body_bytes, 0,
                             &client_hooks, &upstream->request);
    if (r < 0) {
        upstream_free(upstream);
        return r;
    }
    *ret_upstream = upstream;
    return 0;
}

struct upstream *upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return NULL;
    httprequest_cancel(upstream->request);
    report(upstream, BREAKER_ABANDONED);
    pipe_close(&upstream->out);
    pipe_close(&upstream->in);
    buf_free(&upstream->head_text);
    free(upstream);
    return NULL;
}

void upstream_blame(struct upstream *upstream)
{
    report(upstream, BREAKER_FAILURE);
}

size_t upstream_write(struct upstream *upstream, const char *bytes, size_t len)
{
    size_t n = pipe_put(&upstream->out, bytes, len);

    if (n > 0 && upstream->is_starved && upstream->request) {
        upstream->is_starved = false;
        httprequest_resume(upstream->request);
    }
    return n;
}

const struct head *upstream_head(const struct upstream *upstream)
{
    return upstream->has_head ? &upstream->head : NULL;
}

bool upstream_is_over(const struct upstream *upstream)
{
    return !upstream->request;
}

bool upstream_needs_kept(const struct upstream *upstream)
{
    return upstream->request && upstream->kept_left > 0;
}

bool upstream_has_all(const struct upstream *upstream)
{
    return upstream->has_all;
}

ssize_t upstream_read(struct upstream *upstream, char *bytes, size_t max)
{
    size_t n = pipe_get(&upstream->in, bytes, max);

    if (n == 0 && !upstream->request)
        return upstream->is_cut ? -EIO : -ENODATA;
    if (upstream->is_full && upstream->request && upstream->in.len <= upstream->in.capacity / 2) {
        upstream->is_full = false;
        httprequest_resume(upstream->request);
    }
    return (ssize_t)n;
}
