/* SPDX-License-Identifier: MIT */
/* A Put Blob that is larger than a slot: blocks while the body comes, one commit at the end, and nothing committed otherwise. */
#include "exchange_fixture.h"

#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES 600000u /* two large slots of the fixture and a piece */
#define TARGET "/devstoreaccount1/cont/blob?sv=2021&sig=x"
#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nContent-MD5: AAAA\r\nETag: \"2\"\r\n"

static const char *const fields[] = {"Host: 127.0.0.1",
                                     "Content-Length: 600000",
                                     "Content-Type: text/plain",
                                     "x-ms-blob-type: BlockBlob",
                                     "x-ms-version: 2021-12-02",
                                     "x-ms-meta-color: blue",
                                     "x-ms-tags: a=b",
                                     "If-None-Match: *",
                                     NULL};

static char body[BODY_BYTES];
static char stored[BODY_BYTES]; /* what the host got in blocks, in the order of the list */

static void fill_body(void)
{
    for (size_t i = 0; i < BODY_BYTES; i++)
        body[i] = (char)(i * 31 >> 3);
}

static struct slot *slot_of(struct transfer *transfer)
{
    return (struct slot *)((char *)transfer - offsetof(struct slot, transfer));
}

static bool targets(const struct head *seen, const char *text)
{
    return memmem(seen->target.bytes, seen->target.len, text, strlen(text)) != NULL;
}

/* Answers the oldest transfer as a host that stores blocks would. */
static void store_block(struct fixture *fixture, size_t *stored_bytes)
{
    const struct head *seen = fixture_look(fixture);
    struct transfer *transfer = fixture->submitted[0];

    cr_assert(targets(seen, "/cont/blob?sv=2021&sig=x&comp=block&blockid="));
    cr_expect_null(head_find(seen, "x-ms-meta-color"));
    cr_expect_null(head_find(seen, "If-None-Match"));
    cr_expect_null(head_find(seen, "x-ms-blob-type"));
    cr_expect_not_null(head_find(seen, "x-ms-version"));
    memcpy(stored + *stored_bytes, slot_of(transfer)->data, transfer->data_valid_bytes);
    *stored_bytes += transfer->data_valid_bytes;
    fixture_answer(fixture, VSP_STATUS_OK, CREATED, NULL, 0);
}

/* Sends the rest of the body, storing blocks whenever the exchange waits for that. */
static enum exchange_next send_rest(struct fixture *fixture, struct exchange *x, size_t *sent, size_t *stored_bytes)
{
    while (*sent < BODY_BYTES) {
        size_t taken, len = BODY_BYTES - *sent < 30000 ? BODY_BYTES - *sent : 30000;
        enum exchange_next next = exchange_body(x, body + *sent, len, &taken);

        *sent += taken;
        if (next == EXCHANGE_ANSWER)
            return next;
        if (next == EXCHANGE_WAIT)
            store_block(fixture, stored_bytes);
    }
    return exchange_continue(x);
}

static struct exchange *begin_upload(struct fixture *fixture)
{
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, fields);

    fill_body();
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    return x;
}

static unsigned used_slots(const struct fixture *fixture)
{
    struct slots_figures figures = slots_figures(fixture->env.slots);

    return figures.used[SLOT_SMALL] + figures.used[SLOT_LARGE];
}

