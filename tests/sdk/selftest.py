#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the comparison must see and what it must not: pairs of runs of one scenario, without any service."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import allowed  # noqa: E402
import compare  # noqa: E402
import record  # noqa: E402
from tap import equal, finish, step  # noqa: E402

DIRECT = record.Normaliser({"http://127.0.0.1:1000/acct": "{endpoint}"})
PROXIED = record.Normaliser({"http://127.0.0.1:2000/acct": "{endpoint}", "http://acct.blob.localhost": "{endpoint}"})


def answer(url="http://127.0.0.1:1000/acct/box", status=200, method="GET", **fields):
    return {"method": method, "url": url, "status": status, "headers": {name.replace("_", "-"): value for name, value in fields.items()}}


def whats(one, other):
    """What differs between two lines of a program."""
    lines = [side if "scenario" in side else {"scenario": "s", **side} for side in (one, other)]
    runs = ({"s": side.scenario(line)} for side, line in zip((DIRECT, PROXIED), lines))
    return [what for _, what, _, _ in compare.runs(*runs)]


def same(name, one, other):
    with step(f"no difference: {name}"):
        equal(whats({"responses": one}, {"responses": other}), [])


def differs(name, one, other, want):
    with step(f"a difference: {name}"):
        equal(whats({"responses": one}, {"responses": other}), want)


def url(port=2000, rest="/box"):
    return f"http://127.0.0.1:{port}/acct{rest}"


def what_changes_by_nature():
    same("the endpoint", [answer()], [answer(url())])
    same("the endpoint in a field", [answer(x_ms_copy_source=url(1000))], [answer(url(), x_ms_copy_source="http://acct.blob.localhost/box")])
    same("dates", [answer(date="Wed, 25 Nov 2026 01:02:03 GMT")], [answer(url(), date="Thu, 26 Nov 2026 11:12:13 GMT")])
    same("ETags", [answer(etag='"0x1ABCDEF0123"')], [answer(url(), etag='"0x2FEDCBA9876"')])
    same("request ids", [answer(x_ms_request_id="a")], [answer(url(), x_ms_request_id="b")])
    same("lease ids", [answer(x_ms_lease_id="00000000-0000-0000-0000-00000000000a")],
         [answer(url(), x_ms_lease_id="00000000-0000-0000-0000-00000000000b")])  # fmt: skip
    same("snapshot times", [answer(url(1000, "/b?snapshot=2026-11-25T01:02:03.1234567Z"))],
         [answer(url(2000, "/b?snapshot=2026-11-25T01:02:04.7654321Z"))])  # fmt: skip
    same("a SAS's signature and times", [answer(url(1000, "/b?sv=1&sig=a%2B&se=2026"))], [answer(url(2000, "/b?sv=1&sig=c&se=2027"))])
    same("block ids", [answer(url(1000, "/b?comp=block&blockid=YQ%3D%3D"))], [answer(url(2000, "/b?comp=block&blockid=Yg%3D%3D"))])
    same("boundaries of batches", [answer(content_type="multipart/mixed; boundary=batchresponse_00000000-0000-0000-0000-00000000000a")],
         [answer(url(), content_type="multipart/mixed; boundary=batchresponse_00000000-0000-0000-0000-00000000000b")])  # fmt: skip
    same("the MD5 of a block list", [answer(url(1000, "/b?comp=blocklist"), content_md5="YQ==")],
         [answer(url(2000, "/b?comp=blocklist"), content_md5="Yg==")])  # fmt: skip
    same("hop-by-hop fields", [answer(Connection="keep-alive", Keep_Alive="timeout=5")], [answer(url())])
    same("a length instead of chunks", [answer(Transfer_Encoding="chunked")], [answer(url(), Content_Length="7")])
    same("the order of parallel requests", [answer(url(1000, "/a")), answer(url(1000, "/b"))], [answer(url(2000, "/b")), answer(url(2000, "/a"))])
    same("which of two answers came in chunks", [answer(Transfer_Encoding="chunked", x="1"), answer(Content_Length="5", x="2")],
         [answer(url(), Content_Length="9", x="1"), answer(url(), Transfer_Encoding="chunked", x="2")])  # fmt: skip


