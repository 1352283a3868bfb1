/* SPDX-License-Identifier: MIT */
/* What goes wrong with single transfers of a device. */
#include "device_trouble.h"

#include "../clock.h"

#define TELL_AGAIN_US (60 * (uint64_t)1000000)

bool device_trouble_is_due(struct device_troubles *troubles, enum device_trouble trouble, const char *path, const char *text,
                           struct err *ret_message)
{
    uint64_t now_us = clock_mono_us();
    uint64_t told_us = troubles->told[trouble].at_us;
    unsigned since = troubles->told[trouble].since;

    if (told_us != 0 && now_us - told_us < TELL_AGAIN_US) {
        troubles->told[trouble].since++;
        return false;
    }
    troubles->told[trouble].at_us = now_us;
    troubles->told[trouble].since = 0;
    if (since > 0)
        err_set(ret_message, 0, "%s: %s (%u times more since this was last told)", path, text, since);
    else
        err_set(ret_message, 0, "%s: %s", path, text);
    return true;
}
