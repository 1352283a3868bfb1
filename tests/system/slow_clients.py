#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""1,200 connections that drip heads or bodies; normal requests all succeed meanwhile, and every dripper is put out."""

import asyncio
import resource
import sys
import threading
import time

from harness import Daemon, equal, finish, note, step
from rawhttp import Closed, one, put_blob, request

HEAD_DRIPPERS = 900
BODY_DRIPPERS = 300
DRIP_S = 0.5
ATTACK_LIMIT_S = 40
CONFIG = """
[limits]
header_timeout = 3s
slot_timeout = 5s
body_grace = 3s
body_rate = 1M
[log]
level = error
"""


class Attack(threading.Thread):
    """Drips one byte per connection and half second, until the daemon has ended each of them or the time is up."""

    def __init__(self, port):
        super().__init__()
        self.port = port
        self.is_connected = threading.Event()
        self.connected = self.ended_heads = self.ended_bodies = 0
        self.failure = None

    def run(self):
        try:
            asyncio.run(self._all())
        except Exception as error:  # handed to the step that waits
            self.failure = error
            self.is_connected.set()

    async def _all(self):
        body_head = put_blob("/box/dripped", b"", length=1 << 20)
        drippers = [(b"GET /devstoreaccount1/box/b HTTP/1.1\r\nX-Drip: ", True)] * HEAD_DRIPPERS + [(body_head, False)] * BODY_DRIPPERS
        streams = []
        for start, is_head in drippers:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(start)
            streams.append((reader, writer, is_head))
        self.connected = len(streams)
        self.is_connected.set()
        tasks = [asyncio.create_task(self._drip(*stream)) for stream in streams]
        _, late = await asyncio.wait(tasks, timeout=ATTACK_LIMIT_S)
        for task in late:
            task.cancel()
        for _, writer, _ in streams:
            writer.close()

    async def _drip(self, reader, writer, is_head):
        end = asyncio.create_task(reader.read())
        while not end.done():
            writer.write(b"x")
            await asyncio.wait([end], timeout=DRIP_S)
        end.exception()
        if is_head:
            self.ended_heads += 1
        else:
            self.ended_bodies += 1


def normal_requests(daemon, attack):
    """Latencies in ms of small requests, each on a new connection, while the attack lasts."""
    latencies, failures = [], []
    while attack.is_alive():
        began = time.monotonic()
        try:
            answer = one(daemon.address, request("GET", "/box/serves"))
            if answer.status != 200 or answer.body != b"yes":
                failures.append(repr(answer))
        except (OSError, Closed) as error:
            failures.append(repr(error))
        latencies.append((time.monotonic() - began) * 1000)
        attack.join(0.02)
    return latencies, failures


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    with Daemon(CONFIG) as daemon:
        daemon.make_container()
        daemon.must_serve()
        attack = Attack(daemon.port)
        attack.start()
        attack.is_connected.wait()
        latencies, failures = normal_requests(daemon, attack)
        attack.join()
        with step("1,200 slow connections are made"):
            assert not attack.failure, repr(attack.failure)
            equal(attack.connected, HEAD_DRIPPERS + BODY_DRIPPERS)
        with step("every normal request succeeds meanwhile"):
            assert len(latencies) >= 20, f"only {len(latencies)} requests"
            equal(failures, [])
        with step("every connection that dripped its head is ended"):
            equal(attack.ended_heads, HEAD_DRIPPERS)
        with step("every connection that dripped its body is ended"):
            equal(attack.ended_bodies, BODY_DRIPPERS)
        with step("header deadlines are counted"):
            assert daemon.metric('blobproxy_errors_total{kind="header_deadline"}') >= HEAD_DRIPPERS
        with step("nothing is left busy, nothing was written"):
            daemon.wait_idle()
            daemon.exchange(request("GET", "/box/dripped")).must_be(404)
            daemon.must_serve()
        latencies.sort()
        if latencies:
            middle, late = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
            note(f"{len(latencies)} normal requests: median {middle:.1f} ms, 99 % {late:.1f} ms, longest {latencies[-1]:.1f} ms")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
