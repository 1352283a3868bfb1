/* SPDX-License-Identifier: MIT */
/* The configuration's life: defaults, the file, the options on top, every problem in one list. */
#include "conf_private.h"
#include "ini.h"
#include "tls.h"
#include "version.h"

#include "../lib/clock.h"
#include "../lib/file.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define FILE_MAX_BYTES (1u << 20)     /* a configuration has a few KiB */
#define PROBLEMS_MAX_BYTES (1u << 20) /* what a file of that size can cause is cut, not refused */

const struct conf_row conf_rows[CONF_KEY_COUNT] = {
/* Not by a macro of their own inside: the compiler's "unix" would be replaced on the way. */
#define CONF_KEY(section, key, member, kind, fallback, min, max, why)                                                            \
    {#section, #key, CONF_##kind, fallback, min, max, offsetof(struct conf, member), sizeof(((struct conf *)NULL)->member),      \
     false,    why},
#define CONF_KEY_AT_START(section, key, member, kind, fallback, min, max, why)                                                   \
    {#section, #key, CONF_##kind, fallback, min, max, offsetof(struct conf, member), sizeof(((struct conf *)NULL)->member),      \
     true,     why},
#include "conf.def"
#undef CONF_KEY
};

void conf_problem(struct conf_problems *problems, const struct conf_origin *origin, const struct conf_row *row,
                  const char *format, ...)
{
    char text[ERR_TEXT_BYTES];
    size_t start = problems->lines->len;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    problems->count++;
    if (origin && origin->name && origin->line)
        buf_printf(problems->lines, "%s:%u: ", origin->name, origin->line);
    else if (origin && origin->name)
        buf_printf(problems->lines, "%s: ", origin->name);
    if (row)
        buf_printf(problems->lines, "%s.%s: ", row->section, row->key);
    buf_puts(problems->lines, text);
    /* Whatever a command line held: a problem stays one line. */
    for (size_t i = start; i < problems->lines->len; i++) {
        if ((unsigned char)problems->lines->bytes[i] < 0x20)
            problems->lines->bytes[i] = '?';
    }
    buf_puts(problems->lines, "\n");
}

void conf_set(struct conf *conf, enum conf_key key, struct slice value, const struct conf_origin *origin,
              struct conf_problems *problems)
{
    struct err err = {0};
    CLEANUP(cleanup_free) char *text = strndup(value.bytes, value.len);

    conf->origins[key] = *origin;
    if (text && conf_value_set(conf, &conf_rows[key], text, &err) == 0)
        return;
    conf->origins[key].is_bad = true;
    conf_problem(problems, origin, &conf_rows[key], "%s", text ? err.text : "no memory");
}

struct conf *conf_new(void)
{
    struct conf *conf = calloc(1, sizeof(*conf));

    if (!conf)
        return NULL;
    atomic_init(&conf->count, 1);
    conf->origins = calloc(CONF_KEY_COUNT, sizeof(*conf->origins));
    if (!conf->origins)
        return conf_free(conf);
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        struct err err = {0};
        if (conf_value_set(conf, &conf_rows[key], conf_rows[key].fallback, &err) < 0)
            return conf_free(conf);
    }
    conf->listen_tcp.is_default = conf->listen_hosts.is_default = conf->listen_account_suffixes.is_default = true;
    return conf;
}

struct conf *conf_ref(const struct conf *conf)
{
    struct conf *counted = (struct conf *)(uintptr_t)conf;

    atomic_fetch_add_explicit(&counted->count, 1, memory_order_relaxed);
    return counted;
}

struct conf *conf_free(const struct conf *counted)
{
    struct conf *conf = (struct conf *)(uintptr_t)counted;

    if (!conf || atomic_fetch_sub_explicit(&conf->count, 1, memory_order_acq_rel) > 1)
        return NULL;
    for (size_t key = 0; key < CONF_KEY_COUNT; key++)
        conf_value_free(conf, &conf_rows[key]);
    accounts_free(conf->accounts);
    tls_identity_unref(conf->tls);
    free(conf->emulated_directory);
    free(conf->host_program);
    free(conf->origins);
    free(conf);
    return NULL;
}

