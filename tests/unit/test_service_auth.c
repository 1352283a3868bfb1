/* SPDX-License-Identifier: MIT */
/* Who may do what: SharedKey, SAS of both kinds, bearer tokens, nobody. */
#include "service_fixture.h"

static void set_up(void)
{
    service_set_up();
    make_container();
    cr_assert_eq(put_blob("/box/b", "Content-Type: text/plain\r\n", "x"), 201);
    cr_assert_eq(ask("PUT", "/blobs?restype=container", "x-ms-blob-public-access: blob\r\n"), 201);
    cr_assert_eq(put_blob("/blobs/b", NULL, "x"), 201);
    cr_assert_eq(ask("PUT", "/all?restype=container", "x-ms-blob-public-access: container\r\n"), 201);
    cr_assert_eq(put_blob("/all/b", NULL, "x"), 201);
    fx.signing = ANONYMOUS;
}

TestSuite(service_auth, .init = set_up, .fini = service_tear_down, .timeout = 60);

/* Appends "&sig=..." of text to query. */
static void sign_query(char *query, size_t query_bytes, const char *text)
{
    char signature[SHAREDKEY_SIGNATURE_BYTES];

    sharedkey_sign(&accounts_find(fx.accounts, ACCOUNT)->keys[0], text, strlen(text), signature);
    (void)strncat(query, "&sig=", query_bytes - strlen(query) - 1);
    for (const char *p = signature; *p; p++) {
        char piece[4];

        (void)snprintf(piece, sizeof(piece), *p == '+' || *p == '/' || *p == '=' ? "%%%02X" : "%c", (unsigned char)*p);
        (void)strncat(query, piece, query_bytes - strlen(query) - 1);
    }
}

static const char *account_sas(const char *permissions, const char *resources, const char *expiry)
{
    static char query[512];
    char text[512];

    (void)snprintf(query, sizeof(query), "sv=2020-12-06&ss=b&srt=%s&sp=%s&se=%s", resources, permissions, expiry);
    (void)snprintf(text, sizeof(text), ACCOUNT "\n%s\nb\n%s\n\n%s\n\n\n2020-12-06\n\n", permissions, resources, expiry);
    sign_query(query, sizeof(query), text);
    return query;
}

/* resource: "/box" or "/box/b". extra: further parameters with their values in the string's order: rsct only. */
static const char *service_sas(const char *resource, const char *kind, const char *permissions, const char *content_type)
{
    static char query[512];
    char text[512];

    (void)snprintf(query, sizeof(query), "sv=2020-12-06&sr=%s&sp=%s&se=2099-01-01%s%s", kind, permissions,
                   content_type[0] ? "&rsct=" : "", content_type);
    (void)snprintf(text, sizeof(text), "%s\n\n2099-01-01\n/blob/" ACCOUNT "%s\n\n\n\n2020-12-06\n%s\n\n\n\n\n\n\n%s", permissions,
                   resource, kind, content_type);
    sign_query(query, sizeof(query), text);
    return query;
}

static unsigned ask_with(const char *method, const char *target, const char *fields, const char *sas)
{
    char full[2048];

    (void)snprintf(full, sizeof(full), "%s%c%s", target, strchr(target, '?') ? '&' : '?', sas);
    return ask(method, full, fields);
}

Test(service_auth, anonymous_table)
{
    static const struct {
        const char *method, *target;
        unsigned status;
        const char *code;
    } cases[] = {
        {"GET", "/box/b", 404, "ResourceNotFound"},
        {"HEAD", "/box/b", 404, "ResourceNotFound"},
        {"GET", "/absent/b", 404, "ResourceNotFound"},
        {"GET", "/box?restype=container&comp=list", 404, "ResourceNotFound"},
        {"GET", "/blobs/b", 200, ""},
        {"HEAD", "/blobs/b", 200, ""},
        {"GET", "/blobs/absent", 404, "BlobNotFound"},
        {"GET", "/blobs?restype=container&comp=list", 404, "ResourceNotFound"},
        {"GET", "/blobs?restype=container", 404, "ResourceNotFound"},
        {"GET", "/all/b", 200, ""},
        {"GET", "/all?restype=container&comp=list", 200, ""},
        {"GET", "/all?restype=container", 200, ""},
        {"GET", "/all?restype=container&comp=acl", 401, "NoAuthenticationInformation"},
        {"DELETE", "/all/b", 401, "NoAuthenticationInformation"},
        {"PUT", "/all/b?comp=metadata", 401, "NoAuthenticationInformation"},
        {"PUT", "/all?restype=container&comp=metadata", 401, "NoAuthenticationInformation"},
        {"GET", "/?comp=list", 401, "NoAuthenticationInformation"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(ask(cases[i].method, cases[i].target, NULL), cases[i].status, "%s: %u", cases[i].target, fx.head.status);
        cr_expect_str_eq(code(), cases[i].code, "%s %s: %s", cases[i].method, cases[i].target, code());
        cr_expect_eq(field("WWW-Authenticate")[0] != '\0', cases[i].status == 401);
    }
}

/* The table above with a key: nothing but what is absent is refused. */
Test(service_auth, key_opens_everything_in_its_account)
{
    fx.signing = SIGN;
    cr_expect_eq(ask("GET", "/box/b?timeout=30&x=a%20b", "Range: bytes=0-0\r\nx-ms-meta-z: 1\r\n"), 206);
    cr_expect_eq(ask("GET", "/?comp=list", NULL), 200);
    cr_expect_eq(ask("DELETE", "/box/b", NULL), 202);
}

Test(service_auth, wrong_signature_tells_what_to_look_at_and_no_signature)
{
    ask("GET", "/box/b", "Authorization: SharedKey " ACCOUNT ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n");
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "<AuthenticationErrorDetail>The signature is not the one"), "%s", body());
    cr_expect_not_null(strstr(body(), "/box/b"));
    cr_expect_null(strstr(body(), "AAAAAAA"));
}

