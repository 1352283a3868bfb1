#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""HTTP as clients of all kinds speak it: keep-alive, pipelining, 100-continue, HEAD, 304, HTTP/1.0, every listener."""

import os
import stat
import sys
import threading

from harness import Daemon, equal, finish, has_ipv6, skip, step
from rawhttp import ACCOUNT, Closed, Connection, one, put_blob, request

MIB = 1 << 20


def persistence_steps(daemon):
    with step("200 requests on one connection"):
        with Connection(daemon.address) as connection:
            for number in range(100):
                body = b"%d" % number
                connection.exchange(put_blob("/box/again", body), "PUT").must_be(201)
                equal(connection.exchange(request("GET", "/box/again")).must_be(200).body, body)
    with step("30 pipelined requests are answered in order"):
        with Connection(daemon.address) as connection:
            names = [f"/box/pipe-{number}" for number in range(10)]
            connection.send(b"".join(put_blob(name, name.encode()) for name in names))
            for _ in names:
                connection.read_answer("PUT").must_be(201)
            connection.send(b"".join(request("GET", name) + request("HEAD", name) for name in names))
            for name in names:
                equal(connection.read_answer().must_be(200).body.decode(), name)
                equal(connection.read_answer("HEAD").must_be(200).header("Content-Length"), str(len(name)))
    with step("pipelined requests in pieces of every length"):
        wave = b"".join(put_blob(f"/box/piece-{number}", b"p" * number) + request("GET", f"/box/piece-{number}") for number in range(8))
        for size in (1, 7, 100, 333, 1024, len(wave) - 1):
            with Connection(daemon.address) as connection:
                for at in range(0, len(wave), size):
                    connection.send(wave[at : at + size])
                for number in range(8):
                    connection.read_answer("PUT").must_be(201)
                    equal(connection.read_answer().must_be(200).body, b"p" * number)
    with step("requests pipelined after a body of 1 MiB"):
        with Connection(daemon.address) as connection:
            for _ in range(20):
                connection.send(put_blob("/box/megabyte", bytes(MIB)) + request("HEAD", "/box/megabyte"))
                connection.read_answer("PUT").must_be(201)
                equal(connection.read_answer("HEAD").must_be(200).header("Content-Length"), str(MIB))
    with step("empty lines before a request are ignored"):
        with Connection(daemon.address) as connection:
            for lines in (b"\r\n", b"\r\n\r\n", b""):
                equal(connection.exchange(lines + request("GET", "/box/serves")).must_be(200).body, b"yes")
    with step("Connection: close is heeded"):
        with Connection(daemon.address) as connection:
            answer = connection.exchange(request("GET", "/box/serves", [("Connection", "close")])).must_be(200)
            equal((answer.header("Connection") or "").lower(), "close")
            connection.must_close()
    with step("HTTP/1.0 is answered and closed"):
        with Connection(daemon.address) as connection:
            data = request("GET", "/box/serves").replace(b"HTTP/1.1", b"HTTP/1.0")
            equal(connection.exchange(data).must_be(200).body, b"yes")
            connection.must_close()
    with step("a request in pieces of one byte"):
        with Connection(daemon.address) as connection:
            for byte in put_blob("/box/pieces", b"piecemeal"):
                connection.send(bytes([byte]))
            connection.read_answer("PUT").must_be(201)


def keep_reading(daemon, target, fields, count, failures):
    with Connection(daemon.address) as connection:
        for number in range(count):
            try:
                connection.exchange(request("GET", target, fields)).must_be((200, 206))
            except (Closed, OSError, AssertionError) as error:
                failures.append(f"request {number}: {error!r}")
                return


