/* SPDX-License-Identifier: MIT */
/* The HTTP library answers what it cannot parse with HTML pages of its own. Clients expect Azure's error body, so its answers
 * pass through here: this program defines MHD_queue_response(), which the library calls for them through its symbol table. Where
 * a build of the library does not, its pages are sent as they are. */
#ifndef BLOBPROXYD_FRONT_ERRORS_H
#define BLOBPROXYD_FRONT_ERRORS_H

#include "../lib/cleanup.h"

#include <microhttpd.h>

/* Finds the library's function; before the first daemon starts. 0 or -ENOSYS. */
int front_errors_init(void) MUST_CHECK;

/* The library's MHD_queue_response(), for answers that are ours. */
enum MHD_Result front_errors_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);

#endif