static bool slice_is(struct slice text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.bytes, word, text.len) == 0;
}

static const char *candidate_section(size_t index, const void *arg)
{
    (void)arg;
    return index < CONF_KEY_COUNT ? conf_rows[index].section : NULL;
}

/* Keys of one section; those of others answer as "", which is near to nothing. */
static const char *candidate_key(size_t index, const void *section)
{
    if (index >= CONF_KEY_COUNT)
        return NULL;
    return strcmp(conf_rows[index].section, section) == 0 ? conf_rows[index].key : "";
}

/* The table's own name of the section, or NULL. */
static const char *section_find(struct slice name)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        if (slice_is(name, conf_rows[key].section))
            return conf_rows[key].section;
    }
    return NULL;
}

static const char *parse_section(const struct ini_item *item, const struct conf_origin *origin, struct conf_problems *problems)
{
    const char *section = section_find(item->name);

    if (section)
        return section;
    const char *nearest = conf_suggest(item->name, candidate_section, NULL);
    if (nearest)
        conf_problem(problems, origin, NULL, "[%.*s]: unknown section, did you mean [%s]?", (int)item->name.len, item->name.bytes,
                     nearest);
    else
        conf_problem(problems, origin, NULL,
                     "[%.*s]: unknown section, write [listen], [tls], [channel], [upstream], [slots], [limits], [accounts] or [log]",
                     (int)item->name.len, item->name.bytes);
    return NULL;
}

static void parse_unknown_key(const char *section, const struct ini_item *item, const struct conf_origin *origin,
                              struct conf_problems *problems)
{
    const char *nearest = conf_suggest(item->name, candidate_key, section);
    int len = item->name.len < 64 ? (int)item->name.len : 64;

    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        if (slice_is(item->name, conf_rows[key].key)) {
            conf_problem(problems, origin, NULL, "%s.%.*s: unknown key, write it under [%s]", section, len, item->name.bytes,
                         conf_rows[key].section);
            return;
        }
    }
    if (nearest)
        conf_problem(problems, origin, NULL, "%s.%.*s: unknown key, did you mean %s?", section, len, item->name.bytes, nearest);
    else
        conf_problem(problems, origin, NULL, "%s.%.*s: unknown key, see blobproxyd --help for the keys there are", section, len,
                     item->name.bytes);
}

static void parse_pair(struct conf *conf, const char *section, const struct ini_item *item, const struct conf_origin *origin,
                       struct conf_problems *problems)
{
    size_t key = 0;

    while (key < CONF_KEY_COUNT && (strcmp(conf_rows[key].section, section) != 0 || !slice_is(item->name, conf_rows[key].key)))
        key++;
    if (key == CONF_KEY_COUNT)
        parse_unknown_key(section, item, origin, problems);
    else if (conf->origins[key].line)
        conf_problem(problems, origin, &conf_rows[key], "set twice, remove this line or line %u", conf->origins[key].line);
    else
        conf_set(conf, (enum conf_key)key, item->value, origin, problems);
}

unsigned conf_parse_text(struct conf *conf, const char *name, const char *text, size_t len, struct buf *errors)
{
    struct conf_problems problems = {.lines = errors};
    const char *section = NULL;
    bool is_section_seen = false;
    struct ini ini;

    ini_open(&ini, text, len);
    for (struct ini_item item = ini_next(&ini); item.kind != INI_END; item = ini_next(&ini)) {
        struct conf_origin origin = {.name = name, .line = item.line};

        if (item.kind == INI_BAD)
            conf_problem(&problems, &origin, NULL, "%s", item.problem);
        else if (item.kind == INI_SECTION)
            section = parse_section(&item, &origin, &problems);
        else if (section)
            parse_pair(conf, section, &item, &origin, &problems);
        else if (!is_section_seen) /* keys of an unknown section are not reported one by one */
            conf_problem(&problems, &origin, NULL, "%.*s: key outside of a section, write [section] above it",
                         item.name.len < 64 ? (int)item.name.len : 64, item.name.bytes);
        is_section_seen |= item.kind == INI_SECTION;
    }
    return problems.count;
}

