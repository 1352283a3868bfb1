/* SPDX-License-Identifier: MIT */
/* Tests of sign/sas: tokens made by an unmodified SDK (azure-storage-blob 12.31) and tokens computed independently. */
#include "../../src/lib/sign/sas.h"

#include "../../src/lib/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* All tokens end at 2026-02-01T12:30:00Z. */
#define NOW_US 1769849377000000
#define EXPIRY_US 1769949000000000
#define START_US 1767225600000000

#define ACC                                                                                                                      \
    "st=2026-01-01T00%3A00%3A00Z&se=2026-02-01T12%3A30%3A00Z&sp=rwl&spr=https%2Chttp&sv=2026-10-06&ss=b&srt=sco&sig=CB1%2BHu/"   \
    "1ZxfjRjN3oV6GetC%2BG45FoQv6CBDnUaj/vWA%3D"
#define ACCHTTPS                                                                                                                 \
    "se=2026-02-01T12%3A30%3A00Z&sp=r&spr=https&sv=2026-10-06&ss=b&srt=o&sig=m6UKiWd/9c631R6vpPvZrSMtZiBCQfq2tkHVxqlzeI4%3D"
#define ACCIPLOOP                                                                                                                \
    "se=2026-02-01T12%3A30%3A00Z&sp=r&sip=127.0.0.0-127.0.0.9&sv=2026-10-06&ss=b&srt=o&sig="                                     \
    "OL4UVbuXGt44Rd562ohDdDug1LyVTfHOVpULt70YBRU%3D"
#define ACCIPFAR                                                                                                                 \
    "se=2026-02-01T12%3A30%3A00Z&sp=r&sip=168.1.5.60-168.1.5.70&sv=2026-10-06&ss=b&srt=o&sig="                                   \
    "nHID6CcU886xN6K1FwfGQjkjdmUM1uRV8SpRo%2BCQiPM%3D"
#define ACCSES                                                                                                                   \
    "se=2026-02-01T12%3A30%3A00Z&sp=r&sv=2026-10-06&ss=b&srt=o&ses=scope1&sig=MA9gCtbB61FsVRsscUfnLcrS1lzkob7m0CAw0rc6Ezg%3D"
#define BLOB                                                                                                                     \
    "st=2026-01-01T00%3A00%3A00Z&se=2026-02-01T12%3A30%3A00Z&sp=r&sv=2026-10-06&sr=b&rscc=no-cache&rscd=attachment%3B%"          \
    "20filename%3D%22a%2Bb%20c.txt%22&rsct=text/plain&sig=fRH/iZ5r2H%2BCmPuhoy9dRd5ysNYgEQNhUC9/NsVjU%2Bw%3D"
#define SNAP "se=2026-02-01T12%3A30%3A00Z&sp=r&sv=2026-10-06&sr=bs&sig=JIUO4xP4GId%2BHgBgnNdnJFl%2B/BE0KFLDughIG7G0JC0%3D"
#define VER "se=2026-02-01T12%3A30%3A00Z&sp=r&sv=2026-10-06&sr=bv&sig=X5UZmGQ2j6FZFPf5u1Os0KupDFgF2ie53b%2BABqiCe%2Bs%3D"
#define CONT "se=2026-02-01T12%3A30%3A00Z&sp=rl&spr=https&sv=2026-10-06&sr=c&sig=YSRu9TR8xWHUMsfajFY25n2Omqvb93pibj07kc2GMpY%3D"
#define CONTSI "sv=2026-10-06&si=pol&sr=c&sig=GA21octxhh6fPS2G0sr53/xQlga2brComzaG5eO8SAc%3D"
#define OLDACC "sv=2019-12-12&ss=bf&srt=co&sp=rl&se=2026-02-01T12:30:00Z&sig=bCeRrvVBovyzic6HyKOf6s8RTWw%2Fs4tbsomeUlK09vE%3D"
#define FILEACC "sv=2019-12-12&ss=fq&srt=co&sp=rl&se=2026-02-01T12:30:00Z&sig=jhUE3XeiPAd%2Bn%2BuMj68ZIH8r9Wm0n64iM5Z1KGldLA4%3D"
#define SVC2018                                                                                                                  \
    "sv=2019-12-12&sr=b&sp=r&se=2026-02-01T12:30:00Z&rsct=text%2Fcss&sig=uaHrFt7yrW05ZQRtGayii3ZSmwwwyb8BDKAibVpED00%3D"
