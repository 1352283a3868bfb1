/* SPDX-License-Identifier: MIT */
/* The accounts with their keys, and the key file. */
#include "accounts.h"

#include "../buf.h"
#include "../file.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdbool.h>
#include <string.h>

/* Some hundred accounts: more than one proxy serves. */
#define KEY_FILE_BYTES_MAX 65536u

/* Documented for the storage emulator and the same everywhere: a name, not a secret. */
#define DEVELOPMENT_ACCOUNT "devstoreaccount1"
#define DEVELOPMENT_KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

/* A list, because what accounts_find gave away must stay where it is. */
struct account_node {
    struct account account;
    struct account_node *next;
};

struct accounts {
    struct account_node *first;
    size_t count;
};

struct accounts *accounts_new(void)
{
    return calloc(1, sizeof(struct accounts));
}

static struct account_node *account_node_free(struct account_node *node)
{
    explicit_bzero(node, sizeof(*node));
    free(node);
    return NULL;
}

struct accounts *accounts_free(struct accounts *accounts)
{
    struct account_node *node = accounts ? accounts->first : NULL;

    while (node) {
        struct account_node *next = node->next;

        (void)account_node_free(node);
        node = next;
    }
    free(accounts);
    return NULL;
}

static bool account_name_is_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");

    return name[len] == '\0' && len >= 3 && len < sizeof(((struct account *)NULL)->name);
}

static int account_key_decode(const char *base64_key, struct account_key *ret_key)
{
    uint8_t bytes[BASE64_DECODE_LENGTH(BASE64_ENCODE_RAW_LENGTH(ACCOUNT_KEY_BYTES))];
    size_t encoded_len = strlen(base64_key), len = 0;
    struct base64_decode_ctx decoder;
    bool is_valid;

    if (encoded_len > BASE64_ENCODE_RAW_LENGTH(ACCOUNT_KEY_BYTES))
        return -EINVAL;
    base64_decode_init(&decoder);
    is_valid = base64_decode_update(&decoder, &len, bytes, encoded_len, base64_key) && base64_decode_final(&decoder) && len > 0 &&
               len <= ACCOUNT_KEY_BYTES;
    if (is_valid) {
        memcpy(ret_key->bytes, bytes, len);
        ret_key->len = len;
    }
    explicit_bzero(bytes, sizeof(bytes));
    explicit_bzero(&decoder, sizeof(decoder));
    return is_valid ? 0 : -EINVAL;
}

/* The account of that name; a new one without keys goes last, so that the first added is found first. */
static struct account *accounts_get(struct accounts *accounts, const char *name)
{
    struct account_node **link = &accounts->first;

    for (; *link; link = &(*link)->next)
        if (strcmp((*link)->account.name, name) == 0)
            return &(*link)->account;
    *link = calloc(1, sizeof(**link));
    if (!*link)
        return NULL;
    strcpy((*link)->account.name, name);
    accounts->count++;
    return &(*link)->account;
}

/* Messages never quote what they complain about: where the columns are swapped, the "name" is the key. */
int accounts_add(struct accounts *accounts, const char *name, const char *base64_key, struct err *err)
{
    struct account_key key = {.len = 0};
    struct account *account;
    size_t slot = 0;
    int r = 0;

    if (!account_name_is_valid(name))
        return err_set(err, -EINVAL, "an account name has 3 to 24 lower-case letters and digits");
    if (account_key_decode(base64_key, &key) < 0)
        return err_set(err, -EINVAL, "the key is not base64 of 1 to %d bytes", ACCOUNT_KEY_BYTES);
    account = accounts_get(accounts, name);
    while (account && slot < ACCOUNT_KEYS && account->keys[slot].len > 0)
        slot++;
    if (!account)
        r = err_set(err, -ENOMEM, "out of memory");
    else if (slot == ACCOUNT_KEYS)
        r = err_set(err, -EEXIST, "account %s has %d keys already", account->name, ACCOUNT_KEYS);
    else
        account->keys[slot] = key;
    explicit_bzero(&key, sizeof(key));
    return r;
}

/* One line: blank, comment, or a name and one or two keys. Cuts the line into words. */
static int accounts_add_line(struct accounts *accounts, char *line, struct err *err)
{
    static const char blanks[] = " \t\r";
    char *rest = NULL;
    char *name = strtok_r(line, blanks, &rest);
    unsigned keys = 0;
    char *key;

    if (!name || *name == '#')
        return 0;
    while ((key = strtok_r(NULL, blanks, &rest))) {
        int r;

        if (++keys > ACCOUNT_KEYS)
            return err_set(err, -EINVAL, "more than %d keys", ACCOUNT_KEYS);
        r = accounts_add(accounts, name, key, err);
        if (r < 0)
            return r;
    }
    return keys > 0 ? 0 : err_set(err, -EINVAL, "a line is an account name and one or two base64 keys");
}

static int accounts_add_text(struct accounts *accounts, struct buf *text, const char *path, struct err *err)
{
    char *line = text->len > 0 ? text->bytes : NULL;
    int r;

    if (text->len > 0 && memchr(text->bytes, '\0', text->len))
        return err_set(err, -EINVAL, "%s: not a text file", path);
    for (unsigned number = 1; line; number++) {
        char *end = strchr(line, '\n');

        if (end)
            *end = '\0';
        r = accounts_add_line(accounts, line, err);
        if (r < 0)
            return err_wrap(err, r, "%s:%u", path, number);
        line = end ? end + 1 : NULL;
    }
    return 0;
}

int accounts_load(struct accounts *accounts, const char *path, struct err *err)
{
    struct buf text CLEANUP(buf_wipe);
    int r;

    buf_init(&text, KEY_FILE_BYTES_MAX);
    r = file_read_secret(path, &text, err);
    if (r < 0)
        return r;
    return accounts_add_text(accounts, &text, path, err);
}

int accounts_add_development(struct accounts *accounts, struct err *err)
{
    return accounts_add(accounts, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, err);
}

const struct account *accounts_find(const struct accounts *accounts, const char *name)
{
    for (const struct account_node *node = accounts->first; node; node = node->next)
        if (strcmp(node->account.name, name) == 0)
            return &node->account;
    return NULL;
}

const struct account *accounts_at(const struct accounts *accounts, size_t index)
{
    const struct account_node *node = accounts->first;

    while (index-- > 0)
        node = node->next;
    return &node->account;
}

size_t accounts_count(const struct accounts *accounts)
{
    return accounts->count;
}
