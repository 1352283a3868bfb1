#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""systemctl reload, the journal's fields, and who may give orders."""

import json
import subprocess
import sys

import guest
import installed
import rawhttp
from tap import equal, finish, step

SECOND_KEY = "c2Vjb25kIGtleSBvZiB0aGUgc2FtZSBhY2NvdW50"


def reload():
    return subprocess.run(["systemctl", "reload", "blobproxyd"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def entries(**fields):
    lines = guest.run("journalctl", "-q", "-b", "-o", "json", "-u", "blobproxyd", *(f"{name}={value}" for name, value in fields.items()))
    return [json.loads(line) for line in lines.splitlines()]


def errors():
    """Of the program itself, not of systemd about it."""
    return journal.lines(error=True, _COMM="blobproxyd")


installed.configure()
installed.restart()
pid = guest.pid()
journal = guest.Journal()

with step("a reload takes another log level and the access log, in the same process"):
    installed.configure("[log]\nlevel = debug\naccess = all\n")
    equal(reload().returncode, 0)
    equal(installed.ctl("log-level"), "debug\n")
    equal((guest.pid(), guest.unit("ActiveState"), guest.unit("SubState")), (pid, "active", "running"))

with step("what is logged of a request carries the client's id and the transfer's in fields of the journal"):
    data = rawhttp.request("GET", "/box/a", [("x-ms-client-request-id", "asked-in-the-guest")])
    answer = installed.exchange(data).must_be(200)
    guest.wait_for(lambda: entries(BLOBPROXY_CLIENT_REQUEST_ID="asked-in-the-guest"), "entry")
    (entry,) = entries(BLOBPROXY_CLIENT_REQUEST_ID="asked-in-the-guest")
    wanted = {"MESSAGE": "GetBlob 200", "BLOBPROXY_EVENT": "access", "BLOBPROXY_OPERATION": "GetBlob", "BLOBPROXY_ROUTE": "channel",
              "BLOBPROXY_CONTAINER": "box", "BLOBPROXY_PEER": "tcp-loopback", "_SYSTEMD_UNIT": "blobproxyd.service"}  # fmt: skip
    equal({name: entry.get(name) for name in wanted}, wanted)
    equal(entry["BLOBPROXY_REQUEST_ID"], answer.header("x-ms-request-id"))
    equal(len(entry["BLOBPROXY_TRANSFER"]), 36)

with step("a broken file makes systemctl reload fail, says what to write in one line, and changes nothing"):
    installed.configure("[log]\nlevel = debug\naccess = all\n[limits]\nshard = 1\n")
    journal = guest.Journal()
    assert reload().returncode != 0
    guest.wait_for(errors, "error")
    (line,) = errors()
    print("# " + line)
    for part in ("/etc/blobproxyd/blobproxyd.conf:", "shard", "shards"):
        assert part in line, line
    installed.must_get_blob()
    equal((guest.pid(), guest.unit("ActiveState")), (pid, "active"))

with step("so does SIGHUP alone, and the configuration before it stays in force"):
    journal = guest.Journal()
    guest.run("systemctl", "kill", "-s", "HUP", "--kill-who=main", "blobproxyd")
    guest.wait_for(errors, "error")
    assert "shards" in errors()[0], errors()
    guest.wait_for(lambda: guest.unit("SubState") == "running", "end of the reload")
    equal(installed.ctl("log-level"), "debug\n")
    installed.must_get_blob()

with step("what only a restart can take is named"):
    journal = guest.Journal()
    installed.configure("[limits]\nshards = 1\n")
    equal(reload().returncode, 0)
    guest.wait_for(lambda: journal.lines(BLOBPROXY_EVENT="restart-needed"), "line about the restart")
    (line,) = journal.lines(BLOBPROXY_EVENT="restart-needed")
    print("# " + line)
    assert line.endswith(": limits.shards"), line
    equal(guest.pid(), pid)

with step("a key that is added to accounts.file by a reload is one that clients may sign with"):
    path = installed.keep("accounts", f"{rawhttp.ACCOUNT} {rawhttp.KEY}\n".encode())
    installed.configure(config=f"[accounts]\nfile = {path}\n")
    equal(reload().returncode, 0)
    signed_anew = rawhttp.request("GET", "/box/a", key=SECOND_KEY)
    installed.must_get_blob()
    installed.exchange(signed_anew).must_be_azure_error(403)
    installed.keep("accounts", f"{rawhttp.ACCOUNT} {rawhttp.KEY} {SECOND_KEY}\n".encode())
    equal(reload().returncode, 0)
    installed.exchange(signed_anew).must_be(200)
    equal(guest.pid(), pid)

with step("events worth an alert have their MESSAGE_ID, and journalctl -x explains them"):
    guest.run("systemctl", "kill", "-s", "KILL", "blobhostd")
    guest.wait_for(lambda: entries(BLOBPROXY_EVENT="channel-lost"), "entry about the lost channel")
    entry = entries(BLOBPROXY_EVENT="channel-lost")[-1]
    equal(len(entry["MESSAGE_ID"]), 32)
    text = guest.run("journalctl", "-q", "-x", "--no-pager", "-b", f"MESSAGE_ID={entry['MESSAGE_ID']}")
    assert "Subject:" in text and "What to do:" in text, text[:1000]

with step("the host comes back by itself, and the proxy to it"):
    installed.ctl("wait-ready", "--timeout", "60")
    installed.must_get_blob()
    equal(guest.pid(), pid)

with step("root gives orders on the control socket, nobody does not"):
    assert "channel" in installed.ctl("status")
    done = installed.as_nobody("blobproxyctl", "status")
    assert done.returncode != 0 and "/run/blobproxyd-control.sock" in done.stdout, done.stdout
    print("# " + done.stdout.strip())

with step("no key stands in the journal"):
    said = guest.run("journalctl", "-q", "-b", "-o", "json", "--all")
    for secret in (rawhttp.KEY, SECOND_KEY):
        assert secret not in said

with step("a wrong configuration at a start: one line, status 2, no process; systemd gives the sockets up when clients insist"):
    journal = guest.Journal()
    installed.configure("[limits]\nshard = 1\n")
    done = subprocess.run(["systemctl", "restart", "blobproxyd"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode != 0
    equal((guest.unit("ExecMainStatus"), guest.pid()), ("2", 0))
    guest.wait_for(errors, "error")
    assert "did you mean shards?" in errors()[0] and len(set(errors())) == 1, errors()
    guest.wait_for(installed.is_refused, "refusal")
    equal(guest.pid(), 0)

with step("with the file mended, reset-failed and a start of the sockets serve again"):
    installed.configure()
    guest.run("sh", "-ec", "systemctl reset-failed 'blobproxyd*' && systemctl start blobproxyd.socket")
    for unit in installed.SOCKETS:
        assert installed.is_active(unit), unit
    installed.must_get_blob()

sys.exit(finish())
