/* SPDX-License-Identifier: MIT */
/* What an exchange waits for, and what becomes of it when that takes too long. */
#include "exchange_internal.h"

enum exchange_phase exchange_phase(const struct exchange *x)
{
    switch (x->state) {
    case EX_SLOT:
        return EXCHANGE_IN_SLOT_QUEUE;
    case EX_HOST:
    case EX_UPSTREAM:
        return EXCHANGE_AT_HOST;
    case EX_READY:
    case EX_STREAM:
        return EXCHANGE_IN_ANSWER;
    default:
        if (x->upload && upload_is_queued(x->upload))
            return EXCHANGE_IN_SLOT_QUEUE;
        if (x->state == EX_BODY && ((x->upload && upload_is_waiting(x->upload)) || (x->upstream && x->is_waiting)))
            return EXCHANGE_AT_HOST;
        return EXCHANGE_IN_BODY;
    }
}

void exchange_expire(struct exchange *x)
{
    if (exchange_phase(x) == EXCHANGE_IN_SLOT_QUEUE)
        exchange_refuse(x, AZURE_ServerBusy, METRIC_ERROR_SLOT_DEADLINE, "No slot became free in time.");
    else if (exchange_phase(x) == EXCHANGE_AT_HOST && x->upstream)
        exchange_upstream_expire(x);
    else if (exchange_phase(x) == EXCHANGE_AT_HOST)
        exchange_refuse(x, AZURE_OperationTimedOut, METRIC_ERROR_EXCHANGE_DEADLINE, "The host did not answer in time.");
}
