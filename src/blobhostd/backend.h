/* SPDX-License-Identifier: MIT */
/* Executes transfers against a Blob endpoint given as a URL: Azurite, or a real account. */
#ifndef BLOBHOSTD_BACKEND_H
#define BLOBHOSTD_BACKEND_H

#include "../lib/err.h"
#include "executor.h"

struct backend;
struct event_base;

/* For the account's name in a URL. */
#define BACKEND_ACCOUNT_MARK "{account}"

struct backend_options {
    /* "http://127.0.0.1:10000": everything goes there, Host stays what the transfer's head says. With the mark, as in
     * "https://{account}.blob.core.windows.net", the account is the first label of the transfer's Host, and Host becomes the
     * URL's. */
    const char *url;
    const char *ca_file; /* PEM bundle instead of the system's; NULL: the system's */
    /* The loop of the calling thread, where the requests run: vsp_thread_base(). */
    struct event_base *(*thread_base)(void);
    unsigned stall_timeout_ms; /* 0: 30,000 */
};

/* 0; -EINVAL, -ENOENT or -ENOMEM with err, which says what to change. */
int backend_new(const struct backend_options *options, struct backend **ret_backend, struct err *err) MUST_CHECK;

/* After the last thread that used it has ended. NULL is fine; returns NULL. */
struct backend *backend_free(struct backend *backend);

/* Answers later, from the loop. Each thread that executes has connections of its own until thread_end(). One backend at a time on
 * one thread. Statuses: VSP_STATUS_NOT_READY when the endpoint was not reached, VSP_STATUS_TIMEOUT when it did not answer in
 * time, VSP_STATUS_INTERNAL when the answer was cut or no HTTP, VSP_STATUS_INSUFFICIENT_BUFFER when a write was executed and its
 * answer does not fit. */
struct executor *backend_executor(struct backend *backend);

/* 0; -EINVAL with err. */
int backend_check_url(const char *url, struct err *err) MUST_CHECK;

#endif
