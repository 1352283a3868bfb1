/* SPDX-License-Identifier: MIT */
/* The XML body of Put Block List. Pure. */
#ifndef BLOBHOSTD_SERVICE_BLOCKLIST_H
#define BLOBHOSTD_SERVICE_BLOCKLIST_H

#include "store.h"

/* Reads bytes copied from the pieces, so the guest cannot change them under the parser. ret_blocks is malloc'd, in the order of
 * the list, NULL when it is empty. InvalidXmlDocument: not well-formed, no block list, a document type, an unknown element;
 * InvalidBlockId; BlockListTooLong; RequestBodyTooLarge; InternalError: memory is out. */
enum azure_error blocklist_parse(const struct iovec *iov, int iov_count, uint64_t len, struct store_block_ref **ret_blocks,
                                 size_t *ret_count);

#endif
