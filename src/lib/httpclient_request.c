/* SPDX-License-Identifier: MIT */
/* One request: how libcurl is told to change nothing in it, and libcurl's callbacks. */
#include "httpclient_internal.h"

#include "clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* libcurl's receive buffer. No more than a callback gets at a time: when a resumed answer is paused again, libcurl 8.14 still
 * fills its buffer once, so a larger one would make it keep most of a long answer in memory. */
#define RECEIVE_BUFFER_BYTES ((long)CURL_MAX_WRITE_SIZE)

/* An idle connection is used again within this time only. Common servers close theirs after 5 s, and one that is busy may do so
 * with a request in its socket that it has not seen. */
#define IDLE_SECONDS_MAX 3L

/* The verdict about an answer or an owner that libcurl itself has no word for. */
static size_t request_give_up(struct httprequest *request, int verdict, const char *reason, size_t answer)
{
    request->verdict = verdict;
    request->verdict_reason = reason;
    return answer;
}

void httprequest_arm(struct httprequest *request)
{
    const uint64_t now = clock_mono_us();
    uint64_t until = httpcompat_connect_end_us(request);

    if (request->attempts > 0 && request->client->options.stall_timeout_ms > 0)
        until = request->active_us + (uint64_t)request->client->options.stall_timeout_ms * 1000;
    if (request->deadline_us && request->deadline_us < until)
        until = request->deadline_us;
    if (until == UINT64_MAX)
        return;
    const uint64_t wait_us = until > now ? until - now : 0;
    const struct timeval timeout = {(time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000)};
    evtimer_add(request->on_time, &timeout);
}

