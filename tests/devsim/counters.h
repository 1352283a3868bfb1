/* SPDX-License-Identifier: MIT */
/* What the stand-in of the device counts. COUNTER(name, what): the fields of the struct and the words of "stats". */
#ifndef TESTS_COUNTERS_H
#define TESTS_COUNTERS_H

#include "faults.h"

#define COUNTERS                                                                                                                 \
    COUNTER(opens, "that succeeded")                                                                                             \
    COUNTER(ioctls_list, "with 0xc04852f0")                                                                                      \
    COUNTER(ioctls_vendor, "with 0xc048520a")                                                                                    \
    COUNTER(ioctls_unknown, "with a number that the device does not know")                                                       \
    COUNTER(completed, "ioctls that returned 0")                                                                                 \
    COUNTER(lost, "completions withheld so far")                                                                                 \
    COUNTER(aborted, "transfers that ended because the host had gone")                                                           \
    COUNTER(vanished, "callers that died while they waited")                                                                     \
    COUNTER(removals, "of the device, by command or because the host had gone")                                                  \
    COUNTER(violations, "ioctls with a response or data buffer that a driver must not be given")

struct counters {
#define COUNTER(name, what) uint64_t name;
    COUNTERS
#undef COUNTER
    uint64_t open_errors[FAULT_ERRORS], ioctl_errors[FAULT_ERRORS]; /* given, for whatever reason */
    uint32_t in_flight, in_ring, withheld;                          /* now; the latter two are among the first */
};

#endif
