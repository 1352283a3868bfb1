#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A loop that does not turn: systemd's watchdog ends the process and starts another, and clients wait at the sockets meanwhile."""

import concurrent.futures
import pathlib
import re
import sys
import time

import guest
import installed
from heldthread import HeldThread, thread_of
from tap import equal, finish, step

INTERVAL_S = 6

installed.configure()
installed.restart()
installed.put_blob()

with step("as shipped the interval is half a minute"):
    equal(guest.unit("WatchdogUSec"), "30s")

with guest.drop_in(f"[Service]\nWatchdogSec={INTERVAL_S}\n"):
    installed.restart()
    first, restarts = guest.pid(), guest.restarts()

    with step("a service at rest is fed for three intervals"):
        time.sleep(3 * INTERVAL_S)
        equal((guest.pid(), guest.unit("ActiveState")), (first, "active"))

    journal = guest.Journal()
    with step("a shard that stands still trips it"):
        with HeldThread(thread_of(first, "shard-1")) as held:
            guest.wait_for(lambda: held.reap() or guest.restarts() == restarts + 1, "restart")
        said = journal.lines(unit="blobproxyd.service")
        for text in ("shard 1 has not moved", "Watchdog timeout", "Failed with result 'watchdog'"):
            assert any(text in line for line in said), said

    with step("the process that came then serves"):
        installed.wait_active()
        assert guest.pid() != first
        installed.must_get_blob()

    with step("a whole process that stands still does it, too, and who asks meanwhile has the answer of the next one"):
        second = guest.pid()
        guest.run("systemctl", "kill", "-s", "STOP", "blobproxyd")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(installed.list_containers)
            guest.wait_for(lambda: guest.restarts() == restarts + 2, "restart")
            asked.result().must_be(200)
        assert guest.pid() != second

    with step("an abort may leave no core file, which would hold keys"):
        limits = pathlib.Path(f"/proc/{guest.pid()}/limits").read_text()
        equal(re.search(r"^Max core file size +(\S+) +(\S+)", limits, re.M).groups(), ("0", "0"))

installed.restart()
with step("the interval is the shipped one again"):
    equal(guest.unit("WatchdogUSec"), "30s")
    installed.must_get_blob()

sys.exit(finish())
