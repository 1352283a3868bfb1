/* SPDX-License-Identifier: MIT */
/* Certificate and key: loading, checking, counting. */
#include "tls_internal.h"

#include "../lib/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A chain of a dozen certificates of 4096-bit keys has 30 KiB. */
#define PEM_BYTES_MAX (256u * 1024)
#define CERTIFICATE_MARK "-----BEGIN CERTIFICATE-----"

/* No TLS before 1.2 and no exchange of keys without forward secrecy; the rest is for the library to keep current. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1"

static gnutls_datum_t datum_of(const struct buf *text)
{
    return (gnutls_datum_t){(unsigned char *)text->bytes, (unsigned)text->len};
}

static int key_problem(int code, const struct buf *key, const char *certificate_path, const char *key_path, struct err *err)
{
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return err_set(err, -EKEYREJECTED, "%s: not the key of the certificate in %s", key_path, certificate_path);
    if (code == GNUTLS_E_MEMORY_ERROR)
        return err_set(err, -ENOMEM, "%s: out of memory", key_path);
    if (key->len > 0 && strstr(key->bytes, "ENCRYPTED"))
        return err_set(err, -EBADMSG, "%s: the key is encrypted: store it without a passphrase, mode 0600", key_path);
    if (key->len == 0 || !strstr(key->bytes, "PRIVATE KEY-----"))
        return err_set(err, -EBADMSG, "%s: holds no private key in PEM", key_path);
    return err_set(err, -EBADMSG, "%s: cannot be used with %s: %s", key_path, certificate_path, gnutls_strerror(code));
}

static int find_validity(struct tls_identity *identity)
{
    gnutls_x509_crt_t *certificates = NULL;
    unsigned count = 0;
    int r = gnutls_certificate_get_x509_crt(identity->credentials, 0, &certificates, &count);

    if (r < 0)
        return r;
    if (count > 0) {
        identity->begins_us = (int64_t)gnutls_x509_crt_get_activation_time(certificates[0]) * 1000000;
        identity->expires_us = (int64_t)gnutls_x509_crt_get_expiration_time(certificates[0]) * 1000000;
    }
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(certificates[i]);
    gnutls_free(certificates);
    return 0;
}

static int check_certificate(const char *text)
{
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
    gnutls_x509_crt_t certificate;
    int r = gnutls_x509_crt_init(&certificate);

    if (r < 0)
        return r;
    r = gnutls_x509_crt_import(certificate, &datum, GNUTLS_X509_FMT_PEM);
    gnutls_x509_crt_deinit(certificate);
    return r;
}

/* Each by itself before all are loaded: the library (3.7.9) loses memory over a chain that it cannot read. */
static int check_chain(const struct buf *text, const char *path, struct err *err)
{
    const char *at = text->len > 0 ? strstr(text->bytes, CERTIFICATE_MARK) : NULL;

    if (!at)
        return err_set(err, -EBADMSG, "%s: holds no certificate in PEM", path);
    for (int number = 1; at; number++) {
        int r = check_certificate(at);

        if (r < 0)
            return err_set(err, -EBADMSG, "%s: certificate %d of it: %s", path, number, gnutls_strerror(r));
        at = strstr(at + 1, CERTIFICATE_MARK);
    }
    return 0;
}

static int take_files(struct tls_identity *identity, const char *certificate_path, const char *key_path, struct err *err)
{
    struct buf certificate CLEANUP(buf_free), key CLEANUP(buf_wipe);
    int r;

    buf_init(&certificate, PEM_BYTES_MAX);
    buf_init(&key, PEM_BYTES_MAX);
    r = file_read(certificate_path, &certificate, err);
    if (r < 0)
        return r;
    r = file_read_secret(key_path, &key, err);
    if (r < 0)
        return r;
    r = check_chain(&certificate, certificate_path, err);
    if (r < 0)
        return r;
    gnutls_datum_t certificate_text = datum_of(&certificate), key_text = datum_of(&key);

    r = gnutls_certificate_set_x509_key_mem2(identity->credentials, &certificate_text, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (r >= 0)
        r = find_validity(identity);
    return r < 0 ? key_problem(r, &key, certificate_path, key_path, err) : 0;
}

int tls_identity_load(const char *certificate_path, const char *key_path, struct tls_identity **ret_identity, struct err *err)
{
    struct tls_identity *identity = calloc(1, sizeof(*identity));
    int r;

    if (!identity)
        return err_set(err, -ENOMEM, "out of memory");
    atomic_init(&identity->count, 1);
    if (gnutls_certificate_allocate_credentials(&identity->credentials) < 0 ||
        gnutls_priority_init(&identity->priorities, PRIORITIES, NULL) < 0)
        r = err_set(err, -ENOMEM, "out of memory");
    else
        r = take_files(identity, certificate_path, key_path, err);
    if (r < 0)
        tls_identity_unref(identity);
    else
        *ret_identity = identity;
    return r;
}

struct tls_identity *tls_identity_ref(struct tls_identity *identity)
{
    if (identity)
        atomic_fetch_add_explicit(&identity->count, 1, memory_order_relaxed);
    return identity;
}

struct tls_identity *tls_identity_unref(struct tls_identity *identity)
{
    if (!identity || atomic_fetch_sub_explicit(&identity->count, 1, memory_order_acq_rel) > 1)
        return NULL;
    if (identity->credentials)
        gnutls_certificate_free_credentials(identity->credentials);
    if (identity->priorities)
        gnutls_priority_deinit(identity->priorities);
    free(identity);
    return NULL;
}

int64_t tls_identity_begins_us(const struct tls_identity *identity)
{
    return identity->begins_us;
}

int64_t tls_identity_expires_us(const struct tls_identity *identity)
{
    return identity->expires_us;
}

const char *tls_library_version(void)
{
    return gnutls_check_version(NULL);
}
