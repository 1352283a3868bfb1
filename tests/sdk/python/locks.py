# SPDX-License-Identifier: MIT
"""Leases and conditions."""

import datetime

from azure.core import MatchConditions

from record import digest, done, read, sdk

FIRST = "11111111-1111-1111-1111-111111111111"
SECOND = "22222222-2222-2222-2222-222222222222"


async def _blob_lease(run, container):
    blob = container.get_blob_client("leased")
    await done(blob.upload_blob(b"one"))
    lease = sdk.BlobLeaseClient(blob, lease_id=FIRST)
    await done(lease.acquire(15))
    await run.fails("acquire_other", 409, lambda: sdk.BlobLeaseClient(blob, lease_id=SECOND).acquire(15))
    await run.keep("properties_leased", blob.get_blob_properties())
    await run.fails("write_without", 412, lambda: blob.upload_blob(b"two", overwrite=True))
    await run.fails("write_with_other", 412, lambda: blob.upload_blob(b"two", overwrite=True, lease=SECOND))
    await run.keep("write_with", blob.upload_blob(b"two", overwrite=True, lease=lease))
    await done(lease.renew())
    await done(lease.change(SECOND))
    run.results["changed"] = {"id": lease.id == SECOND, "etag": lease.etag}
    await run.keep("break", lease.break_lease(0))
    await run.keep("properties_broken", blob.get_blob_properties())
    await done(lease.release())
    await run.keep("properties_released", blob.get_blob_properties())
    await run.keep("write_after", blob.upload_blob(b"three", overwrite=True))
    run.results["hash"] = digest(await read(blob))


async def leases(run):
    container = await run.new_container()
    await _blob_lease(run, container)
    lease = sdk.BlobLeaseClient(container, lease_id=FIRST)
    await done(lease.acquire(60))
    await run.keep("container_properties", container.get_container_properties())
    await run.fails("container_delete_without", 412, container.delete_container)
    await done(lease.release())
    await run.keep("container_delete", container.delete_container())


async def conditions(run):
    container = await run.new_container()
    blob = container.get_blob_client("blob")
    first = await done(blob.upload_blob(b"first", tags={"state": "new"}))
    hour = datetime.timedelta(hours=1)
    earlier, later = first["last_modified"] - hour, first["last_modified"] + hour

    def match(etag):
        return {"etag": etag, "match_condition": MatchConditions.IfNotModified}

    def none_match(etag):
        return {"etag": etag, "match_condition": MatchConditions.IfModified}

    async def get(**wanted):
        return digest(await read(blob, **wanted))

    def put(**wanted):
        return blob.upload_blob(b"first", overwrite=True, tags={"state": "new"}, **wanted)

    wrong = '"0x1111111111111111"'
    await run.keep("get_match", get(**match(first["etag"])))
    await run.fails("get_match_wrong", 412, lambda: get(**match(wrong)))
    await run.keep("get_none_match", get(**none_match(wrong)))
    await run.fails("get_none_match_equal", 304, lambda: get(**none_match(first["etag"])))
    await run.fails("head_none_match_equal", 304, lambda: blob.get_blob_properties(**none_match(first["etag"])))
    await run.fails("head_match_wrong", 412, lambda: blob.get_blob_properties(**match(wrong)))
    await run.keep("get_modified", get(if_modified_since=earlier))
    await run.fails("get_not_modified", 304, lambda: get(if_modified_since=later))
    await run.keep("get_unmodified", get(if_unmodified_since=later))
    await run.fails("get_not_unmodified", 412, lambda: get(if_unmodified_since=earlier))
    await run.keep("get_tags", get(if_tags_match_condition="state = 'new'"))
    await run.fails("get_tags_wrong", 412, lambda: get(if_tags_match_condition="state = 'old'"))
    await run.fails("put_match_wrong", 412, lambda: put(**match(wrong)))
    await run.fails("put_not_modified", 412, lambda: put(if_modified_since=later))
    await run.fails("put_not_unmodified", 412, lambda: put(if_unmodified_since=earlier))
    await run.fails("put_tags_wrong", 412, lambda: put(if_tags_match_condition="state = 'old'"))
    second = await run.keep("put_match", put(**match(first["etag"])))
    await run.fails("put_none_match_equal", 412, lambda: put(**none_match(second["etag"])))
    await run.keep("put_unmodified", put(if_unmodified_since=later))
    await run.fails("delete_match_wrong", 412, lambda: blob.delete_blob(**match(wrong)))
    run.results["hash"] = await get()
