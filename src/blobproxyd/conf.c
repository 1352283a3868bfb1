/* SPDX-License-Identifier: MIT */
/* The configuration's life: defaults, the files, the environment and the options on top, every problem in one list. */
#include "conf_private.h"
#include "ini.h"
#include "tls.h"
#include "version.h"

#include "../lib/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define PROBLEMS_MAX_BYTES (1u << 20) /* what a file of that size can cause is cut, not refused */
#define DUMP_MAX_BYTES (1u << 20)

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

/* One line, whatever came in. */
static void make_plain(struct buf *buf, size_t start)
{
    for (size_t i = start; i < buf->len; i++) {
        if ((unsigned char)buf->bytes[i] < 0x20)
            buf->bytes[i] = '?';
    }
}

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
    make_plain(problems->lines, start);
    buf_puts(problems->lines, "\n");
}

void conf_put_plain(struct buf *buf, const char *text)
{
    size_t start = buf->len;

    buf_puts(buf, text);
    make_plain(buf, start);
}

const char *conf_keep_name(struct conf *conf, const char *text)
{
    for (struct conf_name *name = conf->names; name; name = name->next) {
        if (strcmp(name->text, text) == 0)
            return name->text;
    }
    struct conf_name *name = malloc(sizeof(*name) + strlen(text) + 1);

    if (!name)
        return "(no memory for the name)";
    strcpy(name->text, text);
    name->next = conf->names;
    conf->names = name;
    return name->text;
}

/* What is wrong with a value begins with the value in quotes. */
static void report_value(const struct conf_origin *origin, const struct conf_row *row, struct slice value, const char *text,
                         struct conf_problems *problems)
{
    const char *quote = text[0] == '"' ? strrchr(text, '"') : NULL;

    if (quote && conf_may_be_secret(value))
        conf_problem(problems, origin, row, "the value, not shown since it may be a secret,%s", quote + 1);
    else
        conf_problem(problems, origin, row, "%s", text);
}

void conf_set(struct conf *conf, enum conf_key key, struct slice value, const struct conf_origin *origin,
              struct conf_problems *problems)
{
    struct err err = {0};
    const char *problem = ini_take_value(&value);
    CLEANUP(cleanup_free) char *text = strndup(value.bytes, value.len);

