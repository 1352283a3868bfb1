/* SPDX-License-Identifier: MIT */
/* What identities and sessions share: both are GnuTLS objects. */
#ifndef BLOBPROXYD_TLS_INTERNAL_H
#define BLOBPROXYD_TLS_INTERNAL_H

#include "tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>

struct tls_identity {
    atomic_uint count;
    gnutls_certificate_credentials_t credentials; /* only read once loaded, so sessions of all threads share them */
    gnutls_priority_t priorities;
    int64_t begins_us, expires_us;
};

#endif
