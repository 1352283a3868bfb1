/* SPDX-License-Identifier: MIT */
/* A configuration in place of a running one. */
#include "conf_private.h"
#include "tls.h"

#include <errno.h>
#include <string.h>

#define PROBLEMS_MAX_BYTES (1u << 20)

/* Of several problems the first is told: the check option lists them all. */
static int first_problem(const struct conf_problems *problems, struct err *err)
{
    const char *line = problems->lines->bytes ? problems->lines->bytes : "no memory";
    int len = (int)strcspn(line, "\n");

    if (problems->count == 1)
        return err_set(err, -EINVAL, "%.*s", len, line);
    return err_set(err, -EINVAL, "%.*s; and %u more, see blobproxyd --check-config", len < 300 ? len : 300, line,
                   problems->count - 1);
}

static int keep_value(struct conf *conf, const struct conf *running, const struct conf_row *row, struct buf *kept)
{
    if (conf_value_equals(conf, running, row))
        return 0;
    size_t key = (size_t)(row - conf_rows);

    buf_printf(kept, "%s%s.%s", kept->len > 0 ? " " : "", row->section, row->key);
    conf->origins[key] = running->origins[key];
    if (conf->origins[key].name)
        conf->origins[key].name = conf_keep_name(conf, conf->origins[key].name);
    return conf_value_copy(conf, running, row);
}

/* What runs already goes on as it is. */
static int keep_running(struct conf *conf, const struct conf *running, struct buf *kept)
{
    int r = 0;

    for (size_t key = 0; key < CONF_KEY_COUNT && r == 0; key++)
        if (conf_rows[key].is_at_start)
            r = keep_value(conf, running, &conf_rows[key], kept);
    if (!conf->tls) /* listen.tls may still stand open */
        conf->tls = tls_identity_ref(running->tls);
    return r < 0 ? r : kept->failed;
}

int conf_reload(const struct conf *running, struct conf **ret_conf, struct buf *ret_kept, struct err *err)
{
    CLEANUP(conf_options_free) struct conf_options options = {0};
    CLEANUP(buf_free) struct buf lines;
    struct conf_problems problems = {.lines = &lines};
    struct conf_files files;
    struct conf *conf = conf_new();
    int r;

    buf_init(&lines, PROBLEMS_MAX_BYTES);
    if (!conf)
        return err_set(err, -ENOMEM, "no memory");
    conf->argc = running->argc;
    conf->argv = running->argv;
    conf_options_read(running->argc, running->argv, &options, &problems);
    conf_build(conf, &options, &files, &problems);
    if (problems.count > 0)
        r = first_problem(&problems, err);
    else
        r = keep_running(conf, running, ret_kept);
    if (r == -ENOMEM || r == -ENOBUFS)
        err_set(err, r, "no memory");
    if (r < 0)
        conf_free(conf);
    else
        *ret_conf = conf;
    return r;
}
