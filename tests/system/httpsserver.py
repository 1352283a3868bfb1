# SPDX-License-Identifier: MIT
"""An HTTPS server on loopback that keeps blobs and writes down every request: the accounts' own endpoint, for the tests of the
fallback. Its authority and certificate are made when it starts."""

import collections
import hashlib
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

PIECE_BYTES = 1 << 16


def run_openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(directory, name="ca"):
    """An authority (NAME.pem) and a server's certificate of it (NAME-server.pem, with its key)."""
    directory = pathlib.Path(directory)
    ca, ca_key = directory / f"{name}.pem", directory / f"{name}.key"
    key, request, certificate = (directory / f"{name}-server.{ending}" for ending in ("key", "csr", "crt"))
    extensions = directory / f"{name}.ext"
    extensions.write_text("subjectAltName=DNS:*.blob.localhost,DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run_openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", 2, "-subj", f"/CN=test {name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 asks for it and for the identifiers
    run_openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    run_openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", certificate, "-days", 2,
                "-extfile", extensions)
    chain = directory / f"{name}-server.pem"
    chain.write_text(certificate.read_text() + key.read_text())
    return ca, chain


class Seen:
    """One request as it came."""

    def __init__(self, method, target, headers):
        self.method, self.target, self.headers = method, target, headers
        self.body_bytes = 0
        self.digest = hashlib.md5()
        self.is_complete = False
        self.is_cut = False

    def header(self, name):
        found = [value for field, value in self.headers if field.lower() == name.lower()]
        return found[0] if found else None


class Stream:
    """A connection with its buffered reader."""

    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb", 1 << 16)

    def head(self):
        line = self.file.readline(65536).decode("latin-1").rstrip("\r\n")
        if not line:
            return None
        method, target, _ = line.split(" ", 2)
        headers = []
        while (line := self.file.readline(65536).decode("latin-1").rstrip("\r\n")):
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        return Seen(method, target, headers)

    def send(self, data):
        self.sock.sendall(data)

    def close(self):
        self.file.close()
        self.sock.close()


class HttpsServer:
    """blobs: {path: bytes or a number of zero bytes}. A script for a target may replace what is done: script(stream, seen) is
    called when the head has been read and answers by itself; it returns False to have the connection closed."""

    def __init__(self, directory, name="ca", port=0):
        self.ca, self.chain = make_certificates(directory, name)
        self.port = port
        self.blobs = {}
        self.scripts = {}
        self.seen = []
        self.appends = collections.Counter()
        self.changed = threading.Condition()
        self.listener = None
        self.threads, self.streams = [], set()

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        thread.start()
        self.threads.append(thread)
        return self

    def stop(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        with self.changed:
            open_streams = list(self.streams)
        for stream in open_streams:
            try:
                stream.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(20)
        self.threads = []

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"https://{{account}}.blob.localhost:{self.port}"

    def wait_for(self, condition, what, timeout_s=30):
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), f"no {what}"

    def requests(self, method=None):
        with self.changed:
            return [seen for seen in self.seen if method in (None, seen.method)]

    def _accept(self, listener):
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, plain):
        plain.settimeout(60)
        try:
            stream = Stream(self.context.wrap_socket(plain, server_side=True))
        except OSError:
            plain.close()
            return
        with self.changed:
            self.streams.add(stream)
        try:
            while self._one(stream):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self.changed:
                self.streams.discard(stream)
                self.changed.notify_all()
            stream.close()

    def _one(self, stream):
        seen = stream.head()
        if not seen:
            return False
        with self.changed:
            self.seen.append(seen)
            self.changed.notify_all()
        script = self.scripts.get(seen.target.partition("?")[0])
        if script:
            return script(stream, seen) is not False
        return self.serve(stream, seen)

    def take_body(self, stream, seen, keep=True):
        left, pieces = int(seen.header("Content-Length") or 0), []
        while left > 0:
            data = stream.file.read(min(left, PIECE_BYTES))
            if not data:
                with self.changed:
                    seen.is_cut = True
                    self.changed.notify_all()
                raise OSError("cut")
            left -= len(data)
            seen.body_bytes += len(data)
            seen.digest.update(data)
            if keep:
                pieces.append(data)
        seen.is_complete = True
        return b"".join(pieces)

    def answer(self, stream, status, headers=(), body=b"", is_head=False):
        fields = [("x-ms-request-id", "11111111-2222-3333-4444-555555555555"), ("Server", "Recorded/1.0"), *headers]
        if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields):
            fields.append(("Content-Length", str(len(body))))
        text = f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        stream.send(text.encode() + (b"" if is_head else body))
        return True

    def etag(self, path):
        blob = self.blobs[path]
        return f'"{blob if isinstance(blob, int) else hashlib.md5(blob).hexdigest()}"'

    def _send_blob(self, stream, seen, path):
        blob = self.blobs[path]
        size = blob if isinstance(blob, int) else len(blob)
        first, last, status = 0, size - 1, "200 OK"
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.header("x-ms-range") or seen.header("Range") or "")
        if seen.header("If-Match") not in (None, "*", self.etag(path)):
            return self.answer(stream, "412 Precondition Failed", [("x-ms-error-code", "ConditionNotMet")])
        fields = [("ETag", self.etag(path)), ("x-ms-blob-type", "BlockBlob")]
        if found:
            first, status = int(found.group(1)), "206 Partial Content"
            last = min(last, int(found.group(2))) if found.group(2) else last
            fields.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        fields.append(("Content-Length", str(last - first + 1)))
        self.answer(stream, status, fields, b"")
        if seen.method == "HEAD":
            return True
        zeros = bytes(PIECE_BYTES)
        while first <= last:
            n = min(PIECE_BYTES, last - first + 1)
            stream.send(zeros[:n] if isinstance(blob, int) else blob[first : first + n])
            first += n
        return True

    def serve(self, stream, seen):
        """A small part of the Blob service."""
        path, _, query = seen.target.partition("?")
        fields = urllib.parse.parse_qs(query)
        is_appending = fields.get("comp") == ["appendblock"]
        if seen.method == "PUT":
            body = self.take_body(stream, seen, keep=is_appending or int(seen.header("Content-Length") or 0) < 1 << 26)
            with self.changed:
                if is_appending:
                    self.appends[path] += 1
                    self.blobs[path] = self.blobs.get(path, b"") + body
                else:
                    self.blobs[path] = body if len(body) == seen.body_bytes else seen.body_bytes
                self.changed.notify_all()
            return self.answer(stream, "201 Created", [("ETag", self.etag(path)), ("x-ms-meta-way", "upstream")])
        if path not in self.blobs:
            return self.answer(stream, "404 The specified blob does not exist.", [("x-ms-error-code", "BlobNotFound")],
                               b"<Error><Code>BlobNotFound</Code><Message>none</Message></Error>", seen.method == "HEAD")
        return self._send_blob(stream, seen, path)
