/* SPDX-License-Identifier: MIT */
/* What was built, and the libraries that it found when it started. */
#include "metrics_internal.h"
#include "tls.h"
#include "version.h"

#include "../lib/httpclient.h"

#include <event2/event.h>
#include <microhttpd.h>
#include <stdio.h>

void metrics_build_labels(char labels[METRICS_BUILD_BYTES])
{
    snprintf(labels, METRICS_BUILD_BYTES,
             "version=\"%s\",revision=\"%s\",libmicrohttpd=\"%s\",libevent=\"%s\",libcurl=\"%s\",gnutls=\"%s\"", PACKAGE_VERSION,
             PACKAGE_REVISION, MHD_get_version(), event_get_version(), httpclient_library_version(), tls_library_version());
}
