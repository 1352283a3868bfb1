#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""apt remove and purge of a running service: it stops, its sockets close, nothing of it is left."""

import pathlib
import socket
import sys

import guest
import installed
from tap import equal, finish, step


def is_refused(address):
    try:
        socket.create_connection(address, timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def left():
    return sorted(str(path) for place in ("/etc", "/usr", "/run", "/var/lib") for path in pathlib.Path(place).rglob("*blob*")
                  if not str(path).startswith(("/usr/lib/blobproxyd-tests", "/usr/share/bash-completion", "/usr/lib/modules")) and "guest" not in path.name)  # fmt: skip


installed.must_get_blob()

with step("apt remove stops the service and closes its sockets; configuration and data stay"):
    installed.apt("remove", *installed.NAMES)
    for address in (installed.TCP, installed.TCP6, guest.METRICS):
        assert is_refused(address), address
    assert not pathlib.Path(installed.UNIX).exists() and installed.CONF.exists()
    assert pathlib.Path("/var/lib/private/blobhostd").exists()
    equal(installed.failed_units(), [])

with step("apt purge takes the rest but what an administrator put there"):
    installed.apt("purge", *installed.NAMES)
    for path in left():
        print("# left: " + path)

with step("no unit of it has failed, and systemd knows none"):
    equal(installed.failed_units(), [])
    equal(guest.run("systemctl", "list-unit-files", "--no-legend", "blob*", check=False), "")

with step("the device's group goes with nobody's file left to it"):
    equal(guest.run("find", "/etc", "/var", "-xdev", "-nogroup"), "")

sys.exit(finish())
