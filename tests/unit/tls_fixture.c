/* SPDX-License-Identifier: MIT */
/* Self-signed certificates in a directory of the test's own. */
#include "tls_fixture.h"

#include <criterion/criterion.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

void tls_fixture_begin(void)
{
    strcpy(directory, "/tmp/test_tls.XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

void tls_fixture_end(void)
{
    char command[128];

    snprintf(command, sizeof(command), "/bin/rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

const char *tls_fixture_path(const char *file)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, file);
    return path;
}

void tls_fixture_write(const char *file, const char *text, mode_t mode)
{
    FILE *stream = fopen(tls_fixture_path(file), "w");

    cr_assert_not_null(stream);
    cr_assert_geq(fputs(text, stream), 0);
    cr_assert_eq(fclose(stream), 0);
    cr_assert_eq(chmod(tls_fixture_path(file), mode), 0);
}

static void write_datum(const char *name, const char *suffix, gnutls_datum_t *datum, mode_t mode)
{
    char file[64];

    snprintf(file, sizeof(file), "%s%s", name, suffix);
    tls_fixture_write(file, (const char *)datum->data, mode);
    gnutls_free(datum->data);
}

void tls_fixture_make(const char *name, time_t begins, time_t expires)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_datum_t text;

    cr_assert_geq(gnutls_x509_privkey_init(&key), 0);
    cr_assert_geq(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    cr_assert_geq(gnutls_x509_crt_init(&certificate), 0);
    cr_assert_geq(gnutls_x509_crt_set_version(certificate, 3), 0);
    cr_assert_geq(gnutls_x509_crt_set_serial(certificate, "\1", 1), 0);
    cr_assert_geq(gnutls_x509_crt_set_key(certificate, key), 0);
    cr_assert_geq(gnutls_x509_crt_set_dn(certificate, "CN=localhost", NULL), 0);
    cr_assert_geq(gnutls_x509_crt_set_activation_time(certificate, begins), 0);
    cr_assert_geq(gnutls_x509_crt_set_expiration_time(certificate, expires), 0);
    cr_assert_geq(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    cr_assert_geq(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text), 0);
    write_datum(name, ".key", &text, 0600);
    cr_assert_geq(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text), 0);
    write_datum(name, ".crt", &text, 0644);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}