#define SVC2015                                                                                                                  \
    "sv=2015-04-05&sr=b&sp=rw&se=2026-02-01T12:30:00Z&spr=https,http&sig=l7q96HckbVf3gKdRGTxC%2FjZ2fuNqJIVKGJ9%2B43rbilw%3D"
#define DIR "sv=2020-02-10&sr=d&sdd=2&sp=rw&se=2026-02-01T12:30:00Z&sig=ET2ZGNvTGfniY69dPuUmZwZN5ekwEez9Gu5r0J%2Btp2g%3D"
#define FORM                                                                                                                     \
    "sv=2021-06-08&sr=b&sp=r&se=2026-02-01T12:30:00Z&rscd=inline+now&sig=TEVZDT4v8hcV4m%2BlETNR6I21MgxqlVfuV0iixcbvo94%3D"
#define OFFSET "sv=2021-06-08&sr=b&sp=r&se=2026-02-01T12:30%2B02:00&sig=8dawue2Q2kgyKfF4pPoeZ03k8rsklaWZZHBY%2FkJNB6Q%3D"
#define OLDDIR "sv=2015-04-05&sr=d&sdd=1&sp=rw&se=2026-02-01T12:30:00Z&sig=STEaYm3wpFL7VN0pnCDXnQh7zPtDiqvi%2FBxjo4Yp1kE%3D"
#define FIELDNL "sv=2019-12-12&ss=b&srt=o&sp=r%0Ax&se=2026-02-01T12:30:00Z&sig=N0OBbJyy4VXLvZfQuieg0OKe7qFZkg3SlpAsfV7P8N8%3D"
#define SDK_SNAPSHOT "&snapshot=2026-01-02T03:04:05.1234567Z"
#define SDK_VERSION "&versionid=2026-01-02T03%3A04%3A05.7654321Z"

/* A request that the rows below vary: read blob b of container c1 over https. */
static struct sas_request request_of(const char *query)
{
    return (struct sas_request){.account = "devstoreaccount1",
                                .container = "c1",
                                .blob = "b",
                                .query = slice_of(query),
                                .is_https = true,
                                .need = {.permissions = "r", .resource = 'o'}};
}

static enum sas_verdict verify_at(const struct sas_request *request, int64_t wall_us)
{
    struct accounts *accounts = accounts_new();
    enum sas_verdict verdict;

    cr_assert_eq(accounts_add(accounts, "devstoreaccount1", "AAAA", NULL), 0);
    cr_assert_eq(accounts_add_development(accounts, NULL), 0); /* as its second key */
    verdict = sas_verify(request, accounts_find(accounts, "devstoreaccount1"), wall_us);
    accounts_free(accounts);
    return verdict;
}

static enum sas_verdict verify(struct sas_request request)
{
    return verify_at(&request, NOW_US);
}

static enum sas_verdict verify_query(const char *query)
{
    return verify(request_of(query));
}

static enum sas_verdict verify_name(const char *query, const char *container, const char *blob)
{
    struct sas_request request = request_of(query);

    request.container = container;
    request.blob = blob;
    return verify(request);
}

static enum sas_verdict verify_need(const char *query, const char *permissions, char account_permission, char resource)
{
    struct sas_request request = request_of(query);

    request.need = (struct sas_need){permissions, account_permission, resource};
    return verify(request);
}

