/* SPDX-License-Identifier: MIT */
/* The HTML status page: one file, statuspage.html, that stands in the program. It shows what /metrics and /status of its own
 * origin say, with a content security policy that lets it do nothing else. */
#ifndef BLOBPROXYD_STATUSPAGE_H
#define BLOBPROXYD_STATUSPAGE_H

#include "../lib/buf.h"
#include "adminhttp.h"

/* Answers the call with the page. */
void statuspage_answer(struct adminhttp_call *call);

/* Appends the value of Content-Security-Policy for a page: its inline style and script are let in by their digests, everything
 * else but requests to its own origin is shut out. 0, -EINVAL when either is missing, or what text->failed says. */
int statuspage_policy(const char *page, size_t len, struct buf *text) MUST_CHECK;

#endif
