#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The way past the channel: what goes upstream and why, what is never done twice, and what happens when nobody answers there."""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import sys
import tempfile

import rawhttp
from harness import BUILD, Daemon, equal, finish, freeze, note, skip, step, wait_for
from httpsserver import HttpsServer, make_certificates
from rawhttp import Closed, Connection, put_blob, request
from tls import TlsDaemon

SLOT = "[slots]\nlarge = 4\nlarge_bytes = 256K\n"
ONE_SHARD = "[limits]\nshards = 1\nslot_timeout = 2s\n"
HOST_STYLE = f"{rawhttp.ACCOUNT}.blob.localhost"


class NoHost(Daemon):
    """Without a host until start_host() is called."""

    def __enter__(self):
        try:
            self.is_emulated = False
            self.start()
            self.wait_ready()
        except BaseException:
            self._end()
            raise
        return self


def upstream_section(server, ca=None, more=""):
    return f"[upstream]\nfallback = https\nurl = {server.url}\nca_file = {ca or server.ca}\nconnect_timeout = 2s\n{more}"


@contextlib.contextmanager
def upstream():
    directory = tempfile.mkdtemp(prefix="blobproxy-upstream-")
    try:
        with HttpsServer(directory) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def wait_for_channels(daemon):
    """Until then requests go upstream."""
    wait_for(lambda: lines_of(daemon, "ready"), "channels of all shards")


def routed(daemon, reason):
    return daemon.metric(f'blobproxy_routed_exchanges_total{{route="upstream",reason="{reason}"}}')


def must_be_routed(daemon, reason, count):
    """It is counted when the exchange is over, a little after the client has the last byte."""
    wait_for(lambda: routed(daemon, reason) == count, f"{count} exchanges for {reason}")


def lines_of(daemon, event):
    return [line for line in daemon.proxy.output().splitlines() if re.search(rf"\b{event}\b", line)]


def must_be_signed_for(seen, server):
    """The endpoint can verify what it got: host style, signed with the account's key."""
    equal(seen.header("Host"), f"{rawhttp.ACCOUNT}.blob.localhost:{server.port}")
    text = rawhttp.string_to_sign(seen.method, seen.target, seen.headers, rawhttp.ACCOUNT)
    equal(seen.header("Authorization"), f"SharedKey {rawhttp.ACCOUNT}:{rawhttp.signature(text)}")


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def ends_clean(stream):
    try:
        while stream.recv(1 << 16):
            pass
        return True
    except (ConnectionResetError, ssl.SSLError):
        return False


class NoHostTls(NoHost, TlsDaemon):
    pass


