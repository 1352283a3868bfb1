# SPDX-License-Identifier: MIT
"""Containers and the three kinds of blobs."""

import base64

from azure.storage.blob import BlobBlock, ContentSettings, StandardBlobTier

from record import body, digest, done, items, plain, read


async def containers(run):
    container = run.container()
    await run.keep("create", container.create_container(metadata={"first": "1"}))
    await run.fails("create_again", 409, container.create_container)
    await run.keep("set_metadata", container.set_container_metadata({"colour": "blue", "Shape": "round"}))
    await run.keep("properties", container.get_container_properties())
    listed = run.service().list_containers(name_starts_with=run.container_name, include_metadata=True)
    run.results["list"] = plain(await items(listed))
    await run.keep("set_access", container.set_container_access_policy({}, public_access="blob"))
    await run.keep("access", container.get_container_access_policy())
    await done(container.upload_blob("public.txt", b"for all"))
    guest = run.guest("BlobClient", container.get_blob_client("public.txt").url)
    run.results["anonymous"] = digest(await read(guest))
    await run.keep("exists", container.exists())
    await run.keep("delete", container.delete_container())
    await run.fails("deleted", 404, container.get_container_properties)
    await run.keep("exists_no_more", container.exists())


UNUSUAL = ("with blank", "50%", "a+b", "a#b", "a?b", "ünï-日本", "a//b", "~()!*'")


async def block_blobs(run):
    container = await run.new_container()
    blob = container.get_blob_client("text.txt")
    settings = ContentSettings(
        content_type="text/plain; charset=utf-8", content_language="en", cache_control="max-age=60",
        content_disposition='attachment; filename="x.txt"', content_encoding="identity",
    )  # fmt: skip
    more = {"metadata": {"one": "1", "Two": "zwei drei"}, "tags": {"kind": "text", "empty": ""}, "standard_blob_tier": StandardBlobTier.COOL}
    await run.keep("upload", blob.upload_blob(b"hello, world", content_settings=settings, **more))
    await run.keep("properties", blob.get_blob_properties())
    stream = await done(blob.download_blob())
    run.results["download"] = plain(stream.properties)
    run.results["hash"] = digest(await done(stream.readall()))
    await run.fails("no_overwrite", 409, lambda: blob.upload_blob(b"x"))
    await run.keep("set_headers", blob.set_http_headers(ContentSettings(content_type="application/x-test")))
    await run.keep("set_metadata", blob.set_blob_metadata({"three": "3"}))
    await run.keep("properties_changed", blob.get_blob_properties())
    await _block_list(run, container)
    for name in UNUSUAL:
        odd = container.get_blob_client(name)
        await done(odd.upload_blob(name.encode()))
        run.results["name " + name] = digest(await read(odd))
    empty = container.get_blob_client("empty")
    await run.keep("empty_upload", empty.upload_blob(b""))
    await run.keep("empty_properties", empty.get_blob_properties())
    run.results["empty_hash"] = digest(await read(empty))
    await run.keep("delete", blob.delete_blob())


async def _block_list(run, container):
    blocks = container.get_blob_client("blocks.bin")
    ids = [base64.b64encode(name).decode() for name in (b"block-a", b"block-b", b"block-c")]
    for index, block_id in enumerate(ids):
        await run.keep(f"stage_{index}", blocks.stage_block(block_id, body(1000, index), validate_content=index == 1))
    await run.keep("uncommitted", blocks.get_block_list("all"))
    await run.keep("commit", blocks.commit_block_list([BlobBlock(block_id) for block_id in ids]))
    await run.keep("committed", blocks.get_block_list("all"))
    run.results["blocks_hash"] = digest(await read(blocks))


async def append_blobs(run):
    container = await run.new_container()
    blob = container.get_blob_client("log.txt")
    await run.keep("create", blob.create_append_blob(metadata={"kind": "log"}))
    for index in range(3):
        await run.keep(f"append_{index}", blob.append_block(body(700, index)))
    await run.fails("wrong_position", 412, lambda: blob.append_block(b"x", appendpos_condition=5))
    await run.keep("at_position", blob.append_block(b"x", appendpos_condition=2100))
    await run.keep("seal", blob.seal_append_blob())
    await run.keep("properties", blob.get_blob_properties())
    run.results["hash"] = digest(await read(blob))


async def page_blobs(run):
    container = await run.new_container()
    blob = container.get_blob_client("disk.vhd")
    await run.keep("create", blob.create_page_blob(4096, sequence_number=3))
    await run.keep("write_first", blob.upload_page(body(512, 1), 0, 512))
    await run.keep("write_second", blob.upload_page(body(1024, 2), 1024, 1024))
    run.results["ranges"] = plain(await items(blob.list_page_ranges()))
    await run.keep("clear", blob.clear_page(0, 512))
    run.results["ranges_cleared"] = plain(await items(blob.list_page_ranges(offset=0, length=4096)))
    await run.keep("resize", blob.resize_blob(8192))
    await run.keep("sequence_number", blob.set_sequence_number("update", "7"))
    await run.keep("properties", blob.get_blob_properties())
    run.results["hash"] = digest(await read(blob, 1000, 600))