Test(sas, kind_is_told_from_the_parameters)
{
    cr_expect_eq(sas_kind(SLICE("comp=list&sv=2020-12-06")), SAS_NONE);
    cr_expect_eq(sas_kind(slice_of(ACC)), SAS_ACCOUNT);
    cr_expect_eq(sas_kind(slice_of(BLOB)), SAS_SERVICE);
    cr_expect_eq(sas_kind(SLICE("sig=x&skoid=y")), SAS_USER_DELEGATION);
}

Test(sas, account_tokens_of_the_sdk_verify)
{
    cr_expect_eq(verify_query(ACC), SAS_OK);
    cr_expect_eq(verify_query("comp=block&blockid=AAAA&" ACC), SAS_OK);
    cr_expect_eq(verify_query(ACCHTTPS), SAS_OK);
    cr_expect_eq(verify_query(ACCSES), SAS_OK);
    cr_expect_eq(verify_query(OLDACC), SAS_OK);
}

Test(sas, service_tokens_of_the_sdk_verify)
{
    cr_expect_eq(verify_name(BLOB, "c1", "dir/a b+\xc3\xbc.txt"), SAS_OK);
    cr_expect_eq(verify_query(SNAP SDK_SNAPSHOT), SAS_OK);
    cr_expect_eq(verify_query(VER SDK_VERSION), SAS_OK);
    cr_expect_eq(verify_query(CONT), SAS_OK);
}

Test(sas, older_forms_of_the_service_token_verify)
{
    cr_expect_eq(verify_query(SVC2018), SAS_OK);
    cr_expect_eq(verify_query(SVC2015), SAS_OK);
}

Test(sas, form_encoded_value_verifies)
{
    cr_expect_eq(verify_query(FORM), SAS_OK);
}

Test(sas, blank_in_the_signature_counts_as_plus)
{
    cr_expect_eq(verify_query("sv=2021-06-08&sr=b&sp=r&se=2026-02-01T12:30:00Z&rscd=inline+now&sig=TEVZDT4v8hcV4m%"
                              "20lETNR6I21MgxqlVfuV0iixcbvo94%3D"),
                 SAS_OK);
    cr_expect_eq(
        verify_query(
            "sv=2021-06-08&sr=b&sp=r&se=2026-02-01T12:30:00Z&rscd=inline+now&sig=TEVZDT4v8hcV4m+lETNR6I21MgxqlVfuV0iixcbvo94="),
        SAS_OK);
}

Test(sas, changed_token_or_request_is_a_mismatch)
{
    cr_expect_eq(
        verify_query(
            "sv=2019-12-12&ss=bf&srt=co&sp=rlw&se=2026-02-01T12:30:00Z&sig=bCeRrvVBovyzic6HyKOf6s8RTWw%2Fs4tbsomeUlK09vE%3D"),
        SAS_MISMATCH);
    cr_expect_eq(verify_query(OLDACC "A"), SAS_MISMATCH);
    cr_expect_eq(verify_name(BLOB, "c1", "dir/other"), SAS_MISMATCH);
    cr_expect_eq(verify_name(CONT, "c2", "b"), SAS_MISMATCH);
    cr_expect_eq(verify_query(SNAP "&snapshot=2026-01-02T03:04:05.1234568Z"), SAS_MISMATCH);
    cr_expect_eq(verify_query(VER "&versionid=2026-01-02T03:04:05.7654322Z"), SAS_MISMATCH);
}

Test(sas, other_account_or_none_is_a_mismatch)
{
    struct sas_request request = request_of(ACC);
    struct accounts *accounts = accounts_new();

    cr_expect_eq(sas_verify(&request, NULL, NOW_US), SAS_MISMATCH);
    cr_assert_eq(accounts_add(accounts, "other", "AAAA", NULL), 0);
    cr_expect_eq(sas_verify(&request, accounts_find(accounts, "other"), NOW_US), SAS_MISMATCH);
    accounts_free(accounts);
}

Test(sas, token_is_valid_from_its_start_until_its_expiry)
{
    struct sas_request request = request_of(ACC);

    cr_expect_eq(verify_at(&request, START_US - 1), SAS_NOT_YET);
    cr_expect_eq(verify_at(&request, START_US), SAS_OK);
    cr_expect_eq(verify_at(&request, EXPIRY_US - 1), SAS_OK);
    cr_expect_eq(verify_at(&request, EXPIRY_US), SAS_EXPIRED);
}

