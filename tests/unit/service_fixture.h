/* SPDX-License-Identifier: MIT */
/* A service on a real store in a directory of its own, and what the tests of the service ask it with. */
#ifndef TEST_SERVICE_FIXTURE_H
#define TEST_SERVICE_FIXTURE_H

#include "../../src/blobhostd/service.h"
#include "../../src/lib/azure/error.h"
#include "../../src/lib/clock.h"
#include "../../src/lib/sign/sharedkey.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ACCOUNT "devstoreaccount1"
#define DATA_BYTES (1u << 20)
#define PIECE_BYTES 1000u /* of the data buffer's first pieces: no boundary is a round one */
#define UNUSED __attribute__((unused))

enum signing { SIGN, ANONYMOUS };

static struct {
    char directory[64];
    struct store *store;
    struct accounts *accounts;
    struct service *service;
    uint8_t *data;
    uint64_t capacity;
    uint64_t deadline_us;
    const char *host;
    enum signing signing;
    bool is_without_length; /* PUT without Content-Length */
    const char *date;       /* x-ms-date; NULL: now */
    /* The last answer. */
    struct host_response response;
    uint32_t done_status;
    unsigned done_count;
    struct head head;
} fx;

UNUSED static void service_set_up(void)
{
    struct err err = {""};
    struct store_options options = {.map_bytes = 256u << 20};

    memset(&fx, 0, sizeof(fx));
    strcpy(fx.directory, "/tmp/test-service-XXXXXX");
    cr_assert_not_null(mkdtemp(fx.directory));
    cr_assert_eq(store_open(fx.directory, &options, &fx.store, &err), 0, "%s", err.text);
    fx.accounts = accounts_new();
    cr_assert_eq(accounts_add_development(fx.accounts, &err), 0);
    cr_assert_eq(accounts_add(fx.accounts, "other", "c2VjcmV0IG9mIHRoZSBvdGhlciBhY2NvdW50", &err), 0);
    cr_assert_eq(service_new(fx.store, fx.accounts, &fx.service), 0);
    fx.data = malloc(64u << 20);
    fx.capacity = DATA_BYTES;
    fx.host = ACCOUNT ".blob.localhost";
    buf_init(&fx.response.head, LIMIT_HEAD_BYTES);
}

