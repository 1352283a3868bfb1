/* SPDX-License-Identifier: MIT */
/* Shared access signatures: verifying account and service SAS. Pure. */
#ifndef BLOBPROXY_SAS_H
#define BLOBPROXY_SAS_H

#include "../head.h"
#include "accounts.h"

#include <stdint.h>

enum sas_kind { SAS_NONE, SAS_ACCOUNT, SAS_SERVICE, SAS_USER_DELEGATION };

/* Which kind of SAS a raw query carries: SAS_NONE without sig. */
enum sas_kind sas_kind(struct slice query);

/* Get Account Information takes every valid account SAS, whatever its permissions and resource types. */
#define SAS_ANY_RESOURCE '*'

/* What the request wants, in the letters of the SAS documentation. */
struct sas_need {
    const char *permissions; /* any one of these letters suffices ("cw": create or write) */
    char account_permission; /* 0: the same letters are asked of an account SAS */
    char resource;           /* of an account SAS: 's' service, 'c' container, 'o' object, or SAS_ANY_RESOURCE */
};

struct sas_request {
    const char *account;
    const char *container; /* decoded; "" for none */
    const char *blob;      /* decoded; "" for none */
    struct slice query;    /* raw */
    bool is_https;
    struct sas_need need;
};

enum sas_verdict {
    SAS_OK,
    SAS_MALFORMED,   /* a field is missing or unreadable, or a combination is not legal */
    SAS_MISMATCH,    /* signature */
    SAS_NOT_YET,     /* st in the future */
    SAS_EXPIRED,     /* se in the past */
    SAS_PROTOCOL,    /* spr=https on plain http */
    SAS_SOURCE_IP,   /* sip holds no address that the request can come from */
    SAS_PERMISSION,  /* the letter is missing */
    SAS_RESOURCE,    /* resource type, service or container/blob does not cover the request */
    SAS_UNSUPPORTED, /* user delegation, stored access policy: needs the real service */
};

/* What can be said of any SAS without a key, user delegation included: SAS_PROTOCOL, SAS_SOURCE_IP or SAS_OK.
 * is_protected: nobody can read it on its way here. A sip is wrong for sure when it cannot be read, or, unless is_host_local,
 * when it holds none but addresses that never are the source of a packet in a network: 0/8, 127/8, 169.254/16, 224/3, ::1. */
enum sas_verdict sas_judge_way(struct slice query, bool is_protected, bool is_host_local);

/* Does the token sign fields or parameters of the request (srh, srq)? Then nothing of it may be changed. */
bool sas_signs_request(struct slice query);

/* Does the token allow to create a blob, but not to write blocks? */
bool sas_is_create_only(struct slice query);

/* Tries both keys, compares in constant time. The string to sign follows sv (2015-04-05, 2018-11-09, 2020-12-06 and later forms;
 * older ones are SAS_UNSUPPORTED). The first of several parameters of one name counts. account NULL is SAS_MISMATCH.
 * Of the operations on a container itself a service SAS can allow listing ('l') and finding by tags ('f'), no others. */
enum sas_verdict sas_verify(const struct sas_request *request, const struct account *account, int64_t wall_us);

#endif
