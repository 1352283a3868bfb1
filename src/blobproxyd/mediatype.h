/* SPDX-License-Identifier: MIT */
/* A Content-Type's parameters, as RFC 2045 and RFC 9110 write them. Pure: bytes in, text out. */
#ifndef BLOBPROXYD_MEDIATYPE_H
#define BLOBPROXYD_MEDIATYPE_H

#include "../lib/head.h"

/* Copies the value of the parameter of that name (ASCII case ignored) into ret_value, without quotes and with a NUL. Blanks may
 * be around ';' and '='. 0; -ENOENT: it is not there; -EBADMSG: type is no media type with parameters, or has that one twice;
 * -ENOBUFS: longer than value_bytes - 1. */
int mediatype_parameter(struct slice type, const char *name, char *ret_value, size_t value_bytes) MUST_CHECK;

#endif
