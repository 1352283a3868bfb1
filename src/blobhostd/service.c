/* SPDX-License-Identifier: MIT */
/* The service: from a transfer to its operation, and what each operation asks of the request. */
#include "service.h"

#include "service_answer.h"
#include "service_auth.h"
#include "service_operations.h"

#include "../lib/sign/sas.h"

#include <errno.h>
#include <string.h>

#define STATUS_TIMED_OUT 0x80070102u     /* HRESULT of WAIT_TIMEOUT */
#define STATUS_OUT_OF_MEMORY 0x8007000Eu /* E_OUTOFMEMORY: no answer could be composed */

struct service {
    struct executor executor; /* first: service_executor() gives it out */
    struct store *store;
    const struct accounts *accounts;
    bool computes_md5;
};

/* What the operation addresses. */
enum level { LEVEL_SERVICE, LEVEL_CONTAINER, LEVEL_BLOB };

struct service_row {
    enum azure_error (*run)(struct call *call); /* NULL: not in the embedded store */
    enum level level;
    bool takes_snapshot;
    struct auth_need need;
};

/* Permissions: letters, resource, public access, account SAS only, 'c' creates. */
static const struct service_row rows[OPERATION_COUNT] = {
    [OPERATION_ListContainers] = {service_list_containers, LEVEL_SERVICE, false, {"l", 's', 0, true, false}},
    [OPERATION_GetAccountInfo] = {service_account_info, LEVEL_SERVICE, false, {"", SAS_ANY_RESOURCE, 0, false, false}},
    [OPERATION_CreateContainer] = {service_create_container, LEVEL_CONTAINER, false, {"cw", 'c', 0, true, false}},
    [OPERATION_GetContainerProperties] = {service_get_container, LEVEL_CONTAINER, false, {"r", 'c', 'c', true, false}},
    [OPERATION_GetContainerMetadata] = {service_get_container, LEVEL_CONTAINER, false, {"r", 'c', 'c', true, false}},
    [OPERATION_GetContainerAcl] = {service_get_container_acl, LEVEL_CONTAINER, false, {"", 'c', 0, true, false}},
    [OPERATION_SetContainerMetadata] = {service_set_container_metadata, LEVEL_CONTAINER, false, {"w", 'c', 0, true, false}},
    [OPERATION_DeleteContainer] = {service_delete_container, LEVEL_CONTAINER, false, {"d", 'c', 0, true, false}},
    [OPERATION_LeaseContainer] = {service_lease_container, LEVEL_CONTAINER, false, {"w", 'c', 0, true, false}},
    [OPERATION_ListBlobs] = {service_list_blobs, LEVEL_CONTAINER, false, {"l", 'c', 'c', false, false}},
    [OPERATION_PutBlockBlob] = {service_put_blob, LEVEL_BLOB, false, {"w", 'o', 0, false, true}},
    [OPERATION_PutPageBlob] = {service_put_blob, LEVEL_BLOB, false, {"w", 'o', 0, false, true}},
    [OPERATION_PutAppendBlob] = {service_put_blob, LEVEL_BLOB, false, {"w", 'o', 0, false, true}},
    [OPERATION_GetBlob] = {service_get_blob, LEVEL_BLOB, true, {"r", 'o', 'b', false, false}},
    [OPERATION_GetBlobProperties] = {service_get_blob_properties, LEVEL_BLOB, true, {"r", 'o', 'b', false, false}},
    [OPERATION_GetBlobMetadata] = {service_get_blob_metadata, LEVEL_BLOB, true, {"r", 'o', 'b', false, false}},
    [OPERATION_SetBlobProperties] = {service_set_blob_properties, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_SetBlobMetadata] = {service_set_blob_metadata, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_SetBlobTier] = {service_set_blob_tier, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_DeleteBlob] = {service_delete_blob, LEVEL_BLOB, true, {"d", 'o', 0, false, false}},
    [OPERATION_SnapshotBlob] = {service_snapshot_blob, LEVEL_BLOB, false, {"cw", 'o', 0, false, false}},
    [OPERATION_GetBlobTags] = {service_get_blob_tags, LEVEL_BLOB, true, {"t", 'o', 0, false, false}},
    [OPERATION_SetBlobTags] = {service_set_blob_tags, LEVEL_BLOB, false, {"t", 'o', 0, false, false}},
    [OPERATION_LeaseBlob] = {service_lease_blob, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_CopyBlob] = {service_copy_blob, LEVEL_BLOB, false, {"w", 'o', 0, false, true}},
    [OPERATION_CopyBlobFromUrl] = {service_copy_blob, LEVEL_BLOB, false, {"w", 'o', 0, false, true}},
    [OPERATION_PutBlock] = {service_put_block, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_PutBlockList] = {service_put_block_list, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_GetBlockList] = {service_get_block_list, LEVEL_BLOB, true, {"r", 'o', 'b', false, false}},
    [OPERATION_AppendBlock] = {service_append_block, LEVEL_BLOB, false, {"aw", 'o', 0, false, false}},
    [OPERATION_SealAppendBlob] = {service_seal_blob, LEVEL_BLOB, false, {"aw", 'o', 0, false, false}},
    [OPERATION_PutPage] = {service_put_page, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_ClearPages] = {service_put_page, LEVEL_BLOB, false, {"w", 'o', 0, false, false}},
    [OPERATION_GetPageRanges] = {service_get_page_ranges, LEVEL_BLOB, true, {"r", 'o', 'b', false, false}},
};

