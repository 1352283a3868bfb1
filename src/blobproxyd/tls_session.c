/* SPDX-License-Identifier: MIT */
/* TLS connections of clients. */
#include "tls_internal.h"

#include <errno.h>
#include <stdlib.h>

struct tls_session {
    gnutls_session_t session;
    struct tls_identity *identity;
    int last_error;
};

int tls_session_new(struct tls_identity *identity, int socket, struct tls_session **ret_session)
{
    static const gnutls_datum_t protocol = {(unsigned char *)(uintptr_t) "http/1.1", 8};
    struct tls_session *session = calloc(1, sizeof(*session));

    if (!session)
        return -ENOMEM;
    session->identity = tls_identity_ref(identity);
    if (gnutls_init(&session->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_priority_set(session->session, identity->priorities) < 0 ||
        gnutls_credentials_set(session->session, GNUTLS_CRD_CERTIFICATE, identity->credentials) < 0 ||
        gnutls_alpn_set_protocols(session->session, &protocol, 1, 0) < 0) {
        tls_session_free(session);
        return -ENOMEM;
    }
    gnutls_transport_set_int(session->session, socket);
    /* The caller has a deadline of its own. */
    gnutls_handshake_set_timeout(session->session, GNUTLS_INDEFINITE_TIMEOUT);
    *ret_session = session;
    return 0;
}

struct tls_session *tls_session_free(struct tls_session *session)
{
    if (!session)
        return NULL;
    if (session->session)
        gnutls_deinit(session->session);
    tls_identity_unref(session->identity);
    free(session);
    return NULL;
}

static int code_of(struct tls_session *session, ssize_t result)
{
    if (result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED)
        return -EAGAIN;
    session->last_error = (int)result;
    return result == GNUTLS_E_PREMATURE_TERMINATION || result == GNUTLS_E_PULL_ERROR || result == GNUTLS_E_PUSH_ERROR
               ? -ECONNRESET
               : -EPROTO;
}

static bool is_passing(ssize_t result)
{
    return result == GNUTLS_E_INTERRUPTED || result == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

/* A client that only warns is heard a few times, no more. */
#define WARNINGS_MAX 8

int tls_session_handshake(struct tls_session *session)
{
    int result, warnings = 0;

    do
        result = gnutls_handshake(session->session);
    while (is_passing(result) && warnings++ < WARNINGS_MAX);
    return result == GNUTLS_E_SUCCESS ? 0 : code_of(session, result);
}

void tls_session_alert(struct tls_session *session)
{
    (void)gnutls_alert_send_appropriate(session->session, session->last_error);
}

ssize_t tls_session_recv(struct tls_session *session, void *bytes, size_t max)
{
    ssize_t result;
    int warnings = 0;

    do
        result = gnutls_record_recv(session->session, bytes, max);
    while (is_passing(result) && warnings++ < WARNINGS_MAX);
    return result >= 0 ? result : code_of(session, result);
}

ssize_t tls_session_send(struct tls_session *session, const void *bytes, size_t len)
{
    ssize_t result = gnutls_record_send(session->session, bytes, len < TLS_RECORD_BYTES ? len : TLS_RECORD_BYTES);

    return result >= 0 ? result : code_of(session, result);
}

int tls_session_bye(struct tls_session *session)
{
    int result = gnutls_bye(session->session, GNUTLS_SHUT_WR);

    return result >= 0 ? 0 : code_of(session, result);
}

bool tls_session_wants_write(const struct tls_session *session)
{
    return gnutls_record_get_direction(session->session) == 1;
}

const char *tls_session_problem(const struct tls_session *session)
{
    return gnutls_strerror(session->last_error);
}
