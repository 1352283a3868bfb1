/* SPDX-License-Identifier: MIT */
/* Telling the proxy's own URLs from those of others, and writing the account's instead. */
#include "copysource.h"

#include <string.h>
#include <strings.h>

#define HTTP_PORT 80u
#define HTTPS_PORT 443u

struct url {
    unsigned default_port;
    struct slice authority;
    struct slice target; /* path and query */
};

static bool url_split(struct slice text, struct url *ret_url)
{
    static const struct {
        struct slice scheme;
        unsigned port;
    } schemes[] = {{{"http://", 7}, HTTP_PORT}, {{"https://", 8}, HTTPS_PORT}};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t skip = schemes[i].scheme.len;
        const char *slash;

        if (text.len <= skip || strncasecmp(text.bytes, schemes[i].scheme.bytes, skip) != 0)
            continue;
        slash = memchr(text.bytes + skip, '/', text.len - skip);
        if (!slash)
            return false;
        ret_url->default_port = schemes[i].port;
        ret_url->authority = (struct slice){text.bytes + skip, (size_t)(slash - text.bytes) - skip};
        ret_url->target = (struct slice){slash, text.len - (size_t)(slash - text.bytes)};
        return true;
    }
    return false;
}

/* 0: none is named. Digits only, as target_parse() has made sure, or a listener of the configuration. */
static unsigned port_of(struct slice authority)
{
    unsigned port = 0, factor = 1;

    for (size_t i = authority.len; i > 0; i--) {
        char c = authority.bytes[i - 1];

        if (c == ':')
            return port;
        if (c < '0' || c > '9' || factor > 10000)
            return 0;
        port += (unsigned)(c - '0') * factor;
        factor *= 10;
    }
    return 0;
}

static bool is_port_of(unsigned port, const char *const *listeners)
{
    for (; listeners && *listeners; listeners++)
        if (port == port_of(slice_of(*listeners)))
            return true;
    return false;
}

static bool is_our_port(const struct url *url, const struct copysource_self *self)
{
    unsigned port = port_of(url->authority), of_request = port_of(self->request_host);

    if (port == 0)
        port = url->default_port;
    if (port == (of_request > 0 ? of_request : url->default_port))
        return true;
    return is_port_of(port, self->listeners) || is_port_of(port, self->tls_listeners);
}

/* Does the name lie under localhost, where no service lives? */
static bool is_local_name(struct slice authority)
{
    static const char suffix[] = ".localhost";
    const size_t suffix_len = sizeof(suffix) - 1;
    const char *colon = memchr(authority.bytes, ':', authority.len);
    size_t len = colon ? (size_t)(colon - authority.bytes) : authority.len;

    return len > suffix_len && strncasecmp(authority.bytes + len - suffix_len, suffix, suffix_len) == 0;
}

bool copysource_is_own(struct slice url_text, const struct copysource_self *self, struct target *ret_target)
{
    struct url url;
    unsigned port;

    /* What is no host of ours, has a user in front of it, or holds what no path holds, target_parse() refuses. */
    if (!url_split(url_text, &url) || target_parse(url.authority, url.target, self->hosts, ret_target) < 0 ||
        !is_our_port(&url, self))
        return false;
    port = port_of(url.authority);
    return ret_target->style == TARGET_PATH_STYLE || is_local_name(url.authority) ||
           (port != 0 && port != HTTP_PORT && port != HTTPS_PORT);
}

int copysource_write(const struct target *target, const char *endpoint, struct buf *text)
{
    static const char mark[] = "{account}";
    const char *at = strstr(endpoint, mark);

    (void)buf_append(text, endpoint, at ? (size_t)(at - endpoint) : strlen(endpoint));
    if (at)
        (void)buf_printf(text, "%s%s%s", target->account, target->is_secondary ? "-secondary" : "", at + sizeof(mark) - 1);
    (void)buf_append(text, target->path.bytes, target->path.len);
    if (target->query.bytes) {
        (void)buf_puts(text, "?");
        (void)buf_append(text, target->query.bytes, target->query.len);
    }
    return text->failed;
}
