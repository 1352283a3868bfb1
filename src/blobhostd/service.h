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
/* Put Blob stores the MD5 of its content even when the request names none (true from the start, as the service does it). */
void service_compute_md5(struct service *service, bool is_always);

struct service *service_free(struct service *service);

/* Always answers inside execute(). */
struct executor *service_executor(struct service *service);

#endif
