/* SPDX-License-Identifier: MIT */
/* TLS of the server's side: what we prove ourselves with, and the sessions of clients. The only user of GnuTLS here. */
#ifndef BLOBPROXYD_TLS_H
#define BLOBPROXYD_TLS_H

#include "../lib/cleanup.h"
#include "../lib/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The most that one record carries; larger buffers are of no use to tls_session_recv(). */
#define TLS_RECORD_BYTES 16384u

/* A certificate with the chain behind it, and its key. Immutable, counted; any thread. The key is wiped with the last count. */
struct tls_identity;

/* PEM files; the key's must pass file_read_secret(). 0 or a negative errno: -EBADMSG when a file holds something else,
 * -EKEYREJECTED when the key is not that of the certificate; err names the file and never quotes it. */
int tls_identity_load(const char *certificate_path, const char *key_path, struct tls_identity **ret_identity,
                      struct err *err) MUST_CHECK;
struct tls_identity *tls_identity_ref(struct tls_identity *identity);   /* NULL is fine */
struct tls_identity *tls_identity_unref(struct tls_identity *identity); /* NULL is fine; returns NULL */

/* Of the certificate; microseconds since 1970. */
int64_t tls_identity_begins_us(const struct tls_identity *identity);
int64_t tls_identity_expires_us(const struct tls_identity *identity);

/* One client's connection, on one thread. TLS 1.2 and 1.3 only, with forward secrecy only. Never blocks: -EAGAIN means that the
 * socket has to become writable (tls_session_wants_write()) or readable first. Other errors: -ECONNRESET when the client went
 * without a word, -EPROTO when it broke the protocol; the session is dead then, and tls_session_problem() says why. */
struct tls_session;

/* Counts identity; socket stays the caller's. 0 or -ENOMEM. */
int tls_session_new(struct tls_identity *identity, int socket, struct tls_session **ret_session) MUST_CHECK;
struct tls_session *tls_session_free(struct tls_session *session); /* NULL is fine; returns NULL */

/* To be called until it answers 0. */
int tls_session_handshake(struct tls_session *session) MUST_CHECK;
/* After -EPROTO: tells the client why; it may not even listen. */
void tls_session_alert(struct tls_session *session);

/* 0: the client said goodbye. */
ssize_t tls_session_recv(struct tls_session *session, void *bytes, size_t max) MUST_CHECK;

/* Takes some of what is given and says how much. After -EAGAIN: again, with the same bytes. */
ssize_t tls_session_send(struct tls_session *session, const void *bytes, size_t len) MUST_CHECK;

/* Says goodbye. 0, or -EAGAIN: call it again. */
int tls_session_bye(struct tls_session *session) MUST_CHECK;

bool tls_session_wants_write(const struct tls_session *session);
const char *tls_session_problem(const struct tls_session *session); /* a static text */

/* Of GnuTLS as it is loaded: "3.7.9". */
const char *tls_library_version(void);

#endif
