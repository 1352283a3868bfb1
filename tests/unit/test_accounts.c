/* SPDX-License-Identifier: MIT */
/* Tests of sign/accounts: adding, finding, the key file and who may read it. */
#include "../../src/lib/sign/accounts.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* uid and gid -1: as they come. */
static int load_bytes(struct accounts *accounts, const char *text, size_t len, mode_t mode, uid_t uid, gid_t gid, char path[64],
                      struct err *err)
{
    int fd, result;

    strcpy(path, "/tmp/test_accounts.XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    cr_assert_eq(fchown(fd, uid, gid), 0);
    cr_assert_eq(fchmod(fd, mode), 0);
    result = accounts_load(accounts, path, err);
    close(fd);
    unlink(path);
    return result;
}

/* Of root it belongs to a group that is not root's, so that the bits of the group count. */
static int load_text(struct accounts *accounts, const char *text, mode_t mode, char path[64], struct err *err)
{
    return load_bytes(accounts, text, strlen(text), mode, (uid_t)-1, geteuid() == 0 ? 1 : (gid_t)-1, path, err);
}

Test(accounts, added_account_is_found_with_its_decoded_key)
{
    struct accounts *accounts = accounts_new();
    const struct account *account;

    cr_assert_eq(accounts_add(accounts, "acct", "AAEC/w==", NULL), 0);
    account = accounts_find(accounts, "acct");
    cr_assert_not_null(account);
    cr_expect_eq(account->keys[0].len, 4);
    cr_expect_eq(memcmp(account->keys[0].bytes, "\x00\x01\x02\xff", 4), 0);
    cr_expect_eq(account->keys[1].len, 0);
    cr_expect_null(accounts_find(accounts, "acc"));
    cr_expect_eq(accounts_count(accounts), 1);
    accounts_free(accounts);
}

Test(accounts, found_account_stays_where_it_is_while_others_are_added)
{
    struct accounts *accounts = accounts_new();
    const struct account *first;

    cr_assert_eq(accounts_add(accounts, "first", "AAAA", NULL), 0);
    first = accounts_find(accounts, "first");
    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "acct%d", i);
        cr_assert_eq(accounts_add(accounts, name, "AAAA", NULL), 0);
    }
    cr_expect_eq(accounts_find(accounts, "first"), first);
    cr_expect_eq(accounts_count(accounts), 101);
    accounts_free(accounts);
}

Test(accounts, second_key_is_kept_and_a_third_refused)
{
    struct accounts *accounts = accounts_new();
    struct err err = {""};

    cr_assert_eq(accounts_add(accounts, "acct", "AAAA", NULL), 0);
    cr_assert_eq(accounts_add(accounts, "acct", "AQEB", NULL), 0);
    cr_expect_eq(accounts_add(accounts, "acct", "AgIC", &err), -EEXIST);
    cr_expect_str_eq(err.text, "account acct has 2 keys already");
    cr_expect_eq(accounts_find(accounts, "acct")->keys[1].bytes[0], 1);
    cr_expect_eq(accounts_count(accounts), 1);
    accounts_free(accounts);
}

Test(accounts, wrong_names_are_refused)
{
    static const char *const names[] = {"", "ab", "Acct", "ac-ct", "acct ", "abcdefghijklmnopqrstuvwxy"};
    struct accounts *accounts = accounts_new();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_expect_eq(accounts_add(accounts, names[i], "AAAA", NULL), -EINVAL, "%s", names[i]);
    cr_expect_eq(accounts_add(accounts, "abcdefghijklmnopqrstuvwx", "AAAA", NULL), 0);
    cr_expect_eq(accounts_count(accounts), 1);
    accounts_free(accounts);
}

Test(accounts, wrong_keys_are_refused_and_never_quoted)
{
    char long_key[BUFSIZ];
    const char *keys[] = {"", "A", "AAA", "AA=A", "A!AA", "secret-secret-secret", long_key};
    struct accounts *accounts = accounts_new();

    memset(long_key, 'A', 176);
    long_key[176] = '\0';
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct err err = {""};

        cr_expect_eq(accounts_add(accounts, "acct", keys[i], &err), -EINVAL, "%s", keys[i]);
        cr_expect(strlen(keys[i]) < 3 || !strstr(err.text, keys[i]), "%s", err.text);
    }
    cr_expect_eq(accounts_count(accounts), 0);
    accounts_free(accounts);
}

