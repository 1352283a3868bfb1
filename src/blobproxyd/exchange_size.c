/* SPDX-License-Identifier: MIT */
/* Which slot fits a request: its body, or what is known of its answer. */
#include "exchange_internal.h"

#include <stdio.h>
#include <string.h>

/* How large the answer will be is not known. */
static bool is_whole_read(const struct exchange *x)
{
    return operation_row(x->operation)->answer == ANSWER_DATA && !head_find(&x->request, "x-ms-range") &&
           !head_find(&x->request, "Range");
}

void exchange_learn_size(struct exchange *x, uint64_t body_bytes)
{
    if (is_whole_read(x))
        x->env->reads_are_large = body_bytes > SLOT_SMALL_DATA_BYTES && body_bytes <= x->conf->slots_large_bytes;
}

bool exchange_only_reads(const struct exchange *x)
{
    enum operation_answer answer = operation_row(x->operation)->answer;

    return (answer == ANSWER_DATA || answer == ANSWER_LISTING) && operation_may_resend(x->operation, &x->request);
}

enum slot_class exchange_first_class(const struct exchange *x)
{
    enum operation_answer answer = operation_row(x->operation)->answer;
    struct slice range = head_value(&x->request, "x-ms-range");
    unsigned long long first, last;
    char text[64];

    if (x->body_bytes > SLOT_SMALL_DATA_BYTES || answer == ANSWER_LISTING)
        return SLOT_LARGE;
    if (!range.bytes)
        range = head_value(&x->request, "Range");
    if (answer != ANSWER_DATA || !range.bytes || range.len >= sizeof(text))
        return SLOT_SMALL;
    memcpy(text, range.bytes, range.len);
    text[range.len] = '\0';
    if (sscanf(text, "bytes=%llu-%llu", &first, &last) != 2 || last < first)
        return SLOT_SMALL;
    return last - first >= SLOT_SMALL_DATA_BYTES ? SLOT_LARGE : SLOT_SMALL;
}

bool exchange_wants_large(const struct exchange *x)
{
    return x->env->reads_are_large && is_whole_read(x);
}