Test(sas, expiry_with_an_offset_is_understood)
{
    struct sas_request request = request_of(OFFSET);

    cr_expect_eq(verify_at(&request, EXPIRY_US - 7200LL * 1000000 - 1), SAS_OK);
    cr_expect_eq(verify_at(&request, EXPIRY_US - 7200LL * 1000000), SAS_EXPIRED);
}

Test(sas, https_only_token_is_refused_on_http)
{
    struct sas_request request = request_of(ACCHTTPS);

    request.is_https = false;
    cr_expect_eq(verify(request), SAS_PROTOCOL);
    request.query = slice_of(ACC);
    cr_expect_eq(verify(request), SAS_OK);
}

Test(sas, source_range_must_hold_an_address_of_the_loopback)
{
    cr_expect_eq(verify_query(ACCIPLOOP), SAS_OK);
    cr_expect_eq(verify_query(ACCIPFAR), SAS_SOURCE_IP);
}

Test(sas, source_addresses_and_ranges_are_read)
{
    static const struct {
        const char *query;
        enum sas_verdict verdict;
    } cases[] = {
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=::1&sig=zk1J5whrOwF%2FZ85buwrfuJrVGZTQUjYGPh9v7jvXRdI%3D",
         SAS_OK},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=::2&sig=YRTKddTDinaLn%2FrqjVpWBg391wLpoQ7T%2F0UWIg28wyE%3D",
         SAS_SOURCE_IP},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=127.9.9.9&sig=L8%2Bso%"
         "2B4cOk1Z3RLZXjamnyprEW4Q4kD6tz0GqhPTpE4%3D",
         SAS_OK},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=0.0.0.0-255.255.255.255&sig=Aynfnjkjgx6ZYyi%"
         "2FEh4Vw4XrisyZMKg2XyubQL0VE2w%3D",
         SAS_OK},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=10.0.0.1-126.255.255.255&sig="
         "gD9gbfR6q2wLxeNfQIMjDAvYjBIg2RDuT3%2Fkmtm1Ptk%3D",
         SAS_SOURCE_IP},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=128.0.0.0&sig=AF4a3pcbSKoWL3I%2FpmgfHd63IpbbwwhtSXUBeRks5Mw%"
         "3D",
         SAS_SOURCE_IP},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=10.0.0.5-10.0.0.1&sig="
         "C536kho1jkDsOtnVQQY01rfe1YkcGdu5ZGei0kmZKyA%3D",
         SAS_MALFORMED},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=10.0.0&sig=LXE9chFvnisp0Z%2BGoerUjEV2B7SP3WwLfWSeCV1vxXc%3D",
         SAS_MALFORMED},
        {"sv=2019-12-12&ss=b&srt=o&sp=r&se=2026-02-01T12:30:00Z&sip=127.0.0.1-x&sig=bcU4qFvT6LsdaBtjHCRMpueJeQhrYFeqGbCPR6gltJo%"
         "3D",
         SAS_MALFORMED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_eq(verify_query(cases[i].query), cases[i].verdict, "%s", cases[i].query);
}

Test(sas, account_token_covers_its_services_and_resource_types)
{
    cr_expect_eq(verify_query(FILEACC), SAS_RESOURCE);
    cr_expect_eq(verify_need(ACC, "l", 0, 's'), SAS_OK);
    cr_expect_eq(verify_need(OLDACC, "l", 0, 's'), SAS_RESOURCE);
    cr_expect_eq(verify_need(OLDACC, "l", 0, 'c'), SAS_OK);
    cr_expect_eq(verify_need(ACCHTTPS, "r", 0, 'c'), SAS_RESOURCE);
}

