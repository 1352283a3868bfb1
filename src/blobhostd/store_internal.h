/* SPDX-License-Identifier: MIT */
/* What the files of the store share: its databases, transactions, rows and data files. Not for anybody else.
 *
 * LMDB holds everything that has to change together; a file under data/ holds the bytes of one large body.
 *   containers  account \0 container      -> container row (id, properties)
 *   names       id, part of the name      -> name row, or the id of the node where the name goes on (store_name.c)
 *   snapshots   name id, time             -> version row
 *   blocks      name id, block id         -> uncommitted block
 *   data        id                        -> data row, with the bytes when they are few
 *   lists       id                        -> committed block list
 *   pages       map id, start             -> extent of a page blob
 *   shares      id of data, list or map   -> how many references it has beyond the first
 *   trash       container id              -> deleted container whose blobs are still to be removed
 *   meta        "format", "state"
 * All ids come from one counter and are never used twice. A content (data, list, map) is not changed once it is shared; what
 * makes a file visible is committed after the file is complete, and a file is unlinked after the commit that dropped its last
 * reference. Functions that return enum azure_error have logged the cause of AZURE_InternalError. */
#ifndef BLOBHOSTD_STORE_INTERNAL_H
#define BLOBHOSTD_STORE_INTERNAL_H

#include "store.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#define STORE_FORMAT 1u
#define STORE_NAME_BYTES 4096u /* 1,024 characters of UTF-8 */
#define STORE_LOCK_STRIPES 64u /* locks for files that grow; a power of two */
#define STORE_READERS 2048u    /* read transactions at once */
#define STORE_MAP_BYTES (64ull << 30)
#define STORE_INLINE_BYTES 16384u

enum store_db {
    STORE_DB_META,
    STORE_DB_CONTAINERS,
    STORE_DB_NAMES,
    STORE_DB_SNAPSHOTS,
    STORE_DB_BLOCKS,
    STORE_DB_DATA,
    STORE_DB_LISTS,
    STORE_DB_PAGES,
    STORE_DB_SHARES,
    STORE_DB_TRASH,
    STORE_DB_COUNT
};

struct store {
    MDB_env *env;
    MDB_dbi dbi[STORE_DB_COUNT];
    int lock_fd;
    int data_fd;
    bool is_syncing;
    uint64_t inline_bytes;
    _Atomic uint64_t last_id;
    uint64_t last_etag; /* this and last_us: under LMDB's write lock */
    int64_t last_us;
    pthread_mutex_t idle_lock;
    struct store_reader *idle; /* read transactions that wait for their next use */
    pthread_mutex_t growing[STORE_LOCK_STRIPES];
};

/* ---- store.c ---- */
enum azure_error store_failed(const char *what, int code); /* logs an LMDB code or a negative errno; AZURE_InternalError */
uint64_t store_new_id(struct store *store);

/* ---- store_file.c: files and scattered memory ---- */

/* Where a test lets something fail: asked before each such step; what it returns (0 or negative errno) is the step's result. */
enum store_step { STORE_STEP_CREATE, STORE_STEP_WRITE, STORE_STEP_SYNC, STORE_STEP_COPY, STORE_STEP_COMMIT, STORE_STEP_UNLINK };
extern int (*store_step_hook)(enum store_step step);
int store_step(enum store_step step);

/* A place in scattered memory. */
struct store_cursor {
    const struct iovec *iov;
    int iov_count;
    size_t offset; /* in the first of them */
};
/* Both move on by len; -EINVAL when the memory ends before. bytes NULL: zeros. */
int store_cursor_fill(struct store_cursor *cursor, const void *bytes, uint64_t len);
int store_cursor_drain(struct store_cursor *cursor, void *bytes, uint64_t len);

int store_file_create(struct store *store, uint64_t id, int *ret_fd);
int store_file_open(struct store *store, uint64_t id, int flags, int *ret_fd);
int store_file_write(int fd, uint64_t offset, struct store_cursor *from, uint64_t len);
int store_file_read(int fd, uint64_t offset, struct store_cursor *to, uint64_t len); /* -EIO when the file is shorter */
int store_file_copy(int from, int to, uint64_t len);
int store_file_sync(struct store *store, uint64_t id, int fd, bool is_new); /* nothing unless the store syncs */
void store_file_unlink(struct store *store, uint64_t id);
int store_file_make_folders(int data_fd);
int store_file_visit(int data_fd, int (*visit)(void *arg, uint64_t id), void *arg);

/* ---- store_txn.c: transactions and rows ---- */

/* The row "state": counters as of the last commit. */
struct store_state_row {
    uint64_t last_id;
    uint64_t last_etag;
    int64_t last_us;
};

/* A body on its way in. id is its data id; 0 while nothing was prepared or when it is empty. */
struct store_body {
    struct store_cursor from;
    uint64_t bytes;
    uint64_t id;
    bool is_file;
};

/* A write transaction: begun on the stack with CLEANUP(store_write_end), which also removes files: those that lost their last
 * reference when it was committed, the body's when it was not. */
