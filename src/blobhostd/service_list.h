/* SPDX-License-Identifier: MIT */
/* What listings of containers and of blobs have in common: parameters, pages, markers. */
#ifndef BLOBHOSTD_SERVICE_LIST_H
#define BLOBHOSTD_SERVICE_LIST_H

#include "service_call.h"

enum list_include {
    LIST_METADATA = 1 << 0,
    LIST_SNAPSHOTS = 1 << 1,
    LIST_UNCOMMITTED = 1 << 2,
    LIST_COPY = 1 << 3,
    LIST_TAGS = 1 << 4,
};

#define LIST_PARAMETER_BYTES CALL_BLOB_BYTES

/* One page of a listing being written. */
struct list {
    struct call *call;
    struct buf xml;
    char prefix[LIST_PARAMETER_BYTES];
    char delimiter[LIST_PARAMETER_BYTES];
    char from[LIST_PARAMETER_BYTES]; /* first name of the page */
    char from_snapshot[CLOCK_ISO_BYTES];
    struct slice raw_marker;
    unsigned includes; /* enum list_include */
    uint64_t max_results;
    uint64_t count;
    uint64_t max_bytes; /* of xml, before the page is ended early */
    size_t entry_at;    /* where the entry being written begins */
    bool is_full;
};

/* Reads the parameters and writes the front of the document. The caller frees with list_done() in any case. */
enum azure_error list_begin(struct list *list, struct call *call);
void list_done(struct list *list);

/* Brackets an entry. Both return false when the page ends in front of it; its name is then the marker. snapshot may be NULL. */
bool list_entry_begin(struct list *list, const char *name, const char *snapshot);
bool list_entry_end(struct list *list, const char *name, const char *snapshot);

/* Closes element ("Blobs"), writes the marker and answers. */
enum azure_error list_answer(struct list *list, const char *element);

/* <element>text</element>, <element /> when text is NULL or empty. */
void list_put(struct list *list, const char *element, const char *text);
void list_put_number(struct list *list, const char *element, uint64_t number);
void list_put_date(struct list *list, const char *element, int64_t wall_us);
void list_put_name(struct list *list, const char *name); /* percent-encoded when XML cannot hold it */
void list_put_metadata(struct list *list, const struct store_pairs *metadata);

#endif
