/* SPDX-License-Identifier: MIT */
/* Fuzz target: block lists, cut at a place that the input chooses. */
#include "../../src/blobhostd/service_blocklist.h"

#include "../../src/lib/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_block_ref *blocks = NULL;
    size_t count = 0, cut;
    struct iovec pieces[2];

    if (size == 0)
        return 0;
    cut = data[0] % size;
    data++;
    size--;
    if (cut > size)
        cut = size;
    pieces[0] = (struct iovec){(void *)(uintptr_t)data, cut};
    pieces[1] = (struct iovec){(void *)(uintptr_t)(data + cut), size - cut};
    if (blocklist_parse(pieces, 2, size, &blocks, &count) != AZURE_OK)
        return 0;
    if (count > LIMIT_BLOCKS_COMMITTED)
        abort();
    for (size_t i = 0; i < count; i++)
        if (blocks[i].id.len == 0 || blocks[i].id.len > LIMIT_BLOCK_ID_BYTES)
            abort();
    free(blocks);
    return 0;
}
