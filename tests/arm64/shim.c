/* SPDX-License-Identifier: MIT */
/* Preloaded under QEMU's user emulation, which lacks three things that LMDB needs. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* QEMU has no robust futexes, and glibc refuses to make robust mutexes without them. */
int pthread_mutexattr_setrobust(pthread_mutexattr_t *attributes, int robustness)
{
    (void)attributes;
    (void)robustness;
    return 0;
}

/* With pages larger than the machine's, QEMU maps a file only up to the end that it has then, and LMDB's grows later. */
static void make_long_enough(int fd, off_t end)
{
    struct stat status;

    if (getpagesize() > 4096 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < end) {
        int r = ftruncate(fd, end);
        (void)r;
    }
}

/* QEMU maps as much anonymous memory before it maps a file; a sparse file may be larger than the machine's memory. */
void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0) {
        make_long_enough(fd, offset + (off_t)bytes);
        flags |= MAP_NORESERVE;
    }
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
    return mmap(address, bytes, protection, flags, fd, offset);
}
