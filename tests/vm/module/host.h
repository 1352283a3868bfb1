/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/azure_blob_host, see host_abi.h. One process at a time. */
#ifndef AZB_HOST_H
#define AZB_HOST_H

int azb_host_add(void);

/* Ends all requests as a closing host would, those in the ring too. */
void azb_host_abort(void);

void azb_host_remove(void);

#endif
