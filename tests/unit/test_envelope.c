/* SPDX-License-Identifier: MIT */
/* Tests of the envelope against tests/vectors/envelope.txt and against damage. */
#include "../../src/lib/envelope.h"
#include "../../src/lib/crc64.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 4096u
#define VECTORS_AT_LEAST 18

struct vector {
    char kind[16];
    char expected[16];
    unsigned format;
    unsigned method;
    unsigned char bytes[MESSAGE_BYTES];
    size_t len;
};

static const char http_payload[] = "PUT /c/b HTTP/1.1\r\nHost: a\r\n\r\n";

static size_t seal_http(unsigned char *message)
{
    size_t payload_bytes = strlen(http_payload);

    memcpy(message + ENVELOPE_HEADER_BYTES, http_payload, payload_bytes);
    envelope_seal(ENVELOPE_REQUEST, ENVELOPE_FORMAT_HTTP, 0, message, payload_bytes);
    return ENVELOPE_HEADER_BYTES + payload_bytes;
}

/* Puts a right CRC under a header that was changed, as somebody else's code could. */
static void seal_again(unsigned char *message, size_t len)
{
    memset(message + 16, 0, 8);
    uint64_t crc = crc64_update(0, message, len);
    for (int i = 0; i < 8; i++)
        message[16 + i] = (unsigned char)(crc >> 8 * i);
}

static int expected_code(const char *word)
{
    static const struct {
        const char *word;
        int code;
    } codes[] = {{"ok", 0}, {"EMSGSIZE", -EMSGSIZE}, {"EBADMSG", -EBADMSG}, {"EILSEQ", -EILSEQ}};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(word, codes[i].word) == 0)
            return codes[i].code;
    cr_assert_fail("vectors: unknown outcome %s", word);
    return 1;
}

/* Lines are "KIND OUTCOME FORMAT METHOD HEX" ("-" for no bytes); '#' begins a comment. */
static bool read_vector(FILE *file, struct vector *ret_vector)
{
    char line[2 * MESSAGE_BYTES + 100];
    char hex[2 * MESSAGE_BYTES + 1];

    do {
        if (fgets(line, sizeof(line), file) == NULL)
            return false;
    } while (line[0] == '#' || line[0] == '\n');
    cr_assert_eq(sscanf(line, "%15s %15s %u %u %8192s", ret_vector->kind, ret_vector->expected, &ret_vector->format,
                        &ret_vector->method, hex),
                 5, "vectors: %s", line);
    ret_vector->len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    for (size_t i = 0; i < ret_vector->len; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1, "vectors: %s", line);
        ret_vector->bytes[i] = (unsigned char)byte;
    }
    return true;
}

static void check_vector(const struct vector *vector)
{
    enum envelope_kind kind = strcmp(vector->kind, "request") == 0 ? ENVELOPE_REQUEST : ENVELOPE_RESPONSE;
    struct envelope envelope = {.format = 77};
    unsigned char sealed[MESSAGE_BYTES];

    int result = envelope_open(kind, vector->bytes, vector->len, &envelope);
    cr_assert_eq(result, expected_code(vector->expected), "%s %s: %d", vector->kind, vector->expected, result);
    if (result != 0) {
        cr_assert_eq(envelope.format, 77);
        return;
    }
    cr_assert_eq(envelope.format, vector->format);
    cr_assert_eq(envelope.method, vector->method);
    cr_assert_eq(envelope.payload, vector->bytes + ENVELOPE_HEADER_BYTES);
    cr_assert_eq(envelope.payload_bytes, vector->len - ENVELOPE_HEADER_BYTES);
    memcpy(sealed, vector->bytes, vector->len);
    memset(sealed, 0xEE, ENVELOPE_HEADER_BYTES);
    envelope_seal(kind, vector->format, vector->method, sealed, envelope.payload_bytes);
    cr_assert_arr_eq(sealed, vector->bytes, vector->len);
}

