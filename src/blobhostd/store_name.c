/* SPDX-License-Identifier: MIT */
/* Blob names of up to 4,096 bytes over LMDB's keys of at most 511, in bytewise order.
 *
 * A name that fits one key is the row (container id, name). A longer one is cut: the row (container id, first 480 bytes, 0) holds
 * the id of a node, and the rest of the name lies under that node in the same way. The byte behind the 480 sorts a node behind
 * the name of exactly these 480 bytes and in front of every greater one, so the order of rows is the order of names. */
#include "store_internal.h"

#include <endian.h>
#include <string.h>

#define SEGMENT_BYTES 480u
#define NODE_KEY_BYTES (8 + SEGMENT_BYTES + 1)

_Static_assert(NODE_KEY_BYTES <= 511, "LMDB's default limit");

struct name_key {
    uint8_t bytes[NODE_KEY_BYTES];
    size_t len;
};

static void key_start(struct name_key *key, uint64_t node)
{
    uint64_t node_be = htobe64(node);
    memcpy(key->bytes, &node_be, 8);
    key->len = 8;
}

static void key_of_leaf(struct name_key *key, uint64_t node, const char *rest, size_t len)
{
    key_start(key, node);
    if (len)
        memcpy(key->bytes + 8, rest, len);
    key->len = 8 + len;
}

static void key_of_node(struct name_key *key, uint64_t node, const char *segment)
{
    key_of_leaf(key, node, segment, SEGMENT_BYTES);
    key->bytes[key->len++] = 0;
}

static uint64_t key_node(const MDB_val *key)
{
    uint64_t node_be;
    memcpy(&node_be, key->mv_data, 8);
    return be64toh(node_be);
}

static int node_get(struct store *store, MDB_txn *txn, uint64_t parent, const char *segment, uint64_t *ret_node)
{
    struct name_key key;
    key_of_node(&key, parent, segment);
    MDB_val value;
    int r = store_row_get(store, txn, STORE_DB_NAMES, key.bytes, key.len, &value);
    if (r)
        return r;
    if (value.mv_size != sizeof(*ret_node))
        return MDB_CORRUPTED;
    memcpy(ret_node, value.mv_data, sizeof(*ret_node));
    return 0;
}

int store_name_get(struct store *store, MDB_txn *txn, uint64_t container_id, const char *name, size_t len, MDB_val *ret_value)
{
    uint64_t node = container_id;
    for (; len > SEGMENT_BYTES; name += SEGMENT_BYTES, len -= SEGMENT_BYTES) {
        int r = node_get(store, txn, node, name, &node);
        if (r)
            return r;
    }
    struct name_key key;
    key_of_leaf(&key, node, name, len);
    return store_row_get(store, txn, STORE_DB_NAMES, key.bytes, key.len, ret_value);
}

static enum azure_error node_make(struct store_write *write, uint64_t parent, const char *segment, uint64_t *ret_node)
{
    int r = node_get(write->store, write->txn, parent, segment, ret_node);
    if (!r)
        return AZURE_OK;
    if (r != MDB_NOTFOUND)
        return store_failed("find a name", r);
    struct name_key key;
    key_of_node(&key, parent, segment);
    *ret_node = store_new_id(write->store);
    return store_row_put(write, STORE_DB_NAMES, key.bytes, key.len, ret_node, sizeof(*ret_node));
}

enum azure_error store_name_put(struct store_write *write, uint64_t container_id, const char *name, size_t len,
                                const struct store_row *row)
{
    uint64_t node = container_id;
    for (; len > SEGMENT_BYTES; name += SEGMENT_BYTES, len -= SEGMENT_BYTES) {
        enum azure_error error = node_make(write, node, name, &node);
        if (error)
            return error;
    }
    struct name_key key;
    key_of_leaf(&key, node, name, len);
    return store_row_put(write, STORE_DB_NAMES, key.bytes, key.len, row->bytes, row->len);
}

static enum azure_error node_is_empty(struct store_write *write, uint64_t node, bool *ret_is_empty)
{
    struct name_key key;
    key_start(&key, node);
    MDB_cursor *cursor;
    int r = mdb_cursor_open(write->txn, write->store->dbi[STORE_DB_NAMES], &cursor);
    if (r)
        return store_failed("open a cursor", r);
    MDB_val found = store_val(key.bytes, key.len), value;
    r = mdb_cursor_get(cursor, &found, &value, MDB_SET_RANGE);
    *ret_is_empty = r == MDB_NOTFOUND || (!r && key_node(&found) != node);
    mdb_cursor_close(cursor);
    return r && r != MDB_NOTFOUND ? store_failed("find a name", r) : AZURE_OK;
}

/* Deletes the nodes that a deleted name leaves empty, the deepest first. */
static enum azure_error nodes_prune(struct store_write *write, const uint64_t *nodes, size_t depth, const char *name)
{
    for (; depth; depth--) {
        bool is_empty = true;
        enum azure_error error = node_is_empty(write, nodes[depth], &is_empty);
        if (error || !is_empty)
            return error;
        struct name_key key;
        key_of_node(&key, nodes[depth - 1], name + (depth - 1) * SEGMENT_BYTES);
        error = store_row_delete(write, STORE_DB_NAMES, key.bytes, key.len);
        if (error)
            return error;
    }
    return AZURE_OK;
}

