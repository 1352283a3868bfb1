# SPDX-License-Identifier: MIT
"""Listings in pages, flat and by hierarchy."""

from tap import equal, step

WANTED = sorted([f"list/{folder}/{leaf}" for folder in "xyz" for leaf in "abc"] + ["list/top"])


def steps(container):
    with step("upload ten blobs to list"):
        for name in WANTED:
            container.upload_blob(name, name.encode(), metadata={"leaf": name[-1]})
    with step("flat listing in pages of 3 has every blob once, in order"):
        pages = [list(page) for page in container.list_blobs(name_starts_with="list/", results_per_page=3).by_page()]
        equal([item.name for page in pages for item in page], WANTED)
        assert len(pages) >= 4 and max(len(page) for page in pages) == 3, f"{len(pages)} pages"
    with step("a marker continues a listing in another iterator"):
        first = container.list_blobs(name_starts_with="list/", results_per_page=4).by_page()
        equal([item.name for item in next(first)], WANTED[:4])
        rest = container.list_blobs(name_starts_with="list/").by_page(first.continuation_token)
        equal([item.name for page in rest for item in page], WANTED[4:])
    with step("listing by hierarchy in pages of 2 has folders and blobs"):
        found = [item.name for item in container.walk_blobs(name_starts_with="list/", results_per_page=2)]
        equal(sorted(found), ["list/top", "list/x/", "list/y/", "list/z/"])
    with step("a listing carries metadata and properties on request"):
        item = next(iter(container.list_blobs(name_starts_with="list/x/b", include=["metadata"])))
        equal((item.metadata, item.size, item.blob_type), ({"leaf": "b"}, 8, "BlockBlob"))
    with step("an empty prefix match is an empty listing"):
        equal(list(container.list_blobs(name_starts_with="nothing/")), [])
