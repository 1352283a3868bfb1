#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requests that no client should send: the right refusal, a closed connection where framing is in doubt, and life goes on."""

import sys

from harness import Daemon, equal, finish, step
from rawhttp import Closed, Connection, put_blob, request

GUARD = 'blobproxy_errors_total{kind="guard"}'
AUTHORIZATION = 'blobproxy_errors_total{kind="authorization"}'


def get(extra="", line="GET /devstoreaccount1/box/b HTTP/1.1", host="Host: 127.0.0.1\r\n"):
    return f"{line}\r\n{host}{extra}\r\n".encode("latin-1")


def put(extra, body=b""):
    return get("x-ms-blob-type: BlockBlob\r\n" + extra, "PUT /devstoreaccount1/box/b HTTP/1.1") + body


# name, bytes, statuses, x-ms-error-code or None where several would be right
MALFORMED = [
    ("request line without version", get(line="GET /devstoreaccount1/box/b"), (400,), None),
    ("request line of one word", get(line="GET"), (400,), None),
    ("two blanks in the request line", get(line="GET  /devstoreaccount1/box/b HTTP/1.1"), (400,), None),
    ("HTTP/2.0 in the request line", get(line="GET /devstoreaccount1/box/b HTTP/2.0"), (400, 505), None),
    ("TLS on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n", (400,), None),
    ("unknown method", get(line="BREW /devstoreaccount1/box/b HTTP/1.1"), (405,), "UnsupportedHttpVerb"),
    ("TRACE", get(line="TRACE /devstoreaccount1/box/b HTTP/1.1"), (405,), "UnsupportedHttpVerb"),
    ("CONNECT", get(line="CONNECT 127.0.0.1:80 HTTP/1.1"), (400, 405), None),
    ("lower-case method", get(line="get /devstoreaccount1/box/b HTTP/1.1"), (400, 405), None),
    ("absolute-form target", get(line="GET http://127.0.0.1/devstoreaccount1/box/b HTTP/1.1"), (400,), "InvalidUri"),
    ("asterisk-form target", get(line="OPTIONS * HTTP/1.1"), (400,), "InvalidUri"),
    ("target with a fragment", get(line="GET /devstoreaccount1/box/b#x HTTP/1.1"), (400,), "InvalidUri"),
    ("target with %00", get(line="GET /devstoreaccount1/box/b%00x HTTP/1.1"), (400,), "InvalidUri"),
    ("target with NUL", get(line="GET /devstoreaccount1/box/b\0x HTTP/1.1"), (400,), None),
    ("target of 60 KiB", get(line=f"GET /devstoreaccount1/box/{'n' * 61440} HTTP/1.1"), (400, 414, 431), None),
    ("no Host", get(host=""), (400,), None),
    ("two Hosts", get("Host: 127.0.0.1\r\n"), (400,), None),
    ("Host with a blank", get(host="Host: 127.0.0.1 evil\r\n"), (400,), None),
    ("empty Host", get(host="Host:\r\n"), (400,), None),
    ("header of 70 KiB", get(f"x-ms-meta-a: {'v' * 71680}\r\n"), (431,), "RequestHeadersTooLarge"),
    ("300 headers", get("".join(f"x-ms-meta-a{number}: v\r\n" for number in range(300))), (431,), "RequestHeadersTooLarge"),
    ("header name with a blank", get("x ms: v\r\n"), (400,), None),
    ("blank before the colon", put("Content-Length : 3\r\n", b"abc"), (400,), None),
    ("header without a colon", get("nonsense\r\n"), (400,), None),
    ("empty header name", get(": v\r\n"), (400,), None),
    ("folded header", get("x-ms-meta-a: one\r\n two\r\n"), (400,), None),
    ("fold before the first header", get(host=" x\r\nHost: 127.0.0.1\r\n"), (400,), None),
    ("folded Content-Length", put("Content-Length: 3\r\n 4\r\n", b"abc"), (400,), None),
    ("bare CR in a value", get("x-ms-meta-a: one\rtwo\r\n"), (400,), None),
    ("bare LF line ends", b"GET /devstoreaccount1/box/b HTTP/1.1\nHost: 127.0.0.1\n\n", (400,), None),
    ("NUL in a value", get("x-ms-meta-a: one\0two\r\n"), (400,), None),
    ("two different Content-Lengths", put("Content-Length: 3\r\nContent-Length: 5\r\n", b"abc"), (400,), None),
    ("two equal Content-Lengths", put("Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"), (400,), None),
    ("Content-Length list", put("Content-Length: 3, 3\r\n", b"abc"), (400,), None),
    ("negative Content-Length", put("Content-Length: -1\r\n"), (400,), None),
    ("signed Content-Length", put("Content-Length: +3\r\n", b"abc"), (400,), None),
    ("hexadecimal Content-Length", put("Content-Length: 0x3\r\n", b"abc"), (400,), None),
    ("empty Content-Length", put("Content-Length:\r\n"), (400,), None),
    ("absurd Content-Length", put("Content-Length: 99999999999999999999999\r\n"), (400, 413), None),
    ("Transfer-Encoding and Content-Length", put("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"0\r\n\r\n"), (400, 411), None),
    ("Transfer-Encoding", put("Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"), (411,), "MissingContentLengthHeader"),
    ("unknown Transfer-Encoding", put("Transfer-Encoding: gzip\r\n", b"abc"), (400, 411, 501), None),
    ("Transfer-Encoding with a blank", put("Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), (400, 411), None),
    ("Connection that names a condition", put("If-None-Match: *\r\nConnection: if-none-match\r\nContent-Length: 0\r\n"), (400,), "InvalidHeaderValue"),
    ("Connection that names the framing", put("Content-Length: 3\r\nConnection: content-length\r\n", b"abc"), (400,), "InvalidHeaderValue"),
    ("unknown expectation", put("Expect: 200-ok\r\nContent-Length: 3\r\n", b"abc"), (400, 417), None),
]

# Well-formed; answered by status and code; the connection may go on.
REFUSED = [
    ("Host of somebody else (DNS rebinding)", get(host="Host: rebind.example.net\r\n"), (400,), "InvalidUri"),
    ("Host that only begins like ours", get(host="Host: 127.0.0.1.example.net\r\n"), (400,), "InvalidUri"),
    ("no authorization", get(), (401, 403, 404, 409), None),
    ("unknown account", request("GET", "/box/b", account="nobodysaccount"), (400, 403, 404), None),
    ("account name that is none", get(line="GET /UPPER-CASE/c/b HTTP/1.1"), (400, 403, 404), None),
    ("wrong key", request("GET", "/box/b", key="AAAA" * 21 + "AA=="), (403,), "AuthenticationFailed"),
    ("signature of another path", request("GET", "/box/b").replace(b"/box/b", b"/box/serves"), (403,), "AuthenticationFailed"),
    ("date 20 minutes old", request("GET", "/box/b", seconds_ago=1200), (403,), "AuthenticationFailed"),
    ("date 20 minutes ahead", request("GET", "/box/b", seconds_ago=-1200), (403,), "AuthenticationFailed"),
    ("unknown scheme", get("Authorization: Basic YTpi\r\n"), (400, 401, 403), None),
    ("SharedKey without a signature", get("Authorization: SharedKey devstoreaccount1\r\n"), (400, 403), None),
    ("SharedKey of another account", get("Authorization: SharedKey other:AAAA\r\n"), (400, 403), None),
    ("signature that is no base64", get("Authorization: SharedKey devstoreaccount1:!!\r\n"), (400, 403), None),
    ("range behind the end", request("GET", "/box/serves", [("x-ms-range", "bytes=100-200")]), (416,), "InvalidRange"),
    ("missing blob", request("GET", "/box/missing"), (404,), "BlobNotFound"),
    ("missing container", request("GET", "/nothere/b"), (404,), "ContainerNotFound"),
    ("unknown comp", request("PUT", "/box/serves?comp=nonsense"), (400, 501), None),
    ("block id that is no base64", request("PUT", "/box/x?comp=block&blockid=!!", (), b"x"), (400,), None),
    ("bad escape in the path", request("GET", "/box/%zz"), (400, 404), None),
    ("path that is not UTF-8", request("GET", "/box/%ff%fe"), (400, 404), None),
    ("block list that is no XML", request("PUT", "/box/x?comp=blocklist", (), b"<BlockList><Latest>"), (400,), "InvalidXmlDocument"),
    ("container name of upper case", request("PUT", "/UPPER?restype=container"), (400,), "InvalidResourceName"),
    ("blob of no kind", request("PUT", "/box/x", [("x-ms-blob-type", "CubeBlob")], b"x"), (400, 501), None),
    ("wrong Content-MD5", put_blob("/box/x", b"x", [("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")]), (400,), "Md5Mismatch"),
    ("maxresults of letters", request("GET", "/box?restype=container&comp=list&maxresults=many"), (400,), "InvalidQueryParameterValue"),
    ("If-None-Match: * over an existing blob", put_blob("/box/serves", b"x", [("If-None-Match", "*")]), (409,), "BlobAlreadyExists"),
]


def malformed_steps(daemon):
    for name, data, statuses, code in MALFORMED:
        with step(f"{name}: refused, closed, counted"):
            before = daemon.metric(GUARD) + daemon.metric(AUTHORIZATION)
            with Connection(daemon.address) as connection:
                answer = connection.send_what_goes(data).read_answer(data.split(b" ", 1)[0].decode("latin-1"))
                answer.must_be_azure_error(statuses, code)
                equal((answer.header("Connection") or "").lower(), "close")
                connection.must_close()
            assert daemon.metric(GUARD) + daemon.metric(AUTHORIZATION) > before, "not counted"
            daemon.must_serve()


def smuggling_step(daemon):
    inner = request("PUT", "/box/smuggled", [("x-ms-blob-type", "BlockBlob")])
    for name, framing in (
        ("two Content-Lengths", f"Content-Length: 0\r\nContent-Length: {len(inner)}\r\n"),
        ("chunked and Content-Length", f"Transfer-Encoding: chunked\r\nContent-Length: {len(inner) + 5}\r\n"),
        ("blank before the colon", f"Content-Length : {len(inner)}\r\n"),
    ):
        with step(f"nothing is smuggled behind {name}"):
            body = (b"0\r\n\r\n" if "chunked" in framing else b"") + inner
            with Connection(daemon.address) as connection:
                connection.send_what_goes(put(framing, body)).read_answer("PUT").must_be((400, 411))
                connection.must_close()
            daemon.exchange(request("GET", "/box/smuggled")).must_be(404)


def refused_steps(daemon):
    for name, data, statuses, code in REFUSED:
        with step(f"{name}: refused, and the next request passes"):
            with Connection(daemon.address) as connection:
                answer = connection.send(data).read_answer(data.split(b" ", 1)[0].decode())
                answer.must_be_azure_error(statuses, code)
                if (answer.header("Connection") or "").lower() != "close":
                    connection.exchange(request("GET", "/box/serves")).must_be(200)
            daemon.must_serve()


LONG = [
    ("a head of 100 KB", get("x-long: " + "y" * 100_000 + "\r\n"), (431,), "RequestHeadersTooLarge"),
    ("a target of 100 KB", get(line="GET /devstoreaccount1/" + "z" * 100_000 + " HTTP/1.1"), (414,), "InvalidUri"),
    ("4000 query parameters", get(line="GET /devstoreaccount1/box/b?" + "a&" * 4000 + " HTTP/1.1"), (431,), "RequestHeadersTooLarge"),
    ("4000 cookies", get("Cookie: " + "a=b;" * 4000 + "\r\n"), (431,), "RequestHeadersTooLarge"),
    ("250 fields of 100 B", get("".join(f"x-{number:03}: {'v' * 100}\r\n" for number in range(250))), (431,), "RequestHeadersTooLarge"),
]


def kept_steps(daemon):
    """A later head of a connection is refused as a first one is."""
    for name, data, statuses, code in MALFORMED + LONG:
        with step(f"on a connection that has had a good response: {name}"):
            before = daemon.metric(GUARD)
            with Connection(daemon.address) as connection:
                connection.exchange(request("GET", "/box/serves")).must_be(200)
                connection.send_what_goes(data)
                answer = connection.read_answer(data.split(b" ", 1)[0].decode("latin-1"))
                answer.must_be_azure_error(statuses, code)
                equal((answer.header("Connection") or "").lower(), "close")
                connection.must_close()
            equal(daemon.metric(GUARD), before + 1)
            daemon.must_serve()


def pipelined_steps(daemon):
    """Behind requests whose responses have not come yet: those are answered, the rest never reaches anybody."""
    good = request("GET", "/box/serves")
    for name, data, _, _ in MALFORMED + LONG:
        with step(f"sent together with two good requests: {name}"):
            with Connection(daemon.address) as connection:
                connection.send_what_goes(good + good + data)
                for _ in range(2):
                    equal(connection.read_answer().must_be(200).body, b"yes")
                connection.must_close()
            daemon.must_serve()


def lenient_range_step(daemon):
    for value in ("bytes=5-2", "bytes=abc", "bytes=", "items=0-1", "bytes=-", "bytes=0-1,2-3", "bytes=99999999999999999999-"):
        with step(f"Range: {value} is either ignored or refused, never guessed"):
            answer = daemon.exchange(request("GET", "/box/serves", [("Range", value)])).must_be((200, 400, 416))
            assert answer.status != 200 or answer.body == b"yes", f"{answer!r}"


def short_body_step(daemon):
    for name, size, sent in (("small", 1000, 10), ("large", 6 << 20, 3 << 20), ("very large", 20 << 20, 5 << 20)):
        with step(f"a {name} body cut short writes nothing and is given up at once"):
            target = f"/box/short-{sent}"
            with Connection(daemon.address) as connection:
                connection.send_what_goes(put_blob(target, b"", length=size) + bytes(sent)).end_sending()
                try:
                    connection.read_answer("PUT").must_be((400, 408, 413))
                except Closed:
                    pass
            daemon.exchange(request("GET", target)).must_be(404)
            daemon.wait_idle()


def unsigned_connection_step(daemon):
    """A signature does not cover Connection, so it must not take a signed condition away."""
    target = "/box/condition"
    daemon.exchange(put_blob(target, b"first")).must_be(201)
    for condition in (("If-None-Match", "*"), ("If-Match", '"0x1"'), ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="), ("x-ms-lease-id", "x")):
        with step(f"Connection does not take {condition[0]} away from a signed request"):
            whole = put_blob(target, b"second", [condition])
            tampered = whole.replace(b"\r\n", b"\r\nConnection: " + condition[0].encode() + b"\r\n", 1)
            daemon.exchange(tampered).must_be(400, "InvalidHeaderValue")
            equal(daemon.exchange(request("GET", target)).must_be(200).body, b"first")


def echo_steps(daemon):
    """What every response of the service has, refusals of the proxy included."""
    own = [("x-ms-client-request-id", "my-id"), ("x-ms-version", "2021-12-02")]
    for name, data, status in (
        ("a wrong key", request("GET", "/box/b", own, key="AAAA" * 21 + "AA=="), 403),
        ("an unknown account", request("GET", "/box/b", own, account="nobodysaccount"), 403),
        ("a foreign host", request("GET", "/box/b", own).replace(b"Host: 127.0.0.1", b"Host: nothing.example"), 400),
        ("a method that is none", request("BREW", "/box/b", own), 405),
        ("a missing blob", request("GET", "/box/missing", own), 404),
    ):
        with step(f"{name}: the response has the ids and the version, to HEAD without a body or its type"):
            for sent, method in ((data, "GET"), (data.replace(b"GET ", b"HEAD ", 1), "HEAD")):
                answer = daemon.exchange(sent, method)
                assert answer.status in (status, 403), f"{answer!r}"
                equal((answer.header("x-ms-client-request-id"), answer.header("x-ms-version")), ("my-id", "2021-12-02"))
                assert answer.header("x-ms-request-id") and answer.code, f"{answer.headers}"
                if sent.startswith(b"HEAD"):
                    equal((answer.header("Content-Type"), answer.header("Content-Length") or "0"), (None, "0"))


def head_error_step(daemon):
    with step("an error for HEAD has the code and no body, and the next answer is in step"):
        with Connection(daemon.address) as connection:
            connection.exchange(request("HEAD", "/box/missing"), "HEAD").must_be(404, "BlobNotFound")
            equal(connection.exchange(request("GET", "/box/serves")).must_be(200).body, b"yes")


def main():
    with Daemon() as daemon:
        daemon.make_container()
        daemon.must_serve()
        malformed_steps(daemon)
        smuggling_step(daemon)
        refused_steps(daemon)
        lenient_range_step(daemon)
        short_body_step(daemon)
        kept_steps(daemon)
        pipelined_steps(daemon)
        head_error_step(daemon)
        unsigned_connection_step(daemon)
        echo_steps(daemon)
        with step("nothing is left busy"):
            daemon.wait_idle()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