/* What libcurl sends out of its own buffer calls nobody: it is seen here. */
static void request_look_at_upload(struct httprequest *request, uint64_t now)
{
    curl_off_t uploaded = 0;

    (void)curl_easy_getinfo(request->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    if (uploaded == request->uploaded)
        return;
    request->uploaded = uploaded;
    request->active_us = now;
}

static void request_on_time(evutil_socket_t fd, short what, void *arg)
{
    struct httprequest *request = arg;
    const uint64_t now = clock_mono_us();
    const uint64_t stall_us = (uint64_t)request->client->options.stall_timeout_ms * 1000;

    (void)fd;
    (void)what;
    if (request->is_over)
        return;
    if (request->deadline_us && now >= request->deadline_us) {
        httprequest_finish(request, -ETIMEDOUT, "the deadline has passed");
        return;
    }
    if (now >= httpcompat_connect_end_us(request)) {
        httprequest_finish(request, -ECONNREFUSED, "no connection in time");
        return;
    }
    if (request->is_take_paused || request->is_read_paused)
        request->active_us = now;
    request_look_at_upload(request, now);
    if (stall_us > 0 && request->attempts > 0 && now >= request->active_us + stall_us) {
        httprequest_finish(request, -ETIMEDOUT, "no byte came or went for too long");
        return;
    }
    httprequest_arm(request);
}

/* The second time means that libcurl found a kept connection dead after sending: a request that may have been executed is not its
 * to repeat. */
bool httprequest_begin_attempt(struct httprequest *request)
{
    if (request->is_over)
        return false;
    if (++request->attempts > 1 && !request->is_repeatable)
        return request_give_up(request, -EPROTO, "the connection ended before an answer", false);
    buf_clear(&request->head);
    request->active_us = clock_mono_us();
    httprequest_arm(request);
    return true;
}

static size_t request_read(char *bytes, size_t size, size_t count, void *arg)
{
    struct httprequest *request = arg;
    const uint64_t left = request->body_bytes - request->body_given;
    size_t max = size * count;

    if (request->is_over)
        return CURL_READFUNC_ABORT;
    if (max > left)
        max = left;
    if (max == 0)
        return 0;
    const ssize_t n = request->hooks.read_body(request->hooks.owner, bytes, max);
    if (n < 0 || request->is_over)
        return request_give_up(request, -ECANCELED, "given up by its owner", CURL_READFUNC_ABORT);
    request->active_us = clock_mono_us();
    if (n == 0) {
        request->is_read_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    assert((size_t)n <= max);
    request->body_given += (uint64_t)n;
    return (size_t)n;
}

/* The start line of any version, rewritten as that of HTTP/1.1. Without a reason it may lack the blank before it. */
static int request_take_status_line(struct httprequest *request, const char *line, size_t len)
{
    const char *const blank = memchr(line, ' ', len);
    const size_t code_end = blank ? (size_t)(blank - line) + 4 : 0;

    buf_clear(&request->head);
    if (!blank || len < code_end)
        return -EBADMSG;
    buf_puts(&request->head, "HTTP/1.1");
    buf_append(&request->head, blank, 4);
    if (len == code_end + 2)
        buf_puts(&request->head, " ");
    return buf_append(&request->head, line + code_end, len - code_end);
}

static int request_take_head(struct httprequest *request)
{
    struct head head = {.status = 0};
    int rc = head_parse_response(request->head.bytes, request->head.len, &head);

    if (rc != 0)
        return (int)request_give_up(request, -EPROTO,
                                    rc == -E2BIG ? "the answer has too many fields" : "the answer's head is no HTTP", 1);
    if (head.status == 101)
        return (int)request_give_up(request, -EPROTO, "the answer switches protocols", 1);
    if (head.status < 200) {
        buf_clear(&request->head);
        return 0;
    }
    request->is_head_taken = true;
    rc = request->hooks.take_head(request->hooks.owner, &head);
    if (rc < 0 || request->is_over)
        return (int)request_give_up(request, -ECANCELED, "given up by its owner", 1);
    /* libcurl sends no more of the body then, but would wait for the end of the pause. */
    if (head.status >= 300 && request->is_read_paused)
        httprequest_resume(request);
    return 0;
}

/* A line of the head at a time, its end included; trailers come here, too. */
static size_t request_take_line(char *line, size_t size, size_t count, void *arg)
{
    struct httprequest *request = arg;
    const size_t len = size * count;
    int rc;

    if (request->is_over)
        return 0;
    request->active_us = clock_mono_us();
    if (request->is_head_taken)
        return len;
    if (request->head.len == 0)
        rc = request_take_status_line(request, line, len);
    else
        rc = buf_append(&request->head, line, len);
    if (rc < 0)
        return request_give_up(request, -EPROTO, rc == -ENOBUFS ? "the answer's head is too long" : "the answer is no HTTP", 0);
    if (len == 2 && line[0] == '\r' && request_take_head(request) != 0)
        return 0;
    return len;
}

static size_t request_take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct httprequest *request = arg;
    const size_t len = size * count;

    if (request->is_over || !request->is_head_taken)
        return 0;
    request->active_us = clock_mono_us();
    const int rc = request->hooks.take_body(request->hooks.owner, bytes, len);
    if (request->is_over)
        return 0;
    if (rc == -EAGAIN) {
        request->is_take_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (rc < 0)
        return request_give_up(request, -ECANCELED, "given up by its owner", 0);
    return len;
}

/* Scheme and authority, nothing else. */
int httpclient_check_origin(const char *origin)
{
    static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_QUERY,
                                         CURLUPART_FRAGMENT};
    CURLU *url = curl_url();
    char *path = NULL;
    char *scheme = NULL;
    int rc = -EINVAL;

    if (!url)
        return -EINVAL;
    if (strchr(origin, '?') || strchr(origin, '#') || curl_url_set(url, CURLUPART_URL, origin, 0) ||
        curl_url_get(url, CURLUPART_PATH, &path, 0) || curl_url_get(url, CURLUPART_SCHEME, &scheme, 0))
        goto end;
    if (strcmp(path, "/") != 0 || origin[strlen(origin) - 1] == '/' ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        goto end;
    rc = 0;
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        char *part = NULL;

        if (curl_url_get(url, unwanted[i], &part, 0) == CURLUE_OK)
            rc = -EINVAL;
        curl_free(part);
    }
end:
    curl_free(path);
    curl_free(scheme);
    curl_url_cleanup(url);
    return rc;
}

static bool is_one_line(struct slice slice)
{
    return slice.len == 0 || (!memchr(slice.bytes, '\r', slice.len) && !memchr(slice.bytes, '\n', slice.len) &&
                              !memchr(slice.bytes, '\0', slice.len));
}

/* libcurl's form: "Name: value", "Name;" for an empty value, "Name:" for a field of its own that is not wanted. */
static int request_add_line(struct httprequest *request, struct buf *line)
{
    struct curl_slist *longer = line->failed ? NULL : curl_slist_append(request->fields, line->bytes);

    if (!longer)
        return -ENOMEM;
    request->fields = longer;
    buf_clear(line);
    return 0;
}

static int request_add_fields(struct httprequest *request, const struct head *head)
{
    static const char *const own[] = {"Accept", "Expect", "User-Agent", "Content-Type", "Transfer-Encoding"};
    struct buf line CLEANUP(buf_free);
    int rc = 0;

    buf_init(&line, LIMIT_HEAD_BYTES);
    for (size_t i = 0; rc == 0 && i < head->field_count; i++) {
        const struct head_field *field = &head->fields[i];

        if (field->name.len == 0 || !is_one_line(field->name) || !is_one_line(field->value))
            return -EINVAL;
        buf_append(&line, field->name.bytes, field->name.len);
        buf_puts(&line, field->value.len > 0 ? ": " : ";");
        if (field->value.len > 0)
            buf_append(&line, field->value.bytes, field->value.len);
        rc = request_add_line(request, &line);
    }
    for (size_t i = 0; rc == 0 && i < sizeof(own) / sizeof(own[0]); i++) {
        if (head_find(head, own[i]))
            continue;
        buf_printf(&line, "%s:", own[i]);
        rc = request_add_line(request, &line);
    }
    return rc;
}

/* What would break the framing is refused: the client says how long the body is, and only it. */
static int request_check_head(const struct head *head, uint64_t body_bytes)
{
    uint64_t length = 0;
    const int rc = head_content_length(head, &length);

    if (head->method.len == 0 || head->target.len == 0 || !is_one_line(head->method) || !is_one_line(head->target))
        return -EINVAL;
    if (head_find(head, "Transfer-Encoding") || rc == -EBADMSG || length != body_bytes)
        return -EINVAL;
    return slice_equal(head->method, SLICE("HEAD")) && body_bytes > 0 ? -EINVAL : 0;
}

static CURLcode request_set_target(struct httprequest *request, const char *origin, const struct head *head)
{
    CLEANUP(cleanup_free) char *method = strndup(head->method.bytes, head->method.len);
    CLEANUP(cleanup_free) char *target = strndup(head->target.bytes, head->target.len);
    CURL *easy = request->easy;
    const bool is_head = slice_equal(head->method, SLICE("HEAD"));
    CURLcode rc = !method || !target ? CURLE_OUT_OF_MEMORY : curl_easy_setopt(easy, CURLOPT_URL, origin);

    request->is_repeatable = request->body_bytes == 0 && (is_head || slice_equal(head->method, SLICE("GET")));
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target);
    if (rc == CURLE_OK && is_head)
        rc = curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (rc == CURLE_OK && request->body_bytes > 0)
        rc = curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    if (rc == CURLE_OK && request->body_bytes > 0)
        rc = curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_bytes);
    if (rc == CURLE_OK && !is_head)
        rc = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    return rc == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->fields) : rc;
}

