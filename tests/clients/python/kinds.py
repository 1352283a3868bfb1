# SPDX-License-Identifier: MIT
"""Append blobs, page blobs, block lists, snapshots and copies."""

import os

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobBlock

from expect import raises
from tap import equal, step


def _block_steps(container):
    blob = container.get_blob_client("blocks")
    with step("staged blocks stand in the uncommitted list"):
        for number, data in ((1, b"one,"), (2, b"two,"), (3, b"three")):
            blob.stage_block(f"{number:06}", data)
        _, uncommitted = blob.get_block_list("uncommitted")
        equal(sorted(block.id for block in uncommitted), ["000001", "000002", "000003"])
        with raises(ResourceNotFoundError, 404, "BlobNotFound"):
            blob.download_blob()
    with step("committing decides the order and drops the rest"):
        blob.commit_block_list([BlobBlock("000003"), BlobBlock("000001")])
        equal(blob.download_blob().readall(), b"threeone,")
        committed, uncommitted = blob.get_block_list("all")
        equal(([block.id for block in committed], uncommitted), (["000003", "000001"], []))
    with step("committing an unknown block is 400 InvalidBlockList"), raises(HttpResponseError, 400, "InvalidBlockList"):
        blob.commit_block_list([BlobBlock("000009")])


def _append_steps(container):
    blob = container.get_blob_client("append")
    with step("append blob: create, append twice, read"):
        blob.create_append_blob()
        equal(blob.append_block(b"first;")["blob_append_offset"], "0")
        equal(blob.append_block(b"second")["blob_append_offset"], "6")
        equal(blob.download_blob().readall(), b"first;second")
        equal(blob.get_blob_properties().append_blob_committed_block_count, 2)
    with step("append at another position is 412 AppendPositionConditionNotMet"):
        with raises(HttpResponseError, 412, "AppendPositionConditionNotMet"):
            blob.append_block(b"x", appendpos_condition=5)
    with step("a block on an append blob is 409 InvalidBlobType"), raises(ResourceExistsError, 409, "InvalidBlobType"):
        blob.stage_block("000001", b"x")


def _page_steps(container):
    blob = container.get_blob_client("page")
    pages = os.urandom(1024)
    with step("page blob: create, write, page ranges, read"):
        blob.create_page_blob(8192)
        blob.upload_page(pages, 1024, 1024)
        blob.upload_page(pages, 4096, 1024)
        equal([(part.start, part.end) for part in blob.list_page_ranges()], [(1024, 2047), (4096, 5119)])
        want = bytearray(8192)
        want[1024:2048] = pages
        want[4096:5120] = pages
        equal(blob.download_blob().readall(), bytes(want))
    with step("page blob: clear and resize"):
        blob.clear_page(1024, 1024)
        blob.resize_blob(5120)
        equal([(part.start, part.end) for part in blob.list_page_ranges()], [(4096, 5119)])
        equal(blob.get_blob_properties().size, 5120)


def _version_steps(container):
    blob = container.get_blob_client("versions")
    with step("a snapshot keeps the old contents"):
        blob.upload_blob(b"old")
        snapshot = blob.create_snapshot()["snapshot"]
        blob.upload_blob(b"newer", overwrite=True)
        equal(container.get_blob_client("versions", snapshot=snapshot).download_blob().readall(), b"old")
        equal(blob.download_blob().readall(), b"newer")
        items = list(container.list_blobs(name_starts_with="versions", include=["snapshots"]))
        equal([item.snapshot for item in items if item.snapshot], [snapshot])
        equal(len(items), 2)
    with step("deleting a blob with snapshots needs the word: 409 SnapshotsPresent"):
        with raises(ResourceExistsError, 409, "SnapshotsPresent"):
            blob.delete_blob()
        blob.delete_blob(delete_snapshots="include")
        equal(blob.exists(), False)
    with step("copy inside the store"):
        source = container.get_blob_client("copy source ü")
        source.upload_blob(b"to be copied", metadata={"kept": "yes"})
        copy = container.get_blob_client("copy")
        equal(copy.start_copy_from_url(source.url)["copy_status"], "success")
        equal(copy.download_blob().readall(), b"to be copied")
        equal(copy.get_blob_properties().metadata, {"kept": "yes"})


def steps(container):
    _block_steps(container)
    _append_steps(container)
    _page_steps(container)
    _version_steps(container)
