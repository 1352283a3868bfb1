#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host executes on an endpoint that speaks HTTP/2 only."""

import os
import pathlib
import shutil
import sys
import tempfile
import threading

from harness import Daemon, Program, equal, finish, skip, step, wait_for
from httpsserver import make_certificates
from rawhttp import ACCOUNT, Connection, put_blob, request

MIB = 1 << 20
SERVER = pathlib.Path(__file__).with_name("http2server.mjs")


def steps(daemon, port):
    body = os.urandom(4 * MIB)
    with step("a write goes there over HTTP/2, with the names of its own account"):
        answer = daemon.exchange(put_blob("/box/blob%20one", body, [("x-ms-meta-empty", "")]), "PUT").must_be(201)
        equal(answer.header("x-seen-version"), "h2")
        equal(answer.header("x-seen-authority"), f"{ACCOUNT}.blob.localhost:{port}")
        equal(answer.header("x-seen-path"), "/box/blob%20one")
        equal(answer.header("x-seen-empty"), "[]")
    with step("a read gives the same bytes"):
        answer = daemon.exchange(request("GET", "/box/blob%20one")).must_be(200)
        assert answer.body == body, "the bytes differ"
        equal(answer.header("ETag"), '"one"')
    with step("HEAD and an error come back as such"):
        daemon.exchange(request("HEAD", "/box/blob%20one"), "HEAD").must_be(200)
        equal(daemon.exchange(request("GET", "/box/none")).must_be(404, "BlobNotFound").body, b"<Error><Code>BlobNotFound</Code></Error>")
    with step("many at a time share connections and get each its own bytes"):
        bodies = {f"/box/b{number}": os.urandom(1 + number * 4093) for number in range(64)}
        wrong = []

        def client(names):
            with Connection(daemon.address) as connection:
                for name in names:
                    connection.exchange(put_blob(name, bodies[name]), "PUT").must_be(201)
                for name in names:
                    if connection.exchange(request("GET", name)).must_be(200).body != bodies[name]:
                        wrong.append(name)

        names = sorted(bodies)
        threads = [threading.Thread(target=client, args=(names[first::8],)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(wrong, [])


def parts_steps(url, ca, large):
    """With slots that are smaller than the blob."""
    with Daemon("[slots]\nlarge_bytes = 256K\n", backend=url, host_arguments=("--backend-ca", ca)) as daemon:
        with step("a read that is larger than a slot comes in parts"):
            assert daemon.exchange(request("GET", "/box/large")).must_be(200).body == large, "the bytes differ"
            assert daemon.metric("blobproxy_transfers_total") >= len(large) // (256 << 10), "it was not split"


def main():
    if not shutil.which("node"):
        skip("HTTP/2", "there is no node, whose HTTP/2 server stands in")
        return finish()
    with tempfile.TemporaryDirectory(prefix="http2-test-") as directory:
        ca, chain = make_certificates(directory)
        server = Program("http2server", [chain, chain], directory, ["node", SERVER])
        try:
            wait_for(lambda: server.output().strip().isdigit(), "port of the HTTP/2 server")
            port = int(server.output())
            url = f"https://{{account}}.blob.localhost:{port}"
            with Daemon(backend=url, host_arguments=("--backend-ca", ca)) as daemon:
                steps(daemon, port)
                large = os.urandom(3 * MIB + 17)
                daemon.exchange(put_blob("/box/large", large), "PUT").must_be(201)
            parts_steps(url, ca, large)
        finally:
            server.end_at_all_costs()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
