# SPDX-License-Identifier: MIT
"""Runs the scenarios and prints what the SDK saw, one line of JSON for each.

One text serves both kinds of clients: with the synchronous ones nothing is ever waited for.
"""

import asyncio
import json
import sys
import traceback

import access
import content
import kinds
import locks
import transfer
from record import Run

SCENARIOS = {
    "containers": kinds.containers,
    "block_blobs": kinds.block_blobs,
    "append_blobs": kinds.append_blobs,
    "page_blobs": kinds.page_blobs,
    "parallel_upload": transfer.parallel_upload,
    "downloads": transfer.downloads,
    "leases": locks.leases,
    "conditions": locks.conditions,
    "snapshots": content.snapshots,
    "tags": content.tags,
    "batch": content.batch,
    "copy": content.copy,
    "sas": access.sas,
    "errors": access.errors,
    "retries": transfer.retries,
    "listings": transfer.listings,
    "service": access.service,
}


async def scenario(name):
    line = {"scenario": name}
    async with Run(name) as run:
        try:
            await SCENARIOS[name](run)
        except Exception as error:  # the other scenarios go on, whatever it was
            line["error"] = f"{type(error).__name__}: {error}"
            print(f"{name}: {traceback.format_exc()}", file=sys.stderr)
        line.update(responses=run.responses, results=run.results)
    print(json.dumps(line), flush=True)


async def main():
    for name in sys.argv[1:] or SCENARIOS:
        await scenario(name)


if __name__ == "__main__":
    asyncio.run(main())