static CURLcode request_set_hooks(struct httprequest *request, bool is_https)
{
    CURL *easy = request->easy;

    if (curl_easy_setopt(easy, CURLOPT_PRIVATE, request) || curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error) ||
        httpcompat_set(request, is_https) || curl_easy_setopt(easy, CURLOPT_READFUNCTION, request_read) ||
        curl_easy_setopt(easy, CURLOPT_READDATA, request) || curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, request_take_line) ||
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) || curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, request_take_body) ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, request))
        return CURLE_OUT_OF_MEMORY;
    return CURLE_OK;
}

static CURLcode request_set_transport(struct httprequest *request)
{
    const struct httpclient_options *options = &request->client->options;
    CURL *easy = request->easy;

    if (curlcompat_allow(easy, true) || curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) ||
        curl_easy_setopt(easy, CURLOPT_PROXY, "") || curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") ||
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) || curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L) ||
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) || curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES) ||
        curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_SECONDS_MAX) ||
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ||
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)(options->no_http2 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS)))
        return CURLE_OUT_OF_MEMORY;
    if (!options->ca_file)
        return CURLE_OK;
    if (curl_easy_setopt(easy, CURLOPT_CAPATH, NULL))
        return CURLE_OUT_OF_MEMORY;
    return curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
}

int httprequest_prepare(struct httprequest *request, const char *origin, const struct head *head)
{
    int rc = httpclient_check_origin(origin);

    if (rc == 0)
        rc = request_check_head(head, request->body_bytes);
    if (rc == 0)
        rc = request_add_fields(request, head);
    if (rc < 0)
        return rc;
    request->easy = curl_easy_init();
    request->on_time = evtimer_new(request->client->base, request_on_time, request);
    if (!request->easy || !request->on_time || request_set_hooks(request, strncasecmp(origin, "https:", 6) == 0) ||
        request_set_transport(request) || request_set_target(request, origin, head))
        return -ENOMEM;
    httprequest_arm(request);
    return 0;
}

void httprequest_free(struct httprequest *request)
{
    struct httpclient *client = request->client;

    assert(request->is_over && !client->is_in_curl);
    if (request->has_chore)
        TAILQ_REMOVE(&client->chores, request, chore_link);
    request->has_chore = false;
    if (request->is_added && httpcompat_is_looking_up(request))
        return;
    if (request->is_added)
        (void)curl_multi_remove_handle(client->multi, request->easy);
    curl_easy_cleanup(request->easy);
    curl_slist_free_all(request->fields);
    if (request->on_time)
        event_free(request->on_time);
    TAILQ_REMOVE(&client->requests, request, link);
    buf_free(&request->head);
    free(request);
}

void httprequest_finish(struct httprequest *request, int result, const char *reason)
{
    const struct httpresult told = {.result = result, .may_have_run = request->attempts > 0, .reason = reason};

    if (!request->is_over) {
        request->is_over = true;
        request->hooks.done(request->hooks.owner, &told);
    }
    httprequest_free(request);
}

void httprequest_conclude(struct httprequest *request, CURLcode code)
{
    const char *reason = request->error[0] ? request->error : curl_easy_strerror(code);

    request->compat.is_looking_up = false;
    if (request->verdict < 0)
        httprequest_finish(request, request->verdict, request->verdict_reason);
    else if (code == CURLE_OK && request->is_head_taken)
        httprequest_finish(request, 0, "done");
    else
        httprequest_finish(request, request->attempts > 0 ? -EPROTO : -ECONNREFUSED, reason);
}
