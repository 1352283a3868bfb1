# SPDX-License-Identifier: MIT
"""Large bodies, listings in pages, and retries."""

from azure.storage.blob import BlobPrefix, ContentSettings

from record import FLAKY_ENDPOINT, MIB, body, digest, done, items, pages_of, plain, read, sdk


async def parallel_upload(run):
    container = await run.new_container()
    in_blocks = run.container(max_single_put_size=MIB, max_block_size=MIB)
    blocks = in_blocks.get_blob_client("blocks")
    committed = await done(blocks.upload_blob(body(20 * MIB, 1), max_concurrency=4, metadata={"way": "blocks"}))
    has_md5 = committed.pop("content_md5", None) is not None  # it is of a list with random ids
    run.results["in_blocks"] = {**plain(committed), "has_md5": has_md5}
    single = container.get_blob_client("single")
    settings = ContentSettings(content_type="image/x-test", cache_control="no-cache")
    more = {"content_settings": settings, "metadata": {"way": "single"}, "tags": {"way": "single"}}
    await run.keep("in_one", single.upload_blob(body(20 * MIB, 2), **more))
    await run.keep("in_one_properties", single.get_blob_properties())
    for blob in (blocks, single):
        run.results["hash " + blob.blob_name] = digest(await read(blob))
    committed, _ = await done(blocks.get_block_list("committed"))
    run.results["block_list"] = [block.size for block in committed]
    run.results["list"] = plain(await items(container.list_blobs()))
    await run.fails("no_overwrite", 409, lambda: single.upload_blob(body(20 * MIB, 3)))
    checked = container.get_blob_client("checked")
    await run.keep("with_md5", checked.upload_blob(body(12 * MIB, 4), validate_content=True))


async def downloads(run):
    container = await run.new_container()
    blob = container.get_blob_client("large")
    settings = ContentSettings(content_type="video/x-test")
    await done(blob.upload_blob(body(40 * MIB, 5), content_settings=settings, metadata={"a": "b"}))
    parts = {
        "whole": ((), {}),
        "middle": ((5 * MIB + 3, 9 * MIB + 1), {}),
        "open_ended": ((30 * MIB - 7,), {}),
        "past_the_end": ((40 * MIB - 10, 1000), {}),
        "with_md5": ((MIB, 3 * MIB), {"validate_content": True}),
    }
    for name, (arguments, more) in parts.items():
        stream = await done(blob.download_blob(*arguments, **more))
        run.results[name] = plain(stream.properties)
        run.results["hash " + name] = digest(await done(stream.readall()))
    small = run.container(max_single_get_size=4 * MIB, max_chunk_get_size=4 * MIB).get_blob_client("large")
    run.results["hash parallel"] = digest(await read(small, max_concurrency=4))
    run.results["hash checked"] = digest(await read(small, validate_content=True))
    await run.fails("beyond_the_end", 416, lambda: blob.download_blob(41 * MIB, 10))


async def retries(run):
    container = await run.new_container()
    settings = {"endpoint": FLAKY_ENDPOINT, "retry_policy": sdk.LinearRetry(backoff=0, retry_total=3, random_jitter_range=0)}
    flaky = run.container(**settings).get_blob_client("retry-1")
    before = len(run.responses)
    await run.keep("upload", flaky.upload_blob(body(100000, 9)))
    run.results["attempts"] = [response["status"] for response in run.responses[before:]]
    run.results["hash"] = digest(await read(container.get_blob_client("retry-1")))
    once = sdk.LinearRetry(backoff=0, retry_total=1, random_jitter_range=0)
    stubborn = run.container(endpoint=FLAKY_ENDPOINT, retry_policy=once).get_blob_client("retry-2")
    await run.fails("gives_up", 503, lambda: stubborn.upload_blob(b"x"))


def _entry(item):
    return {"prefix" if isinstance(item, BlobPrefix) else "name": item.name}


async def listings(run):
    container = await run.new_container()
    for index in range(25):
        name = f"dir{index % 3}/{'sub/' if index % 2 else ''}blob-{index:02} ü&"
        await done(container.upload_blob(name, b"x" * index, metadata={"n": str(index)}, tags={"t": str(index % 5)}))
    run.results["flat"] = await pages_of(container.list_blobs(results_per_page=7), _entry)
    run.results["prefix"] = await pages_of(container.list_blobs(name_starts_with="dir1/", results_per_page=3), _entry)
    run.results["names"] = await pages_of(container.list_blob_names(results_per_page=10), str)
    run.results["top"] = await pages_of(container.walk_blobs(delimiter="/", results_per_page=2), _entry)
    run.results["dir"] = await pages_of(container.walk_blobs(name_starts_with="dir0/", delimiter="/"), _entry)
    run.results["full"] = plain(await items(container.list_blobs(include=["metadata", "tags"])))
