/* SPDX-License-Identifier: MIT */
/* What answers and listings tell of a lease. */
#ifndef BLOBHOSTD_SERVICE_LEASE_H
#define BLOBHOSTD_SERVICE_LEASE_H

#include "lease.h"
#include "service_list.h"

/* x-ms-lease-status, -state and, while leased, -duration. */
void answer_lease(struct call *call, const struct lease *lease);

/* The same as elements of a listing. */
void list_put_lease(struct list *list, const struct lease *lease);

#endif
