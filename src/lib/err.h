/* SPDX-License-Identifier: MIT */
/* What a person reads when something fails: one line, wrapped outward ("conf /etc/x:12: listen.tcp: bad port"). */
#ifndef BLOBPROXY_ERR_H
#define BLOBPROXY_ERR_H

#define ERR_TEXT_BYTES 512

/* Embedded by the caller; no allocation on the error path. Zero-initialised means "no error yet". */
struct err {
    char text[ERR_TEXT_BYTES];
};

/* Replaces the text; longer texts are cut. Returns code, so that "return err_set(err, -EINVAL, ...)" works. err may be NULL. */
int err_set(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "outer: " in front of the text. Returns code. err may be NULL. */
int err_wrap(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
