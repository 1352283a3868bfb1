#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may do what, and how: path and host style over TCP and the Unix socket, keys, shared access signatures, trusted users; and
every refusal with the code that Azure documents."""

import os
import pathlib
import subprocess
import sys

import rawhttp
from harness import BUILD, Daemon, equal, finish, has_ipv6, skip, step
from rawhttp import ACCOUNT, KEY, Connection, put_blob, request
from tokens import account_sas, hmac_text, iso_time, lite, plain, service_sas

HOST_STYLE = f"{ACCOUNT}.blob.localhost"
OTHER_KEYS = ("Zmlyc3Qga2V5IG9mIGFub3RoZXI=", "c2Vjb25kIGtleSBvZiBhbm90aGVy")
MIB = 1 << 20
AUTHORIZATION = 'blobproxy_errors_total{kind="authorization"}'


def ways(daemon):
    """Name, address and Host of each way to the same account."""
    found = [
        ("path style over TCP", daemon.address, "127.0.0.1"),
        ("host style over TCP", daemon.address, HOST_STYLE),
        ("host style with a port", daemon.address, f"{HOST_STYLE}:{daemon.port}"),
        ("a cloud's host name", daemon.address, f"{ACCOUNT}.blob.core.windows.net"),
        ("path style over the Unix socket", daemon.unix, "localhost"),
        ("host style over the Unix socket", daemon.unix, HOST_STYLE),
    ]
    if has_ipv6():
        found.append(("path style over IPv6", ("::1", daemon.port), "[::1]"))
    return found


def path_of(target, host):
    return target if host.startswith(ACCOUNT + ".") else f"/{ACCOUNT}{target}"


def ask(address, data, method="GET"):
    return rawhttp.one(address, data, method)


# ---- what passes ----


def key_steps(daemon):
    for name, address, host in ways(daemon):
        with step(f"SharedKey, {name}: write, read, list, delete"):
            target = "/box/by%20key%2B" + host.replace(":", "-").strip("[]")
            ask(address, put_blob(target, b"yes", host=host), "PUT").must_be(201)
            equal(ask(address, request("GET", target, host=host)).must_be(200).body, b"yes")
            answer = ask(address, request("GET", "/box?restype=container&comp=list&prefix=by%20key%2B", host=host)).must_be(200)
            assert b"<Name>by key+" in answer.body, answer.body[:300]
            ask(address, request("DELETE", target, host=host), "DELETE").must_be(202)
        with step(f"SharedKeyLite, {name}"):
            ask(address, lite("GET", path_of("/box/serves", host), host=host)).must_be(200)
            ask(address, lite("GET", path_of("/box/serves", host), host=host, uses_date=True)).must_be(200)
            ask(address, lite("GET", path_of("/?comp=list&prefix=b", host), host=host)).must_be(200)
    with step("a Date field in place of x-ms-date"):
        date = rawhttp.http_date()
        text = rawhttp.string_to_sign("GET", f"/{ACCOUNT}/box/serves", [("Date", date), ("x-ms-version", "2021-12-02")], ACCOUNT)
        fields = [("Date", date), ("Authorization", f"SharedKey {ACCOUNT}:{hmac_text(text)}")]
        daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves", fields)).must_be(200)
    with step("the secondary, signed with and without its suffix"):
        date = rawhttp.http_date()
        for signed in (f"/{ACCOUNT}-secondary/box/serves", f"/{ACCOUNT}/box/serves"):
            text = rawhttp.string_to_sign("GET", signed, [("x-ms-date", date), ("x-ms-version", "2021-12-02")], ACCOUNT)
            fields = [("x-ms-date", date), ("Authorization", f"SharedKey {ACCOUNT}:{hmac_text(text)}")]
            daemon.exchange(plain("GET", f"/{ACCOUNT}-secondary/box/serves", fields)).must_be(200)
    with step("names that a proxy could spoil: what is signed is what was sent"):
        for name in ("a//b", "..%2e/x", "%252F", "a%2Cb", "trail.", "(%27)!~*", "%F0%9F%98%80", "a+b", "q?timeout=30"):
            daemon.exchange(put_blob(f"/box/{name}", b"odd"), "PUT").must_be(201)
            equal(daemon.exchange(request("GET", f"/box/{name}")).must_be(200).body, b"odd")


def sas_steps(daemon):
    whole = service_sas("box", permissions="rl")
    one = service_sas("box", "serves")
    for name, address, host in ways(daemon):
        with step(f"SAS of the account, a container and a blob, {name}"):
            for sas in (account_sas(), whole, one):
                answer = ask(address, plain("GET", path_of(f"/box/serves?{sas}", host), host=host)).must_be(200)
                equal(answer.body, b"yes")
            ask(address, plain("GET", path_of(f"/box?restype=container&comp=list&{whole}", host), host=host)).must_be(200)
    with step("spr in either order, commas encoded or not"):
        for protocol in ("https,http", "http,https"):
            for sas in (account_sas(protocol=protocol), account_sas(protocol=protocol).replace("%2C", ",")):
                daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves?{sas}")).must_be(200)
    with step("account information for every valid SAS of the account, whatever it permits"):
        for permissions, types in (("rwdlacu", "sco"), ("wd", "co"), ("r", "o"), ("l", "s")):
            sas = account_sas(permissions, types)
            for path in ("/", "/box", "/box/serves"):
                target = f"/{ACCOUNT}{path}?restype=account&comp=properties&{sas}"
                daemon.exchange(plain("HEAD", target), "HEAD").must_be(200)
        target = f"/{ACCOUNT}/?restype=account&comp=properties&{account_sas(key='AAAA')}"
        daemon.exchange(plain("GET", target)).must_be_azure_error(403, "AuthenticationFailed")
    with step("a copy source that its SAS does not let be read: 403, and a source with a blank is no URL"):
        source = f"http://127.0.0.1:{daemon.port}/{ACCOUNT}/box/serves"
        wrong = {
            "lacks r": service_sas("box", "serves", permissions="w"),
            "expired": service_sas("box", "serves", hours=-1),
            "another blob's": service_sas("box", "other"),
        }
        for name, sas in wrong.items():
            fields = [("x-ms-copy-source", f"{source}?{sas}")]
            answer = daemon.exchange(request("PUT", "/box/copied", fields), "PUT")
            answer.must_be_azure_error(403, "CannotVerifyCopySource")
        for value in (f"{source} b", "x y"):
            answer = daemon.exchange(request("PUT", "/box/copied", [("x-ms-copy-source", value)]), "PUT")
            answer.must_be_azure_error(400, "InvalidHeaderValue")
    with step("response overrides of a SAS come back"):
        sas = service_sas("box", "serves", overrides={"rsct": "text/x-own", "rscd": "attachment; filename=a b"})
        answer = daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves?{sas}")).must_be(200)
        equal((answer.header("Content-Type"), answer.header("Content-Disposition")), ("text/x-own", "attachment; filename=a b"))
    with step("a SAS is untouched by splits, both ways"):
        body = os.urandom(20 * MIB)
        target = f"/{ACCOUNT}/box/split?{account_sas('rw', 'o')}"
        daemon.exchange(plain("PUT", target, [("x-ms-blob-type", "BlockBlob")], body), "PUT").must_be(201)
        assert daemon.exchange(plain("GET", target)).must_be(200).body == body
    with step("a SAS that only creates puts no blocks: 413 says so before the body"):
        target = f"/{ACCOUNT}/box/created?{account_sas('c', 'o')}"
        fields = [("x-ms-blob-type", "BlockBlob"), ("Content-Length", str(20 * MIB)), ("Expect", "100-continue")]
        daemon.exchange(plain("PUT", target, fields), "PUT").must_be_azure_error(413, "RequestBodyTooLarge")
        daemon.exchange(plain("PUT", target, [("x-ms-blob-type", "BlockBlob")], b"small"), "PUT").must_be(201)
    with step("spr=https: taken on the loopback and the Unix socket, nobody can listen in there"):
        for address in (daemon.address, daemon.unix):
            ask(address, plain("GET", f"/{ACCOUNT}/box/serves?{account_sas(protocol='https')}")).must_be(200)


def other_steps(daemon):
    with step("a public container needs nothing"):
        daemon.exchange(request("PUT", "/open?restype=container", [("x-ms-blob-public-access", "blob")]), "PUT").must_be(201)
        daemon.exchange(put_blob("/open/b", b"free"), "PUT").must_be(201)
        for _, address, host in ways(daemon):
            equal(ask(address, plain("GET", path_of("/open/b", host), host=host)).must_be(200).body, b"free")
    with step("a private one answers as if it were not there"):
        daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves")).must_be_azure_error(404, "ResourceNotFound")
    with step("writing without authorization is refused"):
        daemon.exchange(plain("PUT", f"/{ACCOUNT}/open/b", [("x-ms-blob-type", "BlockBlob")]), "PUT").must_be_azure_error(
            401, "NoAuthenticationInformation"
        )
    with step("a token passes to the host, which alone can judge it"):
        fields = [("Authorization", "Bearer abc.def.ghi")]
        answer = daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves", fields)).must_be_azure_error(403, "AuthenticationFailed")
        assert b"token" in answer.body, answer.body


def copy_steps(daemon):
    for name, address, host in ways(daemon):
        with step(f"copy from this endpoint to itself, {name}"):
            # Through the Unix socket a URL has no port, and a name of the cloud is the proxy's only with one.
            has_port = ":" in host.strip("[]:1") or (address == daemon.unix and not host.endswith(".net"))
            source = f"http://{host if has_port else f'{host}:{daemon.port}'}{path_of('/box/serves', host)}"
            fields = [("x-ms-copy-source", source), ("x-ms-requires-sync", "true")]
            ask(address, request("PUT", "/box/copy", fields, host=host), "PUT").must_be(202)
            equal(daemon.exchange(request("GET", "/box/copy")).must_be(200).body, b"yes")
            with_sas = [("x-ms-copy-source", f"{source}?{service_sas('box', 'serves')}"), ("x-ms-requires-sync", "true")]
            target = path_of(f"/box/copy2?{account_sas()}", host)
            ask(address, plain("PUT", target, with_sas, host=host), "PUT").must_be(202)
    with step("a changed copy source is found out"):
        data = request("PUT", "/box/copy", [("x-ms-copy-source", f"http://127.0.0.1:{daemon.port}/{ACCOUNT}/box/serves")])
        tampered = data.replace(b"/box/serves", b"/box/secret")
        daemon.exchange(tampered, "PUT").must_be_azure_error(403, "AuthenticationFailed")


# ---- what is refused ----


def tampered(data, old, new):
    assert data.count(old) >= 1, (old, data[:200])
    return data.replace(old, new, 1)


def added(data, line):
    return data.replace(b"\r\nx-ms-date", b"\r\n" + line + b"\r\nx-ms-date", 1)


def bad_keys():
    """name, request, status, code"""
    listing = request("GET", "/box?restype=container&comp=list&prefix=s")
    read = request("GET", "/box/serves", [("x-ms-meta-a", "b")])
    failed = (403, "AuthenticationFailed")
    return [
        ("wrong key", request("GET", "/box/serves", key="AAAA" * 21 + "AA=="), *failed),
        ("date 16 minutes old", request("GET", "/box/serves", seconds_ago=960), *failed),
        ("date 16 minutes ahead", request("GET", "/box/serves", seconds_ago=-960), *failed),
        ("another path", tampered(read, b"/box/serves", b"/box/secret"), *failed),
        ("another encoding of the path", tampered(read, b"/box/serves", b"/box/%73erves"), *failed),
        ("another method", tampered(read, b"GET", b"HEAD"), *failed),
        ("another query value", tampered(listing, b"prefix=s", b"prefix="), *failed),
        ("a query parameter added", tampered(listing, b"prefix=s", b"prefix=s&timeout=30"), *failed),
        ("another field value", tampered(read, b"x-ms-meta-a: b", b"x-ms-meta-a: c"), *failed),
        ("an x-ms- field added", added(read, b"x-ms-client-request-id: 1"), *failed),
        ("Range added", added(read, b"Range: bytes=0-1"), *failed),
        ("x-ms-range added", added(read, b"x-ms-range: bytes=0-1"), *failed),
        ("If-Match added", added(read, b"If-Match: *"), *failed),
        ("Content-Type added", added(read, b"Content-Type: text/plain"), *failed),
        ("an x-ms- field dropped", tampered(read, b"x-ms-meta-a: b\r\n", b""), *failed),
    ]


def bad_sas():
    good = account_sas()
    failed = (403, "AuthenticationFailed")
    return [
        ("expired", account_sas(hours=-1), *failed),
        ("not yet valid", account_sas(start=iso_time(1), hours=2), *failed),
        ("of another key", account_sas(key="AAAA"), *failed),
        ("with another permission written in", good.replace("sp=rwdlacu", "sp=rwdlacup"), *failed),
        ("with a later expiry written in", good.replace("se=2", "se=3"), *failed),
        ("without sig's value", good.split("&sig=")[0] + "&sig=", *failed),
        ("without an expiry", "&".join(part for part in good.split("&") if not part.startswith("se=")), *failed),
        ("without the permission", account_sas("w"), 403, "AuthorizationPermissionMismatch"),
        ("without the resource type", account_sas(types="c"), 403, "AuthorizationResourceTypeMismatch"),
        ("of another blob", service_sas("box", "other"), *failed),
        ("of another container", service_sas("other"), *failed),
        ("for another address", account_sas(ip="10.0.0.1"), 403, "AuthorizationSourceIPMismatch"),
        ("for no address", account_sas(ip="nowhere"), 403, "AuthorizationSourceIPMismatch"),
        ("of a user, which only the service can judge", good + "&skoid=00000000-0000-0000-0000-000000000000", *failed),
    ]


def refusal_steps(daemon):
    for name, data, status, code in bad_keys():
        with step(f"path-style signature, {name}: {status} {code}, and the host does not see it"):
            before = daemon.metrics()
            method = data.split(b" ", 1)[0].decode()
            answer = daemon.exchange(data, method).must_be(status, code)
            if method != "HEAD":
                answer.must_be_azure_error(status, code)
            now = daemon.metrics()
            equal(now[AUTHORIZATION], before[AUTHORIZATION] + 1)
            equal(now["blobproxy_transfers_total"], before["blobproxy_transfers_total"])
            daemon.must_serve()
    with step("host-style signatures are judged by the host, with the same answers"):
        for key, ago in (("AAAA" * 21 + "AA==", 0), (KEY, 960), (KEY, -960)):
            data = request("GET", "/box/serves", host=HOST_STYLE, key=key, seconds_ago=ago)
            daemon.exchange(data).must_be_azure_error(403, "AuthenticationFailed")
        data = tampered(request("GET", "/box/serves", host=HOST_STYLE), b"/box/serves", b"/box/secret")
        daemon.exchange(data).must_be_azure_error(403, "AuthenticationFailed")
    for name, sas, status, code in bad_sas():
        with step(f"SAS {name}: {status} {code}"):
            daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves?{sas}")).must_be_azure_error(status, code)
            daemon.exchange(plain("GET", f"/box/serves?{sas}", host=HOST_STYLE)).must_be_azure_error(status, code)


def authorization_field_steps(daemon):
    good = request("GET", "/box/serves").split(b"Authorization: ", 1)[1].split(b"\r\n", 1)[0]
    cases = [
        ("twice the same", [good, good], 400, "InvalidAuthenticationInfo"),
        ("a key and a token", [good, b"Bearer abc"], 400, "InvalidAuthenticationInfo"),
        ("SharedKey alone", [b"SharedKey"], 400, "InvalidAuthenticationInfo"),
        ("no signature", [f"SharedKey {ACCOUNT}:".encode()], 400, "InvalidAuthenticationInfo"),
        ("no account", [b"SharedKey :AAAA"], 400, "InvalidAuthenticationInfo"),
        ("an unknown scheme of the family", [f"SharedKeyHeavy {ACCOUNT}:AAAA".encode()], 400, "InvalidAuthenticationInfo"),
        ("another account's name", [b"SharedKey other:" + good.split(b":")[1]], 403, "AuthenticationFailed"),
        ("signature of another length", [good + b"A"], 403, "AuthenticationFailed"),
        ("Basic", [b"Basic YTpi"], 400, "InvalidAuthenticationInfo"),
    ]
    for name, values, status, code in cases:
        with step(f"Authorization, {name}: {status} {code}"):
            base = request("GET", "/box/serves")
            head, rest = base.split(b"Authorization: ", 1)
            lines = b"".join(b"Authorization: " + value + b"\r\n" for value in values)
            daemon.exchange(head + lines + rest.split(b"\r\n", 1)[1]).must_be_azure_error(status, code)
    with step("a signature without any date: 400 InvalidAuthenticationInfo"):
        fields = [("Authorization", good.decode())]
        daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves", fields)).must_be_azure_error(400, "InvalidAuthenticationInfo")


def reach_steps(daemon):
    foreign = ["example.org", f"{ACCOUNT}.blob.localhost.example.org", f"{ACCOUNT}.blob.core.windows.net.example.org",
               f"{ACCOUNT}.table.core.windows.net", "169.254.169.254", "10.0.0.1", "127.0.0.1.example.org", f"{ACCOUNT}.localhost"]  # fmt: skip
    for host in foreign:
        with step(f"Host {host}: 400 InvalidUri"):
            daemon.exchange(plain("GET", "/box/serves", host=host)).must_be_azure_error(400, "InvalidUri")
    for host in (f"user@{HOST_STYLE}", f"user:secret@127.0.0.1:{daemon.port}", f"{HOST_STYLE}/x", "a b"):
        with step(f"Host {host}: 400"):
            daemon.exchange(plain("GET", "/box/serves", host=host)).must_be_azure_error(400)
    for target in ("http://example.org/box/serves", f"http://127.0.0.1:{daemon.port}/{ACCOUNT}/box/serves",
                   f"https://{ACCOUNT}.blob.core.windows.net/box/serves"):  # fmt: skip
        with step(f"absolute form {target}: 400 InvalidUri"):
            daemon.exchange(plain("GET", target)).must_be_azure_error(400, "InvalidUri")
    for target in ("/../etc/passwd", f"/./{ACCOUNT}/box", f"/{ACCOUNT}%2Fbox%2Fserves", f"/{ACCOUNT}%2f..%2fother/box", f"//{ACCOUNT}/box",
                   f"/{ACCOUNT.upper()}/box/serves", "/"):  # fmt: skip
        with step(f"path {target} names no account: 400 InvalidUri"):
            daemon.exchange(plain("GET", target)).must_be_azure_error(400, "InvalidUri")
    with step("dots behind the account are part of a name, not a way out"):
        answer = daemon.exchange(plain("GET", f"/{ACCOUNT}/../other/box/serves?{account_sas()}")).must_be_azure_error((400, 404))
        assert answer.code in ("InvalidResourceName", "InvalidUri"), answer.code
        daemon.exchange(request("GET", "/box/../box/serves")).must_be_azure_error(404, "BlobNotFound")
    with step("two slashes in front of a container reach the host, which finds nothing there"):
        daemon.exchange(request("GET", "//box/serves")).must_be_azure_error(400, "InvalidUri")
        daemon.exchange(request("GET", "//box?restype=container")).must_be_azure_error(400, "InvalidUri")


# ---- configurations of their own ----


def protocol_steps():
    with Daemon("[listen]\nsas_https_over_loopback = no\n") as daemon:
        daemon.make_container()
        daemon.must_serve()
        target = f"/{ACCOUNT}/box/serves?{account_sas(protocol='https')}"
        with step("spr=https, where the loopback shall not count: 403 AuthorizationProtocolMismatch, but not on the Unix socket"):
            daemon.exchange(plain("GET", target)).must_be_azure_error(403, "AuthorizationProtocolMismatch")
            ask(daemon.unix, plain("GET", target)).must_be(200)
        with step("spr=https,http is taken"):
            daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves?{account_sas(protocol='https,http')}")).must_be(200)


def trusted_steps():
    with Daemon(f"[listen]\nunix_trusted_uids = {os.geteuid()}\n") as daemon:
        daemon.make_container()
        daemon.must_serve()
        with step("a trusted user needs no authorization on the Unix socket, in either style"):
            equal(ask(daemon.unix, plain("GET", f"/{ACCOUNT}/box/serves", host="localhost")).must_be(200).body, b"yes")
            equal(ask(daemon.unix, plain("GET", "/box/serves", host=HOST_STYLE)).must_be(200).body, b"yes")
            bare = f"PUT /{ACCOUNT}/box/mine HTTP/1.1\r\nHost: localhost\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 2\r\n\r\nok"
            ask(daemon.unix, bare.encode(), "PUT").must_be(201)
        with step("a large body of a trusted user goes in blocks, and comes back in ranges"):
            body = os.urandom(20 * MIB)
            ask(daemon.unix, plain("PUT", f"/{ACCOUNT}/box/big", [("x-ms-blob-type", "BlockBlob")], body, host="localhost"), "PUT").must_be(201)
            assert ask(daemon.unix, plain("GET", f"/{ACCOUNT}/box/big", host="localhost")).must_be(200).body == body
        with step("the same request over TCP is a stranger's"):
            daemon.exchange(plain("GET", f"/{ACCOUNT}/box/serves")).must_be_azure_error(404, "ResourceNotFound")
        with step("a trusted user's bad SAS is not mended"):
            target = f"/{ACCOUNT}/box/serves?{account_sas(hours=-1)}"
            ask(daemon.unix, plain("GET", target)).must_be_azure_error(403, "AuthenticationFailed")
    with Daemon(f"[listen]\nunix_trusted_uids = {os.geteuid() + 1}\n") as daemon:
        daemon.make_container()
        daemon.must_serve()
        with step("a user who is not named gets nothing"):
            answer = ask(daemon.unix, plain("GET", f"/{ACCOUNT}/box/serves", host="localhost"))
            answer.must_be_azure_error(404, "ResourceNotFound")


def namespace_steps(directory):
    config = pathlib.Path(directory) / "namespace.conf"
    config.write_text(f"[listen]\nunix_trusted_uids = {os.geteuid() + 12345}\n")
    command = [BUILD / "blobproxyd", "--config", config, "--check-config"]
    apart = ["unshare", "--user", "--map-current-user"]
    name = "a trusted user whom the user namespace hides is warned of"
    if subprocess.run([*apart, "true"], capture_output=True, timeout=20).returncode != 0:
        skip(name, "no user namespaces here")
        return
    with step(name):
        is_hidden = subprocess.run([*apart, *command], capture_output=True, text=True, timeout=20)
        assert is_hidden.returncode == 0 and "PrivateUsers=no" in is_hidden.stderr, is_hidden
        config.write_text(f"[listen]\nunix_trusted_uids = {os.geteuid()}\n")
        equal(subprocess.run([*apart, *command], capture_output=True, text=True, timeout=20).stderr, "")


def accounts_steps(directory):
    keys = pathlib.Path(directory) / "keys"
    keys.write_text(f"otheraccount {OTHER_KEYS[0]} {OTHER_KEYS[1]}\nthirdaccount {OTHER_KEYS[1]}\n")
    keys.chmod(0o600)
    config = f"[accounts]\nfile = {keys}\nallow = {ACCOUNT} otheraccount\ndomains = files.example.org=otheraccount\n"
    with Daemon(config) as daemon:
        with step("either key of an account is taken"):
            for key in OTHER_KEYS:
                data = request("PUT", "/box?restype=container", key=key, account="otheraccount")
                daemon.exchange(data, "PUT").must_be((201, 409))
                daemon.exchange(request("GET", "/?comp=list", key=key, account="otheraccount")).must_be(200)
        with step("the key of one account opens no other"):
            daemon.exchange(request("GET", "/?comp=list", key=KEY, account="otheraccount")).must_be_azure_error(403, "AuthenticationFailed")
        with step("a custom domain is host style for its account"):
            sas = account_sas(account="otheraccount", key=OTHER_KEYS[0])
            daemon.exchange(plain("GET", f"/?comp=list&{sas}", host="files.example.org")).must_be(200)
        with step("an account that is not allowed: 403 AuthorizationFailure, in either style"):
            data = request("GET", "/?comp=list", key=OTHER_KEYS[1], account="thirdaccount")
            daemon.exchange(data).must_be_azure_error(403, "AuthorizationFailure")
            sas = account_sas(account="thirdaccount", key=OTHER_KEYS[1])
            daemon.exchange(plain("GET", f"/?comp=list&{sas}", host="thirdaccount.blob.localhost")).must_be_azure_error(
                403, "AuthorizationFailure"
            )
        with step("nor is it a copy source under the proxy's name"):
            source = f"http://127.0.0.1:{daemon.port}/thirdaccount/box/serves"
            data = request("PUT", "/box/x", [("x-ms-copy-source", source)])
            daemon.exchange(data, "PUT").must_be_azure_error(403, "AuthorizationFailure")


def log_steps():
    wrong = request("GET", "/box/serves?sv=1&sig=U0VDUkVUU0VDUkVU", [
        ("x-ms-copy-source", "https://a.example.org/c/b?sig=U0VDUkVUU0VDUkVU&x=y"),
        ("x-ms-encryption-key", "U0VDUkVUU0VDUkVU"), ("x-ms-meta-shown", "shown")], key="AAAA")  # fmt: skip
    for level, is_said in (("debug", True), ("info", False)):
        with Daemon(f"[log]\nlevel = {level}\n") as daemon:
            with step(f"log level {level}: a wrong signature {'shows' if is_said else 'does not show'} the string to sign"):
                daemon.exchange(wrong).must_be_azure_error(403, "AuthenticationFailed")
                output = daemon.proxy.output()
                equal("string_to_sign" in output, is_said)
                equal("x-ms-meta-shown:shown" in output, is_said)
                assert "U0VDUkVU" not in output, "a secret was logged"


def main():
    with Daemon() as daemon:
        daemon.make_container()
        daemon.must_serve()
        daemon.exchange(put_blob("/box/secret", b"secret"), "PUT").must_be(201)
        key_steps(daemon)
        sas_steps(daemon)
        other_steps(daemon)
        copy_steps(daemon)
        refusal_steps(daemon)
        authorization_field_steps(daemon)
        reach_steps(daemon)
        with step("nothing is left busy"):
            daemon.wait_idle()
        directory = daemon.directory
        accounts_steps(directory)
        namespace_steps(directory)
    protocol_steps()
    trusted_steps()
    log_steps()
    if not has_ipv6():
        skip("path style over IPv6", "this machine has none")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
