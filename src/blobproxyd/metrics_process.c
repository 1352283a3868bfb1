/* SPDX-License-Identifier: MIT */
/* Reads this process's own figures. */
#include "metrics_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct process_stat {
    uint64_t threads, start_ticks, virtual_bytes, resident_pages;
};

/* proc(5): the numbers behind the program's name, which ends with the last ')'. */
static int process_stat_read(struct process_stat *ret_stat)
{
    char text[1024];
    struct process_stat stat;
    CLEANUP(cleanup_fd) int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *numbers;

    if (len <= 0)
        return -EIO;
    text[len] = '\0';
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

    process->start_s = 0;
    if (process_stat_read(&stat) == 0)
        process->start_s = clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) +
                           (double)stat.start_ticks / (double)sysconf(_SC_CLK_TCK);
}

static void write_seconds(struct buf *text, const char *name, const char *type, const char *help, double seconds)
{
    buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %.6f\n", name, help, name, type, name, seconds);
}

static void write_number(struct buf *text, const char *name, const char *help, uint64_t value)
{
    buf_printf(text, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRIu64 "\n", name, help, name, name, value);
}

static void write_open_fds(struct buf *text)
{
    DIR *directory = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (!directory)
        return;
    for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    write_number(text, "process_open_fds", "Number of open file descriptors.", count - 1); /* without the directory's own */
}

void metrics_process_write(const struct metrics_process *process, struct buf *text)
{
    struct process_stat stat;
    struct rlimit files;

    write_seconds(text, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                  clock_seconds(CLOCK_PROCESS_CPUTIME_ID));
    write_open_fds(text);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        write_number(text, "process_max_fds", "Maximum number of open file descriptors.", files.rlim_cur);
    if (process->start_s > 0)
        write_seconds(text, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
                      process->start_s);
    if (process_stat_read(&stat) < 0)
        return;
    write_number(text, "process_resident_memory_bytes", "Resident memory size in bytes.",
                 stat.resident_pages * (uint64_t)sysconf(_SC_PAGESIZE));
    write_number(text, "process_virtual_memory_bytes", "Virtual memory size in bytes.", stat.virtual_bytes);
    write_number(text, "process_threads", "Number of threads.", stat.threads);
}
