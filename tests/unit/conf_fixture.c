/* SPDX-License-Identifier: MIT */
/* Configurations from files of the test itself. */
#include "conf_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ARGS_MAX 12
#define PATHS 8
#define SOURCE_BYTES (256u * 1024)

char conf_fixture_directory[64];

void conf_fixture_begin(void)
{
    strcpy(conf_fixture_directory, "/tmp/test_conf.XXXXXX");
    cr_assert_not_null(mkdtemp(conf_fixture_directory));
    unsetenv("STATE_DIRECTORY");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_RUNTIME_DIR");
}

void conf_fixture_end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", conf_fixture_directory);
    cr_assert_eq(system(command), 0);
}

const char *conf_fixture_path(const char *name)
{
    static char paths[PATHS][160];
    static unsigned next;
    char *path = paths[next++ % PATHS];

    snprintf(path, sizeof(paths[0]), "%s/%s", conf_fixture_directory, name);
    return path;
}

void conf_fixture_write(const char *name, const char *text, mode_t mode)
{
    const char *slash = strchr(name, '/');
    char parent[64];

    if (slash) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
        cr_assert(mkdir(conf_fixture_path(parent), 0755) == 0 || errno == EEXIST);
    }
    FILE *file = fopen(conf_fixture_path(name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(conf_fixture_path(name), mode), 0);
}

struct conf_loaded conf_fixture_load(const char *text, const char *const *options)
{
    static char config[160];
    static char *argv[ARGS_MAX + 1];
    int argc = 0;
    struct conf_loaded loaded = {0};
    size_t out_bytes, err_bytes;
    FILE *out = open_memstream(&loaded.out, &out_bytes), *err = open_memstream(&loaded.err, &err_bytes);

    argv[argc++] = (char *)(uintptr_t) "blobproxyd";
    if (text) {
        conf_fixture_write("x", text, 0644);
        snprintf(config, sizeof(config), "--config=%s", conf_fixture_path("x"));
        argv[argc++] = config;
    }
    for (; options && *options; options++)
        argv[argc++] = (char *)(uintptr_t)*options;
    argv[argc] = NULL;
    loaded.action = conf_load(argc, argv, out, err, &loaded.conf);
    fclose(out);
    fclose(err);
    return loaded;
}

void conf_loaded_free(struct conf_loaded *loaded)
{
    loaded->conf = conf_free(loaded->conf);
    free(loaded->out);
    free(loaded->err);
}

const char *conf_fixture_said(const char *text)
{
    static char said[16384];
    size_t len = 0, path_len = strlen(conf_fixture_directory);

    while (*text && len + 1 < sizeof(said)) {
        bool is_path = strncmp(text, conf_fixture_directory, path_len) == 0;
        said[len++] = is_path ? '~' : *text;
        text += is_path ? path_len : 1;
    }
    said[len] = '\0';
    return said;
}

/* AUTOMAKE gives the place of the sources; by hand the tests run in it. */
char *conf_fixture_source(const char *path)
{
    const char *source = getenv("srcdir");
    char full[512];

    snprintf(full, sizeof(full), "%s/%s", source ? source : ".", path);
    FILE *file = fopen(full, "r");
    cr_assert_not_null(file, "%s is missing", full);
    char *text = calloc(1, SOURCE_BYTES);
    cr_assert_not_null(text);
    cr_assert_lt(fread(text, 1, SOURCE_BYTES - 1, file), SOURCE_BYTES - 1);
    fclose(file);
    return text;
}
