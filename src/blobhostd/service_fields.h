/* SPDX-License-Identifier: MIT */
/* Header fields to what the store keeps, and back. */
#ifndef BLOBHOSTD_SERVICE_FIELDS_H
#define BLOBHOSTD_SERVICE_FIELDS_H

#include "service_call.h"

#define TAGS_MAX 10u /* documented, as the two below */
#define TAG_KEY_CHARS 128u
#define TAG_VALUE_CHARS 256u
#define TAG_KEY_BYTES (4 * TAG_KEY_CHARS)
#define TAG_VALUE_BYTES (4 * TAG_VALUE_CHARS)
#define TAGS_BYTES (TAGS_MAX * (TAG_KEY_BYTES + TAG_VALUE_BYTES + 2))

/* Frees: for CLEANUP(). */
void pairs_free(struct store_pairs *pairs);

/* x-ms-meta-*. EmptyMetadataKey, InvalidMetadata, MetadataTooLarge. ret_pairs is owned by the caller; empty when there is none.
 */
enum azure_error fields_metadata(struct call *call, struct store_pairs *ret_pairs);

/* x-ms-tags. InvalidInput. */
enum azure_error fields_tags(struct call *call, struct store_pairs *ret_pairs);

/* One more for packed pairs; false when it is too long, empty or there already. */
bool fields_tag_add(struct buf *packed, const char *key, const char *value);

/* As the XML element that requests and answers have. */
void fields_put_tags(struct buf *xml, const struct store_pairs *tags);

/* x-ms-access-tier, as a copy; NULL when absent. */
enum azure_error fields_tier(struct call *call, char **ret_tier);

/* The content fields of blob from x-ms-blob-content-* (replacing owned memory; absent ones become NULL), and where with_plain is
 * set from Content-Type and its kin. Then x-ms-blob-content-md5. */
enum azure_error fields_content(struct call *call, bool with_plain, struct store_blob *blob);

/* All that a write of a blob's contents can set: content fields, metadata, tags, tier. */
enum azure_error fields_blob(struct call *call, bool with_plain, struct store_blob *blob);

void answer_metadata(struct call *call, const struct store_pairs *metadata);

/* What Get Blob and Get Blob Properties tell of a blob, but for lengths, ranges and MD5s. */
void answer_blob_fields(struct call *call, const struct store_blob *blob);

const char *blob_type_text(enum store_blob_type type);

#endif
