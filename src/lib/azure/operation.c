/* SPDX-License-Identifier: MIT */
/* Which documented operation a request is: by method, number of segments, restype, comp and, for a few, one header. */
#include "operation.h"

#include <string.h>
#include <strings.h>

static const struct operation_row rows[OPERATION_COUNT] = {
#define X(name, label, title, resend, split, answer) [OPERATION_##name] = {(label), (title), (resend), (split), (answer)},
#include "operation.def"
#undef X
};

enum verb { VERB_OTHER, VERB_READ, VERB_PUT, VERB_DELETE, VERB_POST, VERB_OPTIONS };

/* What a path together with restype addresses. */
enum level { LEVEL_NONE, LEVEL_ANY, LEVEL_ROOT, LEVEL_SERVICE, LEVEL_CONTAINER, LEVEL_BLOB };

struct comp_rule {
    enum level level;
    enum verb verb;
    const char *comp;
    enum operation operation;
};

static const struct comp_rule comp_rules[] = {
    {LEVEL_BLOB, VERB_PUT, "block", OPERATION_PutBlock},
    {LEVEL_BLOB, VERB_PUT, "blocklist", OPERATION_PutBlockList},
    {LEVEL_BLOB, VERB_PUT, "page", OPERATION_PutPage},
    {LEVEL_BLOB, VERB_PUT, "appendblock", OPERATION_AppendBlock},
    {LEVEL_BLOB, VERB_PUT, "properties", OPERATION_SetBlobProperties},
    {LEVEL_BLOB, VERB_PUT, "metadata", OPERATION_SetBlobMetadata},
    {LEVEL_BLOB, VERB_PUT, "tags", OPERATION_SetBlobTags},
    {LEVEL_BLOB, VERB_PUT, "lease", OPERATION_LeaseBlob},
    {LEVEL_BLOB, VERB_PUT, "snapshot", OPERATION_SnapshotBlob},
    {LEVEL_BLOB, VERB_PUT, "incrementalcopy", OPERATION_IncrementalCopyBlob},
    {LEVEL_BLOB, VERB_PUT, "copy", OPERATION_AbortCopyBlob},
    {LEVEL_BLOB, VERB_PUT, "undelete", OPERATION_UndeleteBlob},
    {LEVEL_BLOB, VERB_PUT, "tier", OPERATION_SetBlobTier},
    {LEVEL_BLOB, VERB_PUT, "immutabilityPolicies", OPERATION_SetImmutabilityPolicy},
    {LEVEL_BLOB, VERB_PUT, "legalhold", OPERATION_SetLegalHold},
    {LEVEL_BLOB, VERB_PUT, "expiry", OPERATION_SetBlobExpiry},
    {LEVEL_BLOB, VERB_PUT, "seal", OPERATION_SealAppendBlob},
    {LEVEL_BLOB, VERB_READ, "metadata", OPERATION_GetBlobMetadata},
    {LEVEL_BLOB, VERB_READ, "tags", OPERATION_GetBlobTags},
    {LEVEL_BLOB, VERB_READ, "blocklist", OPERATION_GetBlockList},
    {LEVEL_BLOB, VERB_READ, "pagelist", OPERATION_GetPageRanges},
    {LEVEL_BLOB, VERB_DELETE, "immutabilityPolicies", OPERATION_DeleteImmutabilityPolicy},
    {LEVEL_BLOB, VERB_POST, "query", OPERATION_QueryBlob},
    {LEVEL_CONTAINER, VERB_READ, "list", OPERATION_ListBlobs},
    {LEVEL_CONTAINER, VERB_READ, "metadata", OPERATION_GetContainerMetadata},
    {LEVEL_CONTAINER, VERB_READ, "acl", OPERATION_GetContainerAcl},
    {LEVEL_CONTAINER, VERB_READ, "blobs", OPERATION_FindBlobsByTagsContainer},
    {LEVEL_CONTAINER, VERB_PUT, "metadata", OPERATION_SetContainerMetadata},
    {LEVEL_CONTAINER, VERB_PUT, "acl", OPERATION_SetContainerAcl},
    {LEVEL_CONTAINER, VERB_PUT, "undelete", OPERATION_RestoreContainer},
    {LEVEL_CONTAINER, VERB_PUT, "rename", OPERATION_RenameContainer},
    {LEVEL_CONTAINER, VERB_PUT, "lease", OPERATION_LeaseContainer},
    {LEVEL_CONTAINER, VERB_POST, "batch", OPERATION_SubmitBatchContainer},
    {LEVEL_ROOT, VERB_READ, "list", OPERATION_ListContainers},
    {LEVEL_ROOT, VERB_READ, "blobs", OPERATION_FindBlobsByTags},
    {LEVEL_ROOT, VERB_POST, "batch", OPERATION_SubmitBatch},
    {LEVEL_SERVICE, VERB_PUT, "properties", OPERATION_SetServiceProperties},
    {LEVEL_SERVICE, VERB_READ, "properties", OPERATION_GetServiceProperties},
    {LEVEL_SERVICE, VERB_READ, "stats", OPERATION_GetServiceStats},
    {LEVEL_SERVICE, VERB_POST, "userdelegationkey", OPERATION_GetUserDelegationKey},
    {LEVEL_ANY, VERB_READ, "properties", OPERATION_GetAccountInfo},
};

