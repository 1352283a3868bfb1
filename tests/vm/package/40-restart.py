#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Restarts and an upgrade of the package, under load on the sockets for plain HTTP: nobody is refused and no request fails."""

import pathlib
import sys

import guest
import installed
from load import Load
from steadyclient import SteadyLoad
from tap import equal, finish, note, step

ADDRESSES = [installed.TCP] * 2 + [installed.TCP6] + [installed.UNIX]
REQUESTS = 3000
WRITTEN = (1000, 200_000, 3_000_000)


def sockets_since():
    return [guest.unit("ActiveEnterTimestampMonotonic", unit) for unit in installed.SOCKETS]


installed.configure("[log]\nlevel = info\n")
installed.restart()
installed.put_blob()
journal = guest.Journal()

with SteadyLoad(ADDRESSES, "/box/a", installed.CONTENT) as load, Load(installed.TCP, threads=1, sizes=WRITTEN) as writes:
    for turn in (1, 2, 3):
        with step(f"systemctl restart under load ({turn})"):
            before = guest.pid()
            guest.wait_for(lambda: load.answers() >= turn * 300, "requests before the restart")
            installed.restart()
            assert guest.pid() != before
    with step("apt installs the higher version of the proxy under load: another process, the same sockets, the configuration kept"):
        answers, before = load.answers(), guest.pid()
        since = sockets_since()
        installed.install("upper", "blobproxyd")
        assert guest.run("dpkg-query", "-W", "-f", "${Version}", "blobproxyd") != "0.0.1-1"
        assert guest.pid() not in (0, before)
        equal(sockets_since(), since)
        assert "level = info" in installed.CONF.read_text()
        assert load.answers() > answers
    guest.wait_for(lambda: load.answers() >= REQUESTS, "requests after all that", 200)

with step("no connection was refused and no request has failed"):
    note(f"{load.answers()} requests over 3 restarts and an upgrade")
    equal(load.failures(), [])

with step("every write was acknowledged, and what was read back or is there now is what was written"):
    note(f"{writes.successes()} writes and reads of up to {max(WRITTEN)} bytes")
    writes.verify()
    equal((set(writes.statuses) - {200, 201}, writes.wrong), (set(), []))
    assert writes.count(201) > 3, writes.statuses

with step("the host's package follows; it starts anew, and the proxy finds it again by itself"):
    before = guest.pid()
    installed.install("upper", "blobhostd")
    installed.ctl("wait-ready")
    guest.wait_metric("blobproxy_channels_up", guest.SHARDS)
    installed.must_get_blob()
    equal(guest.pid(), before)

with step("nothing of it is an error in the journal"):
    journal.must_have_no_error()
    equal(installed.failed_units(), [])

with step("a drain that is asked for lets clients end, and the next one starts the service again"):
    installed.ctl("drain")
    guest.wait_for(lambda: not installed.is_active("blobproxyd.service"), "end of the service")
    equal(guest.unit("Result"), "success")
    installed.must_get_blob()

with step("the emulated host of the package keeps its blobs where only it reads"):
    store = pathlib.Path("/var/lib/private/blobhostd")
    equal(oct(store.stat().st_mode & 0o777), "0o700")
    assert any(store.iterdir())

sys.exit(finish())
