#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No key, signature or token is ever said: requests that carry them in every place and encoding, right and wrong, at log level debug
with every request logged, in all formats, by blobproxyd and blobhostd; then everything that came out is searched."""

import base64
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.parse

import journald
import rawhttp
import tokens
from harness import BUILD, Daemon, equal, finish, free_port, note, skip, step, wait_for

ACCOUNT, KEY = rawhttp.ACCOUNT, rawhttp.KEY
HOST_STYLE = f"{ACCOUNT}.blob.localhost"
OTHER_KEYS = tuple(base64.b64encode(bytes(64 * [number])[:-1] + b"!").decode() for number in (0x5A, 0xA5))
LOG = "[log]\nlevel = debug\naccess = all\nformat = {}\n"
WINDOW = 12  # so many characters of a secret in a row are too many


class Secrets:
    """What must not be said, each with what it is."""

    def __init__(self):
        self.known = {"the development key": KEY, "a key": OTHER_KEYS[0], "another key": OTHER_KEYS[1]}

    def add(self, what, secret):
        self.known[f"{what} ({len(self.known)})"] = secret
        return secret

    def signature(self, what, data):
        """Notes the signature of a request made by rawhttp or tokens; returns the request."""
        found = re.search(rb"Authorization: \w+ [^:\r]*:?(\S+)", data)
        self.add(what, found.group(1).decode())
        return data

    def sas(self, what, query):
        self.add(what, urllib.parse.unquote(re.search(r"sig=([^&]*)", query).group(1)))
        return query

    def made_up(self, what):
        return self.add(what, base64.b64encode(os.urandom(48)).decode().replace("/", "+"))

    def said_in(self, text):
        """[(what, the piece)]; forms: as it is, percent-encoded once and twice, and every part of it."""
        found = []
        for what, secret in self.known.items():
            once = urllib.parse.quote(secret, safe="")
            for form in {secret, once, once.lower(), urllib.parse.quote(once, safe="")}:
                pieces = (form[at : at + WINDOW] for at in range(len(form) - WINDOW + 1))
                found += [(what, piece) for piece in pieces if piece in text][:1]
        return found


def odd_targets(secrets):
    """Targets in which a signature stands however it can be written."""
    sig = lambda what: urllib.parse.quote(secrets.made_up(what), safe="")  # noqa: E731
    inner = lambda what: urllib.parse.quote(f"https://h.example/c/b?sv=1&sig={sig(what)}&se=2", safe="")  # noqa: E731
    twice = lambda what: urllib.parse.quote(inner(what), safe="")  # noqa: E731
    return [
        f"?sv=2021-12-02&sig={sig('sig')}&se=1",
        f"?sv=2021-12-02&SIG={sig('SIG')}",
        f"?sv=2021-12-02&s%69g={sig('s%69g')}&x=1",
        f"?%73%69%67={sig('all letters encoded')}",
        f"?%2573ig={sig('encoded twice')}",
        f"?x=1&sig%3D{sig('encoded equals sign')}",
        f"?x=1;sig={sig('behind a semicolon')}",
        f"?sig%20={sig('a blank behind the name')}",
        f"?sig={secrets.made_up('not encoded')}",
        f"?url={inner('a URL inside')}&x=1",
        f"?url={twice('a URL inside, encoded twice')}",
        f"?sig={sig('first of two')}&sig={sig('second of two')}",
        f"/sig={sig('in a name')}",
    ]


def run_signed(daemon, secrets):
    """SharedKey and SharedKeyLite, right and wrong, in path and host style."""
    for host in ("127.0.0.1", HOST_STYLE):
        for key in (KEY, OTHER_KEYS[0]):
            target = "/box/blob" if host == HOST_STYLE else f"/{ACCOUNT}/box/blob"
            right = key == KEY
            data = rawhttp.request("GET", "/box/blob", host=host, key=key)
            daemon.exchange(secrets.signature("SharedKey", data)).must_be(200 if right else 403)
            data = tokens.lite("GET", target, host=host, key=key)
            daemon.exchange(secrets.signature("SharedKeyLite", data)).must_be(200 if right else 403)
    old = rawhttp.request("GET", "/box/blob", seconds_ago=3600)
    daemon.exchange(secrets.signature("an old SharedKey", old)).must_be(403)
    for field in ("x-ms-encryption-key", "x-ms-source-encryption-key", "x-ms-copy-source-authorization"):
        more = [(field, secrets.made_up(field)), ("x-ms-client-request-id", "signed")]
        for key in (KEY, OTHER_KEYS[0]):
            data = rawhttp.request("PUT", "/box/secret", [("x-ms-blob-type", "BlockBlob"), *more], b"x", key=key)
            daemon.exchange(secrets.signature("SharedKey over secrets", data), "PUT")


def run_sas(daemon, secrets):
    query = secrets.sas("account SAS", tokens.account_sas())
    daemon.exchange(tokens.plain("GET", f"/{ACCOUNT}/box/blob?{query}")).must_be(200)
    query = secrets.sas("service SAS", tokens.service_sas("box", "blob"))
    daemon.exchange(tokens.plain("GET", f"/box/blob?{query}", host=HOST_STYLE)).must_be(200)
    query = secrets.sas("wrong SAS", tokens.account_sas(key=OTHER_KEYS[1]))
    daemon.exchange(tokens.plain("GET", f"/{ACCOUNT}/box/blob?{query}")).must_be(403)
    query = secrets.sas("SAS beside a SharedKey", tokens.account_sas())
    data = rawhttp.request("GET", f"/box/blob?{query}", key=OTHER_KEYS[0])
    daemon.exchange(secrets.signature("SharedKey beside a SAS", data)).must_be(403)
    for target in odd_targets(secrets):
        for host, path in (("127.0.0.1", f"/{ACCOUNT}/box/blob"), (HOST_STYLE, "/box/blob")):
            daemon.exchange(tokens.plain("GET", path + target, host=host))
        daemon.exchange(secrets.signature("wrong over odd", rawhttp.request("GET", "/box/blob" + target, key=OTHER_KEYS[0])))


def run_copies(daemon, secrets):
    own = secrets.sas("SAS of a copy source", tokens.account_sas())
    wrong = secrets.sas("wrong SAS of a copy source", tokens.account_sas(key=OTHER_KEYS[1]))
    sources = [f"http://127.0.0.1:{daemon.port}/{ACCOUNT}/box/blob?{own}",
               f"http://127.0.0.1:{daemon.port}/{ACCOUNT}/box/blob?{wrong}",
               f"https://{ACCOUNT}.blob.core.windows.net/box/blob?{own}",
               f"https://h.example/c/b?x={urllib.parse.quote('?' + wrong, safe='')}"]  # fmt: skip
    for source in sources:
        more = [("x-ms-copy-source", source), ("x-ms-client-request-id", "copy")]
        daemon.exchange(secrets.signature("copy", rawhttp.request("PUT", "/box/copy", more)), "PUT")
        daemon.exchange(secrets.signature("wrong copy", rawhttp.request("PUT", "/box/copy", more, key=OTHER_KEYS[0])), "PUT")
        sealed = rawhttp.request("PUT", "/box/copy", more, host=HOST_STYLE, key=OTHER_KEYS[0])
        daemon.exchange(secrets.signature("wrong copy in host style", sealed), "PUT")


def run_tokens(daemon, secrets):
    for scheme in ("Bearer", "bearer", "BEARER", "Basic", "Unknown"):
        for host, path in (("127.0.0.1", f"/{ACCOUNT}/box/blob"), (HOST_STYLE, "/box/blob")):
            fields = [("Authorization", f"{scheme} {secrets.made_up(scheme)}"), ("Cookie", f"c={secrets.made_up('cookie')}")]
            daemon.exchange(tokens.plain("GET", path, fields, host=host))
    twice = [("Authorization", f"Bearer {secrets.made_up('twice')}"), ("Authorization", f"SharedKey a:{secrets.made_up('twice')}")]
    daemon.exchange(tokens.plain("GET", f"/{ACCOUNT}/box/blob", twice)).must_be(400)


def run_elsewhere(daemon, secrets):
    """In what is logged of a request besides its target, and in requests that are no requests."""
    sas = f"https://h.example/c?sv=1&sig={urllib.parse.quote(secrets.made_up('id'), safe='')}"
    daemon.exchange(tokens.plain("GET", f"/{ACCOUNT}/box/blob", [("x-ms-client-request-id", sas), ("User-Agent", sas)]))
    bad = [f"Authorization SharedKey {ACCOUNT}:{secrets.made_up('no colon')}", f"Authorization:\x01{secrets.made_up('control')}",
           "x" * 40000 + secrets.made_up("too long"), f"Transfer-Encoding: {secrets.made_up('coding')}"]  # fmt: skip
    for line in bad:
        daemon.exchange(f"GET /{ACCOUNT}/box?sig={secrets.made_up('head')} HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}\r\n\r\n".encode())
    for first in (f"GET http://h.example/?sig={secrets.made_up('absolute')} HTTP/1.1", f"GET /?sig={secrets.made_up('old')} HTTP/0.9"):
        daemon.exchange(f"{first}\r\nHost: 127.0.0.1\r\n\r\n".encode())
    # What the HTTP library refuses by itself, behind a first request that passed.
    with rawhttp.Connection(daemon.address) as connection, contextlib.suppress(OSError, rawhttp.Closed):
        connection.exchange(tokens.plain("GET", f"/{ACCOUNT}/box/blob"))
        head = f"GET /{ACCOUNT}/box?sig={secrets.made_up('second')} HTTP/1.1\r\nHost: h\r\n{'y: ' + 'z' * 60000}"
        connection.exchange(f"{head}\r\nAuthorization: {secrets.made_up('behind')}\r\n\r\n".encode())


def run_batch(daemon, secrets):
    query = secrets.sas("SAS in a batch", tokens.account_sas(key=OTHER_KEYS[1]))
    inner = [secrets.signature("in a batch", rawhttp.request("DELETE", "/box/none", key=key)) for key in (KEY, OTHER_KEYS[0])]
    inner.append(tokens.plain("DELETE", f"/{ACCOUNT}/box/none?{query}"))
    mime = b"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
    body = b"".join(mime + part + b"\r\n" for part in inner) + b"--b--\r\n"
    for key in (KEY, OTHER_KEYS[0]):
        data = rawhttp.request("POST", "/?comp=batch", [("Content-Type", "multipart/mixed; boundary=b")], body, key=key)
        daemon.exchange(secrets.signature("a batch", data), "POST")


def run_all(daemon, secrets):
    daemon.make_container()
    daemon.exchange(rawhttp.put_blob("/box/blob", b"content"), "PUT").must_be(201)
    run_signed(daemon, secrets)
    run_sas(daemon, secrets)
    run_copies(daemon, secrets)
    run_tokens(daemon, secrets)
    run_elsewhere(daemon, secrets)
    run_batch(daemon, secrets)


def run_broken(daemon, secrets):
    """Nobody answers at the host's end, or behind it."""
    query = secrets.sas("SAS to nobody", tokens.account_sas())
    for _ in range(3):
        daemon.exchange(tokens.plain("GET", f"/{ACCOUNT}/box/blob?{query}", [("x-ms-client-request-id", "nobody")]))
        daemon.exchange(secrets.signature("to nobody", rawhttp.request("GET", "/box/blob")))


