#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The TLS listener: what it serves and refuses, slow and broken clients, large bodies, and certificates that change under load."""

import contextlib
import hashlib
import http.client
import os
import pathlib
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings

from harness import BUILD, ROOT, Daemon, equal, finish, free_port, has_ipv6, skip, step, wait_for
from operations import answer_bytes, check_request
from rawhttp import ACCOUNT, Closed, Connection, one, put_blob, request
from recorder import Recorder
from tokens import account_sas, plain

HOST_STYLE = f"{ACCOUNT}.blob.localhost"
QUICK = "[limits]\nheader_timeout = 1s\nbody_grace = 2s\nbody_rate = 64K\n[log]\nlevel = debug\n"
CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(40)  # the beginning of one


class TlsDaemon(Daemon):
    """A blobproxyd with a TLS listener and a certificate made by scripts/local-ca."""

    def __init__(self, config="", **more):
        super().__init__(config, **more)
        self.tls_port = free_port()
        self.tls = ("127.0.0.1", self.tls_port)
        self.ca = pathlib.Path(self.directory) / "ca"
        self.renew()
        self.config += f"\n[tls]\ncertificate = {self.ca}/tls.crt\nkey = {self.ca}/tls.key\n"
        self.arguments = [*self.arguments, "--listen-tls", f"127.0.0.1:{self.tls_port}"]
        if has_ipv6():
            self.arguments += ["--listen-tls", f"[::1]:{self.tls_port}"]

    def renew(self):
        subprocess.run([ROOT / "scripts/local-ca", self.ca], check=True, stdout=subprocess.DEVNULL, timeout=60)

    def context(self):
        return ssl.create_default_context(cafile=self.ca / "ca.crt")

    def connect(self, **more):
        more.setdefault("context", self.context())
        return Connection(self.tls, **more)

    def over_tls(self, data, method="GET", **more):
        with self.connect(**more) as connection:
            return connection.exchange(data, method)

    def handshakes(self, result):
        return self.metric(f'blobproxy_tls_handshakes_total{{result="{result}"}}')

    def wait_handshakes(self, result, count):
        wait_for(lambda: self.handshakes(result) >= count, f"{count} handshakes {result}")

    def wait_no_tls(self):
        wait_for(lambda: self.metric("blobproxy_tls_connections") == 0, "end of the TLS connections")

    def serial(self):
        with self.connect() as connection:
            return connection.socket.getpeercert()["serialNumber"]

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.proxy.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def reload(self, event):
        """SIGHUP, until the log has one more line of that event."""
        before = self.proxy.output().count(f" {event} ")
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.proxy.output().count(f" {event} ") > before, event)