    conf->origins[key] = *origin;
    if (!problem && text && conf_value_set(conf, &conf_rows[key], text, &err) == 0)
        return;
    conf->origins[key].is_bad = true;
    if (problem)
        conf_problem(problems, origin, &conf_rows[key], "%s", problem);
    else
        report_value(origin, &conf_rows[key], value, text ? err.text : "no memory", problems);
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

static void names_free(struct conf_name *name)
{
    while (name) {
        struct conf_name *next = name->next;

        free(name);
        name = next;
    }
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
    names_free(conf->names);
    free(conf);
    return NULL;
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

void conf_build(struct conf *conf, const struct conf_options *options, struct conf_files *ret_files,
                struct conf_problems *problems)
{
    conf_read_files(conf, options, ret_files, problems);
    conf_apply_environment(conf, problems);
    conf_apply_options(conf, options, problems);
    conf_resolve(conf, options, problems);
    conf_check(conf, problems);
    if (options->is_dump && !options->is_check) /* anybody may see the values, key files are for their owner */
        return;
    conf_load_accounts(conf, problems);
    conf_load_tls(conf, problems);
}

/* As a service its lines are read by the journal. */
static const char *conf_prefix(FILE *err_out, enum log_level level)
{
    return err_out == stderr ? log_priority_prefix(level) : "";
}

static void conf_print_problems(const struct conf_problems *problems, FILE *err_out)
{
    const char *line = problems->lines->bytes ? problems->lines->bytes : "";

    while (*line) {
        int len = (int)strcspn(line, "\n");
        fprintf(err_out, "%sblobproxyd: %.*s\n", conf_prefix(err_out, LOG_LEVEL_ERROR), len, line);
        line += len + (line[len] == '\n');
    }
}

static void conf_print_ok(const struct conf_files *files, FILE *out)
{
    const char *path = files->path ? files->path : CONF_DEFAULT_PATH, *slash = strrchr(path, '/');

    fprintf(out, files->path ? "configuration ok: %s" : "configuration ok: defaults, there is no %s", path);
    if (files->dropin_count > 0)
        fprintf(out, ", and %u of %.*s" CONF_DROPINS, files->dropin_count, slash ? (int)(slash - path) + 1 : 0, path);
    fputs("\n", out);
}

static int conf_print_dump(const struct conf *conf, FILE *out)
{
    CLEANUP(buf_free) struct buf text;

    buf_init(&text, DUMP_MAX_BYTES);
    conf_dump(conf, &text);
    if (text.failed)
        return text.failed;
    fwrite(text.bytes, 1, text.len, out);
    return 0;
}

static void conf_print_warnings(const struct conf *conf, FILE *err_out)
{
    struct err warning;

    if (conf_tls_warning(conf, clock_wall_us(), &warning))
        fprintf(err_out, "%sblobproxyd: warning: %s\n", conf_prefix(err_out, LOG_LEVEL_WARNING), warning.text);
    if (conf_uids_warning(conf, &warning))
        fprintf(err_out, "%sblobproxyd: warning: %s\n", conf_prefix(err_out, LOG_LEVEL_WARNING), warning.text);
}

static enum conf_action conf_decide(const struct conf *conf, const struct conf_options *options, const struct conf_files *files,
                                    FILE *out, FILE *err_out)
{
    int r = 0;

    if (!options->is_check && !options->is_dump)
        return CONF_RUN;
    conf_print_warnings(conf, err_out);
    if (options->is_check && options->is_dump) /* what is printed stays a configuration */
        fputs("# ", out);
    if (options->is_check)
        conf_print_ok(files, out);
    if (options->is_dump)
        r = conf_print_dump(conf, out);
    if (fflush(out) == 0 && r == 0)
        return CONF_EXIT_OK;
    fprintf(err_out, "%sblobproxyd: cannot print the configuration: %s\n", conf_prefix(err_out, LOG_LEVEL_ERROR),
            strerror(r < 0 ? -r : errno));
    return CONF_EXIT_USAGE;
}

static enum conf_action conf_print_about(const struct conf_options *options, FILE *out)
{
    if (options->is_help)
        conf_options_help(out);
    else
        fprintf(out, "blobproxyd %s\n", PACKAGE_VERSION);
    return CONF_EXIT_OK;
}

enum conf_action conf_load(int argc, char **argv, FILE *out, FILE *err_out, struct conf **ret_conf)
{
    CLEANUP(conf_options_free) struct conf_options options = {0};
    CLEANUP(buf_free) struct buf lines;
    struct conf_problems problems = {.lines = &lines};
    enum conf_action action = CONF_EXIT_USAGE;
    struct conf_files files;
    struct conf *conf = NULL;

    buf_init(&lines, PROBLEMS_MAX_BYTES);
    conf_options_read(argc, argv, &options, &problems);
    if (problems.count == 0 && (options.is_help || options.is_version))
        return conf_print_about(&options, out);
    conf = conf_new();
    if (!conf) {
        fprintf(err_out, "%sblobproxyd: no memory\n", conf_prefix(err_out, LOG_LEVEL_ERROR));
        return CONF_EXIT_USAGE;
    }
    conf->argc = argc;
    conf->argv = argv;
    conf_build(conf, &options, &files, &problems);
    if (problems.count == 0)
        action = conf_decide(conf, &options, &files, out, err_out);
    conf_print_problems(&problems, err_out);
    if (action == CONF_RUN)
        *ret_conf = TAKE_PTR(conf);
    conf_free(conf);
    return action;
}
