/* SPDX-License-Identifier: MIT */
/* Small files, links and directories below a root. */
#include "tree.h"

#include "../lib/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX 65536u

static int __attribute__((format(printf, 3, 0)))
path_of(char path[TREE_PATH_BYTES], const char *root, const char *format, va_list arguments)
{
    size_t root_bytes = strlen(root);

    if (root_bytes >= TREE_PATH_BYTES)
        return -ENAMETOOLONG;
    memcpy(path, root, root_bytes);
    int n = vsnprintf(path + root_bytes, TREE_PATH_BYTES - root_bytes, format, arguments);

    return n < 0 || (size_t)n >= TREE_PATH_BYTES - root_bytes ? -ENAMETOOLONG : 0;
}

/* The path of a function with the same last parameters. */
#define PATH_OF(path, root, format)                                                                                              \
    ({                                                                                                                           \
        va_list arguments_;                                                                                                      \
        va_start(arguments_, format);                                                                                            \
        int result_ = path_of(path, root, format, arguments_);                                                                   \
        va_end(arguments_);                                                                                                      \
        result_;                                                                                                                 \
    })

int tree_path(char path[TREE_PATH_BYTES], const char *root, const char *format, ...)
{
    return PATH_OF(path, root, format);
}

static void copy_line(char *text, size_t text_bytes, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);

    len = end ? (size_t)(end - bytes) : len;
    while (len > 0 && isspace((unsigned char)bytes[len - 1]))
        len--;
    while (len > 0 && isspace((unsigned char)*bytes)) {
        bytes++;
        len--;
    }
    if (len >= text_bytes)
        len = text_bytes - 1;
    for (size_t i = 0; i < len; i++)
        text[i] = isprint((unsigned char)bytes[i]) ? bytes[i] : '?'; /* firmware writes what it likes */
    text[len] = '\0';
}

static int line_of(char *text, size_t text_bytes, const char *path)
{
    struct buf bytes CLEANUP(buf_free);

    text[0] = '\0';
    buf_init(&bytes, LINE_BYTES_MAX);
    int r = file_read(path, &bytes, NULL);

    if (r == 0 && bytes.len > 0)
        copy_line(text, text_bytes, bytes.bytes, bytes.len);
    return r;
}

int tree_line(char *text, size_t text_bytes, const char *root, const char *format, ...)
{
    char path[TREE_PATH_BYTES];
    int r = PATH_OF(path, root, format);

    text[0] = '\0';
    return r < 0 ? r : line_of(text, text_bytes, path);
}

int tree_read(struct buf *text, const char *root, const char *format, ...)
{
    char path[TREE_PATH_BYTES];
    int r = PATH_OF(path, root, format);

    return r < 0 ? r : file_read(path, text, NULL);
}

int64_t tree_number(const char *root, const char *format, ...)
{
    char path[TREE_PATH_BYTES], text[32], *end;
    int r = PATH_OF(path, root, format);

    if (r < 0 || line_of(text, sizeof(text), path) < 0 || !isdigit((unsigned char)text[0]))
        return -1;
    errno = 0;
    long long number = strtoll(text, &end, 10);

    return errno != 0 || *end != '\0' ? -1 : number;
}

int tree_link(char *text, size_t text_bytes, const char *root, const char *format, ...)
{
    char path[TREE_PATH_BYTES], target[TREE_PATH_BYTES];
    int r = PATH_OF(path, root, format);

    text[0] = '\0';
    if (r < 0)
        return r;
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');

    (void)snprintf(text, text_bytes, "%s", slash ? slash + 1 : target);
    return 0;
}

int tree_list(void (*visit)(void *owner, const char *name), void *owner, const char *root, const char *format, ...)
{
    char path[TREE_PATH_BYTES];
    struct dirent **entries = NULL;
    int r = PATH_OF(path, root, format);

    if (r < 0)
        return r;
    int n = scandir(path, &entries, NULL, alphasort);

    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            visit(owner, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
