/* SPDX-License-Identifier: MIT */
/* Looks for the control socket. */
#include "place.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define VARIABLE "BLOBPROXYD_CONTROL"

static const struct place {
    const char *variable; /* names the directory; NULL: there is none to put in front */
    const char *name;
} places[] = {
    {"RUNTIME_DIRECTORY", "control.sock"},
    {"XDG_RUNTIME_DIR", "blobproxyd-control.sock"},
    {NULL, "/run/blobproxyd-control.sock"},
    {NULL, "/run/blobproxyd/control.sock"},
};

static int take(const char *source, const char *path, char ret_path[PLACE_BYTES], struct err *err)
{
    if (strlen(path) >= PLACE_BYTES)
        return err_set(err, -ENAMETOOLONG, "%s: no path of a socket: it has more than %zu bytes", source, PLACE_BYTES - 1);
    memcpy(ret_path, path, strlen(path) + 1);
    return 0;
}

/* false: the variable of this place is not set. systemd names several directories with colons between them; ours is the first. */
static bool place_path(const struct place *place, char path[PLACE_BYTES])
{
    const char *directory = place->variable ? getenv(place->variable) : NULL;

    if (!place->variable)
        return snprintf(path, PLACE_BYTES, "%s", place->name) > 0;
    if (!directory || *directory != '/')
        return false;
    int len = snprintf(path, PLACE_BYTES, "%.*s/%s", (int)strcspn(directory, ":"), directory, place->name);

    return len > 0 && (size_t)len < PLACE_BYTES;
}

int place_find(const char *given, char ret_path[PLACE_BYTES], struct err *err)
{
    const char *set = getenv(VARIABLE);
    char tried[ERR_TEXT_BYTES / 2] = "", path[PLACE_BYTES];

    if (given)
        return take("--socket", given, ret_path, err);
    if (set && *set)
        return take("$" VARIABLE, set, ret_path, err);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (!place_path(&places[i], path))
            continue;
        if (access(path, F_OK) == 0 || errno == EACCES) /* connecting to it tells what is wrong */
            return take(path, path, ret_path, err);
        size_t len = strlen(tried);

        (void)snprintf(tried + len, sizeof(tried) - len, "%s%s", len ? ", " : "", path);
    }
    return err_set(err, -ENOENT, "blobproxyd does not run here, or has its control socket elsewhere (--socket): there is no %s",
                   tried);
}
