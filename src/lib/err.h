/* SPDX-License-Identifier: MIT */
/* What a person reads when something fails: one line, wrapped outward ("conf /etc/x:12: listen.tcp: bad port"). */
#ifndef BLOBPROXY_ERR_H
#define BLOBPROXY_ERR_H

#define ERR_TEXT_BYTES 512

/* Embedded by the caller; no allocation on the error path. Zero-initialised means "no error yet". */
struct err {
    char text[ERR_TEXT_BYTES];
};

/* Replaces the text; longer texts are cut. err may be NULL. */
void err_put(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, and its value is code, so that "return err_set(err, -EINVAL, ...)" works. A macro, so that compilers know which code
 * is returned and that a caller which has 0 has its results, too. */
#define err_set(err, code, ...)                                                                                                  \
    ({                                                                                                                           \
        const int code_ __attribute__((unused)) = (code);                                                                        \
        err_put((err), __VA_ARGS__);                                                                                             \
        code_;                                                                                                                   \
    })

/* Puts "outer: " in front of the text. Returns code. err may be NULL. */
int err_wrap(struct err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
