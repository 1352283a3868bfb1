/* SPDX-License-Identifier: MIT */
/* Where a transfer goes. */
#include "backend_url.h"

#include "../lib/httpclient.h"
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ACCOUNT_CHARS "abcdefghijklmnopqrstuvwxyz0123456789"
#define SECONDARY "-secondary"

/* The first label of the Host; empty when it is no account. */
static struct slice account_of(struct slice host)
{
    const char *const dot = host.len > 0 ? memchr(host.bytes, '.', host.len) : NULL;
    struct slice label = {host.bytes, dot ? (size_t)(dot - host.bytes) : 0};
    size_t name_len = label.len;

    if (name_len > strlen(SECONDARY) && memcmp(label.bytes + name_len - strlen(SECONDARY), SECONDARY, strlen(SECONDARY)) == 0)
        name_len -= strlen(SECONDARY);
    for (size_t i = 0; i < name_len; i++)
        if (!strchr(ACCOUNT_CHARS, label.bytes[i]) || label.bytes[i] == '\0')
            name_len = 0;
    if (name_len < 3 || name_len > 24)
        label.len = 0;
    return label;
}

/* The URL with the mark replaced. */
static int put_account(const char *url, struct slice account, char *origin)
{
    const char *const mark = strstr(url, BACKEND_ACCOUNT_MARK);
    const int before = mark ? (int)(mark - url) : (int)strlen(url);
    const int len = snprintf(origin, BACKEND_ORIGIN_BYTES, "%.*s%.*s%s", before, url, mark ? (int)account.len : 0,
                             account.len > 0 ? account.bytes : "", mark ? mark + strlen(BACKEND_ACCOUNT_MARK) : "");

    return len < 0 || len >= BACKEND_ORIGIN_BYTES ? -EINVAL : 0;
}

int backend_url_resolve(const char *url, const struct head *head, struct backend_place *ret_place)
{
    const struct slice host = head_value(head, "Host");
    const struct slice account = account_of(host);
    const bool is_per_account = strstr(url, BACKEND_ACCOUNT_MARK) != NULL;

    if (is_per_account && account.len == 0)
        return -EINVAL;
    const int rc = put_account(url, account, ret_place->origin);
    if (rc < 0)
        return rc;
    ret_place->host = is_per_account ? slice_of(strstr(ret_place->origin, "//") + 2) : host;
    return 0;
}

int backend_check_url(const char *url, struct err *err)
{
    char origin[BACKEND_ORIGIN_BYTES];
    const char *const authority = strstr(url, "//");
    const char *const mark = strstr(url, BACKEND_ACCOUNT_MARK);

    if (!authority || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
        return err_set(err, -EINVAL, "--backend %s: begin with http:// or https://", url);
    if (strpbrk(authority + 2, "/?#"))
        return err_set(err, -EINVAL, "--backend %s: give scheme, name and port only: paths come from the requests", url);
    if (mark && (mark != authority + 2 || mark[strlen(BACKEND_ACCOUNT_MARK)] != '.'))
        return err_set(err, -EINVAL, "--backend %s: " BACKEND_ACCOUNT_MARK " must be the whole first part of the name", url);
    if (put_account(url, SLICE("account"), origin) < 0 || strpbrk(origin, "{}") || httpclient_check_origin(origin) < 0)
        return err_set(err, -EINVAL, "--backend %s: this is no URL of a Blob endpoint", url);
    return 0;
}
