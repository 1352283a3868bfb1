/* SPDX-License-Identifier: MIT */
/* Which address and account a client is given. */
#include "../../src/blobproxyctl/endpoint.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

static struct endpoint endpoint;
static struct err err;

static int choose(const char *status_text, const char *account, const char *kind)
{
    json_auto_t *status = json_loads(status_text, 0, NULL);

    cr_assert_not_null(status, "%s", status_text);
    if (strcmp(kind, "unix") == 0)
        return endpoint_of_unix(status, account, &endpoint, &err);
    return endpoint_of_tcp(status, account, strcmp(kind, "tls") == 0, &endpoint, &err);
}

static void expect_url(const char *listeners, const char *kind, const char *url)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "{\"listeners\": [%s], \"accounts\": []}", listeners);
    cr_assert_eq(choose(text, "acct", kind), 0, "%s: %s", listeners, err.text);
    cr_expect_str_eq(endpoint.url, url, "%s: %s", listeners, endpoint.url);
}

Test(endpoint, ipv4_loopback_is_preferred)
{
    expect_url("\"[::1]:1\", \"10.0.0.1:2\", \"127.0.0.1:3\"", "tcp", "http://127.0.0.1:3/acct");
    expect_url("\"[::1]:1\", \"10.0.0.1:2\"", "tcp", "http://10.0.0.1:2/acct");
    expect_url("\"unix:/x\", \"tls:127.0.0.1:9\", \"[::1]:1\"", "tcp", "http://[::1]:1/acct");
}

Test(endpoint, an_address_that_means_all_is_reached_over_loopback)
{
    expect_url("\"0.0.0.0:1\"", "tcp", "http://127.0.0.1:1/acct");
    expect_url("\"[::]:1\"", "tcp", "http://[::1]:1/acct");
}

Test(endpoint, tls_has_listeners_of_its_own)
{
    expect_url("\"127.0.0.1:1\", \"tls:[::1]:2\", \"tls:127.0.0.1:3\"", "tls", "https://127.0.0.1:3/acct");
}

Test(endpoint, a_unix_socket_is_no_part_of_the_url)
{
    expect_url("\"127.0.0.1:1\", \"unix:/run/b.sock\"", "unix", "http://localhost/acct");
    cr_expect_str_eq(endpoint.socket, "/run/b.sock");
}

Test(endpoint, a_missing_listener_is_told_with_its_key)
{
    static const char status[] = "{\"listeners\": [\"unix:/x\"], \"accounts\": [\"acct\"]}";

    cr_expect_eq(choose(status, NULL, "tcp"), -ENOENT);
    cr_expect(strstr(err.text, "listen.tcp"), "%s", err.text);
    cr_expect_eq(choose(status, NULL, "tls"), -ENOENT);
    cr_expect(strstr(err.text, "listen.tls"), "%s", err.text);
    cr_expect_eq(choose("{\"listeners\": [\"127.0.0.1:1\"], \"accounts\": [\"acct\"]}", NULL, "unix"), -ENOENT);
    cr_expect(strstr(err.text, "listen.unix"), "%s", err.text);
}

Test(endpoint, a_string_for_the_development_account_is_complete)
{
    char text[1024];

    cr_assert_eq(choose("{\"listeners\": [\"127.0.0.1:10000\"], \"accounts\": [\"other\", \"devstoreaccount1\"]}", NULL, "tcp"),
                 0);
    cr_expect(endpoint.has_key);
    endpoint_connection_string(&endpoint, text, sizeof(text));
    cr_expect_str_eq(text, "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=" KEY
                           ";BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;");
}

Test(endpoint, other_accounts_have_a_word_in_place_of_their_key)
{
    char text[1024];

    cr_assert_eq(choose("{\"listeners\": [\"tls:127.0.0.1:1\"], \"accounts\": [\"mine\"]}", NULL, "tls"), 0);
    cr_expect_not(endpoint.has_key);
    endpoint_connection_string(&endpoint, text, sizeof(text));
    cr_expect_str_eq(text, "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=PUT-THE-KEY-HERE;"
                           "BlobEndpoint=https://127.0.0.1:1/mine;");
}

Test(endpoint, one_account_needs_no_name_several_do)
{
    cr_expect_eq(choose("{\"listeners\": [\"127.0.0.1:1\"], \"accounts\": [\"one1\", \"two2\"]}", NULL, "tcp"), -ENOENT);
    cr_expect(strstr(err.text, "--account"), "%s", err.text);
    cr_expect_eq(choose("{\"listeners\": [\"127.0.0.1:1\"], \"accounts\": []}", NULL, "tcp"), -ENOENT);
    cr_expect_eq(choose("{\"listeners\": [\"127.0.0.1:1\"], \"accounts\": [\"a;b=c\"]}", NULL, "tcp"), -ENOENT);
}

Test(endpoint, what_is_no_accounts_name_is_refused)
{
    static const char *const names[] = {"", "ab", "Upper", "with-dash", "a;AccountKey=x", "abcdefghijklmnopqrstuvwxy"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_expect_eq(choose("{\"listeners\": [\"127.0.0.1:1\"]}", names[i], "tcp"), -EINVAL, "%s", names[i]);
}

Test(endpoint, an_answer_of_another_shape_has_no_listeners)
{
    cr_expect_eq(choose("{\"listeners\": \"127.0.0.1:1\"}", "acct", "tcp"), -ENOENT);
    cr_expect_eq(choose("{\"listeners\": [1, null, {}]}", "acct", "tcp"), -ENOENT);
    cr_expect_eq(choose("{}", "acct", "tcp"), -ENOENT);
}

Test(endpoint, the_unix_socket_is_shown_in_every_language)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    cr_assert_eq(choose("{\"listeners\": [\"unix:/run/b.sock\"]}", "devstoreaccount1", "unix"), 0);
    endpoint_print_unix(&endpoint, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect(strstr(text, "curl --unix-socket /run/b.sock \"http://localhost/devstoreaccount1/CONTAINER/BLOB?SAS\"\n"));
    cr_expect(strstr(text, "StorageSharedKeyCredential(\"devstoreaccount1\", \"" KEY "\")"));
    cr_expect(strstr(text, "socketPath: \"/run/b.sock\""));
    cr_expect_not(strchr(text, '@'));
    free(text);
}