def without_a_channel():
    with upstream() as server, NoHostTls(upstream_section(server) + SLOT) as daemon:
        with step("without a channel a write and a read go upstream, signed anew for it"):
            answer = daemon.exchange(put_blob("/box/small", b"hello", [("x-ms-meta-color", "blue")]), "PUT").must_be(201)
            equal(answer.header("x-ms-meta-way"), "upstream")
            equal(answer.header("x-ms-request-id"), "11111111-2222-3333-4444-555555555555")
            seen = server.requests("PUT")[-1]
            equal((seen.target, seen.header("x-ms-meta-color")), ("/box/small", "blue"))
            must_be_signed_for(seen, server)
            equal(daemon.exchange(request("GET", "/box/small")).must_be(200).body, b"hello")
            must_be_routed(daemon, "channel_down", 2)
        with step("a HEAD names the length and has no body"):
            answer = daemon.exchange(request("HEAD", "/box/small"), "HEAD").must_be(200)
            equal(answer.header("Content-Length"), "5")
        with step("... also one whose answer has no length, and the connection goes on"):
            chunked = [("Transfer-Encoding", "chunked"), ("x-ms-error-code", "BlobNotFound")]
            server.scripts["/box/chunked"] = lambda stream, seen: server.answer(stream, "404 Not Found", chunked, b"", True)
            with Connection(daemon.address) as connection:
                for _ in range(2):
                    connection.exchange(request("HEAD", "/box/chunked"), "HEAD").must_be(404, "BlobNotFound")
        with step("an error of the endpoint passes as it is"):
            answer = daemon.exchange(request("GET", "/box/none")).must_be(404, "BlobNotFound")
            equal(answer.header("Server"), "Recorded/1.0")
        with step("a host-style signature passes untouched"):
            data = request("GET", "/box/small", host=HOST_STYLE)
            sent = re.search(rb"Authorization: (\S+ \S+)\r\n", data).group(1).decode()
            equal(daemon.exchange(data).must_be(200).body, b"hello")
            equal(server.requests("GET")[-1].header("Authorization"), sent)
        with step("a body larger than a slot streams both ways"):
            body = os.urandom(3_000_000)
            daemon.exchange(put_blob("/box/large", body), "PUT").must_be(201)
            equal(daemon.exchange(request("GET", "/box/large")).must_be(200).body, body)
            answer = daemon.exchange(request("GET", "/box/large", [("x-ms-range", "bytes=100-2000099")])).must_be(206)
            equal(answer.body, body[100:2000100])
        with step("an answer of unknown length is streamed in chunks"):
            def chunked(stream, seen):
                server.answer(stream, "200 OK", [("Transfer-Encoding", "chunked")])
                for _ in range(40):
                    stream.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")
                stream.send(b"0\r\n\r\n")

            server.scripts["/box/chunked"] = chunked
            answer = daemon.exchange(request("GET", "/box/chunked")).must_be(200)
            equal((len(answer.body), answer.header("Transfer-Encoding")), (40 * 0x4000, "chunked"))
        with step("the endpoint's own 503 passes unchanged and opens no breaker"):
            server.scripts["/box/busy"] = lambda stream, seen: server.answer(
                stream, "503 Egress is over the account limit.", [("x-ms-error-code", "ServerBusy"), ("Retry-After", "7")], b"<x/>")
            for _ in range(7):
                answer = daemon.exchange(request("GET", "/box/busy")).must_be(503, "ServerBusy")
                equal((answer.header("Retry-After"), answer.body), ("7", b"<x/>"))
            daemon.exchange(request("GET", "/box/small")).must_be(200)
        with step("an answer that breaks off is never ended cleanly"):
            def broken(stream, seen):
                server.answer(stream, "200 OK", [("Content-Length", "100000")], bytes(50000))
                return False

            server.scripts["/box/broken"] = broken
            try:
                daemon.exchange(request("GET", "/box/broken"))
                raise AssertionError("a short answer was taken for a whole one")
            except Closed:
                pass
        with step("... nor to HTTP/1.0, which knows no chunks"):
            def unfinished(stream, seen):
                server.answer(stream, "200 OK", [("Transfer-Encoding", "chunked")])
                stream.send(b"5\r\nhello\r\n4000\r\nabc")
                return False

            server.scripts["/box/unfinished"] = unfinished
            server.scripts["/box/finished"] = chunked
            context = daemon.context()
            context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # set by default before Python 3.12
            for name, is_whole in (("finished", True), ("unfinished", False)):
                for address, is_tls in ((daemon.address, False), (daemon.tls, True)):
                    with socket.create_connection(address, 20) as stream:
                        if is_tls:
                            stream = context.wrap_socket(stream, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
                        stream.sendall(request("GET", f"/box/{name}").replace(b"HTTP/1.1", b"HTTP/1.0"))
                        equal((name, is_tls, ends_clean(stream)), (name, is_tls, is_whole))
                        stream.close()
        with step("Expect: 100-continue is served from upstream"):
            with Connection(daemon.address) as connection:
                head, _, body = put_blob("/box/expected", b"x" * 300000, [("Expect", "100-continue")]).partition(b"\r\n\r\n")
                connection.send(head + b"\r\n\r\n")
                equal(connection.read_head().status, 100)
                connection.send(body)
                connection.read_answer("PUT").must_be(201)
        with step("a host that comes takes over, one line tells of each change"):
            daemon.start_host()
            wait_for_channels(daemon)
            daemon.wait_idle()
            daemon.make_container()
            before = len(server.requests())
            daemon.must_serve()
            equal(len(server.requests()), before)
            shards = int(re.search(r"serving over the channel \(.*\), (\d+) shards", daemon.proxy.output()).group(1))
            equal(len(lines_of(daemon, "route-changed")), 2 * shards)


def larger_than_a_slot():
    with upstream() as server, Daemon(upstream_section(server) + SLOT) as daemon:
        wait_for_channels(daemon)
        daemon.make_container()
        with step("a sealed Put Blob that no slot takes goes upstream untouched"):
            body = os.urandom(2_000_000)
            key = "c2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="
            data = put_blob("/box/sealed", body, host="otheraccount.blob.localhost", account="otheraccount", key=key)
            sent = re.search(rb"Authorization: (\S+ \S+)\r\n", data).group(1).decode()
            daemon.exchange(data, "PUT").must_be(201)
            seen = server.requests("PUT")[-1]
            equal((seen.header("Authorization"), seen.digest.hexdigest()), (sent, hashlib.md5(body).hexdigest()))
            must_be_routed(daemon, "body_size", 1)
        with step("an Append Block that no slot takes goes upstream, once"):
            daemon.exchange(request("PUT", "/box/log?comp=appendblock", (), body), "PUT").must_be(201)
            equal(server.appends["/box/log"], 1)
        with step("a Put Blob over an append blob, which blocks cannot replace, goes upstream whole"):
            daemon.exchange(request("PUT", "/box/other", [("x-ms-blob-type", "AppendBlob")]), "PUT").must_be(201)
            daemon.exchange(put_blob("/box/other", body), "PUT").must_be(201)
            equal(server.requests("PUT")[-1].digest.hexdigest(), hashlib.md5(body).hexdigest())
            must_be_routed(daemon, "blocks_refused", 1)
        with step("one in blocks that nothing stands against stays with the host"):
            before = len(server.requests())
            daemon.exchange(put_blob("/box/blocks", body), "PUT").must_be(201)
            equal(daemon.exchange(request("GET", "/box/blocks")).must_be(200).body, body)
            equal(len(server.requests()), before)
        with step("what a slot takes stays with the host"):
            before = len(server.requests())
            daemon.must_serve()
            equal(len(server.requests()), before)


def killed_in_the_middle():
    with upstream() as server, Daemon(upstream_section(server) + SLOT + ONE_SHARD, is_emulated=False) as daemon:
        wait_for_channels(daemon)
        daemon.make_container()
        body = os.urandom(6_000_000)
        daemon.upload("/box/long", body, 200_000)
        etag = daemon.exchange(request("HEAD", "/box/long"), "HEAD").must_be(200).header("ETag")
        server.blobs["/box/long"] = body
        server.etag = lambda path: etag if path == "/box/long" else '"e"'
        with step("a download whose channel is lost goes on upstream, pinned to its ETag"):
            with Connection(daemon.address) as connection:
                connection.send(request("GET", "/box/long"))
                head = connection.read_head().must_be(200)
                equal(head.header("Content-Length"), str(len(body)))
                got = connection.read_exactly(100_000)
                daemon.host.stop(signal.SIGKILL)
                got += connection.read_exactly(len(body) - len(got))
            assert got == body, "wrong bytes"
            seen = server.requests("GET")[-1]
            equal(seen.header("If-Match"), etag)
            assert re.fullmatch(r"bytes=\d+-5999999", seen.header("x-ms-range")), seen.headers
            must_be_signed_for(seen, server)
            must_be_routed(daemon, "channel_lost", 1)
        with step("nothing is left busy after it"):
            daemon.wait_idle()


def stopped_host():
    """A host that has the transfer and never answers, then dies."""
    with upstream() as server, Daemon(upstream_section(server) + SLOT + ONE_SHARD, is_emulated=False) as daemon:
        wait_for_channels(daemon)
        daemon.make_container()
        daemon.exchange(request("PUT", "/box/log", [("x-ms-blob-type", "AppendBlob")]), "PUT").must_be(201)
        daemon.exchange(put_blob("/box/read", b"from the host"), "PUT").must_be(201)
        server.blobs["/box/read"] = b"from upstream"
        freeze(daemon.host.pid)
        with Connection(daemon.address) as get, Connection(daemon.address) as put, Connection(daemon.address) as append:
            get.send(request("GET", "/box/read"))
            put.send(put_blob("/box/put", b"once or twice"))
            append.send(request("PUT", "/box/log?comp=appendblock", (), b"never twice"))
            wait_for(lambda: daemon.metric("blobproxy_transfers_in_flight") == 3, "three transfers")
            daemon.host.stop(signal.SIGKILL)
            with step("a read that was lost with its channel is answered from upstream"):
                equal(get.read_answer().must_be(200).body, b"from upstream")
            with step("a Put Blob without conditions, too, with its body from the slot"):
                put.read_answer("PUT").must_be(201)
                equal(server.blobs["/box/put"], b"once or twice")
            with step("an Append Block is not executed a second time"):
                append.read_answer("PUT").must_be_azure_error(500, "OperationTimedOut")
                equal(server.appends["/box/log"], 0)
        with step("the next Append Block goes upstream, where it runs once"):
            daemon.exchange(request("PUT", "/box/log?comp=appendblock", (), b"next"), "PUT").must_be(201)
            equal(server.appends["/box/log"], 1)
        with step("an Append Block whose connection upstream dies is not sent again"):
            def dies(stream, seen):
                server.take_body(stream, seen)
                server.appends["/box/dies"] += 1
                return False

            server.scripts["/box/dies"] = dies
            answer = daemon.exchange(request("PUT", "/box/dies?comp=appendblock", (), b"x"), "PUT")
            answer.must_be_azure_error(500, "OperationTimedOut")
            equal(server.appends["/box/dies"], 1)
        with step("nothing is left busy after a lost host"):
            daemon.wait_idle()


def breaker():
    section = "breaker_failures = 3\nbreaker_time = 300ms\n"
    with upstream() as server:
        wrong, _ = make_certificates(server.ca.parent, "wrong")
        patient = "breaker_failures = 3\nbreaker_time = 1h\n"
        with NoHost(upstream_section(server, wrong, patient) + ONE_SHARD) as daemon:
            with step("an endpoint with a certificate of another authority is never used: 503, and its breaker opens with one line"):
                for _ in range(6):
                    answer = daemon.exchange(request("GET", "/box/b")).must_be_azure_error(503, "ServerBusy")
                    assert int(answer.header("Retry-After")) > 0
                equal(len(server.requests()), 0)
                states = [re.search(r"state=(\S+)", line).group(1) for line in lines_of(daemon, "upstream-breaker")]
                equal(states, ["open"])
                equal(daemon.metric('blobproxy_breaker_changes_total{state="open"}'), 1)
                equal(daemon.metric("blobproxy_upstream_failures_total"), 3)
        with NoHost(upstream_section(server, None, section) + ONE_SHARD) as daemon:
            server.blobs["/box/b"] = b"here"
            with step("an endpoint that is away opens the breaker"):
                server.stop()
                for _ in range(3):
                    daemon.exchange(request("GET", "/box/b")).must_be_azure_error(503, "ServerBusy")
                equal(daemon.metric('blobproxy_breakers{state="open"}'), 1)
                equal(daemon.metric("blobproxy_upstream_failures_total"), 3)
            with step("one that is back is found by a probe"):
                server.start()
                wait_for(lambda: daemon.exchange(request("GET", "/box/b")).status == 200, "answer")
                equal(daemon.metric('blobproxy_breakers{state="open"}'), 0)
                equal(daemon.metric('blobproxy_breaker_changes_total{state="closed"}'), 1)
                daemon.wait_idle()


def clients_that_leave():
    with upstream() as server, NoHost(upstream_section(server) + ONE_SHARD) as daemon:
        with step("a client that leaves in the middle of an upload leaves nothing committed"):
            with Connection(daemon.address) as connection:
                connection.send(put_blob("/box/left", b"x" * 500_000, length=1_000_000))
                server.wait_for(lambda: server.seen and server.seen[-1].body_bytes > 0, "bytes upstream")
            server.wait_for(lambda: server.seen[-1].is_cut, "end of the request upstream")
            assert "/box/left" not in server.blobs
        with step("a client that leaves in the middle of a download ends it upstream"):
            server.blobs["/box/huge"] = 1 << 30
            with Connection(daemon.address) as connection:
                connection.send(request("GET", "/box/huge"))
                connection.read_head().must_be(200)
                connection.read_exactly(1 << 20)
            server.wait_for(lambda: not server.streams, "end of the connection upstream")
        with step("nothing is left busy after them"):
            daemon.wait_idle()
            equal(daemon.metric("blobproxy_upstream_exchanges_in_flight"), 0)


def stopped_in_the_middle():
    with upstream() as server, NoHost(upstream_section(server) + ONE_SHARD + "drain_timeout = 500ms\n") as daemon:
        server.blobs["/box/huge"] = 1 << 30
        server.scripts["/box/silent"] = lambda stream, seen: stream.file.read(1) and False
        with Connection(daemon.address) as reader, Connection(daemon.address) as waiter, Connection(daemon.address) as writer:
            reader.send(request("GET", "/box/huge"))
            reader.read_head().must_be(200)
            waiter.send(request("GET", "/box/silent"))
            writer.send(put_blob("/box/cut", b"x" * 100_000, length=200_000))
            server.wait_for(lambda: len(server.seen) == 3, "three requests upstream")
            with step("a stop cuts what does not end, also upstream, and commits nothing"):
                daemon.wanted_exit = daemon.proxy.stop()
                assert daemon.wanted_exit >= 0, "ended by a signal"
                server.wait_for(lambda: not server.streams, "end of the connections upstream")
                assert "/box/cut" not in server.blobs


def flat_memory(gib=1):
    size = gib << 30
    if "san" in BUILD.name:
        skip("flat memory", "a sanitizer keeps what was freed")
        return
    with upstream() as server, NoHost(upstream_section(server) + ONE_SHARD) as daemon:
        server.blobs["/box/huge"] = size
        daemon.exchange(request("GET", "/box/huge", [("x-ms-range", "bytes=0-8388607")])).must_be(206)
        before = rss_kib(daemon.proxy.pid)
        with step(f"a download of {gib} GiB streams in flat memory"):
            with Connection(daemon.address, 60) as connection:
                connection.send(request("GET", "/box/huge"))
                equal(connection.read_head().must_be(200).header("Content-Length"), str(size))
                for _ in range(size >> 22):
                    connection.read_exactly(1 << 22)
            grown = rss_kib(daemon.proxy.pid) - before
            note(f"{grown} KiB more")
            assert grown < 8192, f"{grown} KiB more"
        with step(f"an upload of {gib} GiB streams in flat memory"):
            with Connection(daemon.address, 60) as connection:
                connection.send(put_blob("/box/up", b"", length=size))
                piece = bytes(1 << 22)
                for _ in range(size >> 22):
                    connection.send(piece)
                connection.read_answer("PUT").must_be(201)
            equal(server.blobs["/box/up"], size)
            grown = rss_kib(daemon.proxy.pid) - before
            note(f"{grown} KiB more")
            assert grown < 8192, f"{grown} KiB more"


def main():
    without_a_channel()
    larger_than_a_slot()
    killed_in_the_middle()
    stopped_host()
    breaker()
    clients_that_leave()
    stopped_in_the_middle()
    flat_memory()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
