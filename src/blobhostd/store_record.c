/* SPDX-License-Identifier: MIT */
/* Versions and names as bytes, in the machine's byte order. Strings keep their NUL, so a reader can borrow them from the map. */
#include "store_internal.h"

#include <errno.h>
#include <string.h>

#define STRINGS 8
#define FLAG_MD5 1u
#define FLAG_SEALED 2u

struct version_head {
    uint8_t type;
    uint8_t flags;
    uint8_t content_kind;
    uint8_t reserved;
    uint32_t block_count;
    uint64_t etag;
    int64_t created_us;
    int64_t modified_us;
    uint64_t length;
    uint64_t content_id;
    uint64_t sequence_number;
    int64_t copy_completed_us;
    uint8_t md5[16];
    uint32_t string_bytes[STRINGS]; /* with NUL; 0: absent */
    uint32_t metadata_bytes;
    uint32_t tags_bytes;
};

struct entry_head {
    uint64_t name_id;
    uint32_t snapshot_count;
    uint32_t uncommitted_count;
    uint8_t block_id_bytes;
    uint8_t has_blob;
    uint8_t has_lease; /* a struct lease comes next */
    uint8_t reserved[5];
};

/* The order of the strings in a row. */
static void blob_strings(struct store_blob *blob, char **ret_strings[STRINGS])
{
    char **strings[STRINGS] = {
        &blob->content_type, &blob->content_encoding, &blob->content_language, &blob->content_disposition, &blob->cache_control,
        &blob->tier,         &blob->copy_id,          &blob->copy_source};
    memcpy(ret_strings, strings, sizeof(strings));
}

static uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t len)
{
    if (len)
        memcpy(to, bytes, len);
    return to + len;
}

static size_t version_head_make(const struct store_version *version, char **strings[STRINGS], struct version_head *head)
{
    const struct store_blob *blob = &version->blob;
    *head = (struct version_head){
        .type = (uint8_t)blob->type,
        .flags = (uint8_t)((blob->has_md5 ? FLAG_MD5 : 0) | (blob->is_sealed ? FLAG_SEALED : 0)),
        .content_kind = (uint8_t)version->content.kind,
        .block_count = blob->block_count,
        .etag = blob->etag,
        .created_us = blob->created_us,
        .modified_us = blob->modified_us,
        .length = blob->length,
        .content_id = version->content.id,
        .sequence_number = blob->sequence_number,
        .copy_completed_us = blob->copy_completed_us,
        .metadata_bytes = (uint32_t)blob->metadata.len,
        .tags_bytes = (uint32_t)blob->tags.len,
    };
    memcpy(head->md5, blob->md5, sizeof(head->md5));
    size_t len = sizeof(*head) + blob->metadata.len + blob->tags.len;
    for (int i = 0; i < STRINGS; i++) {
        head->string_bytes[i] = *strings[i] ? (uint32_t)strlen(*strings[i]) + 1 : 0;
        len += head->string_bytes[i];
    }
    return len;
}

/* Leaves room for a head of head_bytes in front. */
static int version_encode(const struct store_version *version, size_t head_bytes, struct store_row *ret_row)
{
    struct store_version copy = *version;
    char **strings[STRINGS];
    blob_strings(&copy.blob, strings);
    struct version_head head;
    size_t len = head_bytes + version_head_make(version, strings, &head);
    uint8_t *bytes = malloc(len);
    if (!bytes)
        return -ENOMEM;
    uint8_t *to = put_bytes(bytes + head_bytes, &head, sizeof(head));
    for (int i = 0; i < STRINGS; i++)
        to = put_bytes(to, *strings[i], head.string_bytes[i]);
    to = put_bytes(to, version->blob.metadata.bytes, version->blob.metadata.len);
    (void)put_bytes(to, version->blob.tags.bytes, version->blob.tags.len);
    *ret_row = (struct store_row){bytes, len};
    return 0;
}

int store_version_encode(const struct store_version *version, struct store_row *ret_row)
{
    return version_encode(version, 0, ret_row);
}

int store_entry_encode(const struct store_entry *entry, struct store_row *ret_row)
{
    const struct lease *lease = &entry->base.blob.lease;
    bool has_lease = entry->has_blob && lease->kept != LEASE_AVAILABLE;
    struct entry_head head = {
        entry->name_id, entry->snapshot_count, entry->uncommitted_count, entry->block_id_bytes, entry->has_blob, has_lease, {0}};
    size_t lease_bytes = has_lease ? sizeof(*lease) : 0;
    struct store_row row = {NULL, sizeof(head)};
    if (entry->has_blob) {
        int r = version_encode(&entry->base, sizeof(head) + lease_bytes, &row);
        if (r)
            return r;
    } else if (!(row.bytes = malloc(sizeof(head)))) {
        return -ENOMEM;
    }
    (void)put_bytes(put_bytes(row.bytes, &head, sizeof(head)), lease, lease_bytes);
    *ret_row = row;
    return 0;
}

void store_row_done(struct store_row *row)
{
    free(row->bytes);
    *row = (struct store_row){0};
}

