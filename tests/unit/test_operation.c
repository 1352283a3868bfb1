/* SPDX-License-Identifier: MIT */
/* Tests of azure/operation: one case for each method and path that is documented, and the cases that are easily confused. */
#include "../../src/lib/azure/operation.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const suffixes[] = {"blob.localhost", NULL};
static const struct target_hosts hosts = {.account_suffixes = suffixes};

struct operation_case {
    const char *method, *target, *fields;
    enum operation operation;
};

static void parse(const struct operation_case *row, char text[512], struct head *head, struct target *target)
{
    int len = snprintf(text, 512, "%s %s HTTP/1.1\r\nHost: acct.blob.localhost\r\n%s%s\r\n", row->method, row->target,
                       row->fields, *row->fields ? "\r\n" : "");

    cr_assert_eq(head_parse_request(text, (size_t)len, head), 0, "%s", text);
    cr_assert_eq(target_parse(SLICE("acct.blob.localhost"), head->target, &hosts, target), 0, "%s", text);
}

static void expect_rows(const struct operation_case *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[512];
        struct head head;
        struct target target;
        enum operation operation;

        parse(&rows[i], text, &head, &target);
        operation = operation_of(&target, &head);
        cr_expect_eq(operation, rows[i].operation, "%s %s is %s", rows[i].method, rows[i].target,
                     operation_row(operation)->label);
    }
}

static bool may_resend(enum operation operation, const char *fields)
{
    const struct operation_case row = {"PUT", "/c/b", fields, operation};
    char text[512];
    struct head head;
    struct target target;

    parse(&row, text, &head, &target);
    return operation_may_resend(operation, &head);
}