struct store_write {
    struct store *store;
    MDB_txn *txn;
    struct store_body *body;
    struct store_blob *ret_blob; /* NULL: nobody asks */
    struct store_blob made;      /* owned; becomes *ret_blob when the commit succeeds */
    bool is_committed;
    uint64_t etag; /* of what changes in this transaction */
    int64_t now_us;
    uint64_t *dropped_files;
    size_t dropped_count, dropped_cap;
};
enum azure_error store_write_begin(struct store *store, struct store_body *body, struct store_blob *ret_blob,
                                   struct store_write *write);
/* Copies what ret_blob is to become, before the rows that it borrows from are written. */
enum azure_error store_write_make(struct store_write *write, const struct store_blob *blob);
enum azure_error store_write_commit(struct store_write *write);
void store_write_end(struct store_write *write);
enum azure_error store_write_drop_file(struct store_write *write, uint64_t id);

static inline MDB_val store_val(const void *bytes, size_t len)
{
    return (MDB_val){.mv_size = len, .mv_data = (void *)bytes};
}

struct store_pair_key {
    uint64_t id_be, second_be; /* big-endian: LMDB compares bytes */
};
struct store_pair_key store_pair_key(uint64_t id, uint64_t second);

/* LMDB codes; MDB_NOTFOUND is for the caller to judge. */
int store_row_get(struct store *store, MDB_txn *txn, enum store_db db, const void *key, size_t key_bytes, MDB_val *ret_value);
enum azure_error store_row_put(struct store_write *write, enum store_db db, const void *key, size_t key_bytes, const void *bytes,
                               size_t len);
enum azure_error store_row_delete(struct store_write *write, enum store_db db, const void *key, size_t key_bytes);

/* ---- store_record.c: rows as bytes ---- */
enum store_content_kind { STORE_CONTENT_NONE, STORE_CONTENT_DATA, STORE_CONTENT_LIST, STORE_CONTENT_MAP };
struct store_content {
    enum store_content_kind kind;
    uint64_t id;
};

struct store_version {
    struct store_blob blob; /* borrowed: from the row it was read from, or from the caller; never passed to store_blob_done() */
    struct store_content content;
};

/* The row of a name. */
struct store_entry {
    uint64_t name_id; /* 0: the name is not in use */
    uint32_t snapshot_count;
    uint32_t uncommitted_count;
    uint8_t block_id_bytes; /* of the uncommitted ones */
    bool has_blob;
    struct store_version base;
};

struct store_row {
    uint8_t *bytes; /* owned */
    size_t len;
};
void store_row_done(struct store_row *row);
int store_version_encode(const struct store_version *version, struct store_row *ret_row); /* 0, -ENOMEM */
int store_entry_encode(const struct store_entry *entry, struct store_row *ret_row);
int store_version_decode(const void *bytes, size_t len, struct store_version *ret_version); /* 0, -EBADMSG */
int store_entry_decode(const void *bytes, size_t len, struct store_entry *ret_entry);
int store_blob_own(const struct store_blob *borrowed, struct store_blob *ret_blob); /* deep copy; 0, -ENOMEM */
int store_pairs_own(const struct store_pairs *borrowed, struct store_pairs *ret_pairs);

/* ---- store_name.c: names of any length in bytewise order ---- */
int store_name_get(struct store *store, MDB_txn *txn, uint64_t container_id, const char *name, size_t len, MDB_val *ret_value);
enum azure_error store_name_put(struct store_write *write, uint64_t container_id, const char *name, size_t len,
                                const struct store_row *row);
enum azure_error store_name_delete(struct store_write *write, uint64_t container_id, const char *name, size_t len);

#define STORE_NAME_DEPTH (STORE_NAME_BYTES / 480u + 2u)
struct store_walk {
    MDB_cursor *cursor;
    uint64_t nodes[STORE_NAME_DEPTH];
    size_t depth;
    char name[STORE_NAME_BYTES + 1]; /* where it stands; terminated */
    size_t len;
    MDB_val value;
};
/* 0 or an LMDB code. After open, seek; MDB_NOTFOUND: behind the last name. */
int store_walk_open(struct store *store, MDB_txn *txn, uint64_t container_id, struct store_walk *walk);
int store_walk_seek(struct store_walk *walk, const char *from, size_t len);
int store_walk_next(struct store_walk *walk);
void store_walk_close(struct store_walk *walk);

/* ---- store_place.c: from a name to its row, and back ---- */
struct store_place {
    uint64_t container_id;
    const char *name;
    size_t name_len;
    bool is_snapshot;
    int64_t snapshot_us;
    struct store_entry entry; /* borrows from the map: gone with the first write of the transaction */
};
/* ContainerNotFound, InvalidResourceName; a name not in use is AZURE_OK with name_id 0. */
enum azure_error store_place_find(struct store *store, MDB_txn *txn, const struct store_name *name,
                                  struct store_place *ret_place);
/* The version that the name means: the base blob or a snapshot. BlobNotFound. */
enum azure_error store_place_version(struct store *store, MDB_txn *txn, const struct store_place *place,
                                     struct store_version *ret_version);
