/* SPDX-License-Identifier: MIT */
/* Leases of blobs and containers, and what they keep others from doing. */
#include "service_fixture.h"

#include <string.h>

#define A "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
#define B "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"
#define WITH_A "x-ms-lease-id: " A "\r\n"
#define WITH_B "x-ms-lease-id: " B "\r\n"
#define ACQUIRE_A "x-ms-lease-action: acquire\r\nx-ms-lease-duration: -1\r\nx-ms-proposed-lease-id: " A "\r\n"

static int64_t wall_us = 1790000000000000ll;

static void set_up(void)
{
    clock_fake(1000000, wall_us);
    service_set_up();
    make_container();
}

static void pass_seconds(int64_t seconds)
{
    wall_us += seconds * 1000000;
    clock_fake(1000000 + (uint64_t)seconds * 1000000, wall_us);
}

TestSuite(service_lease, .init = set_up, .fini = service_tear_down, .timeout = 60);

static unsigned lease_blob(const char *fields)
{
    return ask("PUT", "/box/b?comp=lease", fields);
}

static unsigned lease_box(const char *fields)
{
    return ask("PUT", "/box?restype=container&comp=lease", fields);
}

static void make_leased_blob(void)
{
    cr_assert_eq(put_blob("/box/b", NULL, "first"), 201);
    cr_assert_eq(lease_blob(ACQUIRE_A), 201, "%s", body());
}

Test(service_lease, a_blobs_lease_goes_through_its_life)
{
    char etag[64];

    cr_assert_eq(put_blob("/box/b", NULL, "first"), 201);
    (void)snprintf(etag, sizeof(etag), "%s", field("ETag"));
    cr_assert_eq(lease_blob("x-ms-lease-action: acquire\r\nx-ms-lease-duration: 15\r\n"), 201);
    cr_expect_eq(strlen(field("x-ms-lease-id")), 36);
    cr_expect_str_eq(field("ETag"), etag);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-status"), "locked");
    cr_expect_str_eq(field("x-ms-lease-state"), "leased");
    cr_expect_str_eq(field("x-ms-lease-duration"), "fixed");
    cr_expect_str_eq(field("ETag"), etag);
    pass_seconds(15);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-status"), "unlocked");
    cr_expect_str_eq(field("x-ms-lease-state"), "expired");
    cr_expect_str_eq(field("x-ms-lease-duration"), "");
    cr_assert_eq(lease_blob(ACQUIRE_A), 201);
    cr_expect_str_eq(field("x-ms-lease-id"), A);
    cr_assert_eq(lease_blob("x-ms-lease-action: change\r\nx-ms-proposed-lease-id: " B "\r\n" WITH_A), 200);
    cr_expect_str_eq(field("x-ms-lease-id"), B);
    cr_assert_eq(lease_blob("x-ms-lease-action: renew\r\n" WITH_B), 200);
    cr_expect_str_eq(field("x-ms-lease-id"), B);
    cr_assert_eq(lease_blob("x-ms-lease-action: break\r\nx-ms-lease-break-period: 20\r\n"), 202);
    cr_expect_str_eq(field("x-ms-lease-time"), "20");
    cr_expect_str_eq(field("x-ms-lease-id"), "");
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-state"), "breaking");
    cr_assert_eq(lease_blob("x-ms-lease-action: release\r\n" WITH_B), 200);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-state"), "available");
}

Test(service_lease, what_cannot_be_done_has_the_documented_code)
{
    make_leased_blob();
    lease_blob("x-ms-lease-action: acquire\r\nx-ms-lease-duration: 15\r\n");
    EXPECT(409, "LeaseAlreadyPresent");
    lease_blob("x-ms-lease-action: renew\r\n" WITH_B);
    EXPECT(409, "LeaseIdMismatchWithLeaseOperation");
    ask("PUT", "/box/missing?comp=lease", ACQUIRE_A);
    EXPECT(404, "BlobNotFound");
    lease_blob("If-Match: \"0x1\"\r\n" ACQUIRE_A);
    EXPECT(412, "ConditionNotMet");
}

static const struct malformed {
    const char *fields, *code;
} malformed[] = {
    {"", "MissingRequiredHeader"},
    {"x-ms-lease-action: borrow\r\n", "InvalidHeaderValue"},
    {"x-ms-lease-action: acquire\r\n", "MissingRequiredHeader"},
    {"x-ms-lease-action: acquire\r\nx-ms-lease-duration: 14\r\n", "InvalidHeaderValue"},
    {"x-ms-lease-action: acquire\r\nx-ms-lease-duration: 61\r\n", "InvalidHeaderValue"},
    {"x-ms-lease-action: acquire\r\nx-ms-lease-duration: -2\r\n", "InvalidHeaderValue"},
    {"x-ms-lease-action: acquire\r\nx-ms-lease-duration: 15\r\nx-ms-proposed-lease-id: mine\r\n", "InvalidHeaderValue"},
    {"x-ms-lease-action: renew\r\n", "MissingRequiredHeader"},
    {"x-ms-lease-action: release\r\n", "MissingRequiredHeader"},
    {"x-ms-lease-action: change\r\n" WITH_A, "MissingRequiredHeader"},
    {"x-ms-lease-action: break\r\nx-ms-lease-break-period: 61\r\n", "InvalidHeaderValue"},
    {"x-ms-lease-action: renew\r\nx-ms-lease-id: mine\r\n", "InvalidHeaderValue"},
};

