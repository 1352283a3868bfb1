/* SPDX-License-Identifier: MIT */
/* Tests of the checksum against its published value and against the definition, bit by bit. */
#include "../../src/lib/crc64.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SAMPLE_BYTES 8192u

static unsigned char sample[SAMPLE_BYTES];

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void fill_sample(void)
{
    uint64_t state = 88172645463325252u;

    for (size_t i = 0; i < SAMPLE_BYTES; i++)
        sample[i] = (unsigned char)(next_random(&state) >> 24);
}

static uint64_t by_definition(uint64_t crc, const unsigned char *bytes, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT64_C(0x9A6C9329AC4BC9B5) : 0);
    }
    return ~crc;
}

TestSuite(crc64, .init = fill_sample);

Test(crc64, gives_the_published_check_value)
{
    cr_assert_eq(crc64_update(0, "123456789", 9), UINT64_C(0xAE8B14860A799888));
}

Test(crc64, of_nothing_changes_nothing)
{
    cr_assert_eq(crc64_update(0, sample, 0), 0);
    cr_assert_eq(crc64_update(UINT64_C(0x0123456789ABCDEF), NULL, 0), UINT64_C(0x0123456789ABCDEF));
}

Test(crc64, agrees_with_the_definition_at_every_length_up_to_600)
{
    for (size_t len = 0; len <= 600; len++)
        cr_assert_eq(crc64_update(0, sample, len), by_definition(0, sample, len), "length %zu", len);
}

Test(crc64, agrees_with_the_definition_at_every_alignment)
{
    for (size_t offset = 0; offset < 32; offset++)
        for (size_t len = 120; len < 340; len += 7)
            cr_assert_eq(crc64_update(0, sample + offset, len), by_definition(0, sample + offset, len), "offset %zu length %zu",
                         offset, len);
}

Test(crc64, reads_no_byte_outside_of_what_it_is_given)
{
    for (size_t len = 1; len < 300; len++) {
        unsigned char *exact = malloc(len); /* the address sanitizer watches both ends */
        for (size_t i = 0; i < len; i++)
            exact[i] = sample[i];
        cr_assert_eq(crc64_update(0, exact, len), by_definition(0, sample, len), "length %zu", len);
        free(exact);
    }
}

Test(crc64, continues_from_any_value)
{
    uint64_t state = 1181783497276652981u;

    for (int i = 0; i < 300; i++) {
        uint64_t crc = next_random(&state);
        size_t len = next_random(&state) % 2000;
        cr_assert_eq(crc64_update(crc, sample, len), by_definition(crc, sample, len), "crc %jx length %zu", (uintmax_t)crc, len);
    }
}

Test(crc64, does_not_depend_on_how_the_bytes_are_cut)
{
    uint64_t whole = crc64_update(0, sample, SAMPLE_BYTES);
    uint64_t state = 2685821657736338717u;

    for (int round = 0; round < 100; round++) {
        uint64_t crc = 0;
        size_t at = 0;
        while (at < SAMPLE_BYTES) {
            size_t len = next_random(&state) % 700;
            len = len > SAMPLE_BYTES - at ? SAMPLE_BYTES - at : len;
            crc = crc64_update(crc, sample + at, len);
            at += len;
        }
        cr_assert_eq(crc, whole, "round %d", round);
    }
}

/* Pieces of that size are always done by the tables, whatever the CPU has. */
Test(crc64, gives_the_same_in_small_pieces_as_at_once)
{
    uint64_t crc = 0;

    for (size_t at = 0; at < SAMPLE_BYTES; at += 32)
        crc = crc64_update(crc, sample + at, 32);
    cr_assert_eq(crc, crc64_update(0, sample, SAMPLE_BYTES));
    cr_assert_eq(crc, by_definition(0, sample, SAMPLE_BYTES));
}

Test(crc64, combine_gives_the_value_of_the_joined_bytes)
{
    uint64_t whole = crc64_update(0, sample, SAMPLE_BYTES);

    for (size_t cut = 0; cut <= SAMPLE_BYTES; cut += 97) {
        uint64_t a = crc64_update(0, sample, cut);
        uint64_t b = crc64_update(0, sample + cut, SAMPLE_BYTES - cut);
        cr_assert_eq(crc64_combine(a, b, SAMPLE_BYTES - cut), whole, "cut %zu", cut);
    }
}

Test(crc64, combine_with_nothing_changes_nothing)
{
    cr_assert_eq(crc64_combine(UINT64_C(0x0123456789ABCDEF), 0, 0), UINT64_C(0x0123456789ABCDEF));
    cr_assert_eq(crc64_combine(0, UINT64_C(0x0123456789ABCDEF), 77), UINT64_C(0x0123456789ABCDEF));
}

Test(crc64, combine_takes_lengths_that_no_memory_has)
{
    uint64_t a = crc64_update(0, sample, 100);
    uint64_t one_step = crc64_combine(a, 0, UINT64_C(1) << 63);
    uint64_t two_steps = crc64_combine(crc64_combine(a, 0, UINT64_C(1) << 62), 0, UINT64_C(1) << 62);

    cr_assert_eq(one_step, two_steps);
    cr_assert_neq(one_step, a);
}
