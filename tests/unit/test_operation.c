/* SPDX-License-Identifier: MIT */
/* Tests of azure/operation: one case for each method and path that is documented, and the cases that are easily confused. */
#include "../../src/lib/azure/operation.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *const suffixes[] = {"blob.localhost", NULL};
static const struct target_hosts hosts = {suffixes, NULL};

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
    static const enum operation never[] = {OPERATION_AppendBlock,     OPERATION_AppendBlockFromUrl, OPERATION_SnapshotBlob,
                                           OPERATION_LeaseBlob,       OPERATION_LeaseContainer,     OPERATION_DeleteBlob,
                                           OPERATION_DeleteContainer, OPERATION_CreateContainer,    OPERATION_PutPageBlob,
                                           OPERATION_PutAppendBlob,   OPERATION_PutBlockList,       OPERATION_CopyBlob,
                                           OPERATION_AbortCopyBlob,   OPERATION_SubmitBatch,        OPERATION_SetBlobExpiry,
                                           OPERATION_Unknown,         OPERATION_RenameContainer,    OPERATION_RestoreContainer};

    for (size_t i = 0; i < COUNT(never); i++)
        cr_expect_not(may_resend(never[i], ""), "%s", operation_row(never[i])->label);
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