static void version_from_head(const struct version_head *head, struct store_version *version)
{
    struct store_blob *blob = &version->blob;
    *version = (struct store_version){.content = {(enum store_content_kind)head->content_kind, head->content_id}};
    blob->type = (enum store_blob_type)head->type;
    blob->etag = head->etag;
    blob->created_us = head->created_us;
    blob->modified_us = head->modified_us;
    blob->length = head->length;
    blob->has_md5 = head->flags & FLAG_MD5;
    blob->is_sealed = head->flags & FLAG_SEALED;
    memcpy(blob->md5, head->md5, sizeof(blob->md5));
    blob->sequence_number = head->sequence_number;
    blob->block_count = head->block_count;
    blob->copy_completed_us = head->copy_completed_us;
}

/* The next len bytes of a row, or NULL when it has none left; len 0 gives NULL, too. */
static char *take_bytes(const char **from, size_t *left, size_t len)
{
    if (!len || len > *left)
        return NULL;
    const char *bytes = *from;
    *from += len;
    *left -= len;
    return (char *)bytes;
}

int store_version_decode(const void *bytes, size_t len, struct store_version *ret_version)
{
    struct version_head head;
    if (len < sizeof(head))
        return -EBADMSG;
    memcpy(&head, bytes, sizeof(head));
    struct store_version version;
    version_from_head(&head, &version);
    char **strings[STRINGS];
    blob_strings(&version.blob, strings);
    const char *from = (const char *)bytes + sizeof(head);
    size_t left = len - sizeof(head);
    for (int i = 0; i < STRINGS; i++) {
        size_t string_bytes = head.string_bytes[i];
        *strings[i] = take_bytes(&from, &left, string_bytes);
        if (string_bytes && (!*strings[i] || (*strings[i])[string_bytes - 1]))
            return -EBADMSG;
    }
    if (left != (size_t)head.metadata_bytes + head.tags_bytes)
        return -EBADMSG;
    version.blob.metadata = (struct store_pairs){take_bytes(&from, &left, head.metadata_bytes), head.metadata_bytes};
    version.blob.tags = (struct store_pairs){take_bytes(&from, &left, head.tags_bytes), head.tags_bytes};
    *ret_version = version;
    return 0;
}

int store_entry_decode(const void *bytes, size_t len, struct store_entry *ret_entry)
{
    struct entry_head head;
    if (len < sizeof(head))
        return -EBADMSG;
    memcpy(&head, bytes, sizeof(head));
    *ret_entry = (struct store_entry){.name_id = head.name_id,
                                      .snapshot_count = head.snapshot_count,
                                      .uncommitted_count = head.uncommitted_count,
                                      .block_id_bytes = head.block_id_bytes,
                                      .has_blob = head.has_blob};
    if (!head.has_blob)
        return 0;
    size_t lease_bytes = head.has_lease ? sizeof(struct lease) : 0;
    const char *from = (const char *)bytes + sizeof(head);
    len -= sizeof(head);
    if (len < lease_bytes)
        return -EBADMSG;
    int r = store_version_decode(from + lease_bytes, len - lease_bytes, &ret_entry->base);
    if (!r && lease_bytes)
        memcpy(&ret_entry->base.blob.lease, from, lease_bytes);
    return r;
}

int store_pairs_own(const struct store_pairs *borrowed, struct store_pairs *ret_pairs)
{
    struct store_pairs pairs = {0};
    if (borrowed->len) {
        pairs.bytes = malloc(borrowed->len);
        if (!pairs.bytes)
            return -ENOMEM;
        memcpy(pairs.bytes, borrowed->bytes, borrowed->len);
        pairs.len = borrowed->len;
    }
    *ret_pairs = pairs;
    return 0;
}

int store_blob_own(const struct store_blob *borrowed, struct store_blob *ret_blob)
{
    struct store_blob from = *borrowed, blob = *borrowed;
    char **sources[STRINGS], **strings[STRINGS];
    blob_strings(&from, sources);
    blob_strings(&blob, strings);
    blob.metadata = blob.tags = (struct store_pairs){0};
    bool is_complete = true;
    for (int i = 0; i < STRINGS; i++) {
        *strings[i] = *sources[i] ? strdup(*sources[i]) : NULL;
        is_complete = is_complete && (*strings[i] || !*sources[i]);
    }
    if (!is_complete || store_pairs_own(&from.metadata, &blob.metadata) || store_pairs_own(&from.tags, &blob.tags)) {
        store_blob_done(&blob);
        return -ENOMEM;
    }
    *ret_blob = blob;
    return 0;
}

void store_blob_done(struct store_blob *blob)
{
    char **strings[STRINGS];
    blob_strings(blob, strings);
    for (int i = 0; i < STRINGS; i++)
        free(*strings[i]);
    free(blob->metadata.bytes);
    free(blob->tags.bytes);
    *blob = (struct store_blob){0};
}

void store_container_done(struct store_container *container)
{
    free(container->metadata.bytes);
    *container = (struct store_container){0};
}

bool store_pairs_next(const struct store_pairs *pairs, size_t *position, const char **ret_name, const char **ret_value)
{
    if (*position >= pairs->len)
        return false;
    const char *name = pairs->bytes + *position;
    size_t name_bytes = strnlen(name, pairs->len - *position) + 1;
    if (*position + name_bytes >= pairs->len)
        return false;
    const char *value = name + name_bytes;
    size_t value_len = strnlen(value, pairs->len - *position - name_bytes);
    if (*position + name_bytes + value_len >= pairs->len)
        return false;
    *ret_name = name;
    *ret_value = value;
    *position += name_bytes + value_len + 1;
    return true;
}