static const struct operation_case documented[] = {
    {"GET", "/?comp=list", "", OPERATION_ListContainers},
    {"PUT", "/?restype=service&comp=properties", "", OPERATION_SetServiceProperties},
    {"GET", "/?restype=service&comp=properties", "", OPERATION_GetServiceProperties},
    {"GET", "/?restype=service&comp=stats", "", OPERATION_GetServiceStats},
    {"GET", "/?restype=account&comp=properties", "", OPERATION_GetAccountInfo},
    {"GET", "/c?restype=account&comp=properties", "", OPERATION_GetAccountInfo},
    {"GET", "/c/b?restype=account&comp=properties", "", OPERATION_GetAccountInfo},
    {"HEAD", "/?restype=account&comp=properties", "", OPERATION_GetAccountInfo},
    {"HEAD", "/c?restype=account&comp=properties", "", OPERATION_GetAccountInfo},
    {"HEAD", "/c/b?restype=account&comp=properties", "", OPERATION_GetAccountInfo},
    {"POST", "/?restype=service&comp=userdelegationkey", "", OPERATION_GetUserDelegationKey},
    {"OPTIONS", "/c/b", "", OPERATION_Preflight},
    {"POST", "/?comp=batch", "", OPERATION_SubmitBatch},
    {"POST", "/?comp=batch&restype=container", "", OPERATION_SubmitBatch},
    {"POST", "/c?restype=container&comp=batch", "", OPERATION_SubmitBatchContainer},
    {"GET", "/?comp=blobs", "", OPERATION_FindBlobsByTags},
    {"GET", "/c?restype=container&comp=blobs", "", OPERATION_FindBlobsByTagsContainer},
    {"PUT", "/c?restype=container", "", OPERATION_CreateContainer},
    {"GET", "/c?restype=container", "", OPERATION_GetContainerProperties},
    {"HEAD", "/c?restype=container", "", OPERATION_GetContainerProperties},
    {"GET", "/c?restype=container&comp=metadata", "", OPERATION_GetContainerMetadata},
    {"HEAD", "/c?restype=container&comp=metadata", "", OPERATION_GetContainerMetadata},
    {"PUT", "/c?restype=container&comp=metadata", "", OPERATION_SetContainerMetadata},
    {"GET", "/c?restype=container&comp=acl", "", OPERATION_GetContainerAcl},
    {"HEAD", "/c?restype=container&comp=acl", "", OPERATION_GetContainerAcl},
    {"PUT", "/c?restype=container&comp=acl", "", OPERATION_SetContainerAcl},
    {"DELETE", "/c?restype=container", "", OPERATION_DeleteContainer},
    {"PUT", "/c?restype=container&comp=undelete", "", OPERATION_RestoreContainer},
    {"PUT", "/c?restype=container&comp=rename", "", OPERATION_RenameContainer},
    {"PUT", "/c?restype=container&comp=lease", "", OPERATION_LeaseContainer},
    {"GET", "/c?restype=container&comp=list", "", OPERATION_ListBlobs},
    {"PUT", "/c/b", "x-ms-blob-type: BlockBlob", OPERATION_PutBlockBlob},
    {"PUT", "/c/b", "x-ms-blob-type: PageBlob", OPERATION_PutPageBlob},
    {"PUT", "/c/b", "x-ms-blob-type: AppendBlob", OPERATION_PutAppendBlob},
    {"PUT", "/c/b", "x-ms-blob-type: BlockBlob\r\nx-ms-copy-source: http://h/c/b", OPERATION_PutBlobFromUrl},
    {"GET", "/c/b", "", OPERATION_GetBlob},
    {"HEAD", "/c/b", "", OPERATION_GetBlobProperties},
    {"PUT", "/c/b?comp=properties", "", OPERATION_SetBlobProperties},
    {"GET", "/c/b?comp=metadata", "", OPERATION_GetBlobMetadata},
    {"HEAD", "/c/b?comp=metadata", "", OPERATION_GetBlobMetadata},
    {"PUT", "/c/b?comp=metadata", "", OPERATION_SetBlobMetadata},
    {"GET", "/c/b?comp=tags", "", OPERATION_GetBlobTags},
    {"PUT", "/c/b?comp=tags", "", OPERATION_SetBlobTags},
    {"PUT", "/c/b?comp=lease", "", OPERATION_LeaseBlob},
    {"PUT", "/c/b?comp=snapshot", "", OPERATION_SnapshotBlob},
    {"PUT", "/c/b", "x-ms-copy-source: http://h/c/b", OPERATION_CopyBlob},
    {"PUT", "/c/b", "x-ms-copy-source: http://h/c/b\r\nx-ms-requires-sync: true", OPERATION_CopyBlobFromUrl},
    {"PUT", "/c/b?comp=incrementalcopy", "", OPERATION_IncrementalCopyBlob},
    {"PUT", "/c/b?comp=copy", "", OPERATION_AbortCopyBlob},
    {"DELETE", "/c/b", "", OPERATION_DeleteBlob},
    {"PUT", "/c/b?comp=undelete", "", OPERATION_UndeleteBlob},
    {"PUT", "/c/b?comp=tier", "", OPERATION_SetBlobTier},
    {"POST", "/c/b?comp=query", "", OPERATION_QueryBlob},
    {"PUT", "/c/b?comp=immutabilityPolicies", "", OPERATION_SetImmutabilityPolicy},
    {"DELETE", "/c/b?comp=immutabilityPolicies", "", OPERATION_DeleteImmutabilityPolicy},
    {"PUT", "/c/b?comp=legalhold", "", OPERATION_SetLegalHold},
    {"PUT", "/c/b?comp=expiry", "", OPERATION_SetBlobExpiry},
    {"PUT", "/c/b?comp=block", "", OPERATION_PutBlock},
    {"PUT", "/c/b?comp=block", "x-ms-copy-source: http://h/c/b", OPERATION_PutBlockFromUrl},
    {"PUT", "/c/b?comp=blocklist", "", OPERATION_PutBlockList},
    {"GET", "/c/b?comp=blocklist", "", OPERATION_GetBlockList},
    {"PUT", "/c/b?comp=page", "x-ms-page-write: update", OPERATION_PutPage},
    {"PUT", "/c/b?comp=page", "x-ms-page-write: clear", OPERATION_ClearPages},
    {"PUT", "/c/b?comp=page", "x-ms-page-write: update\r\nx-ms-copy-source: http://h/c/b", OPERATION_PutPageFromUrl},
    {"GET", "/c/b?comp=pagelist", "", OPERATION_GetPageRanges},
    {"PUT", "/c/b?comp=appendblock", "", OPERATION_AppendBlock},
    {"PUT", "/c/b?comp=appendblock", "x-ms-copy-source: http://h/c/b", OPERATION_AppendBlockFromUrl},
    {"PUT", "/c/b?comp=seal", "", OPERATION_SealAppendBlob},
};