Test(service_lease, malformed_requests_change_nothing)
{
    cr_assert_eq(put_blob("/box/b", NULL, "first"), 201);
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        lease_blob(malformed[i].fields);
        cr_expect(fx.head.status == 400 && strcmp(code(), malformed[i].code) == 0, "row %zu: %u %s", i, fx.head.status, code());
    }
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-state"), "available");
}

/* Each leaves the blob there. */
static const struct use {
    const char *method, *target, *fields;
    unsigned status; /* with the lease's id */
    bool needs_lease;
} uses[] = {
    {"GET", "/box/b", "", 200, false},
    {"HEAD", "/box/b", "", 200, false},
    {"PUT", "/box/b?comp=properties", "x-ms-blob-content-type: a/b\r\n", 200, true},
    {"PUT", "/box/b?comp=metadata", "x-ms-meta-a: b\r\n", 200, true},
    {"PUT", "/box/b?comp=block&blockid=MDAwMQ%3D%3D", "", 201, true},
    {"PUT", "/box/b?comp=snapshot", "", 201, false},
    {"PUT", "/box/b?comp=tier", "x-ms-access-tier: Cool\r\n", 200, false},
    {"PUT", "/box/b", "x-ms-blob-type: BlockBlob\r\n", 201, true},
    {"PUT", "/box/b", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/other\r\n", 202, true},
};

static unsigned use_blob(const struct use *use, const char *lease_field)
{
    char fields[512];
    bool has_body = strstr(use->target, "comp=block&") || strstr(use->fields, "x-ms-blob-type");

    (void)snprintf(fields, sizeof(fields), "%s%s", use->fields, lease_field);
    return ask_body(use->method, use->target, fields, "body", has_body ? 4 : 0);
}

Test(service_lease, writers_must_name_the_lease_and_readers_may)
{
    cr_assert_eq(put_blob("/box/other", NULL, "other"), 201);
    make_leased_blob();
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        const struct use *use = &uses[i];

        use_blob(use, "");
        cr_expect_eq(fx.head.status, use->needs_lease ? 412 : use->status, "row %zu: %u %s", i, fx.head.status, code());
        if (use->needs_lease)
            cr_expect_str_eq(code(), "LeaseIdMissing");
        use_blob(use, WITH_B);
        EXPECT(412, "LeaseIdMismatchWithBlobOperation");
        cr_expect_eq(use_blob(use, WITH_A), use->status, "row %zu: %u %s", i, fx.head.status, code());
        cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
        cr_expect_str_eq(field("x-ms-lease-state"), "leased", "row %zu", i);
    }
}

