/* SPDX-License-Identifier: MIT */
/* Conditional request fields: parsing them and judging a blob or a container by them. Order as RFC 9110, section 13.2.2. */
#ifndef BLOBHOSTD_SERVICE_CONDITION_H
#define BLOBHOSTD_SERVICE_CONDITION_H

#include "service_call.h"

/* Whose condition it is decides which error an unmet one gives. */
enum condition_side {
    CONDITION_READ,   /* 304 where HTTP says so, else 412 */
    CONDITION_WRITE,  /* 412 */
    CONDITION_CREATE, /* as WRITE, but 409 BlobAlreadyExists for "If-None-Match: *" */
    CONDITION_TARGET, /* destination of a copy: as CREATE, with TargetConditionNotMet */
    CONDITION_SOURCE, /* of a copy: the x-ms-source-if-* fields; SourceConditionNotMet */
};

struct condition {
    struct call *call;
    enum condition_side side;
    struct slice match, none_match; /* bytes NULL: absent */
    bool has_modified_since, has_unmodified_since;
    int64_t modified_since_us, unmodified_since_us;
    bool has_lease;       /* the request names one */
    bool must_have_lease; /* when there is an active one */
    char lease_id[LEASE_ID_BYTES];
};

/* InvalidHeaderValue: a date or a lease id that cannot be read. NotImplemented: x-ms-if-tags. */
enum azure_error condition_parse(struct condition *condition, struct call *call, enum condition_side side);

/* For operations that a lease does not keep from being done without it; an id that is given must still be the right one. */
void condition_waive_lease(struct condition *condition);

/* For those to which the id means something else. */
void condition_ignore_lease(struct condition *condition);

/* blob, container: NULL when there is none. */
enum azure_error condition_check_blob(const struct condition *condition, const struct store_blob *blob);
enum azure_error condition_check_container(const struct condition *condition, const struct store_container *container);

/* What a struct store_check needs: arg is the condition. */
enum azure_error condition_blob_guard(void *arg, const struct store_blob *current);
enum azure_error condition_container_guard(void *arg, const struct store_container *current);

#endif
