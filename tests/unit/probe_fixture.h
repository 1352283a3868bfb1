/* SPDX-License-Identifier: MIT */
/* A made-up machine: a tree of files in a directory of its own, and a driver that answers as it is told. */
#ifndef PROBE_FIXTURE_H
#define PROBE_FIXTURE_H

#include "../../src/blobproxyctl/probe.h"

/* What the driver does; probe_fixture_begin() resets it to one without a device. */
struct fake_driver {
    int open;                       /* 0, or a negative errno for every path */
    const char *path;               /* the only one that it opens, without the root; NULL: any */
    int numbers[PROBE_NUMBERS];     /* raw answers of its ioctl, -EFAULT for a number that it knows */
    bool ignores_credentials;       /* a child gets the same answers */
    long page_bytes;                /* of its kernel: 4096 */
    unsigned opens, closes, ioctls; /* calls of this process */
    unsigned arguments;             /* ioctls with something to read: there must be none */
};
extern struct fake_driver fake_driver;

void probe_fixture_begin(void);
void probe_fixture_end(void);

/* A machine with nothing in it: kernel 6.2.0-test, no hypervisor. */
struct probe_source probe_fixture_source(void);

/* Directories on the way are made. */
void put_file(const char *path, const char *text);
void put_link(const char *path, const char *target);

/* An Azure VM; the same with the device offered, and its channel open with a ring of 128 KiB. */
void put_azure(void);
#define FIXTURE_INSTANCE "11111111-2222-3333-4444-555555555555"
void put_blob_device(const char *driver);

#endif
