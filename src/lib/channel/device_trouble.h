/* SPDX-License-Identifier: MIT */
/* What goes wrong with single transfers of a device: each kind is told once a minute, with how often it happened since. */
#ifndef BLOBPROXY_DEVICE_TROUBLE_H
#define BLOBPROXY_DEVICE_TROUBLE_H

#include "../err.h"

#include <stdbool.h>
#include <stdint.h>

enum device_trouble {
    TROUBLE_REFUSED,
    TROUBLE_INTERRUPTED,
    TROUBLE_UNSET,
    TROUBLE_EMPTY,
    TROUBLE_TOO_LONG,
    TROUBLE_NO_MEMORY,
    TROUBLE_NO_THREAD,
    TROUBLES,
};

/* Embedded; zero: nothing told yet. */
struct device_troubles {
    struct {
        uint64_t at_us; /* 0: never */
        unsigned since;
    } told[TROUBLES];
};

/* true: it is to be told now, as *ret_message says ("PATH: TEXT"). */
bool device_trouble_is_due(struct device_troubles *troubles, enum device_trouble trouble, const char *path, const char *text,
                           struct err *ret_message);

#endif
