#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kill -9 while the host has a transfer: the kernel keeps the process until the host is done, then systemd starts another one."""

import os
import signal
import sys
import threading

import guest
import rawhttp
from tap import equal, finish, step

SIZE = 1 << 20
PAGES = SIZE >> 12

journal = guest.Journal()
guest.start_all()


def put_in_vain():
    """Its connection ends without an answer."""
    try:
        guest.put("killed", guest.content(SIZE, "killed"))
    except (rawhttp.Closed, OSError):
        pass


def kill_during(name, value):
    """Kills the service when the counter says that its transfer is there; returns its pid and the client, whose connection ends
    with the process."""
    client = threading.Thread(target=put_in_vain)
    client.start()
    guest.wait_counter(name, value)
    process = guest.pid()
    os.kill(process, signal.SIGKILL)
    return process, client


def must_still_be_there(process):
    guest.wait_for(lambda: guest.task_states(process) & {"D"}, "thread in state D")
    assert guest.counters()["pinned_pages"] > PAGES, guest.counters()


def must_have_gone_and_come_back(process, client, number_of_restarts):
    guest.wait_for(lambda: not guest.is_there(process), "end of the process")
    client.join()
    guest.wait_for(lambda: guest.restarts() == number_of_restarts and guest.unit("ActiveState") == "active", "restart")
    guest.wait_channels()
    guest.must_come_back(SIZE)
    guest.must_be_idle()


with step("in the ring: the process stays in state D with its pages"):
    with guest.held():
        victim, client = kill_during("in_ring", 1)
        must_still_be_there(victim)
        equal(guest.restarts(), 0)

with step("when the host has completed it the process goes, systemd starts another one, no page stays pinned"):
    must_have_gone_and_come_back(victim, client, 1)

with step("at a host that has been stopped: the same"):
    guest.run("systemctl", "kill", "-s", "STOP", "guest-blobhostd")
    try:
        victim, client = kill_during("at_host", 1)
        must_still_be_there(victim)
    finally:
        guest.run("systemctl", "kill", "-s", "CONT", "guest-blobhostd")
    must_have_gone_and_come_back(victim, client, 2)

with step("no error in the journal"):
    # What has been killed feeds no watchdog while the kernel keeps it.
    journal.must_have_no_error("Watchdog timeout")
    guest.stop_all()

sys.exit(finish())
