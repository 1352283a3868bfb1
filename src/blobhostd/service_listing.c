/* SPDX-License-Identifier: MIT */
/* List Containers and List Blobs. */
#include "service_answer.h"
#include "service_condition.h"
#include "service_digest.h"
#include "service_fields.h"
#include "service_lease.h"
#include "service_list.h"
#include "service_operations.h"

#include <string.h>

static void list_delete(struct list **list)
{
    if (*list)
        list_done(*list);
    free(*list);
}

/* Etags of containers are written with their quotes, those of blobs without. */
static void put_container_etag(struct list *list, uint64_t etag)
{
    char text[ETAG_BYTES];

    (void)etag_quoted(etag, text);
    list_put(list, "Etag", text);
}

static bool container_visit(void *arg, const char *name, const struct store_container *container)
{
    struct list *list = arg;

    if (!list_entry_begin(list, name, NULL))
        return false;
    (void)buf_puts(&list->xml, "<Container>");
    list_put(list, "Name", name);
    (void)buf_puts(&list->xml, "<Properties>");
    list_put_date(list, "Last-Modified", container->modified_us);
    put_container_etag(list, container->etag);
    list_put_lease(list, &container->lease);
    if (container->public_access)
        list_put(list, "PublicAccess", container->public_access == 'c' ? "container" : "blob");
    (void)buf_puts(&list->xml, "<DefaultEncryptionScope>$account-encryption-key</DefaultEncryptionScope>"
                               "<DenyEncryptionScopeOverride>false</DenyEncryptionScopeOverride>"
                               "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
                               "</Properties>");
    if (list->includes & LIST_METADATA)
        list_put_metadata(list, &container->metadata);
    (void)buf_puts(&list->xml, "</Container>");
    return list_entry_end(list, name, NULL);
}

enum azure_error service_list_containers(struct call *call)
{
    CLEANUP(list_delete) struct list *list = calloc(1, sizeof(*list));
    enum azure_error error;

    if (!list)
        return AZURE_InternalError;
    error = list_begin(list, call);
    if (error)
        return error;
    (void)buf_puts(&list->xml, "<Containers>");
    error = store_list_containers(call->store, call->target.account, list->prefix, list->from, container_visit, list);
    return error ? error : list_answer(list, "Containers");
}

static void put_md5(struct list *list, const struct store_blob *blob)
{
    char text[DIGEST_BASE64_BYTES(DIGEST_MD5_BYTES)];

    (void)digest_base64_encode(blob->md5, sizeof(blob->md5), text);
    list_put(list, "Content-MD5", blob->has_md5 ? text : NULL);
}

static void put_copy(struct list *list, const struct store_blob *blob)
{
    if (!(list->includes & LIST_COPY) || !blob->copy_id)
        return;
    list_put(list, "CopyId", blob->copy_id);
    list_put(list, "CopySource", blob->copy_source);
    (void)buf_printf(&list->xml, "<CopyStatus>success</CopyStatus><CopyProgress>%llu/%llu</CopyProgress>",
                     (unsigned long long)blob->length, (unsigned long long)blob->length);
    list_put_date(list, "CopyCompletionTime", blob->copy_completed_us);
}

static void put_type_properties(struct list *list, const struct store_blob *blob)
{
    list_put(list, "BlobType", blob_type_text(blob->type));
    if (blob->tier)
        list_put(list, "AccessTier", blob->tier);
    else if (blob->type == STORE_BLOCK_BLOB)
        (void)buf_puts(&list->xml, "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>");
    if (blob->type == STORE_PAGE_BLOB)
        list_put_number(list, "x-ms-blob-sequence-number", blob->sequence_number);
    if (blob->is_sealed)
        list_put(list, "Sealed", "true");
}

static void put_properties(struct list *list, const char *snapshot, const struct store_blob *blob)
{
    char etag[ETAG_BYTES];

    (void)buf_puts(&list->xml, "<Properties>");
    if (!blob->is_uncommitted) {
        (void)etag_text(blob->etag, etag);
        list_put_date(list, "Creation-Time", blob->created_us);
        list_put_date(list, "Last-Modified", blob->modified_us);
        list_put(list, "Etag", etag);
    }
    list_put_number(list, "Content-Length", blob->length);
    list_put(list, "Content-Type", blob->content_type);
    list_put(list, "Content-Encoding", blob->content_encoding);
    list_put(list, "Content-Language", blob->content_language);
    put_md5(list, blob);
    list_put(list, "Content-Disposition", blob->content_disposition);
    list_put(list, "Cache-Control", blob->cache_control);
    put_type_properties(list, blob);
    if (!snapshot)
        list_put_lease(list, &blob->lease);
    put_copy(list, blob);
    (void)buf_puts(&list->xml, "<ServerEncrypted>true</ServerEncrypted></Properties>");
}

static void put_blob(struct list *list, const char *name, const char *snapshot, const struct store_blob *blob)
{
    (void)buf_puts(&list->xml, "<Blob>");
    list_put_name(list, name);
    if (snapshot)
        list_put(list, "Snapshot", snapshot);
    put_properties(list, snapshot, blob);
    if (list->includes & LIST_METADATA)
        list_put_metadata(list, &blob->metadata);
    if (list->includes & LIST_TAGS && blob->tags.len > 0)
        fields_put_tags(&list->xml, &blob->tags);
    (void)buf_puts(&list->xml, "</Blob>");
}

static bool blob_visit(void *arg, const char *name, const char *snapshot, const struct store_blob *blob)
{
    struct list *list = arg;

    if (!list_entry_begin(list, name, snapshot))
        return false;
    if (blob) {
        put_blob(list, name, snapshot, blob);
    } else {
        (void)buf_puts(&list->xml, "<BlobPrefix>");
        list_put_name(list, name);
        (void)buf_puts(&list->xml, "</BlobPrefix>");
    }
    return list_entry_end(list, name, snapshot);
}

static enum azure_error list_blobs(struct call *call, struct list *list)
{
    struct store_listing listing = {
        .prefix = list->prefix,
        .delimiter = list->delimiter,
        .from = list->from,
        .from_snapshot = list->from_snapshot[0] ? list->from_snapshot : NULL,
        .with_snapshots = list->includes & LIST_SNAPSHOTS,
        .with_uncommitted = list->includes & LIST_UNCOMMITTED,
    };

    (void)buf_puts(&list->xml, "<Blobs>");
    return store_list_blobs(call->store, call->target.account, call->container, &listing, blob_visit, list);
}

enum azure_error service_list_blobs(struct call *call)
{
    CLEANUP(list_delete) struct list *list = calloc(1, sizeof(*list));
    struct condition condition; /* the operation has none but the lease */
    enum azure_error error;

    if (!list)
        return AZURE_InternalError;
    error = condition_parse(&condition, call, CONDITION_READ);
    if (error == AZURE_OK && condition.has_lease)
        error = AZURE_LeaseNotPresentWithContainerOperation;
    if (error == AZURE_OK)
        error = list_begin(list, call);
    if (error == AZURE_OK)
        error = list_blobs(call, list);
    return error ? error : list_answer(list, "Blobs");
}
