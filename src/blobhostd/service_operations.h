/* SPDX-License-Identifier: MIT */
/* The operations: each executes one call and composes its answer, or returns the error to be answered. */
#ifndef BLOBHOSTD_SERVICE_OPERATIONS_H
#define BLOBHOSTD_SERVICE_OPERATIONS_H

#include "service_call.h"

enum azure_error service_account_info(struct call *call);

enum azure_error service_create_container(struct call *call);
enum azure_error service_get_container(struct call *call); /* properties, or metadata alone */
enum azure_error service_get_container_acl(struct call *call);
enum azure_error service_set_container_metadata(struct call *call);
enum azure_error service_delete_container(struct call *call);

enum azure_error service_lease_blob(struct call *call);
enum azure_error service_lease_container(struct call *call);

enum azure_error service_list_containers(struct call *call);
enum azure_error service_list_blobs(struct call *call);

enum azure_error service_put_blob(struct call *call); /* all three types */
enum azure_error service_get_blob(struct call *call);
enum azure_error service_get_blob_properties(struct call *call);
enum azure_error service_get_blob_metadata(struct call *call);
enum azure_error service_set_blob_properties(struct call *call);
enum azure_error service_set_blob_metadata(struct call *call);
enum azure_error service_set_blob_tier(struct call *call);
enum azure_error service_delete_blob(struct call *call);
enum azure_error service_snapshot_blob(struct call *call);
enum azure_error service_copy_blob(struct call *call); /* both forms */

enum azure_error service_get_blob_tags(struct call *call);
enum azure_error service_set_blob_tags(struct call *call);

enum azure_error service_put_block(struct call *call);
enum azure_error service_put_block_list(struct call *call);
enum azure_error service_get_block_list(struct call *call);

enum azure_error service_append_block(struct call *call);
enum azure_error service_seal_blob(struct call *call);

enum azure_error service_put_page(struct call *call); /* update and clear */
enum azure_error service_get_page_ranges(struct call *call);

#endif
