/* SPDX-License-Identifier: MIT */
/* The version of the programs, as configure knows it. */
#ifndef BLOBPROXYD_VERSION_H
#define BLOBPROXYD_VERSION_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown" /* built without configure, as a single file */
#endif

#endif
