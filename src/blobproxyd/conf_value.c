/* SPDX-License-Identifier: MIT */
/* Reads the text of one value by the kind of its key. */
#include "address.h"
#include "conf_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define HOST_NAME_MAX_BYTES 253 /* DNS */
#define FIGURE_BYTES 32

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Largest first, so that figures are written with the largest unit that fits. */
static const struct unit duration_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"G", 1u << 30}, {"M", 1u << 20}, {"K", 1u << 10}, {"", 1}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

static int figure_read(const char *text, const struct unit *units, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return -ERANGE;
    }
    if (at == text)
        return -EINVAL;
    for (; units->suffix; units++) {
        if (strcmp(at, units->suffix) == 0)
            return __builtin_mul_overflow(value, units->factor, ret_value) ? -ERANGE : 0;
    }
    return -EINVAL;
}

static const char *figure_write(uint64_t value, const struct unit *units, char text[FIGURE_BYTES])
{
    const char *zero_unit = units == duration_units ? "s" : "";

    while (value != 0 && value % units->factor != 0)
        units++;
    if (value == 0)
        snprintf(text, FIGURE_BYTES, "0%s", zero_unit);
    else
        snprintf(text, FIGURE_BYTES, "%" PRIu64 "%s", value / units->factor, units->suffix);
    return text;
}

static int set_figure(void *member, const struct conf_row *row, const struct unit *units, const char *form, const char *text,
                      struct err *err)
{
    uint64_t value = 0;
    char low[FIGURE_BYTES], high[FIGURE_BYTES];
    int result = figure_read(text, units, &value);

    if (result == -EINVAL)
        return err_set(err, -EINVAL, "\"%.64s\" is not %s", text, form);
    if (result == -ERANGE || value < row->min || value > row->max)
        return err_set(err, -EINVAL, "%.64s is out of range, write %s to %s", text, figure_write(row->min, units, low),
                       figure_write(row->max, units, high));
    if (row->bytes == sizeof(uint64_t))
        *(uint64_t *)member = value;
    else
        *(uint32_t *)member = (uint32_t)value;
    return 0;
}

static int set_mode(unsigned *member, const struct conf_row *row, const char *text, struct err *err)
{
    unsigned mode = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '7' && mode <= row->max; at++)
        mode = mode * 8 + (unsigned)(*at - '0');
    if (at == text || *at || mode > row->max)
        return err_set(err, -EINVAL, "\"%.64s\" is not a mode, write octal digits such as 0660", text);
    *member = mode;
    return 0;
}

static int set_bool(bool *member, const char *text, struct err *err)
{
    bool is_yes = strcmp(text, "yes") == 0;

    if (!is_yes && strcmp(text, "no") != 0)
        return err_set(err, -EINVAL, "\"%.64s\" is not a switch, write yes or no", text);
    *member = is_yes;
    return 0;
}

static int set_level(enum log_level *member, const char *text, struct err *err)
{
    if (log_level_parse(text, member) < 0)
        return err_set(err, -EINVAL, "\"%.64s\" is not a level, write error, warning, notice, info or debug", text);
    return 0;
}

static int set_format(enum log_format *member, const char *text, struct err *err)
{
    if (log_format_parse(text, member) < 0)
        return err_set(err, -EINVAL, "\"%.64s\" is not a format, write auto, text, json or journal", text);
    return 0;
}

static int set_access(enum conf_access *member, const char *text, struct err *err)
{
    static const char *const names[] = {[CONF_ACCESS_NONE] = "none", [CONF_ACCESS_ERRORS] = "errors", [CONF_ACCESS_ALL] = "all"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *member = (enum conf_access)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "\"%.64s\" says nothing of the access log, write none, errors or all", text);
}

static int set_channel(enum conf_channel *member, const char *text, struct err *err)
{
    static const char *const names[] = {
        [CONF_CHANNEL_EMULATED] = "emulated", [CONF_CHANNEL_DEVICE] = "device", [CONF_CHANNEL_AUTO] = "auto"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *member = (enum conf_channel)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "\"%.64s\" is not a channel, write emulated, device or auto", text);
}

static int set_fallback(enum conf_fallback *member, const char *text, struct err *err)
{
    bool is_https = strcmp(text, "https") == 0;

    if (!is_https && strcmp(text, "off") != 0)
        return err_set(err, -EINVAL, "\"%.64s\" is not a fallback, write off or https", text);
    *member = is_https ? FALLBACK_HTTPS : FALLBACK_OFF;
    return 0;
}

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
        rest += 1 + strspn(rest + 1, "0123456789");
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
    uint64_t uid;

    if (figure_read(text, count_units, &uid) < 0 || uid >= UINT32_MAX)
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
        strpbrk(text, "?#@\"<>\\"))
        return err_set(err, -EINVAL, "\"%.64s\" is not an endpoint, write for example https://{account}.blob.core.windows.net",
                       text);
    return 0;
}