Test(upload, becomes_blocks_and_one_list_with_the_requests_fields)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    size_t sent = 0, stored_bytes = 0;
    struct answer answer;

    cr_assert_eq(send_rest(fixture, x, &sent, &stored_bytes), EXCHANGE_WAIT);
    while (fixture->in_flight > 0 && targets(fixture_look(fixture), "comp=block&"))
        store_block(fixture, &stored_bytes);
    cr_expect_eq(stored_bytes, BODY_BYTES);
    cr_expect_arr_eq(stored, body, BODY_BYTES);
    cr_assert_eq(fixture->in_flight, 1);
    const struct head *seen = fixture_look(fixture);

    cr_assert(targets(seen, "&comp=blocklist"));
    cr_expect(slice_equal(head_value(seen, "x-ms-meta-color"), SLICE("blue")));
    cr_expect(slice_equal(head_value(seen, "x-ms-tags"), SLICE("a=b")));
    cr_expect(slice_equal(head_value(seen, "If-None-Match"), SLICE("*")));
    cr_expect(slice_equal(head_value(seen, "x-ms-blob-content-type"), SLICE("text/plain")));
    cr_expect_eq(head_value(seen, "x-ms-blob-content-md5").len, 24);
    cr_expect_null(head_find(seen, "x-ms-blob-type"));
    struct slot *slot = slot_of(fixture->submitted[0]);
    unsigned listed = 0;
    const char *at = (const char *)slot->data, *end = at + slot->transfer.data_valid_bytes;

    while ((at = memmem(at, (size_t)(end - at), "<Uncommitted>", 13)) != NULL) {
        at += 13;
        listed++;
    }
    cr_expect_eq(listed, 3);
    fixture_answer(fixture, VSP_STATUS_OK, CREATED, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 201);
    cr_expect_eq(head_value(answer.head, "Content-MD5").len, 24, "the list's digest is not the blob's");
    exchange_end(x, true);
    cr_expect_eq(used_slots(fixture), 0);
    fixture_free(fixture);
}

Test(upload, works_with_a_single_slot)
{
    struct fixture *fixture = fixture_new(0, 1);
    struct exchange *x = begin_upload(fixture);
    size_t sent = 0, stored_bytes = 0;

    cr_assert_eq(send_rest(fixture, x, &sent, &stored_bytes), EXCHANGE_WAIT);
    store_block(fixture, &stored_bytes);
    fixture_turn(fixture);
    cr_expect_arr_eq(stored, body, BODY_BYTES);
    cr_assert_eq(fixture->in_flight, 1);
    cr_expect(targets(fixture_look(fixture), "&comp=blocklist"));
    fixture_answer(fixture, VSP_STATUS_OK, CREATED, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(upload, a_client_that_leaves_commits_nothing)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    size_t taken = 0, sent = 0;

    while (sent < BODY_BYTES / 2) {
        cr_assert_eq(exchange_body(x, body + sent, 30000, &taken), EXCHANGE_BODY);
        sent += taken;
    }
    cr_assert_eq(fixture->in_flight, 1);
    exchange_end(x, false);
    fixture_answer(fixture, VSP_STATUS_OK, CREATED, NULL, 0);
    cr_expect_eq(fixture->in_flight, 0);
    cr_expect_eq(used_slots(fixture), 0);
    fixture_free(fixture);
}

Test(upload, a_refused_block_is_the_answer_and_the_rest_is_read_away)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    size_t taken = 0, sent = 0;
    struct answer answer;

    while (fixture->in_flight == 0) {
        cr_assert_eq(exchange_body(x, body + sent, 30000, &taken), EXCHANGE_BODY);
        sent += taken;
    }
    fixture_answer(fixture, VSP_STATUS_OK,
                   "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nx-ms-error-code: ContainerNotFound\r\n", "abc", 3);
    while (sent < BODY_BYTES) {
        size_t len = BODY_BYTES - sent < 30000 ? BODY_BYTES - sent : 30000;

        cr_assert_eq(exchange_body(x, body + sent, len, &taken), EXCHANGE_BODY);
        sent += taken;
    }
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 404);
    cr_expect_arr_eq(answer.body, "abc", 3);
    exchange_end(x, true);
    cr_expect_eq(used_slots(fixture), 0);
    fixture_free(fixture);
}

