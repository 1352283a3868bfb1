/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/azure_blob. */
#ifndef AZB_DEVICE_H
#define AZB_DEVICE_H

#include <linux/types.h>

/* Drivers know one of the two command numbers; the test device both, unless told otherwise. */
extern bool azb_knows_series, azb_knows_vendor;

/* The node appears. 0, -EBUSY: it is there; -ENOMEM and others of misc_register(). Not from two threads at a time, neither of
 * these. */
int azb_device_add(void);

/* The node goes; then waits for what the host still has. Descriptors that are open get ENODEV from now on, for ever. 0, -ENODEV.
 */
int azb_device_remove(void);

#endif