Test(service_auth, key_of_another_account)
{
    ask("GET", "/box/b", "Authorization: SharedKey other:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n");
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "Authorization names the account other, the request goes to " ACCOUNT), "%s", body());
}

Test(service_auth, old_date_is_told)
{
    fx.signing = SIGN;
    clock_fake(1, 1893456000000000); /* Tue, 01 Jan 2030 00:00:00 GMT */
    fx.date = "Mon, 31 Dec 2029 23:45:00 GMT";
    cr_expect_eq(ask("GET", "/box/b", NULL), 200);
    fx.date = "Mon, 31 Dec 2029 23:44:58 GMT";
    ask("GET", "/box/b", NULL);
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "differs by more than 15 minutes"));
    fx.date = "yesterday";
    ask("GET", "/box/b", NULL);
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "is not a date"));
}

Test(service_auth, malformed_authorization)
{
    ask("GET", "/box/b", "Authorization: Basic abc\r\n");
    EXPECT(400, "InvalidAuthenticationInfo");
    ask("GET", "/box/b", "Authorization: SharedKey\r\n");
    EXPECT(400, "InvalidAuthenticationInfo");
}

Test(service_auth, the_secondary_can_only_be_read)
{
    fx.signing = SIGN;
    fx.host = ACCOUNT "-secondary.blob.localhost";
    cr_expect_eq(ask("GET", "/box/b", NULL), 200);
    cr_expect_eq(ask("HEAD", "/box/b", NULL), 200);
    ask("DELETE", "/box/b", NULL);
    EXPECT(403, "InsufficientAccountPermissions");
    ask("PUT", "/box/b?comp=metadata", NULL);
    EXPECT(403, "InsufficientAccountPermissions");
}

Test(service_auth, an_account_sas_replaces_no_content_fields)
{
    char with_content[600];

    (void)snprintf(with_content, sizeof(with_content), "%s&rsct=text/evil", account_sas("r", "o", "2099-01-01"));
    cr_expect_eq(ask_with("GET", "/box/b", NULL, with_content), 200);
    cr_expect_str_neq(field("Content-Type"), "text/evil");
}

Test(service_auth, bearer_token_needs_the_real_service)
{
    ask("GET", "/all/b", "Authorization: Bearer secret.token\r\n");
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "blobhostd --backend URL"));
    cr_expect_null(strstr(body(), "secret.token"));
}