static const struct operation_case variants[] = {
    {"DELETE", "/c/b?COMP=IMMUTABILITYPOLICIES", "", OPERATION_DeleteImmutabilityPolicy},
    {"DELETE", "/c/b?%63omp=immutabilit%79policies", "", OPERATION_DeleteImmutabilityPolicy},
    {"DELETE", "/c/b?comp=unheardof", "", OPERATION_Unknown},
    {"DELETE", "/c/b?snapshot=x&comp=", "", OPERATION_DeleteBlob},
    {"GET", "/c/b?comp=%FFx", "", OPERATION_Unknown},
    {"GET", "/c/b?comp=unheardof", "", OPERATION_Unknown},
    {"GET", "/c/b?snapshot=2026-01-01T00:00:00.0000000Z", "Range: bytes=0-1", OPERATION_GetBlob},
    {"HEAD", "/c/b/d", "", OPERATION_GetBlobProperties},
    {"HEAD", "/c?restype=container&comp=list", "", OPERATION_ListBlobs},
    {"GET", "/c?Restype=Container&Comp=List", "", OPERATION_ListBlobs},
    {"GET", "/c/?restype=container&comp=list", "", OPERATION_ListBlobs},
    {"PUT", "/c/b", "X-MS-BLOB-TYPE: blockblob", OPERATION_PutBlockBlob},
    {"PUT", "/c/b", "x-ms-blob-type: Other", OPERATION_Unknown},
    {"PUT", "/c/b", "", OPERATION_Unknown},
    {"PUT", "/c/b", "x-ms-copy-source: http://h/c/b\r\nx-ms-requires-sync: false", OPERATION_CopyBlob},
    {"PUT", "/c/b?comp=page", "", OPERATION_Unknown},
    {"PUT", "/c/b?comp=block&blockid=AAAA", "x-ms-blob-type: BlockBlob", OPERATION_PutBlock},
    {"POST", "/c/b", "", OPERATION_Unknown},
    {"PATCH", "/c/b", "", OPERATION_Unknown},
    {"get", "/c/b", "", OPERATION_Unknown},
    {"OPTIONS", "/", "", OPERATION_Preflight},
    {"GET", "/", "", OPERATION_Unknown},
    {"GET", "/?comp=properties", "", OPERATION_Unknown},
    {"GET", "/?restype=other&comp=properties", "", OPERATION_Unknown},
    {"GET", "/c/b?restype=container", "", OPERATION_Unknown},
    {"GET", "/c?restype=other", "", OPERATION_Unknown},
    {"GET", "//b", "", OPERATION_Unknown},
};

static const struct operation_case root_container[] = {
    {"GET", "/b", "", OPERATION_GetBlob},
    {"HEAD", "/b", "", OPERATION_GetBlobProperties},
    {"PUT", "/b", "x-ms-blob-type: BlockBlob", OPERATION_PutBlockBlob},
    {"DELETE", "/b", "", OPERATION_DeleteBlob},
    {"PUT", "/b?comp=metadata", "", OPERATION_SetBlobMetadata},
    {"PUT", "/b?comp=lease", "", OPERATION_LeaseBlob},
    {"GET", "/c?comp=list", "", OPERATION_ListBlobs},
    {"GET", "/c?comp=acl", "", OPERATION_GetContainerAcl},
    {"GET", "/$root/b", "", OPERATION_GetBlob},
    {"GET", "/$root?restype=container&comp=list", "", OPERATION_ListBlobs},
};

