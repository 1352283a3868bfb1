#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bodies of all sizes through service, kernel and host, with both command numbers and both ways to pin."""

import hashlib
import pathlib
import sys
import xml.etree.ElementTree

import guest
import rawhttp
from account_sas import account_sas
from tap import equal, finish, step

SIZES = (0, 1, 4095, 4096, 4097, 65536, (1 << 20) + 1, (8 << 20) + 3, guest.LARGEST)
URL = f"http://127.0.0.1:10000/{rawhttp.ACCOUNT}/box"

journal = guest.Journal()
guest.start_all()
before = guest.counters()


def curl(*words):
    return guest.run("curl", "--silent", "--show-error", "--fail", "--max-time", str(guest.DEADLINE_S), *words)


uploaded = {f"size-{size}": size for size in SIZES}
for size in SIZES:
    with step(f"{size} bytes go and come back the same"):
        guest.must_come_back(size)

with step("ranges: first, last, across, and beyond the end"):
    data = guest.content(guest.LARGEST, guest.LARGEST)
    name = f"size-{guest.LARGEST}"
    for first, last in ((0, 0), (4095, 4096), (guest.LARGEST - 3, guest.LARGEST - 1), (1 << 20, (9 << 20) + 5)):
        answer = guest.get(name, [("x-ms-range", f"bytes={first}-{last}")]).must_be(206)
        assert answer.body == data[first : last + 1], f"bytes {first} to {last}"
    guest.get(name, [("x-ms-range", f"bytes={guest.LARGEST}-")]).must_be(416)

with step("HEAD tells the length, and the listing names every blob with its size"):
    answer = guest.exchange(rawhttp.request("HEAD", f"/box/{name}"), "HEAD").must_be(200)
    equal(answer.header("Content-Length"), str(guest.LARGEST))
    answer = guest.exchange(rawhttp.request("GET", "/box?restype=container&comp=list")).must_be(200)
    blobs = xml.etree.ElementTree.fromstring(answer.body.decode("utf-8-sig")).iter("Blob")
    listed = {blob.findtext("Name"): int(blob.findtext("Properties/Content-Length")) for blob in blobs}
    equal({name: listed.get(name) for name in uploaded}, uploaded)

with step("curl uploads and downloads 31 MiB with a SAS"):
    files = pathlib.Path("/var/tmp/up"), pathlib.Path("/var/tmp/down")
    files[0].write_bytes(guest.content(guest.LARGEST, "curl"))
    sas = account_sas(rawhttp.ACCOUNT, rawhttp.KEY)
    curl("-T", str(files[0]), "-H", "x-ms-blob-type: BlockBlob", f"{URL}/curl?{sas}")
    curl("-o", str(files[1]), f"{URL}/curl?{sas}")
    equal(*(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))

with step("what does not fit one transfer is divided: 40 MiB"):
    guest.must_come_back(40 << 20)

with step("all of it went over the device"):
    assert guest.counters()["completed"] - before["completed"] > 2 * len(SIZES), guest.counters()

with step("a driver that pins read-only, as published: the same bytes, and no write into foreign pages"):
    with guest.parameter("pin_read_only", "Y"):
        for size in (1, 4097, (1 << 20) + 1, guest.LARGEST):
            guest.must_come_back(size, "read-only")
    now = guest.counters()
    equal((now["zero_page_writes"], now["shared_page_writes"]), (0, 0))

with step("a driver that knows the other number only: the device comes back, the same bytes"):
    guest.control("remove")
    guest.wait_metric("blobproxy_channels_up", 0)
    with guest.parameter("knows_series", "N"):
        guest.control("return")
        guest.wait_channels()
        guest.must_come_back((1 << 20) + 1, "vendor")
        guest.wait_for(lambda: "ioctl 0xc048520a" in guest.status_text(), "status text")

with step("a driver that knows neither: no channel, a reason in the log, and back again"):
    guest.control("remove")
    guest.wait_metric("blobproxy_channels_up", 0)
    with guest.parameter("knows_series", "N"), guest.parameter("knows_vendor", "N"):
        guest.control("return")
        journal.wait_said("knows neither ioctl")
    guest.wait_channels()
    guest.must_come_back(4097, "again")

with step("nothing is left over, no error in the journal, no restart"):
    guest.must_be_idle()
    journal.must_have_no_error()
    equal(guest.restarts(), 0)
    guest.stop_all()

sys.exit(finish())
