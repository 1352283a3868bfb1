/* SPDX-License-Identifier: MIT */
/* Open files of the device. */
#include "openings.h"

#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct openings {
    struct opening *first;
};

struct openings *openings_new(void)
{
    return calloc(1, sizeof(struct openings));
}

static void opening_let_go(struct opening *opening)
{
    cleanup_fd(&opening->pagemap);
    opening->pagemap = -1;
}

struct openings *openings_free(struct openings *openings)
{
    struct opening *next;

    for (struct opening *opening = openings ? openings->first : NULL; opening; opening = next) {
        next = opening->next;
        opening_let_go(opening);
        free(opening);
    }
    free(openings);
    return NULL;
}

/* Those whose openers have ended keep no descriptor. */
static void let_go_of_dead(struct openings *openings)
{
    for (struct opening *opening = openings->first; opening; opening = opening->next) {
        if (opening->pagemap >= 0 && !pages_is_alive(opening->pagemap))
            opening_let_go(opening);
    }
}

static int tgid_of(pid_t tid, pid_t *ret_tgid)
{
    char path[64], line[256];
    int tgid = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    FILE *status = fopen(path, "re");
    if (!status)
        return -errno;
    while (tgid < 0 && fgets(line, sizeof(line), status)) {
        if (sscanf(line, "Tgid: %d", &tgid) != 1)
            tgid = -1;
    }
    (void)fclose(status);
    *ret_tgid = tgid;
    return tgid < 0 ? -ESRCH : 0;
}

static bool is_thread_of(pid_t tid, pid_t tgid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)tgid, (int)tid);
    return access(path, F_OK) == 0;
}

/* A file of its own, without a name, is told from all others by its inode. */
static int make_file(struct opening *opening, int *ret_fd)
{
    CLEANUP(cleanup_fd) int fd = memfd_create("azure_blob", MFD_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    opening->device = status.st_dev;
    opening->inode = status.st_ino;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int openings_add(struct openings *openings, pid_t tid, unsigned generation, int *ret_fd)
{
    CLEANUP(cleanup_free) struct opening *opening = calloc(1, sizeof(*opening));

    if (!opening)
        return -ENOMEM;
    let_go_of_dead(openings);
    opening->generation = generation;
    int r = tgid_of(tid, &opening->tgid);
    if (r == 0)
        r = opening->pagemap = pages_open(opening->tgid);
    if (r < 0)
        return r;
    r = make_file(opening, ret_fd);
    if (r < 0) {
        opening_let_go(opening);
        return r;
    }
    opening->next = openings->first;
    openings->first = TAKE_PTR(opening);
    return 0;
}

struct opening *openings_find(const struct openings *openings, pid_t tid, int fd)
{
    char path[64];
    struct stat status;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)tid, fd);
    if (fd < 0 || stat(path, &status) < 0)
        return NULL;
    for (struct opening *opening = openings->first; opening; opening = opening->next) {
        if (opening->inode == status.st_ino && opening->device == status.st_dev)
            return opening;
    }
    return NULL;
}

bool opening_is_of(struct opening *opening, pid_t tid)
{
    return !opening->is_stale && opening->pagemap >= 0 && is_thread_of(tid, opening->tgid) && pages_is_alive(opening->pagemap);
}

void openings_credentials_changed(struct openings *openings, pid_t tid)
{
    for (struct opening *opening = openings->first; opening; opening = opening->next) {
        if (!opening->is_stale && is_thread_of(tid, opening->tgid))
            opening->is_stale = true;
    }
}