/* A query parameter as the server reads it; longer values than any known word stay unequal to all of them. */
struct word {
    char bytes[32];
    struct slice text;
};

static void word_read(struct slice query, const char *name, struct word *word)
{
    ssize_t len;

    word->text = target_query(query, name);
    if (word->text.len == 0 || !memchr(word->text.bytes, '%', word->text.len))
        return;
    len = target_decode(word->text, word->bytes, sizeof(word->bytes));
    if (len >= 0)
        word->text = (struct slice){word->bytes, (size_t)len};
}

static enum verb verb_of(struct slice method)
{
    static const struct {
        struct slice method;
        enum verb verb;
    } verbs[] = {
        {{"GET", 3}, VERB_READ},      {{"PUT", 3}, VERB_PUT},   {{"HEAD", 4}, VERB_READ},
        {{"DELETE", 6}, VERB_DELETE}, {{"POST", 4}, VERB_POST}, {{"OPTIONS", 7}, VERB_OPTIONS},
    };

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (slice_equal(method, verbs[i].method))
            return verbs[i].verb;
    return VERB_OTHER;
}

/* Words that only a container understands: "/c?comp=list" is no blob in $root even without restype. */
static bool comp_is_for_containers(struct slice comp)
{
    return slice_equal_nocase(comp, SLICE("list")) || slice_equal_nocase(comp, SLICE("acl")) ||
           slice_equal_nocase(comp, SLICE("blobs")) || slice_equal_nocase(comp, SLICE("batch")) ||
           slice_equal_nocase(comp, SLICE("rename"));
}

static enum level level_of(const struct target *target, struct slice restype, struct slice comp)
{
    bool has_restype = restype.len > 0;

    if (has_restype && slice_equal_nocase(restype, SLICE("account")))
        return LEVEL_ANY;
    if (target->path.len == 1) {
        /* One SDK says restype=container of an account's batch, too. */
        if (!has_restype || slice_equal_nocase(comp, SLICE("batch")))
            return LEVEL_ROOT;
        return slice_equal_nocase(restype, SLICE("service")) ? LEVEL_SERVICE : LEVEL_NONE;
    }
    if (target->container.len == 0)
        return LEVEL_NONE;
    if (target->blob.len > 0)
        return has_restype ? LEVEL_NONE : LEVEL_BLOB;
    if (has_restype)
        return slice_equal_nocase(restype, SLICE("container")) ? LEVEL_CONTAINER : LEVEL_NONE;
    return comp.len > 0 && comp_is_for_containers(comp) ? LEVEL_CONTAINER : LEVEL_BLOB;
}

static bool has_field(const struct head *request, const char *name)
{
    return head_value(request, name).len > 0;
}

static bool field_is(const struct head *request, const char *name, const char *word)
{
    struct slice value = head_value(request, name);

    return value.len > 0 && slice_equal_nocase(value, slice_of(word));
}

static enum operation operation_of_put(const struct head *request)
{
    bool is_copy = has_field(request, "x-ms-copy-source");

    if (field_is(request, "x-ms-blob-type", "BlockBlob"))
        return is_copy ? OPERATION_PutBlobFromUrl : OPERATION_PutBlockBlob;
    if (is_copy)
        return field_is(request, "x-ms-requires-sync", "true") ? OPERATION_CopyBlobFromUrl : OPERATION_CopyBlob;
    if (field_is(request, "x-ms-blob-type", "PageBlob"))
        return OPERATION_PutPageBlob;
    if (field_is(request, "x-ms-blob-type", "AppendBlob"))
        return OPERATION_PutAppendBlob;
    return OPERATION_Unknown;
}

