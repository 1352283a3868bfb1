/* SPDX-License-Identifier: MIT */
/* Fuzzes the message head: what is accepted lies inside the input, and written again it means the same. */
#include "../../src/lib/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_inside(struct slice slice, const char *bytes, size_t len)
{
    if (slice.len > 0 && (slice.bytes < bytes || slice.bytes + slice.len > bytes + len))
        abort();
}

static void check_same(const struct head *a, const struct head *b)
{
    if (!slice_equal(a->method, b->method) || !slice_equal(a->target, b->target) || !slice_equal(a->reason, b->reason))
        abort();
    if (a->status != b->status || a->field_count != b->field_count)
        abort();
    for (size_t i = 0; i < a->field_count; i++)
        if (!slice_equal(a->fields[i].name, b->fields[i].name) || !slice_equal(a->fields[i].value, b->fields[i].value))
            abort();
}

static void check_written(const struct head *head, size_t len)
{
    static struct head again;
    struct buf buf;

    buf_init(&buf, len + 2 * LIMIT_HEAD_FIELDS); /* a blank behind each colon may come in addition */
    if (head->status == 0)
        (void)head_write_request_line(&buf, head->method, head->target);
    else
        (void)head_write_status_line(&buf, head->status, head->reason);
    for (size_t i = 0; i < head->field_count; i++)
        (void)head_write_field(&buf, head->fields[i].name, head->fields[i].value);
    if (head_write_end(&buf) != 0)
        abort();
    int result =
        head->status == 0 ? head_parse_request(buf.bytes, buf.len, &again) : head_parse_response(buf.bytes, buf.len, &again);
    if (result != 0)
        abort();
    check_same(head, &again);
    buf_free(&buf);
}

static void check_accepted(const struct head *head, const char *bytes, size_t len)
{
    uint64_t content_bytes;

    check_inside(head->method, bytes, len);
    check_inside(head->target, bytes, len);
    check_inside(head->reason, bytes, len);
    for (size_t i = 0; i < head->field_count; i++) {
        check_inside(head->fields[i].name, bytes, len);
        check_inside(head->fields[i].value, bytes, len);
    }
    if (head_content_length(head, &content_bytes) == 0 && content_bytes > INT64_MAX)
        abort();
    check_written(head, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct head head;
    const char *text = (const char *)bytes;

    if (head_parse_request(text, len, &head) == 0)
        check_accepted(&head, text, len);
    if (head_parse_response(text, len, &head) == 0)
        check_accepted(&head, text, len);
    return 0;
}
