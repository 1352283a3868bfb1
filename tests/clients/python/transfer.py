# SPDX-License-Identifier: MIT
"""Uploads, downloads, odd names, properties and conditions."""

import hashlib
import os

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContentSettings

import endpoint
from expect import raises
from tap import equal, step

MIB = 1 << 20
ODD_NAMES = [
    "plain.txt",
    "ünïcødé-日本語-🦀.bin",
    "plus+sign+and blank.txt",
    "percent%25 100% %zz",
    "literal%2Fslash",
    "double//slash///inside",
    "trailing.dots...",
    "trailing/slash/",
    "..%2e/x",
    "~tilde!(paren)*'quote'",
    "question?mark=1&and#hash",
    'xml<&>"entities".xml',
    "semi;colon,comma@at$dollar=equals[bracket]",
    "n" * 1024,
]


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def _round_trip(container, name, size, **upload):
    data = os.urandom(size)
    blob = container.get_blob_client(name)
    with step(f"upload {name}"):
        blob.upload_blob(data, **upload)
    with step(f"download of {name} is the same"):
        got = blob.download_blob().readall()
        equal((len(got), _digest(got)), (size, _digest(data)))
    return blob, data


def _range_steps(blob, data):
    ranges = [
        ("the first byte", 0, 1),
        ("across a block boundary", 4 * MIB - 7, 14),
        ("5 MiB from the middle", 17 * MIB + 3, 5 * MIB),
        ("the last byte", len(data) - 1, 1),
        ("an open end", len(data) - 1000, None),
        ("beyond the end, cut", len(data) - 10, 1000),
    ]
    for name, offset, length in ranges:
        with step(f"ranged download: {name}"):
            want = data[offset:] if length is None else data[offset : offset + length]
            equal(_digest(blob.download_blob(offset=offset, length=length).readall()), _digest(want))
    with step("a range behind the end is 416 InvalidRange"), raises(HttpResponseError, 416, "InvalidRange"):
        blob.download_blob(offset=len(data) + 1, length=5).readall()
    with step("parallel download in 4 MiB ranges is the same"):
        name, container = blob.blob_name, blob.container_name
        small_gets = endpoint.service(max_single_get_size=4 * MIB, max_chunk_get_size=4 * MIB)
        got = small_gets.get_blob_client(container, name).download_blob(max_concurrency=5).readall()
        equal(_digest(got), _digest(data))
    with step("streaming download in chunks is the same"):
        digest = hashlib.sha256()
        for chunk in blob.download_blob().chunks():
            digest.update(chunk)
        equal(digest.hexdigest(), _digest(data))


def _name_steps(container):
    for name in ODD_NAMES:
        shown = name if len(name) <= 60 else f"{name[:10]}... ({len(name)})"
        with step(f"name round trip: {shown}"):
            blob = container.get_blob_client(name)
            blob.upload_blob(name.encode())
            equal(blob.download_blob().readall().decode(), name)
            equal([item.name for item in container.list_blobs(name_starts_with=name)], [name])
            blob.delete_blob()
            equal(blob.exists(), False)


def _property_steps(blob):
    with step("set and read metadata"):
        metadata = {"one": "1", "with_underscore": "two words", "Mixed": "Case, and; punctuation=yes"}
        blob.set_blob_metadata(metadata)
        got = blob.get_blob_properties().metadata
        equal({name.lower(): value for name, value in got.items()}, {name.lower(): value for name, value in metadata.items()})
    with step("set and read HTTP properties"):
        settings = ContentSettings(
            content_type="text/plain; charset=utf-8",
            cache_control="max-age=60",
            content_disposition='attachment; filename="x.txt"',
            content_language="de",
            content_encoding="identity",
        )
        blob.set_http_headers(settings)
        got = blob.get_blob_properties()
        for name in ("content_type", "cache_control", "content_disposition", "content_language", "content_encoding"):
            equal(got.content_settings[name], settings[name])
        equal(got.blob_type, "BlockBlob")
        assert got.last_modified and got.etag


def _condition_steps(container, blob):
    with step("If-None-Match: * over an existing blob is 409 BlobAlreadyExists"):
        with raises(ResourceExistsError, 409, "BlobAlreadyExists"):
            blob.upload_blob(b"x", overwrite=False)
    with step("a write with another ETag is 412 ConditionNotMet"), raises(ResourceModifiedError, 412, "ConditionNotMet"):
        blob.upload_blob(b"x", overwrite=True, etag='"0x8D0000000000000"', match_condition=MatchConditions.IfNotModified)
    with step("a read with the same ETag in If-None-Match is 304"), raises(HttpResponseError, 304):
        etag = blob.get_blob_properties().etag
        blob.download_blob(etag=etag, match_condition=MatchConditions.IfModified)
    with step("a write with the right ETag passes"):
        etag = blob.get_blob_properties().etag
        blob.upload_blob(b"xy", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
        equal(blob.download_blob().readall(), b"xy")
    with step("a missing blob is 404 BlobNotFound, a ResourceNotFoundError"):
        with raises(ResourceNotFoundError, 404, "BlobNotFound"):
            container.get_blob_client("missing").download_blob()
    with step("a missing container is 404 ContainerNotFound"), raises(ResourceNotFoundError, 404, "ContainerNotFound"):
        endpoint.service().get_blob_client("no-such-container", "b").upload_blob(b"x")


def steps(container):
    _round_trip(container, "0 B", 0)
    _round_trip(container, "1 B", 1)
    small, _ = _round_trip(container, "1 MiB", MIB)
    _round_trip(container, "1 MiB with Content-MD5", MIB, validate_content=True)
    in_blocks = endpoint.service(max_single_put_size=4 * MIB).get_container_client(container.container_name)
    large, data = _round_trip(in_blocks, "40 MiB in parallel blocks", 40 * MIB, max_concurrency=5)
    with step("its block list has 10 committed blocks"):
        committed, uncommitted = large.get_block_list("all")
        equal([block.size for block in committed], [4 * MIB] * 10)
        equal(uncommitted, [])
    _range_steps(large, data)
    _round_trip(container, "40 MiB in one Put Blob", 40 * MIB)
    _name_steps(container)
    _property_steps(small)
    _condition_steps(container, small)