/* Both: for a change of the base blob. A snapshot is refused with InvalidInput. */
enum azure_error store_place_find_base(struct store *store, MDB_txn *txn, const struct store_name *name,
                                       struct store_place *ret_place);
/* Writes the entry under its name, or deletes the name when nothing is left of it. Gives the name an id if it has none. What the
 * entry borrows must still be there: the first write of a transaction. */
enum azure_error store_place_write(struct store_write *write, struct store_place *place);
/* Makes version the base blob, stamped as changed now (created_us 0: now, too). */
struct store_replaced {
    struct store_content content;
    uint32_t uncommitted_count;
};
enum azure_error store_place_replace(struct store_write *write, struct store_place *place, const struct store_version *version,
                                     struct store_replaced *ret_old);
/* What the replaced blob and its uncommitted blocks held; after the new content is there, which may share it. */
enum azure_error store_replaced_drop(struct store_write *write, const struct store_place *place,
                                     const struct store_replaced *old);
/* Shows the check the base blob; the caller has found out whether there must be one. */
enum azure_error store_place_check(const struct store_place *place, const struct store_check *check);
/* Base, snapshots, uncommitted blocks and the name. */
enum azure_error store_place_remove(struct store_write *write, struct store_place *place);
enum azure_error store_snapshots_drop(struct store_write *write, uint64_t name_id);

enum azure_error store_container_find(struct store *store, MDB_txn *txn, const char *account, const char *container,
                                      uint64_t *ret_id);
enum azure_error store_container_purge_trash(struct store *store);

/* ---- store_content.c: shared, immutable contents ---- */
struct store_data {
    bool is_file;
    uint64_t length;   /* files: bytes that are in use; the file may be longer */
    const void *bytes; /* inline only; in the map */
};
/* Writes a large body's file, outside any transaction. A small one only gets its id. */
enum azure_error store_body_prepare(struct store *store, struct store_body *body);
/* Makes the row of a prepared body. */
enum azure_error store_body_keep(struct store_write *write, struct store_body *body);
int store_data_get(struct store *store, MDB_txn *txn, uint64_t id, struct store_data *ret_data); /* LMDB code */
enum azure_error store_data_put_file(struct store_write *write, uint64_t id, uint64_t length);

int store_content_is_shared(struct store *store, MDB_txn *txn, uint64_t id, bool *ret_is_shared);
enum azure_error store_content_share(struct store_write *write, const struct store_content *content);
enum azure_error store_content_drop(struct store_write *write, const struct store_content *content);
/* Deletes the rows whose keys begin with id, and drops the content that each names. */
enum azure_error store_rows_drop(struct store_write *write, enum store_db db, uint64_t id,
                                 int (*content)(const MDB_val *value, struct store_content *ret_content));
enum azure_error store_data_share(struct store_write *write, uint64_t data_id);
enum azure_error store_data_drop(struct store_write *write, uint64_t data_id);

/* ---- store_block.c ---- */
struct store_list_item {
    uint64_t data_id;
    uint64_t end; /* offset behind the block in the blob */
};
/* A committed block list as it lies in its row: head, items, then ids as length byte and bytes. */
struct store_list {
    const uint8_t *items;
    const uint8_t *ids;
    size_t ids_bytes;
    uint32_t count;
};
int store_list_get(struct store *store, MDB_txn *txn, uint64_t id, struct store_list *ret_list); /* LMDB code */
struct store_list_item store_list_item(const struct store_list *list, uint32_t index);
/* The block that holds the offset. */
uint32_t store_list_find(const struct store_list *list, uint64_t offset);
enum azure_error store_list_drop(struct store_write *write, uint64_t id);
enum azure_error store_blocks_drop(struct store_write *write, uint64_t name_id);

/* ---- store_page.c ---- */
struct store_extent {
    uint64_t start, end;
    uint64_t data_id, data_offset;
};
/* The extent that holds offset, or the first behind it. LMDB code. */
int store_map_find(MDB_cursor *cursor, uint64_t map_id, uint64_t offset, struct store_extent *ret_extent);
enum azure_error store_map_drop(struct store_write *write, uint64_t map_id);
/* Makes the content a map that nobody shares; its id may change. */
enum azure_error store_map_unshare(struct store_write *write, struct store_content *content);
/* Removes what lies in [start, end) from an unshared map. */
enum azure_error store_map_clear(struct store_write *write, uint64_t map_id, uint64_t start, uint64_t end);

/* ---- store_read.c ---- */
struct store_reader {
    struct store *store;
    MDB_txn *txn;
    struct store_reader *next; /* while idle */
    struct store_version version;
    const uint8_t *inline_bytes; /* of a content that is one small data */
    uint64_t file_id;            /* the file that fd is open on */
    int fd;
};
/* A read transaction from the pool; NULL after logging. Given back with store_reader_close(). */
struct store_reader *store_reader_take(struct store *store);
static inline void store_reader_cleanup(struct store_reader **reader)
{
    (void)store_reader_close(*reader);
}

#endif
