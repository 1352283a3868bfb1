#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Keys and certificate by systemd's credentials, as the comments of the unit say."""

import pathlib
import ssl
import subprocess
import sys

import guest
import installed
import rawhttp
from tap import equal, finish, step

ETC = pathlib.Path("/etc/blobproxyd")
CREDENTIALS = f"""[Service]
LoadCredentialEncrypted=accounts:{ETC}/accounts.cred
LoadCredential=tls.crt:{ETC}/tls.crt
LoadCredential=tls.key:{ETC}/tls.key
"""


def over_tls():
    context = ssl.create_default_context(cafile="/etc/blobproxyd/ca.crt")
    with rawhttp.Connection(installed.TLS, timeout=guest.DEADLINE_S, context=context, name="localhost") as connection:
        return connection.exchange(rawhttp.request("GET", "/box/a"))


def served_certificate():
    return ssl.get_server_certificate(installed.TLS, timeout=guest.DEADLINE_S)


installed.configure()
installed.restart()
installed.put_blob()

with step("without an account's key its SharedKey is refused"):
    installed.configure(config="")
    installed.restart()
    installed.exchange(rawhttp.request("GET", "/box/a")).must_be_azure_error((400, 403))

with step("systemd-creds encrypts the keys, blobproxyd-local-ca makes a certificate"):
    subprocess.run(["systemd-creds", "encrypt", "--name=accounts", "-", ETC / "accounts.cred"], check=True,
                   input=f"{rawhttp.ACCOUNT} {rawhttp.KEY}\n".encode())  # fmt: skip
    guest.run("blobproxyd-local-ca", str(ETC))
    assert rawhttp.KEY.encode() not in (ETC / "accounts.cred").read_bytes()

with guest.drop_in(CREDENTIALS), installed.under_apparmor():
    with step("with the credentials the same requests are taken"):
        installed.restart()
        installed.must_get_blob()
    with step("systemctl enable --now blobproxyd-tls.socket and a restart: TLS, by the credentials tls.crt and tls.key"):
        guest.run("systemctl", "stop", "blobproxyd.service")
        guest.run("systemctl", "enable", "--now", "blobproxyd-tls.socket")
        answer = over_tls().must_be(200)
        equal(answer.body, installed.CONTENT)
    with step("blobproxyctl tells the connection string of TLS, without a key"):
        text = installed.ctl("connection-string", "--tls")
        assert "BlobEndpoint=https://127.0.0.1:10100/" in text, text
    with step("only the service's user reads the credentials"):
        directory = pathlib.Path("/run/credentials/blobproxyd.service")
        equal(sorted(path.name for path in directory.iterdir()), ["accounts", "tls.crt", "tls.key"])
        done = installed.as_nobody("ls", str(directory))
        assert done.returncode != 0, done.stdout
    with step("no key stands in the environment, the command line, the status or the journal"):
        pid = guest.pid()
        shown = [pathlib.Path(f"/proc/{pid}/{name}").read_text() for name in ("environ", "cmdline")]
        shown += [installed.ctl("status", "--json"), guest.run("systemctl", "show", "blobproxyd")]
        shown += [guest.run("journalctl", "-q", "-b", "-o", "json", "--all")]
        for text in shown:
            assert rawhttp.KEY not in text
    with step("a reload keeps them"):
        guest.run("systemctl", "reload", "blobproxyd")
        equal(guest.pid(), pid)
        over_tls().must_be(200)
        installed.must_get_blob()

with step("a certificate in a file is renewed by a reload"):
    names = {name: installed.keep(name, (ETC / name).read_bytes()) for name in ("tls.crt", "tls.key")}
    installed.configure(f"[tls]\ncertificate = {names['tls.crt']}\nkey = {names['tls.key']}\n")
    installed.restart()
    pid, before = guest.pid(), served_certificate()
    guest.run("blobproxyd-local-ca", str(ETC))
    for name in names:
        installed.keep(name, (ETC / name).read_bytes())
    guest.run("systemctl", "reload", "blobproxyd")
    guest.wait_for(lambda: served_certificate() != before, "other certificate")
    over_tls().must_be(200)
    equal(guest.pid(), pid)

with step("without the TLS socket and the credentials it is as before"):
    guest.run("systemctl", "disable", "--now", "blobproxyd-tls.socket")
    installed.configure()
    installed.restart()
    installed.must_get_blob()
    equal(installed.failed_units(), [])

sys.exit(finish())