def what_must_be_seen():
    differs("a field that is gone", [answer(server="x")], [answer(url())], ["GET {endpoint}/box 200: server"])
    differs("a field that was added", [answer()], [answer(url(), via="1.1 x")], ["GET {endpoint}/box 200: via"])
    differs("another value", [answer(server="x")], [answer(url(), server="y")], ["GET {endpoint}/box 200: server"])
    differs("an ETag without quotes", [answer(etag='"0x1ABCDEF0123"')], [answer(url(), etag="0x1ABCDEF0123")], ["GET {endpoint}/box 200: etag"])
    differs("another date format", [answer(date_x="Wed, 25 Nov 2026 01:02:03 GMT")], [answer(url(), date_x="2026-11-25T01:02:03Z")],
            ["GET {endpoint}/box 200: date-x"])  # fmt: skip
    differs("another length", [answer(Content_Length="7")], [answer(url(), Content_Length="8")], ["GET {endpoint}/box 200: content-length"])
    differs("a length that is gone", [answer(Content_Length="7")], [answer(url())], ["GET {endpoint}/box 200: content-length"])
    differs("another MD5", [answer(content_md5="YQ==")], [answer(url(), content_md5="Yg==")], ["GET {endpoint}/box 200: content-md5"])
    differs("another status", [answer(status=200)], [answer(url(), status=206)],
            ["GET {endpoint}/box 200: responses", "GET {endpoint}/box 206: responses"])  # fmt: skip
    differs("a request more", [answer()], [answer(url()), answer(url())], ["GET {endpoint}/box 200: responses"])
    differs("an empty request id", [answer(x_ms_request_id="a")], [answer(url(), x_ms_request_id="")],
            ["GET {endpoint}/box 200: x-ms-request-id"])  # fmt: skip
    differs("an endpoint that only begins alike", [answer()], [answer("http://127.0.0.1:2000/acct2/box")],
            ["GET http://127.0.0.1:2000/acct2/box 200: responses", "GET {endpoint}/box 200: responses"])  # fmt: skip


def results():
    with step("results are compared value by value"):
        one, other = {"results": {"list": [{"n": 1}, "a"], "x": True}}, {"results": {"list": [{"n": 2}, "a"], "x": 1}}
        equal(whats(one, other), ["results.list[0].n", "results.x"])
    with step("a result that is missing is seen"):
        equal(whats({"results": {"a": None}}, {"results": {}}), ["results.a"])
    with step("an error on both sides is a difference"):
        equal(whats({"error": "E: x"}, {"error": "E: x"}), ["error"])
    with step("a scenario that is missing is a difference"):
        line = DIRECT.scenario({"scenario": "s"})
        equal([row[1] for row in compare.runs({"s": line}, {})], ["scenario"])
        equal([row[1] for row in compare.runs({}, {"s": line})], ["scenario"])


def what_azurite_does_otherwise():
    refused = [
        ("errors", "results.wrong_key.code", "AuthorizationFailure", "AuthenticationFailed"),
        ("errors", "results.wrong_key.type", "HttpResponseError", "ClientAuthenticationError"),
        ("errors", "GET {endpoint}/b 403: x-ms-error-code", "AuthorizationFailure", "AuthenticationFailed"),
        ("errors", "GET {endpoint}/b 403: server", "Azurite", "(none)"),
    ]
    with step("a wrong signature may be refused by the proxy"):
        equal(allowed.split(refused), ([], {allowed.WRONG_KEY: 4}))
    with step("... but only the codes make it so, and nothing else may differ"):
        others = [*refused[1::2], ("errors", "results.wrong_key.status", 403, 401), ("sas", *refused[0][1:])]
        equal(allowed.split(others), (others, {}))
        equal(allowed.split([refused[2], ("errors", "GET {endpoint}/b 403: content-type", "a", "b")])[0][0][2:], ("a", "b"))
    with step("a large Put Blob may lack what a block list lacks"):
        rows = [
            ("downloads", "HEAD {endpoint}/b 200: x-ms-access-tier-change-time", "{date}", "(none)"),
            ("parallel_upload", "results.list[1].properties.serverEncrypted", True, "(none)"),
            ("parallel_upload", "results.list[1].blob_tier_change_time", "{time}", None),
        ]
        equal(allowed.split(rows), ([], {allowed.BLOCK_LIST: 3}))
    with step("... there only, and not have another value"):
        rows = [
            ("block_blobs", "HEAD {endpoint}/b 200: x-ms-access-tier-change-time", "{date}", "(none)"),
            ("downloads", "HEAD {endpoint}/b 200: x-ms-access-tier-change-time", "(none)", "{date}"),
            ("downloads", "HEAD {endpoint}/b 200: x-ms-access-tier", "Hot", "(none)"),
            ("parallel_upload", "results.list[1].properties.serverEncrypted", True, False),
        ]
        equal(allowed.split(rows), (rows, {}))
    with step("a 304 and a refused HEAD without a length may name 0"):
        rows = [("s", f"{line}: content-length", "(none)", "0") for line in ("GET {endpoint}/b 304", "HEAD {endpoint}/b 304", "HEAD {endpoint}/b 404")]
        equal(allowed.split(rows), ([], {allowed.NO_LENGTH: 3}))
    with step("... but no other answer, and no other length"):
        rows = [("s", f"{line}: content-length", "(none)", "0") for line in ("GET {endpoint}/b 404", "HEAD {endpoint}/b 200", "PUT {endpoint}/b 412")]
        rows += [("s", "HEAD {endpoint}/b 404: content-length", "(none)", "5"), ("s", "GET {endpoint}/b 304: content-length", "7", "0")]
        equal(allowed.split(rows), (rows, {}))


if __name__ == "__main__":
    what_changes_by_nature()
    what_must_be_seen()
    results()
    what_azurite_does_otherwise()
    sys.exit(finish())