Test(service_auth, account_sas_table)
{
    static const struct {
        const char *permissions, *resources, *method, *target;
        unsigned status;
        const char *code;
    } cases[] = {
        {"r", "o", "GET", "/box/b", 200, ""},
        {"r", "c", "GET", "/box/b", 403, "AuthorizationResourceTypeMismatch"},
        {"w", "o", "GET", "/box/b", 403, "AuthorizationPermissionMismatch"},
        {"l", "c", "GET", "/box?restype=container&comp=list", 200, ""},
        {"r", "c", "GET", "/box?restype=container&comp=list", 403, "AuthorizationPermissionMismatch"},
        {"l", "s", "GET", "/?comp=list", 200, ""},
        {"l", "co", "GET", "/?comp=list", 403, "AuthorizationResourceTypeMismatch"},
        {"r", "c", "GET", "/box?restype=container", 200, ""},
        {"c", "c", "PUT", "/new-c?restype=container", 201, ""},
        {"w", "c", "PUT", "/new-w?restype=container", 201, ""},
        {"r", "c", "PUT", "/new-r?restype=container", 403, "AuthorizationPermissionMismatch"},
        {"w", "o", "PUT", "/box/b?comp=metadata", 200, ""},
        {"r", "o", "PUT", "/box/b?comp=metadata", 403, "AuthorizationPermissionMismatch"},
        {"w", "o", "DELETE", "/box/b", 403, "AuthorizationPermissionMismatch"},
        {"d", "o", "DELETE", "/box/b", 202, ""},
        {"d", "c", "DELETE", "/new-c?restype=container", 202, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(
            ask_with(cases[i].method, cases[i].target, NULL, account_sas(cases[i].permissions, cases[i].resources, "2099-01-01")),
            cases[i].status, "%s %s %s: %u", cases[i].permissions, cases[i].resources, cases[i].target, fx.head.status);
        cr_expect_str_eq(code(), cases[i].code, "%s %s %s: %s", cases[i].permissions, cases[i].resources, cases[i].target,
                         code());
    }
}

Test(service_auth, expired_and_tampered_sas)
{
    char sas[512];

    ask_with("GET", "/box/b", NULL, account_sas("r", "o", "2001-01-01"));
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "<AuthenticationErrorDetail>Signature not valid in the specified time frame"));
    strcpy(sas, account_sas("r", "o", "2099-01-01"));
    memcpy(strstr(sas, "2099"), "2098", 4);
    ask_with("GET", "/box/b", NULL, sas);
    EXPECT(403, "AuthenticationFailed");
    cr_expect_not_null(strstr(body(), "Signature did not match"));
}

Test(service_auth, service_sas_covers_its_resource)
{
    cr_expect_eq(ask_with("GET", "/box/b", NULL, service_sas("/box/b", "b", "r", "")), 200, "%s", body());
    cr_expect_eq(ask_with("GET", "/box/b", NULL, service_sas("/box", "c", "r", "")), 200, "%s", body());
    cr_expect_eq(ask_with("GET", "/box?restype=container&comp=list", NULL, service_sas("/box", "c", "l", "")), 200, "%s", body());
    cr_expect_eq(ask_with("GET", "/all/c", NULL, service_sas("/box", "c", "r", "")), 403);
    ask_with("GET", "/box?restype=container", NULL, service_sas("/box", "c", "rwl", ""));
    EXPECT(403, "AuthorizationPermissionMismatch");
}

Test(service_auth, sas_replaces_content_fields)
{
    cr_assert_eq(ask_with("GET", "/box/b", NULL, service_sas("/box/b", "b", "r", "text/css")), 200);
    cr_expect_str_eq(field("Content-Type"), "text/css");
}

Test(service_auth, sas_that_may_only_create_does_not_overwrite)
{
    ask_with("PUT", "/box/log", "x-ms-blob-type: AppendBlob\r\n", service_sas("/box", "c", "c", ""));
    cr_expect_eq(fx.head.status, 201);
    ask_with("PUT", "/box/log", "x-ms-blob-type: AppendBlob\r\n", service_sas("/box", "c", "c", ""));
    EXPECT(403, "UnauthorizedBlobOverwrite");
    ask_with("PUT", "/box/log", "x-ms-blob-type: AppendBlob\r\n", service_sas("/box", "c", "cw", ""));
    cr_expect_eq(fx.head.status, 201);
    ask_with("PUT", "/box/log", "x-ms-blob-type: AppendBlob\r\n", service_sas("/box", "c", "r", ""));
    EXPECT(403, "AuthorizationPermissionMismatch");
}

Test(service_auth, stored_policy_needs_the_real_service)
{
    ask("GET", "/box/b?sv=2020-12-06&sr=b&si=policy&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D", NULL);
    EXPECT(403, "AuthenticationFailed");
}

Test(service_auth, copy_source_is_proved_by_key_sas_or_being_public)
{
    char fields[1024];

    fx.signing = SIGN;
    cr_expect_eq(ask("PUT", "/box/k", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\n"), 202);
    fx.signing = ANONYMOUS;
    ask_with("PUT", "/box/p", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/blobs/b\r\n",
             account_sas("w", "o", "2099-01-01"));
    cr_expect_eq(fx.head.status, 202, "%s", body());
    ask_with("PUT", "/box/s", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\n",
             account_sas("w", "o", "2099-01-01"));
    EXPECT(404, "CannotVerifyCopySource");
    (void)snprintf(fields, sizeof(fields), "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b?%s\r\n",
                   service_sas("/box/b", "b", "r", ""));
    ask_with("PUT", "/box/s", fields, account_sas("w", "o", "2099-01-01"));
    cr_expect_eq(fx.head.status, 202, "%s", body());
    fx.signing = SIGN;
    cr_assert_eq(ask("HEAD", "/box/s", NULL), 200);
    cr_expect_str_eq(field("x-ms-copy-source"), "http://" ACCOUNT ".blob.localhost/box/b");
}
