/* SPDX-License-Identifier: MIT */
/* Who may do what: SharedKey, shared access signatures, anonymous reads of public containers. */
#ifndef BLOBHOSTD_SERVICE_AUTH_H
#define BLOBHOSTD_SERVICE_AUTH_H

#include "service_call.h"

/* What an operation asks of whoever calls it. */
struct auth_need {
    const char *letters;  /* SAS permissions, any one of which suffices */
    char resource;        /* 's', 'c', 'o' */
    char public_access;   /* least public access that lets everybody do it: 'b', 'c'; 0: never */
    bool is_account_only; /* a service SAS never suffices */
    bool can_create;      /* a SAS with 'c' alone may do it where no blob is */
};

/* Sets call->proof. AZURE_OK or the error to answer. */
enum azure_error auth_check(struct call *call, const struct auth_need *need);

/* May the caller read the blob that x-ms-copy-source names? query: raw, of that URL. */
enum azure_error auth_check_source(struct call *call, const struct store_name *source, struct slice query);

#endif
