/* SPDX-License-Identifier: MIT */
/* How many parts of a large read are under way: more for a client that waits for the host, few for one that the host waits for.
 */
#include "exchange_fixture.h"

#include "../../src/lib/vmbus/vsp_status.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define PART FIXTURE_LARGE_BYTES
#define PARTS 24u

static struct fixture *fixture;
static struct exchange *x;
static char *part_bytes;

static void begin(unsigned large_slots, unsigned window)
{
    static const char *const fields[] = {"Host: 127.0.0.1", NULL};
    char head[128];

    fixture = fixture_new(4, large_slots);
    fixture->conf->slots_read_window = window;
    part_bytes = calloc(1, PART);
    x = fixture_request(fixture, "GET", "/devstoreaccount1/c/b", fields);
    cr_assert_eq(exchange_begin(x, false), EXCHANGE_WAIT);
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\nETag: \"v1\"\r\n", PARTS * PART);
    fixture_answer(fixture, VSP_STATUS_INSUFFICIENT_BUFFER, head, NULL, 0);
    cr_assert_eq(exchange_continue(x), EXCHANGE_ANSWER);
}

static void end(void)
{
    exchange_end(x, false);
    while (fixture->in_flight > 0)
        fixture_lose(fixture);
    fixture_free(fixture);
    free(part_bytes);
}

/* The host gives the oldest part that it has. */
static void answer_one(void)
{
    const struct slice range = head_value(fixture_look(fixture), "x-ms-range");
    unsigned long long first, last;
    char head[160], text[64];

    snprintf(text, sizeof(text), "%.*s", (int)range.len, range.bytes);
    cr_assert_eq(sscanf(text, "bytes=%llu-%llu", &first, &last), 2);
    cr_assert_eq(last - first + 1, PART);
    snprintf(head, sizeof(head), "HTTP/1.1 206 P\r\nContent-Length: %u\r\nContent-Range: bytes %llu-%llu/1\r\n", PART, first,
             last);
    fixture_answer(fixture, VSP_STATUS_OK, head, part_bytes, PART);
}

/* The client takes one part, which is there, and asks for more only when it has to. */
static void read_part(void)
{
    for (size_t have = 0; have < PART;) {
        const ssize_t n = exchange_read(x, part_bytes, PART - have);

        cr_assert_gt(n, 0);
        have += (size_t)n;
    }
}

static unsigned held(void)
{
    return slots_figures(fixture->env.slots).used[SLOT_LARGE];
}

Test(split, grows_while_the_client_waits)
{
    begin(30, 12);
    cr_expect_eq(fixture->in_flight, 4);
    cr_expect_eq(exchange_read(x, part_bytes, 1), 0);
    cr_expect_eq(fixture->in_flight, 4, "everybody waits for the first part");
    answer_one();
    read_part();
    cr_expect_eq(exchange_read(x, part_bytes, 1), 0);
    cr_expect_eq(fixture->in_flight, 8);
    cr_expect_eq(exchange_read(x, part_bytes, 1), 0);
    cr_expect_eq(fixture->in_flight, 8, "one wait counts once");
    answer_one();
    read_part();
    cr_expect_eq(exchange_read(x, part_bytes, 1), 0);
    cr_expect_eq(fixture->in_flight, 12);
    answer_one();
    read_part();
    cr_expect_eq(exchange_read(x, part_bytes, 1), 0);
    cr_expect_eq(fixture->in_flight, 12, "slots.read_window is the end");
    end();
}

Test(split, shrinks_to_two_while_the_host_waits)
{
    begin(30, 12);
    for (unsigned i = 0; i < 8; i++) {
        while (fixture->in_flight > 0)
            answer_one();
        read_part();
    }
    while (fixture->in_flight > 0)
        answer_one();
    cr_expect_eq(held(), 2);
    end();
}

Test(split, parts_that_come_all_at_once_shrink_it_by_one)
{
    begin(30, 4);
    for (unsigned i = 0; i < 4; i++)
        answer_one();
    for (unsigned i = 0; i < 3; i++)
        read_part();
    cr_expect_eq(fixture->in_flight, 2);
    cr_expect_eq(held(), 3);
    end();
}

Test(split, takes_free_slots_only)
{
    begin(5, 12);
    answer_one();
    read_part();
    cr_expect_eq(exchange_read(x, part_bytes, 1), 0);
    cr_expect_eq(held(), 5);
    end();
}

Test(split, window_of_one_reads_part_by_part)
{
    begin(30, 1);
    for (unsigned i = 0; i < PARTS; i++) {
        cr_assert_eq(fixture->in_flight, 1);
        answer_one();
        read_part();
    }
    cr_expect_eq(fixture->in_flight, 0);
    cr_expect_eq(held(), 0);
    end();
}
