/* SPDX-License-Identifier: MIT */
/* One exchange that is over, as the access log and the list of failures tell it. Fixed size, no pointers to anything that ends.
 */
#ifndef BLOBPROXYD_ACCESS_H
#define BLOBPROXYD_ACCESS_H

#include "../lib/azure/error.h"
#include "../lib/azure/operation.h"
#include "../lib/log.h"
#include "caller.h"

#define ACCESS_ID_BYTES 128 /* of an id that a client chose; longer ones are cut */
#define ACCESS_TARGET_BYTES 512
#define ACCESS_FIELDS 21
#define ACCESS_TEXT_BYTES 4096 /* one as JSON, with whatever escapes */

enum access_route { ACCESS_ROUTE_NONE /* answered by the proxy itself */, ACCESS_ROUTE_CHANNEL, ACCESS_ROUTE_UPSTREAM };

/* Text is terminated, "" where there is none. What a client or the host wrote is bounded, printable and without secrets: it came
 * through access_set(). */
struct access {
    int64_t ended_us; /* wall clock */
    uint64_t duration_us, bytes_in, bytes_out;
    unsigned status; /* 0: there was no answer */
    unsigned sample; /* the line stands for so many; 0 and 1: for itself */
    enum operation operation;
    enum access_route route;
    const char *route_reason; /* static; "" unless it went upstream */
    struct caller caller;
    bool is_delivered;
    char method[16], code[64], account[TARGET_ACCOUNT_BYTES], container[64], target[ACCESS_TARGET_BYTES];
    char transfer[AZURE_REQUEST_ID_BYTES], request_id[64], client_request_id[ACCESS_ID_BYTES], user_agent[128];
    char problem[256]; /* of an error of the proxy's own, or why the client did not get the answer */
};

/* All texts empty, everything 0. Does not touch what lies behind the texts' ends. */
void access_init(struct access *access);

/* access_set(access->code, slice): see above. */
#define access_set(member, slice) access_copy((slice), (member), sizeof(member))
void access_copy(struct slice from, char *text, size_t text_bytes);

/* An error, or nothing that arrived as a whole. */
bool access_is_failure(const struct access *access);

/* Numbers in text form, for access_fields(). */
struct access_numbers {
    char status[12], duration_us[24], bytes_in[24], bytes_out[24], peer_uid[12], sample[12];
};

/* The fields of a line, those left out that say nothing; they point into access and numbers. Returns their number. */
size_t access_fields(const struct access *access, struct access_numbers *numbers, struct log_field fields[ACCESS_FIELDS]);

/* A line of the access log. */
void access_write(const struct access *access);

/* {"time":...,"status":...}, terminated. Returns its length. */
size_t access_format(const struct access *access, char text[ACCESS_TEXT_BYTES]);

#endif
