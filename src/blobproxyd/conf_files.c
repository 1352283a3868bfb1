/* SPDX-License-Identifier: MIT */
/* The configuration's files: the text of one, and which ones are read. */
#include "conf_private.h"
#include "ini.h"

#include "../lib/file.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (1u << 20) /* a configuration has a few KiB */
#define DROPINS_MAX 256

static const char *parse_section(const struct ini_item *item, const struct conf_origin *origin, struct conf_problems *problems)
{
    const char *section = conf_find_section(item->name);

    if (!section)
        conf_unknown_section(item->name, origin, problems);
    return section;
}

static void parse_pair(struct conf *conf, const char *section, const struct ini_item *item, const struct conf_origin *origin,
                       struct conf_problems *problems)
{
    size_t key = conf_find_key(section, item->name);

    if (key == CONF_KEY_COUNT)
        conf_unknown_key(section, item->name, origin, problems);
    else if (conf->origins[key].name == origin->name)
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
        struct slice shown = conf_shown(item.name);

        if (item.kind == INI_BAD)
            conf_problem(&problems, &origin, NULL, "%s", item.problem);
        else if (item.kind == INI_SECTION)
            section = parse_section(&item, &origin, &problems);
        else if (section)
            parse_pair(conf, section, &item, &origin, &problems);
        else if (!is_section_seen) /* keys of an unknown section are not reported one by one */
            conf_problem(&problems, &origin, NULL, "%.*s: key outside of a section, write [section] above it", (int)shown.len,
                         shown.bytes);
        is_section_seen |= item.kind == INI_SECTION;
    }
    return problems.count;
}

static void problem_of_file(const char *path, int code, struct conf_problems *problems)
{
    conf_problem(problems, &(struct conf_origin){.name = path}, NULL,
                 "cannot read it: %s, it has to be one that this user can read", strerror(-code));
}

/* 0 or why it could not be read; mistakes in it are told by themselves. */
static int read_file(struct conf *conf, const char *path, struct conf_problems *problems)
{
    CLEANUP(buf_free) struct buf text;
    buf_init(&text, FILE_MAX_BYTES);
    int r = file_read(path, &text, NULL);

    if (r == 0)
        problems->count += conf_parse_text(conf, path, text.bytes ? text.bytes : "", text.len, problems->lines);
    return r;
}

static int is_dropin(const struct dirent *entry)
{
    static const char suffix[] = ".conf";
    size_t len = strlen(entry->d_name), suffix_len = sizeof(suffix) - 1;

    return entry->d_name[0] != '.' && len > suffix_len && strcmp(entry->d_name + len - suffix_len, suffix) == 0;
}

/* By bytes: the order must not depend on the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* A directory that somebody else put beside the file, in /tmp for example, must not have a say. */
static bool is_trusted(const char *directory, const char *file, struct conf_problems *problems)
{
    struct stat status, file_status;

    if (stat(directory, &status) < 0)
        return true; /* reading it says why */
    if (status.st_uid == 0 || status.st_uid == geteuid() ||
        (stat(file, &file_status) == 0 && file_status.st_uid == status.st_uid))
        return true;
    conf_problem(problems, &(struct conf_origin){.name = directory}, NULL,
                 "belongs to user %u, chown it to the owner of the file beside it, or remove it", (unsigned)status.st_uid);
    return false;
}

static void read_dropin(struct conf *conf, const char *directory, const char *name, struct conf_problems *problems)
{
    CLEANUP(cleanup_free) char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        conf_problem(problems, NULL, NULL, "no memory");
        return;
    }
    const char *kept = conf_keep_name(conf, path);
    int r = read_file(conf, kept, problems);
    if (r < 0)
        problem_of_file(kept, r, problems);
}

static unsigned read_dropins(struct conf *conf, const char *directory, struct conf_problems *problems)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_dropin, compare_names);

    if (count < 0) {
        if (errno != ENOENT)
            problem_of_file(directory, -errno, problems);
        return 0;
    }
    if (count > DROPINS_MAX)
        conf_problem(problems, &(struct conf_origin){.name = directory}, NULL, "has %d files, write at most %d", count,
                     DROPINS_MAX);
    for (int i = 0; i < count; i++) {
        if (count <= DROPINS_MAX)
            read_dropin(conf, directory, entries[i]->d_name, problems);
        free(entries[i]);
    }
    free(entries);
    return (unsigned)count;
}

void conf_read_files(struct conf *conf, const struct conf_options *options, struct conf_files *ret_files,
                     struct conf_problems *problems)
{
    const char *path = options->file ? options->file : CONF_DEFAULT_PATH, *slash = strrchr(path, '/');
    CLEANUP(cleanup_free) char *directory = NULL;
    int r = read_file(conf, path, problems);

    *ret_files = (struct conf_files){.path = path};
    if (r == -ENOENT && !options->file)
        ret_files->path = NULL;
    else if (r < 0)
        problem_of_file(path, r, problems);
    if (asprintf(&directory, "%.*s" CONF_DROPINS, slash ? (int)(slash - path) + 1 : 0, path) < 0) {
        directory = NULL;
        conf_problem(problems, NULL, NULL, "no memory");
    } else if (is_trusted(directory, path, problems)) {
        ret_files->dropin_count = read_dropins(conf, directory, problems);
    }
}
