# SPDX-License-Identifier: MIT
"""What is made of blobs: snapshots, tags, batches, copies."""

import datetime

from azure.storage.blob import ContentSettings, PartialBatchErrorException, generate_blob_sas

from record import ACCOUNT, KEY, body, digest, done, items, plain, read


async def snapshots(run):
    container = await run.new_container()
    blob = container.get_blob_client("blob")
    await done(blob.upload_blob(b"old"))
    made = await run.keep("create", blob.create_snapshot(metadata={"made": "here"}))
    await done(blob.upload_blob(b"newer", overwrite=True))
    old = container.get_blob_client("blob", snapshot=made)
    run.results["old"] = digest(await read(old))
    await run.keep("old_properties", old.get_blob_properties())
    run.results["new"] = digest(await read(blob))
    run.results["list"] = plain(await items(container.list_blobs(include=["snapshots"])))
    await run.fails("delete_without", 409, blob.delete_blob)
    await run.keep("delete_include", blob.delete_blob(delete_snapshots="include"))
    run.results["rest"] = plain(await items(container.list_blobs(include=["snapshots"])))


async def tags(run):
    container = await run.new_container()
    for name in "abc":
        await done(container.upload_blob(name, name.encode()))
    blob = container.get_blob_client("a")
    await run.keep("set", blob.set_blob_tags({"matrix-kind": "wanted", "with blank": "x/y=z:1+2"}))
    await run.keep("get", blob.get_blob_tags())
    await done(container.get_blob_client("b").set_blob_tags({"matrix-kind": "other"}))
    await done(container.get_blob_client("c").set_blob_tags({"matrix-kind": "wanted"}))
    await run.keep("properties", blob.get_blob_properties())
    query = "\"matrix-kind\"='wanted'"
    run.results["account"] = plain(await items(run.service().find_blobs_by_tags(query)))
    run.results["container"] = plain(await items(container.find_blobs_by_tags(query)))
    await run.keep("clear", blob.set_blob_tags({}))
    await run.keep("none", blob.get_blob_tags())


async def _parts(answers):
    """Of a batch: what each part was answered."""
    return [[part.status_code, part.headers.get("x-ms-error-code")] for part in await items(await done(answers))]


async def batch(run):
    container = await run.new_container()
    for name in ("a", "b ü", "c", "d", "e"):
        await done(container.upload_blob(name, name.encode()))
    quiet = {"raise_on_any_failure": False}
    run.results["tiers"] = await _parts(container.set_standard_blob_tier_blobs("Cool", "a", "b ü", "c", **quiet))
    run.results["deletes"] = await _parts(container.delete_blobs("a", "b ü", "c", **quiet))
    try:
        run.results["partly"] = await _parts(container.delete_blobs("d", "missing"))
    except PartialBatchErrorException as error:
        run.results["partly"] = {"type": type(error).__name__, "status": error.status_code}
    run.results["rest"] = plain(await items(container.list_blobs()))


async def copy(run):
    container = await run.new_container()
    source = container.get_blob_client("source ü")
    settings = ContentSettings(content_type="text/x-source")
    await done(source.upload_blob(body(5000, 4), metadata={"from": "source"}, content_settings=settings))
    target = container.get_blob_client("target")
    started = await run.keep("copy", target.start_copy_from_url(source.url))
    properties = await run.keep("properties", target.get_blob_properties())
    while properties.copy.status == "pending":
        properties = await run.keep("properties", target.get_blob_properties())
    run.results["hash"] = digest(await read(target))
    await run.fails("abort_finished", 409, lambda: target.abort_copy(started["copy_id"]))

    expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    sas = generate_blob_sas(ACCOUNT, container.container_name, source.blob_name, account_key=KEY, permission="r", expiry=expiry)
    url = f"{source.url}?{sas}"
    await run.keep("copy_by_sas", container.get_blob_client("by sas").start_copy_from_url(url))
    synced = container.get_blob_client("synced")
    await run.keep("sync", synced.start_copy_from_url(url, metadata={"own": "1"}, requires_sync=True))
    await run.keep("sync_properties", synced.get_blob_properties())
    run.results["sync_hash"] = digest(await read(synced))
    missing = url.replace("/source", "/nosource")
    await run.fails("source_missing", 404, lambda: container.get_blob_client("x").start_copy_from_url(missing, requires_sync=True))