Test(sas, one_of_the_letters_must_be_there)
{
    cr_expect_eq(verify_need(ACC, "cw", 0, 'o'), SAS_OK);
    cr_expect_eq(verify_need(ACC, "d", 0, 'o'), SAS_PERMISSION);
    cr_expect_eq(verify_need(ACC, "", 0, 'o'), SAS_PERMISSION);
    cr_expect_eq(verify_need(CONT, "w", 0, 'o'), SAS_PERMISSION);
}

Test(sas, account_permission_replaces_the_letters_for_account_tokens_only)
{
    cr_expect_eq(verify_need(ACC, "d", 'w', 'o'), SAS_OK);
    cr_expect_eq(verify_need(ACC, "r", 'd', 'o'), SAS_PERMISSION);
    cr_expect_eq(verify_need(CONT, "r", 'w', 'o'), SAS_OK);
}

Test(sas, service_token_of_a_container_lists_it_and_no_more)
{
    cr_expect_eq(verify_need(CONT, "l", 0, 'c'), SAS_OK);
    cr_expect_eq(verify_need(CONT, "f", 0, 'c'), SAS_PERMISSION);
    cr_expect_eq(verify_need(CONT, "r", 0, 'c'), SAS_RESOURCE);
    cr_expect_eq(verify_need(CONT, "l", 0, 's'), SAS_RESOURCE);
    cr_expect_eq(verify_need(SVC2018, "l", 0, 'c'), SAS_RESOURCE);
}

Test(sas, service_token_covers_nothing_without_a_name)
{
    cr_expect_eq(verify_name(CONT, "", ""), SAS_RESOURCE);
    cr_expect_eq(verify_name(SVC2018, "c1", ""), SAS_RESOURCE);
    cr_expect_eq(verify_query(SNAP), SAS_RESOURCE);
    cr_expect_eq(verify_query(VER), SAS_RESOURCE);
}

Test(sas, directory_token_covers_what_is_below)
{
    cr_expect_eq(verify_name(DIR, "c1", "d1/d2/f"), SAS_OK);
    cr_expect_eq(verify_name(DIR, "c1", "d1/d2"), SAS_OK);
    cr_expect_eq(verify_name(DIR, "c1", "d1/d2x/f"), SAS_MISMATCH);
    cr_expect_eq(verify_name(DIR, "c1", "d1/d3/f"), SAS_MISMATCH);
    cr_expect_eq(verify_name(DIR, "c1", "d1"), SAS_RESOURCE);
}

Test(sas, old_token_cannot_be_widened_where_sr_was_not_signed)
{
    cr_expect_eq(verify_name(OLDDIR, "c1", "b/secret"), SAS_MALFORMED);
    cr_expect_eq(verify_name("sv=2015-04-05&sr=c&sp=rw&se=2026-02-01T12:30:00Z&spr=https,http&sig=l7q96HckbVf3gKdRGTxC%"
                             "2FjZ2fuNqJIVKGJ9%2B43rbilw%3D",
                             "c1/b", "secret"),
                 SAS_RESOURCE);
}

Test(sas, newline_in_a_field_is_malformed)
{
    cr_expect_eq(verify_query(FIELDNL), SAS_MALFORMED);
}

Test(sas, missing_or_unreadable_fields_are_malformed)
{
    static const char *const queries[] = {
        "sig=x",
        "sv=2020-12-06&sr=b&se=2030-01-01&sig=x",
        "sv=2020-12-06&sr=b&sp=r&sig=x",
        "sv=2020-12-06&sr=b&sp=r&se=soon&sig=x",
        "sv=2020-12-06&sr=b&sp=r&st=soon&se=2030-01-01&sig=x",
        "sv=2020-12-06&sr=b&sp=r&se=2030-01-01&sig=",
        "sv=2020-12-06&sr=x&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-06&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-06&sr=d&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-06&ss=b&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-06&srt=o&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-6&sr=b&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-061&sr=b&sp=r&se=2030-01-01&sig=x",
        "sv=2020-12-06&sr=b&sp=r&se=2030-01-01&spr=http&sig=x",
        "sv=2020-12-06&sr=b&sp=%zz&se=2030-01-01&sig=x",
    };

    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        cr_expect_eq(verify_query(queries[i]), SAS_MALFORMED, "%s: %d", queries[i], verify_query(queries[i]));
    cr_expect_eq(verify_query(""), SAS_MALFORMED);
}