static int fixture_remove(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

UNUSED static void service_tear_down(void)
{
    fx.service = service_free(fx.service);
    fx.store = store_close(fx.store);
    fx.accounts = accounts_free(fx.accounts);
    buf_free(&fx.response.head);
    free(fx.data);
    (void)nftw(fx.directory, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void fixture_done(void *arg, uint32_t status)
{
    (void)arg;
    fx.done_status = status;
    fx.done_count++;
}

static void fixture_sign(struct head *head, char *authorization, size_t bytes)
{
    const struct account *account = accounts_find(fx.accounts, ACCOUNT);
    const char *question = memchr(head->target.bytes, '?', head->target.len);
    size_t path_len = question ? (size_t)(question - head->target.bytes) : head->target.len;
    struct sharedkey_request request = {.head = head, .account = ACCOUNT, .path = {head->target.bytes, path_len}};
    char signature[SHAREDKEY_SIGNATURE_BYTES];
    struct buf text;

    if (question)
        request.query = (struct slice){question + 1, head->target.len - path_len - 1};
    buf_init(&text, 65536);
    cr_assert_eq(sharedkey_string_to_sign(&request, SHAREDKEY_ORDER_CULTURE, &text), 0);
    sharedkey_sign(&account->keys[0], text.bytes, text.len, signature);
    (void)snprintf(authorization, bytes, "SharedKey %s:%s", ACCOUNT, signature);
    buf_free(&text);
}

/* Lays the data buffer out in uneven pieces and executes. */
static void fixture_execute(const struct head *head, uint64_t body_bytes)
{
    struct iovec pieces[4];
    uint64_t left = fx.capacity, at = 0;
    int count = 0;
    struct executor *executor = service_executor(fx.service);

    while (left > 0) {
        uint64_t step = count < 3 && left > PIECE_BYTES ? PIECE_BYTES : left;

        pieces[count++] = (struct iovec){fx.data + at, step};
        at += step;
        left -= step;
    }
    struct host_request request = {.guid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
                                   .head = head,
                                   .data = pieces,
                                   .data_iov_count = count,
                                   .data_capacity = fx.capacity,
                                   .body_bytes = body_bytes,
                                   .deadline_us = fx.deadline_us};
    fx.done_count = 0;
    executor->execute(executor, &request, &fx.response, fixture_done, NULL);
    cr_assert_eq(fx.done_count, 1);
    if (fx.done_status == 0)
        cr_assert_eq(head_parse_response(fx.response.head.bytes, fx.response.head.len, &fx.head), 0, "%s",
                     fx.response.head.bytes);
}

/* fields: whole lines with CRLF. Content-Length goes with every PUT. Returns the status. */
UNUSED static unsigned ask_body(const char *method, const char *target, const char *fields, const void *body, size_t body_bytes)
{
    static char text[LIMIT_HEAD_BYTES + 4096];
    static struct head head;
    char date[CLOCK_HTTP_DATE_BYTES], authorization[256];
    size_t len;

    clock_format_http(clock_wall_us(), date);
    len = (size_t)snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\nx-ms-date: %s\r\n%s", method, target, fx.host,
                           fx.date ? fx.date : date, fields ? fields : "");
    if (strcmp(method, "PUT") == 0 && !fx.is_without_length && !strcasestr(fields ? fields : "", "content-length:"))
        len += (size_t)snprintf(text + len, sizeof(text) - len, "Content-Length: %zu\r\n", body_bytes);
    memcpy(text + len, "\r\n", 3);
    cr_assert_eq(head_parse_request(text, len + 2, &head), 0, "%s", text);
    if (fx.signing == SIGN) {
        fixture_sign(&head, authorization, sizeof(authorization));
        cr_assert_eq(head_add(&head, SLICE("Authorization"), slice_of(authorization)), 0);
    }
    if (body_bytes > 0)
        memcpy(fx.data, body, body_bytes);
    fixture_execute(&head, body_bytes);
    return fx.head.status;
}

UNUSED static unsigned ask(const char *method, const char *target, const char *fields)
{
    return ask_body(method, target, fields, NULL, 0);
}

UNUSED static unsigned put_blob(const char *target, const char *fields, const char *body)
{
    char all[2048];

    (void)snprintf(all, sizeof(all), "x-ms-blob-type: BlockBlob\r\n%s", fields ? fields : "");
    return ask_body("PUT", target, all, body, strlen(body));
}

/* Value of a field of the last answer, "" when absent; valid until the fourth call after. */
UNUSED static const char *field(const char *name)
{
    static char texts[4][2048];
    static unsigned next;
    char *text = texts[next++ % 4];
    struct slice value = head_value(&fx.head, name);

    (void)snprintf(text, sizeof(texts[0]), "%.*s", (int)value.len, value.bytes ? value.bytes : "");
    return text;
}

UNUSED static const char *code(void)
{
    return field("x-ms-error-code");
}

/* Body of the last answer as text. */
UNUSED static const char *body(void)
{
    fx.data[fx.response.body_bytes] = '\0';
    return (const char *)fx.data;
}

UNUSED static unsigned count_in_body(const char *needle)
{
    unsigned count = 0;

    for (const char *p = strstr(body(), needle); p; p = strstr(p + 1, needle))
        count++;
    return count;
}

/* Text between <element> and </element> in the body. */
UNUSED static const char *element(const char *name)
{
    static char text[8192];
    char open[64];
    const char *start, *end;

    (void)snprintf(open, sizeof(open), "<%s>", name);
    text[0] = '\0';
    start = strstr(body(), open);
    if (!start)
        return text;
    start += strlen(open);
    end = strchr(start, '<');
    (void)snprintf(text, sizeof(text), "%.*s", (int)(end - start), start);
    return text;
}

UNUSED static void make_container(void)
{
    cr_assert_eq(ask("PUT", "/box?restype=container", NULL), 201, "%s", body());
}

UNUSED static void expect_answer(unsigned wanted_status, const char *wanted_code, const char *file, int line)
{
    cr_expect(fx.head.status == wanted_status && strcmp(code(), wanted_code) == 0, "%s:%d: %u %s: %s", file, line, fx.head.status,
              code(), body());
}

#define EXPECT(wanted_status, wanted_code) expect_answer((wanted_status), (wanted_code), __FILE__, __LINE__)

#endif