def reload_bad_keys(daemon):
    """A key file with mistakes in it: the message names the line, not what stands there."""
    place = pathlib.Path(daemon.directory)
    keys = place / "keys"
    for text in (f"{ACCOUNT} {OTHER_KEYS[0]}?\n", f"{ACCOUNT}{OTHER_KEYS[0]}\n", f"{OTHER_KEYS[0]} {ACCOUNT}\n",
                 f"{ACCOUNT} {OTHER_KEYS[0]} {OTHER_KEYS[1]} {OTHER_KEYS[0]}\n", f"{ACCOUNT} {OTHER_KEYS[0][:-3]}\n"):  # fmt: skip
        keys.write_text(text)
        keys.chmod(0o600)
        config = place / "blobproxyd.conf"
        config.write_text(re.sub(r"(?m)^file = .*\n", "", config.read_text()).replace("[accounts]\n", f"[accounts]\nfile = {keys}\n"))
        before = daemon.proxy.output().count("reload-failed")
        os.kill(daemon.proxy.pid, signal.SIGHUP)
        wait_for(lambda: daemon.proxy.output().count("reload-failed") > before, "refused reload")  # noqa: B023
    done = subprocess.run([*daemon.proxy.process.args, "--check-config"], capture_output=True, text=True, check=False)
    equal(done.returncode, 2)
    return done.stdout + done.stderr


