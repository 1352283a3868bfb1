/* SPDX-License-Identifier: MIT */
/* The Blob REST API over the embedded store: authorization, conditions, operations, Azure error bodies. Thread-safe. */
#ifndef BLOBHOSTD_SERVICE_H
#define BLOBHOSTD_SERVICE_H

#include "../lib/sign/accounts.h"
#include "executor.h"
#include "store.h"

struct service;

/* Both are borrowed and must outlive the service. */
int service_new(struct store *store, const struct accounts *accounts, struct service **ret_service) MUST_CHECK;
struct service *service_free(struct service *service);

/* Always answers inside execute(). */
struct executor *service_executor(struct service *service);

#endif
