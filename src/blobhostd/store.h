/* SPDX-License-Identifier: MIT */
/* The embedded store: LMDB for the index and small blobs, files beside it for large data. Thread-safe; calls block on the disk.
 * A call that returned AZURE_OK survives kill -9; with options.sync it survives a power cut, too.
 * Every call returns an enum azure_error: AZURE_OK, a refusal (ContainerNotFound, BlobNotFound, ...), or InternalError after the
 * cause was logged. Checks run inside the transaction that they guard. */
#ifndef BLOBHOSTD_STORE_H
#define BLOBHOSTD_STORE_H

#include "../lib/azure/error.h"
#include "../lib/cleanup.h"
#include "../lib/err.h"
#include "lease.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct store;

struct store_options {
    bool sync;             /* fsync before a write is acknowledged */
    uint64_t map_bytes;    /* LMDB's largest size; 0: 64 GiB (address space, not disk) */
    uint64_t inline_bytes; /* data up to this stays in LMDB; 0: 16 KiB */
};

/* Creates the directory (0700) and its files when missing, refuses a store of another format version, removes what an earlier
 * crash left over, locks it against a second blobhostd (-EBUSY). 0 or negative errno with err. */
int store_open(const char *directory, const struct store_options *options, struct store **ret_store, struct err *err) MUST_CHECK;
struct store *store_close(struct store *store);

/* Name/value pairs packed as "name\0value\0name\0value\0"; the order is kept. */
struct store_pairs {
    char *bytes;
    size_t len;
};

/* Iterates: *position starts at 0. */
bool store_pairs_next(const struct store_pairs *pairs, size_t *position, const char **ret_name, const char **ret_value);

struct store_container {
    uint64_t etag;
    int64_t modified_us; /* wall clock, whole seconds matter to clients */
    char public_access;  /* 0 private, 'b' blob, 'c' container */
    struct lease lease;
    struct store_pairs metadata;
};

enum store_blob_type { STORE_BLOCK_BLOB = 1, STORE_APPEND_BLOB = 2, STORE_PAGE_BLOB = 3 };

/* Strings are NULL when absent. Everything is owned by the struct; store_blob_done() frees. */
struct store_blob {
    enum store_blob_type type;
    uint64_t etag; /* new with every change, never repeats in a store; written as "0x8D..." by the service */
    int64_t created_us;
    int64_t modified_us;
    uint64_t length;
    char *content_type, *content_encoding, *content_language, *content_disposition, *cache_control;
    bool has_md5;
    uint8_t md5[16];
    struct store_pairs metadata;
    struct store_pairs tags;  /* x-ms-tags as given with a write; kept and copied */
    char *tier;               /* "Hot", NULL: account default */
    uint64_t sequence_number; /* page blobs */
    uint32_t block_count;     /* append blobs: committed appends */
    bool is_sealed;
    /* Of the last copy onto this blob; copy_id NULL: none. */
    char *copy_id, *copy_source;
    int64_t copy_completed_us;
    bool is_uncommitted; /* listing only: blocks exist, nothing committed */
    struct lease lease;  /* of the name: it outlives a replacement; snapshots have none */
};
void store_container_done(struct store_container *container);
void store_blob_done(struct store_blob *blob); /* leaves it zeroed */

struct store_name {
    const char *account;
    const char *container;
    const char *blob;     /* decoded UTF-8; up to 1,024 characters (4,096 bytes) */
    const char *snapshot; /* NULL, or the time text that store_snapshot() gave (ISO, seven digits) */
};

/* Sees the current state inside the transaction: NULL when it does not exist. Anything but AZURE_OK ends the call with that error
 * and nothing changed. May be NULL. */
struct store_check {
    enum azure_error (*blob)(void *arg, const struct store_blob *current);
    enum azure_error (*container)(void *arg, const struct store_container *current);
    void *arg;
};

/* ---- containers ---- */
enum azure_error store_create_container(struct store *store, const struct store_name *name,
                                        const struct store_container *properties, struct store_container *ret_container);
enum azure_error store_get_container(struct store *store, const struct store_name *name, struct store_container *ret_container);
/* update changes metadata, public_access or lease of *container (replacing owned memory). changes_etag false leaves etag and
 * modified_us alone. */
enum azure_error store_update_container(struct store *store, const struct store_name *name, bool changes_etag,
                                        enum azure_error (*update)(void *arg, struct store_container *container), void *arg,
                                        struct store_container *ret_container);
enum azure_error store_delete_container(struct store *store, const struct store_name *name, const struct store_check *check);

/* Calls visit in order of name, from the first name >= from; it returns false to stop there. */
enum azure_error store_list_containers(struct store *store, const char *account, const char *prefix, const char *from,
                                       bool (*visit)(void *arg, const char *name, const struct store_container *container),
                                       void *arg);

/* ---- blobs ---- */
struct store_reader; /* one version of a blob, whatever is written meanwhile */

enum azure_error store_open_reader(struct store *store, const struct store_name *name, struct store_reader **ret_reader);
const struct store_blob *store_reader_blob(const struct store_reader *reader);
/* Exactly length bytes from offset into the iovecs. 0; -ESTALE: the version has just been deleted, open a new reader; -EIO. */
int store_reader_read(struct store_reader *reader, uint64_t offset, uint64_t length, const struct iovec *iov,
                      int iov_count) MUST_CHECK;