def told_on_request(daemon):
    """What can be asked for: of the metrics' listener, and of blobproxyctl, as text and as JSON."""
    told = [daemon.admin(path).body.decode() for path in ("/metrics", "/status", "/", "/readyz")]
    for verb in ("errors", "status", "channels", "exchanges"):  # a connection string is there to have the published key
        for form in ([], ["--json"]):
            command = [BUILD / "blobproxyctl", "--socket", f"{daemon.directory}/control.sock", verb, *form]
            told.append(subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout)
    return told


def everything_said(daemon):
    daemon.proxy.stop()
    return "".join(program.output() for program in daemon.programs)


def must_be_silent(secrets, text):
    found = secrets.said_in(text)
    for what, piece in found:
        lines = [line for line in text.splitlines() if piece in line]
        note(f"{what}: {lines[0][:2000]}")
    assert not found, f"{len(found)} secrets were said, {found[0][0]} first"


def check_format(name):
    secrets = Secrets()
    host = [f"--log-format={name}", "--log-level=debug"]
    with Daemon(LOG.format(name), is_emulated=False, host_arguments=host) as daemon:
        with step(f"{name}: requests of every kind are answered, and the host's end is lost at last"):
            run_all(daemon, secrets)
            daemon.host.stop()
            run_broken(daemon, secrets)
            told = told_on_request(daemon)
        with step(f"{name}: a key file with mistakes"):
            told.append(reload_bad_keys(daemon))
        text = everything_said(daemon)
        with step(f"{name}: nothing of {len(secrets.known)} secrets was said"):
            must_be_silent(secrets, text + "".join(told))
        with step(f"{name}: much was said: of each request, of wrong signatures at both ends, of refusals"):
            for word in ("access", "signature-mismatch", "exchange-refused", "channel-lost", "reload-failed"):
                assert word in text, word
            assert text.count("redacted") > 50 and text.count("string_to_sign") > 10, (text.count("redacted"), len(text))
            assert "signature-mismatch" in daemon.host.output()
            assert "redacted" in "".join(told), "the last failures"