/* What the store would silently drop, although it changes what is stored or who can read it. */
static const char *const refused_fields[] = {"x-ms-structured-body",  "x-ms-encryption-key",
                                             "x-ms-encryption-scope", "x-ms-immutability-policy-until-date",
                                             "x-ms-legal-hold",       "x-ms-source-encryption-key"};

enum azure_error service_account_info(struct call *call)
{
    answer_begin(call, 200);
    answer_line(call, "x-ms-sku-name: Standard_LRS\r\nx-ms-account-kind: StorageV2\r\nx-ms-is-hns-enabled: false\r\n");
    answer_end_empty(call);
    return AZURE_OK;
}

/* Host "account.rest[:port]" to rest. */
static bool host_take_suffix(struct slice host, char suffix[CALL_HOST_BYTES])
{
    const char *dot = host.len > 0 ? memchr(host.bytes, '.', host.len) : NULL;
    const char *colon = host.len > 0 ? memchr(host.bytes, ':', host.len) : NULL;
    const char *end = colon ? colon : host.bytes + host.len;
    size_t len;

    if (!dot || dot + 1 >= end)
        return false;
    len = (size_t)(end - dot - 1);
    if (len >= CALL_HOST_BYTES)
        return false;
    memcpy(suffix, dot + 1, len);
    suffix[len] = '\0';
    return true;
}

static enum azure_error call_read_target(struct call *call)
{
    const char *suffixes[] = {call->host_suffix, NULL};
    const struct target_hosts hosts = {.account_suffixes = suffixes};
    struct slice host = head_value(call->head, "Host");
    int r;

    if (!host_take_suffix(host, call->host_suffix))
        return AZURE_InvalidHost;
    r = target_parse(host, call->head->target, &hosts, &call->target);
    if (r == -EINVAL && (call->head->target.len == 0 || call->head->target.bytes[0] != '/'))
        return AZURE_RequestUrlFailedToParse;
    if (r < 0 || call->target.style != TARGET_HOST_STYLE)
        return r == -EINVAL ? AZURE_InvalidUri : AZURE_InvalidHost;
    call->operation = operation_of(&call->target, call->head);
    return AZURE_OK;
}

static enum azure_error call_read_snapshot(struct call *call, bool takes_snapshot)
{
    struct slice raw = target_query(call->target.query, "snapshot");
    int64_t wall_us;

    if (target_query(call->target.query, "versionid").len > 0)
        return call_refuse(call, AZURE_NotImplemented,
                           "The embedded store keeps no versions; blobhostd --backend URL carries it.");
    if (raw.len == 0)
        return AZURE_OK;
    if (!takes_snapshot || target_decode(raw, call->snapshot, sizeof(call->snapshot)) != CLOCK_ISO_BYTES - 1 ||
        clock_parse_iso(call->snapshot, CLOCK_ISO_BYTES - 1, &wall_us) < 0)
        return call_refuse(call, AZURE_InvalidQueryParameterValue, "The parameter is snapshot.");
    call->name.snapshot = call->snapshot;
    return AZURE_OK;
}

static enum azure_error decode_name(struct slice raw, char *text, size_t text_bytes)
{
    ssize_t len = target_decode(raw, text, text_bytes);

    if (len >= 0)
        return AZURE_OK;
    text[0] = '\0';
    return len == -ENOBUFS ? AZURE_InvalidResourceName : AZURE_InvalidUri;
}

static enum azure_error call_read_names(struct call *call, const struct service_row *row)
{
    struct slice container = call->target.container, blob = call->target.blob;
    enum azure_error error;

    call->name = (struct store_name){call->target.account, call->container, call->blob, NULL};
    if (row->level == LEVEL_SERVICE)
        return AZURE_OK;
    if (row->level == LEVEL_BLOB && blob.len == 0) {
        blob = container;
        container = SLICE("$root");
    }
    error = decode_name(container, call->container, sizeof(call->container));
    if (error == AZURE_OK && !container_name_is_valid(call->container))
        error = AZURE_InvalidResourceName;
    if (error || row->level == LEVEL_CONTAINER)
        return error;
    error = decode_name(blob, call->blob, sizeof(call->blob));
    if (error == AZURE_OK && !blob_name_is_valid(call->blob))
        error = AZURE_InvalidResourceName;
    return error ? error : call_read_snapshot(call, row->takes_snapshot);
}

