# SPDX-License-Identifier: MIT
"""HTTP/1.1 by hand: requests signed with SharedKey, sent over a socket as given, answers read with their exact framing."""

import base64
import datetime
import email.utils
import hashlib
import hmac
import re
import socket
import ssl
import struct
import urllib.parse

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-12-02"
SIGNED = (
    "Content-Encoding Content-Language Content-Length Content-MD5 Content-Type Date If-Modified-Since If-Match If-None-Match "
    "If-Unmodified-Since Range"
).split()


def http_date(seconds_ago=0):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return email.utils.format_datetime(moment, usegmt=True)


def string_to_sign(method, target, headers, account):
    """The documented string; target is raw, as on the wire."""
    path, _, query = target.partition("?")
    fields = {name.lower(): value for name, value in headers}
    lines = [method] + [fields.get(name.lower(), "") for name in SIGNED]
    if lines[3] == "0":
        lines[3] = ""
    lines += [f"{name}:{fields[name].strip()}" for name in sorted(fields) if name.startswith("x-ms-")]
    lines.append(f"/{account}{path}")
    parameters = {}
    for piece in filter(None, query.split("&")):
        name, _, value = piece.partition("=")
        parameters.setdefault(urllib.parse.unquote(name).lower(), []).append(urllib.parse.unquote(value))
    lines += [f"{name}:{','.join(sorted(values))}" for name, values in sorted(parameters.items())]
    return "\n".join(lines)


def signature(text, key=KEY):
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()


def request(
    method, target, headers=(), body=b"", *, length=None, key=KEY, account=ACCOUNT, host="127.0.0.1", seconds_ago=0, version=VERSION
):
    """A signed request as bytes. target lacks the account: path style is made here unless host is of host style."""
    is_host_style = host.startswith(account + ".")
    raw = target if is_host_style else f"/{account}{target}"
    fields = list(headers) + [("x-ms-date", http_date(seconds_ago)), ("x-ms-version", version)]
    if method in ("PUT", "POST") or body or length is not None:
        fields.append(("Content-Length", str(len(body) if length is None else length)))
    text = string_to_sign(method, raw, fields, account)
    fields.append(("Authorization", f"SharedKey {account}:{signature(text, key)}"))
    head = f"{method} {raw} HTTP/1.1\r\nHost: {host}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    return head.encode() + body


def put_blob(target, body, headers=(), **more):
    return request("PUT", target, [("x-ms-blob-type", "BlockBlob"), *headers], body, **more)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        values = [value for field, value in self.headers if field.lower() == name.lower()]
        return values[0] if values else None

    @property
    def code(self):
        return self.header("x-ms-error-code")

    def __repr__(self):
        return f"<{self.status} {self.code} {self.body[:200]!r}>"

    def must_be(self, status, code=None):
        wanted = status if isinstance(status, (tuple, set)) else (status,)
        assert self.status in wanted, f"status {self.status}, not {status}: {self!r}"
        assert code is None or self.code == code, f"code {self.code}, not {code}"
        return self

    def must_be_azure_error(self, status, code=None):
        """Status, x-ms-error-code and an XML body that says the same; and what else every error of Azure carries."""
        self.must_be(status, code)
        assert self.code, "no x-ms-error-code"
        assert self.header("x-ms-request-id"), "no x-ms-request-id"
        assert (self.header("Content-Type") or "").startswith("application/xml"), f"type {self.header('Content-Type')}"
        found = re.search(rb"<Error>.*<Code>([^<]+)</Code>.*<Message>[^<]+</Message>", self.body, re.DOTALL)
        assert found and found.group(1).decode() == self.code, f"body {self.body[:300]!r}"
        return self


class Closed(Exception):
    """The other side ended the connection before an answer was complete."""


class Connection:
    """address: (host, port) or the path of a Unix socket; context: for TLS, name: whom the certificate must name."""

    def __init__(self, address, timeout=20, context=None, name=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.pending = b""
        try:
            self.socket.connect(address)
            if context:
                self.socket = context.wrap_socket(self.socket, server_hostname=name or address[0])
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_what_goes(self, data):
        """For data that the other side may refuse to read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def _more(self):
        try:
            data = self.socket.recv(1 << 18)
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            raise Closed("reset") from error
        if not data:
            raise Closed(f"closed with {len(self.pending)} bytes of an answer")
        self.pending += data

    def read_exactly(self, count):
        parts, missing = [self.pending[:count]], count - len(self.pending[:count])
        self.pending = self.pending[count:]
        while missing:
            try:
                data = self.socket.recv(min(missing, 1 << 18))
            except (ConnectionResetError, ssl.SSLEOFError) as error:
                raise Closed("reset") from error
            if not data:
                raise Closed(f"closed {missing} bytes before the end of a body")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            self._more()
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] (\d\d\d) .*", lines[0])
        assert found, f"status line {lines[0]!r}"
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return Answer(int(found.group(1)), headers, b"")

    def read_answer(self, method="GET"):
        """The final answer; 100 Continue is passed over."""
        answer = self.read_head()
        while answer.status == 100:
            answer = self.read_head()
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        length = answer.header("Content-Length")
        if length is not None:
            answer.body = self.read_exactly(int(length))
        elif (answer.header("Transfer-Encoding") or "").lower() == "chunked":
            answer.body = self._read_chunks()
        else:
            answer.body = self.read_to_end()
        return answer

    def _read_chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self.pending:
                self._more()
            line, self.pending = self.pending.split(b"\r\n", 1)
            chunk = self.read_exactly(int(line.split(b";")[0], 16) + 2)
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]

    def read_to_end(self):
        try:
            while True:
                self._more()
        except Closed:
            data, self.pending = self.pending, b""
            return data

    def must_close(self):
        """The other side closes now, without another byte."""
        try:
            left = self.pending or self.socket.recv(1)
        except (ConnectionResetError, ssl.SSLEOFError):
            return
        except socket.timeout as error:
            raise AssertionError("the connection stays open") from error
        assert not left, f"more came: {left!r}"

    def exchange(self, data, method="GET"):
        return self.send(data).read_answer(method)


class Client:
    """One connection at a time, kept until an answer says that it ends, as HTTP clients do."""

    def __init__(self, address):
        self.address = address
        self.connection = None

    def exchange(self, data, method="GET"):
        self.connection = self.connection or Connection(self.address, timeout=60)
        answer = self.connection.exchange(data, method)
        if (answer.header("Connection") or "").lower() == "close":
            self.close()
        return answer

    def close(self):
        self.connection = self.connection and self.connection.close()


def one(address, data, method="GET", timeout=20):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        return connection.exchange(data, method)