static const struct operation_case special_containers[] = {
    {"PUT", "/$root?restype=container", "", OPERATION_CreateContainer},
    {"PUT", "/$web/index.html", "x-ms-blob-type: BlockBlob", OPERATION_PutBlockBlob},
    {"GET", "/$web/index.html", "", OPERATION_GetBlob},
    {"GET", "/%24web/index.html", "", OPERATION_GetBlob},
    {"GET", "/$web?restype=container&comp=list", "", OPERATION_ListBlobs},
    {"GET", "/$logs/blob/2026/11/25/0200/000000.log", "", OPERATION_GetBlob},
    {"GET", "/$logs?restype=container&comp=list", "", OPERATION_ListBlobs},
    {"GET", "/$blobchangefeed/meta/segments.json", "", OPERATION_GetBlob},
};

/* Carried all the same, and counted under one label. */
static const struct operation_case unknown[] = {
    {"GET", "/c/b?comp=future", "", OPERATION_Unknown},
    {"PUT", "/c/b?comp=future", "x-ms-blob-type: BlockBlob", OPERATION_Unknown},
    {"GET", "/c?restype=container&comp=future", "", OPERATION_Unknown},
    {"POST", "/?comp=future", "", OPERATION_Unknown},
    {"GET", "/?restype=service&comp=future", "", OPERATION_Unknown},
    {"GET", "/c?restype=directory", "", OPERATION_Unknown},
    {"GET", "//c?restype=container", "", OPERATION_Unknown},
    {"GET", "//c/b", "", OPERATION_Unknown},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Test(operation, documented_requests_are_recognised)
{
    expect_rows(documented, COUNT(documented));
}

Test(operation, table_of_cases_names_each_operation)
{
    bool seen[OPERATION_COUNT] = {[OPERATION_Unknown] = true};

    for (size_t i = 0; i < COUNT(documented); i++)
        seen[documented[i].operation] = true;
    for (size_t i = 0; i < OPERATION_COUNT; i++)
        cr_expect(seen[i], "%s", operation_row((enum operation)i)->label);
}

Test(operation, lookalikes_are_told_apart)
{
    expect_rows(variants, COUNT(variants));
}

Test(operation, one_segment_without_restype_is_a_blob_in_root)
{
    expect_rows(root_container, COUNT(root_container));
}

Test(operation, containers_with_a_dollar_are_containers)
{
    expect_rows(special_containers, COUNT(special_containers));
}

Test(operation, what_no_row_knows_is_unknown)
{
    expect_rows(unknown, COUNT(unknown));
    cr_expect_eq(operation_row(OPERATION_Unknown)->resend, RESEND_NO);
    cr_expect_eq(operation_row(OPERATION_Unknown)->split, SPLIT_NO);
}

Test(operation, rows_carry_label_and_title)
{
    cr_expect_str_eq(operation_row(OPERATION_GetBlob)->label, "GetBlob");
    cr_expect_str_eq(operation_row(OPERATION_GetBlob)->title, "Get Blob");
    cr_expect_str_eq(operation_row(OPERATION_Unknown)->label, "Unknown");
    cr_expect_eq(operation_row(OPERATION_COUNT), operation_row(OPERATION_Unknown));
}

Test(operation, only_get_blob_and_put_blob_are_split)
{
    for (size_t i = 0; i < OPERATION_COUNT; i++) {
        enum operation_split expected = i == OPERATION_GetBlob        ? SPLIT_GET_RANGES
                                        : i == OPERATION_PutBlockBlob ? SPLIT_PUT_BLOCKS
                                                                      : SPLIT_NO;

        cr_expect_eq(operation_row((enum operation)i)->split, expected, "%zu", i);
    }
}

Test(operation, answers_are_as_large_as_documented)
{
    cr_expect_eq(operation_row(OPERATION_GetBlob)->answer, ANSWER_DATA);
    cr_expect_eq(operation_row(OPERATION_QueryBlob)->answer, ANSWER_DATA);
    cr_expect_eq(operation_row(OPERATION_ListBlobs)->answer, ANSWER_LISTING);
    cr_expect_eq(operation_row(OPERATION_GetContainerAcl)->answer, ANSWER_SMALL);
    cr_expect_eq(operation_row(OPERATION_PutBlock)->answer, ANSWER_EMPTY);
    cr_expect_eq(operation_row(OPERATION_GetBlobProperties)->answer, ANSWER_EMPTY);
}

Test(operation, what_does_its_work_twice_is_never_resent)
{
    static const enum operation never[] = {
        OPERATION_AppendBlock,     OPERATION_AppendBlockFromUrl, OPERATION_SnapshotBlob,        OPERATION_LeaseBlob,
        OPERATION_LeaseContainer,  OPERATION_DeleteBlob,         OPERATION_DeleteContainer,     OPERATION_CreateContainer,
        OPERATION_PutPageBlob,     OPERATION_PutAppendBlob,      OPERATION_PutBlockList,        OPERATION_CopyBlob,
        OPERATION_AbortCopyBlob,   OPERATION_SubmitBatch,        OPERATION_IncrementalCopyBlob, OPERATION_Unknown,
        OPERATION_RenameContainer, OPERATION_RestoreContainer,   OPERATION_SubmitBatchContainer};

    for (size_t i = 0; i < COUNT(never); i++)
        cr_expect_not(may_resend(never[i], ""), "%s", operation_row(never[i])->label);
}

/* Each documented operation: repeated as it is, repeated with If-Match, split. */
static const struct {
    enum operation operation;
    bool is_repeated, is_repeated_under_condition;
    enum operation_split split;
} rules[] = {
    {OPERATION_ListContainers, true, true, SPLIT_NO},
    {OPERATION_SetServiceProperties, true, true, SPLIT_NO},
    {OPERATION_GetServiceProperties, true, true, SPLIT_NO},
    {OPERATION_GetServiceStats, true, true, SPLIT_NO},
    {OPERATION_GetAccountInfo, true, true, SPLIT_NO},
    {OPERATION_GetUserDelegationKey, true, true, SPLIT_NO},
    {OPERATION_Preflight, true, true, SPLIT_NO},
    {OPERATION_SubmitBatch, false, false, SPLIT_NO},
    {OPERATION_SubmitBatchContainer, false, false, SPLIT_NO},
    {OPERATION_FindBlobsByTags, true, true, SPLIT_NO},
    {OPERATION_FindBlobsByTagsContainer, true, true, SPLIT_NO},
    {OPERATION_CreateContainer, false, false, SPLIT_NO},
    {OPERATION_GetContainerProperties, true, true, SPLIT_NO},
    {OPERATION_GetContainerMetadata, true, true, SPLIT_NO},
    {OPERATION_SetContainerMetadata, true, false, SPLIT_NO},
    {OPERATION_GetContainerAcl, true, true, SPLIT_NO},
    {OPERATION_SetContainerAcl, true, false, SPLIT_NO},
    {OPERATION_DeleteContainer, false, false, SPLIT_NO},
    {OPERATION_RestoreContainer, false, false, SPLIT_NO},
    {OPERATION_RenameContainer, false, false, SPLIT_NO},
    {OPERATION_LeaseContainer, false, false, SPLIT_NO},
    {OPERATION_ListBlobs, true, true, SPLIT_NO},
    {OPERATION_PutBlockBlob, true, false, SPLIT_PUT_BLOCKS},
    {OPERATION_PutPageBlob, false, false, SPLIT_NO},
    {OPERATION_PutAppendBlob, false, false, SPLIT_NO},
    {OPERATION_PutBlobFromUrl, true, false, SPLIT_NO},
    {OPERATION_GetBlob, true, true, SPLIT_GET_RANGES},
    {OPERATION_GetBlobProperties, true, true, SPLIT_NO},
    {OPERATION_SetBlobProperties, true, false, SPLIT_NO},
    {OPERATION_GetBlobMetadata, true, true, SPLIT_NO},
    {OPERATION_SetBlobMetadata, true, false, SPLIT_NO},
    {OPERATION_GetBlobTags, true, true, SPLIT_NO},
    {OPERATION_SetBlobTags, true, false, SPLIT_NO},
    {OPERATION_LeaseBlob, false, false, SPLIT_NO},
    {OPERATION_SnapshotBlob, false, false, SPLIT_NO},
    {OPERATION_CopyBlob, false, false, SPLIT_NO},
    {OPERATION_CopyBlobFromUrl, true, false, SPLIT_NO},
    {OPERATION_IncrementalCopyBlob, false, false, SPLIT_NO},
    {OPERATION_AbortCopyBlob, false, false, SPLIT_NO},
    {OPERATION_DeleteBlob, false, false, SPLIT_NO},
    {OPERATION_UndeleteBlob, true, true, SPLIT_NO},
    {OPERATION_SetBlobTier, true, false, SPLIT_NO},
    {OPERATION_QueryBlob, true, true, SPLIT_NO},
    {OPERATION_SetImmutabilityPolicy, true, false, SPLIT_NO},
    {OPERATION_DeleteImmutabilityPolicy, true, true, SPLIT_NO},
    {OPERATION_SetLegalHold, true, true, SPLIT_NO},
    {OPERATION_SetBlobExpiry, false, false, SPLIT_NO},
    {OPERATION_PutBlock, true, true, SPLIT_NO},
    {OPERATION_PutBlockFromUrl, true, false, SPLIT_NO},
    {OPERATION_PutBlockList, false, false, SPLIT_NO},
    {OPERATION_GetBlockList, true, true, SPLIT_NO},
    {OPERATION_PutPage, true, false, SPLIT_NO},
    {OPERATION_ClearPages, true, false, SPLIT_NO},
    {OPERATION_PutPageFromUrl, true, false, SPLIT_NO},
    {OPERATION_GetPageRanges, true, true, SPLIT_NO},
    {OPERATION_AppendBlock, false, false, SPLIT_NO},
    {OPERATION_AppendBlockFromUrl, false, false, SPLIT_NO},
    {OPERATION_SealAppendBlob, true, false, SPLIT_NO},
};

Test(operation, every_row_is_repeated_and_split_as_its_reasons_say)
{
    bool seen[OPERATION_COUNT] = {[OPERATION_Unknown] = true};

    for (size_t i = 0; i < COUNT(rules); i++) {
        const char *label = operation_row(rules[i].operation)->label;

        seen[rules[i].operation] = true;
        cr_expect_eq(may_resend(rules[i].operation, ""), rules[i].is_repeated, "%s", label);
        cr_expect_eq(may_resend(rules[i].operation, "If-Match: *"), rules[i].is_repeated_under_condition, "%s", label);
        cr_expect_eq(operation_row(rules[i].operation)->split, rules[i].split, "%s", label);
    }
    for (size_t i = 0; i < OPERATION_COUNT; i++)
        cr_expect(seen[i], "%s", operation_row((enum operation)i)->label);
}

Test(operation, leases_are_repeated_by_what_they_ask_for)
{
    static const struct {
        const char *fields;
        bool is_repeated;
    } cases[] = {
        {"x-ms-lease-action: acquire\r\nx-ms-proposed-lease-id: 1", true},
        {"x-ms-lease-action: Acquire\r\nx-ms-proposed-lease-id: 1\r\nx-ms-lease-duration: 15", true},
        {"x-ms-lease-action: acquire", false},
        {"x-ms-lease-action: acquire\r\nx-ms-proposed-lease-id: ", false},
        {"x-ms-lease-action: acquire\r\nx-ms-proposed-lease-id: 1\r\nIf-Match: \"1\"", false},
        {"x-ms-lease-action: renew\r\nx-ms-lease-id: 1", true},
        {"x-ms-lease-action: renew\r\nx-ms-lease-id: 1\r\nx-ms-if-tags: a", false},
        {"x-ms-lease-action: change\r\nx-ms-lease-id: 1\r\nx-ms-proposed-lease-id: 2", true},
        {"x-ms-lease-action: release\r\nx-ms-lease-id: 1", false},
        {"x-ms-lease-action: break\r\nx-ms-lease-break-period: 0", false},
        {"x-ms-lease-action: other", false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_expect_eq(may_resend(OPERATION_LeaseBlob, cases[i].fields), cases[i].is_repeated, "%s", cases[i].fields);
        cr_expect_eq(may_resend(OPERATION_LeaseContainer, cases[i].fields), cases[i].is_repeated, "%s", cases[i].fields);
    }
}

Test(operation, an_expiry_is_repeated_unless_it_counts_from_now)
{
    cr_expect(may_resend(OPERATION_SetBlobExpiry, "x-ms-expiry-option: NeverExpire"));
    cr_expect(may_resend(OPERATION_SetBlobExpiry, "x-ms-expiry-option: absolute\r\nx-ms-expiry-time: x"));
    cr_expect(may_resend(OPERATION_SetBlobExpiry, "x-ms-expiry-option: RelativeToCreation\r\nx-ms-expiry-time: 1000"));
    cr_expect_not(may_resend(OPERATION_SetBlobExpiry, "x-ms-expiry-option: RelativeToNow\r\nx-ms-expiry-time: 1000"));
    cr_expect_not(may_resend(OPERATION_SetBlobExpiry, "x-ms-expiry-option: NeverExpire\r\nx-ms-lease-id: 1"));
}

Test(operation, an_append_is_not_repeated_even_at_a_given_position)
{
    cr_expect_not(may_resend(OPERATION_AppendBlock, "x-ms-blob-condition-appendpos: 0"));
}

Test(operation, reads_are_resent_whatever_their_conditions)
{
    cr_expect(may_resend(OPERATION_GetBlob, "If-Match: \"1\""));
    cr_expect(may_resend(OPERATION_ListBlobs, ""));
    cr_expect(may_resend(OPERATION_PutBlock, "x-ms-lease-id: 1"));
}

Test(operation, overwrites_are_resent_only_without_conditions)
{
    static const char *const conditions[] = {"If-Match: *",
                                             "if-none-match: *",
                                             "If-Modified-Since: x",
                                             "x-ms-if-tags: a",
                                             "X-MS-Lease-Id: a",
                                             "x-ms-if-sequence-number-le: 1",
                                             "x-ms-source-if-match: 1",
                                             "x-ms-source-lease-id: 1",
                                             "x-ms-blob-condition-maxsize: 1"};

    cr_expect(may_resend(OPERATION_PutBlockBlob, "x-ms-blob-type: BlockBlob\r\nx-ms-meta-if: 1"));
    for (size_t i = 0; i < COUNT(conditions); i++)
        cr_expect_not(may_resend(OPERATION_PutBlockBlob, conditions[i]), "%s", conditions[i]);
}

Test(operation, counting_up_a_sequence_number_is_not_resent)
{
    cr_expect(may_resend(OPERATION_SetBlobProperties, "x-ms-sequence-number-action: max"));
    cr_expect_not(may_resend(OPERATION_SetBlobProperties, "x-ms-sequence-number-action: Increment"));
}
