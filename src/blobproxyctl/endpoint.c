/* SPDX-License-Identifier: MIT */
/* Chooses an address of the daemon's and an account. */
#include "endpoint.h"

#include <errno.h>
#include <string.h>

/* Published with the storage emulators, the same everywhere: no secret. */
#define DEVELOPMENT_ACCOUNT "devstoreaccount1"
#define DEVELOPMENT_KEY "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
#define PLACEHOLDER "PUT-THE-KEY-HERE" /* no base64: who forgets is told at once */

#define TLS_PREFIX "tls:"
#define UNIX_PREFIX "unix:"

static bool begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* ---- account ---- */

static bool is_account(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");

    return len >= 3 && len <= 24 && name[len] == '\0';
}

static const char *account_at(const json_t *accounts, size_t place)
{
    const char *name = json_string_value(json_array_get(accounts, place));

    return name && is_account(name) ? name : NULL;
}

/* The only one, or the development account among others. */
static const char *choose_account(const json_t *accounts)
{
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const char *name = account_at(accounts, i);

        if (name && strcmp(name, DEVELOPMENT_ACCOUNT) == 0)
            return name;
    }
    return json_array_size(accounts) == 1 ? account_at(accounts, 0) : NULL;
}

static int take_account(const json_t *status, const char *account, struct endpoint *endpoint, struct err *err)
{
    const char *name = account ? account : choose_account(json_object_get(status, "accounts"));

    if (!name)
        return err_set(err, -ENOENT, "say which account: --account NAME");
    if (!is_account(name))
        return err_set(err, -EINVAL, "--account %s: a name has 3 to 24 letters a to z and digits", name);
    endpoint->has_key = strcmp(name, DEVELOPMENT_ACCOUNT) == 0;
    (void)snprintf(endpoint->account, sizeof(endpoint->account), "%s", name);
    (void)snprintf(endpoint->key, sizeof(endpoint->key), "%s", endpoint->has_key ? DEVELOPMENT_KEY : PLACEHOLDER);
    return 0;
}

/* ---- listener ---- */

/* An address of this machine for one that means all of them. */
static const char *reachable(const char *address, char text[ENDPOINT_BYTES])
{
    static const struct {
        const char *all, *one;
    } forms[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (begins(address, forms[i].all)) {
            (void)snprintf(text, ENDPOINT_BYTES, "%s%s", forms[i].one, address + strlen(forms[i].all));
            return text;
        }
    }
    return address;
}

/* Clients know 127.0.0.1 best, then other addresses with IPv4. */
static int rank(const char *address)
{
    return begins(address, "127.0.0.1:") || begins(address, "0.0.0.0:") ? 2 : address[0] != '[';
}

/* Behind the prefix, "" for plain TCP; NULL: there is none such. */
static const char *find_listener(const json_t *status, const char *prefix)
{
    const json_t *listeners = json_object_get(status, "listeners");
    const char *found = NULL;

    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const char *address = json_string_value(json_array_get(listeners, i));
        bool is_other = address && !*prefix && (begins(address, TLS_PREFIX) || begins(address, UNIX_PREFIX));

        if (!address || is_other || !begins(address, prefix))
            continue;
        address += strlen(prefix);
        if (!found || rank(address) > rank(found))
            found = address;
    }
    return found;
}

int endpoint_of_tcp(const json_t *status, const char *account, bool is_tls, struct endpoint *ret_endpoint, struct err *err)
{
    struct endpoint endpoint = {.is_tls = is_tls};
    const char *address = find_listener(status, is_tls ? TLS_PREFIX : "");
    char text[ENDPOINT_BYTES];
    int r = take_account(status, account, &endpoint, err);

    if (r < 0)
        return r;
    if (!address)
        return err_set(err, -ENOENT, "blobproxyd has no %s listener: configure %s", is_tls ? "TLS" : "TCP",
                       is_tls ? "listen.tls; blobproxyd-local-ca makes a certificate" : "listen.tcp, or use --unix");
    (void)snprintf(endpoint.url, sizeof(endpoint.url), "%s://%.400s/%s", is_tls ? "https" : "http", reachable(address, text),
                   endpoint.account);
    *ret_endpoint = endpoint;
    return 0;
}

int endpoint_of_unix(const json_t *status, const char *account, struct endpoint *ret_endpoint, struct err *err)
{
    struct endpoint endpoint = {0};
    const char *path = find_listener(status, UNIX_PREFIX);
    int r = take_account(status, account, &endpoint, err);

    if (r < 0)
        return r;
    if (!path)
        return err_set(err, -ENOENT, "blobproxyd has no Unix socket for clients: configure listen.unix");
    (void)snprintf(endpoint.socket, sizeof(endpoint.socket), "%s", path);
    (void)snprintf(endpoint.url, sizeof(endpoint.url), "http://localhost/%s", endpoint.account);
    *ret_endpoint = endpoint;
    return 0;
}

void endpoint_connection_string(const struct endpoint *endpoint, char *text, size_t text_bytes)
{
    (void)snprintf(text, text_bytes, "DefaultEndpointsProtocol=%s;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;",
                   endpoint->is_tls ? "https" : "http", endpoint->account, endpoint->key, endpoint->url);
}
