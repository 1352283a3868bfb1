/* SPDX-License-Identifier: MIT */
/* What a request's head says before anything is done for it: whom it is for, and how long its body is. */
#include "exchange_internal.h"

#include <errno.h>

int exchange_find_target(struct exchange *x)
{
    struct slice raw = {x->raw_target, x->raw_target_bytes};
    int r = target_parse(head_value(&x->request, "Host"), raw, &x->env->hosts, &x->target);

    switch (r) {
    case 0:
        return 0;
    case -EHOSTUNREACH:
        exchange_refuse(
            x, AZURE_InvalidHost, METRIC_ERROR_GUARD,
            "Use http://127.0.0.1:PORT/ACCOUNT or http://ACCOUNT.blob.localhost:PORT; further names: listen.hosts and "
            "listen.account_suffixes.");
        return r;
    case -ENOENT:
        exchange_refuse(x, AZURE_InvalidUri, METRIC_ERROR_GUARD,
                        "The path must begin with the account: /ACCOUNT/CONTAINER/BLOB.");
        return r;
    default:
        exchange_refuse(x, AZURE_InvalidUri, METRIC_ERROR_GUARD,
                        "The account name must have 3 to 24 lower-case letters and digits.");
        return r;
    }
}

int exchange_find_body_length(struct exchange *x)
{
    int r = head_content_length(&x->request, &x->body_bytes);
    bool needs_length = slice_equal(x->request.method, SLICE("PUT")) || slice_equal(x->request.method, SLICE("POST"));

    if (r == -ENOENT)
        x->body_bytes = 0;
    if (r == -ENOENT && needs_length) {
        exchange_refuse(x, AZURE_MissingContentLengthHeader, METRIC_ERROR_GUARD, "Send a Content-Length, 0 for an empty body.");
        return r;
    }
    x->expects_continue = head_find(&x->request, "Expect") != NULL;
    return 0;
}
