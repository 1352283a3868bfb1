#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""systemctl stop while the host has a transfer: the service waits for it and says so."""

import subprocess
import sys
import threading
import time

import guest
import rawhttp
from tap import equal, finish, step

SIZE = 1 << 20
TIMEOUT_STOP_S = 6


class Upload(threading.Thread):
    """One upload; its status, or 0 without an answer."""

    def __init__(self):
        super().__init__()
        self.status = None
        self.start()

    def run(self):
        try:
            self.status = guest.put("slow", guest.content(SIZE, "slow")).status
        except (rawhttp.Closed, OSError):
            self.status = 0


def stop():
    return subprocess.Popen(["systemctl", "stop", "blobproxyd"])


def must_have_stopped(stopping):
    stopping.wait(guest.DEADLINE_S)
    equal((guest.unit("ActiveState"), guest.unit("Result"), guest.unit("ExecMainStatus")), ("inactive", "success", "0"))
    guest.wait_counter("pinned_pages", 0)


journal = guest.Journal()
guest.start_all()

with step("the stop waits for the client's answer, and status tells it"):
    with guest.held():
        upload = Upload()
        guest.wait_counter("in_ring", 1)
        stopping = stop()
        guest.wait_for(lambda: "1 transfers at the host" in guest.status_text(), "status text")
        equal(guest.unit("ActiveState"), "deactivating")
        equal(upload.status, None)
        equal(stopping.poll(), None)

with step("when the host has answered the client gets it, and the service ends well"):
    upload.join()
    equal(upload.status, 201)
    must_have_stopped(stopping)

with guest.drop_in(f"[Service]\nTimeoutStopSec={TIMEOUT_STOP_S}\n"), step("a stop that takes longer than TimeoutStopSec= asks systemd for more, and ends well"):
    guest.run("systemctl", "start", "blobproxyd")
    guest.wait_channels()
    with guest.held():
        upload = Upload()
        guest.wait_counter("in_ring", 1)
        stopping = stop()
        time.sleep(2 * TIMEOUT_STOP_S)  # what passes here is what is tested
        equal((guest.unit("ActiveState"), stopping.poll()), ("deactivating", None))
    upload.join()
    equal(upload.status, 201)
    must_have_stopped(stopping)

with step("with limits.drain_timeout over the client is cut, but the host is waited for, and log and status tell it"):
    guest.configure(guest.CONFIG.replace("[limits]", "[limits]\ndrain_timeout = 1s"))
    guest.run("systemctl", "start", "blobproxyd")
    guest.wait_channels()
    journal = guest.Journal()
    with guest.held():
        upload = Upload()
        guest.wait_counter("in_ring", 1)
        stopping = stop()
        upload.join()
        equal(upload.status, 0)
        journal.wait_said("waiting for 1 transfers that only the host can end")
        guest.wait_for(lambda: guest.status_text() == "Waiting for 1 transfers that only the host can end", "status text")
        equal(guest.unit("ActiveState"), "deactivating")
        equal(stopping.poll(), None)

with step("when the host has answered the service ends well"):
    must_have_stopped(stopping)

with step("a stop without load takes no time, and a start serves again"):
    guest.run("systemctl", "start", "blobproxyd")
    guest.wait_channels()
    guest.must_come_back(SIZE)
    guest.run("systemctl", "stop", "blobproxyd")
    guest.wait_counter("pinned_pages", 0)

with step("no error in the journal"):
    journal.must_have_no_error()
    guest.stop_all()

sys.exit(finish())