Test(accounts, key_of_128_bytes_is_the_longest)
{
    char key[173];
    struct accounts *accounts = accounts_new();

    memset(key, 'A', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    cr_expect_eq(accounts_add(accounts, "acct", key, NULL), -EINVAL);
    key[171] = '=';
    cr_expect_eq(accounts_add(accounts, "acct", key, NULL), 0);
    cr_expect_eq(accounts_find(accounts, "acct")->keys[0].len, 128);
    accounts_free(accounts);
}

Test(accounts, development_account_has_its_documented_key)
{
    struct accounts *accounts = accounts_new();
    const struct account *account;

    cr_assert_eq(accounts_add_development(accounts, NULL), 0);
    account = accounts_find(accounts, "devstoreaccount1");
    cr_assert_not_null(account);
    cr_expect_eq(account->keys[0].len, 64);
    cr_expect_eq(account->keys[0].bytes[0], 0x11);
    cr_expect_eq(account->keys[0].bytes[63], 0x1b);
    accounts_free(accounts);
}

Test(accounts, file_with_comments_blank_lines_and_two_keys_is_read)
{
    struct accounts *accounts = accounts_new();
    struct err err = {""};
    char path[64];

    cr_assert_eq(load_text(accounts, "# keys\n\n  acct1 AAAA AQEB\r\n\tacct2\tAAAA\n   # more\nacct2 AgIC", 0600, path, &err), 0,
                 "%s", err.text);
    cr_expect_eq(accounts_count(accounts), 2);
    cr_expect_eq(accounts_find(accounts, "acct1")->keys[1].len, 3);
    cr_expect_eq(accounts_find(accounts, "acct2")->keys[1].bytes[0], 2);
    accounts_free(accounts);
}

Test(accounts, empty_file_is_read)
{
    struct accounts *accounts = accounts_new();
    char path[64];

    cr_expect_eq(load_text(accounts, "", 0400, path, NULL), 0);
    cr_expect_eq(accounts_count(accounts), 0);
    accounts_free(accounts);
}

Test(accounts, wrong_line_is_named_and_its_words_are_not_quoted)
{
    static const char *const texts[] = {"ok1 AAAA\nSecretKey== acct\n", "ok1 AAAA\nacct SecretKey!\n", "ok1 AAAA\nsecretkey\n",
                                        "ok1 AAAA\nacct AAAA AAAA SecretKey\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct accounts *accounts = accounts_new();
        struct err err = {""};
        char path[64], prefix[80];

        cr_expect_eq(load_text(accounts, texts[i], 0600, path, &err), -EINVAL, "%s", texts[i]);
        snprintf(prefix, sizeof(prefix), "%s:2: ", path);
        cr_expect_eq(strncmp(err.text, prefix, strlen(prefix)), 0, "%s", err.text);
        cr_expect_null(strcasestr(err.text, "secretkey"), "%s", err.text);
        accounts_free(accounts);
    }
}

Test(accounts, file_open_to_others_is_refused_with_the_remedy)
{
    static const mode_t modes[] = {0640, 0604, 0660, 0601, 0620, 0644};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct accounts *accounts = accounts_new();
        struct err err = {""};
        char path[64];

        cr_expect_eq(load_text(accounts, "acct AAAA\n", modes[i], path, &err), -EPERM, "%04o", modes[i]);
        cr_expect_not_null(strstr(err.text, "chmod 0600 "), "%s", err.text);
        cr_expect_eq(accounts_count(accounts), 0);
        accounts_free(accounts);
    }
}

Test(accounts, credential_of_root_may_be_readable_for_roots_group)
{
    struct accounts *accounts = accounts_new();
    char path[64];

    if (geteuid() != 0)
        cr_skip_test("only root can make such a file");
    cr_expect_eq(load_bytes(accounts, "acct AAAA", 9, 0440, 0, 0, path, NULL), 0);
    cr_expect_eq(load_bytes(accounts, "acct AAAA", 9, 0444, 0, 0, path, NULL), -EPERM);
    cr_expect_eq(load_bytes(accounts, "acct AAAA", 9, 0460, 0, 0, path, NULL), -EPERM);
    accounts_free(accounts);
}

Test(accounts, file_of_another_user_is_refused)
{
    struct accounts *accounts = accounts_new();
    struct err err = {""};
    char path[64];

    if (geteuid() != 0)
        cr_skip_test("only root can make such a file");
    cr_expect_eq(load_bytes(accounts, "acct AAAA", 9, 0600, 12345, 0, path, &err), -EPERM);
    cr_expect_not_null(strstr(err.text, "chown"), "%s", err.text);
    accounts_free(accounts);
}

Test(accounts, file_that_is_no_text_or_too_long_is_refused)
{
    static char big[80000];
    struct accounts *accounts = accounts_new();
    char path[64];

    memset(big, '#', sizeof(big));
    cr_expect_eq(load_bytes(accounts, "acct\0AAAA", 10, 0600, (uid_t)-1, (gid_t)-1, path, NULL), -EINVAL);
    cr_expect_eq(load_bytes(accounts, big, sizeof(big), 0600, (uid_t)-1, (gid_t)-1, path, NULL), -EFBIG);
    accounts_free(accounts);
}

Test(accounts, what_is_not_a_regular_file_is_refused)
{
    struct accounts *accounts = accounts_new();
    struct err err = {""};
    char folder[] = "/tmp/test_accounts.XXXXXX";
    char path[64];

    cr_expect_eq(accounts_load(accounts, "/dev/null", &err), -EPERM);
    cr_expect_eq(accounts_load(accounts, "/tmp", &err), -EPERM);
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo", folder);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(accounts_load(accounts, path, &err), -EPERM);
    unlink(path);
    cr_expect_eq(accounts_load(accounts, path, &err), -ENOENT);
    cr_expect_eq(strncmp(err.text, path, strlen(path)), 0);
    rmdir(folder);
    accounts_free(accounts);
}

Test(accounts, free_accepts_null)
{
    cr_expect_null(accounts_free(NULL));
}
