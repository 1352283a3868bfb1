/* SPDX-License-Identifier: MIT */
/* Storage accounts and their keys: "name base64key [base64key2]" a line, '#' comments. Secrets are wiped when freed. */
#ifndef BLOBPROXY_ACCOUNTS_H
#define BLOBPROXY_ACCOUNTS_H

#include "../cleanup.h"
#include "../err.h"

#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_KEYS 2        /* an account has a primary and a secondary key */
#define ACCOUNT_KEY_BYTES 128 /* decoded; Azure's have 64 */

struct account_key {
    uint8_t bytes[ACCOUNT_KEY_BYTES];
    size_t len; /* 0: no such key */
};

struct account {
    char name[25];
    struct account_key keys[ACCOUNT_KEYS];
};

struct accounts;

struct accounts *accounts_new(void);
struct accounts *accounts_free(struct accounts *accounts); /* wipes; returns NULL */

/* Adds an account; a second key of a known account becomes its key 2. -EINVAL: name or base64 is wrong; -EEXIST: both are set. */
int accounts_add(struct accounts *accounts, const char *name, const char *base64_key, struct err *err) MUST_CHECK;

/* Reads a key file. It must be a regular file of this user or root that only its owner (or root) can read or write: -EPERM
 * otherwise, and err says which chmod helps. A file of root:root may be readable for its group: systemd's credentials are.
 * Errors carry "PATH:LINE: ", never the key. On failure the accounts of the lines before stay added. */
int accounts_load(struct accounts *accounts, const char *path, struct err *err) MUST_CHECK;

/* The publicly documented development account devstoreaccount1 and its well-known key (Azure Storage emulator documentation). */
int accounts_add_development(struct accounts *accounts, struct err *err) MUST_CHECK;

/* NULL when unknown. Borrowed until accounts_free. */
const struct account *accounts_find(const struct accounts *accounts, const char *name);
size_t accounts_count(const struct accounts *accounts);
const struct account *accounts_at(const struct accounts *accounts,
                                  size_t index); /* index < accounts_count(); likewise borrowed */

#endif
