/* SPDX-License-Identifier: MIT */
/* Reading host and raw target: whose account, which container and blob. */
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const char secondary_suffix[] = "-secondary";

static struct slice slice_from(struct slice whole, size_t offset)
{
    return (struct slice){whole.bytes + offset, whole.len - offset};
}

/* Bytes before the first c, or all. */
static size_t slice_span(struct slice slice, char c)
{
    const char *found = slice.len > 0 ? memchr(slice.bytes, c, slice.len) : NULL;

    return found ? (size_t)(found - slice.bytes) : slice.len;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Value of the escape at the front of raw, or -1. */
static int percent_byte(struct slice raw)
{
    int high, low;

    if (raw.len < 3 || raw.bytes[0] != '%')
        return -1;
    high = hex_digit(raw.bytes[1]);
    low = hex_digit(raw.bytes[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Takes a port of up to five digits off the host, which may be a bracketed literal. */
static int host_strip_port(struct slice host, struct slice *ret_name)
{
    size_t name_len = host.len > 0 && host.bytes[0] == '[' ? slice_span(host, ']') + 1 : slice_span(host, ':');
    struct slice port;
    unsigned value = 0;

    if (name_len == 0 || name_len > host.len)
        return -EHOSTUNREACH;
    port = slice_from(host, name_len);
    if (port.len > 6 || (port.len > 0 && port.bytes[0] != ':'))
        return -EHOSTUNREACH;
    for (size_t i = 1; i < port.len; i++) {
        if (port.bytes[i] < '0' || port.bytes[i] > '9')
            return -EHOSTUNREACH;
        value = value * 10 + (unsigned)(port.bytes[i] - '0');
    }
    if (value > UINT16_MAX)
        return -EHOSTUNREACH;
    *ret_name = (struct slice){host.bytes, name_len};
    return 0;
}

static bool host_is_loopback_literal(struct slice name)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    bool is_bracketed = name.bytes[0] == '[';

    /* Names are the common case, and no name that is not an address begins with "[" or "127.". */
    if (!is_bracketed && (name.len < 4 || memcmp(name.bytes, "127.", 4) != 0))
        return false;
    if (is_bracketed)
        name = (struct slice){name.bytes + 1, name.len - 2};
    if (name.len >= sizeof(text))
        return false;
    memcpy(text, name.bytes, name.len);
    text[name.len] = '\0';
    if (is_bracketed)
        return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return inet_pton(AF_INET, text, &v4) == 1;
}

static bool host_is_listed(struct slice name, const char *const *list)
{
    for (; list && *list; list++)
        if (slice_equal_nocase(name, slice_of(*list)))
            return true;
    return false;
}

static bool host_is_path_style(struct slice name, const char *const *extra_names)
{
    return host_is_loopback_literal(name) || slice_equal_nocase(name, SLICE("localhost")) || host_is_listed(name, extra_names);
}

bool target_is_own_host(struct slice host, const char *const *extra_names)
{
    struct slice name;

    return host_strip_port(host, &name) == 0 && host_is_path_style(name, extra_names);
}

/* "acct" or "acct-secondary", in any case when it comes from a host name. */
static int account_parse(struct slice text, bool is_any_case, struct target *target)
{
    const size_t suffix_len = sizeof(secondary_suffix) - 1;
    size_t len = text.len;

    target->is_secondary = len > suffix_len && slice_equal_nocase(slice_from(text, len - suffix_len), SLICE(secondary_suffix));
    if (target->is_secondary)
        len -= suffix_len;
    if (len < 3 || len >= TARGET_ACCOUNT_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        char c = is_any_case ? ascii_lower(text.bytes[i]) : text.bytes[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
            return -EINVAL;
        target->account[i] = c;
    }
    target->account[len] = '\0';
    return 0;
}

/* Only what would change the meaning of the line or of a name is refused; nothing is repaired. */
static bool target_is_clean(struct slice raw)
{
    if (raw.len == 0 || raw.bytes[0] != '/')
        return false;
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.bytes[i];

        if (c <= ' ' || c == 0x7f || c == '#')
            return false;
        if (c == '%' && percent_byte(slice_from(raw, i)) == 0)
            return false;
    }
    return true;
}

static int target_take_account_from_path(struct target *target)
{
    struct slice rest = slice_from(target->path, 1);
    size_t len = slice_span(rest, '/');
    int r;

    if (len == 0)
        return -ENOENT;
    r = account_parse((struct slice){rest.bytes, len}, false, target);
    if (r < 0)
        return r;
    target->path = slice_from(rest, len);
    if (target->path.len == 0)
        target->path = SLICE("/");
    return 0;
}

/* Custom domains: -EHOSTUNREACH when none is of that name. */
static int target_take_account_from_domain(struct slice name, const char *const *domains, struct target *target)
{
    for (; domains && *domains; domains++) {
        struct slice domain = slice_of(*domains);
        size_t len = slice_span(domain, '=');

        if (len < domain.len && slice_equal_nocase(name, (struct slice){domain.bytes, len}))
            return account_parse(slice_from(domain, len + 1), false, target);
    }
    return -EHOSTUNREACH;
}

static int target_take_account_from_host(struct slice name, const struct target_hosts *hosts, struct target *target)
{
    size_t len = slice_span(name, '.');
    int r = target_take_account_from_domain(name, hosts->domains, target);

    if (r != -EHOSTUNREACH)
        return r;

    if (len == name.len || !host_is_listed(slice_from(name, len + 1), hosts->account_suffixes))
        return -EHOSTUNREACH;
    return account_parse((struct slice){name.bytes, len}, true, target);
}

static void target_split_path(struct target *target)
{
    struct slice rest = slice_from(target->path, 1);
    size_t len = slice_span(rest, '/');

    target->container = (struct slice){rest.bytes, len};
    target->blob = slice_from(rest, len < rest.len ? len + 1 : len);
}

int target_parse(struct slice host, struct slice raw_target, const struct target_hosts *hosts, struct target *ret_target)
{
    struct target target = {.style = TARGET_HOST_STYLE};
    struct slice name;
    size_t path_len;
    int r;

    r = host_strip_port(host, &name);
    if (r < 0)
        return r;
    if (!target_is_clean(raw_target))
        return -EINVAL;
    path_len = slice_span(raw_target, '?');
    target.path = (struct slice){raw_target.bytes, path_len};
    if (path_len < raw_target.len)
        target.query = slice_from(raw_target, path_len + 1);
    if (host_is_path_style(name, hosts->extra_names)) {
        target.style = TARGET_PATH_STYLE;
        r = target_take_account_from_path(&target);
    } else {
        r = target_take_account_from_host(name, hosts, &target);
    }
    if (r < 0)
        return r;
    target_split_path(&target);
    *ret_target = target;
    return 0;
}

/* Length of the well-formed UTF-8 sequence (RFC 3629) at the front, 0 if there is none. */
static size_t utf8_sequence(const unsigned char *bytes, size_t len)
{
    unsigned char first = bytes[0];
    unsigned char lowest = 0x80, highest = 0xbf;
    size_t need;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    need = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first == 0xe0)
        lowest = 0xa0; /* shorter forms exist */
    else if (first == 0xed)
        highest = 0x9f; /* surrogates */
    else if (first == 0xf0)
        lowest = 0x90;
    else if (first == 0xf4)
        highest = 0x8f; /* above U+10FFFF */
    if (need > len || bytes[1] < lowest || bytes[1] > highest)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

static bool text_is_utf8(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;

    for (size_t i = 0; i < len;) {
        size_t sequence = utf8_sequence(bytes + i, len - i);

        if (sequence == 0)
            return false;
        i += sequence;
    }
    return true;
}

ssize_t target_decode(struct slice raw, char *text, size_t text_bytes)
{
    size_t len = 0;

    for (size_t i = 0; i < raw.len; len++) {
        int byte = (unsigned char)raw.bytes[i];

        if (byte == '%') {
            byte = percent_byte(slice_from(raw, i));
            i += 2;
        }
        i++;
        if (byte <= 0)
            return -EBADMSG;
        if (len + 1 >= text_bytes)
            return -ENOBUFS;
        text[len] = (char)byte;
    }
    if (text_bytes == 0)
        return -ENOBUFS;
    if (!text_is_utf8(text, len))
        return -EBADMSG;
    text[len] = '\0';
    return (ssize_t)len;
}

bool target_next_query(struct slice *query, struct slice *ret_name, struct slice *ret_value)
{
    while (query->len > 0) {
        size_t len = slice_span(*query, '&');
        struct slice piece = {query->bytes, len};
        size_t name_len;

        *query = slice_from(*query, len < query->len ? len + 1 : len);
        if (len == 0)
            continue;
        name_len = slice_span(piece, '=');
        *ret_name = (struct slice){piece.bytes, name_len};
        *ret_value = slice_from(piece, name_len < len ? name_len + 1 : len);
        return true;
    }
    return false;
}

/* A server decodes names too, so "%63omp" is "comp". */
static bool query_name_is(struct slice name, struct slice wanted)
{
    size_t length = 0;

    for (size_t i = 0; i < name.len; i++, length++) {
        int byte = percent_byte(slice_from(name, i));

        if (byte >= 0)
            i += 2;
        else
            byte = (unsigned char)name.bytes[i];
        if (length >= wanted.len || ascii_lower((char)byte) != ascii_lower(wanted.bytes[length]))
            return false;
    }
    return length == wanted.len;
}

ssize_t target_decode_query(struct slice raw, char *text, size_t text_bytes)
{
    char plain[LIMIT_TARGET_BYTES];

    if (!raw.bytes || !memchr(raw.bytes, '+', raw.len))
        return target_decode(raw, text, text_bytes);
    if (raw.len > sizeof(plain))
        return -ENOBUFS;
    for (size_t i = 0; i < raw.len; i++)
        plain[i] = raw.bytes[i] == '+' ? ' ' : raw.bytes[i];
    return target_decode((struct slice){plain, raw.len}, text, text_bytes);
}

struct slice target_query(struct slice query, const char *name)
{
    struct slice wanted = slice_of(name);
    const char *at = query.bytes, *end = at ? at + query.len : at;

    while (at < end) {
        const char *mark = memchr(at, '&', (size_t)(end - at));
        struct slice piece = {at, (size_t)((mark ? mark : end) - at)};
        struct slice found, value;

        /* Most names differ in their first letter; this runs a dozen times for each request. */
        if ((*at == '%' || ascii_lower(*at) == ascii_lower(*name)) && target_next_query(&piece, &found, &value) &&
            query_name_is(found, wanted))
            return value;
        at = mark ? mark + 1 : end;
    }
    return (struct slice){NULL, 0};
}
