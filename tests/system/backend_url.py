#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host executes on another Blob endpoint: what clients send arrives there, what it answers comes back, and its failures are
those of a busy service."""

import hashlib
import importlib.machinery
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time

from harness import BUILD, ROOT, Azurite, Daemon, equal, finish, freeze, skip, step, wait_for
from rawhttp import ACCOUNT, KEY, Connection, put_blob, request

MIB = 1 << 20
SMALL_SLOTS = "[slots]\nlarge_bytes = 256K\n"
HOST_STYLE = f"{ACCOUNT}.blob.localhost"


def load_script(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def round_trip_steps(daemon, azurite):
    with step("a blob goes there and comes back, whatever its size and bytes"):
        for size in (0, 1, 4095, 65536, 65537, 4 * MIB, 8 * MIB):
            body = os.urandom(size)
            created = daemon.exchange(put_blob(f"/box/size-{size}", body), "PUT").must_be(201)
            assert created.header("ETag") and created.header("Last-Modified"), created.headers
            answer = daemon.exchange(request("GET", f"/box/size-{size}")).must_be(200)
            assert answer.body == body, f"{size} B differ"
            equal(answer.header("ETag"), created.header("ETag"))
    with step("names and metadata arrive as they were sent"):
        name = "/box/a%20b/%C3%A4%2B+~!()'*;=@/..%2Fx."
        daemon.exchange(put_blob(name, b"odd", [("x-ms-meta-CamelCase", "Value; a=b"), ("x-ms-meta-empty", "")]), "PUT").must_be(201)
        answer = daemon.exchange(request("GET", name)).must_be(200)
        equal(answer.body, b"odd")
        equal(answer.header("x-ms-meta-camelcase"), "Value; a=b")
    with step("fields of the answer keep their case and order"):
        with Connection(daemon.address) as through:
            got = [name for name, _ in through.exchange(request("GET", "/box/size-1")).must_be(200).headers]
        with Connection(azurite.address) as direct:
            want = [name for name, _ in direct.exchange(request("GET", "/box/size-1")).must_be(200).headers]
        hop = {"connection", "keep-alive", "transfer-encoding", "content-length"}
        equal([name for name in got if name.lower() not in hop], [name for name in want if name.lower() not in hop])
    with step("HEAD has the length and no body"):
        answer = daemon.exchange(request("HEAD", f"/box/size-{4 * MIB}"), "HEAD").must_be(200)
        equal(answer.header("Content-Length"), str(4 * MIB))
    with step("304, 404, 412 and 416 come back as such"):
        etag = daemon.exchange(request("HEAD", "/box/size-1"), "HEAD").header("ETag")
        daemon.exchange(request("GET", "/box/size-1", [("If-None-Match", etag)])).must_be(304)
        daemon.exchange(request("GET", "/box/nothing")).must_be_azure_error(404, "BlobNotFound")
        daemon.exchange(put_blob("/box/size-1", b"x", [("If-None-Match", "*")]), "PUT").must_be((409, 412))
        daemon.exchange(request("GET", "/box/size-1", [("x-ms-range", "bytes=5-6")])).must_be_azure_error(416, "InvalidRange")
    with step("a delete has no body"):
        daemon.exchange(request("DELETE", "/box/size-4095"), "DELETE").must_be(202)
        daemon.exchange(request("HEAD", "/box/size-4095"), "HEAD").must_be(404)


def listing_steps(daemon):
    with step("a listing, which comes in chunks, has its length"):
        answer = daemon.exchange(request("GET", "/box?restype=container&comp=list")).must_be(200)
        equal(answer.header("Content-Length"), str(len(answer.body)))
        assert b"<Name>size-65537</Name>" in answer.body, answer.body[:500]
    with step("an error of the endpoint has its length, too"):
        answer = daemon.exchange(request("GET", "/none?restype=container&comp=list")).must_be_azure_error(404, "ContainerNotFound")
        equal(answer.header("Content-Length"), str(len(answer.body)))


def large_steps(daemon):
    body = os.urandom(20 * MIB + 77)
    with step("a blob of many slots, put in blocks, is read whole and in ranges"):
        daemon.upload("/box/blocks", body)
        assert daemon.exchange(request("GET", "/box/blocks")).must_be(200).body == body
        answer = daemon.exchange(request("GET", "/box/blocks", [("x-ms-range", f"bytes={MIB}-{18 * MIB}")])).must_be(206)
        assert answer.body == body[MIB : 18 * MIB + 1]
    with step("a Put Blob of many slots is one blob afterwards"):
        digest = hashlib.md5(body).digest()
        daemon.exchange(put_blob("/box/put", body, [("x-ms-meta-kept", "yes")]), "PUT").must_be(201)
        answer = daemon.exchange(request("GET", "/box/put")).must_be(200)
        assert hashlib.md5(answer.body).digest() == digest
        equal(answer.header("x-ms-meta-kept"), "yes")


def rights_steps(daemon):
    with step("host style works, too"):
        answer = daemon.exchange(request("GET", "/box/serves", host=HOST_STYLE)).must_be(200)
        equal(answer.body, b"yes")
    with step("an account SAS is checked by the endpoint"):
        sas = load_script("account-sas").account_sas(ACCOUNT, KEY, permissions="r")
        plain = f"GET /{ACCOUNT}/box/serves?{sas} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        equal(daemon.exchange(plain).must_be(200).body, b"yes")
        plain = f"DELETE /{ACCOUNT}/box/serves?{sas} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        daemon.exchange(plain, "DELETE").must_be_azure_error(403)
    with step("who proves nothing is refused by the endpoint"):
        daemon.exchange(f"GET /{ACCOUNT}/box/serves HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()).must_be_azure_error((403, 404))


def without_a_key(azurite):
    with Daemon(config="[listen]\n", backend=azurite.url, has_key=False) as daemon:
        with step("a host-style signature passes untouched: only the endpoint has the key"):
            equal(daemon.exchange(request("GET", "/box/serves", host=HOST_STYLE)).must_be(200).body, b"yes")
            daemon.exchange(put_blob("/box/sealed", b"sealed", host=HOST_STYLE), "PUT").must_be(201)
        with step("a wrong one is refused there"):
            wrong = "A" * 86 + "=="
            daemon.exchange(request("GET", "/box/serves", host=HOST_STYLE, key=wrong)).must_be_azure_error(403)


def small_slots(azurite):
    with Daemon(SMALL_SLOTS, backend=azurite.url) as daemon:
        with Connection(daemon.address) as connection:
            for number in range(600):
                name = f"/list/{'n' * 100}-{number:04}"
                connection.exchange(put_blob(name, b""), "PUT").must_be((201, 404))
                if number == 0:
                    connection.exchange(request("PUT", "/list?restype=container"), "PUT").must_be(201)
        with step("of a listing that does not fit the size is counted to its end"):
            answer = daemon.exchange(request("GET", "/list?restype=container&comp=list")).must_be_azure_error(500)
            said = int(re.search(rb"The answer has (\d+) bytes", answer.body).group(1))
            with Connection(azurite.address) as direct:
                data = request("GET", "/list?restype=container&comp=list", host=HOST_STYLE)
                length = len(direct.exchange(data).must_be(200).body)
            equal(said, length)
        with step("in pages that fit it is listed"):
            answer = daemon.exchange(request("GET", "/list?restype=container&comp=list&maxresults=100")).must_be(200)
            equal(answer.body.count(b"<Name>"), 100)
        with step("a blob of 100 small slots is read"):
            body = os.urandom(25 * MIB)
            daemon.upload("/box/many", body, 128 * 1024)
            assert daemon.exchange(request("GET", "/box/many")).must_be(200).body == body


def failure_steps(azurite):
    with Daemon("[channel]\ntimeout = 1s\n", backend=azurite.url) as daemon:
        daemon.must_serve()
        with step("an endpoint that does not answer in time is a timeout"):
            try:
                freeze(azurite.pid)
                daemon.exchange(request("GET", "/box/serves")).must_be_azure_error(500, "OperationTimedOut")
                daemon.exchange(put_blob("/box/late", b"x"), "PUT").must_be_azure_error(500, "OperationTimedOut")
            finally:
                azurite.process.send_signal(signal.SIGCONT)
            daemon.must_serve()
        with step("without an endpoint everything is 503 ServerBusy"):
            azurite.stop(signal.SIGKILL)
            for data, method in ((request("GET", "/box/serves"), "GET"), (put_blob("/box/x", bytes(1000)), "PUT"),
                                 (request("DELETE", "/box/serves"), "DELETE"), (put_blob("/box/x", bytes(20 * MIB)), "PUT")):  # fmt: skip
                answer = daemon.exchange(data, method).must_be_azure_error(503, "ServerBusy")
                assert int(answer.header("Retry-After")) > 0
            daemon.wait_idle()
        with step("when it is back everything works"):
            with Azurite(port=azurite.port) as again:
                daemon.make_container()
                daemon.must_serve()
                with step("a host that is stopped in the middle of a transfer ends with 0"):
                    freeze(again.pid)
                    with Connection(daemon.address) as connection:
                        connection.send(request("GET", "/box/serves"))
                        wait_for(lambda: daemon.metric("blobproxy_transfers_in_flight") > 0, "transfer")
                        equal(daemon.host.stop(), 0)
                    again.process.send_signal(signal.SIGCONT)


def limit_steps(azurite):
    arguments = ("--transfer-rate", "8M", "--transfer-latency", "50")
    with Daemon(backend=azurite.url, host_arguments=arguments) as daemon:
        with step("a limited host takes its time for each transfer"):
            daemon.exchange(put_blob("/box/limited", bytes(2 * MIB)), "PUT").must_be(201)
            fields = [("x-ms-range", f"bytes=0-{2 * MIB - 1}")]
            begin = time.monotonic()
            equal(len(daemon.exchange(request("GET", "/box/limited", fields)).must_be(206).body), 2 * MIB)
            took = time.monotonic() - begin
            assert took >= 0.3, f"{took} s for 50 ms and 2 MiB at 8 MiB/s"


def usage_steps():
    for arguments, word in (
        (["--backend", "http://127.0.0.1:10000/devstoreaccount1"], "paths come from the requests"),
        (["--backend", "ftp://h"], "http://"),
        (["--backend", "http://h", "--store", "/tmp/x"], "--store"),
        (["--backend", "http://h", "--backend-ca", "/nonexistent.pem", "--socket", "/tmp/none/s"], "/nonexistent.pem"),
        (["--transfer-rate", "fast"], "--transfer-rate"),
    ):
        with step(f"blobhostd {' '.join(arguments)} says what is wrong"):
            ended = subprocess.run([BUILD / "blobhostd", *arguments], capture_output=True, text=True, timeout=20, check=False)
            assert ended.returncode in (1, 2), ended
            assert word in ended.stderr and ended.stderr.count("\n") == 1, ended.stderr


def main():
    usage_steps()
    if not Azurite.is_installed():
        skip("everything through Azurite", "node or tests/azurite/node_modules is missing")
        return finish()
    with Azurite() as azurite:
        with Daemon(backend=azurite.url) as daemon:
            daemon.make_container()
            daemon.must_serve()
            round_trip_steps(daemon, azurite)
            listing_steps(daemon)
            large_steps(daemon)
            rights_steps(daemon)
            daemon.wait_idle()
        without_a_key(azurite)
        small_slots(azurite)
        limit_steps(azurite)
        failure_steps(azurite)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
