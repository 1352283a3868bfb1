/* SPDX-License-Identifier: MIT */
/* The documented operations of the Blob REST API and what the proxy must know of each: one table, operation.def. */
#ifndef BLOBPROXY_AZURE_OPERATION_H
#define BLOBPROXY_AZURE_OPERATION_H

#include "target.h"

enum operation {
#define X(name, label, title, resend, split, answer) OPERATION_##name,
#include "operation.def"
#undef X
    OPERATION_COUNT
};

/* May the proxy itself send the request again when its outcome is unknown? */
enum operation_resend {
    RESEND_YES,           /* read, or an overwrite that cannot tell two from one */
    RESEND_UNCONDITIONAL, /* as long as it carries no condition (If-*, x-ms-if-*, lease, sequence number, source condition) */
    RESEND_BY_FIELDS,     /* depends on what a field asks for: leases, expiry */
    RESEND_NO,
};

/* What the proxy may turn into several transfers. */
enum operation_split { SPLIT_NO, SPLIT_GET_RANGES, SPLIT_PUT_BLOCKS };

/* How large the answer's body tends to be: which slot the first transfer takes. */
enum operation_answer { ANSWER_EMPTY, ANSWER_SMALL, ANSWER_LISTING, ANSWER_DATA };

struct operation_row {
    const char *label; /* metrics label and log value: "GetBlob" */
    const char *title; /* the documentation's name: "Get Blob" */
    enum operation_resend resend;
    enum operation_split split;
    enum operation_answer answer;
};

/* Never fails: what no documented operation matches is OPERATION_Unknown (it is still carried). */
enum operation operation_of(const struct target *target, const struct head *request);

const struct operation_row *operation_row(enum operation operation);

/* With the request's conditions looked at. */
bool operation_may_resend(enum operation operation, const struct head *request);

/* Does the request carry any condition that a second execution could see differently? */
bool operation_is_conditional(const struct head *request);

#endif
