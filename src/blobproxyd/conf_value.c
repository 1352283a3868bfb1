/* SPDX-License-Identifier: MIT */
/* One value by the kind of its key: read from text, written as text, copied, compared. */
#include "conf_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FIGURE_BYTES 32

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Largest first, so that figures are written with the largest unit that fits. */
static const struct unit duration_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"G", 1u << 30}, {"M", 1u << 20}, {"K", 1u << 10}, {"", 1}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

static const char *const access_names[] = {
    [CONF_ACCESS_NONE] = "none", [CONF_ACCESS_ERRORS] = "errors", [CONF_ACCESS_ALL] = "all"};
static const char *const channel_names[] = {
    [CONF_CHANNEL_EMULATED] = "emulated", [CONF_CHANNEL_DEVICE] = "device", [CONF_CHANNEL_AUTO] = "auto"};
static const char *const fallback_names[] = {[FALLBACK_OFF] = "off", [FALLBACK_HTTPS] = "https"};
#define ACCESS_COUNT (sizeof(access_names) / sizeof(access_names[0]))
#define CHANNEL_COUNT (sizeof(channel_names) / sizeof(channel_names[0]))
#define FALLBACK_COUNT (sizeof(fallback_names) / sizeof(fallback_names[0]))

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
    for (size_t i = 0; i < ACCESS_COUNT; i++) {
        if (strcmp(text, access_names[i]) == 0) {
            *member = (enum conf_access)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "\"%.64s\" says nothing of the access log, write none, errors or all", text);
}

static int set_channel(enum conf_channel *member, const char *text, struct err *err)
{
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        if (strcmp(text, channel_names[i]) == 0) {
            *member = (enum conf_channel)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "\"%.64s\" is not a channel, write emulated, device or auto", text);
}

static int set_fallback(enum conf_fallback *member, const char *text, struct err *err)
{
    for (size_t i = 0; i < FALLBACK_COUNT; i++) {
        if (strcmp(text, fallback_names[i]) == 0) {
            *member = (enum conf_fallback)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "\"%.64s\" is not a fallback, write off or https", text);
}

static int set_text(char **member, const struct conf_row *row, const char *text, struct err *err)
{
    int result = conf_form_check(row, text, err);
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

static int list_add(struct conf_list *list, const struct conf_row *row, const char *item, struct err *err)
{
    size_t count = 0;
    int result = conf_form_check_item(row, item, err);

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

static const struct unit *units_of(enum conf_kind kind)
{
    return kind == CONF_DURATION ? duration_units : kind == CONF_SIZE ? size_units : count_units;
}

int conf_value_set(struct conf *conf, const struct conf_row *row, const char *text, struct err *err)
{
    void *member = (char *)conf + row->offset;

    switch (row->kind) {
    case CONF_BOOL:
        return set_bool(member, text, err);
    case CONF_COUNT:
        return set_figure(member, row, units_of(row->kind), "a number, write digits alone", text, err);
    case CONF_DURATION:
        return set_figure(member, row, units_of(row->kind), "a duration, write a number and ms, s, m or h, such as 20s", text,
                          err);
    case CONF_SIZE:
        return set_figure(member, row, units_of(row->kind), "a size, write a number of bytes or one with K, M or G, such as 8M",
                          text, err);
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
    case CONF_GROUP_OR_NONE:
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

static void write_figure(const void *member, const struct conf_row *row, const struct unit *units, struct buf *out)
{
    char text[FIGURE_BYTES];
    uint64_t value = row->bytes == sizeof(uint64_t) ? *(const uint64_t *)member : *(const uint32_t *)member;

    buf_puts(out, figure_write(value, units, text));
}

static void write_list(const struct conf_list *list, struct buf *out)
{
    for (char *const *item = list->items; *item; item++)
        buf_printf(out, "%s%s", item == list->items ? "" : " ", *item);
}

void conf_value_write(const struct conf *conf, const struct conf_row *row, struct buf *out)
{
    const void *member = (const char *)conf + row->offset;

    if (is_list(row))
        write_list(member, out);
    else if (is_text(row))
        buf_puts(out, *(char *const *)member);
    else if (row->kind == CONF_BOOL)
        buf_puts(out, *(const bool *)member ? "yes" : "no");
    else if (row->kind == CONF_MODE)
        buf_printf(out, "%04o", *(const unsigned *)member);
    else if (row->kind == CONF_LEVEL)
        buf_puts(out, log_level_name(*(const enum log_level *)member));
    else if (row->kind == CONF_FORMAT)
        buf_puts(out, log_format_name(*(const enum log_format *)member));
    else if (row->kind == CONF_ACCESS)
        buf_puts(out, access_names[*(const enum conf_access *)member]);
    else if (row->kind == CONF_CHANNEL)
        buf_puts(out, channel_names[*(const enum conf_channel *)member]);
    else if (row->kind == CONF_FALLBACK)
        buf_puts(out, fallback_names[*(const enum conf_fallback *)member]);
    else
        write_figure(member, row, units_of(row->kind), out);
}
