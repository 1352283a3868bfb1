/* SPDX-License-Identifier: MIT */
/* Packets: bytes against vectors written out by hand, sizes against measured ones, and what the decoders refuse. */
#include "../../src/lib/vmbus/packet.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* 2 data pages (5000 bytes, 4097 valid), 1 request page (300 bytes), 1 response page (4096 bytes). */
static const uint8_t request_vector[120] = {
    /* descriptor */ 9,
    0,
    8,
    0,
    15,
    0,
    1,
    0,
    0x21,
    0x43,
    0x65,
    0x87,
    0x78,
    0x56,
    0x34,
    0x12,
    /* range */ 0,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0x40,
    0,
    0,
    0,
    0,
    0,
    0,
    /* pages */ 0x34,
    0x12,
    0,
    0,
    1,
    0,
    0,
    0,
    0x35,
    0x12,
    0,
    0,
    1,
    0,
    0,
    0,
    7,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    9,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    /* version, timeout */ 0,
    0,
    0,
    0,
    0x60,
    0xea,
    0,
    0,
    /* data */ 0,
    0,
    0,
    0,
    0x88,
    0x13,
    0,
    0,
    0x01,
    0x10,
    0,
    0,
    /* operation */ 0,
    1,
    0,
    0,
    /* request */ 0,
    0x20,
    0,
    0,
    0x2c,
    1,
    0,
    0,
    /* response */ 0,
    0x30,
    0,
    0,
    0,
    0x10,
    0,
    0,
    /* guid */ 0xa0,
    0xa1,
    0xa2,
    0xa3,
    0xa4,
    0xa5,
    0xa6,
    0xa7,
    0xa8,
    0xa9,
    0xaa,
    0xab,
    0xac,
    0xad,
    0xae,
    0xaf};

static const uint8_t completion_vector[32] = {0x0b, 0, 2, 0, 4, 0, 0, 0,    0x21, 0x43, 0x65, 0x87, 0x78, 0x56, 0x34, 0x12,
                                              12,   0, 0, 0, 2, 1, 7, 0x80, 0x34, 0x12, 0,    0,    0,    0,    0,    0};

static const struct page_run data_run = {0x100001234, 2}, request_run = {7, 1}, response_run = {9, 1};

static struct packet_submission submission(void)
{
    return (struct packet_submission){
        .transaction_id = 0x1234567887654321,
        .guid = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf},
        .timeout_ms = 60000,
        .data_valid_bytes = 4097,
        .data = {&data_run, 1, 0, 5000},
        .request = {&request_run, 1, 0, 300},
        .response = {&response_run, 1, 0, 4096},
    };
}

static _Alignas(8) uint8_t packet[PACKET_REQUEST_BYTES_MAX + 64];

Test(packet, a_request_is_encoded_as_published)
{
    struct packet_submission given = submission();
    uint32_t bytes = 0;

    memset(packet, 0xee, sizeof(packet));
    cr_assert_eq(packet_encode_request(&given, packet, sizeof(packet), &bytes), 0);
    cr_assert_eq(bytes, 120);
    cr_assert_arr_eq(packet, request_vector, 120);
    cr_assert_eq(packet[120], 0xee);
}

Test(packet, a_request_is_decoded)
{
    struct packet_request request;

    memcpy(packet, request_vector, 120);
    cr_assert_eq(packet_decode_request(packet, 120, &request), 0);
    cr_assert_eq(request.transaction_id, 0x1234567887654321);
    cr_assert_eq(request.page_count, 4);
    cr_assert_eq(request.pages[0], 0x100001234);
    cr_assert_eq(request.pages[1], 0x100001235);
    cr_assert_eq(request.pages[2], 7);
    cr_assert_eq(request.pages[3], 9);
    cr_assert_eq(request.vsp.version, 0);
    cr_assert_eq(request.vsp.timeout_ms, 60000);
    cr_assert_eq(request.vsp.data_offset, 0);
    cr_assert_eq(request.vsp.data_bytes, 5000);
    cr_assert_eq(request.vsp.data_valid_bytes, 4097);
    cr_assert_eq(request.vsp.operation_type, 0x100);
    cr_assert_eq(request.vsp.request_offset, 8192);
    cr_assert_eq(request.vsp.request_bytes, 300);
    cr_assert_eq(request.vsp.response_offset, 12288);
    cr_assert_eq(request.vsp.response_bytes, 4096);
    cr_assert_arr_eq(request.vsp.guid, request_vector + 104, 16);
}

