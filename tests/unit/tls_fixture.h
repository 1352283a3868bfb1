/* SPDX-License-Identifier: MIT */
/* Certificates made by the test itself. */
#ifndef TLS_FIXTURE_H
#define TLS_FIXTURE_H

#include <sys/types.h>
#include <time.h>

/* Makes a directory in which NAME.crt and NAME.key are written; removed by tls_fixture_end(). */
void tls_fixture_begin(void);
void tls_fixture_end(void);

/* The path of a file there; the text is good for eight calls. */
const char *tls_fixture_path(const char *file);
void tls_fixture_write(const char *file, const char *text, mode_t mode);

/* A key (0600) and a certificate of its own for localhost. */
void tls_fixture_make(const char *name, time_t begins, time_t expires);

#endif