Test(envelope, vectors_open_and_seal_as_the_file_says)
{
    static struct vector vector;
    const char *tests_dir = getenv("TESTS_DIR");
    char path[4096];
    int count = 0;

    (void)snprintf(path, sizeof(path), "%s/vectors/envelope.txt", tests_dir == NULL ? "tests" : tests_dir);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    for (; read_vector(file, &vector); count++)
        check_vector(&vector);
    (void)fclose(file);
    cr_assert_geq(count, VECTORS_AT_LEAST);
}

Test(envelope, any_single_bit_that_changes_is_noticed)
{
    unsigned char message[MESSAGE_BYTES];
    struct envelope envelope;
    size_t len = seal_http(message);

    for (size_t bit = 0; bit < len * 8; bit++) {
        message[bit / 8] ^= (unsigned char)(1u << bit % 8);
        int result = envelope_open(ENVELOPE_REQUEST, message, len, &envelope);
        bool is_in_crc_or_payload = bit / 8 >= ENVELOPE_HEADER_BYTES || (bit / 8 >= 16 && bit / 8 < 24);
        cr_assert_eq(result, is_in_crc_or_payload ? -EILSEQ : -EBADMSG, "bit %zu: %d", bit, result);
        message[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    cr_assert_eq(envelope_open(ENVELOPE_REQUEST, message, len, &envelope), 0);
}

Test(envelope, one_byte_less_or_more_is_noticed)
{
    unsigned char message[MESSAGE_BYTES];
    struct envelope envelope;
    size_t len = seal_http(message);

    message[len] = 0;
    cr_assert_eq(envelope_open(ENVELOPE_REQUEST, message, len - 1, &envelope), -EILSEQ);
    cr_assert_eq(envelope_open(ENVELOPE_REQUEST, message, len + 1, &envelope), -EILSEQ);
}

Test(envelope, every_length_below_a_header_is_too_short)
{
    struct envelope envelope;

    for (size_t len = 0; len < ENVELOPE_HEADER_BYTES; len++) {
        unsigned char *exact = calloc(1, len + 1);
        cr_assert_eq(envelope_open(ENVELOPE_RESPONSE, exact + 1, len, &envelope), -EMSGSIZE, "length %zu", len);
        free(exact);
    }
}

Test(envelope, a_request_is_not_a_response)
{
    unsigned char message[MESSAGE_BYTES];
    struct envelope envelope;
    size_t len = seal_http(message);

    cr_assert_eq(envelope_open(ENVELOPE_RESPONSE, message, len, &envelope), -EBADMSG);
}

Test(envelope, fields_are_checked_although_the_crc_is_right)
{
    static const struct {
        size_t at;
        unsigned char byte;
    } rows[] = {{0, 'h'}, {7, '2'}, {8, 0}, {8, 3}, {9, 1}, {11, 0x80}, {12, 1}, {15, 1}, {24, 1}, {31, 0x80}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char message[MESSAGE_BYTES];
        struct envelope envelope;
        size_t len = seal_http(message);
        message[rows[i].at] = rows[i].byte;
        seal_again(message, len);
        cr_assert_eq(envelope_open(ENVELOPE_REQUEST, message, len, &envelope), -EBADMSG, "offset %zu", rows[i].at);
    }
}

Test(envelope, format_1_requests_have_methods_1_to_3)
{
    unsigned char message[ENVELOPE_HEADER_BYTES + 2] = {0};
    struct envelope envelope;

    for (uint32_t method = 0; method <= 5; method++) {
        envelope_seal(ENVELOPE_REQUEST, ENVELOPE_FORMAT_JSON, method, message, 2);
        int result = envelope_open(ENVELOPE_REQUEST, message, sizeof(message), &envelope);
        cr_assert_eq(result, method >= 1 && method <= 3 ? 0 : -EBADMSG, "method %u", method);
    }
}

Test(envelope, format_1_responses_may_hold_anything_in_what_they_do_not_use)
{
    unsigned char message[ENVELOPE_HEADER_BYTES + 2] = {0};
    struct envelope envelope;

    envelope_seal(ENVELOPE_RESPONSE, ENVELOPE_FORMAT_JSON, 9, message, 2);
    message[24] = 0xAA;
    seal_again(message, sizeof(message));
    cr_assert_eq(envelope_open(ENVELOPE_RESPONSE, message, sizeof(message), &envelope), 0);
}
