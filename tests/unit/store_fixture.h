/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: a store in a directory of its own, short calls, and an audit of everything in it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "../../src/blobhostd/store_internal.h"

#define SMALL 1000u   /* stays inline */
#define LARGE 100000u /* becomes a file */

extern struct store *store;
extern char store_directory[256];

void fixture_setup(void);    /* directory, store, container "c" */
void fixture_teardown(void); /* audits, closes, removes the directory */
void fixture_reopen(void);
void fixture_open_with(const struct store_options *options); /* instead of what is open */
void fixture_remove_directory(void);

struct store_name blob_named(const char *blob);
struct store_name snapshot_named(const char *blob, const char *snapshot);

/* len bytes that differ with seed; position i of a body is a function of (seed, i). */
void fill(char *bytes, size_t len, unsigned seed);

enum azure_error put(const char *blob, unsigned seed, size_t len);
enum azure_error put_type(const char *blob, enum store_blob_type type, uint64_t length);
enum azure_error append(const char *blob, unsigned seed, size_t len);
enum azure_error put_pages(const char *blob, uint64_t offset, uint64_t length, unsigned seed);
enum azure_error clear_pages(const char *blob, uint64_t offset, uint64_t length);
enum azure_error put_block(const char *blob, const char *id, unsigned seed, size_t len);
/* ids as "aa bb cc"; from is for all of them. */
enum azure_error commit_blocks(const char *blob, const char *ids, enum store_block_list from);
enum azure_error copy(const char *from, const char *snapshot, const char *to);
void snapshot(const char *blob, char time[static 29]);
enum azure_error delete_blob(const char *blob);

/* The whole blob: owned bytes, or NULL with *ret_len 0 when it cannot be read. */
char *get(const struct store_name *name, size_t *ret_len);
/* The blob is exactly the bodies that these (seed, len) pairs name, one behind the other; ends with len 0. */
struct body {
    unsigned seed;
    size_t len;
};
bool holds(const struct store_name *name, const struct body *bodies);
#define HOLDS(name, ...) holds(&(name), (const struct body[]){__VA_ARGS__, {0, 0}})

unsigned files_on_disk(void);

/* Counts what is wrong: references that do not add up, rows or files that nobody refers to, missing files. Says so on stderr. */
unsigned audit(struct store *audited);

#endif