static int check_text(const struct conf_row *row, const char *text, struct err *err)
{
    switch (row->kind) {
    case CONF_ADDRESS_OR_NONE:
        return *text ? check_address(text, err) : 0;
    case CONF_ENDPOINT_OR_NONE:
        return *text ? check_endpoint(text, err) : 0;
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

static int set_text(char **member, const struct conf_row *row, const char *text, struct err *err)
{
    int result = check_text(row, text, err);
    char *copy = NULL;

    if (result < 0)
        return result;
    copy = strdup(text);
    if (!copy)
        return err_set(err, -ENOMEM, "no memory");
    free(*member);
    *member = copy;
    return 0;
}

static void list_free(struct conf_list *list)
{
    for (size_t i = 0; i < CONF_LIST_MAX; i++)
        free(list->items[i]);
    *list = (struct conf_list){0};
}

static int check_item(const struct conf_row *row, const char *item, struct err *err)
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

static int list_add(struct conf_list *list, const struct conf_row *row, const char *item, struct err *err)
{
    size_t count = 0;
    int result = check_item(row, item, err);

    if (result < 0)
        return result;
    for (; list->items[count]; count++) {
        if (strcmp(list->items[count], item) == 0)
            return err_set(err, -EINVAL, "%.64s stands twice, write it once", item);
    }
    if (count == CONF_LIST_MAX)
        return err_set(err, -EINVAL, "more than %d entries, write fewer", CONF_LIST_MAX);
    list->items[count] = strdup(item);
    return list->items[count] ? 0 : err_set(err, -ENOMEM, "no memory");
}

static int set_list(struct conf_list *member, const struct conf_row *row, const char *text, struct err *err)
{
    struct conf_list list = {0};
    CLEANUP(cleanup_free) char *copy = strdup(text);
    char *rest = NULL;
    int result = copy ? 0 : err_set(err, -ENOMEM, "no memory");

    for (char *item = copy ? strtok_r(copy, " \t", &rest) : NULL; item && result == 0; item = strtok_r(NULL, " \t", &rest))
        result = list_add(&list, row, item, err);
    if (result < 0) {
        list_free(&list);
        return result;
    }
    list_free(member);
    *member = list;
    return 0;
}

int conf_value_set(struct conf *conf, const struct conf_row *row, const char *text, struct err *err)
{
    void *member = (char *)conf + row->offset;

    switch (row->kind) {
    case CONF_BOOL:
        return set_bool(member, text, err);
    case CONF_COUNT:
        return set_figure(member, row, count_units, "a number, write digits alone", text, err);
    case CONF_DURATION:
        return set_figure(member, row, duration_units, "a duration, write a number and ms, s, m or h, such as 20s", text, err);
    case CONF_SIZE:
        return set_figure(member, row, size_units, "a size, write a number of bytes or one with K, M or G, such as 8M", text,
                          err);
    case CONF_MODE:
        return set_mode(member, row, text, err);
    case CONF_ACCESS:
        return set_access(member, text, err);
    case CONF_FORMAT:
        return set_format(member, text, err);
    case CONF_LEVEL:
        return set_level(member, text, err);
    case CONF_CHANNEL:
        return set_channel(member, text, err);
    case CONF_FALLBACK:
        return set_fallback(member, text, err);
    case CONF_ACCOUNTS:
    case CONF_ADDRESSES:
    case CONF_DOMAINS:
    case CONF_NAMES:
    case CONF_UIDS:
        return set_list(member, row, text, err);
    default:
        return set_text(member, row, text, err);
    }
}

static bool is_list(const struct conf_row *row)
{
    switch (row->kind) {
    case CONF_ACCOUNTS:
    case CONF_ADDRESSES:
    case CONF_DOMAINS:
    case CONF_NAMES:
    case CONF_UIDS:
        return true;
    default:
        return false;
    }
}

/* Is the member an own string? */
static bool is_text(const struct conf_row *row)
{
    switch (row->kind) {
    case CONF_ADDRESS_OR_NONE:
    case CONF_ENDPOINT_OR_NONE:
    case CONF_NAME:
    case CONF_PATH_OR_NONE:
    case CONF_SOCKET:
    case CONF_SOCKET_OR_NONE:
    case CONF_URL:
        return true;
    default:
        return false;
    }
}

void conf_value_free(struct conf *conf, const struct conf_row *row)
{
    void *member = (char *)conf + row->offset;

    if (is_list(row))
        list_free(member);
    else if (is_text(row))
        free(*(char **)member);
}

static int list_copy(struct conf_list *to, const struct conf_list *from)
{
    struct conf_list list = {.is_default = from->is_default};

    for (size_t i = 0; from->items[i]; i++) {
        list.items[i] = strdup(from->items[i]);
        if (!list.items[i]) {
            list_free(&list);
            return -ENOMEM;
        }
    }
    list_free(to);
    *to = list;
    return 0;
}

int conf_value_copy(struct conf *to, const struct conf *from, const struct conf_row *row)
{
    void *target = (char *)to + row->offset;
    const void *source = (const char *)from + row->offset;

    if (is_list(row))
        return list_copy(target, source);
    if (!is_text(row)) {
        memcpy(target, source, row->bytes);
        return 0;
    }
    char *copy = strdup(*(char *const *)source);

    if (!copy)
        return -ENOMEM;
    free(*(char **)target);
    *(char **)target = copy;
    return 0;
}

static bool list_equals(const struct conf_list *a, const struct conf_list *b)
{
    size_t i = 0;

    while (a->items[i] && b->items[i] && strcmp(a->items[i], b->items[i]) == 0)
        i++;
    return !a->items[i] && !b->items[i];
}

bool conf_value_equals(const struct conf *a, const struct conf *b, const struct conf_row *row)
{
    const void *left = (const char *)a + row->offset, *right = (const char *)b + row->offset;

    if (is_list(row))
        return list_equals(left, right);
    if (is_text(row))
        return strcmp(*(char *const *)left, *(char *const *)right) == 0;
    return memcmp(left, right, row->bytes) == 0;
}
