/* SPDX-License-Identifier: MIT */
/* Containers: creating, describing, deleting. */
#include "service_answer.h"
#include "service_condition.h"
#include "service_fields.h"
#include "service_lease.h"
#include "service_operations.h"

#include <string.h>

static const struct store_container no_container;

static void answer_public_access(struct call *call, char public_access)
{
    if (public_access == 'c')
        answer_line(call, "x-ms-blob-public-access: container\r\n");
    else if (public_access == 'b')
        answer_line(call, "x-ms-blob-public-access: blob\r\n");
}

static enum azure_error parse_public_access(struct call *call, char *ret_access)
{
    struct slice value;

    *ret_access = 0;
    if (!call_field(call, "x-ms-blob-public-access", &value))
        return AZURE_OK;
    if (slice_equal_nocase(value, SLICE("container")))
        *ret_access = 'c';
    else if (slice_equal_nocase(value, SLICE("blob")))
        *ret_access = 'b';
    else
        return call_refuse(call, AZURE_InvalidHeaderValue, "x-ms-blob-public-access is \"container\" or \"blob\".");
    return AZURE_OK;
}

enum azure_error service_create_container(struct call *call)
{
    CLEANUP(store_container_done) struct store_container properties = no_container;
    CLEANUP(store_container_done) struct store_container created = no_container;
    enum azure_error error = parse_public_access(call, &properties.public_access);

    if (error == AZURE_OK)
        error = fields_metadata(call, &properties.metadata);
    if (error == AZURE_OK)
        error = store_create_container(call->store, &call->name, &properties, &created);
    if (error)
        return error;
    answer_begin(call, 201);
    answer_version(call, created.etag, created.modified_us);
    answer_end_empty(call);
    return AZURE_OK;
}

enum azure_error service_get_container(struct call *call)
{
    CLEANUP(store_container_done) struct store_container container = no_container;
    struct condition condition;
    enum azure_error error = condition_parse(&condition, call, CONDITION_READ);

    if (error == AZURE_OK)
        error = store_get_container(call->store, &call->name, &container);
    if (error == AZURE_OK)
        error = condition_check_container(&condition, &container);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_version(call, container.etag, container.modified_us);
    if (call->operation == OPERATION_GetContainerProperties) {
        answer_lease(call, &container.lease);
        answer_line(call, "x-ms-has-immutability-policy: false\r\nx-ms-has-legal-hold: false\r\n"
                          "x-ms-immutable-storage-with-versioning-enabled: false\r\n"
                          "x-ms-default-encryption-scope: $account-encryption-key\r\n"
                          "x-ms-deny-encryption-scope-override: false\r\n");
        answer_public_access(call, container.public_access);
    }
    answer_metadata(call, &container.metadata);
    answer_end_empty(call);
    return AZURE_OK;
}

enum azure_error service_get_container_acl(struct call *call)
{
    CLEANUP(store_container_done) struct store_container container = no_container;
    CLEANUP(buf_free) struct buf body = {.max_bytes = 256};
    struct condition condition;
    enum azure_error error = condition_parse(&condition, call, CONDITION_READ);

    if (error == AZURE_OK)
        error = store_get_container(call->store, &call->name, &container);
    if (error == AZURE_OK)
        error = condition_check_container(&condition, &container);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_version(call, container.etag, container.modified_us);
    answer_public_access(call, container.public_access);
    (void)buf_puts(&body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><SignedIdentifiers />");
    return answer_xml(call, &body);
}

struct metadata_update {
    struct condition condition;
    struct store_pairs metadata;
};

static enum azure_error metadata_update(void *arg, struct store_container *container)
{
    struct metadata_update *update = arg;
    enum azure_error error = condition_check_container(&update->condition, container);

    if (error)
        return error;
    pairs_free(&container->metadata);
    container->metadata = update->metadata;
    update->metadata = (struct store_pairs){NULL, 0};
    return AZURE_OK;
}

enum azure_error service_set_container_metadata(struct call *call)
{
    CLEANUP(store_container_done) struct store_container changed = no_container;
    struct metadata_update update = {.metadata = {NULL, 0}};
    enum azure_error error = condition_parse(&update.condition, call, CONDITION_WRITE);

    condition_waive_lease(&update.condition);
    if (error == AZURE_OK)
        error = fields_metadata(call, &update.metadata);
    if (error == AZURE_OK)
        error = store_update_container(call->store, &call->name, true, metadata_update, &update, &changed);
    pairs_free(&update.metadata);
    if (error)
        return error;
    answer_begin(call, 200);
    answer_version(call, changed.etag, changed.modified_us);
    answer_end_empty(call);
    return AZURE_OK;
}

enum azure_error service_delete_container(struct call *call)
{
    struct condition condition;
    struct store_check check = {.container = condition_container_guard, .arg = &condition};
    enum azure_error error = condition_parse(&condition, call, CONDITION_WRITE);

    if (error == AZURE_OK)
        error = store_delete_container(call->store, &call->name, &check);
    if (error)
        return error;
    answer_begin(call, 202);
    answer_end_empty(call);
    return AZURE_OK;
}
