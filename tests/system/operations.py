#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every operation of the Blob service on its way through both programs: the endpoint gets the client's request byte for byte but for
what has to change, and the client gets the endpoint's answer byte for byte."""

import base64
import os
import sys

import rawhttp
from harness import Daemon, equal, finish, step, wait_for
from rawhttp import ACCOUNT, KEY, request
from recorder import Recorder
from tokens import account_sas, hmac_text, plain

HOST_STYLE = f"{ACCOUNT}.blob.localhost"
XML = b'<?xml version="1.0" encoding="utf-8"?>\n<Answer a="1">\xc3\xa9</Answer>\n'
SOURCE = ("x-ms-copy-source", "https://other.blob.core.windows.net/c/b?sv=1&sig=a%2Bb%3D")
BLOCK_ID = "AAA%2B%2Fw%3D%3D"
LEASE = ("x-ms-lease-id", "0f0e0d0c-0000-0000-0000-000000000001")
TYPE_XML = ("Content-Type", "application/xml")

# label, method, target, fields, body, status, fields of the answer, its body
OPERATIONS = [
    ("ListContainers", "GET", "/?comp=list&prefix=a%20b&include=metadata,deleted", [], b"", 200, [TYPE_XML], XML),
    ("SetServiceProperties", "PUT", "/?restype=service&comp=properties", [TYPE_XML], XML, 202, [], b""),
    ("GetServiceProperties", "GET", "/?restype=service&comp=properties", [], b"", 200, [TYPE_XML], XML),
    ("GetServiceStats", "GET", "/?restype=service&comp=stats", [], b"", 200, [TYPE_XML], XML),
    ("GetAccountInfo", "GET", "/?restype=account&comp=properties", [], b"", 200, [("x-ms-sku-name", "Standard_LRS")], b""),
    ("GetAccountInfo", "HEAD", "/c/b?restype=account&comp=properties", [], b"", 200, [("x-ms-account-kind", "StorageV2")], b""),
    ("GetUserDelegationKey", "POST", "/?restype=service&comp=userdelegationkey", [TYPE_XML], XML, 200, [TYPE_XML], XML),
    ("Preflight", "OPTIONS", "/c/b", [("Origin", "http://example.org"), ("Access-Control-Request-Method", "PUT")], b"", 200,
     [("Access-Control-Allow-Origin", "*"), ("Access-Control-Max-Age", "5")], b""),
    ("SubmitBatch", "POST", "/?comp=batch", [("Content-Type", "multipart/mixed; boundary=b")], b"--b\r\n\r\nDELETE /c/b HTTP/1.1\r\n\r\n\r\n--b--", 202,
     [("Content-Type", "multipart/mixed; boundary=x")], b"--x\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n--x--"),
    ("SubmitBatchContainer", "POST", "/c?restype=container&comp=batch", [("Content-Type", "multipart/mixed; boundary=b")],
     b"--b\r\n\r\nDELETE /c/b HTTP/1.1\r\n\r\n\r\n--b--", 202, [], b"--x--"),
    ("FindBlobsByTags", "GET", "/?comp=blobs&where=%22a%22%3D%27b%27", [], b"", 200, [TYPE_XML], XML),
    ("FindBlobsByTagsContainer", "GET", "/c?restype=container&comp=blobs&where=a%3D%27b%27", [], b"", 200, [TYPE_XML], XML),
    ("CreateContainer", "PUT", "/c?restype=container", [("x-ms-meta-a", "b"), ("x-ms-blob-public-access", "blob")], b"", 201,
     [("ETag", '"0x8D"')], b""),
    ("GetContainerProperties", "GET", "/c?restype=container", [LEASE], b"", 200, [("x-ms-meta-Name", "Value")], b""),
    ("GetContainerProperties", "HEAD", "/$web?restype=container", [], b"", 200, [("x-ms-lease-state", "available")], b""),
    ("GetContainerMetadata", "HEAD", "/c?restype=container&comp=metadata", [], b"", 200, [("x-ms-meta-a", "b")], b""),
    ("SetContainerMetadata", "PUT", "/c?restype=container&comp=metadata", [("x-ms-meta-A_b", "Wert; x=y, z")], b"", 200, [], b""),
    ("GetContainerAcl", "GET", "/c?restype=container&comp=acl", [], b"", 200, [TYPE_XML], XML),
    ("SetContainerAcl", "PUT", "/c?restype=container&comp=acl", [TYPE_XML], XML, 200, [], b""),
    ("DeleteContainer", "DELETE", "/c?restype=container", [LEASE], b"", 202, [], b""),
    ("RestoreContainer", "PUT", "/c?restype=container&comp=undelete", [("x-ms-deleted-container-name", "c"),
     ("x-ms-deleted-container-version", "01D")], b"", 201, [], b""),
    ("RenameContainer", "PUT", "/c?restype=container&comp=rename", [("x-ms-source-container-name", "d")], b"", 200, [], b""),
    ("LeaseContainer", "PUT", "/c?restype=container&comp=lease", [("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "0")],
     b"", 202, [("x-ms-lease-time", "0")], b""),
    ("ListBlobs", "GET", "/c?restype=container&comp=list&delimiter=%2F&prefix=%C3%A9%2F&marker=2!88!x--", [], b"", 200, [TYPE_XML], XML),
    ("PutBlockBlob", "PUT", "/c/b", [("x-ms-blob-type", "BlockBlob"), ("x-ms-tags", "a=b%20c&d=e"), ("Content-Type", "text/plain"),
     ("Content-Encoding", "gzip"), ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==")], b"hello", 201, [("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg==")], b""),
    ("PutPageBlob", "PUT", "/c/b", [("x-ms-blob-type", "PageBlob"), ("x-ms-blob-content-length", "1024")], b"", 201, [], b""),
    ("PutAppendBlob", "PUT", "/c/b", [("x-ms-blob-type", "AppendBlob")], b"", 201, [], b""),
    ("PutBlobFromUrl", "PUT", "/c/b", [("x-ms-blob-type", "BlockBlob"), SOURCE], b"", 201, [], b""),
    ("GetBlob", "GET", "/$root/a//b/..%2e/%252F%20(%27)!~*.?versionid=2026-01-01T00:00:00.0000000Z", [("If-None-Match", '"x"')], b"",
     200, [("Content-Type", "text/x"), ("Content-Encoding", "gzip"), ("Cache-Control", "no-cache")], b"\x1f\x8b\x00\xff"),
    ("GetBlob", "GET", "/$logs/blob/2026/11/25/0000/0.log", [("x-ms-range", "bytes=1-3")], b"", 206, [("Content-Range", "bytes 1-3/5")], b"ell"),
    ("GetBlobProperties", "HEAD", "/c/b", [], b"", 200, [("x-ms-blob-type", "BlockBlob")], b""),
    ("SetBlobProperties", "PUT", "/c/b?comp=properties", [("x-ms-blob-content-type", "a/b"), ("x-ms-blob-cache-control", "")], b"", 200, [], b""),
    ("GetBlobMetadata", "GET", "/c/b?comp=metadata&snapshot=2026-01-01T00:00:00.0000000Z", [], b"", 200, [("x-ms-meta-a", "b")], b""),
    ("SetBlobMetadata", "PUT", "/c/b?comp=metadata", [("x-ms-meta-a", "b"), ("x-ms-meta-empty", "")], b"", 200, [], b""),
    ("GetBlobTags", "GET", "/c/b?comp=tags", [], b"", 200, [TYPE_XML], XML),
    ("SetBlobTags", "PUT", "/c/b?comp=tags", [TYPE_XML, ("x-ms-if-tags", "\"a\" = 'b'")], XML, 204, [], b""),
    ("LeaseBlob", "PUT", "/c/b?comp=lease", [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")], b"", 201, [LEASE], b""),
    ("SnapshotBlob", "PUT", "/c/b?comp=snapshot", [], b"", 201, [("x-ms-snapshot", "2026-01-01T00:00:00.0000000Z")], b""),
    ("CopyBlob", "PUT", "/c/b", [SOURCE], b"", 202, [("x-ms-copy-status", "pending")], b""),
    ("CopyBlobFromUrl", "PUT", "/c/b", [SOURCE, ("x-ms-requires-sync", "true")], b"", 202, [("x-ms-copy-status", "success")], b""),
    ("IncrementalCopyBlob", "PUT", "/c/b?comp=incrementalcopy", [SOURCE], b"", 202, [], b""),
    ("AbortCopyBlob", "PUT", "/c/b?comp=copy&copyid=1", [("x-ms-copy-action", "abort")], b"", 204, [], b""),
    ("DeleteBlob", "DELETE", "/c/b?snapshot=2026-01-01T00:00:00.0000000Z&deletetype=permanent", [("If-Match", "*")], b"", 202, [], b""),
    ("UndeleteBlob", "PUT", "/c/b?comp=undelete", [], b"", 200, [], b""),
    ("SetBlobTier", "PUT", "/c/b?comp=tier", [("x-ms-access-tier", "Cool")], b"", 202, [], b""),
    ("QueryBlob", "POST", "/c/b?comp=query", [TYPE_XML], XML, 200, [("Content-Type", "avro/binary")], b"Obj\x01\x00\xff"),
    ("SetImmutabilityPolicy", "PUT", "/c/b?comp=immutabilityPolicies", [("x-ms-immutability-policy-mode", "unlocked")], b"", 200, [], b""),
    ("DeleteImmutabilityPolicy", "DELETE", "/c/b?comp=immutabilityPolicies", [], b"", 200, [], b""),
    ("SetLegalHold", "PUT", "/c/b?comp=legalhold", [("x-ms-legal-hold", "true")], b"", 200, [("x-ms-legal-hold", "true")], b""),
    ("SetBlobExpiry", "PUT", "/c/b?comp=expiry", [("x-ms-expiry-option", "NeverExpire")], b"", 200, [], b""),
    ("PutBlock", "PUT", f"/c/b?comp=block&blockid={BLOCK_ID}", [], os.urandom(100_000), 201, [("x-ms-content-crc64", "AAAAAAAAAAA=")], b""),
    ("PutBlockFromUrl", "PUT", f"/c/b?comp=block&blockid={BLOCK_ID}", [SOURCE, ("x-ms-source-range", "bytes=0-9")], b"", 201, [], b""),
    ("PutBlockList", "PUT", "/c/b?comp=blocklist", [TYPE_XML, ("x-ms-blob-content-type", "a/b")], XML, 201, [("ETag", '"1"')], b""),
    ("GetBlockList", "GET", "/c/b?comp=blocklist&blocklisttype=all", [], b"", 200, [TYPE_XML], XML),
    ("PutPage", "PUT", "/c/b?comp=page", [("x-ms-page-write", "update"), ("Range", "bytes=0-511")], bytes(512), 201,
     [("x-ms-blob-sequence-number", "0")], b""),
    ("ClearPages", "PUT", "/c/b?comp=page", [("x-ms-page-write", "clear"), ("x-ms-range", "bytes=0-511")], b"", 201, [], b""),
    ("PutPageFromUrl", "PUT", "/c/b?comp=page", [("x-ms-page-write", "update"), SOURCE, ("x-ms-source-range", "bytes=0-511"),
     ("x-ms-range", "bytes=0-511")], b"", 201, [], b""),
    ("GetPageRanges", "GET", "/c/b?comp=pagelist&prevsnapshot=2026-01-01T00:00:00.0000000Z", [], b"", 200, [TYPE_XML], XML),
    ("AppendBlock", "PUT", "/c/b?comp=appendblock", [("x-ms-blob-condition-appendpos", "0")], b"more", 201, [("x-ms-blob-append-offset", "0")], b""),
    ("AppendBlockFromUrl", "PUT", "/c/b?comp=appendblock", [SOURCE], b"", 201, [], b""),
    ("SealAppendBlob", "PUT", "/c/b?comp=seal", [], b"", 200, [("x-ms-blob-sealed", "true")], b""),
    ("GetBlob", "GET", "/in-root", [], b"", 200, [], b"root"),
    ("Unknown", "PUT", "/c/b?comp=invented&New=Value", [("x-ms-future", "field")], b"body", 299, [("x-ms-future", "answer")], b"yes"),
    ("Unknown", "POST", "//c/b?x", [], b"", 200, [], b""),
]  # fmt: skip

ODD_FIELDS = [("Accept", "a/b"), ("accept", "c/d"), ("User-Agent", "own/1 (x; y)"), ("x-ms-client-request-id", "1-2"), ("X-Odd", "")]
ANSWER_FIELDS = [("Server", "Recorder/1"), ("x-ms-request-id", "0000-1"), ("x-ms-version", "2021-12-02"), ("X-Repeated", "one"),
                 ("x-repeated", "two"), ("Date", "Wed, 25 Nov 2026 00:00:00 GMT")]  # fmt: skip
HOP = {"content-length", "connection", "keep-alive"}


def answer_bytes(status, fields, body, reason="Some Reason", length=None):
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in fields)]
    if status not in (204, 304) or length is not None:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def split_head(data):
    """Request line and fields of a request as it was sent."""
    lines = data.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")
    return lines[0], [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]


def without(fields, *names):
    return [(name, value) for name, value in fields if name.lower() not in names]


def check_signature(recorded):
    text = rawhttp.string_to_sign(recorded.method, recorded.target, without(recorded.fields, "authorization"), ACCOUNT)
    equal(recorded.field("Authorization"), f"SharedKey {ACCOUNT}:{hmac_text(text)}")


def check_request(sent, recorded, target, body, is_signed_anew):
    """What arrived is what was sent: its order, its case, its blanks; Host is the account's own."""
    line, fields = split_head(sent)
    equal(recorded.line, f"{line.split(' ')[0]} {target} HTTP/1.1")
    equal(recorded.field("Host"), HOST_STYLE)
    dropped = ("host", "authorization") if is_signed_anew else ("host",)
    equal(without(recorded.fields, *dropped), without(fields, *dropped))
    assert recorded.body == body, "the body has changed"
    if is_signed_anew:
        check_signature(recorded)


def check_answer(answer, status, fields, body):
    equal(answer.status, status)
    equal(without(answer.headers, *HOP), [(name, value) for name, value in fields])
    assert answer.body == body, f"{answer.body[:200]!r}, not {body[:200]!r}"


def carry(recorder, address, data, method, answer):
    recorder.answer(answer)
    got = rawhttp.one(address, data, method)
    return recorder.next_request(), got


def operation_steps(daemon, recorder):
    for label, method, target, fields, body, status, answer_fields, answer_body in OPERATIONS:
        all_fields = ODD_FIELDS + fields
        answer_fields = ANSWER_FIELDS + answer_fields
        answer = answer_bytes(status, answer_fields, answer_body)
        signed = {
            "path style": request(method, target, all_fields, body),
            "host style": request(method, target, all_fields, body, host=f"{HOST_STYLE}:{daemon.port}"),
        }
        with step(f"{label}: {method} {target[:60]}"):
            for style, data in signed.items():
                for address in (daemon.address, daemon.unix):
                    before = counted(daemon, label)
                    recorded, got = carry(recorder, address, data, method, answer)
                    check_request(data, recorded, target, body, style == "path style")
                    check_answer(got, status, answer_fields, answer_body)
                    wait_for(lambda label=label, before=before: counted(daemon, label) == before + 1, "count of the operation")
            sas = account_sas()
            with_sas = target + ("&" if "?" in target else "?") + sas
            data = plain(method, f"/{ACCOUNT}{with_sas}", all_fields, body)
            recorded, got = carry(recorder, daemon.address, data, method, answer)
            check_request(data, recorded, with_sas, body, False)
            check_answer(got, status, answer_fields, answer_body)
            recorder.must_be_silent()


def counted(daemon, label):
    rows = daemon.metrics().items()
    return sum(value for name, value in rows if name.startswith(f'blobproxy_requests_total{{operation="{label}"'))


# method, status, fields, body, Content-Length where it is not the body's
ANSWERS = [
    ("GET", 304, [("ETag", '"1"')], b"", None),
    ("HEAD", 304, [("ETag", '"1"')], b"", None),
    ("HEAD", 200, [("ETag", '"1"')], b"", 5 << 30),
    ("HEAD", 404, [("x-ms-error-code", "BlobNotFound")], b"", 215),
    ("GET", 206, [("Content-Range", "bytes 0-2/7")], b"abc", None),
    ("GET", 404, [("x-ms-error-code", "BlobNotFound"), TYPE_XML], b"<Error><Code>BlobNotFound</Code></Error>", None),
    ("GET", 409, [("x-ms-error-code", "BlobArchived")], b"<Error/>", None),
    ("GET", 412, [("x-ms-error-code", "ConditionNotMet"), TYPE_XML], b"<Error><Code>ConditionNotMet</Code></Error>", None),
    ("GET", 416, [("x-ms-error-code", "InvalidRange"), ("Content-Range", "bytes */7")], b"<Error/>", None),
    ("GET", 429, [("Retry-After", "7")], b"slow", None),
    ("GET", 500, [("x-ms-error-code", "InternalError")], b"<Error/>", None),
    ("GET", 503, [("x-ms-error-code", "ServerBusy"), ("Retry-After", "10")], b"<Error/>", None),
    ("GET", 302, [("Location", "https://elsewhere.example.org/")], b"", None),
    ("DELETE", 202, [("x-ms-delete-type-permanent", "false")], b"", None),
    ("PUT", 412, [("x-ms-error-code", "LeaseIdMissing")], b"<Error/>", None),
]


def answer_steps(daemon, recorder):
    for method, status, fields, body, length in ANSWERS:
        with step(f"answer {status} to {method} comes back as it is"):
            data = request(method, "/c/b", [("x-ms-blob-type", "BlockBlob")] if method == "PUT" else [])
            fields = ANSWER_FIELDS + fields
            _, got = carry(recorder, daemon.address, data, method, answer_bytes(status, fields, body, length=length))
            check_answer(got, status, fields, body)
            if length is not None:
                equal(got.header("Content-Length"), str(length))


def pass_steps(daemon, recorder):
    answer = answer_bytes(200, [], b"ok")
    with step("a token arrives as it is, in either style"):
        for target, host in ((f"/{ACCOUNT}/c/b", "127.0.0.1"), ("/c/b", HOST_STYLE)):
            data = plain("GET", target, [("Authorization", "Bearer a.b.c")], host=host)
            recorded, _ = carry(recorder, daemon.address, data, "GET", answer)
            check_request(data, recorded, "/c/b", b"", False)
    with step("nothing is added to a request without authorization"):
        data = plain("GET", f"/{ACCOUNT}/c/b")
        recorded, _ = carry(recorder, daemon.address, data, "GET", answer)
        check_request(data, recorded, "/c/b", b"", False)
    with step("fields of the connection stay behind"):
        fields = [("Connection", "keep-alive, TE"), ("TE", "trailers"), ("Keep-Alive", "timeout=5"), ("x-kept", "2")]
        recorded, _ = carry(recorder, daemon.address, plain("GET", f"/{ACCOUNT}/c/b", fields), "GET", answer)
        equal(without(recorded.fields, "host", "x-ms-version"), [("x-kept", "2")])
    with step("a Connection that names other fields is refused, and the host hears nothing of it"):
        for option in ("content-length", "x-ms-blob-type", "keep-alive, Authorization"):
            fields = [("Connection", option), ("x-ms-blob-type", "BlockBlob")]
            for data in (request("PUT", "/c/b", fields, b"body"), request("PUT", "/c/b", fields, b"body", host=HOST_STYLE)):
                daemon.exchange(data, "PUT").must_be_azure_error(400, "InvalidHeaderValue")
        equal(recorder.requests.empty(), True)
    with step("whatever the client names, the account's own host is asked"):
        for host, target, own in ((HOST_STYLE.upper(), "/c/b", HOST_STYLE), (f"{ACCOUNT}.blob.core.windows.net", "/c/b", HOST_STYLE),
                                  ("127.0.0.1:1", f"/{ACCOUNT}/../x/b", HOST_STYLE),
                                  ("localhost", f"/{ACCOUNT}-secondary/c/b", f"{ACCOUNT}-secondary.blob.localhost")):  # fmt: skip
            recorded, _ = carry(recorder, daemon.address, plain("GET", target, host=host), "GET", answer)
            equal(recorded.field("Host"), own)


def source_steps(daemon, recorder):
    answer = answer_bytes(202, [], b"")
    query = "?sv=1&sig=a%2Bb%3D"
    own = [f"http://127.0.0.1:{daemon.port}/{ACCOUNT}/c/a%20b{query}", f"https://localhost:{daemon.port}/{ACCOUNT}/c/a%20b{query}",
           f"http://{HOST_STYLE}:{daemon.port}/c/a%20b{query}"]  # fmt: skip
    for source in own:
        with step(f"copy source {source.split('?')[0].replace(str(daemon.port), 'PORT')} becomes the account's"):
            for host in ("127.0.0.1", HOST_STYLE):
                data = request("PUT", "/c/b", [("x-ms-copy-source", source)], host=host)
                recorded, _ = carry(recorder, daemon.address, data, "PUT", answer)
                equal(recorded.field("x-ms-copy-source"), f"https://{ACCOUNT}.blob.core.windows.net/c/a%20b{query}")
                check_signature(recorded)
    with step("so does the URL of a previous snapshot"):
        data = request("GET", "/c/b?comp=pagelist", [("x-ms-previous-snapshot-url", own[0])])
        recorded, _ = carry(recorder, daemon.address, data, "GET", answer)
        equal(recorded.field("x-ms-previous-snapshot-url"), f"https://{ACCOUNT}.blob.core.windows.net/c/a%20b{query}")
        check_signature(recorded)
    with step("any other source stays, byte for byte, and so does a host-style signature"):
        for source in (SOURCE[1], f"http://127.0.0.1:{daemon.port + 1}/{ACCOUNT}/c/b", f"https://{ACCOUNT}.blob.core.windows.net/c/b",
                       f"http://user@127.0.0.1:{daemon.port}/{ACCOUNT}/c/b", "nonsense/../"):  # fmt: skip
            for host, is_signed_anew in (("127.0.0.1", True), (HOST_STYLE, False)):
                data = request("PUT", "/c/b", [("x-ms-copy-source", source)], host=host)
                recorded, _ = carry(recorder, daemon.address, data, "PUT", answer)
                check_request(data, recorded, "/c/b", b"", is_signed_anew)


# ---- batches ----


def part(number, date, method, target, signed_target, fields=(), key=KEY):
    """As SDKs write it; signed over signed_target unless that is None."""
    fields = [*fields, ("x-ms-date", date), ("Content-Length", "0")]
    if signed_target:
        text = rawhttp.string_to_sign(method, signed_target, fields, ACCOUNT)
        fields.append(("Authorization", f"SharedKey {ACCOUNT}:{hmac_text(text, key)}"))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    mime = f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {number}\r\n"
    return f"--batch_x\r\n{mime}\r\n{head}\r\n\r\n"


def batch_body(date, rows):
    return ("".join(part(number, date, *row) for number, row in enumerate(rows)) + "--batch_x--\r\n").encode()


def batch_bodies():
    """As a client sends it in path style, and as it must arrive."""
    date, account = rawhttp.http_date(), f"/{ACCOUNT}"
    tier, token = [("x-ms-access-tier", "Cool")], [("Authorization", "Bearer a.b.c")]
    bad_key = base64.b64encode(b"another").decode()
    rows = [  # method, path, prefix that is signed as sent and as it arrives, fields, key
        ("DELETE", "/c/a%20b", (account, ""), [], KEY),
        ("PUT", "/c/b?comp=tier", (account, ""), tier, KEY),
        ("DELETE", "/c/wrong", (account, account), [], bad_key),
        ("DELETE", "/c/sas?sv=1&sig=a%2Bb", None, [], KEY),
        ("DELETE", "/c/token", None, token, KEY),
    ]
    sent = [(method, account + path, signs and signs[0] + path, fields, key) for method, path, signs, fields, key in rows]
    wanted = [(method, path, signs and signs[1] + path, fields, key) for method, path, signs, fields, key in rows]
    without_account = [("DELETE", "/c/without-account", "/c/without-account", [], KEY)]
    return batch_body(date, sent + without_account), batch_body(date, wanted + without_account)


def batch_steps(daemon, recorder):
    answer_body = b"--y\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n--y--"
    answer = answer_bytes(202, [("Content-Type", "multipart/mixed; boundary=y")], answer_body)
    fields = [("Content-Type", "multipart/mixed; boundary=batch_x")]
    for target in ("/?comp=batch", "/c?restype=container&comp=batch"):
        sent, wanted = batch_bodies()
        with step(f"batch {target}: paths lose the account, right signatures are made anew, the rest stays"):
            recorded, got = carry(recorder, daemon.address, request("POST", target, fields, sent), "POST", answer)
            assert recorded.body == wanted, recorded.body.decode()
            equal(recorded.field("Content-Length"), str(len(wanted)))
            check_signature(recorded)
            equal(got.body, answer_body)
        with step(f"batch {target} under a SAS: the same"):
            with_sas = f"{target}&{account_sas()}"
            recorded, _ = carry(recorder, daemon.address, plain("POST", f"/{ACCOUNT}{with_sas}", fields, sent), "POST", answer)
            assert recorded.body == wanted, recorded.body.decode()
            equal(recorded.target, with_sas)
        with step(f"batch {target} in host style is untouched"):
            data = request("POST", target, fields, sent, host=HOST_STYLE)
            recorded, _ = carry(recorder, daemon.address, data, "POST", answer)
            check_request(data, recorded, target, sent, False)
    with step("a batch of 256 requests passes, of 257 or of more than 4 MiB it is refused"):
        row = ("DELETE", f"/{ACCOUNT}/c/b", f"/{ACCOUNT}/c/b", [], KEY)
        sent = batch_body(rawhttp.http_date(), [row] * 256)
        recorded, _ = carry(recorder, daemon.address, request("POST", "/?comp=batch", fields, sent), "POST", answer)
        equal(len(recorded.body), len(sent) - 256 * len(f"/{ACCOUNT}"))
        sent = batch_body(rawhttp.http_date(), [row] * 257)
        daemon.exchange(request("POST", "/?comp=batch", fields, sent), "POST").must_be_azure_error(400, "InvalidInput")
        sent = bytes((4 << 20) + 1)
        daemon.exchange(request("POST", "/?comp=batch", fields, sent), "POST").must_be_azure_error(413, "RequestBodyTooLarge")
        recorder.must_be_silent()


def main():
    with Recorder() as recorder:
        config = "[accounts]\nendpoint = https://{account}.blob.core.windows.net\n"
        with Daemon(config, backend=recorder.url) as daemon:
            operation_steps(daemon, recorder)
            answer_steps(daemon, recorder)
            pass_steps(daemon, recorder)
            source_steps(daemon, recorder)
            batch_steps(daemon, recorder)
            with step("nothing is left busy"):
                daemon.wait_idle()
                recorder.must_be_silent()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