def serving_steps(daemon):
    with step("path style over TLS, the certificate names 127.0.0.1"):
        daemon.over_tls(put_blob("/box/one", b"over tls"), "PUT").must_be(201)
        equal(daemon.over_tls(request("GET", "/box/one")).must_be(200).body, b"over tls")
    with step("host style over TLS, the certificate names the account's host"):
        data = request("GET", "/box/one", host=HOST_STYLE)
        equal(daemon.over_tls(data, name=HOST_STYLE).must_be(200).body, b"over tls")
    if has_ipv6():
        with step("over [::1]"):
            with Connection(("::1", daemon.tls_port), context=daemon.context()) as connection:
                connection.exchange(request("GET", "/box/one")).must_be(200)
    else:
        skip("over [::1]", "no IPv6 here")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with step(f"{version.name} is spoken, and HTTP/1.1 chosen"):
            context = daemon.context()
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            with daemon.connect(context=context) as connection:
                equal(connection.socket.selected_alpn_protocol(), "http/1.1")
                connection.exchange(request("GET", "/box/one")).must_be(200)
    with step("TLS 1.1 is refused"):
        context = daemon.context()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore") if sys.version_info >= (3, 11) else contextlib.nullcontext():
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        before = daemon.handshakes("failed")
        try:
            daemon.connect(context=context).close()
            raise AssertionError("was accepted")
        except ssl.SSLError:
            pass
        daemon.wait_handshakes("failed", before + 1)
    with step("Python's HTTPS client"):
        client = http.client.HTTPSConnection("127.0.0.1", daemon.tls_port, timeout=20, context=daemon.context())
        for _ in range(3):
            client.request("GET", f"/{ACCOUNT}/box/one")
            equal(client.getresponse().read() != b"", True)
        client.close()
    if shutil.which("curl"):
        with step("curl, which closes with a goodbye"):
            sas = subprocess.run([ROOT / "scripts/account-sas"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
            url = f"https://127.0.0.1:{daemon.tls_port}/{ACCOUNT}/box/one?{sas.stdout.strip()}"
            arguments = ["curl", "--silent", "--noproxy", "*", "--cacert", daemon.ca / "ca.crt", "--max-time", "20", url]
            equal(subprocess.run(arguments, capture_output=True, timeout=30).stdout, b"over tls")
    else:
        skip("curl", "not installed")


def protocol_steps(daemon):
    with step("a bearer token goes the same way over TLS as without it, and is not logged"):
        data = f"GET /{ACCOUNT}/box/one HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer e30.sometoken\r\nx-ms-version: 2021-12-02\r\n\r\n"
        plain, secure = daemon.exchange(data.encode()), daemon.over_tls(data.encode())
        equal((secure.status, secure.code), (plain.status, plain.code))
        assert secure.status in (401, 403), secure
        assert "sometoken" not in daemon.proxy.output()
    with step("without authorization there is no more than without TLS"):
        data = f"GET /{ACCOUNT}/box/one HTTP/1.1\r\nHost: 127.0.0.1\r\nx-ms-version: 2021-12-02\r\n\r\n".encode()
        equal(daemon.over_tls(data).status, daemon.exchange(data).status)
        assert daemon.over_tls(data).status >= 400
    with step("the first head is guarded as it came: two Content-Length"):
        data = f"PUT /{ACCOUNT}/box/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc".encode()
        with daemon.connect() as connection:
            connection.exchange(data, "PUT").must_be_azure_error(400)
            connection.must_close()
    with step("100 pipelined requests, answered in order"):
        with daemon.connect() as connection:
            for number in range(10):
                connection.exchange(put_blob(f"/box/n{number}", b"%d" % number), "PUT").must_be(201)
            connection.send(b"".join(request("GET", f"/box/n{number % 10}") for number in range(100)))
            equal([connection.read_answer().body for _ in range(100)], [b"%d" % (number % 10) for number in range(100)])
    with step("a request in records of one byte"):
        with daemon.connect() as connection:
            for byte in put_blob("/box/bytes", b"slowly"):
                connection.send(bytes([byte]))
            connection.read_answer("PUT").must_be(201)
            equal(connection.exchange(request("GET", "/box/bytes")).must_be(200).body, b"slowly")
    with step("100-continue"):
        body = os.urandom(300000)
        data = put_blob("/box/continue", body, [("Expect", "100-continue")])
        head, rest = data[: -len(body)], data[-len(body) :]
        with daemon.connect() as connection:
            connection.send(head)
            equal(connection.read_head().status, 100)
            connection.send(rest).read_answer("PUT").must_be(201)
            equal(connection.exchange(request("GET", "/box/continue")).must_be(200).body, body)
    with step("HEAD, 304 and 416 on one connection"):
        with daemon.connect() as connection:
            answer = connection.exchange(request("HEAD", "/box/one"), "HEAD").must_be(200)
            headers = [("If-None-Match", answer.header("ETag"))]
            connection.exchange(request("GET", "/box/one", headers)).must_be(304)
            connection.exchange(request("GET", "/box/one", [("Range", "bytes=900-")])).must_be(416)
            connection.exchange(request("GET", "/box/one")).must_be(200)
    with step("a refused body of 8 MiB: the client reads the answer, no reset"):
        with daemon.connect() as connection:
            connection.send_what_goes(put_blob("/box/no", bytes(8 << 20), key="AAAA")).read_answer("PUT").must_be_azure_error(403)


def put_in_pieces(connection, target, body):
    connection.send(put_blob(target, b"", length=len(body)))
    for at in range(0, len(body), 1 << 20):
        connection.send(body[at : at + (1 << 20)])
    return connection.read_answer("PUT")


def large_steps(daemon):
    body = os.urandom(1 << 20) * 64
    digest = hashlib.sha256(body).digest()
    with step("a Put Blob of 64 MiB and its Get Blob, both in parts"):
        with daemon.connect(timeout=60) as connection:
            put_in_pieces(connection, "/box/large", body).must_be(201)
            equal(hashlib.sha256(connection.exchange(request("GET", "/box/large")).must_be(200).body).digest(), digest)
            connection.exchange(request("GET", "/box/one")).must_be(200)
    with step("eight clients that read 64 MiB at a time"):
        failures = []

        def read_it():
            try:
                with daemon.connect(timeout=60) as connection:
                    equal(hashlib.sha256(connection.exchange(request("GET", "/box/large")).must_be(200).body).digest(), digest)
            except Exception as error:
                failures.append(repr(error))

        run_together([read_it] * 8)
        equal(failures, [])
    with step("a client that closes in the middle of its answer leaves nothing behind"):
        for _ in range(5):
            connection = daemon.connect()
            connection.send(request("GET", "/box/large")).read_exactly(100000)
            connection.reset()
        daemon.wait_no_tls()
        daemon.wait_idle()
    with step("a client that closes in the middle of its body leaves no blob"):
        connection = daemon.connect()
        connection.send(put_blob("/box/never", b"", length=64 << 20)).send(bytes(20 << 20))
        connection.reset()
        daemon.wait_no_tls()
        daemon.wait_idle()
        daemon.over_tls(request("GET", "/box/never")).must_be(404)


def run_together(functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def broken_steps(daemon):
    with step("plain HTTP is told to write https, and closed"):
        before = daemon.handshakes("plain")
        with Connection(daemon.tls) as connection:
            answer = connection.exchange(request("GET", "/box/one")).must_be_azure_error(400)
            assert b"https://" in answer.body, answer
            connection.must_close()
        daemon.wait_handshakes("plain", before + 1)
    with step("garbage in place of a handshake is closed"):
        for data in (b"\x16" + os.urandom(3000), b"\x16\x03\x01\x00\x05hello", os.urandom(1) + bytes(5000), b"\x00"):
            with Connection(daemon.tls) as connection:
                connection.send_what_goes(data).read_to_end()
        daemon.must_serve()
    with step("a handshake that stops is closed at the deadline, and costs no time meanwhile"):
        before, spent, begun = daemon.handshakes("deadline"), daemon.cpu_s(), time.monotonic()
        with Connection(daemon.tls) as connection:
            connection.send(CLIENT_HELLO).must_close()
        took = time.monotonic() - begun
        assert 0.9 <= took < 5, took
        assert daemon.cpu_s() - spent < 0.3, daemon.cpu_s() - spent
        equal(daemon.handshakes("deadline"), before + 1)
    with step("a handshake in drips ends at the same deadline"):
        begun = time.monotonic()
        with Connection(daemon.tls) as connection:
            try:
                for byte in CLIENT_HELLO * 20:
                    connection.send(bytes([byte]))
                    connection.socket.settimeout(0.1)
                    try:
                        assert not connection.socket.recv(1)
                        break
                    except socket.timeout:
                        pass
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert 0.9 <= time.monotonic() - begun < 5
    with step("clients that vanish in the handshake are forgotten"):
        before = daemon.handshakes("gone")
        for _ in range(20):
            connection = Connection(daemon.tls)
            connection.send(CLIENT_HELLO)
            connection.close()
        daemon.wait_handshakes("gone", before + 20)
    with step("a header in drips is cut at its deadline, over TLS too"):
        with daemon.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: x")
            assert connection.read_to_end() is not None
            daemon.wait_no_tls()
    with step("a client that reads nothing is cut, and its tunnel ends"):
        before = daemon.metric('blobproxy_errors_total{kind="send_deadline"}')
        daemon.upload("/box/unread", os.urandom(1 << 20) * 32)
        with daemon.connect() as connection:
            connection.send(request("GET", "/box/unread"))
            wait_for(lambda: daemon.metric('blobproxy_errors_total{kind="send_deadline"}') > before, "cut")
            daemon.wait_no_tls()
        daemon.wait_idle()
    with step("it serves after all of that"):
        daemon.must_serve()
        daemon.over_tls(request("GET", "/box/serves")).must_be(200)


def idle_steps(daemon):
    count = 1000
    with step(f"{count} idle TLS connections, and a request beside them"):
        context = daemon.context()
        idle = [daemon.connect(context=context) for _ in range(count)]
        wait_for(lambda: daemon.metric("blobproxy_tls_connections") == count, "the last handshake")
        spent, begun = daemon.cpu_s(), time.monotonic()
        for connection in idle[::100]:
            connection.exchange(request("GET", "/box/one")).must_be(200)
        assert time.monotonic() - begun < 5
        wait_for(lambda: time.monotonic() - begun > 1, "a second")
        assert daemon.cpu_s() - spent < 0.5, daemon.cpu_s() - spent
        for connection in idle:
            connection.close()
        daemon.wait_no_tls()
    with step("connections that never say a word cost no session and are counted"):
        silent = [socket.create_connection(daemon.tls) for _ in range(100)]
        wait_for(lambda: daemon.metric("blobproxy_connections") >= 100, "connections")
        equal(daemon.metric("blobproxy_tls_connections"), 0)
        for connection in silent:
            connection.close()
        wait_for(lambda: daemon.metric("blobproxy_connections") == 0, "end of the connections")


def certificate_steps(daemon):
    with step("a new certificate under load: new connections get it, open ones go on"):
        stop, failures, done = threading.Event(), [], []

        def load():
            try:
                with daemon.connect() as connection:
                    while not stop.is_set():
                        connection.exchange(request("GET", "/box/one")).must_be(200)
                        done.append(1)
            except Exception as error:
                failures.append(repr(error))

        before = daemon.serial()
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            daemon.renew()
            daemon.reload("reloaded")
            wait_for(lambda: daemon.serial() != before, "new certificate")
            before, so_far = daemon.serial(), len(done)
            wait_for(lambda: len(done) > so_far + 20 or failures, "requests after the reload")
        stop.set()
        for thread in threads:
            thread.join()
        equal(failures, [])
    with step("a key that is not the certificate's: the reload is refused in one line, the old pair stays"):
        before, good = daemon.serial(), (daemon.ca / "tls.key").read_bytes()
        (daemon.ca / "tls.key").write_bytes((daemon.ca / "ca.key").read_bytes())
        daemon.reload("reload-failed")
        assert "not the key of the certificate" in daemon.proxy.output()
        equal((daemon.serial(), daemon.metric("blobproxy_config_last_reload_success")), (before, 0))
        daemon.over_tls(request("GET", "/box/one")).must_be(200)
    with step("so is one that others can read, and one that is missing"):
        (daemon.ca / "tls.key").chmod(0o644)
        daemon.reload("reload-failed")
        (daemon.ca / "tls.key").unlink()
        daemon.reload("reload-failed")
        equal(daemon.serial(), before)
    with step("the right key back: the reload is taken"):
        (daemon.ca / "tls.key").write_bytes(good)
        (daemon.ca / "tls.key").chmod(0o600)
        daemon.reload("reloaded")
        equal((daemon.serial(), daemon.metric("blobproxy_config_last_reload_success")), (before, 1))
        expires = daemon.metric("blobproxy_tls_certificate_expiry_timestamp_seconds")
        assert 360 * 86400 < expires - time.time() < 366 * 86400, expires
    with step("a name that no certificate can have is named, and the pair stays"):
        before = (daemon.ca / "tls.crt").read_bytes()
        command = [ROOT / "scripts/local-ca", "--name=example.org:443", daemon.ca]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        equal((run.returncode, run.stdout, (daemon.ca / "tls.crt").read_bytes()), (1, "", before))
        assert "IP:example.org:443" in run.stderr and "--name" in run.stderr, run.stderr
    with step("--check-config looks at certificate and key"):
        config = pathlib.Path(daemon.directory) / "check.conf"
        command = [BUILD / "blobproxyd", "--config", config, "--check-config"]
        for name, code in (("tls.key", 0), ("ca.key", 2)):
            config.write_text(f"[listen]\ntls = 127.0.0.1:1\n[tls]\ncertificate = {daemon.ca}/tls.crt\nkey = {daemon.ca}/{name}\n")
            equal(subprocess.run(command, capture_output=True, timeout=20).returncode, code)


def token_steps():
    """Tokens are what SDKs send over TLS alone."""
    with Recorder() as recorder, TlsDaemon(backend=recorder.url) as daemon:
        body = os.urandom(100000)
        fields = [("Authorization", "Bearer eyJh.e30.c2ln-_~+/="), ("x-ms-client-request-id", "1-2"), ("X-Odd", "")]
        for target, host in ((f"/{ACCOUNT}/box/a%20b?x=%2b&y", "127.0.0.1"), ("/box/a%20b?x=%2b&y", HOST_STYLE)):
            with step(f"a Bearer request over TLS reaches the host unchanged, Host: {host}"), daemon.connect(name=host) as connection:
                read = plain("GET", target, fields, host=f"{host}:{daemon.tls_port}")
                write = plain("PUT", target, [*fields, ("x-ms-blob-type", "BlockBlob")], body, host=f"{host}:{daemon.tls_port}")
                for method, data, sent, status in (("GET", read, b"", 200), ("PUT", write, body, 201)):
                    recorder.answer(answer_bytes(status, [("ETag", '"1"')], b"ok"))
                    equal(connection.exchange(data, method).must_be(status).body, b"ok")
                    check_request(data, recorder.next_request(), "/box/a%20b?x=%2b&y", sent, False)
                recorder.must_be_silent()


def rights_steps():
    with TlsDaemon(f"[listen]\nunix_trusted_uids = {os.geteuid()}\nsas_https_over_loopback = no\n") as daemon:
        daemon.make_container()
        daemon.must_serve()
        data = plain("GET", f"/{ACCOUNT}/box/serves")
        with step("a user trusted on the Unix socket is a stranger over TLS, though a tunnel ends in a Unix socket, too"):
            one(daemon.unix, data).must_be(200)
            daemon.over_tls(data).must_be_azure_error(404, "ResourceNotFound")
        with step("spr=https is taken over TLS where the loopback does not count"):
            data = plain("GET", f"/{ACCOUNT}/box/serves?{account_sas(protocol='https')}")
            daemon.exchange(data).must_be_azure_error(403, "AuthorizationProtocolMismatch")
            daemon.over_tls(data).must_be(200)


def drain_steps():
    with TlsDaemon() as daemon:
        daemon.make_container()
        body = os.urandom(1 << 20) * 16
        daemon.upload("/box/large", body)
        with step("a stop lets an answer under way come to its end, to the last byte"):
            with daemon.connect(timeout=60) as connection:
                connection.send(request("GET", "/box/large"))
                answer = connection.read_head()
                daemon.proxy.process.send_signal(signal.SIGTERM)
                wait_for(lambda: " draining " in daemon.proxy.output(), "drain")
                equal(connection.read_exactly(int(answer.header("Content-Length"))), body)
                connection.must_close()
            equal(daemon.proxy.wait(), 0)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    with TlsDaemon("[log]\nlevel = debug\n") as daemon:
        daemon.make_container()
        for steps in (serving_steps, protocol_steps, large_steps, idle_steps, certificate_steps):
            steps(daemon)
    with TlsDaemon(QUICK) as daemon:
        daemon.make_container()
        broken_steps(daemon)
    token_steps()
    rights_steps()
    drain_steps()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
