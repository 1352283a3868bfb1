/* SPDX-License-Identifier: MIT */
/* The form that a text must have by the kind of its key: addresses, names, paths, URLs. */
#include "address.h"
#include "conf_private.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define HOST_NAME_MAX_BYTES 253 /* DNS */

/* The host names this machine and no other. */
static bool is_local_host(const char *host, size_t len)
{
    static const char *const names[] = {"localhost", "[::1]"};
    static const char suffix[] = ".localhost";
    size_t suffix_len = sizeof(suffix) - 1;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && memcmp(host, names[i], len) == 0)
            return true;
    if (len > suffix_len && memcmp(host + len - suffix_len, suffix, suffix_len) == 0)
        return true;
    return len > 4 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= len;
}

/* Of ":PORT" in front; 0: not a port. */
static size_t port_bytes(const char *text)
{
    size_t digits = strspn(text + 1, "0123456789");
    unsigned long port = strtoul(text + 1, NULL, 10);

    return digits > 0 && digits <= 5 && port > 0 && port <= UINT16_MAX ? 1 + digits : 0;
}

/* "scheme://host[:port]", the host with one {account} or none. Which addresses a name has is found out when it is used. */
static int check_url(const char *text, struct err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    bool is_https = strncmp(text, "https://", 8) == 0;
    const char *host = text + (is_https ? 8 : 7);

    if (!is_https && strncmp(text, "http://", 7) != 0)
        return err_set(err, -EINVAL, "\"%.64s\" is no URL, write one that begins with https://", text);
    const char *account = strstr(host, CONF_URL_ACCOUNT);
    const char *rest = host[0] == '[' ? host + 1 + strspn(host + 1, "0123456789abcdef:") : host;

    if (host[0] == '[')
        rest += *rest == ']';
    else if (account)
        rest = account == host + strspn(host, letters) ? account + strlen(CONF_URL_ACCOUNT) : host;
    rest += strspn(rest, letters);
    size_t host_len = (size_t)(rest - host);

    if (*rest == ':' && rest[1])
        rest += port_bytes(rest);
    if (host_len == 0 || host_len > HOST_NAME_MAX_BYTES || *rest)
        return err_set(err, -EINVAL, "\"%.64s\" is not an endpoint, write https://HOST or https://HOST:PORT without a path",
                       text);
    if (!is_https && !is_local_host(host, host_len))
        return err_set(err, -EINVAL, "\"%.64s\" would send signatures over the network in plain HTTP, write https://", text);
    return 0;
}

static int check_path(const char *text, size_t max_bytes, bool may_be_none, struct err *err)
{
    if (!*text && may_be_none)
        return 0;
    if (text[0] != '/')
        return err_set(err, -EINVAL, "\"%.64s\" is not an absolute path, write one that begins with / and has no quotes", text);
    if (strlen(text) > max_bytes)
        return err_set(err, -EINVAL, "the path has %zu bytes, write one of at most %zu", strlen(text), max_bytes);
    return 0;
}

static int check_name(const char *text, struct err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t len = strlen(text);

    if (len == 0 || len > HOST_NAME_MAX_BYTES || text[strspn(text, letters)] || text[0] == '.' || text[len - 1] == '.' ||
        text[0] == '-' || text[len - 1] == '-' || strstr(text, ".."))
        return err_set(err, -EINVAL, "\"%.64s\" is not a host name, write lower-case letters, digits, - and . and no port", text);
    return 0;
}

static int check_address(const char *text, struct err *err)
{
    struct address address;
    const char *problem = NULL;

    if (address_parse(text, &address, &problem) < 0)
        return err_set(err, -EINVAL, "\"%.64s\" %s", text, problem);
    return 0;
}

static int check_account(const char *text, struct err *err)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789");

    if (text[len] || len < 3 || len > 24)
        return err_set(err, -EINVAL, "\"%.64s\" is not an account name, write 3 to 24 lower-case letters and digits", text);
    return 0;
}

static int check_domain(const char *text, struct err *err)
{
    CLEANUP(cleanup_free) char *host = strdup(text);
    char *account = host ? strchr(host, '=') : NULL;

    if (!host)
        return err_set(err, -ENOMEM, "no memory");
    if (!account)
        return err_set(err, -EINVAL, "\"%.64s\" names no account, write HOST=ACCOUNT", text);
    *account++ = '\0';
    int result = check_name(host, err);

    return result < 0 ? result : check_account(account, err);
}

#define OVERFLOW_UID 65534u /* what the kernel says of a user of another user namespace: anybody */

static int check_uid(const char *text, struct err *err)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long uid = strtoul(text, NULL, 10);

    if (digits == 0 || text[digits] || uid >= UINT32_MAX)
        return err_set(err, -EINVAL, "\"%.64s\" is not a user id, write its number", text);
    if (uid == OVERFLOW_UID)
        return err_set(err, -EINVAL, "%u stands for users that cannot be told apart, write another user", OVERFLOW_UID);
    return 0;
}

/* It stands in front of a path in header fields: nothing that would end the URL's path, or the field. */
static int check_endpoint(const char *text, struct err *err)
{
    static const char mark[] = "{account}";
    const char *found = strstr(text, mark);
    size_t len = strlen(text), scheme = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;

    if (scheme == 0 || !found || strstr(found + 1, mark) || text[scheme] == '/' || text[len - 1] == '/' || len > 512 ||
        strpbrk(text, " \t?#@\"<>\\"))
        return err_set(err, -EINVAL, "\"%.64s\" is not an endpoint, write for example https://{account}.blob.core.windows.net",
                       text);
    return 0;
}

static int check_group(const char *text, struct err *err)
{
    if (*text && !getgrnam(text))
        return err_set(err, -EINVAL, "\"%.64s\" is not a group of this machine, write one, or nothing", text);
    return 0;
}

int conf_form_check(const struct conf_row *row, const char *text, struct err *err)
{
    switch (row->kind) {
    case CONF_ADDRESS_OR_NONE:
        return *text ? check_address(text, err) : 0;
    case CONF_ENDPOINT_OR_NONE:
        return *text ? check_endpoint(text, err) : 0;
    case CONF_GROUP_OR_NONE:
        return check_group(text, err);
    case CONF_NAME:
        return check_name(text, err);
    case CONF_PATH_OR_NONE:
        return check_path(text, 4095, true, err);
    case CONF_URL:
        return check_url(text, err);
    default:
        return check_path(text, SOCKET_PATH_MAX, row->kind == CONF_SOCKET_OR_NONE, err);
    }
}

int conf_form_check_item(const struct conf_row *row, const char *item, struct err *err)
{
    switch (row->kind) {
    case CONF_ACCOUNTS:
        return check_account(item, err);
    case CONF_ADDRESSES:
        return check_address(item, err);
    case CONF_DOMAINS:
        return check_domain(item, err);
    case CONF_UIDS:
        return check_uid(item, err);
    default:
        return check_name(item, err);
    }
}
