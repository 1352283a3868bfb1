#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The device goes and comes back under load: no wrong byte, no restart."""

import sys
import threading

import guest
import rawhttp
from tap import equal, finish, note, step

CLIENTS = 3
ROUNDS = 3
SIZE = (1 << 18) + 7

journal = guest.Journal()
guest.start_all()
process = guest.pid()


class Client(threading.Thread):
    """Writes and reads, each time something else, until it is told to end. An answer is right, or an error that says to retry."""

    def __init__(self, number):
        super().__init__()
        self.number, self.rounds, self.refused, self.wrong = number, 0, 0, []
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            data = guest.content(SIZE + self.number, f"{self.number} {self.rounds}")
            if self.succeeds(lambda: guest.put(f"client-{self.number}", data), 201):
                self.succeeds(lambda: guest.get(f"client-{self.number}"), 200, data)
            self.rounds += 1

    def succeeds(self, request, status, data=b""):
        try:
            answer = request()
        except (rawhttp.Closed, OSError) as error:
            self.wrong.append(f"no answer: {error!r}")
            return False
        if answer.status in (500, 503) and answer.code in ("OperationTimedOut", "ServerBusy"):
            self.refused += 1
            return False
        if answer.status != status or answer.body != data:
            self.wrong.append(f"{answer!r:.200}")
        return True


clients = [Client(number) for number in range(CLIENTS)]
for client in clients:
    client.start()


def rounds():
    return [client.rounds for client in clients]


def wait_progress():
    """Every client has begun and ended a round since now."""
    begin = rounds()
    guest.wait_for(lambda: all(now >= was + 2 for now, was in zip(rounds(), begin)), "progress of all clients")


for number in range(ROUNDS):
    with step(f"removal {number + 1}: the node goes, the host completes what it had, the device comes back and is used again"):
        wait_progress()
        completed = guest.counters()["completed"]
        guest.control("remove")
        assert not guest.DEVICE.exists()
        guest.wait_metric("blobproxy_channels_up", 0)
        equal(guest.counters()["at_host"], 0)
        guest.control("return")
        guest.wait_channels()
        guest.wait_for(lambda: guest.counters()["completed"] > completed, "transfers")

with step("the module itself goes and comes back: host and device with it"):
    guest.control("remove")
    guest.wait_metric("blobproxy_channels_up", 0)
    guest.run("systemctl", "stop", "guest-relay")
    guest.wait_for(lambda: guest.run("lsmod").split("azure_blob_test", 1)[1].split()[1] == "0", "end of all use of the module")
    guest.run("rmmod", "azure_blob_test")
    guest.load_module()
    guest.run("systemctl", "start", "guest-relay")
    guest.wait_channels()
    wait_progress()

with step("every answer was right, or an error that asks to retry"):
    for client in clients:
        client.is_over.set()
    for client in clients:
        client.join()
    wrong = [text for client in clients for text in client.wrong]
    assert not wrong, "; ".join(wrong[:5])
    note(f"{sum(rounds())} rounds, {sum(client.refused for client in clients)} refused")

with step("afterwards everything is served, and nothing is left over"):
    guest.must_come_back(guest.LARGEST)
    guest.must_be_idle()

with step("the process is the same, no error in the journal"):
    equal((guest.pid(), guest.restarts()), (process, 0))
    journal.must_have_no_error()
    guest.stop_all()

sys.exit(finish())