/* What no row executes. */
static enum azure_error refuse_operation(struct call *call)
{
    struct slice comp = target_query(call->target.query, "comp");

    if (call->operation != OPERATION_Unknown)
        return call_refuse(call, AZURE_NotImplemented, "%s is not in the embedded store; blobhostd --backend URL carries it.",
                           operation_row(call->operation)->title);
    if (call->target.container.len == 0 && call->target.blob.len > 0)
        return call_refuse(call, AZURE_InvalidUri, "The path begins with two slashes: its container has no name.");
    if (slice_equal(call->head->method, SLICE("PUT")) && comp.len == 0 && !head_find(call->head, "x-ms-blob-type"))
        return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-blob-type.");
    if (slice_equal(call->head->method, SLICE("PUT")) && slice_equal_nocase(comp, SLICE("page")))
        return call_refuse(call, AZURE_MissingRequiredHeader, "The field is x-ms-page-write.");
    return call_refuse(call, AZURE_NotImplemented,
                       "No documented operation is like this one; blobhostd --backend URL carries it.");
}

static enum azure_error check_body(const struct call *call)
{
    uint64_t bytes;
    int r = head_content_length(call->head, &bytes);

    if (r == -ENOENT)
        return AZURE_OK; /* operations that need it say so */
    return r < 0 || bytes != call->request->body_bytes ? AZURE_InvalidInput : AZURE_OK;
}

static enum azure_error check_refused_fields(struct call *call)
{
    for (size_t i = 0; i < sizeof(refused_fields) / sizeof(refused_fields[0]); i++)
        if (head_find(call->head, refused_fields[i]))
            return call_refuse(call, AZURE_NotImplemented, "The embedded store knows no %s; blobhostd --backend URL carries it.",
                               refused_fields[i]);
    return AZURE_OK;
}

static enum azure_error call_run(struct call *call)
{
    const struct service_row *row;
    enum azure_error error = call_read_target(call);

    if (error)
        return error;
    if (call->target.is_secondary && !call->is_head && !slice_equal(call->head->method, SLICE("GET")))
        return call_refuse(call, AZURE_InsufficientAccountPermissions,
                           "Write operations are not allowed at the secondary location.");
    row = &rows[call->operation];
    if (!row->run)
        return refuse_operation(call);
    error = call_read_names(call, row);
    if (error == AZURE_OK)
        error = auth_check(call, &row->need);
    if (error == AZURE_OK)
        error = check_body(call);
    if (error == AZURE_OK)
        error = check_refused_fields(call);
    return error ? error : row->run(call);
}

static void service_execute(struct executor *self, const struct host_request *request, struct host_response *response,
                            void (*done)(void *arg, uint32_t status), void *done_arg)
{
    struct service *service = (struct service *)self;
    struct call call;
    enum azure_error error;

    if (request->deadline_us != 0 && clock_mono_us() > request->deadline_us) {
        done(done_arg, STATUS_TIMED_OUT);
        return;
    }
    /* Names and texts are not cleared: 5 KiB that most calls never touch. */
    call.store = service->store;
    call.accounts = service->accounts;
    call.request = request;
    call.response = response;
    call.head = request->head;
    call.is_head = slice_equal(request->head->method, SLICE("HEAD"));
    call.computes_md5 = service->computes_md5;
    call.proof = PROOF_NONE;
    call.is_create_only = call.has_seen_blob = false;
    call.now_us = clock_wall_us();
    call.host_suffix[0] = call.container[0] = call.blob[0] = call.snapshot[0] = call.detail[0] = '\0';
    azure_guid_text(request->guid, call.request_id);
    error = call_run(&call);
    if (error || response->head.failed)
        answer_error(&call, error ? error : AZURE_InternalError);
    done(done_arg, response->head.failed ? STATUS_OUT_OF_MEMORY : 0);
}

int service_new(struct store *store, const struct accounts *accounts, struct service **ret_service)
{
    struct service *service = calloc(1, sizeof(*service));

    if (!service)
        return -ENOMEM;
    *service =
        (struct service){.executor = {.execute = service_execute}, .store = store, .accounts = accounts, .computes_md5 = true};
    *ret_service = service;
    return 0;
}

void service_compute_md5(struct service *service, bool is_always)
{
    service->computes_md5 = is_always;
}

struct service *service_free(struct service *service)
{
    free(service);
    return NULL;
}

struct executor *service_executor(struct service *service)
{
    return &service->executor;
}
