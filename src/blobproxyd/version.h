/* SPDX-License-Identifier: MIT */
/* The version of the programs, as configure and make know it. */
#ifndef BLOBPROXYD_VERSION_H
#define BLOBPROXYD_VERSION_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown" /* built without configure, as a single file */
#endif

/* make writes revision.h: the commit that is built. */
#if __has_include("revision.h")
#include "revision.h"
#else
#define PACKAGE_REVISION "unknown"
#endif

#endif
