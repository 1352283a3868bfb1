/* SPDX-License-Identifier: MIT */
/* Signed requests, and what became of them. */
#include "rights_fixture.h"

#include "../../src/lib/clock.h"
#include "../../src/lib/sign/sharedkey.h"
#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void rights_set(struct fixture *fixture, const char *text)
{
    struct buf errors CLEANUP(buf_free);

    buf_init(&errors, 4096);
    cr_assert_eq(conf_parse_text(fixture->conf, "test", text, strlen(text), &errors), 0, "%s", errors.bytes);
    fixture->env.hosts.account_suffixes = (const char *const *)fixture->conf->listen_account_suffixes.items;
    fixture->env.hosts.domains = (const char *const *)fixture->conf->accounts_domains.items;
}

static struct slice path_of(const char *target)
{
    return (struct slice){target, strcspn(target, "?")};
}

static struct slice query_of(const char *target)
{
    const char *mark = strchr(target, '?');

    return mark ? slice_of(mark + 1) : (struct slice){NULL, 0};
}

struct exchange *rights_request(struct fixture *fixture, struct client_request *request, const char *method, const char *target,
                                const char *scheme, size_t key, const char *const *fields)
{
    struct head head = {.method = slice_of(method)};
    struct sharedkey_request signing = {&head, ACCOUNT, path_of(target), query_of(target)};
    char date[CLOCK_HTTP_DATE_BYTES], signature[SHAREDKEY_SIGNATURE_BYTES];
    struct buf text CLEANUP(buf_free);
    size_t count = 0;

    buf_init(&text, 65536);
    clock_format_http(clock_wall_us(), date);
    snprintf(request->date, sizeof(request->date), "x-ms-date: %s", date);
    for (; fields[count]; count++)
        request->fields[count] = fields[count];
    request->fields[count++] = request->date;
    for (size_t i = 0; i < count; i++) {
        size_t name = strcspn(request->fields[i], ":");

        cr_assert_eq(head_add(&head, (struct slice){request->fields[i], name}, slice_of(request->fields[i] + name + 2)), 0);
    }
    cr_assert_eq(sharedkey_string_to_sign(&signing, SHAREDKEY_ORDER_CULTURE, &text), 0);
    sharedkey_sign(&accounts_find(fixture->conf->accounts, ACCOUNT)->keys[key], text.bytes, text.len, signature);
    snprintf(request->authorization, sizeof(request->authorization), "Authorization: %s " ACCOUNT ":%s", scheme, signature);
    request->fields[count++] = request->authorization;
    request->fields[count] = NULL;
    struct exchange *x = fixture_request(fixture, method, target, request->fields);

    exchange_set_caller(x, &(struct caller){.kind = CALLER_TCP, .is_loopback = true});
    return x;
}

void rights_expect_signed(struct fixture *fixture)
{
    const struct head *seen = &fixture->seen;
    const char *mark = memchr(seen->target.bytes, '?', seen->target.len);
    struct slice path = {seen->target.bytes, mark ? (size_t)(mark - seen->target.bytes) : seen->target.len};
    struct slice query = mark ? (struct slice){mark + 1, seen->target.len - path.len - 1} : (struct slice){NULL, 0};
    struct sharedkey_request request = {seen, ACCOUNT, path, query};
    struct account only_first = *accounts_find(fixture->conf->accounts, ACCOUNT);

    only_first.keys[1].len = 0;
    cr_expect_eq(sharedkey_verify(&request, (struct slice){NULL, 0}, &only_first, clock_wall_us()), SHAREDKEY_OK);
}

void rights_finish(struct fixture *fixture, struct exchange *x)
{
    while (fixture->in_flight > 0)
        fixture_answer(fixture, VSP_STATUS_OK, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n", NULL, 0);
    exchange_end(x, true);
    fixture_free(fixture);
}

void rights_expect_refused(struct fixture *fixture, struct exchange *x, unsigned status, const char *code)
{
    struct answer answer;

    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, status, "%u", answer.status);
    cr_expect(slice_equal(head_value(answer.head, "x-ms-error-code"), slice_of(code)), "%s", code);
    cr_expect_not_null(memmem(answer.body, answer.body_bytes, code, strlen(code)));
    cr_expect_eq(fixture->submits, 0);
}
