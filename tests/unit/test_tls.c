/* SPDX-License-Identifier: MIT */
/* Loading what the server proves itself with, and sessions against a client in the same thread. */
#include "../../src/blobproxyd/tls.h"

#include "tls_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(tls, .init = tls_fixture_begin, .fini = tls_fixture_end);

static int load(const char *certificate, const char *key, struct tls_identity **ret_identity, struct err *err)
{
    return tls_identity_load(tls_fixture_path(certificate), tls_fixture_path(key), ret_identity, err);
}

static struct tls_identity *make_identity(void)
{
    struct tls_identity *identity = NULL;
    struct err err = {""};

    tls_fixture_make("a", time(NULL) - 60, time(NULL) + 86400);
    cr_assert_eq(load("a.crt", "a.key", &identity, &err), 0, "%s", err.text);
    return identity;
}

Test(tls, an_identity_tells_its_validity_and_lives_until_the_last_count)
{
    struct tls_identity *identity = NULL;
    struct err err = {""};

    tls_fixture_make("a", 1000000000, 1100000000);
    cr_assert_eq(load("a.crt", "a.key", &identity, &err), 0, "%s", err.text);
    cr_expect_eq(tls_identity_begins_us(identity), 1000000000 * 1000000ll);
    cr_expect_eq(tls_identity_expires_us(identity), 1100000000 * 1000000ll);
    cr_expect_eq(tls_identity_ref(identity), identity);
    cr_expect_null(tls_identity_unref(identity));
    cr_expect_eq(tls_identity_expires_us(identity), 1100000000 * 1000000ll);
    cr_expect_null(tls_identity_unref(identity));
    cr_expect_null(tls_identity_unref(NULL));
    cr_expect_null(tls_identity_ref(NULL));
}

Test(tls, each_thing_that_is_wrong_with_the_files_has_its_words)
{
    static const struct {
        const char *certificate, *key;
        int code;
        const char *words;
    } cases[] = {
        {"a.crt", "b.key", -EKEYREJECTED, "b.key: not the key of the certificate in "},
        {"a.crt", "none.key", -ENOENT, "none.key: No such file"},
        {"none.crt", "a.key", -ENOENT, "none.crt: No such file"},
        {"a.crt", "open.key", -EPERM, "chmod 0600"},
        {"a.crt", "text", -EBADMSG, "text: holds no private key in PEM"},
        {"text", "a.key", -EBADMSG, "text: holds no certificate in PEM"},
        {"a.crt", "empty", -EBADMSG, "empty: holds no private key in PEM"},
        {"empty", "a.key", -EBADMSG, "empty: holds no certificate in PEM"},
        {"a.crt", "locked.key", -EBADMSG, "locked.key: the key is encrypted"},
        {"a.crt", "broken.key", -EBADMSG, "broken.key: cannot be used with "},
        {"broken.crt", "a.key", -EBADMSG, "broken.crt: certificate 1 of it: "},
        {".", "a.key", -EISDIR, "not a regular file"},
    };

    tls_fixture_make("a", 1, 2000000000);
    tls_fixture_make("b", 1, 2000000000);
    tls_fixture_make("open", 1, 2000000000);
    cr_assert_eq(chmod(tls_fixture_path("open.key"), 0640), 0);
    cr_assert(geteuid() != 0 || chown(tls_fixture_path("open.key"), 0, 12345) == 0);
    tls_fixture_write("text", "geheim\n", 0600);
    tls_fixture_write("empty", "", 0600);
    tls_fixture_write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGH\n-----END ENCRYPTED PRIVATE KEY-----\n", 0600);
    tls_fixture_write("broken.key", "-----BEGIN PRIVATE KEY-----\ngeheim\n-----END PRIVATE KEY-----\n", 0600);
    tls_fixture_write("broken.crt", "-----BEGIN CERTIFICATE-----\ngeheim\n-----END CERTIFICATE-----\n", 0600);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_identity *identity = NULL;
        struct err err = {""};

        cr_expect_eq(load(cases[i].certificate, cases[i].key, &identity, &err), cases[i].code, "case %zu: %s", i, err.text);
        cr_expect(strstr(err.text, cases[i].words), "case %zu: %s", i, err.text);
        cr_expect_not(strstr(err.text, "geheim"));
        cr_expect_null(identity);
    }
}

/* ---- sessions ---- */

struct pair {
    struct tls_session *server;
    gnutls_session_t client;
    gnutls_certificate_credentials_t credentials;
    int sockets[2]; /* server, client */
};