Test(packet, a_buffer_may_begin_inside_a_page_and_lie_in_several_runs)
{
    const struct page_run runs[3] = {{50, 1}, {60, 2}, {70, 1}};
    const uint64_t pages[6] = {50, 60, 61, 70, 7, 9};
    struct packet_submission given = submission();
    struct packet_request request;
    uint32_t bytes = 0;

    given.data = (struct packet_buffer){runs, 3, 4095, 1 + 8192 + 1};
    given.request.offset = 96;
    given.response.bytes = 1;
    given.response.offset = 4095;
    cr_assert_eq(packet_encode_request(&given, packet, sizeof(packet), &bytes), 0);
    cr_assert_eq(packet_decode_request(packet, bytes, &request), 0);
    cr_assert_eq(request.page_count, 6);
    cr_assert_arr_eq(request.pages, pages, sizeof(pages));
    cr_assert_eq(request.vsp.data_offset, 4095);
    cr_assert_eq(request.vsp.request_offset, 4 * 4096 + 96);
    cr_assert_eq(request.vsp.response_offset, 5 * 4096 + 4095);
}

Test(packet, a_request_without_data_has_no_data_pages_and_offset_0)
{
    struct packet_submission given = submission();
    struct packet_request request;
    uint32_t bytes = 0;

    given.data = (struct packet_buffer){0};
    given.data_valid_bytes = 0;
    cr_assert_eq(packet_encode_request(&given, packet, sizeof(packet), &bytes), 0);
    cr_assert_eq(bytes, 104);
    cr_assert_eq(packet_decode_request(packet, bytes, &request), 0);
    cr_assert_eq(request.page_count, 2);
    cr_assert_eq(request.vsp.data_offset, 0);
    cr_assert_eq(request.vsp.data_bytes, 0);
    cr_assert_eq(request.vsp.request_offset, 0);
    cr_assert_eq(request.vsp.response_offset, 4096);
}

static int encode_pages(uint32_t data_pages, uint32_t request_pages, uint32_t response_pages, size_t capacity, uint32_t *bytes)
{
    struct page_run runs[3] = {{1 << 20, data_pages}, {2 << 20, request_pages}, {3 << 20, response_pages}};
    struct packet_submission given = submission();

    given.data = (struct packet_buffer){&runs[0], 1, 0, data_pages * 4096};
    given.data_valid_bytes = 0;
    given.request = (struct packet_buffer){&runs[1], 1, 0, request_pages * 4096};
    given.response = (struct packet_buffer){&runs[2], 1, 0, response_pages * 4096};
    return packet_encode_request(&given, packet, capacity, bytes);
}

Test(packet, sizes_are_those_measured)
{
    const struct {
        uint32_t data_pages, request_pages, response_pages, packet_bytes;
    } cases[] = {{1024, 1, 8, 8352}, {8183, 1, 8, 65624}, {0, 1, 1, 104}, {8190, 1, 1, 65624}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct packet_request request;
        uint32_t bytes = 0;
        cr_assert_eq(encode_pages(cases[i].data_pages, cases[i].request_pages, cases[i].response_pages, sizeof(packet), &bytes),
                     0);
        cr_assert_eq(bytes, cases[i].packet_bytes);
        cr_assert_eq(packet_descriptor(packet).packet_bytes, bytes);
        cr_assert_eq(packet_decode_request(packet, bytes, &request), 0);
        cr_assert_eq(request.page_count, cases[i].data_pages + cases[i].request_pages + cases[i].response_pages);
    }
    cr_assert_eq(PACKET_REQUEST_BYTES(1033) + PACKET_FOOTER_BYTES, 8360);
    cr_assert_eq(PACKET_REQUEST_BYTES_MAX + PACKET_FOOTER_BYTES, 65632);
}

