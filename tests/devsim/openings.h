/* SPDX-License-Identifier: MIT */
/* Who opened the device: the open files that the command was given, and the credentials of each. */
#ifndef TESTS_OPENINGS_H
#define TESTS_OPENINGS_H

#include "../../src/lib/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct openings;

/* One open file; lives as long as the list, since nobody tells when its last descriptor is closed. */
struct opening {
    unsigned generation; /* of the device */
    int pagemap;         /* of the opener's address space; -1: it has ended */
    pid_t tgid;
    uint64_t device, inode; /* of the file that stands for it */
    bool is_stale;          /* the opener has changed its credentials */
    struct opening *next;
};

struct openings *openings_new(void);
struct openings *openings_free(struct openings *openings); /* returns NULL */

/* For a thread that opens the device. *ret_fd is a descriptor for the file to be passed to it, the caller's to close. 0 or a
 * negative errno. */
int openings_add(struct openings *openings, pid_t tid, unsigned generation, int *ret_fd) MUST_CHECK;

/* That the thread's descriptor refers to; NULL: another file. */
struct opening *openings_find(const struct openings *openings, pid_t tid, int fd);

/* Are the thread's credentials those of the opening? The driver compares pointers, so only the threads of the opener have them,
 * and those only until an exec or a change of user, group or capabilities. */
bool opening_is_of(struct opening *opening, pid_t tid);

/* The thread has changed its credentials. */
void openings_credentials_changed(struct openings *openings, pid_t tid);

#endif