enum azure_error store_name_delete(struct store_write *write, uint64_t container_id, const char *name, size_t len)
{
    uint64_t nodes[STORE_NAME_DEPTH] = {container_id};
    size_t depth = 0;
    for (size_t left = len; left > SEGMENT_BYTES; left -= SEGMENT_BYTES, depth++) {
        int r = node_get(write->store, write->txn, nodes[depth], name + depth * SEGMENT_BYTES, &nodes[depth + 1]);
        if (r)
            return store_failed("find a name", r);
    }
    struct name_key key;
    key_of_leaf(&key, nodes[depth], name + depth * SEGMENT_BYTES, len - depth * SEGMENT_BYTES);
    enum azure_error error = store_row_delete(write, STORE_DB_NAMES, key.bytes, key.len);
    return error ? error : nodes_prune(write, nodes, depth, name);
}

int store_walk_open(struct store *store, MDB_txn *txn, uint64_t container_id, struct store_walk *walk)
{
    walk->cursor = NULL;
    walk->nodes[0] = container_id;
    walk->depth = 0;
    return mdb_cursor_open(txn, store->dbi[STORE_DB_NAMES], &walk->cursor);
}

void store_walk_close(struct store_walk *walk)
{
    if (walk->cursor)
        mdb_cursor_close(TAKE_PTR(walk->cursor));
}

static char *walk_segment(struct store_walk *walk, size_t depth)
{
    return walk->name + depth * SEGMENT_BYTES;
}

static int walk_enter(struct store_walk *walk, const void *segment, const MDB_val *value)
{
    if (walk->depth + 1 >= STORE_NAME_DEPTH || value->mv_size != sizeof(uint64_t))
        return MDB_CORRUPTED;
    memmove(walk_segment(walk, walk->depth), segment, SEGMENT_BYTES);
    memcpy(&walk->nodes[++walk->depth], value->mv_data, sizeof(uint64_t));
    return 0;
}

/* Puts the cursor on the first row behind the node that was walked to its end. */
static int walk_leave(struct store_walk *walk, MDB_val *key, MDB_val *value)
{
    if (!walk->depth)
        return MDB_NOTFOUND;
    walk->depth--;
    struct name_key node;
    key_of_node(&node, walk->nodes[walk->depth], walk_segment(walk, walk->depth));
    *key = store_val(node.bytes, node.len);
    int r = mdb_cursor_get(walk->cursor, key, value, MDB_SET);
    /* NOTFOUND is what walk_settle() takes for the end of a node; the row that led here being gone is something else. */
    return r == MDB_NOTFOUND ? MDB_CORRUPTED : r ? r : mdb_cursor_get(walk->cursor, key, value, MDB_NEXT);
}

static int walk_enter_first(struct store_walk *walk, MDB_val *key, MDB_val *value)
{
    int r = walk_enter(walk, (const char *)key->mv_data + 8, value);
    if (r)
        return r;
    struct name_key first;
    key_start(&first, walk->nodes[walk->depth]);
    *key = store_val(first.bytes, first.len);
    return mdb_cursor_get(walk->cursor, key, value, MDB_SET_RANGE);
}

/* From the row where the cursor stands (r is the result of going there) to the next name at or behind it. */
static int walk_settle(struct store_walk *walk, int r, MDB_val *key, MDB_val *value)
{
    for (;;) {
        bool is_at_end = r == MDB_NOTFOUND || (!r && key_node(key) != walk->nodes[walk->depth]);
        if (r && !is_at_end)
            return r;
        if (is_at_end && !walk->depth)
            return MDB_NOTFOUND;
        if (is_at_end)
            r = walk_leave(walk, key, value);
        else if (key->mv_size == NODE_KEY_BYTES)
            r = walk_enter_first(walk, key, value);
        else
            break;
    }
    size_t rest = key->mv_size - 8;
    walk->len = walk->depth * SEGMENT_BYTES + rest;
    if (walk->len > STORE_NAME_BYTES)
        return MDB_CORRUPTED;
    memcpy(walk_segment(walk, walk->depth), (const char *)key->mv_data + 8, rest);
    walk->name[walk->len] = '\0';
    walk->value = *value;
    return 0;
}

int store_walk_seek(struct store_walk *walk, const char *from, size_t len)
{
    MDB_val key, value;
    struct name_key wanted;
    walk->depth = 0;
    for (; len > SEGMENT_BYTES && walk->depth + 1 < STORE_NAME_DEPTH; from += SEGMENT_BYTES, len -= SEGMENT_BYTES) {
        key_of_node(&wanted, walk->nodes[walk->depth], from);
        key = store_val(wanted.bytes, wanted.len);
        int r = mdb_cursor_get(walk->cursor, &key, &value, MDB_SET_RANGE);
        bool is_there = !r && key.mv_size == wanted.len && !memcmp(key.mv_data, wanted.bytes, wanted.len);
        if (!is_there)
            return walk_settle(walk, r, &key, &value);
        r = walk_enter(walk, from, &value);
        if (r)
            return r;
    }
    key_of_leaf(&wanted, walk->nodes[walk->depth], from, len < SEGMENT_BYTES ? len : SEGMENT_BYTES);
    key = store_val(wanted.bytes, wanted.len);
    int r = mdb_cursor_get(walk->cursor, &key, &value, MDB_SET_RANGE);
    return walk_settle(walk, r, &key, &value);
}

int store_walk_next(struct store_walk *walk)
{
    MDB_val key, value;
    int r = mdb_cursor_get(walk->cursor, &key, &value, MDB_NEXT);
    return walk_settle(walk, r, &key, &value);
}
