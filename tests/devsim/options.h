/* SPDX-License-Identifier: MIT */
/* The command line of blobdevsim. */
#ifndef TESTS_DEVSIM_OPTIONS_H
#define TESTS_DEVSIM_OPTIONS_H

#include "../../src/lib/cleanup.h"
#include "../../src/lib/err.h"

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_FAULTS_MAX 16

/* Strings point into argv or are constants. */
struct options {
    bool wants_help;
    const char *bus_socket;
    const char *device_path;
    const char *control_path; /* NULL: none */
    const char *faults[OPTIONS_FAULTS_MAX];
    unsigned fault_count;
    uint32_t depth, ring_bytes;
    uint32_t slots_small, slots_large;
    uint32_t wait_s; /* for the host, before the command starts */
    bool knows_list, knows_vendor;
    int unknown_errno; /* negative */
    bool is_absent;
    bool allows_violations;
    char *const *command; /* ends with NULL */
};

extern const char options_help[];

/* 0; -EINVAL with err, which says what to change. */
int options_parse(int argc, char **argv, struct options *ret_options, struct err *err) MUST_CHECK;

#endif
