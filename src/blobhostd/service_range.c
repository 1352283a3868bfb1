/* SPDX-License-Identifier: MIT */
/* "bytes=first-last" and "bytes=first-": the two forms that the service knows. */
#include "service_range.h"

#include <string.h>
#include <strings.h>

bool range_parse(const struct call *call, struct range *ret_range)
{
    static const struct slice unit = {"bytes=", 6};
    struct range range = {.last = UINT64_MAX};
    struct slice text, last;
    const char *dash;

    if (!call_field(call, "x-ms-range", &text) && !call_field(call, "Range", &text))
        return false;
    if (text.len <= unit.len || strncasecmp(text.bytes, unit.bytes, unit.len) != 0)
        return false;
    text = (struct slice){text.bytes + unit.len, text.len - unit.len};
    dash = memchr(text.bytes, '-', text.len);
    if (!dash || !slice_to_number((struct slice){text.bytes, (size_t)(dash - text.bytes)}, &range.first))
        return false;
    last = (struct slice){dash + 1, (size_t)(text.bytes + text.len - dash - 1)};
    if (last.len > 0 && (!slice_to_number(last, &range.last) || range.last < range.first))
        return false;
    *ret_range = range;
    return true;
}
