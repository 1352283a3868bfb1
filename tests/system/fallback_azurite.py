#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The way past the channel leads to a real Blob endpoint with TLS, the one that the host executes on as well: clients cannot tell
which way their requests went, also while the host comes and goes."""

import contextlib
import os
import re
import shutil
import signal
import ssl
import sys
import tempfile

import rawhttp
from harness import Azurite, Daemon, equal, finish, note, skip, step, wait_for
from httpsserver import make_certificates
from load import Load
from rawhttp import Connection, put_blob, request

SLOT = "[slots]\nlarge = 4\nlarge_bytes = 256K\n"
HOST_STYLE = f"{rawhttp.ACCOUNT}.blob.localhost"


class TlsAzurite(Azurite):
    def __init__(self, directory):
        self.ca, chain = make_certificates(directory)
        key = chain.with_suffix(".key")
        super().__init__(directory, arguments=["--cert", chain, "--key", key])
        self.url = f"https://{{account}}.blob.localhost:{self.port}"

    def answers(self):
        assert self.is_running(), f"azurite ended: {self.output()[-2000:]}"
        try:
            with Connection(self.address) as connection:
                context = ssl.create_default_context(cafile=self.ca)
                connection.socket = context.wrap_socket(connection.socket, server_hostname=HOST_STYLE)
                return connection.exchange(request("GET", "/?comp=list", host=HOST_STYLE)).status == 200
        except (OSError, rawhttp.Closed):
            return False


@contextlib.contextmanager
def azurite():
    directory = tempfile.mkdtemp(prefix="blobproxy-upstream-")
    try:
        with TlsAzurite(directory) as endpoint:
            yield endpoint
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def upstream_section(endpoint):
    return f"[upstream]\nfallback = https\nurl = {endpoint.url}\nca_file = {endpoint.ca}\n"


class NoHost(Daemon):
    """Without a host, so that everything goes upstream."""

    def start_host(self):
        pass


def round_trips(daemon):
    with step("containers, blobs of any size, properties and listings"):
        daemon.make_container()
        for size in (0, 1, 65537, 20_000_000):
            body = os.urandom(size)
            created = daemon.exchange(put_blob(f"/box/a%20b-{size}", body, [("x-ms-meta-Color", "blue")]), "PUT").must_be(201)
            answer = daemon.exchange(request("GET", f"/box/a%20b-{size}")).must_be(200)
            assert answer.body == body, f"{size} bytes differ"
            equal(answer.header("ETag"), created.header("ETag"))
            equal(answer.header("x-ms-meta-color"), "blue")
            head = daemon.exchange(request("HEAD", f"/box/a%20b-{size}"), "HEAD").must_be(200)
            equal(head.header("Content-Length"), str(size))
        listing = daemon.exchange(request("GET", "/box?restype=container&comp=list")).must_be(200)
        equal(re.findall(rb"<Name>([^<]+)</Name>", listing.body), [b"a b-0", b"a b-1", b"a b-20000000", b"a b-65537"])
    with step("blocks, appends, ranges, conditions and their errors"):
        daemon.upload("/box/blocks", body[:3_000_000], 1 << 20)
        answer = daemon.exchange(request("GET", "/box/blocks", [("x-ms-range", "bytes=100-1999999")])).must_be(206)
        assert answer.body == body[100:2_000_000]
        daemon.exchange(request("PUT", "/box/log", [("x-ms-blob-type", "AppendBlob")]), "PUT").must_be(201)
        for piece in (b"one", b"two"):
            daemon.exchange(request("PUT", "/box/log?comp=appendblock", (), piece), "PUT").must_be(201)
        equal(daemon.exchange(request("GET", "/box/log")).must_be(200).body, b"onetwo")
        daemon.exchange(put_blob("/box/blocks", b"x", [("If-None-Match", "*")]), "PUT").must_be((409, 412))
        daemon.exchange(request("GET", "/box/none")).must_be_azure_error(404, "BlobNotFound")
        daemon.exchange(request("GET", "/box/log", [("Range", "bytes=99-")])).must_be(416)
        etag = daemon.exchange(request("HEAD", "/box/log"), "HEAD").must_be(200).header("ETag")
        daemon.exchange(request("GET", "/box/log", [("If-None-Match", etag)])).must_be(304)
    with step("host style passes with the client's own signature"):
        equal(daemon.exchange(request("GET", "/box/log", host=HOST_STYLE)).must_be(200).body, b"onetwo")
    with step("a Delete Blob"):
        daemon.exchange(request("DELETE", "/box/log"), "DELETE").must_be(202)


def all_upstream(endpoint):
    with NoHost(upstream_section(endpoint) + SLOT, is_emulated=False) as daemon:
        round_trips(daemon)
        with step("all of it went upstream, nothing is left busy"):
            daemon.wait_idle()
            figures = daemon.metrics()
            equal(figures['blobproxy_routed_exchanges_total{route="channel",reason="none"}'], 0)
            assert figures['blobproxy_routed_exchanges_total{route="upstream",reason="channel_down"}'] > 20
            equal(figures["blobproxy_upstream_failures_total"], 0)


def host_that_comes_and_goes(endpoint):
    backend = f"https://{HOST_STYLE}:{endpoint.port}"
    config = upstream_section(endpoint) + SLOT
    with Daemon(config, backend=backend, host_arguments=["--backend-ca", endpoint.ca]) as daemon:
        with Load(daemon.address, threads=4, sizes=(1000, 200_000, 1_000_000)) as load:
            for turn in (1, 2, 3):
                begin = load.successes()
                wait_for(lambda: load.successes() >= begin + 15, "successes with a host", 60)
                daemon.host.stop(signal.SIGKILL)
                begin = load.successes()
                wait_for(lambda: load.successes() >= begin + 15, "successes without a host", 60)
                os.unlink(daemon.host.socket)
                daemon.start_host()
                wait_for(lambda: daemon.metric("blobproxy_channels_up") > 0, "channel")
        with step("no wrong byte and no lost write while the host is killed three times"):
            note(f"{load.verify()} blobs verified, answers {load.statuses}")
            equal(load.wrong, [])
        with step("what was refused was refused for an upload in blocks that lost its channel"):
            for answer in load.refusals:
                answer.must_be_azure_error((500, 503))
        with step("both ways were used, nothing is left busy"):
            figures = daemon.metrics()
            assert figures['blobproxy_routed_exchanges_total{route="channel",reason="none"}'] > 20
            assert sum(value for name, value in figures.items() if name.startswith("blobproxy_routed") and "upstream" in name) > 20
            daemon.wait_idle()


def main():
    if not Azurite.is_installed():
        skip("upstream is Azurite", "it is not installed; scripts/test installs it")
        return finish()
    with azurite() as endpoint:
        all_upstream(endpoint)
        host_that_comes_and_goes(endpoint)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