def check_endpoints():
    """What is said of endpoints that do not answer: behind the host, and past the channel."""
    secrets = Secrets()
    nobody = f"http://127.0.0.1:{free_port()}"
    with Daemon(LOG.format("text"), backend=nobody, host_arguments=["--log-level=debug"]) as daemon:
        with step("a backend that does not answer"):
            run_broken(daemon, secrets)
            text = everything_said(daemon)
            assert "backend-failed" in text
            must_be_silent(secrets, text)
    upstream = f"[upstream]\nfallback = https\nurl = {nobody}\nbreaker_failures = 2\n"
    with Daemon(LOG.format("text") + upstream, is_emulated=False) as daemon:
        with step("an endpoint upstream that does not answer"):
            daemon.host.stop()
            wait_for(lambda: daemon.metric("blobproxy_channels_up") == 0, "loss of the channels")
            run_broken(daemon, secrets)
            text = everything_said(daemon)
            assert "upstream-breaker" in text
            must_be_silent(secrets, text)


def check_journal():
    secrets = Secrets()
    with journald.Journal() as journal:
        host = ["--log-format=journal", "--log-level=debug"]
        with Daemon(LOG.format("journal"), is_emulated=False, host_arguments=host) as daemon:
            with step("journal: requests of every kind are answered"):
                run_all(daemon, secrets)
            with step(f"journal: nothing of {len(secrets.known)} secrets is in any field of any entry"):
                daemon.proxy.stop()
                daemon.host.stop()
                assert journal.wait_entries(BLOBPROXY_EVENT="host-stopped")
                done = subprocess.run(["journalctl", "--output=export", "--all"], capture_output=True, check=True)
                text = done.stdout.decode(errors="replace")
                assert text.count("BLOBPROXY_EVENT=access") > 50 and "BLOBPROXY_STRING_TO_SIGN" in text, len(text)
                must_be_silent(secrets, text)


def check_search():
    """The search itself finds what it is there for."""
    with step("the search finds a part of a secret, plain and percent-encoded"):
        secrets = Secrets()
        secret = secrets.add("this", "abc+/defghijklmnopqrstuvwxyz==")
        for text in (secret, secret[5:20], urllib.parse.quote(secret, safe="")[2:20], KEY[30:45]):
            assert len(secrets.said_in(f"..{text}..")) >= 1, text
        equal(secrets.said_in("sig=redacted&abc+/def"), [])


def main():
    reason = journald.reason_to_skip()
    if not reason:
        journald.enter_namespace()
    check_search()
    check_format("text")
    check_format("json")
    check_endpoints()
    if reason:
        skip("what is in the journal", reason)
    else:
        check_journal()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
