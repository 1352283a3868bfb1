/* SPDX-License-Identifier: MIT */
/* One transfer on its way through the service: what it asks, whom it was proved to come from, what the error answer may tell. */
#ifndef BLOBHOSTD_SERVICE_CALL_H
#define BLOBHOSTD_SERVICE_CALL_H

#include "../lib/azure/operation.h"
#include "../lib/clock.h"
#include "service.h"

#define CALL_CONTAINER_BYTES 64 /* 63 characters and NUL */
#define CALL_BLOB_BYTES (4u * LIMIT_BLOB_NAME_CHARS + 1)
#define CALL_HOST_BYTES 256
#define CALL_DETAIL_BYTES 512
#define CALL_CLIENT_ID_BYTES 128 /* of an id that a client chose; longer ones are cut */

enum call_proof { PROOF_NONE /* anonymous */, PROOF_KEY, PROOF_SAS };

struct call {
    struct store *store;
    const struct accounts *accounts;
    const struct host_request *request;
    struct host_response *response;
    const struct head *head;
    struct target target;
    enum operation operation;
    bool is_head;      /* the answer has no body */
    bool computes_md5; /* of a Put Blob that names none */
    enum call_proof proof;
    bool is_create_only; /* the SAS lets it create, not overwrite */
    int64_t now_us;
    char request_id[AZURE_REQUEST_ID_BYTES];
    char host_suffix[CALL_HOST_BYTES]; /* of the Host field, behind the account, without the port */
    char container[CALL_CONTAINER_BYTES];
    char blob[CALL_BLOB_BYTES];
    char snapshot[CLOCK_ISO_BYTES];
    struct store_name name; /* points into the above */
    /* What the answer to an error tells. */
    char detail[CALL_DETAIL_BYTES]; /* "": nothing */
    bool has_seen_blob;
    uint64_t seen_etag;
    uint64_t seen_bytes; /* length of the blob */
};

/* Sets the detail; returns error, so that "return call_refuse(call, AZURE_X, ...)" works. */
enum azure_error call_refuse(struct call *call, enum azure_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Value of a field; false when it is absent or empty. */
bool call_field(const struct call *call, const char *name, struct slice *ret_value);
bool call_field_is(const struct call *call, const char *name, const char *value); /* ASCII case ignored */

/* x-ms-client-request-id, fit for a line of the log; "" without. */
void call_client_request_id(const struct call *call, char text[CALL_CLIENT_ID_BYTES]);

/* A decimal field. AZURE_OK with *ret_has false when absent; InvalidHeaderValue when it is not a number up to INT64_MAX. */
enum azure_error call_number(struct call *call, const char *name, bool *ret_has, uint64_t *ret_value);

/* Digits only, up to INT64_MAX. */
bool slice_to_number(struct slice text, uint64_t *ret_value);

/* strndup of a slice; NULL when memory is out. */
char *slice_copy(struct slice text);

/* Rules for names, as documented. */
bool container_name_is_valid(const char *name);
bool blob_name_is_valid(const char *name);

#endif