Test(sas, what_needs_the_service_is_unsupported)
{
    cr_expect_eq(verify_query(CONTSI), SAS_UNSUPPORTED);
    cr_expect_eq(verify_query("sv=2020-12-06&sr=b&sp=r&se=2030-01-01&skoid=x&sig=x"), SAS_UNSUPPORTED);
    cr_expect_eq(verify_query("sv=2014-02-14&sr=b&sp=r&se=2030-01-01&sig=x"), SAS_UNSUPPORTED);
}

Test(sas, way_of_a_request_is_judged_without_a_key)
{
    static const struct {
        const char *query;
        enum sas_verdict plain, protected, local;
    } cases[] = {
        {"sv=x&spr=https&sig=a", SAS_PROTOCOL, SAS_OK, SAS_OK},
        {"sv=x&spr=HTTPS&sig=a", SAS_PROTOCOL, SAS_OK, SAS_OK},
        {"sv=x&%73pr=htt%70s&skoid=y&sig=a", SAS_PROTOCOL, SAS_OK, SAS_OK},
        {"sv=x&spr=https,http&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sv=x&spr=https%2Chttp&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sv=x&spr=%zz&sig=a", SAS_PROTOCOL, SAS_OK, SAS_OK},
        {"sv=x&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"spr=https&sip=127.0.0.1", SAS_OK, SAS_OK, SAS_OK}, /* no SAS */
        {"sip=127.0.0.1&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_OK},
        {"sip=127.0.0.0-127.255.255.255&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_OK},
        {"sip=126.0.0.0-128.0.0.0&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sip=0.0.0.0-255.255.255.255&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sip=0.0.0.0&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_OK},
        {"sip=169.254.169.254&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_OK},
        {"sip=224.0.0.1&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_OK},
        {"sip=::1&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_OK},
        {"sip=2001:db8::1&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sip=10.0.0.4&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sip=168.1.5.60-168.1.5.70&sig=a", SAS_OK, SAS_OK, SAS_OK},
        {"sip=10.0.0.9-10.0.0.4&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_SOURCE_IP},
        {"sip=nowhere&sig=a", SAS_SOURCE_IP, SAS_SOURCE_IP, SAS_SOURCE_IP},
        {"sip=&sig=a", SAS_OK, SAS_OK, SAS_OK},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice query = slice_of(cases[i].query);

        cr_expect_eq(sas_judge_way(query, false, false), cases[i].plain, "%s", cases[i].query);
        cr_expect_eq(sas_judge_way(query, true, false), cases[i].protected, "%s", cases[i].query);
        cr_expect_eq(sas_judge_way(query, true, true), cases[i].local, "%s", cases[i].query);
    }
}

Test(sas, tokens_that_sign_the_request_or_only_create_are_known)
{
    cr_expect(sas_signs_request(SLICE("skoid=a&srh=x-ms-date&sig=a")));
    cr_expect(sas_signs_request(SLICE("skoid=a&srq=comp&sig=a")));
    cr_expect_not(sas_signs_request(SLICE("skoid=a&srh=&sig=a")));
    cr_expect_not(sas_signs_request(SLICE("srh=a")));
    cr_expect(sas_is_create_only(SLICE("sp=c&sig=a")));
    cr_expect(sas_is_create_only(SLICE("sp=rcdl&sig=a")));
    cr_expect_not(sas_is_create_only(SLICE("sp=cw&sig=a")));
    cr_expect_not(sas_is_create_only(SLICE("sp=c%77&sig=a")));
    cr_expect_not(sas_is_create_only(SLICE("si=policy&sig=a")));
    cr_expect_not(sas_is_create_only(SLICE("sp=c")));
}