Test(service_lease, a_leased_blob_is_deleted_by_its_holder_only)
{
    make_leased_blob();
    ask("DELETE", "/box/b", NULL);
    EXPECT(412, "LeaseIdMissing");
    cr_expect_eq(ask("DELETE", "/box/b", WITH_A), 202);
    cr_assert_eq(put_blob("/box/b", NULL, "new"), 201);
    cr_assert_eq(ask("HEAD", "/box/b", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-state"), "available");
}

Test(service_lease, append_and_page_blobs_are_protected_too)
{
    cr_assert_eq(ask("PUT", "/box/log", "x-ms-blob-type: AppendBlob\r\n"), 201);
    cr_assert_eq(ask("PUT", "/box/log?comp=lease", ACQUIRE_A), 201);
    ask_body("PUT", "/box/log?comp=appendblock", NULL, "x", 1);
    EXPECT(412, "LeaseIdMissing");
    cr_expect_eq(ask_body("PUT", "/box/log?comp=appendblock", WITH_A, "x", 1), 201);
    cr_assert_eq(ask("PUT", "/box/disk", "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 512\r\n"), 201);
    cr_assert_eq(ask("PUT", "/box/disk?comp=lease", ACQUIRE_A), 201);
    ask("PUT", "/box/disk?comp=page", "x-ms-page-write: clear\r\nx-ms-range: bytes=0-511\r\n");
    EXPECT(412, "LeaseIdMissing");
    cr_expect_eq(ask("PUT", "/box/disk?comp=page", "x-ms-page-write: clear\r\nx-ms-range: bytes=0-511\r\n" WITH_A), 201);
}

Test(service_lease, a_write_ends_a_lease_that_ran_out_and_its_id_is_lost)
{
    cr_assert_eq(put_blob("/box/b", NULL, "first"), 201);
    cr_assert_eq(lease_blob("x-ms-lease-action: acquire\r\nx-ms-lease-duration: 15\r\nx-ms-proposed-lease-id: " A "\r\n"), 201);
    pass_seconds(20);
    ask("PUT", "/box/b?comp=metadata", WITH_A);
    EXPECT(412, "LeaseLost");
    cr_expect_eq(ask("PUT", "/box/b?comp=metadata", NULL), 200);
    ask("PUT", "/box/b?comp=metadata", WITH_A);
    EXPECT(412, "LeaseNotPresentWithBlobOperation");
    lease_blob("x-ms-lease-action: renew\r\n" WITH_A);
    EXPECT(409, "LeaseIdMismatchWithLeaseOperation");
}

Test(service_lease, a_lease_survives_the_store)
{
    struct err err = {""};
    struct store_options options = {.map_bytes = 256u << 20};

    make_leased_blob();
    cr_assert_eq(lease_box(ACQUIRE_A), 201);
    fx.service = service_free(fx.service);
    fx.store = store_close(fx.store);
    cr_assert_eq(store_open(fx.directory, &options, &fx.store, &err), 0, "%s", err.text);
    cr_assert_eq(service_new(fx.store, fx.accounts, &fx.service), 0);
    ask("DELETE", "/box/b", NULL);
    EXPECT(412, "LeaseIdMissing");
    ask("DELETE", "/box?restype=container", NULL);
    EXPECT(412, "LeaseIdMissing");
    cr_assert_eq(ask("GET", "/box/b", WITH_A), 200);
    cr_expect_str_eq(body(), "first");
}

Test(service_lease, snapshots_and_copies_carry_no_lease)
{
    char target[256];

    make_leased_blob();
    cr_assert_eq(ask("PUT", "/box/b?comp=snapshot", NULL), 201);
    (void)snprintf(target, sizeof(target), "/box/b?snapshot=%s", field("x-ms-snapshot"));
    cr_assert_eq(ask("HEAD", target, NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-state"), "");
    cr_expect_eq(ask("DELETE", target, NULL), 202);
    cr_assert_eq(ask("PUT", "/box/copy", "x-ms-copy-source: http://" ACCOUNT ".blob.localhost/box/b\r\n"), 202);
    cr_assert_eq(ask("HEAD", "/box/copy", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-state"), "available");
}

Test(service_lease, a_containers_lease_keeps_it_from_being_deleted)
{
    char etag[64];

    cr_assert_eq(ask("PUT", "/box?restype=container&comp=metadata", "x-ms-meta-a: b\r\n"), 200);
    (void)snprintf(etag, sizeof(etag), "%s", field("ETag"));
    cr_assert_eq(lease_box(ACQUIRE_A), 201);
    cr_expect_str_eq(field("ETag"), etag);
    cr_assert_eq(ask("GET", "/box?restype=container", NULL), 200);
    cr_expect_str_eq(field("x-ms-lease-status"), "locked");
    cr_expect_str_eq(field("x-ms-lease-duration"), "infinite");
    cr_expect_str_eq(field("x-ms-meta-a"), "b");
    cr_expect_eq(ask("PUT", "/box?restype=container&comp=metadata", NULL), 200);
    ask("PUT", "/box?restype=container&comp=metadata", WITH_B);
    EXPECT(412, "LeaseIdMismatchWithContainerOperation");
    cr_expect_eq(put_blob("/box/b", NULL, "not its business"), 201);
    ask("DELETE", "/box?restype=container", NULL);
    EXPECT(412, "LeaseIdMissing");
    ask("DELETE", "/box?restype=container", WITH_B);
    EXPECT(412, "LeaseIdMismatchWithContainerOperation");
    cr_expect_eq(ask("DELETE", "/box?restype=container", WITH_A), 202);
}

Test(service_lease, listings_tell_of_leases)
{
    make_leased_blob();
    cr_assert_eq(lease_box(ACQUIRE_A), 201);
    cr_assert_eq(ask("GET", "/box?restype=container&comp=list", NULL), 200);
    cr_expect_eq(count_in_body("<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState>"
                               "<LeaseDuration>infinite</LeaseDuration>"),
                 1, "%s", body());
    cr_assert_eq(ask("GET", "/?comp=list", NULL), 200);
    cr_expect_eq(count_in_body("<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState>"
                               "<LeaseDuration>infinite</LeaseDuration>"),
                 1, "%s", body());
}