Test(upload, a_block_lost_with_its_channel_is_sent_again)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    size_t sent = 0, stored_bytes = 0, taken;

    while (fixture->in_flight == 0) {
        cr_assert_eq(exchange_body(x, body + sent, 30000, &taken), EXCHANGE_BODY);
        sent += taken;
    }
    fixture_lose(fixture);
    fixture_turn(fixture);
    cr_assert_eq(fixture->in_flight, 1);
    cr_assert_eq(send_rest(fixture, x, &sent, &stored_bytes), EXCHANGE_WAIT);
    while (fixture->in_flight > 0 && targets(fixture_look(fixture), "comp=block&"))
        store_block(fixture, &stored_bytes);
    cr_expect_arr_eq(stored, body, BODY_BYTES);
    fixture_answer(fixture, VSP_STATUS_OK, CREATED, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(upload, a_block_that_the_host_has_written_over_is_not_sent_again)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    size_t sent = 0, taken;
    struct answer answer;

    while (fixture->in_flight == 0) {
        cr_assert_eq(exchange_body(x, body + sent, 30000, &taken), EXCHANGE_BODY);
        sent += taken;
    }
    memcpy(slot_of(fixture->submitted[0])->data, "<?xml", 5); /* an answer that was never told */
    fixture_lose(fixture);
    fixture_turn(fixture);
    cr_expect_eq(fixture->in_flight, 0);
    for (; sent < BODY_BYTES; sent += taken)
        cr_assert_eq(exchange_body(x, body + sent, BODY_BYTES - sent, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 500);
    cr_expect(slice_equal(head_value(answer.head, "x-ms-error-code"), SLICE("OperationTimedOut")));
    exchange_end(x, true);
    cr_expect_eq(used_slots(fixture), 0);
    fixture_free(fixture);
}

/* All blocks are stored, and the list is at the host. */
static void send_up_to_list(struct fixture *fixture, struct exchange *x)
{
    size_t sent = 0, stored_bytes = 0;

    cr_assert_eq(send_rest(fixture, x, &sent, &stored_bytes), EXCHANGE_WAIT);
    while (targets(fixture_look(fixture), "comp=block&"))
        store_block(fixture, &stored_bytes);
}

Test(upload, a_list_that_the_host_never_had_is_busy)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    struct answer answer;

    send_up_to_list(fixture, x);
    fixture_fail(fixture, -ECANCELED);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 503);
    exchange_end(x, true);
    cr_expect_eq(used_slots(fixture), 0);
    fixture_free(fixture);
}

Test(upload, a_lost_list_is_not_sent_again)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    struct answer answer;

    send_up_to_list(fixture, x);
    fixture_lose(fixture);
    fixture_turn(fixture);
    cr_expect_eq(fixture->in_flight, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 500);
    cr_expect(slice_equal(head_value(answer.head, "x-ms-error-code"), SLICE("OperationTimedOut")));
    exchange_end(x, true);
    fixture_free(fixture);
}

static const char *const expecting[] = {"Host: 127.0.0.1", "Content-Length: 600000", "x-ms-blob-type: BlockBlob",
                                        "Expect: 100-continue", NULL};

Test(upload, who_expects_100_waits_for_its_first_slot_before_it_is_told_to_send)
{
    struct fixture *fixture = fixture_new(1, 1);
    struct slot *slot = slots_take(fixture->env.slots, SLOT_LARGE);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, expecting);
    size_t taken;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    cr_expect_eq(exchange_phase(x), EXCHANGE_IN_SLOT_QUEUE);
    slots_put(slot, fixture->env.slots);
    fixture_turn(fixture);
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY);
    cr_expect_eq(exchange_body(x, body, 30000, &taken), EXCHANGE_BODY);
    cr_expect_eq(taken, 30000);
    exchange_end(x, false);
    cr_expect_eq(used_slots(fixture), 0);
    fixture_free(fixture);
}

Test(upload, who_finds_no_first_slot_in_time_gets_503)
{
    struct fixture *fixture = fixture_new(1, 1);
    struct slot *slot = slots_take(fixture->env.slots, SLOT_LARGE);
    struct exchange *x = begin_upload(fixture);
    struct answer answer;
    size_t taken;

    cr_assert_eq(exchange_body(x, body, BODY_BYTES, &taken), EXCHANGE_WAIT);
    cr_expect_eq(exchange_phase(x), EXCHANGE_IN_SLOT_QUEUE);
    exchange_expire(x);
    cr_assert_eq(exchange_continue(x), EXCHANGE_BODY);
    cr_assert_eq(exchange_body(x, body, BODY_BYTES, &taken), EXCHANGE_BODY);
    cr_assert_eq(taken, BODY_BYTES);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 503);
    exchange_end(x, true);
    slots_put(slot, fixture->env.slots);
    fixture_free(fixture);
}

