#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""apt install, systemctl enable --now blobproxyd.socket: from there on the first client starts the service."""

import json
import os
import pathlib
import sys

import guest
import installed
from tap import equal, finish, step

def listening(pid):
    """Inodes of the listening sockets of a process."""
    tables = [pathlib.Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    all_of_them = {row.split()[9] for table in tables for row in table if row.split()[3] == "0A"}
    all_of_them |= {row.split()[6] for row in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:] if row.split()[3] == "00010000"}
    held = {os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    return {inode for inode in all_of_them if f"socket:[{inode}]" in held}


with step("apt installs the packages from their files alone"):
    installed.install("lower")
    equal(guest.run("dpkg-query", "-W", "-f", "${Version} ", *installed.NAMES).split(), ["0.0.1-1"] * 2)

with step("nothing is enabled, nothing runs and nothing has failed by it"):
    for unit in (*installed.SOCKETS, "blobproxyd-tls.socket", "blobproxyd.service", "blobhostd.service"):
        equal((unit, guest.run("systemctl", "is-enabled", unit, check=False).strip()), (unit, "disabled"))
        assert not installed.is_active(unit), unit
    equal(installed.failed_units(), [])

with step("systemctl enable --now blobproxyd.socket brings the sockets of blobs, metrics and control, and no process"):
    guest.run("systemctl", "enable", "--now", "blobhostd.service", "blobproxyd.socket")
    for unit in installed.SOCKETS:
        assert installed.is_active(unit), unit
    assert not installed.is_active("blobproxyd.service")

with step("the first scrape starts the service, as it was shipped, and is answered"):
    text = guest.admin("/metrics").must_be(200).body.decode()
    assert "\nblobproxy_build_info{" in text and "\nblobproxy_channels_up " in text, text[:300]
    installed.wait_active()

installed.configure()
for what, address in (("127.0.0.1", installed.TCP), ("[::1]", installed.TCP6), ("the Unix socket", installed.UNIX)):
    with step(f"a first request on {what} starts it, and has its answer from the host at once"):
        installed.stop()
        assert not installed.is_active("blobproxyd.service")
        installed.list_containers(address).must_be(200)

with step("so does blobproxyctl"):
    installed.stop()
    report = json.loads(installed.ctl("status", "--json"))
    assert report["version"], report
    installed.wait_active()

with step("a blob goes and comes"):
    installed.put_blob()
    for address in (installed.TCP, installed.TCP6, installed.UNIX):
        installed.must_get_blob(address)

with step("it listens on nothing but the sockets that systemd holds"):
    equal(listening(guest.pid()), listening(1) & listening(guest.pid()))
    assert len(listening(guest.pid())) >= 5, listening(guest.pid())

with step("systemctl status shows what it does, and the sockets that it has"):
    text = guest.run("systemctl", "status", "--no-pager", "--full", "blobproxyd.service")
    print("\n".join("# " + line for line in text.splitlines()[:14]))
    for part in ("active (running)", "Status: \"", "channel", "TriggeredBy:", "blobproxyd.socket",
                 "man:blobproxyd(8)", "requests/s"):  # fmt: skip
        assert part in text, part

with step("nothing of it is an error in the journal"):
    said = guest.run("journalctl", "-q", "-b", "-o", "cat", "-p", "err", "-u", "blobproxyd", "-u", "blobhostd", *(
        word for unit in installed.SOCKETS for word in ("-u", unit)))  # fmt: skip
    equal(said, "")

with step("systemctl stop of clients' sockets and service is for good: no scrape and no command starts it again"):
    guest.run("systemctl", "stop", "blobproxyd.socket", "blobproxyd.service")
    for address in (installed.TCP, guest.METRICS):
        assert installed.is_refused(address), address
    for unit in (*installed.SOCKETS, "blobproxyd.service"):
        assert not installed.is_active(unit), unit
    guest.run("systemctl", "start", "blobproxyd.socket")
    installed.must_get_blob()

sys.exit(finish())