/* What stands in messages for the file; NULL: there is none, which is fine unless it was asked for. */
static const char *conf_read_file(struct conf *conf, const struct conf_options *options, struct conf_problems *problems)
{
    const char *path = options->file ? options->file : CONF_DEFAULT_PATH;
    CLEANUP(buf_free) struct buf text;
    buf_init(&text, FILE_MAX_BYTES);
    int result = file_read(path, &text, NULL);

    if (result == -ENOENT && !options->file)
        return NULL;
    if (result < 0)
        conf_problem(problems, &(struct conf_origin){.name = path}, NULL, "cannot read the file: %s", strerror(-result));
    else
        problems->count += conf_parse_text(conf, path, text.bytes ? text.bytes : "", text.len, problems->lines);
    return path;
}

static void conf_apply_options(struct conf *conf, const struct conf_options *options, struct conf_problems *problems)
{
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const char *value = options->values[key];
        if (value)
            conf_set(conf, (enum conf_key)key, (struct slice){value, strlen(value)},
                     &(struct conf_origin){.name = options->option_names[key]}, problems);
    }
}

const char *conf_build(struct conf *conf, const struct conf_options *options, struct conf_problems *problems)
{
    const char *path = conf_read_file(conf, options, problems);

    conf_apply_options(conf, options, problems);
    conf_resolve(conf, options, problems);
    conf_check(conf, problems);
    conf_load_accounts(conf, problems);
    conf_load_tls(conf, problems);
    return path;
}

static void conf_print_problems(const struct conf_problems *problems, FILE *err_out)
{
    const char *line = problems->lines->bytes ? problems->lines->bytes : "";

    while (*line) {
        int len = (int)strcspn(line, "\n");
        fprintf(err_out, "blobproxyd: %.*s\n", len, line);
        line += len + (line[len] == '\n');
    }
}

static enum conf_action conf_decide(const struct conf *conf, const struct conf_options *options, const char *path, FILE *out,
                                    FILE *err_out)
{
    struct err warning;

    if (!options->is_check)
        return CONF_RUN;
    if (conf_tls_warning(conf, clock_wall_us(), &warning))
        fprintf(err_out, "blobproxyd: warning: %s\n", warning.text);
    if (conf_uids_warning(conf, &warning))
        fprintf(err_out, "blobproxyd: warning: %s\n", warning.text);
    if (path)
        fprintf(out, "configuration ok: %s\n", path);
    else
        fprintf(out, "configuration ok: defaults, there is no %s\n", CONF_DEFAULT_PATH);
    return CONF_EXIT_OK;
}

enum conf_action conf_load(int argc, char **argv, FILE *out, FILE *err_out, struct conf **ret_conf)
{
    CLEANUP(conf_options_free) struct conf_options options = {0};
    CLEANUP(buf_free) struct buf lines;
    struct conf_problems problems = {.lines = &lines};
    enum conf_action action = CONF_EXIT_USAGE;
    struct conf *conf = NULL;
    const char *path;

    buf_init(&lines, PROBLEMS_MAX_BYTES);
    conf_options_read(argc, argv, &options, &problems);
    if (problems.count == 0 && (options.is_help || options.is_version)) {
        if (options.is_help)
            conf_options_help(out);
        else
            fprintf(out, "blobproxyd %s\n", PACKAGE_VERSION);
        return CONF_EXIT_OK;
    }
    conf = conf_new();
    if (!conf) {
        fprintf(err_out, "blobproxyd: no memory\n");
        return CONF_EXIT_USAGE;
    }
    conf->argc = argc;
    conf->argv = argv;
    path = conf_build(conf, &options, &problems);
    if (problems.count == 0)
        action = conf_decide(conf, &options, path, out, err_out);
    conf_print_problems(&problems, err_out);
    if (action == CONF_RUN)
        *ret_conf = TAKE_PTR(conf);
    conf_free(conf);
    return action;
}
