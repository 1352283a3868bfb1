/* SPDX-License-Identifier: MIT */
/* Tests of the lines of the access log and of the list of the last failures. */
#include "../../src/blobproxyd/failures.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct access make(unsigned status, int64_t ended_us)
{
    struct access access;

    access_init(&access);
    access.status = status;
    access.ended_us = ended_us;
    access.is_delivered = true;
    access.operation = OPERATION_GetBlob;
    return access;
}

static const char *value_of(const struct log_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].value;
    return NULL;
}

/* ---- one line ---- */

Test(failures, a_line_leaves_out_what_says_nothing)
{
    struct access access = make(200, 1);
    struct log_field fields[ACCESS_FIELDS];
    struct access_numbers numbers;
    size_t count = access_fields(&access, &numbers, fields);
    static const char *const said[] = {"operation", "status", "duration_us", "bytes_in", "bytes_out", "route", "peer"};

    cr_assert_eq(count, sizeof(said) / sizeof(said[0]));
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(fields[i].key, said[i]);
    cr_expect_str_eq(value_of(fields, count, "peer"), "tcp");
    cr_expect_str_eq(value_of(fields, count, "route"), "none");
}

Test(failures, a_line_has_a_place_for_everything)
{
    struct access access = make(503, 1);
    struct log_field fields[ACCESS_FIELDS];
    struct access_numbers numbers;

    access.is_delivered = false;
    access.route = ACCESS_ROUTE_UPSTREAM;
    access.route_reason = "body_size";
    access.sample = 100;
    access.duration_us = UINT64_MAX;
    access.bytes_in = 0;
    access.bytes_out = 10;
    access.caller = (struct caller){.kind = CALLER_UNIX, .has_uid = true, .uid = (uid_t)-2};
    access_set(access.method, SLICE("GET"));
    access_set(access.code, SLICE("ServerBusy"));
    access_set(access.account, SLICE("account"));
    access_set(access.container, SLICE("box"));
    access_set(access.target, SLICE("/box/blob?sig=abc"));
    access_set(access.transfer, SLICE("t"));
    access_set(access.request_id, SLICE("r"));
    access_set(access.client_request_id, SLICE("c"));
    access_set(access.user_agent, SLICE("u"));
    access_set(access.problem, SLICE("p"));
    size_t count = access_fields(&access, &numbers, fields);

    cr_assert_eq(count, ACCESS_FIELDS);
    cr_expect_str_eq(value_of(fields, count, "status"), "503");
    cr_expect_str_eq(value_of(fields, count, "duration_us"), "18446744073709551615");
    cr_expect_str_eq(value_of(fields, count, "bytes_in"), "0");
    cr_expect_str_eq(value_of(fields, count, "bytes_out"), "10");
    cr_expect_str_eq(value_of(fields, count, "peer_uid"), "4294967294");
    cr_expect_str_eq(value_of(fields, count, "peer"), "unix");
    cr_expect_str_eq(value_of(fields, count, "sample"), "100");
    cr_expect_str_eq(value_of(fields, count, "delivered"), "no");
    cr_expect_str_eq(value_of(fields, count, "target"), "/box/blob?sig=redacted");
    cr_expect_str_eq(value_of(fields, count, "route_reason"), "body_size");
}

Test(failures, the_longest_line_is_still_one_whole_object)
{
    static char from[5000];
    struct access access = make(500, 1);
    char text[ACCESS_TEXT_BYTES];

    memset(from, '"', sizeof(from)); /* twice as long when it is escaped */
    struct slice longest = {from, sizeof(from)};

    access_set(access.method, longest);
    access_set(access.code, longest);
    access_set(access.account, longest);
    access_set(access.container, longest);
    access_set(access.target, longest);
    access_set(access.transfer, longest);
    access_set(access.request_id, longest);
    access_set(access.client_request_id, longest);
    access_set(access.user_agent, longest);
    access_set(access.problem, longest);
    size_t len = access_format(&access, text);

    cr_assert_lt(len, sizeof(text));
    cr_assert_eq(text[len - 1], '}');
    cr_assert_not_null(strstr(text, "\"problem\":\"\\\"\\\""), "nothing is left out: %s", text + len - 100);
}

/* ---- the list ---- */