/* The host refuses the first block with this; what is the answer? */
static void expect_refusal(const char *head, unsigned status, const char *hint)
{
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = begin_upload(fixture);
    size_t taken = 0, sent = 0;
    struct answer answer;

    while (fixture->in_flight == 0) {
        cr_assert_eq(exchange_body(x, body + sent, 30000, &taken), EXCHANGE_BODY);
        sent += taken;
    }
    fixture_answer(fixture, VSP_STATUS_OK, head, NULL, 0);
    for (; sent < BODY_BYTES; sent += taken)
        cr_assert_eq(exchange_body(x, body + sent, BODY_BYTES - sent, &taken), EXCHANGE_BODY);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, status);
    cr_expect_not_null(memmem(answer.body, (size_t)answer.body_bytes, hint, strlen(hint)));
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(upload, a_refusal_that_put_blob_would_not_meet_says_what_to_do)
{
    expect_refusal("HTTP/1.1 409 C\r\nContent-Length: 0\r\nx-ms-error-code: InvalidBlobType\r\n", 409, "delete it first");
    expect_refusal("HTTP/1.1 400 B\r\nContent-Length: 0\r\nx-ms-error-code: InvalidBlobOrBlock\r\n", 400, "uncommitted blocks");
    expect_refusal("HTTP/1.1 400 B\r\nContent-Length: 0\r\nx-ms-error-code: InvalidBlockId\r\n", 400, "uncommitted blocks");
    expect_refusal("HTTP/1.1 403 F\r\nContent-Length: 0\r\nx-ms-error-code: AuthorizationPermissionMismatch\r\n", 403,
                   "permission to write");
}

static void expect_digest_refused(const char *field, const char *code)
{
    const char *with_digest[] = {fields[0], fields[1], fields[3], field, NULL};
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, with_digest);
    size_t sent = 0, stored_bytes = 0;
    struct answer answer;

    fill_body();
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(send_rest(fixture, x, &sent, &stored_bytes), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 400);
    cr_expect(slice_equal(head_value(answer.head, "x-ms-error-code"), slice_of(code)));
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(upload, a_wrong_digest_commits_nothing)
{
    expect_digest_refused("Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==", "Md5Mismatch");
    expect_digest_refused("x-ms-content-crc64: AAAAAAAAAAA=", "Crc64Mismatch");
    expect_digest_refused("x-ms-blob-content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==", "Md5Mismatch");
    expect_digest_refused("Content-MD5: 1B2M2Y8AsgTpgAmY7PhC", "InvalidMd5");
    expect_digest_refused("x-ms-blob-content-md5: no base64 of 16 bytes!!!", "InvalidMd5");
}

Test(upload, a_body_whose_block_list_fits_no_slot_is_refused)
{
    const char *too_large[] = {fields[0], "Content-Length: 5368709120", fields[3], NULL};
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, too_large);
    struct answer answer;

    cr_assert_eq(exchange_begin(x, false), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect_eq(answer.status, 413);
    cr_expect(answer.must_close);
    exchange_end(x, true);
    fixture_free(fixture);
}

Test(upload, a_body_beyond_what_the_service_takes_at_once_goes_in_blocks)
{
    const char *huge[] = {fields[0], "Content-Length: 5368709120", fields[3], NULL};
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, huge);

    fixture->conf->slots_large_bytes = 8u << 20; /* what decides; no byte is sent here */
    cr_expect_eq(exchange_begin(x, false), EXCHANGE_BODY);
    exchange_end(x, false);
    fixture_free(fixture);
}

Test(upload, a_checksum_that_was_sent_is_answered)
{
    /* of the body: CRC-64/NVME, little-endian, base64 */
    const char *with_crc[] = {fields[0], fields[1], fields[3], fields[4], "x-ms-content-crc64: eiDlekdg8KI=", NULL};
    struct fixture *fixture = fixture_new(4, 4);
    struct exchange *x = fixture_request(fixture, "PUT", TARGET, with_crc);
    size_t sent = 0, stored_bytes = 0;
    struct answer answer;

    fill_body();
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_BODY);
    cr_assert_eq(send_rest(fixture, x, &sent, &stored_bytes), EXCHANGE_WAIT);
    while (fixture->in_flight > 0 && targets(fixture_look(fixture), "comp=block&"))
        store_block(fixture, &stored_bytes);
    fixture_answer(fixture, VSP_STATUS_OK, CREATED "x-ms-content-crc64: AAAA\r\n", NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
    exchange_answer(x, &answer);
    cr_expect(slice_equal(head_value(answer.head, "x-ms-content-crc64"), SLICE("eiDlekdg8KI=")));
    exchange_end(x, true);
    fixture_free(fixture);
}
