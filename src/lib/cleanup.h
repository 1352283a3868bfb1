/* SPDX-License-Identifier: MIT */
/* Cleanup attributes for locals, and handing over what they guard. */
#ifndef BLOBPROXY_CLEANUP_H
#define BLOBPROXY_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))
#define MUST_CHECK __attribute__((warn_unused_result))

/* Gives the value away: the guarded variable is left empty, so its cleanup does nothing. */
#define TAKE_PTR(pointer)                                                                                                        \
    ({                                                                                                                           \
        __typeof__(pointer) taken_ = (pointer);                                                                                  \
        (pointer) = NULL;                                                                                                        \
        taken_;                                                                                                                  \
    })
#define TAKE_FD(fd)                                                                                                              \
    ({                                                                                                                           \
        int taken_ = (fd);                                                                                                       \
        (fd) = -1;                                                                                                               \
        taken_;                                                                                                                  \
    })

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#endif