Test(failures, the_newest_come_first_and_the_oldest_go)
{
    struct failures *failures = failures_new();
    static struct access read[2 * FAILURES_MAX];
    unsigned room = FAILURES_MAX - FAILURES_ORDINARY;

    cr_assert_not_null(failures);
    cr_expect_eq(failures_read(&failures, 1, read, FAILURES_MAX), 0u);
    for (unsigned i = 1; i <= room + 10; i++) {
        struct access access = make(500, i);
        failures_add(failures, &access);
    }
    cr_assert_eq(failures_read(&failures, 1, read, FAILURES_MAX), room);
    for (unsigned i = 0; i < room; i++)
        cr_expect_eq(read[i].ended_us, (int64_t)(room + 10 - i));
    cr_assert_eq(failures_read(&failures, 1, read, 3), 3u);
    cr_expect_eq(read[2].ended_us, (int64_t)(room + 8));
    failures_free(failures);
}

Test(failures, what_programs_provoke_pushes_nothing_else_out)
{
    static const unsigned ordinary[] = {404, 409, 412, 416};
    struct failures *failures = failures_new();
    static struct access read[2 * FAILURES_MAX];
    struct access bad = make(403, 1), cut = make(404, 2);

    cut.is_delivered = false;
    failures_add(failures, &bad);
    failures_add(failures, &cut);
    for (unsigned i = 0; i < 1000; i++) {
        struct access access = make(ordinary[i % 4], 10 + i);
        failures_add(failures, &access);
    }
    size_t count = failures_read(&failures, 1, read, FAILURES_MAX);

    cr_assert_eq(count, FAILURES_ORDINARY + 2);
    cr_expect_eq(read[0].ended_us, 1009);
    cr_expect_eq(read[count - 2].ended_us, 2);
    cr_expect_eq(read[count - 1].status, 403u);
    failures_free(failures);
}

Test(failures, lists_of_several_shards_are_read_as_one)
{
    struct failures *lists[3] = {failures_new(), NULL, failures_new()};
    static struct access read[5 + FAILURES_MAX];
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 65536);
    for (int i = 1; i <= 6; i++) {
        struct access access = make(503, i);
        failures_add(lists[i % 2 ? 0 : 2], &access);
        failures_add(lists[1], &access);
    }
    cr_assert_eq(failures_read(lists, 3, read, 5), 5u);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(read[i].ended_us, 6 - i);
    cr_assert_eq(failures_write(lists, 3, 2, &text), 0);
    cr_expect_str_eq(text.bytes,
                     "[{\"time\":\"1970-01-01T00:00:00.0000060Z\",\"operation\":\"GetBlob\",\"status\":503,\"duration_us\":0,"
                     "\"bytes_in\":0,\"bytes_out\":0,\"route\":\"none\",\"peer\":\"tcp\"},\n"
                     "{\"time\":\"1970-01-01T00:00:00.0000050Z\",\"operation\":\"GetBlob\",\"status\":503,\"duration_us\":0,"
                     "\"bytes_in\":0,\"bytes_out\":0,\"route\":\"none\",\"peer\":\"tcp\"}]\n");
    failures_free(lists[0]);
    failures_free(lists[2]);
}

Test(failures, no_failures_are_an_empty_array)
{
    struct failures *failures = failures_new();
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 100);
    cr_assert_eq(failures_write(&failures, 1, 10, &text), 0);
    cr_expect_str_eq(text.bytes, "[]\n");
    failures_free(failures);
    cr_expect_null(failures_free(NULL));
}

static void *add_many(void *arg)
{
    for (unsigned i = 1; i <= 2000; i++) {
        struct access access = make(i % 2 ? 500 : 404, i);

        (void)snprintf(access.problem, sizeof(access.problem), "%u", i);
        failures_add(arg, &access);
    }
    return NULL;
}

/* An entry is read as it was written, never half of one and half of another. */
Test(failures, can_be_read_while_the_shard_adds)
{
    struct failures *failures = failures_new();
    struct access *read = malloc(2 * FAILURES_MAX * sizeof(*read));
    pthread_t shard;

    cr_assert_not_null(read);
    cr_assert_eq(pthread_create(&shard, NULL, add_many, failures), 0);
    for (int round = 0; round < 50; round++) {
        size_t count = failures_read(&failures, 1, read, FAILURES_MAX);

        for (size_t i = 0; i < count; i++)
            cr_assert_eq(strtoll(read[i].problem, NULL, 10), (long long)read[i].ended_us);
    }
    cr_assert_eq(pthread_join(shard, NULL), 0);
    cr_assert_eq(failures_read(&failures, 1, read, FAILURES_MAX), FAILURES_MAX);
    free(read);
    failures_free(failures);
}