static enum operation operation_without_comp(enum level level, enum verb verb, const struct head *request)
{
    if (level == LEVEL_BLOB) {
        if (verb == VERB_READ)
            return request->method.len == 4 ? OPERATION_GetBlobProperties : OPERATION_GetBlob;
        if (verb == VERB_PUT)
            return operation_of_put(request);
        return verb == VERB_DELETE ? OPERATION_DeleteBlob : OPERATION_Unknown;
    }
    if (level == LEVEL_CONTAINER) {
        if (verb == VERB_READ)
            return OPERATION_GetContainerProperties;
        if (verb == VERB_PUT)
            return OPERATION_CreateContainer;
        return verb == VERB_DELETE ? OPERATION_DeleteContainer : OPERATION_Unknown;
    }
    return OPERATION_Unknown;
}

/* The words behind which a header decides between several operations. */
static enum operation operation_refine(enum operation operation, const struct head *request)
{
    switch (operation) {
    case OPERATION_PutBlock:
        return has_field(request, "x-ms-copy-source") ? OPERATION_PutBlockFromUrl : operation;
    case OPERATION_AppendBlock:
        return has_field(request, "x-ms-copy-source") ? OPERATION_AppendBlockFromUrl : operation;
    case OPERATION_PutPage:
        if (has_field(request, "x-ms-copy-source"))
            return OPERATION_PutPageFromUrl;
        if (field_is(request, "x-ms-page-write", "clear"))
            return OPERATION_ClearPages;
        return field_is(request, "x-ms-page-write", "update") ? operation : OPERATION_Unknown;
    default:
        return operation;
    }
}

enum operation operation_of(const struct target *target, const struct head *request)
{
    enum verb verb = verb_of(request->method);
    struct word comp = {.text = {NULL, 0}}, restype = {.text = {NULL, 0}};
    enum level level;

    if (verb == VERB_OPTIONS)
        return OPERATION_Preflight;
    if (target->query.len > 0) {
        word_read(target->query, "comp", &comp);
        word_read(target->query, "restype", &restype);
    }
    level = level_of(target, restype.text, comp.text);
    if (comp.text.len == 0)
        return operation_without_comp(level, verb, request);
    for (size_t i = 0; i < sizeof(comp_rules) / sizeof(comp_rules[0]); i++) {
        const struct comp_rule *rule = &comp_rules[i];

        if (rule->level == level && rule->verb == verb && slice_equal_nocase(comp.text, slice_of(rule->comp)))
            return operation_refine(rule->operation, request);
    }
    return OPERATION_Unknown;
}

const struct operation_row *operation_row(enum operation operation)
{
    return &rows[(unsigned)operation < OPERATION_COUNT ? operation : OPERATION_Unknown];
}

static bool name_begins(struct slice name, const char *prefix)
{
    size_t len = strlen(prefix);

    return name.len >= len && strncasecmp(name.bytes, prefix, len) == 0;
}

static bool has_field_of(const struct head *request, const char *const *prefixes)
{
    for (size_t i = 0; i < request->field_count; i++)
        for (const char *const *prefix = prefixes; *prefix; prefix++)
            if (name_begins(request->fields[i].name, *prefix))
                return true;
    return false;
}

bool operation_is_conditional(const struct head *request)
{
    static const char *const prefixes[] = {
        "if-", "x-ms-if-", "x-ms-source-if-", "x-ms-lease-id", "x-ms-source-lease-id", "x-ms-blob-condition-", NULL};

    return has_field_of(request, prefixes);
}

/* Of a lease x-ms-lease-id is an operand, no condition. */
static bool lease_may_resend(const struct head *request)
{
    static const char *const prefixes[] = {"if-", "x-ms-if-", NULL};

    if (has_field_of(request, prefixes))
        return false;
    if (field_is(request, "x-ms-lease-action", "acquire"))
        return has_field(request, "x-ms-proposed-lease-id");
    return field_is(request, "x-ms-lease-action", "renew") || field_is(request, "x-ms-lease-action", "change");
}

static bool expiry_may_resend(const struct head *request)
{
    bool is_fixed = field_is(request, "x-ms-expiry-option", "Absolute") ||
                    field_is(request, "x-ms-expiry-option", "NeverExpire") ||
                    field_is(request, "x-ms-expiry-option", "RelativeToCreation");

    return is_fixed && !operation_is_conditional(request);
}

bool operation_may_resend(enum operation operation, const struct head *request)
{
    /* Twice would count up by two. */
    if (operation == OPERATION_SetBlobProperties && field_is(request, "x-ms-sequence-number-action", "increment"))
        return false;
    switch (operation_row(operation)->resend) {
    case RESEND_YES:
        return true;
    case RESEND_UNCONDITIONAL:
        return !operation_is_conditional(request);
    case RESEND_BY_FIELDS:
        return operation == OPERATION_SetBlobExpiry ? expiry_may_resend(request) : lease_may_resend(request);
    default:
        return false;
    }
}