struct store_reader *store_reader_close(struct store_reader *reader); /* NULL is fine; returns NULL */

/* Creates or replaces; a lease stays. Takes type, strings, metadata, tags, tier, md5, length (page blobs: the size) from
 * properties. The body is block blob content; append and page blobs are made empty. Uncommitted blocks of the name are dropped.
 */
enum azure_error store_put_blob(struct store *store, const struct store_name *name, const struct store_blob *properties,
                                const struct iovec *body, int body_iov_count, uint64_t body_bytes,
                                const struct store_check *check, struct store_blob *ret_blob);

/* update checks conditions and changes fields (replacing owned memory); length may change on page blobs only. changes_etag false
 * leaves etag and modified_us alone. */
enum azure_error store_update_blob(struct store *store, const struct store_name *name, bool changes_etag,
                                   enum azure_error (*update)(void *arg, struct store_blob *blob), void *arg,
                                   struct store_blob *ret_blob);

enum store_delete {
    STORE_DELETE_ALONE /* SnapshotsPresent when it has any */,
    STORE_DELETE_INCLUDE,
    STORE_DELETE_ONLY_SNAPSHOTS
};
enum azure_error store_delete_blob(struct store *store, const struct store_name *name, enum store_delete what,
                                   const struct store_check *check);

struct store_listing {
    const char *prefix;    /* "" for all */
    const char *delimiter; /* "" for flat; common prefixes are visited once, with blob == NULL */
    const char *from;      /* first name >= from ... */
    const char
        *from_snapshot; /* ... and, of exactly that name, versions >= this (snapshots come before the base blob); or NULL */
    bool with_snapshots, with_uncommitted;
};
/* In order of name (bytewise), then snapshots by time, then the base blob. snapshot is NULL for the base blob. The callback
 * returns false to stop. */
enum azure_error store_list_blobs(struct store *store, const char *account, const char *container,
                                  const struct store_listing *listing,
                                  bool (*visit)(void *arg, const char *name, const char *snapshot, const struct store_blob *blob),
                                  void *arg);

/* metadata NULL: the base blob's is copied. snapshot_time has CLOCK_ISO_BYTES; unique per blob. */
enum azure_error store_snapshot(struct store *store, const struct store_name *name, const struct store_pairs *metadata,
                                const struct store_check *check, char *snapshot_time, struct store_blob *ret_blob);

/* Inside the store. Content, headers, type are the source's; metadata, tags, tier are properties' when their has_ flag is set.
 * source_check sees the source, check the destination. copy_id and copy_source of properties are recorded. */
struct store_copy {
    const struct store_name *source;
    const struct store_blob *properties;
    bool has_metadata, has_tags, has_tier;
    const struct store_check *source_check;
};
enum azure_error store_copy_blob(struct store *store, const struct store_name *name, const struct store_copy *copy,
                                 const struct store_check *check, struct store_blob *ret_blob);

/* ---- blocks ---- */
struct store_block_id {
    uint8_t bytes[64];
    size_t len;
};
enum store_block_list { STORE_BLOCK_LATEST, STORE_BLOCK_COMMITTED, STORE_BLOCK_UNCOMMITTED };

struct store_block_ref {
    struct store_block_id id;
    enum store_block_list from;
};

/* check sees the committed blob (or NULL). InvalidBlobOrBlock when ids of another length are uncommitted there;
 * InvalidBlobType on an append or page blob; BlockCountExceedsLimit. */
enum azure_error store_put_block(struct store *store, const struct store_name *name, const struct store_block_id *id,
                                 const struct iovec *body, int body_iov_count, uint64_t body_bytes,
                                 const struct store_check *check);
/* InvalidBlockList when a block is not where it is looked for. Uncommitted blocks not named are dropped. */
enum azure_error store_put_block_list(struct store *store, const struct store_name *name, const struct store_block_ref *blocks,
                                      size_t block_count, const struct store_blob *properties, const struct store_check *check,
                                      struct store_blob *ret_blob);
/* Committed blocks in their order, then uncommitted ones in order of id. ret_blob is zeroed (type 0) when nothing is committed.
 * BlobNotFound when there is neither. */
enum azure_error store_list_blocks(struct store *store, const struct store_name *name,
                                   bool (*visit)(void *arg, const struct store_block_id *id, uint64_t length, bool is_committed),
                                   void *arg, struct store_blob *ret_blob);

/* ---- append and page blobs ---- */
/* InvalidBlobType, BlobIsSealed, BlockCountExceedsLimit. check sees the blob before. */
enum azure_error store_append_block(struct store *store, const struct store_name *name, const struct iovec *body,
                                    int body_iov_count, uint64_t body_bytes, const struct store_check *check,
                                    uint64_t *ret_offset, struct store_blob *ret_blob);
/* offset and length are multiples of 512. body NULL: clears. InvalidPageRange beyond the blob's length. */
enum azure_error store_put_pages(struct store *store, const struct store_name *name, uint64_t offset, uint64_t length,
                                 const struct iovec *body, int body_iov_count, const struct store_check *check,
                                 struct store_blob *ret_blob);
/* Written ranges that overlap [offset, offset + length), merged, in order, end inclusive. */
enum azure_error store_list_pages(struct store *store, const struct store_name *name, uint64_t offset, uint64_t length,
                                  bool (*visit)(void *arg, uint64_t start, uint64_t end), void *arg, struct store_blob *ret_blob);

#endif