Test(packet, more_than_8192_pages_or_a_short_buffer_are_refused)
{
    uint32_t bytes = 77;

    cr_assert_eq(encode_pages(8184, 1, 8, sizeof(packet), &bytes), -EMSGSIZE);
    cr_assert_eq(encode_pages(1, 1, 1, 111, &bytes), -EMSGSIZE);
    cr_assert_eq(bytes, 77);
    cr_assert_eq(encode_pages(1, 1, 1, 112, &bytes), 0);
}

Test(packet, what_no_guest_may_ask_is_not_encoded)
{
    struct packet_submission cases[9];
    uint32_t bytes = 77;

    for (size_t i = 0; i < 9; i++)
        cases[i] = submission();
    cases[0].transaction_id = 0;
    cases[1].request.bytes = 0;
    cases[2].response = (struct packet_buffer){0};
    cases[3].data_valid_bytes = 5001;
    cases[4].data.bytes = 8193;
    cases[5].data.bytes = 4096;
    cases[6].request.offset = 4096;
    cases[7].data = (struct packet_buffer){&data_run, 1, 0, 0};
    cases[8].response.offset = 1;
    for (size_t i = 0; i < 9; i++)
        cr_assert_eq(packet_encode_request(&cases[i], packet, sizeof(packet), &bytes), -EINVAL, "case %zu", i);
    cr_assert_eq(bytes, 77);
}

