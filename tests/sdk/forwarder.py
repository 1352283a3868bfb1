# SPDX-License-Identifier: MIT
"""A small HTTP forwarder on the loopback: it can refuse the first attempts of an upload, and it can change an answer's head."""

import re
import socket
import socketserver
import threading

REFUSED_ATTEMPTS = 2
MAX_HEAD = 128 << 10
BUSY_BODY = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code>'
    b"<Message>The server is currently unable to receive requests. Please retry your request.</Message></Error>"
)
BUSY = (
    b"HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nx-ms-request-id: 00000000-0000-0000-0000-000000000503\r\n"
    b"Retry-After: 1\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % len(BUSY_BODY)
) + BUSY_BODY


class Head:
    """A message head as it came, and what of it says where the message ends."""

    def __init__(self, data):
        self.data = data
        self.first = data.split(b"\r\n", 1)[0].decode("latin-1")
        self.length = int(self._field(b"content-length") or 0)
        self.has_length = self._field(b"content-length") is not None
        self.is_chunked = b"chunked" in (self._field(b"transfer-encoding") or b"").lower()
        self.expects_continue = b"100-continue" in (self._field(b"expect") or b"").lower()
        self.is_last = b"close" in (self._field(b"connection") or b"").lower()

    def _field(self, name):
        found = re.search(rb"\r\n" + name + rb":[ \t]*([^\r]*)", self.data, re.IGNORECASE)
        return found.group(1).strip() if found else None


def read_head(stream):
    """The head, or None at the end of the connection."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        line = stream.readline(MAX_HEAD)
        if not line or len(data) > MAX_HEAD:
            return None
        data += line
    return Head(data)


def copy_bytes(source, send, count):
    while count:
        piece = source.read1(min(count, 1 << 16))
        if not piece:
            raise ConnectionError("the body was cut")
        send(piece)
        count -= len(piece)


def copy_chunks(source, send):
    while True:
        line = source.readline(MAX_HEAD)
        send(line)
        size = int(line.split(b";")[0], 16)
        copy_bytes(source, send, size + 2)
        if size == 0:
            return


def copy_body(head, source, send):
    if head.is_chunked:
        copy_chunks(source, send)
    else:
        copy_bytes(source, send, head.length)


def has_body(method, head):
    status = int(head.first.split()[1])
    return method != "HEAD" and status not in (204, 304) and status >= 200


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        try:
            with socket.create_connection(self.server.target) as upstream:
                upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with upstream.makefile("rb") as answers:
                    while self._exchange(upstream, answers):
                        pass
        except (OSError, ValueError):
            pass  # either side left: so does the other

    def _exchange(self, upstream, answers):
        """One request and its answer; True as long as the connection can have another."""
        request = read_head(self.rfile)
        if not request:
            return False
        method, target = request.first.split()[:2]
        if self.server.refuses(method, target):
            if request.expects_continue:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            copy_body(request, self.rfile, lambda piece: None)
            self.wfile.write(BUSY)
            return not request.is_last
        upstream.sendall(request.data)
        if not request.expects_continue:
            copy_body(request, self.rfile, upstream.sendall)
        return self._answer(method, request, upstream, answers) and not request.is_last

    def _answer(self, method, request, upstream, answers):
        while True:
            answer = read_head(answers)
            if not answer:
                return False
            self.wfile.write(self.server.change(answer.data))
            if answer.first.split()[1] != "100":
                break
            copy_body(request, self.rfile, upstream.sendall)
        if has_body(method, answer):
            if not answer.is_chunked and not answer.has_length:
                while piece := answers.read1(1 << 16):
                    self.wfile.write(piece)
                return False
            copy_body(answer, answers, self.wfile.write)
        return not answer.is_last


class Forwarder(socketserver.ThreadingTCPServer):
    """Listens on a free port and forwards to the target, a (host, port). As a context it serves until the end."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, target, change=lambda head: head, is_flaky=True):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.change, self.is_flaky = target, change, is_flaky
        self.port = self.server_address[1]
        self._attempts = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        self._thread.join()

    def refuses(self, method, target):
        """The first two attempts of each PUT of a blob whose name begins with retry-."""
        if not self.is_flaky or method != "PUT" or not re.search(r"/retry-[^/]*$", target.split("?")[0]):
            return False
        with self._lock:
            self._attempts[target] = self._attempts.get(target, 0) + 1
            return self._attempts[target] <= REFUSED_ATTEMPTS
