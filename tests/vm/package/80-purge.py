#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""apt remove and purge of a running service: it stops, its sockets close, nothing of it is left."""

import pathlib
import sys

import guest
import installed
from tap import equal, finish, step


def left():
    """What has "blob" in its name, but for the tests' own."""
    own = ("/usr/lib/blobproxyd-tests", "/usr/lib/modules", "/run/udev", "/etc/systemd/system/guest-", "/run/guest-")
    found = (str(path) for place in ("/etc", "/usr", "/run", "/var/lib") for path in pathlib.Path(place).rglob("*blob*"))
    return sorted(path for path in found if not path.startswith(own))


installed.must_get_blob()

with step("apt remove stops the service and closes its sockets; configuration and data stay"):
    installed.apt("remove", *installed.NAMES)
    for address in (installed.TCP, installed.TCP6, guest.METRICS):
        assert installed.is_refused(address), address
    assert not pathlib.Path(installed.UNIX).exists() and installed.CONF.exists()
    assert pathlib.Path("/var/lib/private/blobhostd").exists()
    equal(installed.failed_units(), [])

with step("apt purge takes the rest but what an administrator put there"):
    installed.apt("purge", *installed.NAMES)
    equal(left(), ["/etc/blobproxyd"])
    equal(sorted(path.name for path in pathlib.Path("/etc/blobproxyd").iterdir()), ["accounts.cred", "ca.crt", "ca.key", "tls.crt", "tls.key"])

with step("no unit of it has failed, and systemd knows none"):
    equal(installed.failed_units(), [])
    equal(guest.run("systemctl", "list-unit-files", "--no-legend", "blob*", check=False), "")

with step("no file is left without an owner"):
    equal(guest.run("find", "/etc", "/var", "-xdev", "(", "-nogroup", "-o", "-nouser", ")"), "")

sys.exit(finish())
