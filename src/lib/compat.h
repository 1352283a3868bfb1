/* SPDX-License-Identifier: MIT */
/* What the C library or the kernel's headers may be too old for, under its usual name. configure finds out what is missing. */
#ifndef BLOBPROXY_COMPAT_H
#define BLOBPROXY_COMPAT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>

#if HAVE_SYS_PIDFD_H /* glibc 2.36 */
#include <sys/pidfd.h>
#else
int pidfd_open(pid_t pid, unsigned flags);
int pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags);
#endif

#if !HAVE_DECL_P_PIDFD
#define P_PIDFD 3
#endif

#if !HAVE_DECL_MADV_POPULATE_WRITE /* older kernels refuse it */
#define MADV_POPULATE_WRITE 23
#endif

#if !HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP /* glibc 2.34 */
/* Closes what is open at the time of this call. Whatever another thread opens later must be close-on-exec. */
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *files, int from);
#endif

#if !HAVE_STRERRORNAME_NP /* glibc 2.32 */
/* Only for errors that opening, reading and ioctl() have; NULL for others. */
const char *strerrorname_np(int number);
#endif

#endif
