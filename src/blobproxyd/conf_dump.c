/* SPDX-License-Identifier: MIT */
/* The configuration in force, as a file that means the same. */
#include "conf_private.h"
#include "version.h"

#include <string.h>

/* Variables and options are those of the start; a changed file is read by a reload, which not every key follows. */
static bool takes_reload(const struct conf_origin *origin, const struct conf_row *row)
{
    return !row->is_at_start && (!origin->name || origin->line > 0);
}

static void dump_origin(const struct conf_origin *origin, const struct conf_row *row, struct buf *out)
{
    buf_puts(out, "# ");
    if (origin->name)
        conf_put_plain(out, origin->name);
    else
        buf_puts(out, "default");
    if (origin->line > 0)
        buf_printf(out, ":%u", origin->line);
    buf_puts(out, takes_reload(origin, row) ? "; reload\n" : "; restart\n");
}

static void dump_value(const struct conf *conf, const struct conf_row *row, struct buf *out)
{
    CLEANUP(buf_free) struct buf value;

    buf_init(&value, out->max_bytes);
    conf_value_write(conf, row, &value);
    buf_printf(out, "%s =%s%s\n", row->key, value.len > 0 ? " " : "", value.len > 0 ? value.bytes : "");
    if (value.failed)
        out->failed = value.failed;
}

void conf_dump(const struct conf *conf, struct buf *out)
{
    buf_puts(out, "# blobproxyd " PACKAGE_VERSION
                  ": the configuration in force. Above each key stands where its value comes from, and\n"
                  "# what takes a changed one: a reload or a restart.\n");
    for (size_t key = 0; key < CONF_KEY_COUNT; key++) {
        const struct conf_row *row = &conf_rows[key];

        if (key == 0 || strcmp(row->section, conf_rows[key - 1].section) != 0)
            buf_printf(out, "\n[%s]\n", row->section);
        dump_origin(&conf->origins[key], row, out);
        dump_value(conf, row, out);
    }
}
