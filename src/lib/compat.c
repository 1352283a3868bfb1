/* SPDX-License-Identifier: MIT */
/* Functions that older versions of the C library do not have. */
#include "compat.h"

#include "cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>

#if !HAVE_SYS_PIDFD_H
int pidfd_open(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

int pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, info, flags);
}
#endif

#if !HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *files, int from)
{
    DIR *directory = opendir("/proc/self/fd");
    int result = 0;

    if (!directory)
        return errno;
    for (struct dirent *entry = readdir(directory); result == 0 && entry; entry = readdir(directory)) {
        const int fd = atoi(entry->d_name); /* 0 for "." and ".." */

        if (fd >= from && fd != dirfd(directory))
            result = posix_spawn_file_actions_addclose(files, fd);
    }
    closedir(directory);
    return result;
}
#endif

#if !HAVE_STRERRORNAME_NP
const char *strerrorname_np(int number)
{
#define NAME(error)                                                                                                              \
    {                                                                                                                            \
        error, #error                                                                                                            \
    }
    static const struct {
        int number;
        const char *name;
    } names[] = {
        NAME(EPERM),     NAME(ENOENT),       NAME(EINTR),     NAME(EIO),    NAME(ENXIO),  NAME(EBADF),     NAME(EAGAIN),
        NAME(ENOMEM),    NAME(EACCES),       NAME(EFAULT),    NAME(EBUSY),  NAME(EEXIST), NAME(ENODEV),    NAME(ENOTDIR),
        NAME(EISDIR),    NAME(EINVAL),       NAME(ENFILE),    NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY),   NAME(ENOSPC),
        NAME(EROFS),     NAME(ENAMETOOLONG), NAME(ENOSYS),    NAME(ELOOP),  NAME(EPROTO), NAME(EOVERFLOW), NAME(EOPNOTSUPP),
        NAME(ESHUTDOWN), NAME(ETIMEDOUT),    NAME(ECANCELED),
    };
#undef NAME

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}
#endif
