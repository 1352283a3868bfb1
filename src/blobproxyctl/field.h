/* SPDX-License-Identifier: MIT */
/* Members of the daemon's JSON; one that is missing or of another type is what stands for nothing. Pure. */
#ifndef BLOBPROXYCTL_FIELD_H
#define BLOBPROXYCTL_FIELD_H

#include <jansson.h>

/* path names objects in objects: "channel.up". NULL: none. The value stays the object's. */
const json_t *field_at(const json_t *object, const char *path);

const char *field_text(const json_t *object, const char *path); /* "": no text */
double field_number(const json_t *object, const char *path);    /* 0: no number */
long long field_count(const json_t *object, const char *path);  /* 0: no whole number */

/* A number as it is shown in a table: "-" where there is none. */
#define FIELD_BYTES 32
const char *field_shown(const json_t *object, const char *path, char shown[FIELD_BYTES]);

#endif
