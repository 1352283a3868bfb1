/* SPDX-License-Identifier: MIT */
/* Byte ranges: Range and x-ms-range. */
#ifndef BLOBHOSTD_SERVICE_RANGE_H
#define BLOBHOSTD_SERVICE_RANGE_H

#include "service_call.h"

struct range {
    uint64_t first;
    uint64_t last; /* inclusive; UINT64_MAX: open end */
};

/* x-ms-range wins over Range. false: absent, or of a form that the service ignores (suffix, several ranges, another unit). */
bool range_parse(const struct call *call, struct range *ret_range);

#endif
