/* SPDX-License-Identifier: MIT */
/* libcurl, with names for options that its header may be too old for. The loaded library may know them
 * nevertheless; one that does not says CURLE_UNKNOWN_OPTION. */
#ifndef BLOBPROXY_CURLCOMPAT_H
#define BLOBPROXY_CURLCOMPAT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <curl/curl.h>
#include <stdbool.h>

#if !HAVE_DECL_CURLOPT_PREREQFUNCTION /* 7.80 */
#define CURLOPT_PREREQFUNCTION ((CURLoption)(CURLOPTTYPE_FUNCTIONPOINT + 312))
#define CURLOPT_PREREQDATA ((CURLoption)(CURLOPTTYPE_OBJECTPOINT + 313))
#define CURL_PREREQFUNC_OK 0
#define CURL_PREREQFUNC_ABORT 1
#endif

#if !HAVE_DECL_CURLOPT_QUICK_EXIT /* 7.87 */
#define CURLOPT_QUICK_EXIT ((CURLoption)(CURLOPTTYPE_LONG + 322))
#endif

/* The handle uses HTTP and nothing else, or HTTPS too. */
static inline CURLcode curlcompat_allow(CURL *easy, bool with_https)
{
#if HAVE_DECL_CURLOPT_PROTOCOLS_STR /* 7.85, which deprecates the other */
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, with_https ? "http,https" : "http");
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            with_https ? (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS) : (long)CURLPROTO_HTTP);
#endif
}

#endif
