/* SPDX-License-Identifier: MIT */
/* Reads this process's own figures. */
#include "metrics_process.h"

#include "../lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

struct process_stat {
    uint64_t threads, start_ticks, virtual_bytes, resident_pages;
};

static int read_text(const char *path, char *text, size_t text_bytes)
{
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, text_bytes - 1);

    if (len <= 0)
        return -EIO;
    text[len] = '\0';
    return 0;
}

/* proc(5): the numbers behind the program's name, which ends with the last ')'. */
static int process_stat_read(struct process_stat *ret_stat)
{
    char text[1024];
    struct process_stat stat;
    const char *numbers;

    if (read_text("/proc/self/stat", text, sizeof(text)) < 0)
        return -EIO;
    numbers = strrchr(text, ')');
    if (!numbers || sscanf(numbers + 1,
                           " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNu64 " %*d %" SCNu64
                           " %" SCNu64 " %" SCNu64,
                           &stat.threads, &stat.start_ticks, &stat.virtual_bytes, &stat.resident_pages) != 4)
        return -EIO;
    *ret_stat = stat;
    return 0;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec now = {0};

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* By the boot clock, since /proc/stat is hidden from services with ProcSubset=pid. */
void metrics_process_open(struct metrics_process *process)
{
    struct process_stat stat;

    process->start_s = NAN;
    if (process_stat_read(&stat) == 0)
        process->start_s = clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) +
                           (double)stat.start_ticks / (double)sysconf(_SC_CLK_TCK);
}

/* ---- descriptors ---- */

uint64_t metrics_process_count_fds(int end)
{
    uint64_t count = 0;

    for (int fd = 0; fd < end; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Size of the table of descriptors, which is above every open one. 0: unknown. */
static int descriptors_end(void)
{
    char text[4096];
    const char *line;
    int end = 0;

    if (read_text("/proc/self/status", text, sizeof(text)) < 0 || !(line = strstr(text, "\nFDSize:")) ||
        sscanf(line, "\nFDSize: %d", &end) != 1)
        return 0;
    return end;
}

/* The directory is not listed: at 10,000 descriptors that takes 20 ms and more. Its size is their number since Linux 6.2, and 0
 * before. */
static double count_fds(void)
{
    struct stat directory;

    if (stat("/proc/self/fd", &directory) == 0 && directory.st_size > 0)
        return (double)directory.st_size;
    int end = descriptors_end();

    return end > 0 ? (double)metrics_process_count_fds(end) : NAN;
}

void metrics_process_read(const struct metrics_process *process, double ret_values[PROCESS_COUNT])
{
    struct process_stat stat;
    struct rlimit files;
    bool has_stat = process_stat_read(&stat) == 0;

    ret_values[PROCESS_CPU_SECONDS] = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    ret_values[PROCESS_OPEN_FDS] = count_fds();
    ret_values[PROCESS_MAX_FDS] = getrlimit(RLIMIT_NOFILE, &files) == 0 ? (double)files.rlim_cur : NAN;
    ret_values[PROCESS_START_TIME] = process->start_s;
    ret_values[PROCESS_RESIDENT_BYTES] = has_stat ? (double)stat.resident_pages * (double)sysconf(_SC_PAGESIZE) : NAN;
    ret_values[PROCESS_VIRTUAL_BYTES] = has_stat ? (double)stat.virtual_bytes : NAN;
    ret_values[PROCESS_THREADS] = has_stat ? (double)stat.threads : NAN;
}