Test(packet, broken_requests_are_refused)
{
    /* One 32-bit word of the vector at a time. */
    const struct {
        const char *what;
        size_t at;
        uint32_t value;
        int expected;
    } cases[] = {
        {"type in-band", 0, 0x00080006, -EPROTO},
        {"type completion", 0, 0x0008000b, -EPROTO},
        {"payload too early", 0, 0x00070009, -EPROTO},
        {"payload too late", 0, 0x00090009, -EPROTO},
        {"length8 one less", 4, 0x0001000e, -EPROTO},
        {"length8 one more", 4, 0x00010010, -EPROTO},
        {"no completion requested", 4, 0x0000000f, -EPROTO},
        {"another flag", 4, 0x0003000f, -EPROTO},
        {"highest flag", 4, 0x8001000f, -EPROTO},
        {"reserved word", 16, 1, 0},
        {"no range", 20, 0, -EPROTO},
        {"two ranges", 20, 2, -EPROTO},
        {"range of 0 bytes", 24, 0, -EPROTO},
        {"range not whole pages", 24, 0x4001, -EPROTO},
        {"range of 3 pages", 24, 0x3000, -EPROTO},
        {"range of 5 pages", 24, 0x5000, -EPROTO},
        {"range of 8193 pages", 24, 8193u * 4096, -EPROTO},
        {"range of 4 GiB", 24, 0xfffff000, -EPROTO},
        {"range offset", 28, 8, -EPROTO},
        {"version 1", 64, 1, -EPROTO},
        {"no timeout", 68, 0, 0},
        {"data offset in the page", 72, 4095, 0},
        {"data beyond the pages", 72, 16384 - 5000 + 1, -EPROTO},
        {"data up to the last page's end", 72, 16384 - 5000, 0},
        {"data offset wraps", 72, 0xffffffff, -EPROTO},
        {"data longer than the pages", 76, 16385, -EPROTO},
        {"data length wraps", 76, 0xffffffff, -EPROTO},
        {"more valid than data", 80, 5001, -EPROTO},
        {"all valid", 80, 5000, 0},
        {"operation register", 84, 0x101, -EPROTO},
        {"operation 0", 84, 0, -EPROTO},
        {"request beyond the pages", 88, 16384 - 300 + 1, -EPROTO},
        {"request empty", 92, 0, -EPROTO},
        {"request length wraps", 92, 0xffffe000, -EPROTO},
        {"response beyond the pages", 96, 12289, -EPROTO},
        {"response empty", 100, 0, -EPROTO},
        {"response too long", 100, 4097, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct packet_request request;
        memcpy(packet, request_vector, 120);
        memcpy(packet + cases[i].at, &cases[i].value, 4);
        cr_assert_eq(packet_decode_request(packet, 120, &request), cases[i].expected, "%s", cases[i].what);
    }
}

Test(packet, a_request_over_8193_pages_is_refused_though_all_else_is_right)
{
    const uint16_t descriptor[4] = {9, 4 + 8193, 11 + 8193, 1};
    const uint32_t range_bytes = 8193 * 4096;
    struct packet_request request;

    memcpy(packet, request_vector, 32);
    memcpy(packet, descriptor, sizeof(descriptor));
    memcpy(packet + 24, &range_bytes, sizeof(range_bytes));
    memcpy(packet + 32 + 8193 * 8, request_vector + 64, 56);
    cr_assert_eq(packet_decode_request(packet, PACKET_REQUEST_BYTES(8193), &request), -EPROTO);
}

Test(packet, transaction_id_0_is_refused)
{
    struct packet_request request;
    struct vsp_reply reply;
    uint64_t id;

    memcpy(packet, request_vector, 120);
    memset(packet + 8, 0, 8);
    cr_assert_eq(packet_decode_request(packet, 120, &request), -EPROTO);
    memcpy(packet, completion_vector, 32);
    memset(packet + 8, 0, 8);
    cr_assert_eq(packet_decode_completion(packet, 32, &id, &reply), -EPROTO);
}

Test(packet, a_length_other_than_the_descriptors_is_refused)
{
    struct packet_request request;

    memcpy(packet, request_vector, 120);
    for (size_t bytes = 0; bytes <= 160; bytes += 8)
        cr_assert_eq(packet_decode_request(packet, bytes, &request), bytes == 120 ? 0 : -EPROTO, "%zu", bytes);
}

Test(packet, a_completion_is_encoded_as_published)
{
    uint8_t bytes[PACKET_COMPLETION_BYTES];

    packet_encode_completion(0x1234567887654321, &(struct vsp_reply){.status = 0x80070102, .response_bytes = 0x1234}, bytes);
    cr_assert_arr_eq(bytes, completion_vector, 32);
}

Test(packet, a_completion_is_decoded)
{
    struct vsp_reply reply;
    uint64_t id;

    cr_assert_eq(packet_decode_completion(completion_vector, 32, &id, &reply), 0);
    cr_assert_eq(id, 0x1234567887654321);
    cr_assert_eq(reply.length, 12);
    cr_assert_eq(reply.status, 0x80070102);
    cr_assert_eq(reply.response_bytes, 0x1234);
}

Test(packet, broken_completions_are_refused)
{
    const struct {
        const char *what;
        size_t at;
        uint16_t value;
        int expected;
    } cases[] = {
        {"type request", 0, 9, -EPROTO},
        {"payload inside the descriptor", 2, 1, -EPROTO},
        {"payload of 8 bytes", 2, 3, -EPROTO},
        {"payload behind the end", 2, 0xffff, -EPROTO},
        {"shorter than received", 4, 3, -EPROTO},
        {"longer than received", 4, 5, -EPROTO},
        {"flag bit 0", 6, 1, 0},
        {"flag bit 1", 6, 2, -EPROTO},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct vsp_reply reply;
        uint64_t id;
        memcpy(packet, completion_vector, 32);
        memcpy(packet + cases[i].at, &cases[i].value, 2);
        cr_assert_eq(packet_decode_completion(packet, 32, &id, &reply), cases[i].expected, "%s", cases[i].what);
    }
}
