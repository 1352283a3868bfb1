/* SPDX-License-Identifier: MIT */
/* What /proc/PID/pagemap says of buffers. */
#include "pages.h"

#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define PAGE_BYTES 4096u
#define ENTRIES 512u

/* Bits of an entry. */
#define PRESENT (1ull << 63)
#define SWAPPED (1ull << 62)
#define OF_FILE (1ull << 61) /* or of shared memory */
#define EXCLUSIVE (1ull << 56)

int pages_open(pid_t pid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Of a dead address space nothing can be read. */
bool pages_is_alive(int pagemap)
{
    uint64_t entry;

    return pread(pagemap, &entry, sizeof(entry), 0) == sizeof(entry);
}

uint32_t pages_count(uint64_t address, uint32_t bytes)
{
    return bytes == 0 ? 0 : (uint32_t)((address % PAGE_BYTES + bytes - 1) / PAGE_BYTES + 1);
}

/* Does a mapping with these permissions hold the address? */
static bool is_mapped_shared(pid_t tid, uint64_t address)
{
    char path[64], line[512], permissions[8];
    unsigned long long first, end;
    bool is_shared = false;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        return false;
    while (!is_shared && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%llx-%llx %7s", &first, &end, permissions) == 3)
            is_shared = address >= first && address < end && permissions[3] == 's';
    }
    (void)fclose(maps);
    return is_shared;
}

/* -EFAULT; 1: still shared; 0. */
static int look_at(uint64_t entry, pid_t tid, uint64_t address)
{
    char byte;

    if (entry & SWAPPED)
        return 0;
    if (entry & PRESENT)
        return !(entry & (OF_FILE | EXCLUSIVE));
    if (trap_read(tid, address, &byte, sizeof(byte)) < 0)
        return -EFAULT;
    return !is_mapped_shared(tid, address);
}

int pages_pin(int pagemap, pid_t tid, uint64_t address, uint32_t bytes, uint32_t *ret_unwritten)
{
    uint64_t entries[ENTRIES], page = address / PAGE_BYTES;
    uint32_t unwritten = 0;

    for (uint32_t left = pages_count(address, bytes); left > 0;) {
        uint32_t count = left < ENTRIES ? left : ENTRIES;
        size_t wanted = count * sizeof(entries[0]);
        if (pread(pagemap, entries, wanted, (off_t)(page * sizeof(entries[0]))) != (ssize_t)wanted)
            return -EFAULT;
        for (uint32_t i = 0; i < count; i++) {
            int r = look_at(entries[i], tid, (page + i) * PAGE_BYTES);
            if (r < 0)
                return r;
            unwritten += (uint32_t)r;
        }
        page += count;
        left -= count;
    }
    *ret_unwritten = unwritten;
    return 0;
}