def parallel_steps(daemon):
    daemon.upload("/box/parallel", os.urandom(12 * MIB))
    for name, target, fields, count in (
        ("small reads", "/box/serves", [], 500),
        ("4 MiB ranges", "/box/parallel", [("x-ms-range", f"bytes={4 * MIB}-{8 * MIB - 1}")], 100),
    ):
        with step(f"8 connections in parallel are kept for {count} {name} each"):
            failures = []
            arguments = (daemon, target, fields, count, failures)
            threads = [threading.Thread(target=keep_reading, args=arguments) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(failures, [])
            equal(daemon.metric('blobproxy_errors_total{kind="client_gone"}'), 0)


def continue_steps(daemon):
    for size in (0, 1000, 6 * MIB):
        with step(f"100-continue before a body of {size} B is sent"):
            data = os.urandom(size)
            whole = put_blob("/box/expected", data, [("Expect", "100-continue")])
            with Connection(daemon.address) as connection:
                connection.send(whole[: len(whole) - size])
                if size:
                    connection.read_head().must_be(100)
                    connection.send(data)
                connection.read_answer("PUT").must_be(201)
                equal(connection.exchange(request("GET", "/box/expected")).must_be(200).body == data, True)
    with step("a refusal may come instead of 100, and framing stays sound"):
        whole = put_blob("/box/expected", bytes(1000), [("Expect", "100-continue")], key="AAAA" * 21 + "AA==")
        with Connection(daemon.address) as connection:
            answer = connection.send(whole[:-1000]).read_head()
            if answer.status == 100:
                answer = connection.send(bytes(1000)).read_answer("PUT")
            answer.must_be(403, "AuthenticationFailed")
        daemon.must_serve()


def body_steps(daemon):
    with step("HEAD has the length of the blob and no body"):
        with Connection(daemon.address) as connection:
            equal(connection.exchange(request("HEAD", "/box/serves"), "HEAD").must_be(200).header("Content-Length"), "3")
            equal(connection.exchange(request("GET", "/box/serves")).must_be(200).body, b"yes")
    with step("304 has no body and the connection goes on"):
        with Connection(daemon.address) as connection:
            etag = connection.exchange(request("GET", "/box/serves")).must_be(200).header("ETag")
            connection.exchange(request("GET", "/box/serves", [("If-None-Match", etag)])).must_be(304)
            equal(connection.exchange(request("GET", "/box/serves")).must_be(200).body, b"yes")
    with step("a blob larger than a slot, with both range headers and open ends"):
        data = os.urandom(30 * MIB + 17)
        daemon.upload("/box/large", data)
        equal(daemon.exchange(request("GET", "/box/large")).must_be(200).body == data, True)
        for name, first, last in (("Range", 5, ""), ("x-ms-range", MIB, 25 * MIB), ("Range", 8 * MIB - 1, 8 * MIB)):
            answer = daemon.exchange(request("GET", "/box/large", [(name, f"bytes={first}-{last}")])).must_be(206)
            end = len(data) - 1 if last == "" else last
            equal(answer.header("Content-Range"), f"bytes {first}-{end}/{len(data)}")
            equal(answer.body == data[first : end + 1], True)
    with step("one Put Blob larger than a slot"):
        data = os.urandom(20 * MIB + 3)
        daemon.exchange(put_blob("/box/single", data), "PUT").must_be(201)
        equal(daemon.exchange(request("GET", "/box/single")).must_be(200).body == data, True)
    with step("x-ms-range wins over Range"):
        fields = [("Range", "bytes=0-0"), ("x-ms-range", "bytes=1-2")]
        equal(daemon.exchange(request("GET", "/box/serves", fields)).must_be(206).body, b"es")
    with step("PUT without Content-Length is 411"):
        data = f"PUT /{ACCOUNT}/box/x HTTP/1.1\r\nHost: 127.0.0.1\r\nx-ms-blob-type: BlockBlob\r\nConnection: close\r\n\r\n".encode()
        daemon.exchange(data, "PUT").must_be((403, 411, 401, 404))


def raw_name_steps(daemon):
    names = ["a%2Bb+c", "%41lpha", "a//b///c", "dot/%2e%2e/x", "..%252e/x", "end.", "end/", "q%3Fm%23", "%C3%BC", "~'()!*", "a%5Cb"]
    for name in names:
        with step(f"raw path {name} is kept as it is signed"):
            daemon.exchange(put_blob(f"/box/raw-{name}", name.encode()), "PUT").must_be(201)
            equal(daemon.exchange(request("GET", f"/box/raw-{name}")).must_be(200).body.decode(), name)
    with step("query parameters in any order, case and escape"):
        target = "/box?PREFIX=raw-%41lpha&comp=list&restype=container&maxresults=5"
        assert b"<Name>raw-Alpha</Name>" in daemon.exchange(request("GET", target)).must_be(200).body
    with step("'+' in a query value is a blank, as the service reads it"):
        daemon.exchange(put_blob("/box/a%20blank/x", b"x"), "PUT").must_be(201)
        answer = daemon.exchange(request("GET", "/box?restype=container&comp=list&prefix=a+blank/"))
        assert b"<Name>a blank/x</Name>" in answer.must_be(200).body, answer
    with step("metadata values and repeated reads are byte for byte"):
        value = "".join(chr(code) for code in range(0x21, 0x7F))
        daemon.exchange(put_blob("/box/meta", b"m", [("x-ms-meta-all", value), ("x-ms-meta-a_b", "1")]), "PUT").must_be(201)
        answer = daemon.exchange(request("HEAD", "/box/meta"), "HEAD").must_be(200)
        equal((answer.header("x-ms-meta-all"), answer.header("x-ms-meta-a_b")), (value, "1"))
    with step("an unknown x-ms-version and an unknown header are no obstacle"):
        daemon.exchange(request("GET", "/box/serves", [("x-unknown", "1")], version="2099-12-31")).must_be(200)
        echoed = daemon.exchange(request("GET", "/box/serves", [("x-ms-client-request-id", "my id 1")])).must_be(200)
        equal(echoed.header("x-ms-client-request-id"), "my id 1")


def listener_steps(daemon):
    with step("the Unix socket serves, with the permissions of the configuration"):
        equal(stat.S_IMODE(os.stat(daemon.unix).st_mode), 0o660)
        equal(one(daemon.unix, request("GET", "/box/serves", host="localhost")).must_be(200).body, b"yes")
    if has_ipv6():
        with step("[::1] serves"):
            equal(one(("::1", daemon.port), request("GET", "/box/serves", host=f"[::1]:{daemon.port}")).must_be(200).body, b"yes")
    else:
        skip("[::1] serves", "this machine has no IPv6 loopback")
    for host in (f"127.0.0.1:{daemon.port}", "localhost", f"{ACCOUNT}.blob.localhost:{daemon.port}", f"{ACCOUNT}.BLOB.localhost"):
        with step(f"Host: {host.replace(str(daemon.port), 'PORT')} is known"):
            equal(daemon.exchange(request("GET", "/box/serves", host=host)).must_be(200).body, b"yes")
    with step("the metrics listener does not answer a web page's own name that leads here, either"):
        data = "GET /status HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
        address = ("127.0.0.1", daemon.metrics_port)
        one(address, data.format(f"rebound.example:{daemon.metrics_port}").encode()).must_be(421)
        one(address, data.format(f"localhost:{daemon.metrics_port}").encode()).must_be(200)


def main():
    with Daemon() as daemon:
        daemon.make_container()
        daemon.must_serve()
        persistence_steps(daemon)
        parallel_steps(daemon)
        continue_steps(daemon)
        body_steps(daemon)
        raw_name_steps(daemon)
        listener_steps(daemon)
        with step("nothing is left busy"):
            daemon.wait_idle()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