static void pair_begin(struct pair *pair, const char *priorities)
{
    struct tls_identity *identity = make_identity();

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->sockets), 0);
    cr_assert_eq(tls_session_new(identity, pair->sockets[0], &pair->server), 0);
    tls_identity_unref(identity); /* the session has its own count */
    cr_assert_geq(gnutls_certificate_allocate_credentials(&pair->credentials), 0);
    cr_assert_geq(gnutls_init(&pair->client, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    cr_assert_geq(gnutls_priority_set_direct(pair->client, priorities, NULL), 0);
    cr_assert_geq(gnutls_credentials_set(pair->client, GNUTLS_CRD_CERTIFICATE, pair->credentials), 0);
    gnutls_transport_set_int(pair->client, pair->sockets[1]);
}

static void pair_end(struct pair *pair)
{
    gnutls_deinit(pair->client);
    gnutls_certificate_free_credentials(pair->credentials);
    cr_expect_null(tls_session_free(pair->server));
    close(pair->sockets[0]);
    close(pair->sockets[1]);
}

/* What the server's side came to; 0 when both are done. */
static int shake_hands(struct pair *pair)
{
    int server = -EAGAIN, client = GNUTLS_E_AGAIN;

    for (int i = 0; i < 20 && (server == -EAGAIN || client == GNUTLS_E_AGAIN); i++) {
        if (client == GNUTLS_E_AGAIN)
            client = gnutls_handshake(pair->client);
        if (server == -EAGAIN)
            server = tls_session_handshake(pair->server);
    }
    return server;
}

static void carry_both_ways(const char *priorities)
{
    struct pair pair;
    char bytes[64];

    pair_begin(&pair, priorities);
    cr_assert_eq(shake_hands(&pair), 0);
    cr_expect_eq(tls_session_recv(pair.server, bytes, sizeof(bytes)), -EAGAIN);
    cr_expect_not(tls_session_wants_write(pair.server));
    cr_expect_eq(gnutls_record_send(pair.client, "hello", 5), 5);
    cr_assert_eq(tls_session_recv(pair.server, bytes, sizeof(bytes)), 5);
    cr_expect_eq(memcmp(bytes, "hello", 5), 0);
    cr_expect_eq(tls_session_send(pair.server, "answer", 6), 6);
    cr_expect_eq(gnutls_record_recv(pair.client, bytes, sizeof(bytes)), 6);
    cr_expect_eq(gnutls_bye(pair.client, GNUTLS_SHUT_WR), 0);
    cr_expect_eq(tls_session_recv(pair.server, bytes, sizeof(bytes)), 0);
    cr_expect_eq(tls_session_bye(pair.server), 0);
    cr_expect_eq(gnutls_record_recv(pair.client, bytes, sizeof(bytes)), 0);
    pair_end(&pair);
}

Test(tls, bytes_go_both_ways_in_1_2_and_1_3)
{
    carry_both_ways("NORMAL:-VERS-ALL:+VERS-TLS1.2");
    carry_both_ways("NORMAL:-VERS-ALL:+VERS-TLS1.3");
}

Test(tls, older_versions_and_exchanges_without_forward_secrecy_are_refused)
{
    static const char *const refused[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.0",
                                          "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA"};

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct pair pair;

        pair_begin(&pair, refused[i]);
        cr_expect_eq(shake_hands(&pair), -EPROTO, "%s", refused[i]);
        cr_expect_gt(strlen(tls_session_problem(pair.server)), 0u);
        cr_expect_eq(gnutls_handshake(pair.client), GNUTLS_E_AGAIN, "%s", refused[i]);
        tls_session_alert(pair.server);
        cr_expect_eq(gnutls_handshake(pair.client), GNUTLS_E_FATAL_ALERT_RECEIVED, "%s", refused[i]);
        pair_end(&pair);
    }
}

Test(tls, what_is_no_tls_breaks_the_handshake)
{
    struct pair pair;

    pair_begin(&pair, "NORMAL");
    cr_assert_eq(write(pair.sockets[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    cr_expect_eq(tls_session_handshake(pair.server), -EPROTO);
    pair_end(&pair);
}

Test(tls, a_client_that_goes_without_a_word_is_a_reset)
{
    struct pair pair;
    char bytes[16];

    pair_begin(&pair, "NORMAL");
    cr_assert_eq(shake_hands(&pair), 0);
    cr_assert_eq(shutdown(pair.sockets[1], SHUT_WR), 0);
    cr_expect_eq(tls_session_recv(pair.server, bytes, sizeof(bytes)), -ECONNRESET);
    pair_end(&pair);
}

Test(tls, a_full_socket_takes_the_rest_of_a_record_later)
{
    static char sent[TLS_RECORD_BYTES], got[TLS_RECORD_BYTES];
    struct pair pair;
    unsigned records = 0;
    size_t received = 0;
    ssize_t n;

    memset(sent, 'x', sizeof(sent));
    pair_begin(&pair, "NORMAL");
    cr_assert_eq(shake_hands(&pair), 0);
    while ((n = tls_session_send(pair.server, sent, sizeof(sent))) > 0)
        records++;
    cr_assert_eq(n, -EAGAIN);
    cr_expect(tls_session_wants_write(pair.server));
    while (received < records * sizeof(sent)) {
        n = gnutls_record_recv(pair.client, got, sizeof(got));
        cr_assert_gt(n, 0);
        received += (size_t)n;
    }
    cr_expect_eq(tls_session_send(pair.server, sent, sizeof(sent)), (ssize_t)sizeof(sent));
    cr_expect_eq(gnutls_record_recv(pair.client, got, sizeof(got)), (ssize_t)sizeof(got));
    cr_expect_eq(memcmp(sent, got, sizeof(sent)), 0);
    cr_expect_eq(gnutls_record_recv(pair.client, got, sizeof(got)), GNUTLS_E_AGAIN, "it was sent twice");
    pair_end(&pair);
}
